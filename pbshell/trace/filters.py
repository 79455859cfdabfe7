"""Filters: which dissections somebody wants to see, as one line of text. Knows the grammar; shows nothing.

mitmproxy's language with operators for PB: ``~m start & !~e``. Source: docs/reference/filters.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pbshell.errors import UsageError
from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.forms.columns import columns
from pbshell.trace.notes import Lent
from pbshell.trace.operators import (
    DISSECTIONS,
    KINDS,
    OPERATORS,
    ROWS,
    WANTS,
    Build,
    Operator,
    Refused,
    Test,
    Word,
    any_of,
    known,
    unknown,
)

__all__ = ["KINDS", "OPERATORS", "BadFilter", "Filter", "Operator", "parse"]

#: parentheses inside parentheses
_DEPTH = 50
#: characters of a filter that are shown above its caret
_WIDTH = 78

T = TypeVar("T")


class BadFilter(UsageError):
    """*text* is no filter: *reason* says in one sentence what is wrong and what would be right.

    The *length* characters from *position* are what is wrong; both are inside the text.
    """

    def __init__(self, text: str, position: int, length: int, reason: str) -> None:
        self.text = text
        self.position = position
        self.length = length
        self.reason = reason
        super().__init__(text, position, length, reason)

    def __str__(self) -> str:
        return self.reason

    def caret(self) -> str:
        """Three lines: the filter, carets under what is wrong, and the reason. A long filter is cut around them."""
        end = len(self.text)
        begin = max(0, min(self.position - _WIDTH // 3, end - _WIDTH))
        stop = min(begin + _WIDTH, end)
        before, bad = self.text[begin : self.position], self.text[self.position : self.position + self.length]
        left, right = "..." if begin else "", "..." if stop < end else ""
        indent = " " * (len(left) + columns(_one_line(before)))
        marks = "^" * max(1, columns(_one_line(bad[: stop - self.position])))
        return f"{left}{_one_line(self.text[begin:stop])}{right}\n{indent}{marks}\n{self.reason}"


def _one_line(text: str) -> str:
    """*text* with a sign of one column for each character that a terminal would obey."""
    signs = ((" " if char.isspace() else "\N{REPLACEMENT CHARACTER}") for char in text)
    return "".join(char if char.isprintable() else sign for char, sign in zip(text, signs, strict=True))


@dataclass(frozen=True, slots=True, repr=False)
class Filter:
    """What `parse` makes of *text*: called with a dissection and its connection, it tells whether that is wanted.

    The connection may be None where it is not known; then nothing that is asked about it is true. Two filters of the
    same text are equal.
    """

    text: str
    _test: Test[Dissection] = field(compare=False)

    def __call__(self, dissection: Dissection, conversation: Conversation | None) -> bool:
        return self._test(dissection, conversation)

    def __repr__(self) -> str:
        return f"Filter({self.text!r})"

    def for_rows(self) -> Test[Lent]:
        """The same filter for what is lent, as it stands in a table: there a bare word means what ~o means.

        Raises BadFilter if it has an operator that only messages can answer.
        """
        return _Parser(self.text, ROWS, bare="~o").parse()


def parse(text: str) -> Filter:
    """The filter that *text* says; an empty one wants everything. Raises BadFilter."""
    return Filter(text, _Parser(text, DISSECTIONS, bare="~m").parse())


# Words


@dataclass(frozen=True, slots=True)
class _Token:
    """*kind* is one of the signs ``& | ! ( )``, or name (of an operator), word, quoted, end."""

    kind: str
    text: str
    position: int
    length: int


# A | between two characters of a word belongs to the word: start|stop. All else ends at the next sign.
_TOKEN = re.compile(
    r"""(?P<sign>[&|!()]) | (?P<name>~\w*) | (?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") | (?P<open>['"])
    | (?P<word>(?:[^\s()&|~'"]|\|(?=[^\s()&|~'"!]))+)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind, found, begin, end = str(match.lastgroup), match[0], match.start(), match.end()
        if kind == "open":
            raise BadFilter(text, begin, 1, f"this {found} is never closed: put another one behind the text")
        if kind == "word" and text[end : end + 1] in ("(", "'", '"'):
            reason = 'parentheses and quotes inside a word: put all of it in quotes, such as ~o "getBuilder.*linux"'
            raise BadFilter(text, end, 1, reason)
        if kind == "quoted":
            found = _unquoted(found)
        yield _Token(found if kind == "sign" else kind, found, begin, end - begin)
    yield _Token("end", "", len(text), 0)


def _unquoted(found: str) -> str:
    """What stands between the quotes. Only a quote loses its backslash: all others are the expression's own."""
    mark = found[0]
    return _ESCAPED.sub(lambda match: mark if match[1] == mark else match[0], found[1:-1])


# Grammar


class _Parser(Generic[T]):
    """Turns one text into a test. *builders* are the operators by symbol; *bare* is the one of a word without any."""

    def __init__(self, text: str, builders: Mapping[str, Build[T]], *, bare: str) -> None:
        self._text = text
        self._builders = builders
        self._bare = builders[bare]
        self._tokens = list(_tokens(text))
        self._at = 0

    def parse(self) -> Test[T]:
        if len(self._tokens) == 1:
            return lambda thing, conversation: True
        test = self._any(0)
        if self._here.kind != "end":
            raise self._bad(self._here, _UNOPENED)
        return test

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *kinds: str) -> _Token | None:
        """The next token, if it is one of *kinds*."""
        token = self._here
        if token.kind not in kinds:
            return None
        self._at += 1
        return token

    def _any(self, depth: int) -> Test[T]:
        tests = [self._all(depth)]
        while self._take("|"):
            tests.append(self._all(depth))
        return any_of(tests)

    def _all(self, depth: int) -> Test[T]:
        tests = [self._one(depth)]
        while self._take("&") or self._here.kind not in ("|", ")", "end"):
            tests.append(self._one(depth))
        return _all_of(tests)

    def _one(self, depth: int) -> Test[T]:
        negated = False
        while self._take("!"):
            negated = not negated
        test = self._plain(depth)
        return _not(test) if negated else test

    def _plain(self, depth: int) -> Test[T]:
        if token := self._take("("):
            return self._group(token, depth + 1)
        if token := self._take("name"):
            return self._operator(token)
        if token := self._take("word", "quoted"):
            return self._build(self._bare, token, token)
        raise self._missing()

    def _group(self, opening: _Token, depth: int) -> Test[T]:
        if depth > _DEPTH:
            raise self._bad(opening, f"more than {_DEPTH} parentheses stand inside each other")
        if self._here.kind != "end":
            test = self._any(depth)
            if self._take(")"):
                return test
        raise self._bad(opening, "this ( is never closed: put a ) behind what belongs together")

    def _operator(self, name: _Token) -> Test[T]:
        operator = known(name.text)
        if operator is None:
            raise self._bad(name, unknown(name.text))
        if operator.symbol not in self._builders:
            others = " ".join(self._builders)
            raise self._bad(name, f"{operator.symbol} asks about messages, and these are objects: they know {others}")
        argument = self._take("word", "quoted") if operator.argument else None
        if argument is None and operator.argument and not operator.optional:
            quotes = ", in quotes if it has parentheses" if self._here.kind == "(" else ""
            raise self._bad(name, f"{operator.symbol} wants {WANTS[operator.argument]} behind it{quotes}")
        return self._build(self._builders[operator.symbol], argument, argument or name)

    def _build(self, build: Build[T], argument: _Token | None, blamed: _Token) -> Test[T]:
        try:
            return build(None if argument is None else Word(argument.text, argument.kind == "quoted"))
        except Refused as refused:
            raise self._bad(blamed, str(refused)) from None

    def _missing(self) -> BadFilter:
        """What is wrong where a filter is due and none comes."""
        here = self._here
        if here.kind in ("&", "|"):
            return self._bad(here, f"{here.text} stands between two filters, and there is none on its left")
        before = self._tokens[self._at - 1] if self._at else here
        if before.kind == "(":
            return self._bad(before, "there is nothing between these parentheses")
        if before.kind in ("&", "|", "!"):
            return self._bad(before, f"{before.text} wants a filter behind it, such as {before.text} ~e")
        return self._bad(here, _UNOPENED)

    def _bad(self, token: _Token, reason: str) -> BadFilter:
        return BadFilter(self._text, token.position, token.length, reason)


_UNOPENED = "no ( is open that this ) could close: one in a regular expression stands in quotes"


def _all_of(tests: list[Test[T]]) -> Test[T]:
    if len(tests) == 1:
        return tests[0]

    def every(thing: T, conversation: Conversation | None) -> bool:
        for test in tests:  # noqa: SIM110  # all() makes a generator for each message
            if not test(thing, conversation):
                return False
        return True

    return every


def _not(test: Test[T]) -> Test[T]:
    return lambda thing, conversation: not test(thing, conversation)
