"""PB's login: each side by itself, where a few lines play the Broker, and both sides over two real ones."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any, cast

import pytest

from pbshell.broker.broker import Broker
from pbshell.broker.flavors import AsReferenceable, Avatar, Copyable, IPerspective, Referenceable
from pbshell.broker.references import RemoteReference, release
from pbshell.cred import (
    ANONYMOUS,
    AllowAnonymousAccess,
    Anonymous,
    InMemoryUsernamePasswordDatabaseDontUse,
    IUsernamePassword,
    Portal,
    UsernamePassword,
)
from pbshell.cred.credentials import response_to
from pbshell.cred.login import Challenger, LoginRoot, PortalRoot, login
from pbshell.defer import Deferred, Failure, fail, succeed
from pbshell.errors import (
    DeadReferenceError,
    LimitExceeded,
    LoginDenied,
    LoginFailed,
    PBConnectionLost,
    ProtocolError,
    RemoteError,
    UnauthorizedLogin,
    UnhandledCredentials,
    UsageError,
)
from pbshell.testing.loopback import Loopback, loopback
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits

CHALLENGE = bytes(range(16))


class FakeBroker:
    """What a login needs of a Broker."""

    def __init__(self, **limits: int) -> None:
        self.limits = Limits(**limits)
        self.link = "127.0.0.1:4711"
        self.lost: BaseException | None = None
        self.closing: BaseException | None = None
        self.trustings = 0
        self.whens: list[tuple[object, Callable[[], None]]] = []

    def trusted(self) -> None:
        self.trustings += 1

    def close(self, reason: BaseException) -> None:
        assert self.closing is None, "closed twice"
        self.closing = reason

    def whenFreed(self, obj: object, callback: Callable[[], None]) -> None:
        self.whens.append((obj, callback))

    def free(self, obj: object) -> None:
        """The peer gave back its last reference to *obj*."""
        for entry in [entry for entry in self.whens if entry[0] is obj]:
            self.whens.remove(entry)
            entry[1]()

    def lose(self) -> None:
        self.lost = ConnectionResetError("by peer")
        for obj in [obj for obj, _ in self.whens]:
            self.free(obj)


class Player(Avatar):
    def __init__(self, who: object) -> None:
        self.who = who


class Lent(Referenceable):
    """An avatar that can cross by itself."""


class Game:
    def __init__(self, make: Callable[[Any], Any] = Player) -> None:
        self.make = make
        self.asked: list[tuple[Any, ...]] = []
        self.left: list[Any] = []

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type) -> Any:
        self.asked.append((avatarId, mind, *interfaces))
        avatar = self.make(avatarId)
        return IPerspective, avatar, lambda: self.left.append(avatarId)


class Slow:
    """A checker that answers when it is told to."""

    credentialInterfaces = InMemoryUsernamePasswordDatabaseDontUse.credentialInterfaces

    def __init__(self) -> None:
        self.asked: list[Deferred[bytes]] = []

    def requestAvatarId(self, credentials: object) -> Deferred[bytes]:
        answer: Deferred[bytes] = Deferred()
        self.asked.append(answer)
        return answer


class Server:
    """A connection to a server with accounts, seen from the peer."""

    def __init__(self, game: Game | None = None, checkers: list[Any] | None = None, **limits: int) -> None:
        self.game = game or Game()
        accounts = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        portal = Portal(self.game, [accounts, AllowAnonymousAccess()] if checkers is None else checkers)
        self.broker = FakeBroker(**limits)
        self.root = PortalRoot(portal).rootObject(cast(Broker, self.broker))

    def login(self, name: str | bytes = b"ada", password: bytes = b"lovelace", mind: object = None) -> Deferred[Any]:
        challenge, challenger = self.root.remote_login(name)
        answer = challenger.remote_respond(response_to(challenge, password), mind)
        self.broker.free(challenger)
        return answer


def outcome(deferred: Deferred[Any]) -> Any:
    """What a fired Deferred holds."""
    got: list[Any] = []
    deferred.addBoth(got.append)
    assert got, "the Deferred has not fired"
    return got[0]


def error(deferred: Deferred[Any]) -> BaseException:
    failure = outcome(deferred)
    assert isinstance(failure, Failure)
    return failure.value


class TestChallenge:
    def test_each_connection_has_a_root_of_its_own(self) -> None:
        root = PortalRoot(Portal(Game()))
        first, second = (root.rootObject(cast(Broker, FakeBroker())) for _ in range(2))
        assert isinstance(first, LoginRoot)
        assert first is not second

    def test_a_login_begins_with_sixteen_random_bytes_and_a_challenger(self) -> None:
        server = Server()
        (one, challenger), (two, _) = server.root.remote_login(b"ada"), server.root.remote_login(b"ada")
        assert (len(one), len(two)) == (16, 16)
        assert one != two
        assert isinstance(challenger, Challenger)

    def test_an_unknown_user_gets_a_challenge_too(self) -> None:
        challenge, challenger = Server().root.remote_login(b"nobody")
        assert len(challenge) == 16
        assert isinstance(challenger, Challenger)

    def test_challenges_may_be_made_elsewhere(self) -> None:
        root = PortalRoot(Portal(Game()), challenge=lambda: CHALLENGE).rootObject(cast(Broker, FakeBroker()))
        assert root.remote_login(b"ada")[0] == CHALLENGE

    @pytest.mark.parametrize("username", [None, 7, [b"ada"], b"a" * 1025, "ä" * 513])
    def test_what_is_no_user_name_is_refused_plainly(self, username: object) -> None:
        server = Server()
        with pytest.raises(LoginFailed, match=r"^a user name is bytes or text, 1,024 bytes at most$"):
            server.root.remote_login(username)
        assert server.broker.whens == []

    def test_challenges_that_nobody_answers_are_bounded(self) -> None:
        server = Server()
        challengers = [server.root.remote_login(b"ada")[1] for _ in range(256)]
        with pytest.raises(LoginFailed, match="256 logins are begun"):
            server.root.remote_login(b"ada")
        with pytest.raises(LoginFailed, match="256 logins are begun"):
            server.root.remote_loginAnonymous(None)
        server.broker.free(challengers[0])
        server.root.remote_login(b"ada")

    def test_logins_that_end_make_room_also_when_the_challenger_stays(self) -> None:
        server = Server()
        for _ in range(300):
            challenge, challenger = server.root.remote_login(b"ada")
            outcome(challenger.remote_respond(response_to(challenge, b"lovelace"), None))
            outcome(server.root.remote_loginAnonymous(None))

    def test_a_challenger_given_back_while_it_works_still_counts(self) -> None:
        server = Server(checkers=[Slow()])
        for _ in range(256):
            server.login()
        with pytest.raises(LoginFailed, match="256 logins are begun"):
            server.root.remote_login(b"ada")


class TestArguments:
    @pytest.mark.parametrize(("args", "words"), [((b"ada", b"more"), {}), ((), {"name": b"ada"})])
    def test_login_takes_a_name_and_nothing_else(self, args: tuple[bytes, ...], words: dict[str, bytes]) -> None:
        with pytest.raises(LoginFailed, match=r"^login takes a user name and nothing else$"):
            Server().root.remote_login(*args, **words)

    @pytest.mark.parametrize(("args", "words"), [((None, 1), {}), ((), {"who": 1})])
    def test_an_anonymous_login_takes_a_mind_and_nothing_else(
        self, args: tuple[object, ...], words: dict[str, int]
    ) -> None:
        with pytest.raises(LoginFailed, match=r"^loginAnonymous takes a mind and nothing else$"):
            Server().root.remote_loginAnonymous(*args, **words)


class TestAvatar:
    def test_the_right_response_gives_the_avatar(self) -> None:
        server, mind = Server(), object()
        lent = outcome(server.login(mind=mind))
        assert isinstance(lent, AsReferenceable)
        assert isinstance(lent.object, Player)
        assert lent.perspective is lent.object
        assert server.game.asked == [(b"ada", mind, IPerspective)]

    def test_a_name_in_text_is_nobody_as_with_twisted_and_the_log_says_why(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = Server(checkers=[InMemoryUsernamePasswordDatabaseDontUse(ädä="sésame")])
        assert isinstance(outcome(server.login("ädä", "sésame".encode())).value, UnauthorizedLogin)
        assert "user 'ädä', whose name came as text instead of bytes, (" in caplog.text
        assert outcome(server.login("ädä".encode(), "sésame".encode())).object.who == "ädä".encode()

    def test_an_avatar_that_can_cross_by_itself_does(self) -> None:
        lent = Lent()
        assert outcome(Server(Game(lambda who: lent)).login()) is lent

    def test_an_avatar_that_is_copied_is_never_given_back(self) -> None:
        copied = Copyable()
        server = Server(Game(lambda who: copied))
        assert outcome(server.login()) is copied
        server.broker.free(copied)
        assert server.game.left == []
        server.broker.lose()
        assert server.game.left == [b"ada"]

    def test_nothing_is_proved_to_log_in_as_anonymous(self) -> None:
        server, mind = Server(), object()
        lent = outcome(server.root.remote_loginAnonymous(mind))
        assert lent.object.who is ANONYMOUS
        assert server.game.asked == [(ANONYMOUS, mind, IPerspective)]

    def test_each_login_is_an_export_of_its_own(self) -> None:
        player = Player("everyone")
        server = Server(Game(lambda who: player))
        first, second = outcome(server.login()), outcome(server.login())
        assert first is not second
        assert first.object is second.object is player

    def test_the_stranger_is_trusted_with_his_first_avatar_and_not_before(self) -> None:
        server = Server()
        assert isinstance(error(server.login(password=b"wrong")), UnauthorizedLogin)
        assert server.broker.trustings == 0
        outcome(server.login())
        assert server.broker.trustings == 1

    def test_the_login_survives_the_decref_that_follows_the_response(self) -> None:
        slow = Slow()
        server = Server(checkers=[slow])
        challenge, challenger = server.root.remote_login(b"ada")
        answer = challenger.remote_respond(response_to(challenge, b"lovelace"), None)
        watch = weakref.ref(challenger)
        server.broker.free(challenger)
        del challenger
        gc.collect()
        slow.asked[0].callback(b"ada")
        assert outcome(answer).object.who == b"ada"
        del answer
        gc.collect()
        assert watch() is None


class TestLogout:
    def test_it_comes_when_the_last_reference_is_given_back(self) -> None:
        server = Server()
        lent = outcome(server.login())
        assert server.game.left == []
        server.broker.free(lent)
        assert server.game.left == [b"ada"]
        server.broker.lose()
        assert server.game.left == [b"ada"]

    def test_it_comes_when_the_connection_is_lost(self) -> None:
        server = Server()
        outcome(server.login())
        server.broker.lose()
        assert server.game.left == [b"ada"]

    def test_each_login_has_its_own(self) -> None:
        server = Server()
        first, _ = outcome(server.login()), outcome(server.login())
        server.broker.free(first)
        assert server.game.left == [b"ada"]
        server.broker.lose()
        assert server.game.left == [b"ada", b"ada"]

    def test_an_avatar_that_comes_after_the_connection_went_is_logged_out_at_once(self) -> None:
        later: Deferred[Any] = Deferred()
        server = Server(Game(lambda who: later))
        answer = server.login()
        server.broker.lose()
        later.callback(Player("ada"))
        assert isinstance(error(answer), PBConnectionLost)
        assert server.game.left == [b"ada"]
        assert server.broker.whens == []

    def test_one_that_raises_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(Game):
            def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type) -> Any:
                def logout() -> None:
                    raise OSError("no database")

                return IPerspective, Player(avatarId), logout

        server = Server(Broken())
        outcome(server.login())
        server.broker.lose()
        (record,) = caplog.records
        assert (record.levelno, record.getMessage()) == (logging.ERROR, "a realm's logout failed")
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], OSError)

    async def test_one_that_is_a_coroutine_is_run(self) -> None:
        done: Deferred[str] = Deferred()

        class Polite(Game):
            def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type) -> Any:
                async def logout() -> None:
                    done.callback("gone")

                return IPerspective, Player(avatarId), logout

        server = Server(Polite())
        await server.login()
        server.broker.lose()
        assert await done == "gone"


class TestRefusal:
    def test_wrong_name_wrong_password_and_nonsense_are_told_alike(self) -> None:
        server = Server()
        _, challenger = server.root.remote_login(b"ada")
        for answer in (
            server.login(password=b"wrong"),
            server.login(name=b"nobody"),
            server.login(name=""),
            challenger.remote_respond(None, None),
        ):
            failed = error(answer)
            assert type(failed) is UnauthorizedLogin
            assert str(failed) == ""

    def test_it_is_one_quiet_line_with_name_and_address(self, caplog: pytest.LogCaptureFixture) -> None:
        error(Server().login(name=b"mal\x1b[2Jlory\n", password=b"wrong"))
        (record,) = caplog.records
        assert record.getMessage() == (r"login failed at 127.0.0.1:4711: user 'mal\x1b[2Jlory\n' (UnauthorizedLogin)")
        assert record.exc_info is None

    def test_a_successful_login_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        outcome(Server().login())
        assert caplog.records == []

    def test_a_challenge_takes_one_response(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server()
        challenge, challenger = server.root.remote_login(b"ada")
        right = response_to(challenge, b"lovelace")
        outcome(challenger.remote_respond(right, None))
        with pytest.raises(UnauthorizedLogin):
            challenger.remote_respond(right, None)
        assert len(server.game.asked) == 1
        assert caplog.records[0].getMessage() == (
            "login failed at 127.0.0.1:4711: user 'ada' (a challenge takes one response)"
        )

    def test_no_checker_is_told_by_the_names_of_the_interfaces(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server(checkers=[])
        failed = error(server.root.remote_loginAnonymous(None))
        assert isinstance(failed, UnhandledCredentials)
        assert str(failed) == "No checker for twisted.cred.credentials.IAnonymous"
        assert isinstance(error(server.login()), UnhandledCredentials)
        assert caplog.records[0].getMessage() == ("login failed at 127.0.0.1:4711: anonymous (UnhandledCredentials)")

    def test_a_checker_for_passwords_alone_cannot_serve_pb(self) -> None:
        portal = Portal(Game())
        portal.registerChecker(InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace"), IUsernamePassword)
        root = PortalRoot(portal).rootObject(cast(Broker, FakeBroker()))
        challenge, challenger = root.remote_login(b"ada")
        failed = error(challenger.remote_respond(response_to(challenge, b"lovelace"), None))
        assert str(failed) == (
            "No checker for twisted.cred.credentials.IUsernameHashedPassword, twisted.spread.pb.IUsernameMD5Password, "
            "twisted.spread.interfaces.IJellyable"
        )

    def test_a_realm_that_refuses_is_a_failed_login_too(self, caplog: pytest.LogCaptureFixture) -> None:
        def refuse(who: object) -> Any:
            raise LoginDenied("not today")

        failed = error(Server(Game(refuse)).login())
        assert isinstance(failed, LoginDenied)
        assert caplog.records[0].getMessage().endswith("(LoginDenied)")


class TestSixFailures:
    def test_the_sixth_closes_the_connection_and_names_the_limit(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server()
        for _ in range(5):
            error(server.login(password=b"wrong"))
            assert server.broker.closing is None
        assert type(error(server.login(password=b"wrong"))) is UnauthorizedLogin
        assert isinstance(server.broker.closing, LimitExceeded)
        assert str(server.broker.closing) == "too many failed logins: Limits(logins=6) here"
        assert len(caplog.records) == 6

    def test_after_it_nothing_is_checked_and_nothing_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server(logins=1)
        error(server.login(password=b"wrong"))
        assert type(error(server.login())) is UnauthorizedLogin
        assert type(error(server.root.remote_loginAnonymous(None))) is UnauthorizedLogin
        assert server.game.asked == []
        assert len(caplog.records) == 1

    def test_success_in_between_does_not_start_the_count_again(self) -> None:
        server = Server(logins=2)
        error(server.login(password=b"wrong"))
        outcome(server.login())
        error(server.login(password=b"wrong"))
        assert server.broker.closing is not None

    def test_successes_are_not_counted(self) -> None:
        server = Server(logins=1)
        for _ in range(20):
            outcome(server.login())
        assert server.broker.closing is None

    def test_guessing_again_on_one_challenge_counts(self, caplog: pytest.LogCaptureFixture) -> None:
        server = Server()
        _, challenger = server.root.remote_login(b"ada")
        error(challenger.remote_respond(bytes(16), None))
        for _ in range(20):
            with pytest.raises(UnauthorizedLogin):
                challenger.remote_respond(bytes(16), None)
        assert server.broker.closing is not None
        assert len(caplog.records) == 6

    def test_guesses_at_the_same_time_count_before_they_have_failed(self) -> None:
        slow = Slow()
        server = Server(checkers=[slow], logins=3)
        answers = [server.login() for _ in range(10)]
        assert len(slow.asked) == 3
        for checked in list(slow.asked):
            checked.errback(UnauthorizedLogin())
        assert len(slow.asked) == 3
        assert server.broker.closing is not None
        assert {type(error(answer)) for answer in answers} == {UnauthorizedLogin}

    def test_right_ones_at_the_same_time_all_get_their_turn(self) -> None:
        slow = Slow()
        server = Server(checkers=[slow], logins=3)
        answers = [server.login() for _ in range(10)]
        for number in range(10):
            slow.asked[number].callback(b"ada")
        assert [outcome(answer).object.who for answer in answers] == [b"ada"] * 10
        assert server.broker.closing is None

    def test_a_long_queue_of_quick_ones_is_no_deep_recursion(self) -> None:
        class FirstIsSlow(Slow):
            def requestAvatarId(self, credentials: object) -> Deferred[bytes]:
                return succeed(b"ada") if self.asked else super().requestAvatarId(credentials)

        slow = FirstIsSlow()
        server = Server(checkers=[slow], logins=1)
        answers = [server.login() for _ in range(256)]
        slow.asked[0].callback(b"ada")
        assert [outcome(answer).object.who for answer in answers] == [b"ada"] * 256

    def test_those_that_wait_when_the_connection_goes_are_not_checked(self, caplog: pytest.LogCaptureFixture) -> None:
        slow = Slow()
        server = Server(checkers=[slow], logins=1)
        first, second = server.login(), server.login()
        server.broker.lose()
        slow.asked[0].callback(b"ada")
        assert isinstance(error(first), PBConnectionLost)
        assert isinstance(error(second), PBConnectionLost)
        assert len(slow.asked) == 1
        assert caplog.records == []


class Peer:
    """The other end of a client's connection: takes calls, and gives the answers it was told."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[Any, ...]] = []
        self.given_back: list[object] = []
        self.lost: BaseException | None = None
        self.called = None

    def call(
        self, verb: bytes, luid: object, name: object, args: tuple[Any, ...], kwargs: object, perspective: object
    ) -> Deferred[Any]:
        self.calls.append((luid, name, *args))
        if self.lost is not None:
            raise DeadReferenceError("gone")
        answer = self.answers.pop(0)
        return fail(answer) if isinstance(answer, BaseException) else succeed(answer)

    def give_back(self, verb: bytes, luid: object) -> None:
        self.given_back.append(luid)

    def name_of(self, luid: object) -> str:
        return f"s{luid}"

    def reference(self, luid: object, owed: int = 1) -> RemoteReference:
        return RemoteReference(None, cast(Broker, self), cast(Any, luid), owed)

    @property
    def root(self) -> RemoteReference:
        return self.reference(b"root", owed=0)


class TestClient:
    def test_a_password_is_answered_for_and_never_sent(self) -> None:
        peer, mind = Peer(), object()
        avatar = peer.reference(2)
        peer.answers = [(CHALLENGE, peer.reference(1)), avatar]
        assert outcome(login(peer.root, UsernamePassword("ädä", "sesame"), mind)) is avatar
        response = bytes.fromhex("681ea94488d22b1c746d4058f5495bc8")
        assert peer.calls == [(b"root", "login", "ädä".encode()), (1, "respond", response, mind)]

    def test_the_challenger_is_given_back_once_it_has_its_response(self) -> None:
        peer = Peer()
        peer.answers = [(CHALLENGE, peer.reference(1)), "avatar"]
        outcome(login(peer.root, UsernamePassword("ada", "lovelace")))
        gc.collect()
        assert peer.given_back == [1]

    def test_nothing_is_shown_to_log_in_as_anonymous(self) -> None:
        peer, mind = Peer("avatar", "avatar"), object()
        assert outcome(login(peer.root, Anonymous(), mind)) == "avatar"
        assert outcome(login(peer.root, Anonymous())) == "avatar"
        assert peer.calls == [(b"root", "loginAnonymous", mind), (b"root", "loginAnonymous", None)]

    def test_credentials_may_know_a_dance_of_their_own(self) -> None:
        class Ticket:
            def login(self, root: RemoteReference, client: object) -> Deferred[Any]:
                return root.callRemote("ticket", 4711, client)

        peer = Peer("avatar")
        assert outcome(login(peer.root, Ticket(), "mind")) == "avatar"
        assert peer.calls == [(b"root", "ticket", 4711, "mind")]

    @pytest.mark.parametrize("credentials", [None, {}, ("ada", "lovelace")])
    def test_what_is_no_credentials_is_told_through_the_deferred(self, credentials: object) -> None:
        failed = error(login(Peer().root, credentials))
        assert isinstance(failed, UsageError)
        assert str(failed).endswith(f"not {type(credentials).__name__}")

    def test_a_refusal_comes_as_the_peer_told_it(self) -> None:
        peer = Peer()
        peer.answers = [(CHALLENGE, peer.reference(1)), UnauthorizedLogin()]
        assert type(error(login(peer.root, UsernamePassword("ada", "wrong")))) is UnauthorizedLogin

    @pytest.mark.parametrize("credentials", [Anonymous(), UsernamePassword("ada", "lovelace")])
    def test_a_dead_connection_comes_through_the_deferred_too(self, credentials: object) -> None:
        peer = Peer()
        peer.lost = ConnectionResetError()
        assert isinstance(error(login(peer.root, credentials)), DeadReferenceError)

    @pytest.mark.parametrize(
        "make",
        [
            lambda one: None,
            lambda one: CHALLENGE,
            lambda one: (CHALLENGE,),
            lambda one: (CHALLENGE, one, one),
            lambda one: (one, CHALLENGE),
            lambda one: (CHALLENGE.decode(), one),
            lambda one: (b"", one),
            lambda one: (bytes(17), one),
            lambda one: (CHALLENGE, None),
            lambda one: (CHALLENGE, Referenceable()),
            lambda one: {0: CHALLENGE, 1: one},
        ],
    )
    def test_a_challenge_that_is_none_is_the_peers_error_and_gets_no_response(
        self, make: Callable[[RemoteReference], object]
    ) -> None:
        peer = Peer()
        peer.answers = [make(peer.reference(1))]
        failed = error(login(peer.root, UsernamePassword("ada", "lovelace")))
        assert isinstance(failed, ProtocolError)
        assert str(failed) == "a login is answered by a challenge of 16 bytes and a reference to respond to"
        assert len(peer.calls) == 1


class TestBothSides:
    """Over two real Brokers, joined in memory."""

    def connect(self, game: Game, **options: Any) -> Loopback:
        accounts = InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace")
        return loopback(PortalRoot(Portal(game, [accounts, AllowAnonymousAccess()])), **options)

    def login(self, pair: Loopback, password: str = "lovelace", mind: object = None) -> Deferred[Any]:
        answer = login(pair.root, UsernamePassword("ada", password), mind)
        pair.run()
        return answer

    def test_an_avatar_can_be_called_and_calls_back(self) -> None:
        class Ear(Referenceable):
            def __init__(self) -> None:
                self.heard: list[str] = []

            def remote_hear(self, words: str) -> None:
                self.heard.append(words)

        class Speaker(Avatar):
            def __init__(self, mind: RemoteReference) -> None:
                self.mind = mind

            def perspective_say(self, words: str) -> Deferred[Any]:
                return self.mind.callRemote("hear", words)

        class Talk(Game):
            def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: type) -> Any:
                return IPerspective, Speaker(mind), lambda: None

        ear = Ear()
        pair = self.connect(Talk())
        avatar = outcome(self.login(pair, mind=ear))
        said = avatar.callRemote("say", "hello")
        pair.run()
        assert outcome(said) is None
        assert ear.heard == ["hello"]

    def test_byte_by_byte_it_is_the_same(self) -> None:
        pair = self.connect(Game(), cut=lambda data: (data[at : at + 1] for at in range(len(data))))
        assert isinstance(outcome(self.login(pair)), RemoteReference)

    def test_the_password_is_not_on_the_wire(self) -> None:
        pair = self.connect(Game())
        outcome(self.login(pair))
        assert b"lovelace" not in pair.sent[Side.CLIENT] + pair.sent[Side.SERVER]

    def test_letting_go_of_the_avatar_logs_out_once_and_the_connection_lives(self) -> None:
        game = Game()
        pair = self.connect(game)
        release(outcome(self.login(pair)))
        pair.run()
        assert game.left == [b"ada"]
        outcome(self.login(pair))
        pair.lose()
        assert game.left == [b"ada", b"ada"]

    def test_the_end_of_the_connection_logs_everyone_out(self) -> None:
        game = Game()
        pair = self.connect(game)
        kept = [outcome(self.login(pair)) for _ in range(3)]
        pair.lose()
        assert game.left == [b"ada"] * len(kept)

    def test_one_avatar_for_all_is_left_as_often_as_it_was_entered(self) -> None:
        shared = Lent()
        game = Game(lambda who: shared)
        pair = self.connect(game)
        first, second = outcome(self.login(pair)), outcome(self.login(pair))
        release(first)
        pair.run()
        assert game.left == []
        release(second)
        pair.run()
        assert game.left == [b"ada", b"ada"]

    def test_an_avatar_that_could_not_be_lent_is_left_all_the_same(self) -> None:
        game = Game()
        pair = self.connect(game, limits=Limits(exports=2), client_limits=Limits())
        kept = [outcome(self.login(pair))]
        challenged = [pair.root.callRemote("login", b"ada") for _ in range(2)]
        pair.run()
        challenge, challenger = outcome(challenged[0])
        assert isinstance(error(challenged[1]), RemoteError)
        answer = challenger.callRemote("respond", response_to(challenge, b"lovelace"), None)
        pair.run()
        assert isinstance(error(answer), RemoteError)
        assert len(game.asked) == 2
        pair.lose()
        assert game.left == [b"ada"] * 2
        del kept

    def test_nothing_of_a_login_stays_in_the_books_but_the_avatar(self) -> None:
        pair = self.connect(Game())
        avatar = outcome(self.login(pair))
        gc.collect()
        pair.run()
        assert [luid for luid in pair.server.ours.exports if luid != b"root"] == [avatar.luid]
        assert list(pair.client.theirs.exports) == [avatar.luid]
        assert pair.quiet

    def test_a_stranger_may_send_little_until_he_is_known(self) -> None:
        limits = Limits(expression_before_login=2_000)
        long = "x" * 3_000

        pair = self.connect(Game(Echo), limits=limits, client_limits=Limits(), untrusted=True)
        refused = pair.root.callRemote("login", long)
        pair.run()
        assert isinstance(error(refused), PBConnectionLost)
        assert isinstance(pair.server.lost, LimitExceeded)

        pair = self.connect(Game(Echo), limits=limits, client_limits=Limits(), untrusted=True)
        avatar = outcome(self.login(pair))
        echoed = avatar.callRemote("echo", long)
        pair.run()
        assert outcome(echoed) == long

    def test_the_sixth_wrong_password_gets_its_answer_and_then_the_connection_closes(self) -> None:
        pair = self.connect(Game())
        answers = [self.login(pair, "wrong") for _ in range(6)]
        assert all(isinstance(error(answer), UnauthorizedLogin) for answer in answers)
        assert isinstance(pair.server.lost, LimitExceeded)

    def test_a_wrong_password_is_one_line_in_the_whole_log(self, caplog: pytest.LogCaptureFixture) -> None:
        self.login(self.connect(Game()), "wrong").addErrback(lambda reason: None)
        assert [(record.name, record.getMessage()) for record in caplog.records] == [
            ("pbshell.cred.login", "login failed at server: user 'ada' (UnauthorizedLogin)")
        ]

    def test_five_thousand_guesses_on_one_challenge_are_six(self) -> None:
        game = Game()
        pair = self.connect(game)
        challenged = pair.root.callRemote("login", b"ada")
        pair.run()
        challenge, challenger = outcome(challenged)
        guesses = [challenger.callRemote("respond", bytes(16), None) for _ in range(4_999)]
        guesses.append(challenger.callRemote("respond", response_to(challenge, b"lovelace"), None))
        pair.run()
        told = [error(guess) for guess in guesses]
        assert all(isinstance(each, UnauthorizedLogin) for each in told[:6])
        assert {type(each) for each in told[6:]} == {PBConnectionLost}
        assert game.asked == []

    def test_a_recorded_response_is_of_no_use(self) -> None:
        game = Game()
        pair = self.connect(game)
        challenged = pair.root.callRemote("login", b"ada")
        pair.run()
        recorded = response_to(outcome(challenged)[0], b"lovelace")
        again = pair.root.callRemote("login", b"ada")
        pair.run()
        replayed = outcome(again)[1].callRemote("respond", recorded, None)
        pair.run()
        assert isinstance(error(replayed), UnauthorizedLogin)
        assert game.asked == []

    def test_the_client_knows_a_refusal_by_our_classes_and_by_twisteds_names(self) -> None:
        failed = error(self.login(self.connect(Game()), "wrong"))
        assert isinstance(failed, RemoteError)
        assert isinstance(failed, UnauthorizedLogin)
        assert failed.check("twisted.cred.error.LoginFailed")
        assert str(failed) == ""


class Echo(Player):
    def perspective_echo(self, value: object) -> object:
        return value
