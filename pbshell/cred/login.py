"""PB's login: challenge and response as PB objects, for both sides.

Knows how a login looks on the wire and how often one may fail; who may come in is the portal's business.
Source: docs/reference/wire.md#login.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pbshell.broker import visible
from pbshell.broker.flavors import AsReferenceable, IPerspective, Jellyable, Referenceable
from pbshell.broker.references import RemoteReference
from pbshell.cred.credentials import (
    DIGEST_SIZE,
    Anonymous,
    ChallengeResponse,
    IAnonymous,
    IUsernamePassword,
    as_bytes,
    new_challenge,
    provided_by,
    response_to,
)
from pbshell.cred.portal import Login, Portal
from pbshell.defer import Deferred, Failure, fail, maybeDeferred
from pbshell.errors import (
    LimitExceeded,
    LoginFailed,
    PBConnectionLost,
    ProtocolError,
    UnauthorizedLogin,
    UsageError,
)

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker

__all__ = ["Challenger", "LoginRoot", "PortalRoot", "login"]

log = logging.getLogger(__name__)

# bytes of a user name; without a bound a stranger could have us keep as much as he likes
_NAME_SIZE = 1024

# logins of one connection that are begun and not ended; far more than anyone needs who means to get in
_OPEN_LOGINS = 256


class PortalRoot:
    """The root object of a server that asks for a login.

    *challenge* makes the challenges: 16 bytes that nobody can guess.
    """

    def __init__(self, portal: Portal, *, challenge: Callable[[], bytes] = new_challenge) -> None:
        self.portal = portal
        self._challenge = challenge

    def rootObject(self, broker: Broker) -> LoginRoot:
        """What this connection gets as its root: each keeps count of its own logins."""
        return LoginRoot(self.portal, broker, self._challenge)


class LoginRoot(Referenceable):
    """The root object as one connection sees it. It can be asked to let someone in, and nothing else.

    At most ``limits.logins`` logins fail on a connection, then it is closed. Those that are being checked count as if
    they had failed, so that guessing many at a time gains nothing; what is beyond waits for its turn.
    """

    def __init__(self, portal: Portal, broker: Broker, challenge: Callable[[], bytes] = new_challenge) -> None:
        self._portal = portal
        self._broker = broker
        self._challenge = challenge
        self._allowed = broker.limits.logins
        self._failed = 0
        self._running = 0
        self._open: set[object] = set()
        self._waiting: deque[Deferred[Any]] = deque()
        self._admitting = False

    def remote_login(self, username: object = None, *surplus: object, **words: object) -> tuple[bytes, Challenger]:
        """A challenge for this user, and the object that takes the response. Whether the user exists is not told."""
        if surplus or words:
            raise LoginFailed("login takes a user name and nothing else")
        challenger = Challenger(self, _user_name(username), self._challenge(), isinstance(username, str))
        self._begin(challenger)
        self._broker.whenFreed(challenger, partial(self._freed, challenger))
        return challenger.challenge, challenger

    def remote_loginAnonymous(self, mind: object = None, *surplus: object, **words: object) -> Deferred[Any]:
        """The avatar of someone who shows nothing."""
        if surplus or words:
            raise LoginFailed("loginAnonymous takes a mind and nothing else")
        login = object()
        self._begin(login)
        return self.attempt(login, Anonymous(), mind, "anonymous")

    def attempt(self, login: object, credentials: object, mind: object, who: str) -> Deferred[Any]:
        """Have the portal check *credentials* when it is their turn; fires with the avatar as it can be lent.

        *login* is what was begun, *who* names the user in the log.
        """
        turn: Deferred[Any] = Deferred()
        turn.addCallback(self._check, credentials, mind, who)
        turn.addBoth(self._end, login)
        self._waiting.append(turn)
        self._admit()
        return turn

    def _begin(self, login: object) -> None:
        if len(self._open) >= _OPEN_LOGINS:
            raise LoginFailed(f"{_OPEN_LOGINS} logins are begun on this connection and not ended: end one first")
        self._open.add(login)

    def _freed(self, challenger: Challenger) -> None:
        # The peer lets go of a challenger as soon as he has sent the response; that login is still being checked.
        if not challenger.answered:
            self._open.discard(challenger)

    def _end(self, result: object, login: object) -> object:
        self._open.discard(login)
        return result

    def _admit(self) -> None:
        # A check that ends at once comes back here through _count: the loop goes on, instead of going deeper.
        if self._admitting:
            return
        self._admitting = True
        try:
            while self._waiting:
                if self._failed >= self._allowed:
                    self._waiting.popleft().errback(UnauthorizedLogin())
                elif self._running + self._failed < self._allowed:
                    self._running += 1
                    self._waiting.popleft().callback(None)
                else:
                    break
        finally:
            self._admitting = False

    def _check(self, _: None, credentials: object, mind: object, who: str) -> Deferred[Any]:
        return maybeDeferred(self._enter, credentials, mind).addBoth(self._count, who)

    def _enter(self, credentials: object, mind: object) -> Deferred[Any]:
        self._still_here()
        return self._portal.login(credentials, mind, IPerspective).addCallback(self._lend)

    def _lend(self, login: Login) -> object:
        """The avatar as it crosses; from now on its logout belongs to the connection."""
        _, avatar, logout = login
        try:
            self._still_here()
        except PBConnectionLost:
            _leave(logout)
            raise
        lent = avatar if isinstance(avatar, Jellyable) else AsReferenceable(avatar, "perspective")
        # A copy is never given back: its user leaves when the connection does.
        watched = lent if isinstance(lent, Referenceable) else AsReferenceable(lent)
        self._broker.trusted()
        self._broker.whenFreed(watched, partial(_leave, logout))
        return lent

    def _still_here(self) -> None:
        if self._broker.lost is not None:
            raise PBConnectionLost(self._broker.lost)

    def _count(self, result: object, who: str) -> object:
        self._running -= 1
        if isinstance(result, Failure) and not isinstance(result.value, PBConnectionLost):
            self.wrong(who, type(result.value).__name__)
        self._admit()
        return result

    def wrong(self, who: str, reason: str) -> None:
        """Book a failed login and log it; the last one allowed closes the connection."""
        if self._failed >= self._allowed:
            return
        self._failed += 1
        # The address first: what follows is the peer's choice, and a log is read by programs too.
        log.warning("login failed at %s: %s (%s)", self._broker.link, who, reason)
        if self._failed == self._allowed:
            # The answer is not written yet, but it will be before the link closes.
            self._broker.close(LimitExceeded("too many failed logins", limit="logins", value=self._allowed))


class Challenger(Referenceable):
    """Takes the response to one challenge, once."""

    def __init__(self, root: LoginRoot, username: bytes, challenge: bytes, as_text: bool = False) -> None:
        self._root = root
        self._username = username
        self._as_text = as_text
        self.challenge = challenge
        self.answered = False

    def remote_respond(self, response: object, mind: object = None) -> Deferred[Any]:
        """The avatar, if *response* is right. Another response to the same challenge is wrong, whatever it is."""
        name = visible(self._username, 64).replace("'", "\\'")
        who = f"user '{name}'"
        if self.answered:
            self._root.wrong(who, "a challenge takes one response")
            raise UnauthorizedLogin
        self.answered = True
        shown = response if isinstance(response, bytes) else b""
        if self._as_text:
            # Accounts are named by bytes, and a Twisted server knows nobody by a text: the same answer here, and a
            # word about it, as the client hears none.
            who += ", whose name came as text instead of bytes,"
            shown = b""
        return self._root.attempt(self, ChallengeResponse(self._username, self.challenge, shown), mind, who)


def _user_name(username: object) -> bytes:
    if isinstance(username, str | bytes):
        name = as_bytes(username, "a user name")
        if len(name) <= _NAME_SIZE:
            return name
    raise LoginFailed(f"a user name is bytes or text, {_NAME_SIZE:,} bytes at most")


def _leave(logout: Callable[[], object]) -> None:
    maybeDeferred(logout).addErrback(_logout_failed)


def _logout_failed(reason: Failure) -> None:
    log.error("a realm's logout failed", exc_info=reason.value)


def login(root: RemoteReference, credentials: Any, client: object = None) -> Deferred[Any]:
    """Log in at the peer whose root object is *root*: fires with a reference to the avatar.

    *credentials* are a UsernamePassword, Anonymous, or an object that knows a dance of its own: with a method
    ``login(root, client)`` that gives the avatar, or a Deferred or awaitable of it. *client* is the mind: an object
    that the avatar can call, or None.

    Everything that can go wrong comes through the Deferred: UnauthorizedLogin and the like as the peer tells them,
    ConnectionGone, ProtocolError when the peer's challenge is none, UsageError for other credentials.
    """
    if hasattr(credentials, "login"):
        return maybeDeferred(credentials.login, root, client)
    provided = provided_by(credentials)
    if IAnonymous in provided:
        return maybeDeferred(root.callRemote, "loginAnonymous", client)
    if IUsernamePassword in provided:
        challenged = maybeDeferred(root.callRemote, "login", credentials.username)
        return challenged.addCallback(_respond, credentials.password, client)
    kind = type(credentials).__name__
    return fail(UsageError(f"a login takes UsernamePassword, Anonymous or what has login(root, client), not {kind}"))


def _respond(challenged: object, password: bytes, client: object) -> Deferred[Any]:
    """Answer a challenge. What came is the peer's word: nothing of it is believed before it is looked at."""
    match challenged:
        case (bytes(challenge), RemoteReference() as challenger) if len(challenge) == DIGEST_SIZE:
            return challenger.callRemote("respond", response_to(challenge, password), client)
    raise ProtocolError(f"a login is answered by a challenge of {DIGEST_SIZE} bytes and a reference to respond to")
