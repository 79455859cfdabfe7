"""A report as HTML: one file that needs nothing else. Knows how a page looks; does not know what is worth telling.

All texts may come from anybody: each goes through `visible` and is escaped, and the page may load and run nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape

from pbshell import __version__
from pbshell.trace.forms.wording import amount, counted, duration
from pbshell.trace.studies.chart import Arrow, chart
from pbshell.trace.studies.report import Connection, Facts, Frame, Slow
from pbshell.trace.studies.stats import Row
from pbshell.trace.tables import Held
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible

__all__ = ["page"]

#: rows of the statistics
_ROWS = 30
#: what a redaction covers
_COVERED = {
    "strict": "the secrets of logins, and what is named like a secret, are covered",
    "auth": "the secrets of logins are covered",
    "off": "nothing is covered",
}

_STYLE = """
:root{color-scheme:light dark;--back:#fff;--card:#f6f7f9;--text:#1b1f24;--soft:#57606a;--rule:#d5dae0;--link:#0a58ca;
--error:#b3261e;--warning:#8a5a00;--note:#2b5f8a;--fine:#1c6b3a;--bar:#5b8def;--mark:#fff3c9}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--card:#1d2127;--text:#e4e7eb;--soft:#a0a9b4;--rule:#39414b;
--link:#7db1ff;--error:#ff8a80;--warning:#f0b95a;--note:#8ec5f5;--fine:#7bd69b;--bar:#4a78d0;--mark:#3d3619}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:70rem;background:var(--back);color:var(--text);
font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.3;margin:.25rem 0 .75rem}h2{font-size:1.15rem;margin:2.5rem 0 .6rem}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p{margin:.4rem 0}a{color:var(--link)}
.soft,caption,.aside{color:var(--soft)}
.head{border-left:.4rem solid var(--fine);padding-left:1rem}
.head.error{border-color:var(--error)}.head.warning{border-color:var(--warning)}.head.note{border-color:var(--note)}
.badge{display:inline-block;border:1px solid currentColor;border-radius:.3rem;padding:0 .4rem;margin-right:.5rem;
font-size:.8rem;font-weight:600}
.badge.error,td.error,tr.error td.what{color:var(--error)}.badge.warning{color:var(--warning)}
.badge.note{color:var(--note)}.badge.fine{color:var(--fine)}
.verdict{background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.7rem 1rem;margin:.7rem 0;
break-inside:avoid}
.verdict ul{margin:.4rem 0;padding-left:1.2rem}.verdict li,code,td,.chart text{font-family:ui-monospace,monospace}
.verdict li{font-size:.85rem}
.scroll{overflow-x:auto;margin:.4rem 0}.tall{max-height:48rem;overflow-y:auto}
nav{margin-top:.9rem}nav a{margin-right:1rem}
table{border-collapse:collapse;width:100%;font-size:.85rem;overflow-wrap:normal}
caption{text-align:left;padding:.3rem 0;caption-side:bottom}
th{text-align:left;font-weight:600;color:var(--soft);white-space:nowrap;font-size:.8rem}
th,td{padding:.25rem .9rem .25rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}td.w{white-space:nowrap}
td.what{min-width:16rem;overflow-wrap:anywhere}
tr:target,tr.named{background:var(--mark)}
.bar{min-width:6rem;width:14%}
.bar div{background:var(--bar);height:.75rem;margin-top:.3rem;border-radius:2px;min-width:2px}
.chart{display:block;width:100%;min-width:46rem;height:auto;background:var(--card);border:1px solid var(--rule);
border-radius:.5rem}
.chart text{font-size:12px;fill:var(--text)}.chart .aside{font-size:11px;fill:var(--soft)}
.chart a{text-decoration:none}.chart a:hover text,.chart a:focus text{text-decoration:underline}
.chart .line{stroke:var(--rule);stroke-width:1.5}.chart .head{fill:var(--back);stroke:var(--soft)}
.chart .arrow{stroke:var(--text);stroke-width:1.2}.chart .tip{fill:var(--text)}
.chart .arrow.answer,.chart .arrow.other{stroke:var(--soft);stroke-dasharray:5 4}
.chart .tip.answer,.chart .tip.other{fill:var(--soft)}
.chart .arrow.error{stroke:var(--error);stroke-dasharray:5 4}
.chart .tip.error,.chart text.error,.chart a text.error{fill:var(--error)}
.chart .note{fill:var(--back);stroke:var(--rule)}.chart .mark{fill:var(--mark)}
@media(max-width:40rem){body{font-size:15px;padding:1rem .75rem 3rem}h1{font-size:1.25rem}
table{font-size:.8rem}td.what{min-width:11rem}}
@media print{body{max-width:none;padding:0;font-size:10pt}.scroll{overflow:visible;max-height:none}
nav{display:none}.chart{min-width:0}
a{color:inherit;text-decoration:none}tr,.verdict{break-inside:avoid}h2,h3{break-after:avoid}}
""".replace("\n", "")

_FOOT = (
    f'<p class="soft">Made by pbshell {escape(__version__)}. Ids carry their owner: c3 is lent by the client, s3 by '
    "the server; &gt; is from client to server.</p>"
)
_HEAD = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    '<meta name="viewport" content="width=device-width,initial-scale=1">'
    '<meta name="referrer" content="no-referrer">'
)


def page(facts: Facts, *, name: str, began: float, seconds: float, redaction: str, notes: Sequence[str] = ()) -> str:
    """The whole page. *name* is that of the capture, *began* its time in seconds since 1970 (0.0: not known).

    *seconds* is how long it is, *redaction* what was covered when it was read, *notes* tell what is missing.
    """
    title = f"pbshell report: {_safe(name)}"
    known = frozenset(frame.number for frame in facts.frames)
    sections = {
        "verdicts": ("What is wrong, and what stands out", _verdicts(facts, known)),
        "connections": ("Connections", _connections(facts)),
        "sequence": ("Sequence", _sequence(facts, known)),
        "waiting": ("Calls without an answer", _waiting(facts, known)),
        "slow": ("The slowest calls", _slow(facts, known)),
        "methods": ("Calls by method", _statistics(facts.methods, "method")),
        "objects": ("Calls by object", _statistics(facts.objects, "object")),
        "references": ("What is lent at the end", _held(facts, known)),
        "frames": ("Frames", _frames(facts, known)),
    }
    filled = {anchor: (heading, "\n".join(parts)) for anchor, (heading, parts) in sections.items()}
    filled = {anchor: section for anchor, section in filled.items() if section[1]}
    body = [*_top(facts, name, began, seconds, redaction, notes)]
    if filled:
        links = " ".join(f'<a href="#{anchor}">{heading}</a>' for anchor, (heading, _) in filled.items())
        body.append(f'<nav><p class="soft">{links}</p></nav>')
    body += [
        f'<section id="{anchor}"><h2>{heading}</h2>\n{text}\n</section>' for anchor, (heading, text) in filled.items()
    ]
    body.append(_FOOT)
    head = f"{_HEAD}<title>{title}</title>\n<style>{_STYLE}</style></head>\n<body>"
    return "\n".join([head, *body, "</body></html>\n"])


def _safe(text: str) -> str:
    return escape(visible(text))


# ------------------------------------------------------------------------------------------------ the top


def _top(facts: Facts, name: str, began: float, seconds: float, redaction: str, notes: Sequence[str]) -> Iterator[str]:
    worst = facts.verdicts[0] if facts.verdicts else None
    severity = "fine" if worst is None else worst.severity
    yield f'<header class="head {severity}"><p class="soft">pbshell report on <b>{_safe(name)}</b></p>'
    yield f"<h1>{_safe(_headline(facts, worst))}</h1>"
    yield f"<p>{_safe(_scale(facts, seconds))}</p>"
    when = f"from {_utc(began)} UTC; " if began else ""
    yield (
        f'<p class="soft">{_safe(when)}{_COVERED[redaction]}, but names, addresses, arguments and results are not: '
        "read this page before you send it to anybody.</p>"
    )
    for note in notes:
        yield f'<p><span class="badge warning">incomplete</span>{_safe(note)}</p>'
    yield "</header>"


def _headline(facts: Facts, worst: Verdict | None) -> str:
    if worst is not None:
        several = len(facts.connections) + facts.others > 1
        return (
            f"Connection {worst.connection}: {worst.text}" if several else f"{worst.text[:1].upper()}{worst.text[1:]}"
        )
    calls = sum(row.count for row in facts.methods)
    return "Nothing is known to be wrong" if calls else "No call was made"


def _scale(facts: Facts, seconds: float) -> str:
    """How much there is, in one line."""
    calls, errors, waiting = (
        sum(values)
        for values in zip((0, 0, 0), *((row.count, row.errors, row.unanswered) for row in facts.methods), strict=True)
    )
    parts = [
        counted(len(facts.connections) + facts.others, "connection"),
        counted(calls, "call"),
        counted(errors, "error"),
        *([f"{waiting:,} without an answer"] if waiting else []),
        counted(facts.count, "frame"),
    ]
    return f"{', '.join(parts)} in {duration(seconds)}"


def _utc(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:.0f} s since 1970"


# ------------------------------------------------------------------------------------------------ verdicts


def _verdicts(facts: Facts, known: frozenset[int]) -> Iterator[str]:
    for verdict in facts.verdicts:
        yield (
            f'<div class="verdict"><p><span class="badge {verdict.severity}">{verdict.severity}</span>'
            f'<a href="#c{verdict.connection}">connection {verdict.connection}</a>: {_safe(verdict.text)}</p>'
        )
        if verdict.evidence:
            yield "<ul>" + "".join(f"<li>{_linked(fact, known)}</li>" for fact in verdict.evidence) + "</ul>"
        if verdict.unseen:
            yield f'<p class="soft">Not seen: {_safe(verdict.unseen)}</p>'
        if verdict.frames:
            links = " ".join(_number(number, known) for number in verdict.frames)
            yield f'<p class="soft">Frames: {links}</p>'
        yield "</div>"
    if facts.more_verdicts:
        yield f"<p>{facts.more_verdicts:,} more are left out.</p>"


def _linked(text: str, known: frozenset[int]) -> str:
    """*text* in which the numbers of frames lead to them. ``c#7`` is none, and neither is what `escape` writes."""
    return re.sub(r"(?<![\w&;])#(\d{1,15})\b", lambda match: _number(int(match[1]), known), _safe(text))


def _number(number: int | None, known: frozenset[int]) -> str:
    """The number of a frame, which leads there if the page has it."""
    if not number:
        return "-"
    return f'<a href="#f{number}">#{number}</a>' if number in known else f"#{number}"


# ------------------------------------------------------------------------------------------------ tables


def _table(heads: Sequence[str], rows: Iterable[str], caption: str = "") -> str:
    """A table; a head that begins with ``>`` is one of numbers."""
    cells = "".join(
        f'<th scope="col" class="n">{head[1:]}</th>' if head.startswith(">") else f'<th scope="col">{head}</th>'
        for head in heads
    )
    told = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{told}<thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{text}</td>"


def _count(number: int, *, is_bad: bool = False) -> str:
    return _cell(f"{number:,}" if number else "-", "n error" if is_bad and number else "n")


def _connections(facts: Facts) -> Iterator[str]:
    heads = [
        "",
        "who",
        "addresses",
        ">calls",
        ">errors",
        ">no answer",
        ">bytes &gt;",
        ">bytes &lt;",
        ">from",
        ">for",
        "end",
    ]
    if facts.connections:
        caption = f"{facts.others:,} more connections are left out" if facts.others else ""
        yield _table(heads, map(_connection, facts.connections), caption)


def _connection(each: Connection) -> str:
    who = each.name or each.user or "-"
    ends = " to ".join(filter(None, (each.client, each.server))) or "not captured"
    dialect = "" if each.dialect in ("", "pb") else f", dialect {each.dialect}"
    cells = (
        _cell(str(each.number), "n"),
        _cell(_safe(who), "w"),
        _cell(_safe(f"{ends}{dialect}")),
        _count(each.calls),
        _count(each.errors, is_bad=True),
        _count(each.unanswered, is_bad=True),
        _cell(amount(each.bytes[Side.CLIENT]), "n"),
        _cell(amount(each.bytes[Side.SERVER]), "n"),
        _cell(f"{each.began:+.3f} s", "n"),
        _cell(duration(max(each.last - each.began, 0.0)), "n"),
        _cell(_safe(each.ended or "open when the capture ended")),
    )
    return f'<tr id="c{each.number}">{"".join(cells)}</tr>'


def _waiting(facts: Facts, known: frozenset[int]) -> Iterator[str]:
    if facts.waiting:
        caption = f"{facts.more_waiting:,} more calls have no answer" if facts.more_waiting else ""
        yield _table(["frame", ">conn", ">waited", "call"], (_call(each, known) for each in facts.waiting), caption)


def _slow(facts: Facts, known: frozenset[int]) -> Iterator[str]:
    if facts.slow:
        heads = ["frame", ">conn", ">took", "call", "answer"]
        yield _table(heads, (_call(each, known) for each in facts.slow))


def _call(each: Slow, known: frozenset[int]) -> str:
    cells = [
        _cell(_number(each.number, known), "w"),
        _cell(str(each.connection), "n"),
        _cell(duration(max(each.took, 0.0)), "n"),
        _cell(_safe(each.call), "what"),
    ]
    if each.answer is not None:
        kind = "what error" if each.outcome.startswith("!") else "what"
        cells.append(_cell(f"{_safe(each.outcome)} {_number(each.answer, known)}", kind))
    return f"<tr>{''.join(cells)}</tr>"


def _statistics(rows: Sequence[Row], by: str) -> Iterator[str]:
    if not rows:
        return
    most = max(row.total for row in rows)
    share: Callable[[Row], float] = (lambda row: row.total / most) if most else (lambda row: 0.0)
    heads = [by, ">calls", ">errors", ">no answer", ">total", "", ">p50", ">p90", ">p99", ">max", ">bytes", ">lent"]
    notes = [f"{len(rows) - _ROWS:,} more are left out"] if len(rows) > _ROWS else []
    if not all(row.exact for row in rows):
        notes.append("p50, p90 and p99 of more than 1,024 calls are within 1 percent")
    yield _table(heads, (_statistic(row, share(row)) for row in rows[:_ROWS]), "; ".join(notes))


def _statistic(row: Row, share: float) -> str:
    times = (row.total if row.p50 is not None else None, row.p50, row.p90, row.p99, row.longest)
    total, *quantiles = (_cell("-" if each is None else duration(each), "n") for each in times)
    bar = f'<div style="width:{100 * share:.1f}%"></div>' if share else ""
    cells = (
        _cell(_safe(row.key)),
        _count(row.count),
        _count(row.errors, is_bad=True),
        _count(row.unanswered, is_bad=True),
        total,
        _cell(bar, "bar"),
        *quantiles,
        _cell(amount(row.bytes), "n"),
        _count(row.references),
    )
    return f"<tr>{''.join(cells)}</tr>"


def _held(facts: Facts, known: frozenset[int]) -> Iterator[str]:
    if facts.held:
        heads = [">conn", "owner", "id", ">count", "birth", "lent in", ">age", ">used", "last call"]
        caption = f"{facts.more_held:,} more are left out" if facts.more_held else ""
        yield _table(heads, (_lent(connection, held, known) for connection, held in facts.held), caption)


def _lent(connection: Connection, held: Held, known: frozenset[int]) -> str:
    last = "never" if held.idle is None else f"{held.method}, {duration(held.idle)} before"
    cells = (
        _cell(str(connection.number), "n"),
        _cell(held.side),
        _cell(_safe(held.id), "w"),
        _cell("?" if held.count is None else f"{held.count:,}", "n"),
        _cell(_safe(held.name or "not seen"), "what"),
        _cell(_number(held.born, known), "w"),
        _cell(duration(held.age), "n"),
        _count(held.used),
        _cell(_safe(last), "w"),
    )
    return f"<tr>{''.join(cells)}</tr>"


# ------------------------------------------------------------------------------------------------ frames


def _sequence(facts: Facts, known: frozenset[int]) -> Iterator[str]:
    connection = facts.charted
    if connection is None or not facts.chart:
        return
    named = {number for verdict in facts.verdicts for number in verdict.frames}
    arrows: list[Arrow] = []
    before = 0
    for frame in facts.chart:
        if frame.ordinal > before + 1:
            arrows.append(Arrow(f"{frame.ordinal - before - 1:,} frames are left out", 0, kind="aside"))
        before = frame.ordinal
        arrows.append(_arrow(frame, known, is_marked=frame.number in named))
    label = f"sequence of connection {connection.number}"
    shown = f"{len(facts.chart):,} of {counted(connection.frames, 'frame')}"
    yield f'<p class="soft">Connection {connection.number}, {shown}.</p>'
    left = connection.name or connection.client or "client"
    yield f'<div class="scroll tall" tabindex="0">{chart(left, connection.server or "server", arrows, label)}</div>'


def _arrow(frame: Frame, known: frozenset[int], *, is_marked: bool) -> Arrow:
    direction = 0 if frame.sender is None or frame.kind == "link" else 1 if frame.sender is Side.CLIENT else -1
    behind = "" if frame.took is None else duration(max(frame.took, 0.0))
    link = f"f{frame.number}" if frame.number in known else ""
    return Arrow(frame.text, direction, f"{frame.at:+.3f} s", behind, frame.kind, link, is_marked)


def _frames(facts: Facts, known: frozenset[int]) -> Iterator[str]:
    if facts.frames:
        named = {number for verdict in facts.verdicts for number in verdict.frames}
        heads = [">frame", ">time", ">conn", "", "what", ">took", ">bytes"]
        caption = f"{len(facts.frames):,} of {facts.count:,}: those that verdicts name, and the last ones"
        rows = (_one(frame, known, is_named=frame.number in named) for frame in facts.frames)
        yield _table(heads, rows, caption if len(facts.frames) < facts.count else "")


def _one(frame: Frame, known: frozenset[int], *, is_named: bool) -> str:
    arrow = "x" if frame.sender is None or frame.kind == "link" else "&gt;" if frame.sender is Side.CLIENT else "&lt;"
    kinds = " ".join(filter(None, ("named" if is_named else "", "error" if frame.kind == "error" else "")))
    to = f' <span class="soft">to {_number(frame.call, known)}</span>' if frame.call else ""
    cells = (
        _cell(f"#{frame.number}", "n"),
        _cell(f"{frame.at:+.3f} s", "n"),
        _cell(str(frame.connection), "n"),
        _cell(arrow),
        _cell(f"{_safe(frame.text)}{to}", "what"),
        _cell("" if frame.took is None else duration(max(frame.took, 0.0)), "n"),
        _cell(amount(frame.size) if frame.size else "", "n"),
    )
    return f'<tr id="f{frame.number}"{f" class={kinds!r}" if kinds else ""}>{"".join(cells)}</tr>'
