"""What a filter can ask: its operators, their arguments, and the tests they become. Knows no grammar.

Source: docs/reference/filters.md.
"""

from __future__ import annotations

import difflib
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.notes import Lent, Odd
from pbshell.trace.values import arguments, failure, identity, spell
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import LinkEvent, Seed, Side
from pbshell.wire.grammar import loans
from pbshell.wire.text import visible
from pbshell.wire.verbs import (
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Message,
    Uncache,
    Version,
)

__all__ = [
    "DISSECTIONS",
    "KINDS",
    "OPERATORS",
    "ROWS",
    "WANTS",
    "Build",
    "Operator",
    "Refused",
    "Test",
    "Word",
    "any_of",
    "known",
    "unknown",
]

#: characters of a spelled value that a regular expression sees
_ROOM = 2_000

T = TypeVar("T")
#: What a filter becomes: asked about a dissection (or a row of a table) and its connection, where that is known.
Test: TypeAlias = Callable[[T, Conversation | None], bool]


class Refused(Exception):
    """An argument that its operator does not take; the text says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Word:
    """An argument, or a word that stands for itself. One that is *quoted* is one word, whatever it has inside."""

    text: str
    quoted: bool = False


#: How an operator makes a test of its argument; without one it gets None.
Build: TypeAlias = Callable[[Word | None], Test[T]]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: its *symbol*, the kind of its *argument* ("" for none), a *name* for it, and what it is true for.

    With *optional* it may stand without its argument.
    """

    symbol: str
    argument: str
    name: str
    help: str
    example: str
    optional: bool = False


#: All there are, in the order in which they are explained.
OPERATORS = (
    Operator("~m", "RE", "method", "Calls of this method.", "~m ^get"),
    Operator("~o", "RE", "object", "Calls of an object of this birth or class.", "~o getBuilder"),
    Operator("~l", "ID", "id", "Whatever names this object.", "~l s3"),
    Operator("~k", "KIND", "kind", "What is of this kind.", "~k decref"),
    Operator("~d", "SIDE", "direction", "What the client, or the server, has sent.", "~d c"),
    Operator("~c", "CONN", "connection", "What belongs to this connection.", "~c 2"),
    Operator("~p", "RE", "peer", "Connections with this address at one end.", "~p 127.0.0.1:51234"),
    Operator("~a", "RE", "arguments", "Calls with this in their arguments.", "~a linux"),
    Operator("~r", "RE", "result", "Answers with this in their result.", "~r queued"),
    Operator("~e", "RE", "error", "Error answers, with this in their type or text.", "~e ValueError", optional=True),
    Operator("~n", "", "no answer", "Calls that wait for an answer.", "~n"),
    Operator("~t", "TIME", "time", "Answers that took longer, or shorter.", "~t >50ms"),
    Operator("~z", "SIZE", "size", "What is larger, or smaller.", "~z >4k"),
    Operator("~f", "FRAMES", "frames", "What has these numbers.", "~f 10-20"),
    Operator("~x", "", "anomalies", "What a correct peer does not send.", "~x"),
    Operator("~u", "RE", "user", "Connections on which this user has logged in last.", "~u ^alice$"),
)
_BY_SYMBOL = {each.symbol: each for each in OPERATORS}

#: What the argument of each kind is, for who did not give it.
WANTS = {
    "RE": "a regular expression such as start",
    "ID": "an id such as s3, c3, root or 3",
    "KIND": "a kind such as message, error or decref",
    "SIDE": "c or s, for the client or the server",
    "CONN": "the number or the name of a connection",
    "TIME": "a time such as >50ms",
    "SIZE": "a size such as >4k",
    "FRAMES": "frame numbers such as 10-20, 100-, -20 or 7",
}


def known(symbol: str) -> Operator | None:
    """The operator that is written so."""
    return _BY_SYMBOL.get(symbol)


def unknown(symbol: str) -> str:
    """What to say of an operator that does not exist."""
    letters = symbol[1:].lower()
    names = {each.name: each for each in OPERATORS}
    near = [each for each in OPERATORS if letters and letters[0] in (each.symbol[1], each.name[0])]
    if len(letters) > 1:
        close = [names[name] for name in difflib.get_close_matches(letters, names, n=2)]
        near = close or [each for each in near if each.name.startswith(letters)] or near
    if near:
        perhaps = " or ".join(f"{each.symbol} ({each.name})" for each in near)
        return f"there is no operator {visible(symbol, 20)}: perhaps {perhaps}"
    return f"there is no operator {visible(symbol, 20)}: there are {' '.join(_BY_SYMBOL)}"


# Arguments


def any_of(tests: list[Test[T]]) -> Test[T]:
    """True where one of *tests* is."""
    if len(tests) == 1:
        return tests[0]

    def some(thing: T, conversation: Conversation | None) -> bool:
        for test in tests:  # noqa: SIM110  # any() makes a generator for each message
            if test(thing, conversation):
                return True
        return False

    return some


def _given(word: Word | None) -> Word:
    """The argument of an operator that must have one."""
    assert word is not None
    return word


def _shown(text: str) -> str:
    return visible(repr(text), 60)


#: Whether a regular expression is found in a text.
_Search: TypeAlias = Callable[[str], bool]


def _search(text: str) -> _Search:
    """Finds *text*, a regular expression, in upper case and lower case alike, in the beginning of what it is given."""
    try:
        with warnings.catch_warnings():
            # What it may mean in another Python is not the business of who looks for something now.
            warnings.simplefilter("ignore")
            search = re.compile(text, re.IGNORECASE).search
            return lambda shown: search(shown[:_ROOM]) is not None
    except re.error as error:
        where = "" if error.pos is None else f" at position {error.pos}"
        reason = f"{visible(error.msg, 100)}{where}"
    except (OverflowError, RecursionError, ValueError) as error:
        # Numbers and groups beyond what `re` can take.
        reason = visible(str(error), 100)
    raise Refused(f"{_shown(text)} is no regular expression: {reason}")


def _with_search(make: Callable[[_Search], Test[T]]) -> Build[T]:
    return lambda word: make(_search(_given(word).text))


def _with_each(make: Callable[[str], Test[T]]) -> Build[T]:
    """Of an argument that is no regular expression: one such as ``c1|s2`` means any of its parts."""

    def build(word: Word | None) -> Test[T]:
        given = _given(word)
        parts = [given.text] if given.quoted else given.text.split("|")
        return any_of([make(part) for part in parts])

    return build


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_QUANTITY = re.compile(r"([<>]=?)?\s*(\d{1,18}(?:\.\d{1,18})?)\s*([^\W\d]*)")
#: in seconds
_TIMES = {"us": 1e-6, "\N{MICRO SIGN}s": 1e-6, "\N{GREEK SMALL LETTER MU}s": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
#: in bytes
_SIZES = {"": 1.0, "b": 1.0, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6}


def _quantity(symbol: str, text: str, units: Mapping[str, float]) -> Callable[[float], bool]:
    """Compares with *text*, such as ``>50ms``; without a sign, more than that is wanted."""
    match = _QUANTITY.fullmatch(text)
    unit = units.get(match[3].lower()) if match else None
    if match is None or unit is None:
        raise Refused(f"{symbol} wants {WANTS[_BY_SYMBOL[symbol].argument]}, got {_shown(text)}")
    compare, bound = _COMPARE[match[1] or ">"], float(match[2]) * unit
    return lambda value: compare(value, bound)


# What the operators ask


def _calling(dissection: Dissection) -> Message | CacheMessage | None:
    """The call that *dissection* is or answers, if that was seen."""
    what = dissection.what if dissection.call is None else dissection.call.what
    return what if isinstance(what, (Message, CacheMessage)) else None


def _method(search: _Search) -> Test[Dissection]:
    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        call = _calling(dissection)
        return call is not None and search(visible(call.method, _ROOM))

    return test


def _target(search: _Search) -> Test[Dissection]:
    row = _birth(search)

    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        target = dissection.target if dissection.call is None else dissection.call.target
        return target is not None and row(target, conversation)

    return test


def _birth(search: _Search) -> Test[Lent]:
    def test(lent: Lent, conversation: Conversation | None) -> bool:
        # What is not known is "", and no expression finds itself in that.
        return any(text and search(text) for text in (lent.name, lent.label, lent.type))

    return test


_ID = re.compile(r"([cs]?)(-?\d{1,18})", re.IGNORECASE | re.ASCII)
#: ids that stock peers do not use: floats, strings, and larger numbers
_ODD_ID = re.compile(r"[cs](?:-?\d+(?:\.\d+)?(?:e[+-]\d+)?|b['\"].*)", re.ASCII)


def _is_id(text: str) -> Callable[[Side, Expression], bool]:
    """Whether an object of an owner is the one that *text* names: c3, s3, root, or 3 of either owner."""
    if text.lower() == "root":
        return lambda owner, luid: luid == b"root"
    if match := _ID.fullmatch(text):
        wanted, number = {"c": (Side.CLIENT,), "s": (Side.SERVER,), "": tuple(Side)}[match[1].lower()], int(match[2])
        return lambda owner, luid: luid == number and owner in wanted
    if _ODD_ID.fullmatch(text):
        return lambda owner, luid: not isinstance(luid, list) and identity(owner, luid) == text
    raise Refused(f"~l wants {WANTS['ID']}, got {_shown(text)}")


def _touches(text: str) -> Test[Dissection]:
    is_it = _is_id(text)

    def touched(dissection: Dissection) -> bool:
        return any(is_it(owner, luid) for owner, luid in _objects(dissection))

    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        return touched(dissection) or (dissection.call is not None and touched(dissection.call))

    return test


def _has_id(text: str) -> Test[Lent]:
    is_it = _is_id(text)
    return lambda lent, conversation: is_it(lent.owner, lent.luid)


def _objects(dissection: Dissection) -> Iterator[tuple[Side, Expression]]:
    """Owner and luid of all that *dissection* names."""
    what, sender = dissection.what, dissection.sender
    if isinstance(what, Seed):
        for seeded in what.lent:
            yield seeded.owner, seeded.luid
    if sender is None:
        return
    if isinstance(what, (Message, Decref)):
        yield sender.other, what.object
    elif isinstance(what, Decache):
        yield sender.other, what.cache
    elif isinstance(what, (CacheMessage, Uncache)):
        yield sender, what.cache
    for value in _jellied(dissection):
        for loan in loans(value):
            yield sender if loan.kind in (b"remote", b"cached") else sender.other, loan.luid


def _jellied(dissection: Dissection) -> tuple[Expression, ...]:
    what = dissection.what
    if isinstance(what, (Message, CacheMessage)):
        return what.args, what.kwargs
    if isinstance(what, Answer):
        return (what.result,)
    return (what.failure,) if isinstance(what, ErrorAnswer) else ()


_CLASSES: Mapping[str, type] = {
    "message": Message,
    "answer": Answer,
    "error": ErrorAnswer,
    "decref": Decref,
    "decache": Decache,
    "cachemessage": CacheMessage,
    "uncache": Uncache,
    "version": Version,
    "didnotunderstand": DidNotUnderstand,
    "offer": Offer,
    "choice": Choice,
    "undecodable": Undecodable,
    "unseen": Unseen,
    "seed": Seed,
}
_LINK = ("opened", "half_closed", "closed", "stalled", "resumed", "gap")
#: what ~k takes
KINDS = (*_CLASSES, "login", *_LINK)
_LOGIN = (b"login", b"respond", b"loginAnonymous")


def _kind(text: str) -> Test[Dissection]:
    name = text.lower().replace("-", "_")
    if name == "login":
        return _is_login
    if name in _LINK:
        return lambda dissection, conversation: isinstance(dissection.what, LinkEvent) and dissection.what.kind == name
    cls = _CLASSES.get(name)
    if cls is not None:
        return lambda dissection, conversation: type(dissection.what) is cls
    near = difflib.get_close_matches(name, KINDS, n=2)
    right = f"perhaps {' or '.join(near)}" if near else f"there are {' '.join(KINDS)}"
    raise Refused(f"~k knows no kind {_shown(text)}: {right}")


def _is_login(dissection: Dissection, conversation: Conversation | None) -> bool:
    call = _calling(dissection)
    return call is not None and call.method in _LOGIN


_SIDES = {"c": Side.CLIENT, "client": Side.CLIENT, "s": Side.SERVER, "server": Side.SERVER}


def _sent_by(text: str) -> Test[Dissection]:
    side = _SIDES.get(text.lower())
    if side is None:
        raise Refused(f"~d wants {WANTS['SIDE']}, got {_shown(text)}")
    return lambda dissection, conversation: dissection.sender is side


_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


def _connection(text: str) -> Test[Dissection]:
    if _NUMBER.fullmatch(text):
        number = int(text)
        return lambda dissection, conversation: dissection.connection == number
    return _named(text)


def _connection_of_row(text: str) -> Test[Lent]:
    if _NUMBER.fullmatch(text):
        number = int(text)
        return lambda lent, conversation: conversation is not None and conversation.number == number
    return _named(text)


def _named(text: str) -> Test[object]:
    name = text.casefold()
    return lambda thing, conversation: conversation is not None and conversation.name.casefold() == name


# In a regular expression it would be a set of characters, and find almost every address.
_IPV6 = re.compile(r"\[[\da-f:.]*:[\da-f:.]*(?:%\w+)?\]", re.IGNORECASE)


def _peer(word: Word | None) -> Test[object]:
    search = _search(_IPV6.sub(lambda match: re.escape(match[0]), _given(word).text))

    def test(thing: object, conversation: Conversation | None) -> bool:
        return conversation is not None and (search(conversation.client) or search(conversation.server))

    return test


def _user(search: _Search) -> Test[object]:
    return lambda thing, conversation: conversation is not None and search(conversation.user)


def _argument(search: _Search) -> Test[Dissection]:
    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        call, what = dissection.call or dissection, _calling(dissection)
        if what is None or call.sender is None:
            return False
        return search(arguments(what.args, what.kwargs, call.sender, _ROOM))

    return test


def _result(search: _Search) -> Test[Dissection]:
    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        what, sender = dissection.what, dissection.sender
        if not isinstance(what, Answer) or sender is None:
            return False
        return search(spell(what.result, sender, _ROOM))

    return test


def _error(word: Word | None) -> Test[Dissection]:
    if word is None:
        return lambda dissection, conversation: isinstance(dissection.what, ErrorAnswer)
    search = _search(word.text)

    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        what, sender = dissection.what, dissection.sender
        if not isinstance(what, ErrorAnswer) or sender is None:
            return False
        return search(failure(what.failure, sender, _ROOM))

    return test


def _unanswered(dissection: Dissection, conversation: Conversation | None) -> bool:
    what, sender = dissection.what, dissection.sender
    if conversation is None or sender is None or not isinstance(what, (Message, CacheMessage)):
        return False
    if not what.wants_answer or isinstance(what.request, list):
        return False
    pending = conversation.ledgers[sender].pending.get(what.request)
    # Not by identity alone: a request id may be used again, and a dissection be made again from a file.
    return pending is not None and pending.number == dissection.number


def _took(text: str) -> Test[Dissection]:
    fits = _quantity("~t", text, _TIMES)

    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        elapsed = dissection.elapsed
        return elapsed is not None and fits(elapsed)

    return test


def _size(text: str) -> Test[Dissection]:
    fits = _quantity("~z", text, _SIZES)

    def test(dissection: Dissection, conversation: Conversation | None) -> bool:
        call = dissection.call
        return fits(dissection.size if call is None else max(dissection.size, call.size))

    return test


_FRAMES = re.compile(r"#?(\d{1,18})|(?:#?(\d{1,18}))?-(?:#?(\d{1,18}))?", re.ASCII)


def _frames(text: str) -> Test[Dissection]:
    match = _FRAMES.fullmatch(text)
    if match is None or text == "-":
        raise Refused(f"~f wants {WANTS['FRAMES']}, got {_shown(text)}")
    only, first, last = (int(group) if group else None for group in match.groups())
    if only is not None:
        return lambda dissection, conversation: dissection.number == only
    if last is None:
        return lambda dissection, conversation: dissection.number >= (first or 0)
    if first is not None and last < first:
        raise Refused(f"~f wants the smaller number first, {last}-{first}, got {_shown(text)}")
    return lambda dissection, conversation: (first or 0) <= dissection.number <= last


def _odd(dissection: Dissection, conversation: Conversation | None) -> bool:
    return isinstance(dissection.what, Undecodable) or any(isinstance(note, Odd) for note in dissection.notes)


# By symbol

#: what each operator asks about a dissection
DISSECTIONS: Mapping[str, Build[Dissection]] = {
    "~m": _with_search(_method),
    "~o": _with_search(_target),
    "~l": _with_each(_touches),
    "~k": _with_each(_kind),
    "~d": _with_each(_sent_by),
    "~c": _with_each(_connection),
    "~p": _peer,
    "~a": _with_search(_argument),
    "~r": _with_search(_result),
    "~e": _error,
    "~n": lambda word: _unanswered,
    "~t": _with_each(_took),
    "~z": _with_each(_size),
    "~f": _with_each(_frames),
    "~x": lambda word: _odd,
    "~u": _with_search(_user),
}
#: what some of them ask about an object that is lent, a row of a table
ROWS: Mapping[str, Build[Lent]] = {
    "~o": _with_search(_birth),
    "~l": _with_each(_has_id),
    "~c": _with_each(_connection_of_row),
    "~p": _peer,
    "~u": _with_search(_user),
}
