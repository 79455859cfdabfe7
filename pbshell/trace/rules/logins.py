"""Logins: who tried, how it ended, and floods of refusals from one host. Knows PB's login, and no other call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.explain import duration
from pbshell.trace.forms.wording import counted
from pbshell.trace.notes import Exported
from pbshell.trace.places import text_of
from pbshell.trace.rules.phrases import fact, host, unseen
from pbshell.trace.values import failure
from pbshell.trace.verdict import Verdict
from pbshell.wire.text import visible
from pbshell.wire.verbs import CacheMessage, ErrorAnswer, Luid, Message, is_luid

__all__ = ["Floods", "Logins"]

_LOGIN, _RESPOND, _ANONYMOUS = b"login", b"respond", b"loginAnonymous"
_DANCE = frozenset((_LOGIN, _RESPOND, _ANONYMOUS))
_UNAUTHORIZED = "twisted.cred.error.UnauthorizedLogin"
_UNHANDLED = "twisted.cred.error.UnhandledCredentials"
#: users that are told apart, challengers that wait, and refusals whose numbers are kept
_USERS, _CHALLENGERS, _FRAMES = 64, 64, 16
#: hosts whose refusals are counted over their connections, and seconds of peace after which that begins anew
_HOSTS, _PEACE = 256, 3600.0


class Refused:
    """Refused logins: how many, of which users, when (seconds), and the numbers of the first refusals."""

    __slots__ = ("count", "first", "frames", "last", "users")

    def __init__(self) -> None:
        self.count = 0
        self.users: dict[str, None] = {}
        self.first = self.last = 0.0
        self.frames: list[int] = []

    def add(self, at: float, user: str, frame: int) -> None:
        """One more, of *user*."""
        self._count(1, at, at, (user,), (frame,))

    def join(self, other: Refused) -> None:
        """Those of another connection, which came later."""
        self._count(other.count, other.first, other.last, other.users, other.frames)

    def _count(self, count: int, first: float, last: float, users: Iterable[str], frames: Iterable[int]) -> None:
        self.first = self.first if self.count else first
        self.count += count
        self.last = last
        for user in users:
            if len(self.users) < _USERS:
                self.users[user] = None
        self.frames = [*self.frames, *frames][:_FRAMES]

    def sentence(self, address: str, connections: int = 1) -> str:
        """All of them in one; *address* is the client's, empty if nobody knows it."""
        place = f" from {host(address)}" if address else ""
        users = list(self.users)
        whose = repr(users[0]) if len(users) == 1 else f"{'at least ' * (len(users) == _USERS)}{len(users)} users"
        took = f" in {duration(self.last - self.first)}" if self.count > 1 else ""
        over = f" over {connections:,} connections" if connections > 1 else ""
        which = counted(self.count, "login")
        return f"{which} of {whose} refused{place}{took}{over}: wrong name or password; a server does not tell which"


class Logins:
    """The logins of one connection, and whether one was *granted*."""

    __slots__ = ("_challenged", "_challengers", "_failed", "granted", "refused")

    def __init__(self) -> None:
        self.granted = False
        self.refused = Refused()
        self._failed: tuple[str, str, Dissection] | None = None  # user, type and text, and where
        self._challenged: tuple[str, Dissection] | None = None  # a login that had its challenge, and no more yet
        self._challengers: OrderedDict[Luid, str] = OrderedDict()  # whose login each of them ends

    def answered(self, dissection: Dissection, call: Dissection, asked: Message | CacheMessage) -> None:
        """*call*, which says *asked*, is answered by *dissection*. Runs for every answer."""
        if asked.method not in _DANCE:
            return
        user = self._user_of(asked)
        if user is None:
            return
        if type(dissection.what) is ErrorAnswer:
            self._refused_or_failed(dissection, dissection.what, user)
        elif asked.method == _LOGIN:
            self._has_challenge(dissection, user)
        else:
            self.granted = True
            self._challenged = None

    def _user_of(self, asked: object) -> str | None:
        """Who wants to log in with the call *asked*; None if it is no step of a login."""
        if type(asked) is not Message:
            return None
        if asked.method == _RESPOND:
            return self._challengers.get(asked.object) if is_luid(asked.object) else None
        if asked.object != b"root":
            return None
        if asked.method == _ANONYMOUS:
            return "anonymous"
        if asked.method != _LOGIN:
            return None
        name = text_of(asked.args[1]) if isinstance(asked.args, list) and len(asked.args) > 1 else b""
        return visible(name, 40) or "somebody"

    def _has_challenge(self, dissection: Dissection, user: str) -> None:
        self._challenged = (user, dissection)
        for note in dissection.notes:
            if isinstance(note, Exported):
                self._challengers[note.lent.luid] = user
                if len(self._challengers) > _CHALLENGERS:
                    self._challengers.popitem(last=False)

    def _refused_or_failed(self, dissection: Dissection, what: ErrorAnswer, user: str) -> None:
        assert dissection.sender is not None
        self._challenged = None
        words = failure(what.failure, dissection.sender, 200)
        if words.startswith(_UNAUTHORIZED):
            self.refused.add(dissection.at, user, dissection.number)
        else:
            self._failed = (user, words, dissection)

    # ------------------------------------------------------------------------------------ what there is to say

    def standing(self, conversation: Conversation) -> Iterator[Verdict]:
        """What is wrong with the logins of a connection on which nobody has logged in."""
        if self.granted:
            return
        if self.refused.count:
            text = self.refused.sentence(conversation.client)
            evidence = (f"#{self.refused.frames[0]} is the first refusal",)
            yield _verdict("login refused", "error", text, evidence, conversation, tuple(self.refused.frames))
        elif self._failed is not None:
            user, words, said = self._failed
            yield _verdict(
                "login failed", "error", _unable(user, words), (fact(said, conversation),), conversation, (said.number,)
            )

    def unfinished(
        self, at: float, by: str, calls: Iterable[Dissection], conversation: Conversation
    ) -> Iterator[Verdict]:
        """What was wrong with a login that had begun when the connection ended, *by* somebody, *calls* left."""
        if self.granted:
            return
        for call in calls:
            user = self._user_of(call.what)
            if user is not None:
                text = (
                    f"{by} closed the connection {duration(at - call.at)} after the login of {user!r} had reached the "
                    "server, which had not decided yet: its checker or its realm waits for something, or never answers"
                )
                yield _verdict(
                    "login unfinished", "error", text, (fact(call, conversation),), conversation, (call.number,)
                )
                return
        if self._challenged is not None:
            user, said = self._challenged
            text = (
                f"the login of {user!r} ended with the server's challenge: the client never responded and {by} closed "
                "the connection; a password that is text instead of bytes fails so in a Twisted client, whose log "
                "has a TypeError"
            )
            yield _verdict("login unfinished", "error", text, (fact(said, conversation),), conversation, (said.number,))


def _verdict(
    kind: str,
    severity: str,
    text: str,
    evidence: tuple[str, ...],
    conversation: Conversation,
    frames: tuple[int, ...],
) -> Verdict:
    return Verdict(conversation.number, kind, severity, text, evidence, unseen(conversation), frames)


def _unable(user: str, words: str) -> str:
    """Why the server could not decide on a login."""
    if not words.startswith(_UNHANDLED):
        return f"the login of {user!r} failed at the server: {words}"
    if "IAnonymous" in words:
        return (
            "the server's Portal takes no anonymous logins: register AllowAnonymousAccess() with it, or log in by name"
        )
    return (
        f"the server's Portal has no checker for the login of {user!r}: PB brings a hashed password, so register a "
        "checker whose credentialInterfaces have IUsernameHashedPassword"
    )


class Floods:
    """Refusals by host, over the connections that have ended: the tenth is no news, but that they are ten is."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[Refused, int, int]] = OrderedDict()

    def add(self, refused: Refused, alone: Verdict, conversation: Conversation) -> tuple[Verdict, ...]:
        """Count a connection that has ended with *refused*, of which *alone* says all there is to say.

        Returns what is worth a line: the first from its host, then the sum at the 2nd, 5th, 10th, 20th and so on.
        """
        name = host(conversation.client)
        total, connections, _ = self._hosts.pop(name, (Refused(), 0, 0))
        if connections and refused.first - total.last > _PEACE:
            total, connections = Refused(), 0
        total.join(refused)
        connections += 1
        self._hosts[name] = (total, connections, conversation.number)
        if len(self._hosts) > _HOSTS:
            self._hosts.popitem(last=False)
        if connections == 1:
            return (alone,)
        return (self._told(name),) if _is_worth_a_line(connections) else ()

    def overall(self) -> Iterator[Verdict]:
        """How it stands with each host that came more than once."""
        for name, (_, connections, _) in self._hosts.items():
            if connections > 1:
                yield self._told(name)

    def _told(self, name: str) -> Verdict:
        total, connections, number = self._hosts[name]
        text = total.sentence(name, connections)
        return Verdict(number, "login refused", "error", text, frames=tuple(total.frames))


def _is_worth_a_line(number: int) -> bool:
    while number % 10 == 0:
        number //= 10
    return number in (1, 2, 5)
