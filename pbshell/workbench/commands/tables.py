"""Commands that look into the books: what is lent and cached, who holds it, what grows, and how full the limits are."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pbshell.errors import UsageError
from pbshell.trace.filters import parse
from pbshell.wire.text import visible
from pbshell.workbench.books import inspection, stories
from pbshell.workbench.books.fills import LimitRow, fills
from pbshell.workbench.books.finding import Target, find, find_buried
from pbshell.workbench.books.inspection import CacheRow, Head, Look, ReferenceRow, References
from pbshell.workbench.books.marks import GrowthRow, Marked, Marks
from pbshell.workbench.books.remembered import tables_of
from pbshell.workbench.books.stories import CacheStory, ChangeRow, Holders, ReferenceStory
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.trace.tables import Changed, Held
    from pbshell.workbench.workbench import Line, Workbench

_MOMENT = re.compile(r"(?:^|\s)at\s+(\S.*)$")
#: what may stand before a filter
_WORDS = ("ours", "theirs", "leaked", "all")
_CACHED = "[ours|theirs] [at MOMENT], or REF [diff]"


@command("refs", "[ours|theirs|leaked|all] [FILTER] [at MOMENT]", "the objects that are lent", raw=True, first=True)
def refs(bench: Workbench, line: str = "") -> References | Rows[Held] | Rows[Changed]:
    """The objects that are lent over the open connections.

    *line* is ours, theirs, leaked (what is probably leaked), all (nothing is folded), a filter for objects, and a
    moment or two (``at #120``, ``at 14:02:31..14:05:00``). Raises UsageError.
    """
    rest, moment = _split_moment(line)
    word, _, behind = rest.partition(" ")
    if word in _WORDS:
        rest = behind.strip()
    else:
        word = ""
    select = parse(rest).for_rows() if rest else None
    if moment:
        if word == "leaked":
            raise UsageError("what leaks is told of now only: two moments (at #1..#200) show what has grown")
        return tables_of(bench, "references", moment, word.replace("all", ""), select)
    look = Look(bench)
    rows: list[ReferenceRow] = []
    heads: list[Head] = []
    for each in bench.lines():
        found = list(inspection.references(look, each, select))
        chosen = [row for row in found if _is_chosen(row, word)]
        if chosen or not (select or word in ("ours", "theirs", "leaked")):
            # What is told of the whole connection does not depend on a filter.
            everything = list(inspection.references(look, each)) if select else found
            heads.append(inspection.head(look, each, everything))
            rows += chosen
    return References(rows, heads, everything=word == "all" or bool(select), empty=_empty(word, rest))


def _is_chosen(row: ReferenceRow, word: str) -> bool:
    return bool(row.leak) if word == "leaked" else word in ("", "all", row.side)


def _empty(word: str, select: str) -> str:
    if select:
        near = difflib.get_close_matches(select, _WORDS, 1)
        instead = f"did you mean {near[0]}?" if near else "a side is ours or theirs"
        return f"no references that {visible(select, 40)!r} selects; {instead}"
    return "nothing looks leaked" if word == "leaked" else "no references"


@command("ref", "REF", "one object: its birth, its holder, and every frame that touched it")
def ref(bench: Workbench, which: Any) -> ReferenceStory | CacheStory:
    """All that is known of one object: *which* is its id, the name of a variable, or itself. Raises UsageError."""
    return stories.story(bench, _find(bench, which))


@command("who", "REF", "who holds an object on our side, and the ledger on theirs")
def who(bench: Workbench, which: Any) -> Holders:
    """Who holds *which*, see `ref`. It walks through memory, which takes a moment. Raises UsageError."""
    return stories.who(bench, _find(bench, which))


@command("cached", _CACHED, "the copies that are kept in step, and what has changed in one", raw=True)
def cached(
    bench: Workbench, line: str = ""
) -> Rows[CacheRow] | Rows[Held] | Rows[Changed] | Rows[ChangeRow] | CacheStory:
    """The cached copies over the open connections, those of one side, or of a moment.

    With the id of one: its attributes and its history, or with diff what its updates have changed. Raises UsageError.
    """
    rest, moment = _split_moment(line)
    words = rest.split()
    side = words.pop(0) if words and words[0] in ("ours", "theirs", "all") else ""
    side = "" if side == "all" else side
    if moment and not words:
        return tables_of(bench, "caches", moment, side)
    if words and (moment or side or len(words) > 2 or words[1:] not in ([], ["diff"])):
        raise UsageError(f"write :cached {_CACHED}")
    if not words:
        look = Look(bench)
        rows = (row for each in bench.lines() for row in inspection.caches(look, each) if side in ("", row.side))
        return Rows(CacheRow, rows, "no cached copies")
    target = _find_cached(bench, words[0])
    if len(words) == 1:
        told = stories.story(bench, target)
        assert isinstance(told, CacheStory)
        return told
    if target.side == "ours":
        raise UsageError(
            f"{target.id} is ours, and its copy is at the peer: :cached {target.id} shows what it was told"
        )
    return stories.changes(bench, target)


@command("mark", "[NAME]", "remember the tables as they are now")
def mark(bench: Workbench, name: str = "") -> Marked:
    """Remember the tables, under a *name* if several are to be remembered."""
    return bench.part(Marks).set(name)


@command("growth", "[NAME]", "what has grown since :mark, by class and birth")
def growth(bench: Workbench, name: str = "") -> Rows[GrowthRow]:
    """What has grown since the mark *name*. Raises UsageError when there is no such mark."""
    return bench.part(Marks).growth(name)


@command("limits", "[CONN]", "how full the limits of the connections are, and what changes them")
def limits(bench: Workbench, name: str = "") -> Rows[LimitRow]:
    """How full each limit is: of the connection *name*, else of the one in use, else of all. Raises UsageError."""
    lines = list(bench.lines())
    wanted = [each for each in lines if each.name == (name or bench.current)]
    if name and name != "all" and not wanted:
        there = ", ".join(visible(each.name, 30) for each in lines) or "none is open"
        raise UsageError(f"there is no open connection {visible(name, 30)!r}: {there}")
    chosen: Iterable[Line] = lines if name == "all" or not wanted else wanted
    return Rows(LimitRow, (row for each in chosen for row in fills(bench, each)), "no connections")


def _split_moment(line: str) -> tuple[str, str]:
    """*line* without its moment, and that."""
    match = _MOMENT.search(line)
    if match is None:
        if re.search(r"(?:^|\s)at$", line):
            raise UsageError("at wants a moment: #FRAME, seconds such as +12.5, or a time as 14:02:31, or two with ..")
        return line.strip(), ""
    return line[: match.start()].strip(), match[1].strip()


def _find(bench: Workbench, which: Any) -> Target:
    try:
        return find(bench, which)
    except UsageError:
        buried = find_buried(bench, str(which)) if isinstance(which, (str, int)) else ""
        if buried:
            raise UsageError(buried) from None
        raise


def _find_cached(bench: Workbench, word: str) -> Target:
    target = _find(bench, word)
    if not target.cache:
        raise UsageError(f"{target.id} is a reference and no cached copy: :ref {target.id} tells of it")
    return target
