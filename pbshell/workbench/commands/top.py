"""The command about what happens at this moment: ``:top``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pbshell.workbench.commands.command import command
from pbshell.workbench.traffic.pulse import Pulse, Top

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench


@command("top", "", "connections, calls per second, what waits and what is slow, as it changes")
def top(bench: Workbench) -> Top:
    """How busy the connections are. At a terminal it is a full screen that changes; ``q`` leaves it.

    Behind a pipe, and as `sh.top()`, it is the state of this moment.
    """
    return bench.part(Pulse).top(asyncio.get_running_loop().time())
