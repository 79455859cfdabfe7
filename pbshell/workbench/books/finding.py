"""Which object somebody means: ``s3``, ``3``, ``alice:c7``, the name of a variable, or the reference itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RemoteCache, RemoteReference
from pbshell.errors import UsageError
from pbshell.trace.values import identity
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible

if TYPE_CHECKING:
    from pbshell.wire.ledger import Entry
    from pbshell.wire.verbs import Luid
    from pbshell.workbench.workbench import Line, Workbench

__all__ = ["Target", "find", "find_buried"]

_ID = re.compile(r"(?:(?P<line>.+):)?(?P<owner>[cs]?)(?P<luid>\d+|root)")


@dataclass(frozen=True, slots=True)
class Target:
    """An object that is lent over *line*: its owner's *entry* in the books, *cache* or reference."""

    line: Line
    owner: Side
    entry: Entry[Any]
    cache: bool

    @property
    def side(self) -> str:
        """Ours or theirs."""
        return "ours" if self.owner is self.line.connection.broker.side else "theirs"

    @property
    def id(self) -> str:
        """What it is called."""
        return identity(self.owner, self.entry.luid)


def find(bench: Workbench, word: Any) -> Target:
    """The object that *word* means. A bare number is the peer's; the connection in use comes first.

    Raises UsageError when there is none, or one on each of several connections.
    """
    found = list(_meant(bench, word))
    if not found:
        raise UsageError(f"nothing is lent as {visible(str(word), 40)!r} here: :refs and :cached list what is")
    lines = {each.line.name for each in found}
    if len(lines) > 1:
        first = found[0].line
        if first.opened is None or first.name != bench.current:
            which = f"write it with its connection, such as {first.name}:{found[0].id}"
            raise UsageError(f"{visible(str(word), 40)!r} is lent over {len(lines)} connections: {which}")
    return found[0]


def find_buried(bench: Workbench, word: str) -> str:
    """What became of an object that is lent no more, as a sentence; empty if nobody remembers it."""
    match = _ID.fullmatch(str(word))
    if match is None:
        return ""
    for line in _lines(bench, match["line"]):
        owner = _owner(line, match["owner"])
        tomb = None if line.conversation is None else line.conversation.tombs[owner].get(_luid(match["luid"]))
        if tomb is not None:
            birth = f" ({tomb.lent.name})" if tomb.lent.name else ""
            return f"{identity(owner, tomb.lent.luid)}{birth} is lent no more: {tomb.reason} (#{tomb.number})"
    return ""


def _meant(bench: Workbench, word: Any) -> Iterator[Target]:
    if isinstance(word, str):
        match = _ID.fullmatch(word)
        if match is not None:
            for line in _lines(bench, match["line"]):
                yield from _entries(line, _owner(line, match["owner"]), _luid(match["luid"]))
            return
        word = bench.namespace.get(word)
    if isinstance(word, int):
        yield from _meant(bench, str(word))
    elif issubclass(type(word), (RemoteReference, RemoteCache)) and getattr(word, "broker", None) is not None:
        for line in bench.lines():
            broker = line.connection.broker
            if broker is word.broker:
                yield from _entries(line, broker.side.other, word.luid)
    elif word is not None:
        for line in bench.lines():
            broker = line.connection.broker
            for table in (broker.ours.exports, broker.ours.caches):
                for entry in table.values():
                    if word is entry.thing or word is getattr(entry.thing, "object", None):
                        yield Target(line, broker.side, entry, table is broker.ours.caches)


def _lines(bench: Workbench, name: str | None) -> list[Line]:
    """The connections that are meant by *name*, or all: the one in use first."""
    lines = list(bench.lines())
    if name is not None:
        return [line for line in lines if line.name == name]
    return sorted(lines, key=lambda line: line.opened is None or line.name != bench.current)


def _owner(line: Line, letter: str) -> Side:
    if not letter:
        return line.connection.broker.side.other
    return Side.CLIENT if letter == "c" else Side.SERVER


def _luid(text: str) -> Luid:
    return b"root" if text == "root" else int(text)


def _entries(line: Line, owner: Side, luid: Luid) -> Iterator[Target]:
    broker = line.connection.broker
    ledger = broker.ours if owner is broker.side else broker.theirs
    for table in (ledger.exports, ledger.caches):
        entry = table.get(luid)
        if entry is not None:
            yield Target(line, owner, entry, table is ledger.caches)
