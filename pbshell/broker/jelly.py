"""Jelly: objects to s-expressions. Knows types and identities; encodes no bytes.

One Jellier per run carries the broker, the perspective, what has been met, and what must be undone if the run fails.
Source: docs/reference/wire.md#jelly.
"""

from __future__ import annotations

import datetime
import types
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import Cacheable, Copyable, Jellyable, Referenceable, cannot_travel
from pbshell.broker.security import SecurityOptions, globalSecurity
from pbshell.errors import CannotEncode, CannotJelly, ForeignReference, dotted_name
from pbshell.wire.banana import Expression
from pbshell.wire.limits import DEFAULT_LIMITS
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import Luid

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker
    from pbshell.broker.references import RemoteCacheObserver

__all__ = ["Jellier", "jelly", "plain", "plain_tuple"]


def jelly(value: Any, security: SecurityOptions | None = None) -> Expression:
    """*value* as an s-expression, without a connection: references cannot travel.

    Raises CannotJelly for what has no flavor, CannotEncode for what is too deep.
    """
    return Jellier(security=security, alone=True).jelly(value)


class Jellier:
    """One run: the arguments of one call, or one result.

    Without *broker* it is for whatever connection the result will go to, and objects that write themselves are refused:
    each connection has its own perspective and its own books. *alone* means for none, and Copyables are instances then.
    """

    __slots__ = (
        "_any",
        "_depth",
        "_keep",
        "_most",
        "_most_text",
        "_numbers",
        "_seen",
        "_text_left",
        "broker",
        "perspective",
        "security",
        "undo",
    )

    def __init__(
        self,
        broker: Broker | None = None,
        perspective: Any = None,
        security: SecurityOptions | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self.broker = broker
        self._any = broker is None and not alone
        self.perspective = perspective
        self.security = security or (globalSecurity if broker is None else broker.security)
        #: what this run entered into the books, oldest first
        self.undo: list[Callable[[], None]] = []
        self._seen: dict[int, list[Expression]] = {}
        self._keep: list[object] = []  # an id is only an identity as long as its object lives
        self._numbers: dict[int, int] = {}
        self._depth = 0
        limits = DEFAULT_LIMITS if broker is None else broker.limits
        self._most = limits.depth
        self._most_text = self._text_left = limits.expression

    def again(self) -> None:
        """Begin another value that shares nothing with those before: keyword arguments are a run of their own."""
        self._seen = {}
        self._numbers = {}

    def jelly(self, value: Any) -> Expression:
        """*value* as an s-expression. Raises CannotJelly, ForeignReference or CannotEncode with the path inside it."""
        kind = type(value)
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        container = _CONTAINERS.get(kind)
        return self._object(value) if container is None else container(self, value)

    def jelly_state(self, state: Any) -> Expression:
        """The state of an object: its keys are attributes, and the path says so."""
        try:
            return self.jelly(state)
        except (CannotJelly, ForeignReference) as error:
            if isinstance(state, dict) and error.path.startswith("["):
                key, bracket, rest = error.path[1:].partition("]")
                name = key.strip("'")
                if bracket and name.isidentifier():
                    error.path = f".{name}{rest}"
            raise

    # ------------------------------------------------------------------------------------ identity

    def _meet_again(self, node: list[Expression]) -> list[Expression]:
        """The second meeting: the first becomes a reference, and this a dereference.

        Numbers are given in the order of second meetings, as Twisted gives them. An empty *node* is still being
        filled; `_close` will see its number.
        """
        number = self._numbers.get(id(node))
        if number is None:
            number = self._numbers[id(node)] = len(self._numbers) + 1
            if node:
                node[:] = [b"reference", number, node[:]]
        return [b"dereference", number]

    def _open(self, value: Any) -> list[Expression]:
        node = self._seen[id(value)] = []
        self._keep.append(value)
        self._depth += 1
        if self._depth > self._most:
            raise CannotEncode(
                f"the value is more than {self._most} lists deep: raise Limits(depth=...) on both sides",
                size=self._depth,
                limit="depth",
                value=self._most,
            )
        return node

    def _close(self, node: list[Expression], content: list[Expression]) -> list[Expression]:
        self._depth -= 1
        if id(node) in self._numbers:  # it was met again inside itself
            node += [b"reference", self._numbers[id(node)], content]
        else:
            node += content
        return node

    # One Python frame per level, here and in _pairs: depth is bounded by our limits, not by Python's stack.
    def _sequence(self, value: Any) -> list[Expression]:
        node = self._seen.get(id(value))
        if node is not None:
            return self._meet_again(node)
        node = self._open(value)
        content: list[Expression] = [_SEQUENCES[type(value)]]
        add = content.append
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007 - the path of an error needs it
                kind = type(item)
                if kind in _BARE:
                    add(item)
                elif kind is str:
                    add([b"unicode", self._utf8(item)])
                elif kind in _SCALARS:
                    add(_SCALARS[kind](item))
                else:
                    container = _CONTAINERS.get(kind)
                    add(self._object(item) if container is None else container(self, item))
        except (CannotJelly, ForeignReference) as error:
            error.path = f"[{index}]{error.path}"
            raise
        return self._close(node, content)

    def _pairs(self, value: dict[Any, Any]) -> list[Expression]:
        node = self._seen.get(id(value))
        if node is not None:
            return self._meet_again(node)
        node = self._open(value)
        content: list[Expression] = [b"dictionary"]
        key: Any = None
        try:
            for key, item in value.items():
                kind = type(item)
                name: Expression = [b"unicode", _utf8(key)] if type(key) is str else self.jelly(key)
                if kind is str:
                    content.append([name, [b"unicode", self._utf8(item)]])
                elif kind in _SCALARS:
                    content.append([name, _SCALARS[kind](item)])
                else:
                    container = _CONTAINERS.get(kind)
                    content.append([name, self._object(item) if container is None else container(self, item)])
        except (CannotJelly, ForeignReference) as error:
            error.path = f"[{brief(key)}]{error.path}"
            raise
        return self._close(node, content)

    def _utf8(self, text: str) -> bytes:
        """*text* as it travels; counted, because a text that is met again is written again."""
        data = _utf8(text)
        self._text_left -= len(data)
        if self._text_left < 0:
            raise CannotEncode(
                f"texts of more than {self._most_text:,} bytes exceed Limits(expression={self._most_text})",
                size=self._most_text - self._text_left,
                limit="expression",
                value=self._most_text,
            )
        return data

    # ------------------------------------------------------------------------------------ objects

    def _object(self, value: Any) -> Expression:
        if self._any and isinstance(value, Jellyable):
            raise cannot_travel(value, hint="it is another one to each connection")
        if isinstance(value, Jellyable) and not value.sharesIdentity:
            return value.jellyFor(self)
        if isinstance(value, type):
            return [b"class", dotted_name(value).encode()]
        node = self._seen.get(id(value))
        if node is not None:
            return self._meet_again(node)
        # Without a connection there is no perspective to copy for: a Copyable is an instance like any other.
        if isinstance(value, Jellyable) and (self.broker is not None or isinstance(value, Cacheable)):
            node = self._open(value)
            content = value.jellyFor(self)
            if type(content) is not list:  # an atom has no identity
                del self._seen[id(value)]
                self._depth -= 1
                return content
        elif self.security.isClassAllowed(type(value)) or isinstance(value, Copyable):
            node = self._open(value)
            # Since Python 3.11 every object has a __getstate__; for one without attributes it gives None.
            content = [dotted_name(type(value)).encode(), self.jelly_state(value.__getstate__())]
        else:
            raise cannot_travel(value, hint=_hint(value))
        return self._close(node, content)

    def lend(self, value: Referenceable) -> Luid:
        """Book one more receipt of *value*, and return its luid. Raises CannotJelly without a connection."""
        if self.broker is None:
            raise cannot_travel(value, hint="a reference needs a connection to live in")
        books = self.broker.books
        entry = books.lend(value)
        self.undo.append(lambda: books.take_back(entry))
        return entry.luid

    def lend_cache(self, value: Cacheable) -> tuple[Luid, RemoteCacheObserver | None]:
        """Book one more receipt of *value*: its luid, and an observer if the peer has no copy yet."""
        if self.broker is None:
            raise cannot_travel(value, hint="a Cacheable needs a connection to be observed through")
        books = self.broker.books
        entry, observer = books.lend_cache(value, self.perspective)
        self.undo.append(lambda: books.take_back_cache(entry))
        return entry.luid, observer

    def observed(self, value: Cacheable, observer: RemoteCacheObserver) -> None:
        """The state hook of *value* has returned: should the run fail, it is told that nobody observes."""
        assert self.broker is not None
        books, perspective = self.broker.books, self.perspective
        self.undo.append(lambda: books.take_back_observer(value, perspective, observer))


def _hint(value: Any) -> str:
    if isinstance(value, (types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType)):
        return "code does not travel; lend a Referenceable with the method"
    for base in (str, bytes, int, float, dict, list, tuple, set, frozenset):
        if isinstance(value, base):
            return f"subclasses do not travel; send {base.__name__}(...) of it"
    return ""


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CannotEncode(f"{visible(text, 40)!r} has a lone surrogate, which is no text in UTF-8") from None


def _numbers(tag: bytes, *parts: int) -> list[Expression]:
    return [tag, b" ".join(b"%d" % part for part in parts)]


def _naive(value: datetime.datetime | datetime.time) -> None:
    if value.tzinfo is not None:
        raise CannotEncode(f"{value!r} has a time zone, which jelly cannot carry: send it in UTC without tzinfo")


def _datetime(value: datetime.datetime) -> list[Expression]:
    _naive(value)
    return _numbers(
        b"datetime", value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
    )


def _time(value: datetime.time) -> list[Expression]:
    _naive(value)
    return _numbers(b"time", value.hour, value.minute, value.second, value.microsecond)


def _decimal(value: Decimal) -> list[Expression]:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise CannotEncode(f"{value} is no number that jelly can carry: send it as text")
    number = 0
    for digit in digits:
        number = number * 10 + digit
    return [b"decimal", -number if sign else number, exponent]


_SEQUENCES: dict[type, bytes] = {list: b"list", tuple: b"tuple", set: b"set", frozenset: b"frozenset"}
_BARE = frozenset((int, float, bytes))
#: Types that share no identity and need no connection.
_SCALARS: dict[type, Callable[[Any], Expression]] = {
    int: lambda value: value,
    float: lambda value: value,
    bytes: lambda value: value,
    str: lambda value: [b"unicode", _utf8(value)],
    bool: lambda value: [b"boolean", b"true" if value else b"false"],
    type(None): lambda value: [b"None"],
    datetime.datetime: _datetime,
    datetime.date: lambda value: _numbers(b"date", value.year, value.month, value.day),
    datetime.time: _time,
    datetime.timedelta: lambda value: _numbers(b"timedelta", value.days, value.seconds, value.microseconds),
    Decimal: _decimal,
}
_CONTAINERS: dict[type, Callable[[Jellier, Any], Expression]] = {
    list: Jellier._sequence,
    tuple: Jellier._sequence,
    dict: Jellier._pairs,
    set: Jellier._sequence,
    frozenset: Jellier._sequence,
}


def plain(value: Any) -> Expression | None:
    """*value* jellied, if it is a scalar; None for what needs a run of its own."""
    write = _SCALARS.get(type(value))
    return None if write is None else write(value)


def plain_tuple(values: tuple[Any, ...]) -> list[Expression] | None:
    """*values* jellied, if they are all scalars: most calls need no Jellier."""
    if _BARE.issuperset(map(type, values)):
        return [b"tuple", *values]
    content: list[Expression] = [b"tuple"]
    for value in values:
        write = _SCALARS.get(type(value))
        if write is None:
            return None
        content.append(write(value))
    return content
