"""What we hold: references to a peer's objects, copies of them, and the observers of our own.

Each receipt of a reference owes the peer one decref, each receipt of a cached copy one decache; finalizers pay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import Jellyable, Method
from pbshell.broker.registry import Unjellyable
from pbshell.defer import Deferred, DeferredList, maybeDeferred
from pbshell.errors import CannotJelly, DeadReferenceError, ForeignReference, NoSuchMethod, UsageError, dotted_name
from pbshell.wire.banana import Expression
from pbshell.wire.text import visible
from pbshell.wire.verbs import Luid

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker, Called
    from pbshell.broker.jelly import Jellier
    from pbshell.broker.unjelly import Unjellier

__all__ = [
    "LocalReference",
    "Observers",
    "RemoteCache",
    "RemoteCacheObserver",
    "RemoteCopy",
    "RemoteMethod",
    "RemoteReference",
    "release",
]


#: What a reference owes that was given back before its time.
RELEASED = -1


class RemoteReference(Jellyable):
    """An object of the peer. Its one purpose is `callRemote`.

    Two references to the same object are equal; each is one receipt, given back when it is collected or released.
    *perspective* is for whom arguments are written.
    """

    __slots__ = ("__weakref__", "_owed", "broker", "luid", "perspective")
    _verb = b"decref"

    def __init__(self, perspective: Any, broker: Broker, luid: Luid, owed: int = 1) -> None:
        self.perspective = perspective
        self.broker = broker
        self.luid = luid
        self._owed = owed  # root is not lent, so nothing is owed for it

    def callRemote(self, name: str | bytes, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call method *name* of the peer's object; the Deferred gets its result, and can be awaited.

        With ``pbanswer=False`` no answer is asked for, and the Deferred has fired with None.
        Raises DeadReferenceError when the connection is gone, UsageError in a foreign thread; all other failures
        come through the Deferred: RemoteError when the method raised, CannotJelly, CannotEncode, PBConnectionLost...
        """
        if self._owed == RELEASED:
            raise DeadReferenceError(f"{self!r}: it cannot be called any more")
        broker = self.broker
        if broker.called is not None:
            return _heard(broker.called, self, b"message", self.luid, name, args, kwargs)
        return broker.call(b"message", self.luid, name, args, kwargs, self.perspective)

    def remoteMethod(self, name: str) -> RemoteMethod:
        """``callRemote`` with the name filled in."""
        return RemoteMethod(self, name)

    def notifyOnDisconnect(self, callback: Callable[[RemoteReference], object]) -> None:
        """Call *callback* with this reference when the connection is gone."""
        self.broker.notifyOnDisconnect(callback, self)

    def dontNotifyOnDisconnect(self, callback: Callable[[RemoteReference], object]) -> None:
        """Take back one `notifyOnDisconnect`."""
        self.broker.dontNotifyOnDisconnect(callback, self)

    def jellyFor(self, jellier: Jellier) -> Expression:
        if jellier.broker is None:
            raise CannotJelly(dotted_name(type(self)), "", "a reference travels on its own connection only")
        if jellier.broker is not self.broker:
            raise ForeignReference("")
        if self._owed == RELEASED:
            raise UsageError(f"{self!r}: it cannot be sent any more")
        return [b"local", self.luid]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteReference):
            return NotImplemented
        return self.broker is other.broker and self.luid == other.luid

    def __hash__(self) -> int:
        return hash((id(self.broker), self.luid))

    def __repr__(self) -> str:
        state = "released" if self._owed == RELEASED else "dead" if self.broker.lost else "alive"
        return f"<RemoteReference {self.broker.name_of(self.luid)}, {state}>"

    def __del__(self) -> None:
        if self._owed > 0:
            self.broker.give_back(b"decref", self.luid)


def release(reference: RemoteReference | RemoteCache) -> None:
    """Give *reference* back now, without waiting for it to be collected. It can no longer be used."""
    owed, reference._owed = reference._owed, RELEASED
    for _ in range(owed):
        reference.broker.give_back(reference._verb, reference.luid)


class RemoteMethod:
    """A remote method, ready to be called."""

    __slots__ = ("name", "reference")

    def __init__(self, reference: Any, name: str) -> None:
        self.reference = reference
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Deferred[Any]:
        result: Deferred[Any] = self.reference.callRemote(self.name, *args, **kwargs)
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteMethod):
            return NotImplemented
        return bool(self.reference == other.reference) and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.reference, self.name))

    def __repr__(self) -> str:
        return f"<remote method {visible(self.name, 60)} of {self.reference!r}>"


class LocalReference:
    """Calls an object of our own as if it were remote: code written for a reference works without a network.

    Arguments are not copied; `remote_*` methods answer, and an exception comes through the Deferred.
    """

    def __init__(self, object: Any) -> None:
        self.object = object

    def callRemote(self, name: str, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Call `remote_*name*` of the object."""
        kwargs.pop("pbanswer", None)

        def method() -> Any:
            found = getattr(self.object, f"remote_{name}", None)
            if found is None:
                raise NoSuchMethod(f"No such method: remote_{name}")
            return found(*args, **kwargs)

        return maybeDeferred(method)

    def remoteMethod(self, name: str) -> RemoteMethod:
        """``callRemote`` with the name filled in."""
        return RemoteMethod(self, name)


class RemoteCopy(Unjellyable):
    """A copy of a peer's Copyable. Register the class; `__init__` is not called for what arrives."""

    def setCopyableState(self, state: Any) -> None:
        """Take *state*, which is what the peer's getStateToCopy returned: by default, as attributes."""
        if not state:
            state = {}
        if not isinstance(state, dict):
            raise UsageError(
                f"{dotted_name(type(self))} got a state that is no dictionary: define setCopyableState to take it"
            )
        # Into the dictionary that is there: cached copies share it.
        self.__dict__.clear()
        for key, value in state.items():
            self.__dict__[key.decode("utf-8", "replace") if isinstance(key, bytes) else key] = value

    def unjellyFor(self, unjellier: Unjellier, expression: list[Expression]) -> Any:
        unjellier.set_state(self, expression[1])
        return self


class RemoteCache(RemoteCopy, Jellyable):
    """A copy of a peer's Cacheable, kept in step by its `observe_*` methods. Register the class.

    As long as one is alive there is one object per cached thing; sent back to its owner it arrives as the original.
    """

    # The books of one copy must not stand among the attributes that the peer chooses.
    __slots__ = ("_owed", "broker", "luid")
    _verb = b"decache"

    broker: Broker
    luid: Luid
    _owed: int

    def perspectiveFor(self) -> Any:
        return None

    def methodFor(self, name: str) -> Method:
        return getattr(self, f"observe_{name}"), ()

    def unjellyFor(self, unjellier: Unjellier, expression: list[Expression]) -> Any:
        raise NotImplementedError("cached copies are made by the unjellier, which keeps their books")

    def jellyFor(self, jellier: Jellier) -> Expression:
        broker = getattr(self, "broker", None)
        if broker is None or jellier.broker is None:
            raise CannotJelly(dotted_name(type(self)), "", "a cached copy travels only home to its owner")
        if jellier.broker is not broker:
            raise ForeignReference("", "a cached copy")
        if self._owed == RELEASED:
            raise UsageError(f"a released {dotted_name(type(self))} cannot be sent any more")
        return [b"lcache", self.luid]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteCache):
            return NotImplemented
        return self is other or (self._place() is not None and self._place() == other._place())

    def __hash__(self) -> int:
        place = self._place()
        return id(self) if place is None else hash(place)

    def _place(self) -> tuple[int, Luid] | None:
        """Broker and luid; None for one that no peer sent."""
        broker = getattr(self, "broker", None)
        return None if broker is None else (id(broker), self.luid)

    def __del__(self) -> None:
        for _ in range(getattr(self, "_owed", 0)):
            self.broker.give_back(b"decache", self.luid)


class RemoteCacheObserver:
    """Whom to tell the changes of a Cacheable: one per connection, equal to any other for the same copy."""

    __slots__ = ("broker", "cached", "perspective")

    def __init__(self, broker: Broker, cached: Any, perspective: Any) -> None:
        self.broker = broker
        self.cached = cached
        self.perspective = perspective

    def callRemote(self, name: str | bytes, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Run `observe_*name*` on the peer's copy; the Deferred gets what it returns.

        Raises DeadReferenceError when the connection is gone; once nobody observes, UsageError comes through the
        Deferred.
        """
        broker = self.broker
        if broker.called is not None:
            return _heard(broker.called, self, b"cachemessage", self.cached, name, args, kwargs)
        return broker.call(b"cachemessage", self.cached, name, args, kwargs, self.perspective)

    def remoteMethod(self, name: str) -> RemoteMethod:
        """``callRemote`` with the name filled in."""
        return RemoteMethod(self, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteCacheObserver):
            return NotImplemented
        return self.broker is other.broker and self.cached is other.cached and self.perspective is other.perspective

    def __hash__(self) -> int:
        return hash((id(self.broker), id(self.cached), id(self.perspective)))

    def __repr__(self) -> str:
        return f"<observer of {dotted_name(type(self.cached))} at {self.broker.link}>"


def _heard(
    called: Called,
    callee: RemoteReference | RemoteCacheObserver,
    verb: bytes,
    target: Any,
    name: str | bytes,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Deferred[Any]:
    """Call, and tell *called* of it."""
    # A copy, because `pbanswer` is taken out of what is sent.
    deferred = callee.broker.call(verb, target, name, args, dict(kwargs), callee.perspective)
    called(callee, name, args, kwargs, deferred)
    return deferred


class Observers:
    """A set of observers that are told together: what can be shared of an update is encoded once.

    Observers whose connection is gone drop out by themselves.
    """

    def __init__(self) -> None:
        self._observers: dict[RemoteCacheObserver, None] = {}

    def add(self, observer: RemoteCacheObserver) -> None:
        """Tell *observer* too."""
        self._observers[observer] = None

    def discard(self, observer: RemoteCacheObserver) -> None:
        """Tell *observer* no more; it need not be there."""
        self._observers.pop(observer, None)

    def __iter__(self) -> Iterator[RemoteCacheObserver]:
        return iter(tuple(self._observers))

    def __len__(self) -> int:
        return len(self._observers)

    def __contains__(self, observer: object) -> bool:
        return observer in self._observers

    def callRemote(self, name: str | bytes, /, *args: Any, **kwargs: Any) -> DeferredList:
        """One update for all: a list of (success, result or Failure) in the order in which they were added."""
        results: list[Deferred[Any]] = []
        shared: dict[Any, bytes | None] = {}
        for observer in self:
            broker = observer.broker
            if broker.lost:
                self.discard(observer)
                continue
            key = (broker.dialect, broker.limits, broker.security)
            if key not in shared:
                shared[key] = broker.caller.plain_tail(name, args, kwargs)
            tail = shared[key]
            results.append(
                observer.callRemote(name, *args, **kwargs) if tail is None else broker.caller.tell(observer, name, tail)
            )
        return DeferredList(results, consumeErrors=True)
