"""One Broker, and a test that plays its peer in s-expressions. Knows the words of PB; does not know what is tested."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any

from pbshell.broker import Broker
from pbshell.broker.flavors import Root
from pbshell.broker.registry import Registry
from pbshell.broker.security import SecurityOptions
from pbshell.defer import Deferred, Failure, ensureDeferred
from pbshell.errors import UsageError
from pbshell.wire.banana import DIALECTS, NONE, Decoder, Dialect, Expression, encode
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits

__all__ = [
    "Board",
    "Wire",
    "accepting",
    "books_of",
    "copied",
    "dictionary",
    "failed",
    "message",
    "outcome",
    "text",
    "tuple_of",
]

#: What the peer, who obeys no limits but banana's own, sends and reads with.
BOUNDLESS = Limits(string=2**40, list=2**40, depth=200, expression=2**40, items=2**40, prefix=2_000)


class Wire:
    """A Broker and its Link. What is said to the Broker is `hears`; what it says is `said`.

    *foreign* makes the Link behave as in a thread that is not its own. *settings* are the Broker's.
    """

    def __init__(
        self, side: Side = Side.SERVER, *, dialect: bytes = b"pb", handshake: bool = True, **settings: Any
    ) -> None:
        self.foreign = False
        self.wakes = 0
        self.now = 0.0
        self.broker = Broker(side, self, clock=lambda: self.now, **settings)
        self._reader = Decoder(NONE, BOUNDLESS)
        if handshake:
            choice = [dialect] if side is Side.CLIENT else dialect
            self.broker.receive_data(encode(choice) + encode([b"version", 6], DIALECTS[dialect]))
            handshake_words = self.said(first=1)
            assert handshake_words[-1] == [b"version", 6]

    # what a Link is asked for

    def wake(self) -> None:
        if self.foreign:
            raise UsageError("a foreign thread")
        self.wakes += 1

    def wake_threadsafe(self) -> None:
        self.wakes += 1

    def start(self, awaitable: Awaitable[Any], context: contextvars.Context) -> Deferred[Any]:
        return context.run(ensureDeferred, awaitable)

    def __str__(self) -> str:
        return "the wire"

    # what a test says and asks

    @property
    def dialect(self) -> Dialect:
        return self.broker.dialect or NONE

    def hears(self, *expressions: Expression) -> list[Expression]:
        """Let *expressions* arrive in one piece; what the Broker says to them."""
        self.broker.receive_data(b"".join(encode(each, self.dialect, BOUNDLESS) for each in expressions))
        return self.said()

    def said(self, first: int = 0) -> list[Expression]:
        """What the Broker has said since it was last asked. The *first* expressions are in no dialect yet."""
        self._reader.feed(self.broker.data_to_send())
        found = []
        for expression in self._reader:
            found.append(expression)
            if len(found) >= first:
                self._reader.dialect = self.dialect
        assert self._reader.rest == b""
        return found

    def lose(self, reason: BaseException | None = None) -> None:
        """The connection is gone."""
        self.broker.connection_lost(reason or ConnectionResetError("cut"))


# ------------------------------------------------------------------------------------------- words


def message(
    request: Expression,
    target: Expression,
    method: Expression,
    *args: Expression,
    answer: Expression = 1,
    verb: bytes = b"message",
    **kwargs: Expression,
) -> Expression:
    """A call as the peer sends it; *args* and *kwargs* are jelly already."""
    return [verb, request, target, method, answer, tuple_of(*args), dictionary(**kwargs)]


def tuple_of(*items: Expression) -> Expression:
    return [b"tuple", *items]


def dictionary(**items: Expression) -> Expression:
    return [b"dictionary", *([text(key), value] for key, value in items.items())]


def text(value: str) -> Expression:
    return [b"unicode", value.encode()]


def copied(kind: bytes = b"builtins.ValueError", value: str = "bad", **more: Expression) -> Expression:
    """A failure as the peer sends it."""
    state = {"type": kind, "value": text(value), "parents": [b"list", text(kind.decode())], **more}
    return [b"twisted.spread.pb.CopyableFailure", dictionary(**state)]


# ------------------------------------------------------------------------------------------- answers


def failed(answer: Expression) -> dict[str, Any]:
    """The fields of ``[error request failure]``, texts as text."""
    word, _, (tag, (_, *pairs)) = answer
    assert (word, tag) == (b"error", b"twisted.spread.pb.CopyableFailure")
    return {key[1].decode(): _plain(value) for key, value in pairs}


def _plain(value: Expression) -> Any:
    if isinstance(value, list) and value[0] == b"unicode":
        return value[1].decode()
    if isinstance(value, list) and value[0] == b"list":
        return [_plain(each) for each in value[1:]]
    return value


def outcome(deferred: Deferred[Any]) -> Any:
    """What *deferred* came to: its result, the exception it failed with, or None while it waits (`called` tells)."""
    seen: list[Any] = [None]

    def look(result: Any) -> None:
        seen[0] = result.value if isinstance(result, Failure) else result

    deferred.addBoth(look)
    return seen[0]


def books_of(broker: Broker) -> dict[str, Any]:
    """Everything the books say: what we lend, what the peer lends us, who waits. Root is left out."""
    return {
        "exports": broker.ours.exports.counts(),
        "caches": broker.ours.caches.counts(),
        "calls": list(broker.ours.pending),
        "imports": broker.theirs.exports.counts(),
        "copies": broker.theirs.caches.counts(),
        "running": list(broker.theirs.pending),
    }


# ------------------------------------------------------------------------------------------- what is at our end


class Board(Root):
    """A root whose `remote_*` methods are *methods*, and which keeps what it is given to keep."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        self.kept: list[Any] = []
        for name, method in methods.items():
            setattr(self, f"remote_{name}", method)

    def remote_keep(self, *things: Any, **named: Any) -> None:
        self.kept += [*things, *named.values()]

    def remote_echo(self, thing: Any = None) -> Any:
        return thing


def accepting(**classes: Any) -> SecurityOptions:
    """What knows `test.Name` as the class or function of that name, and nothing that other tests know."""
    registry = Registry()
    for name, made_from in classes.items():
        registry.setUnjellyableForClass(f"test.{name}", made_from)
    return SecurityOptions(registry=registry)
