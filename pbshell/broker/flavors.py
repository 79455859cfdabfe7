"""What we lend: objects whose methods a peer may call, or whose state it may have.

Each flavor answers two questions of the Broker, `perspectiveFor` (for whom its arguments and results are) and
`methodFor` (which method a name means, and what goes before the arguments), and one of the Jellier, `jellyFor`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Protocol

from pbshell.errors import CannotJelly, NoSuchMethod, dotted_name
from pbshell.wire.banana import Expression

if TYPE_CHECKING:
    from pbshell.broker.jelly import Jellier
    from pbshell.broker.references import RemoteCacheObserver

__all__ = [
    "AsReferenceable",
    "Avatar",
    "Cacheable",
    "Callee",
    "Copyable",
    "IPerspective",
    "Jellyable",
    "Referenceable",
    "Root",
    "ViewPoint",
    "Viewable",
]

Method = tuple[Callable[..., Any], tuple[Any, ...]]


class Jellyable:
    """An object that writes itself. *sharesIdentity*: met twice in one message, it arrives as one object."""

    __slots__ = ()
    sharesIdentity = False

    def jellyFor(self, jellier: Jellier) -> Expression:
        """This object as an s-expression. May raise; then nothing of the message is sent."""
        raise NotImplementedError


class Callee(Protocol):
    """What a peer's call can reach."""

    def perspectiveFor(self) -> Any:
        """For whom the arguments are read and the result is written; None without a login."""

    def methodFor(self, name: str) -> Method:
        """The method *name* means, and what goes before the arguments. Raises AttributeError."""


class IPerspective:
    """A token: the interface that PB's login asks a realm for."""


class Referenceable(Jellyable):
    """An object that stays here; the peer gets a reference, and calls its `remote_*` methods."""

    #: For whom results are written; a login sets it on what it hands out.
    perspective: Any = None

    def perspectiveFor(self) -> Any:
        return self.perspective

    def methodFor(self, name: str) -> Method:
        method = getattr(self, f"remote_{name}", None)
        if method is None:
            raise NoSuchMethod(f"No such method: remote_{name}")
        return method, ()

    def processUniqueID(self) -> Hashable:
        """Two exports with the same id are one object with one luid."""
        return id(self)

    def jellyFor(self, jellier: Jellier) -> Expression:
        return [b"remote", jellier.lend(self)]


class Root(Referenceable):
    """The object that a server offers to every connection."""

    def rootObject(self, broker: Any) -> Any:
        """The root for this connection: this object, or another one made for it."""
        return self


class ViewPoint(Referenceable):
    """A Viewable as one perspective sees it: its methods get that perspective first, and nobody can forge it."""

    def __init__(self, perspective: Any, object: Any) -> None:
        self.perspective = perspective
        self.object = object

    def methodFor(self, name: str) -> Method:
        return getattr(self.object, f"view_{name}"), (self.perspective,)

    def processUniqueID(self) -> Hashable:
        return id(self.perspective), id(self.object)


class Viewable(Jellyable):
    """An object whose `view_*` methods are told who calls: the perspective through which the reference was sent."""

    def processUniqueID(self) -> Hashable:
        return id(self)

    def jellyFor(self, jellier: Jellier) -> Expression:
        return ViewPoint(jellier.perspective, self).jellyFor(jellier)


class Avatar:
    """What a logged-in user can do: `perspective_*` methods. A login hands it out; it is not sent otherwise."""

    def perspectiveFor(self) -> Any:
        return self

    def methodFor(self, name: str) -> Method:
        return getattr(self, f"perspective_{name}"), ()


class AsReferenceable(Referenceable):
    """Lends an object that is not Referenceable itself: calls reach its *messageType*_* methods.

    As "perspective" it is how a login lends an avatar: results are written for that avatar.
    """

    def __init__(self, object: Any, messageType: str = "remote") -> None:
        self.object = object
        self.messageType = messageType
        if messageType == "perspective":
            self.perspective = object

    def methodFor(self, name: str) -> Method:
        return getattr(self.object, f"{self.messageType}_{name}"), ()


class Copyable(Jellyable):
    """An object that is copied each time it crosses. The receiver has to register its class."""

    sharesIdentity = True

    def getTypeToCopy(self) -> str | bytes:
        """The class name on the wire."""
        return dotted_name(type(self))

    def getTypeToCopyFor(self, perspective: Any) -> str | bytes:
        """The same, as *perspective* shall see it."""
        return self.getTypeToCopy()

    def getStateToCopy(self) -> Any:
        """What is sent: by default all attributes."""
        return self.__dict__

    def getStateToCopyFor(self, perspective: Any) -> Any:
        """The same, as *perspective* shall see it."""
        return self.getStateToCopy()

    def jellyFor(self, jellier: Jellier) -> Expression:
        perspective = jellier.perspective
        tag = self.getTypeToCopyFor(perspective)
        state = self.getStateToCopyFor(perspective)
        return [tag.encode() if isinstance(tag, str) else tag, jellier.jelly_state(state)]


class Cacheable(Copyable):
    """An object whose state is sent once per connection, and whose changes are told to those who hold a copy."""

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: RemoteCacheObserver) -> Any:
        """The state to send, and the moment to remember *observer*: from now on tell it each change."""
        raise NotImplementedError(f"{dotted_name(type(self))} does not define getStateToCacheAndObserveFor")

    def stoppedObserving(self, perspective: Any, observer: RemoteCacheObserver) -> None:
        """No copy is left at *observer*, which equals the one that was given at the start."""

    def jellyFor(self, jellier: Jellier) -> Expression:
        luid, observer = jellier.lend_cache(self)
        if observer is None:
            return [b"cached", luid]
        perspective = jellier.perspective
        tag = self.getTypeToCopyFor(perspective)
        state = self.getStateToCacheAndObserveFor(perspective, observer)
        jellier.observed(self, observer)
        return [tag.encode() if isinstance(tag, str) else tag, luid, jellier.jelly_state(state)]


def cannot_travel(value: object, path: str = "", hint: str = "") -> CannotJelly:
    """The error for a *value* without a flavor."""
    return CannotJelly(dotted_name(type(value)), path, hint)
