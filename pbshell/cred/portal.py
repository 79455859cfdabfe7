"""Portal: brings credentials to the checker that takes them, and the user to the realm that knows what he gets.

Knows neither protocols nor accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from pbshell.cred.checkers import ANONYMOUS, AvatarId, ICredentialsChecker
from pbshell.cred.credentials import as_bytes, interface_name, provided_by
from pbshell.defer import Deferred, fail, maybeDeferred
from pbshell.errors import UnhandledCredentials, dotted_name

__all__ = ["Login", "Portal", "Realm", "realm"]

#: What a login gives: the interface chosen, the avatar that provides it, and what to call when the user leaves.
Login: TypeAlias = tuple[type, Any, Callable[[], object]]


class Realm(Protocol):
    """What a user gets: the application's side of a login."""

    # Any: a realm may answer now or later, and so may its avatar.
    def requestAvatar(self, avatarId: AvatarId, mind: Any, *interfaces: type) -> Any:
        """The login of this user: ``(interface, avatar, logout)``, or a Deferred or awaitable of it.

        *avatarId* is the name as bytes, or ANONYMOUS; the user has proved who he is, so a new name may be made a new
        user. *mind* is what the client gave us to call him by, or None. *interfaces* are those that the protocol can
        serve, the best first; for PB it is IPerspective alone. The avatar may be a Deferred or awaitable too.
        *logout* is called without arguments, once, when the user has gone.

        Raises NotImplementedError when the realm has an avatar for none of *interfaces*, LoginDenied to refuse the
        user all the same.
        """


class Portal:
    """The way into a realm, past the checkers.

    ``checkers`` maps each interface of credentials to the checker that takes them.
    """

    def __init__(self, realm: Realm, checkers: Iterable[ICredentialsChecker] = ()) -> None:
        self.realm = realm
        self.checkers: dict[type, ICredentialsChecker] = {}
        for checker in checkers:
            self.registerChecker(checker)

    def listCredentialsInterfaces(self) -> list[type]:
        """The interfaces of all credentials that can be used to log in."""
        return list(self.checkers)

    def registerChecker(self, checker: ICredentialsChecker, *credentialInterfaces: type) -> None:
        """Use *checker* for *credentialInterfaces*, or for those it names itself. A later one replaces an earlier."""
        for interface in credentialInterfaces or checker.credentialInterfaces:
            self.checkers[interface] = checker

    def login(self, credentials: object, mind: object, *interfaces: type) -> Deferred[Login]:
        """Log someone in: fires with ``(interface, avatar, logout)``, and whoever called must call *logout* once.

        Fails with UnauthorizedLogin, with UnhandledCredentials when no checker takes such credentials, with
        LoginDenied or NotImplementedError when the realm will not have the user.
        """
        checker = self._checker_for(credentials)
        if checker is None:
            return fail(UnhandledCredentials(_no_checker(credentials)))
        login = maybeDeferred(checker.requestAvatarId, credentials)
        login.addCallback(_avatar_id, checker)
        login.addCallback(lambda who: maybeDeferred(self.realm.requestAvatar, who, mind, *interfaces))
        return login.addCallback(_complete, self.realm)

    def _checker_for(self, credentials: object) -> ICredentialsChecker | None:
        provided = provided_by(credentials)
        for interface, checker in self.checkers.items():
            if any(interface in each.__mro__ for each in provided):
                return checker
        return None


def realm(make: Callable[[str | None, Any], Any]) -> Realm:
    """A realm that asks *make* for each avatar; for realms that are one function. Also a decorator.

    *make* is called with the user's name as text, None for an anonymous user, and the mind; it gives the avatar, or
    a Deferred or awaitable of it. If the avatar has a method ``logout``, it is called when the user leaves.
    """
    return _FunctionRealm(make)


class _FunctionRealm:
    def __init__(self, make: Callable[[str | None, Any], Any]) -> None:
        self._make = make

    def requestAvatar(self, avatarId: AvatarId, mind: Any, *interfaces: type) -> Deferred[Login]:
        if not interfaces:
            raise NotImplementedError("the login asks for no interface")
        # surrogateescape, because two names that differ must not become one user.
        name = avatarId.decode("utf-8", "surrogateescape") if isinstance(avatarId, bytes) else None
        made = maybeDeferred(self._make, name, mind)
        return made.addCallback(self._login, interfaces[0])

    def _login(self, avatar: Any, interface: type) -> Login:
        if avatar is None:
            raise TypeError(f"{self._make!r} gave no avatar: it returns one, or raises LoginDenied")
        return interface, avatar, getattr(avatar, "logout", _nothing)


def _nothing() -> None:
    """The logout of an avatar that has none."""


def _no_checker(credentials: object) -> str:
    provided = provided_by(credentials)
    if not provided:
        return f"No checker for {dotted_name(type(credentials))}, which provides no interface of credentials"
    return "No checker for " + ", ".join(map(interface_name, provided))


def _avatar_id(who: object, checker: ICredentialsChecker) -> AvatarId:
    if who == ANONYMOUS:
        return ANONYMOUS
    # None is what a checker gives that forgot its ``return``: it must let nobody in.
    return as_bytes(who, f"what {dotted_name(type(checker))}.requestAvatarId gives")


def _complete(given: object, realm: Realm) -> Deferred[Login]:
    """*given* as a login, when its avatar has come. Raises TypeError if it has not the shape of one."""
    if not (isinstance(given, tuple) and len(given) == 3 and callable(given[2])):
        source = dotted_name(type(realm))
        raise TypeError(f"{source}.requestAvatar gives (interface, avatar, logout), not {_shape(given)}")
    interface, avatar, logout = given
    return maybeDeferred(lambda: avatar).addCallback(lambda here: (interface, here, logout))


def _shape(given: object) -> str:
    """The types of a value, not the value: it may hold secrets."""
    if isinstance(given, tuple):
        return f"({', '.join(type(each).__name__ for each in given)})"
    return type(given).__name__
