"""Commands about the traffic: ``:trace``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench.commands.command import command
from pbshell.workbench.rows import Notice

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench


@dataclass(frozen=True, slots=True)
class TraceState(Notice):
    """Whether the traffic is shown. The secrets of logins never are."""

    on: bool

    def __str__(self) -> str:
        return "trace on; the secrets of a login are shown as ***" if self.on else "trace off"


@command("trace", "[on|off]", "every message of both sides, a line each")
def trace(bench: Workbench, switch: str = "") -> TraceState:
    """Show the traffic from now on, or no more; without a word, whether it is shown."""
    if switch not in ("", "on", "off"):
        raise UsageError(f"trace cannot be {visible(switch, 30)!r}: write on or off")
    if switch:
        bench.tracer.on = switch == "on"
    return TraceState(bench.tracer.on)
