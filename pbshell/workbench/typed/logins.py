"""Logins that a statement makes by itself, as ``await connection.login(...)``: seen in the traffic, and whose they are.

Knows what the tracer has read of our connections; calls nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RemoteReference
from pbshell.wire.chunk import Side

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Opened, Workbench

__all__ = ["new_logins", "users_of"]


def users_of(bench: Workbench) -> dict[int, str]:
    """Who has logged in last, by the numbers of our connections."""
    seen = bench.tracer.dissector.connections
    numbers = [opened.connection.number for opened in bench.connections.values()]
    return {number: seen[number].user for number in numbers if number in seen}


def new_logins(bench: Workbench, before: dict[int, str], value: Any) -> Iterator[Opened]:
    """The connections on which somebody else is logged in than *before*, with the avatar as their root.

    The avatar is the *value* of a statement, or in the namespace; where it is neither, nobody has it.
    """
    now = users_of(bench)
    for opened in tuple(bench.connections.values()):
        user = now.get(opened.connection.number, "")
        if user in ("", opened.user) or user == before.get(opened.connection.number, user):
            continue
        for each in (value, *bench.namespace.values()):
            if type(each) is RemoteReference and _is_avatar(bench, opened, each, user):
                yield replace(opened, root=each, user=user)
                break


def _is_avatar(bench: Workbench, opened: Opened, reference: RemoteReference, user: str) -> bool:
    """Whether *reference* is what *user* got by the login: its birth has that name."""
    if reference.broker is not opened.connection.broker:
        return False
    lent = bench.tracer.dissector.connections[opened.connection.number].lent(Side.SERVER, reference.luid)
    return lent is not None and lent.name == user
