"""What may stand behind any command: ``| grep RE``, ``| sort KEY``, ``| json``, ``> FILE``. Knows lines and data.

Does not know what commands do, nor how their data looks: `Workbench.render` makes text of it.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import itertools
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench.forms import jsons
from pbshell.workbench.forms.rows import Notice, Rows, shown

__all__ = ["VERBS", "Json", "Pipe", "Render", "Text", "Written", "check", "piped", "split"]

#: Makes text without colours of a value, in so many columns.
Render = Callable[[Any, int], str]

VERBS = ("grep", "sort", "json")
#: columns of a file
WIDTH = 100
#: characters of one cell in which something is looked for
_CELL = 10_000
_QUOTES, _OPENING, _CLOSING = "'\"", "([{", ")]}"
#: what may stand in front of the quote of a Python literal
_PREFIX = re.compile(r"(?:^|[^\w])[bBrRuUfF]{1,2}$")


@dataclass(frozen=True, slots=True)
class Pipe:
    """One of them: *verb* (grep, sort, json, > or >>), and what stands behind it."""

    verb: str
    rest: str


@dataclass(frozen=True, slots=True)
class Text:
    """Lines for a person, out of a table or what else was shown."""

    lines: tuple[str, ...]

    def objects(self) -> Iterator[dict[str, Any]]:
        """One object for each line."""
        return ({"kind": "line", "text": line} for line in self.lines)


@dataclass(frozen=True, slots=True)
class Json(Text):
    """Lines of JSON, made of *value*."""

    value: Any

    def objects(self) -> Iterator[dict[str, Any]]:
        """Those that the lines are."""
        return jsons.objects(self.value)


@dataclass(frozen=True, slots=True)
class Written(Notice):
    """*lines* were written to *file*, behind what was there if they were *appended*."""

    lines: int
    file: str
    appended: bool

    def __str__(self) -> str:
        lines = "1 line" if self.lines == 1 else f"{self.lines:,} lines"
        return f"{lines} {'appended' if self.appended else 'written'} to {visible(self.file, 200)}"


# ------------------------------------------------------------------------------------------------ reading a line


def split(rest: str, *, has_filter: bool = False) -> tuple[str, list[Pipe]]:
    """What stands behind a command: its own part, and the pipes.

    A ``|`` is a pipe if a space stands before it and one of the verbs behind it, ``>`` if a space stands before it and
    no digit behind it; inside quotes and brackets neither is. A command that *has_filter*, or Python, has uses for
    ``|`` of its own, and keeps what is in front of another word. Raises UsageError.
    """
    cuts: list[int] = []
    for at, sign in _places(rest):
        if sign == "|":
            word = _word(rest, at + 1)
            own = has_filter and not cuts and rest[:at].strip() != ""
            if word not in VERBS and own and not _is_misspelt(word):
                continue
            if word not in VERBS:
                raise UsageError(_unknown(word, own))
        cuts.append(at)
        if sign == ">":
            break
    ends = [*cuts, len(rest)]
    return rest[: ends[0]].strip(), [_pipe(rest[at:end]) for at, end in itertools.pairwise(ends)]


def _pipe(text: str) -> Pipe:
    """*text* begins with its sign."""
    sign = ">>" if text.startswith(">>") else text[0]
    rest = text[len(sign) :].strip()
    if sign == "|":
        sign, _, rest = rest.partition(" ")
    return Pipe(sign, rest.strip())


def _places(rest: str) -> Iterator[tuple[int, str]]:
    """Where a ``|`` or ``>`` may begin a pipe: behind a space, outside of quotes and brackets."""
    depth, at = 0, 0
    while at < len(rest):
        char = rest[at]
        if char == "\\":
            at += 2
            continue
        if char in _QUOTES and _opens(rest, at):
            at = _closing(rest, at)
            continue
        depth += (char in _OPENING) - (char in _CLOSING and depth > 0)
        if char in "|>" and not depth and (at == 0 or rest[at - 1].isspace()):
            behind = rest[at:].lstrip(char).lstrip()
            if char == "|" or not (behind[:1].isdigit() or behind.startswith("=")):
                yield at, char
            if rest[at : at + 2] in (">>", "||"):
                at += 1
        at += 1


def _opens(rest: str, at: int) -> bool:
    """Whether the quote there opens something: one inside a word, as in don't, does not."""
    before = rest[:at]
    return not before or not before[-1].isalnum() or _PREFIX.search(before[-3:]) is not None


def _closing(rest: str, at: int) -> int:
    """Behind the end of what is quoted; the end of the line if it is never closed."""
    mark, at = rest[at], at + 1
    while at < len(rest) and rest[at] != mark:
        at += 2 if rest[at] == "\\" else 1
    return at + 1


def _word(rest: str, at: int) -> str:
    return rest[at:].split(None, 1)[0] if rest[at:].strip() else ""


def _is_misspelt(word: str) -> bool:
    """Whether it is a verb with letters in another order; of other likeness a method of a filter may be."""
    return any(sorted(word) == sorted(verb) for verb in VERBS)


def _unknown(word: str, own: bool) -> str:
    near = difflib.get_close_matches(word, VERBS, 1, 0.5)
    if not word:
        return "nothing stands behind the last |: write | grep RE, | sort KEY, | json, or > FILE"
    instead = f"did you mean | {near[0]}?" if near else "there are | grep RE, | sort KEY, | json, and > FILE"
    mine = f"; a | of the filter stands in parentheses: (... | {visible(word, 30)})" if own else ""
    return f"there is no | {visible(word, 30)}; {instead}{mine}"


# ------------------------------------------------------------------------------------------------ what they do


def check(pipes: list[Pipe]) -> None:
    """Find out what is wrong with *pipes* before a command does anything. Raises UsageError."""
    for position, pipe in enumerate(pipes):
        if pipe.verb == "grep":
            _expression(pipe.rest)
        elif pipe.verb == "sort" and not pipe.rest:
            raise UsageError("| sort wants a field behind it, such as | sort age, or | sort -age")
        elif pipe.verb == "json" and pipe.rest:
            raise UsageError(f"| json takes nothing behind it, and not {visible(pipe.rest, 40)!r}")
        elif pipe.verb in (">", ">>"):
            path = _path(pipe)
            if pipe.verb == ">" and os.path.lexists(path):
                raise UsageError(_exists(path))
        if pipe.verb == "json" and any(each.verb in ("sort", "json") for each in pipes[position + 1 :]):
            raise UsageError("| json makes lines of text: what sorts stands before it")


def piped(value: Any, pipes: list[Pipe], render: Render | None) -> Any:
    """*value* behind all *pipes*. Raises UsageError."""
    for pipe in pipes:
        if pipe.verb == "grep":
            value = _grep(value, pipe.rest, render)
        elif pipe.verb == "sort":
            value = _sort(value, pipe.rest)
        elif pipe.verb == "json":
            value = Json(tuple(jsons.lines(value)), value)
        else:
            value = _write(value, pipe, render)
    return value


def _text(value: Any, render: Render | None) -> tuple[str, ...]:
    if isinstance(value, Text):
        return value.lines
    text = shown(value) if render is None else render(value, WIDTH)
    return tuple(text.split("\n"))


# grep


def _expression(rest: str) -> tuple[re.Pattern[str], bool]:
    """The expression, and whether the others are wanted."""
    match = re.match(r"(?:-([iv]+)\s+)?(.*)", rest, re.DOTALL)
    assert match is not None
    flags, text = match[1] or "", match[2]
    if len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES:
        text = text[1:-1]
    if not text:
        raise UsageError("| grep wants a regular expression behind it, such as | grep linux")
    try:
        # As in filters: who looks for alice means Alice too.
        return re.compile(text, re.IGNORECASE), "v" in flags
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"| grep {visible(text, 60)}: {error}") from None


def _grep(value: Any, rest: str, render: Render | None) -> Any:
    expression, others = _expression(rest)
    if isinstance(value, Rows):
        kept = [row for row in value if any(map(expression.search, _cells(row))) is not others]
        return _with(value, kept, f"nothing matches {visible(rest, 40)}")
    lines = _text(value, render)
    return Text(tuple(line for line in lines if (expression.search(line) is not None) is not others))


def _cells(row: Any) -> Iterator[str]:
    """What stands in *row*: text and numbers in full, however short a table shows them."""
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        yield "-" if value is None else visible(value, _CELL) if isinstance(value, str) else shown(value, _CELL)
        if isinstance(value, int):
            yield f"{value:,}"


def _with(rows: Rows[Any], kept: list[Any], empty: str = "") -> Rows[Any]:
    """The rows *kept* in place of all; what else the table has it keeps."""
    made = copy.copy(rows)
    made[:] = kept
    if empty and rows:
        made.empty = empty
    return made


# sort


def _sort(value: Any, rest: str) -> Any:
    if not isinstance(value, Rows):
        raise UsageError("| sort is for rows, and this command gives something else")
    words = rest.split()
    down = words[0].startswith("-") or words[1:] == ["desc"]
    if words[1:] not in ([], ["asc"], ["desc"]):
        raise UsageError(f"| sort KEY desc sorts downwards, and {visible(' '.join(words[1:]), 30)!r} is nothing")
    key = _field(value, words[0].lstrip("-"))
    ordered = sorted(value, key=lambda row: _order(getattr(row, key)), reverse=down)
    # What is not there comes last, up and down.
    ordered.sort(key=lambda row: getattr(row, key) is None)
    return _with(value, ordered)


def _field(rows: Rows[Any], key: str) -> str:
    names = [field.name for field in dataclasses.fields(rows.kind)]
    if key.lower() in names:
        return key.lower()
    near = difflib.get_close_matches(key.lower(), names, 1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no field {visible(key, 30)!r} to sort by; {meant}the rows have {', '.join(names)}")


def _order(value: Any) -> tuple[Any, ...]:
    """Numbers by size, then text, in which numbers count as numbers: s9 comes before s10."""
    if isinstance(value, (int, float)):
        return 0, value
    if value is None:
        return (-1,)
    text = value if isinstance(value, str) else shown(value, _CELL)
    parts = re.split(r"([0-9]{1,18})", text.casefold())
    return 1, [int(part) if place % 2 else part for place, part in enumerate(parts)]


# files


def _path(pipe: Pipe) -> Path:
    try:
        words = shlex.split(pipe.rest)
    except ValueError as error:
        raise UsageError(f"{pipe.verb} {visible(pipe.rest, 60)}: {error}") from None
    if len(words) != 1 or not words[0]:
        wrong = f", and nothing behind it: {visible(pipe.rest, 60)}" if words else " behind it"
        raise UsageError(f"{pipe.verb} wants the name of a file{wrong}")
    try:
        return Path(words[0]).expanduser()
    except RuntimeError:  # somebody who has no home
        return Path(words[0])


def _exists(path: Path) -> str:
    return f"{visible(str(path), 200)} is there already: >> FILE appends to it, or take another name"


def _write(value: Any, pipe: Pipe, render: Render | None) -> Written:
    lines = () if value is None else _text(value, render)
    path, append = _path(pipe), pipe.verb == ">>"
    # What is in it may be a secret of the server's: nobody else shall read it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_EXCL)
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in lines)
    except FileExistsError:
        raise UsageError(_exists(path)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a file"
        raise UsageError(f"{visible(str(path), 200)} cannot be written: {reason}") from None
    return Written(len(lines), str(path), append)
