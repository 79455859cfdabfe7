"""How a connection is made: all that it takes to make it once more. Makes none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pbshell.errors import UsageError
from pbshell.net.endpoints import ConnectEndpoint
from pbshell.wire.text import visible

__all__ = ["NAME", "Plan", "check_name"]

#: what a connection or a server may be called; ``all`` is a word of `:conns`
NAME = re.compile(r"(?!all$)[\w@][\w.@-]{0,39}")


def check_name(name: str) -> str:
    """*name*, if a connection or a server may be called so. Raises UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{visible(name, 40)!r} is no name: it has letters, digits, and _ . @ -")
    return name


@dataclass(frozen=True, slots=True)
class Plan:
    """Connect to *target*, and log in.

    *credentials* are None for no login, *user* is who that logs in. *mind* takes the calls of the server behind a
    login; without one they are answered with None. *timeout* (seconds) is for connection and login together.
    *options* are those of `pb.connect`.
    """

    target: str | ConnectEndpoint
    credentials: Any = None
    user: str = ""
    timeout: float | None = 10.0
    mind: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        # Credentials are secrets, and results are shown by their repr.
        return f"<Plan to connect to {self.target}{f' as {self.user!r}' if self.user else ''}>"
