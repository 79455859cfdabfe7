"""The methods that were called: with which kinds of arguments, how often, how long it took. Learned from the traffic.

Knows dissections; calls nobody. Its memory is bounded.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from pbshell.trace import Conversation, Dissection
from pbshell.trace.notes import Lent
from pbshell.trace.redact import SECRET
from pbshell.trace.values import failure, is_tagged, plain
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, ErrorAnswer, Message

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

__all__ = ["Called", "Observed", "kind_of_lent", "scope_of"]

#: servers, methods of one, kinds of arguments of a method, and times of it that are remembered
_SERVERS, _METHODS, _SHAPES, _TIMES = 200, 1000, 3, 64
#: arguments of one call, and characters of a name
_ARGUMENTS, _NAME = 12, 60
#: methods of a login: what they are for is done when there is somebody to call them
_LOGIN = {"login", "loginAnonymous", "respond"}
#: what a server tells of a method that it does not have
_MISSING = re.compile(r"[\w.]*\b(NoSuchMethod|AttributeError)\b")
_BORN = re.compile(r"(\w+)\(")
_WORDS = {
    b"unicode": "str",
    b"boolean": "bool",
    b"dictionary": "dict",
    b"None": "None",
    b"remote": "reference",
    b"local": "reference",
    b"cached": "cache",
    b"lcache": "cache",
    b"decimal": "Decimal",
}


@dataclass(slots=True)
class Called:
    """A method as it was called: *calls*, how many of them gave an *answer* or an *error*, and the last *times*.

    *missing* are errors that say that there is no such method. *shapes* are kinds of arguments, the last one last.
    """

    calls: int = 0
    answers: int = 0
    errors: int = 0
    missing: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_TIMES))
    shapes: dict[str, None] = field(default_factory=dict)

    @property
    def exists(self) -> bool:
        """Whether a call has shown that there is such a method; one that is waiting has not."""
        return self.answers > 0 or self.errors > self.missing

    @property
    def signature(self) -> str:
        """The kinds of arguments, the last ones first."""
        return " or ".join(reversed(self.shapes))

    @property
    def p50(self) -> float | None:
        """Seconds to the answer that half of the last calls did not exceed; None without an answer."""
        return median(self.times) if self.times else None


def kind_of_lent(lent: Lent, conversation: Conversation) -> str:
    """What kind of object this is, the same on every connection: ``root``, ``perspective``, ``mind``, ``getBuilder()``.

    The last is an object that a call of that method has brought. Empty where it is not known.
    """
    if lent.luid == b"root":
        return "root"
    if lent.label and lent.label == conversation.user:
        return "perspective"
    if lent.label == "mind":
        return "mind"
    match = _BORN.match(lent.label)
    return f"{match[1]}()" if match and match[1] not in _LOGIN else ""


def scope_of(conversation: Conversation) -> str:
    """What stands for a server on all its connections: its address, or of one without an address its connection."""
    return conversation.server or f"#{conversation.number}"


class Observed:
    """Watches all connections of *bench* from when it is made."""

    def __init__(self, bench: Workbench) -> None:
        self._calls: dict[str, dict[tuple[Side, str, str], Called]] = {}
        bench.tracer.watchers.append(self._see)

    def methods(self, conversation: Conversation, owner: Side, kind: str) -> dict[str, Called]:
        """What was called of objects of *kind* that *owner* lends, also on earlier connections, by method."""
        calls = self._calls.get(scope_of(conversation), {})
        return {method: called for (side, each, method), called in calls.items() if side is owner and each == kind}

    def kinds(self, conversation: Conversation, owner: Side) -> list[str]:
        """The kinds of objects of *owner* that were called."""
        calls = self._calls.get(scope_of(conversation), {})
        return sorted({kind for side, kind, _ in calls if side is owner})

    def _see(self, dissection: Dissection, conversation: Conversation) -> None:
        call = dissection if isinstance(dissection.what, Message) else dissection.call
        if call is None or call.sender is None or call.target is None or not isinstance(call.what, Message):
            return
        kind = kind_of_lent(call.target, conversation)
        method = visible(call.what.method, _NAME)
        if not kind or method in _LOGIN or not method.isidentifier():
            return
        called = self._called(scope_of(conversation), (call.sender.other, kind, method))
        if called is None:
            return
        if call is dissection:
            _note_call(called, call.what)
        elif isinstance(dissection.what, (Answer, ErrorAnswer)):
            _note_answer(called, dissection)

    def _called(self, scope: str, key: tuple[Side, str, str]) -> Called | None:
        if scope not in self._calls:
            self._calls[scope] = {}
            if len(self._calls) > _SERVERS:
                del self._calls[next(iter(self._calls))]
        calls = self._calls[scope]
        if key not in calls and len(calls) >= _METHODS:
            return None
        return calls.setdefault(key, Called())


def _note_call(called: Called, what: Message) -> None:
    called.calls += 1
    # Nobody will say whether there is such a method; whoever wants no answer knows it.
    called.answers += not what.wants_answer
    shape = _shape(what.args, what.kwargs)
    called.shapes.pop(shape, None)
    called.shapes[shape] = None
    if len(called.shapes) > _SHAPES:
        del called.shapes[next(iter(called.shapes))]


def _note_answer(called: Called, answer: Dissection) -> None:
    if isinstance(answer.what, ErrorAnswer) and answer.sender is not None:
        called.errors += 1
        called.missing += bool(_MISSING.match(failure(answer.what.failure, answer.sender, 100)))
    else:
        called.answers += 1
    if answer.elapsed is not None:
        called.times.append(answer.elapsed)


def _shape(args: Expression, kwargs: Expression) -> str:
    """The kinds of the arguments, as ``(str, dict, deep=bool)``."""
    items = args[1:] if isinstance(args, list) and is_tagged(args, b"tuple", b"list") else [args]
    words = [_word(each) for each in items[:_ARGUMENTS]]
    for pair in kwargs[1:] if isinstance(kwargs, list) and is_tagged(kwargs, b"dictionary") else ():
        if isinstance(pair, list) and len(pair) == 2 and len(words) < _ARGUMENTS:
            words.append(f"{visible(plain(pair[0]), _NAME)}={_word(pair[1])}")
    more = len(items) > _ARGUMENTS
    return f"({', '.join(words)}{', ...' if more else ''})"


def _word(value: Expression) -> str:
    if value is SECRET:
        return "secret"
    if not isinstance(value, list):
        return type(value).__name__
    tag = value[0] if value else b""
    if not isinstance(tag, bytes) or not tag:
        return "?"
    return _WORDS.get(tag) or visible(tag, _NAME).rpartition(".")[2]
