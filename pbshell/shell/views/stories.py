"""How one object looks: `:ref`, `:who`, `:cached ID` and its changes; and `:limits`. Knows lines; knows no books."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pbshell.shell.views.durations import short
from pbshell.shell.views.tables import fit, reference_lines
from pbshell.trace.forms.columns import columns, cut, pad
from pbshell.trace.forms.wording import counted
from pbshell.workbench.books.fills import LimitRow
from pbshell.workbench.books.histories import Change
from pbshell.workbench.books.stories import CacheStory, ChangeRow, Holders, ReferenceStory
from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer
    from pbshell.workbench.books.remembered import Glimpse

__all__ = ["cached", "changes", "holders", "limits", "reference"]

#: columns of whatever has no screen, and characters around the first difference of two texts
_ENDLESS, _AROUND = 10_000, 24
#: columns of a change, before what made it
_CHANGE = 40
#: updates that a screen shows
_SHOWN = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Limit:
    """A row of limits as it is shown."""

    conn: str
    counted: str
    now: int | None
    peak: int | None
    limit: str
    full: str
    setting: str
    stock_twisted: str


def reference(value: ReferenceStory, renderer: Renderer) -> str:
    """`:ref ID`."""
    width, row = _width(renderer), value.row
    lines = reference_lines([row], width)
    lines += [f"  {each}" for each in _frames(value.frames)]
    if len(value.steps) > 1:
        counts = ", ".join(f"{step.count} (#{step.frame})" for step in value.steps)
        returned = f"; {counted(value.returned, 'receipt')} came back" if value.returned else "; none came back"
        lines.append(f"  count: {counts}{returned}")
    if row.used:
        last = "" if row.idle is None else f", the last one of {row.method} {short(row.idle)} ago"
        lines.append(f"  calls: {row.used:,}{last}")
    steps = [f":who {row.id} shows who holds it", f":trace filter ~l {row.id} shows what comes"]
    both = f"  {';  '.join(steps)}"
    return _cut([*lines, *([both] if columns(both) <= width else [f"  {step}" for step in steps])], width)


def holders(value: Holders, renderer: Renderer) -> str:
    """`:who ID`."""
    lines = [f"{value.id}  {value.what or 'whose birth nobody has seen'}"]
    kind = "copy" if value.cache else "reference"
    receipts = "" if value.receipts is None else counted(value.receipts, "receipt")
    if value.side == "theirs":
        lines.append(f"  the peer owns it; we hold {receipts} of it" if receipts else "")
        lines.append(f"  {counted(value.standing, 'object')} here stand for it" if value.standing > 1 else "")
        nobody = f"nobody here any more: the {kind} is on its way back"
    else:
        lines.append(f"  it is ours; the peer holds {receipts} of it" if receipts else "  it is ours, and the broker's")
        nobody = "nobody here but the books: it is freed when the peer gives it back"
    lines += [f"  held by  {path}" for path in value.paths or (nobody,)]
    return _cut(filter(None, lines), _width(renderer))


def cached(value: CacheStory, renderer: Renderer) -> str:
    """`:cached ID`."""
    row, width = value.row, _width(renderer)
    age = "" if row.age is None else f", {short(row.age)} old"
    lines = [f"{row.id}  {row.what}  {counted(row.handles, 'handle')}{age}"]
    room = max(map(columns, row.attributes), default=0)
    lines += [f"  {pad(name, room)} = {text}" for name, text in row.attributes.items()] or ["  it has no attributes"]
    for update in _last(value.updates, lines, renderer):
        what = (
            f"{update.method}({update.args})" if update.count == 1 else f"{update.count} updates, {update.method} last"
        )
        done = "" if update.changes is None else f"  {', '.join(map(_brief, update.changes)) or 'nothing changed'}"
        lines.append(f"  {_which(update.first, update.last)}  {what}{done}")
    if not value.updates:
        lines.append("  no update has come yet" if row.side == "theirs" else "  no update was sent yet")
    return _cut(lines, width)


def changes(value: Rows[ChangeRow], renderer: Renderer) -> str:
    """`:cached ID diff`."""
    lines: list[str] = []
    width = _width(renderer)
    for row in _last(value, lines, renderer):
        what = _brief(Change(row.attribute, row.before, row.after))
        times = f" x{row.updates}" if row.updates > 1 else ""
        made = f"({_frame(row.first, row.last)}, observe_{row.method}{times})"
        line = f"  {pad(what, _CHANGE)} {made}"
        lines += [line] if columns(line) <= width else [f"  {what}", f"    {made}"]
    return _cut(lines, width) if lines else value.empty


def limits(value: Rows[LimitRow], renderer: Renderer) -> str:
    """`:limits`."""
    if not value:
        return value.empty
    one = ("conn",) if len({row.connection for row in value}) < 2 else ()
    shown = Rows(_Limit, map(_limit, value))
    least = ("peak", "stock_twisted", "full")
    text = fit(shown, _width(renderer), {"conn": 6}, least, one)
    note = "a setting is one of pb.Limits(...), the limits= of pb.connect and pb.serve"
    return f"{text.replace('STOCK_TWISTED', 'STOCK TWISTED', 1)}\n{renderer.prose(note)}"


def _limit(row: LimitRow) -> _Limit:
    fullest = row.now if row.now is not None else row.peak
    stock = "no limit" if row.stock is None else f"{row.stock:,} {row.stock_setting.rpartition('.')[2]}"
    return _Limit(
        conn=row.connection,
        counted=row.what,
        now=row.now,
        peak=row.peak,
        limit=f"{row.most:,}",
        full="-" if fullest is None else f"{fullest / row.most:.0%}",
        setting=f"{row.limit}=",
        stock_twisted=stock.rstrip(),
    )


def _last(found: Sequence[T], lines: list[str], renderer: Renderer) -> Sequence[T]:
    """As many of *found* as a screen has room for, the last ones; *lines* get one that tells of the others."""
    left = len(found) - _SHOWN
    if not renderer.screen or left <= 0:
        return found
    lines.append(f"  {left} earlier: | json has them")
    return found[left:]


def _frames(frames: Sequence[Glimpse]) -> Iterator[str]:
    """A line for each frame that is remembered; the numbers of the others."""
    for each in frames:
        if each.what:
            yield f"#{each.number}{'' if each.age is None else f'  {short(each.age)} ago'}  {each.what}"
    forgotten = [f"#{each.number}" for each in frames if not each.what]
    if forgotten:
        yield f"{'frames' if len(forgotten) > 1 else 'frame'} {', '.join(forgotten)} touched it"


def _brief(change: Change) -> str:
    if change.before is None:
        return f"{change.name}: new, {change.after}"
    if change.after is None:
        return f"{change.name}: gone, it was {change.before}"
    before, after = _around(change.before, change.after)
    return f"{change.name}: {before} -> {after}"


def _around(before: str, after: str) -> tuple[str, str]:
    """Two texts that differ; of long ones what is around the first difference."""
    if max(len(before), len(after)) <= 2 * _AROUND:
        return before, after
    same = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    begin = max(same - _AROUND // 2, 0)
    parts = (text[begin : same + _AROUND] + ("..." if len(text) > same + _AROUND else "") for text in (before, after))
    was, now = (f"...{part}" if begin else part for part in parts)
    return was, now


def _which(first: int, last: int) -> str:
    return f"#{first}" if first == last else f"#{first}-{last}"


def _frame(first: int, last: int) -> str:
    return f"frame {first}" if first == last else f"frames {first} to {last}"


def _width(renderer: Renderer) -> int:
    return renderer.width if renderer.screen else _ENDLESS


def _cut(lines: Iterable[str], width: int) -> str:
    return "\n".join(cut(line, width) for line in lines)
