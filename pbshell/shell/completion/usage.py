"""What may come next in a command, by its usage: ``on|off|mark TEXT``, ``[ours|theirs] [FILTER], or REF [diff]``.

Knows that small grammar; does not know what the kinds in it stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

__all__ = ["is_kind", "next_words"]

_TOKEN = re.compile(r"\.\.\.|[\[\]()|]|[^\s\[\]()|,]+")
#: kinds that are several words: they may go on, and so may what stands behind them
_LONG = {"FILTER", "TEXT", "PYTHON", "EXPR", "STATEMENT"}


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of several *ways*. One that is *optional* may be left out, one that *repeats* may come again."""

    ways: tuple[_Way, ...]
    optional: bool
    repeats: bool = False


_Way: TypeAlias = tuple["str | _Choice", ...]


def is_kind(word: str) -> bool:
    """Whether *word* of a usage stands for others: FILE, #FRAME, k=ARG."""
    return any(char.isupper() for char in word)


def next_words(usage: str, words: Sequence[str]) -> list[str]:
    """The words of *usage* that may stand behind *words*, as they stand in it, each once."""
    # Dictionaries, because sets have no order.
    states: dict[_Way, None] = {(_parsed(usage),): None}
    for word in words:
        states = {rest: None for state in states for token, rest in _steps(state) if _takes(token, word)}
        # Words that no usage has are no reason to work for ever.
        if not states or len(states) > 100:
            return []
    return list(dict.fromkeys(token for state in states for token, _ in _steps(state)))


def _takes(token: str, word: str) -> bool:
    return is_kind(token) or token == word


def _steps(state: _Way) -> Iterator[tuple[str, _Way]]:
    """The words that may come in *state*, and the state behind each."""
    if not state:
        return
    first, rest = state[0], state[1:]
    if isinstance(first, str):
        if first in _LONG:
            yield first, state
        yield first, rest
        return
    for way in first.ways:
        if way:
            again = (_Choice(first.ways, optional=True, repeats=True),) if first.repeats else ()
            yield from _steps((*way, *again, *rest))
    if first.optional:
        yield from _steps(rest)


@cache
def _parsed(usage: str) -> _Choice:
    tokens = _TOKEN.findall(usage)
    return _choice(tokens, optional=False)


def _choice(tokens: list[str], *, optional: bool) -> _Choice:
    """What stands up to the bracket that ends it, which is taken too."""
    ways: list[_Way] = []
    way: list[str | _Choice] = []
    while tokens:
        token = tokens.pop(0)
        if token in "])":
            break
        if token in ("|", "or"):
            ways.append(tuple(way))
            way = []
        elif token in "[(":
            way.append(_choice(tokens, optional=token == "["))
        elif token == "...":
            if way:
                last = way.pop()
                ways_of = last.ways if isinstance(last, _Choice) else ((last,),)
                way.append(_Choice(ways_of, isinstance(last, _Choice) and last.optional, repeats=True))
        else:
            way.append(token)
    return _Choice((*ways, tuple(way)), optional)
