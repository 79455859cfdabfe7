"""How `:conns`, `:servers` and `:mind` look. Knows words and columns; judges nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.shell.fitting import fitted
from pbshell.shell.views.durations import short
from pbshell.trace.forms.columns import cut
from pbshell.trace.forms.wording import amount, counted, duration
from pbshell.wire.text import visible
from pbshell.wire.verbs import PB_VERSION
from pbshell.workbench.commands.connections import MindRow
from pbshell.workbench.commands.servers import ServerRow
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.reaching.connections import ConnDetail, ConnRow

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["detail", "minds", "servers", "table"]

#: columns of a pipe, where nothing is cut
_PIPE = 100_000
#: how one sees what does not fit
_MORE = "{} columns are needed, or | json"
#: columns that give way, and how narrow they become; then those that are left out, what tells the least first
_LONG = {"address": 15, "name": 12, "user": 8, "waiting": 14}
_LEAST = ("user", "unacknowledged", "last_out", "last_in", "up", "address", "theirs", "ours", "waiting")
_HEADS = {"last_in": "IN", "last_out": "OUT", "unacknowledged": "UNACK"}
#: what is wrong with so many is told at length; and how far in
_FEW = 3
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class _Shown:
    """A row in words."""

    name: str
    address: str
    user: str
    up: str
    last_in: str
    last_out: str
    unacknowledged: str
    waiting: str
    ours: str
    theirs: str


def table(rows: Rows[ConnRow], renderer: Renderer) -> str:
    """A line for each connection, what is wrong below it, and on a screen one line for the many that are healthy."""
    if not rows:
        return renderer.prose(rows.empty)
    width = renderer.width if renderer.screen else _PIPE
    # In a pipe every connection has its line.
    folds = renderer.screen and getattr(rows, "folded", False)
    kept = [row for row in rows if not folds or row.used or not row.healthy]
    shown = [_in_words(row) for row in kept]
    lines = (
        fitted(Rows(_Shown, shown), width, long=_LONG, least=_order(shown), more=_MORE, heads=_HEADS).split("\n")
        if shown
        else []
    )
    text = lines[:1]
    for row, line in zip(kept, lines[1:], strict=False):
        text += [line, *_below(row, renderer, whole=sum(not each.healthy for each in kept) <= _FEW)]
    if len(kept) < len(rows):
        text.append(_folded(rows, len(rows) - len(kept)))
    return "\n".join([*text, *map(renderer.prose, lines[len(kept) + 1 :])])


def _folded(rows: Rows[ConnRow], count: int) -> str:
    """What of those that are not shown may be missed."""
    calls = sum(row.our_calls + row.their_calls for row in rows if row.healthy and not row.used)
    waiting = f", in which {counted(calls, 'call')} wait{'s' if calls == 1 else ''}" if calls else ""
    return f"{counted(count, 'healthy connection')} folded{waiting}: :conns all"


def _order(shown: Sequence[_Shown]) -> list[str]:
    """The columns that are left out first are those in which nothing stands."""
    empty = [name for name in _LEAST if all(getattr(row, name) == "-" for row in shown)]
    return [*empty, *(name for name in _LEAST if name not in empty)]


def _in_words(row: ConnRow) -> _Shown:
    mark = ">" if row.used else "x" if row.state == "ended" else " " if row.healthy else "!"
    open_ = row.state == "open"
    return _Shown(
        name=f"{mark} {visible(row.name)}",
        address=f"{'tls:' if row.tls else ''}{visible(row.address)}",
        user=visible(row.user) or "-",
        up=_cell(row.up),
        last_in=_cell(row.last_in),
        last_out=_cell(row.last_out),
        unacknowledged=_unacknowledged(row) if open_ else "-",
        waiting=_waiting(row),
        ours=f"{row.ours:,} of {row.ours_limit:,}" if open_ else "-",
        theirs=f"{row.theirs:,} of {row.theirs_limit:,}" if open_ else "-",
    )


def _below(row: ConnRow, renderer: Renderer, *, whole: bool) -> list[str]:
    """What is wrong with it, the *whole* of it or what fits into a line of a screen, and what becomes more."""
    # The verdict about it tells that itself.
    growing = [f"{_INDENT}{each}" for each in _growing(row) if "full in" not in row.verdict]
    if row.healthy:
        return growing
    told, again = f"{row.severity}: {visible(row.verdict)}", ""
    if row.state == "ended":
        told = f"ended {_ago(row.ended)}: {visible(row.verdict)}"
        again = f"; :reconnect{'' if row.used else f' {visible(row.name)}'}"
    if whole or not renderer.screen:
        return [*renderer.prose(f"{_INDENT}{told}{again}", _INDENT).split("\n"), *growing]
    return [f"{_INDENT}{cut(told, max(renderer.width - len(_INDENT) - len(again), 20))}{again}", *growing]


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


def _cell(seconds: float | None) -> str:
    return "-" if seconds is None else short(seconds)


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{duration(seconds)} ago"


def _unacknowledged(row: ConnRow) -> str:
    if row.unacknowledged is None and not row.unsent:
        return "-"
    return amount((row.unacknowledged or 0) + row.unsent)


def _waiting(row: ConnRow) -> str:
    calls = (("ours", row.our_calls, row.our_oldest), ("theirs", row.their_calls, row.their_oldest))
    said = [f"{who} {count:,} ({_cell(oldest)})" for who, count, oldest in calls if count]
    return ", ".join(said) or "-"


def _growing(row: ConnRow) -> Iterator[str]:
    """What is lent that becomes more."""
    for who, rate, full in (("ours", row.ours_rate, row.ours_full), ("theirs", row.theirs_rate, row.theirs_full)):
        if full is not None:
            yield f"{who}: {_rate(rate)}, full in {duration(full)}"


def _rate(rate: float) -> str:
    """Objects more, in the unit that makes a number of it."""
    for seconds, unit in ((1, "s"), (60, "min")):
        if rate * seconds >= 1:
            return f"+{rate * seconds:,.0f}/{unit}"
    return f"+{rate * 3_600:,.1f}/h"


# ------------------------------------------------------------------------------------------------ one


def detail(value: ConnDetail, renderer: Renderer) -> str:
    """A fact a line."""
    facts = list(_facts(value))
    indent = max(len(name) for name, _ in facts) + 2
    lines = [f"{name:{indent}}{text}" for name, text in facts]
    return "\n".join(renderer.prose(line.rstrip(), " " * indent) for line in lines)


def _facts(value: ConnDetail) -> Iterator[tuple[str, str]]:
    row = value.row
    yield "name", visible(row.name) + (", in use" if row.used else "")
    if row.server:
        yield "accepted by", f"{visible(row.server)}, a server of ours"
    if value.target:
        yield "target", visible(value.target)
    yield "addresses", f"{visible(value.local)} here, {visible(row.address)} there"
    yield "in the trace", f"connection {value.number}"
    yield "encryption", value.cipher or ("TLS" if row.tls else "none")
    yield "protocol", f"PB v{PB_VERSION}, dialect {value.dialect or 'not agreed upon yet'}"
    yield "logged in", visible(row.user) or "nobody"
    if row.state == "ended":
        yield "ended", f"{_ago(row.ended)}, it was up for {_time(row.up)}"
    else:
        yield "up", _time(row.up)
        yield "last bytes", f"in {_ago(row.last_in)}, out {_ago(row.last_out)}"
    yield "bytes", f"{value.received:,} in, {value.sent:,} out"
    if row.state == "open":
        told = "this system does not tell" if row.unacknowledged is None else f"{row.unacknowledged:,} bytes"
        yield "unacknowledged", f"{told}; {row.unsent:,} bytes not sent yet"
        yield "we wait for", _of_calls(row.our_calls, row.our_oldest)
        yield "they wait for", _of_calls(row.their_calls, row.their_oldest)
        for call in value.waiting:
            yield "", f"{call.id} {call.what} {duration(call.seconds)}"
        yield "we lend", f"{row.ours:,} of {row.ours_limit:,} objects, and {value.our_cached:,} cached"
        yield "they lend", f"{row.theirs:,} of {row.theirs_limit:,} objects, and {value.their_cached:,} cached"
        for each in _growing(row):
            yield "growing", each
    if value.heard:
        yield "mind", f"called {counted(value.heard, 'time')}: :mind {visible(row.name)}"
    if row.state == "ended":
        yield "why", visible(row.verdict)
    elif not value.verdicts:
        yield "verdict", "nothing is wrong"
    for each in value.verdicts:
        yield "verdict", visible(each)


def _of_calls(count: int, oldest: float | None) -> str:
    return counted(count, "call") + ("" if oldest is None else f", the oldest since {duration(oldest)}")


# ------------------------------------------------------------------------------------------------ servers, minds


@dataclass(frozen=True, slots=True)
class _Server:
    """A server in words."""

    name: str
    served: str
    endpoints: str
    connections: int
    up: str


def servers(rows: Rows[ServerRow], renderer: Renderer) -> str:
    """A line for each."""
    if not rows:
        return renderer.prose(rows.empty)
    shown = [
        _Server(row.name, visible(row.served), ", ".join(map(visible, row.endpoints)), row.connections, _time(row.up))
        for row in rows
    ]
    width = renderer.width if renderer.screen else _PIPE
    long = {"endpoints": 12, "served": 8, "name": 8}
    return fitted(Rows(_Server, shown), width, long=long, least=("up", "served", "connections"), more=_MORE)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a mind in words."""

    connection: str
    ago: str
    call: str


def minds(rows: Rows[MindRow], renderer: Renderer) -> str:
    """A line for each call."""
    shown = [
        _Call(visible(row.connection), "-" if row.ago is None else _ago(row.ago), visible(row.call)) for row in rows
    ]
    width = renderer.width if renderer.screen else _PIPE
    long = {"call": 20, "connection": 8}
    return fitted(Rows(_Call, shown, rows.empty), width, long=long, least=("connection", "ago"), more=_MORE)
