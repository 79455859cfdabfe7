"""The smallest server: it sends back what it is sent. Knows one method."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from pbshell import pb
from pbshell.plugin import ServerPlugin


class Echoer(pb.Root):
    """Sends back what it is sent."""

    def remote_echo(self, st: Any) -> Any:
        """*st*, whatever it is."""
        # repr() shows and does not obey what comes from a stranger, and what is long need not fill the screen.
        sys.stderr.write(f"echoing: {repr(st)[:200]}\n")
        return st


class EchoPlugin(ServerPlugin):
    """Makes the echo server."""

    description = "sends back what it is sent: remote_echo(st)"

    def make(self, options: argparse.Namespace) -> Echoer:
        """The root object."""
        return Echoer()


plugin = EchoPlugin()
