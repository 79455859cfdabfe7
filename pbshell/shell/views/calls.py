"""How `:calls` looks: a line a call, the sentences about those that are stuck below. Knows columns; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.shell.fitting import fitted
from pbshell.trace.forms.wording import duration
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.typed.calls import CallRow, MadeRow

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["calls", "made"]

#: columns of whatever has no screen
_ENDLESS = 10_000
#: how one gets the columns that are left out
_MORE = "| json has them"
#: of a row's state, what stands before its result
_SIGNS = {"done": "= ", "error": "! ", "lost": "! ", "cancelled": "= "}


@dataclass(frozen=True, slots=True)
class _Call:
    id: str
    conn: str
    dir: str
    call: str
    time: str
    state: str
    waits_or_result: str


@dataclass(frozen=True, slots=True)
class _Made:
    no: int
    id: str
    conn: str
    call: str
    time: str
    state: str


def calls(value: Rows[CallRow], renderer: Renderer) -> str:
    """The table, and a sentence for each call that is stuck; one that is said of several calls stands once."""
    if not value:
        return value.empty
    width = renderer.width if renderer.screen else _ENDLESS
    shown = Rows(_Call, map(_call, value))
    table = fitted(shown, width, long={"call": 32, "waits_or_result": 16}, least=("conn", "dir"), more=_MORE)
    head, _, rest = table.partition("\n")
    lines = [head.replace("WAITS_OR_RESULT", "WAITS OR RESULT"), rest]
    said: dict[str, list[str]] = {}
    for row in value:
        if row.verdict:
            said.setdefault(row.verdict, []).append(row.id)
    lines += [renderer.prose(f"  {_said(verdict, ids)}", "    ") for verdict, ids in said.items()]
    return "\n".join(lines)


def _said(verdict: str, ids: list[str]) -> str:
    # It names the call itself where it is of no other.
    return verdict if verdict.startswith(f"{ids[0]} ") else f"{', '.join(ids)}: {verdict}"


def made(value: Rows[MadeRow], renderer: Renderer) -> str:
    """The calls of the prompt, with the numbers that ``:again`` takes."""
    width = renderer.width if renderer.screen else _ENDLESS
    return fitted(
        Rows(_Made, map(_made, value), value.empty), width, long={"call": 24}, least=("conn", "id"), more=_MORE
    )


def _call(row: CallRow) -> _Call:
    result = f"{_SIGNS.get(row.state, '')}{row.result}" if row.result else row.waits
    return _Call(row.id, row.connection, row.direction, row.call, duration(row.seconds), row.state, result)


def _made(row: MadeRow) -> _Made:
    took = "" if row.seconds is None else duration(row.seconds)
    return _Made(row.number, row.id, row.connection, row.call, took, row.state)
