"""The portal: the right checker is asked, the realm is asked next, and what comes out is whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pbshell.cred import (
    ANONYMOUS,
    AllowAnonymousAccess,
    Anonymous,
    ChallengeResponse,
    IAnonymous,
    ICredentials,
    InMemoryUsernamePasswordDatabaseDontUse,
    IUsernameHashedPassword,
    IUsernamePassword,
    Portal,
    UsernamePassword,
    realm,
)
from pbshell.defer import Deferred, Failure, succeed
from pbshell.errors import LoginDenied, UnauthorizedLogin, UnhandledCredentials


class IGame:
    """What the avatars of these tests provide."""


class IMail:
    """What they do not."""


class Player:
    def __init__(self, name: object) -> None:
        self.name = name
        self.left = 0

    def logout(self) -> None:
        self.left += 1


class Game:
    """A realm whose answer can be set."""

    def __init__(self, answer: Callable[[Any], Any] | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer = answer or self.at_once

    @staticmethod
    def at_once(who: object) -> Any:
        player = Player(who)
        return IGame, player, player.logout

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type) -> Any:
        self.asked.append((avatarId, mind, *interfaces))
        if IGame not in interfaces:
            raise NotImplementedError("no interface")
        return self.answer(avatarId)


class Fixed:
    """A checker that gives always the same."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def requestAvatarId(self, credentials: object) -> Any:
        return self.answer


ADA = UsernamePassword("ada", "lovelace")


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


def open_portal(game: Any = None) -> Portal:
    return Portal(
        game or Game(),
        [InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace"), AllowAnonymousAccess()],
    )


class TestCheckers:
    def test_the_kind_of_credentials_chooses_the_checker(self) -> None:
        game = Game()
        portal = open_portal(game)
        outcome(portal.login(ADA, None, IGame))
        outcome(portal.login(Anonymous(), None, IGame))
        assert [asked[0] for asked in game.asked] == [b"ada", ANONYMOUS]

    def test_a_checker_is_registered_for_what_it_names_itself(self) -> None:
        assert open_portal().listCredentialsInterfaces() == [IUsernamePassword, IUsernameHashedPassword, IAnonymous]

    def test_a_checker_can_be_registered_for_less(self) -> None:
        portal = Portal(Game())
        portal.registerChecker(InMemoryUsernamePasswordDatabaseDontUse(ada="lovelace"), IUsernameHashedPassword)
        assert portal.listCredentialsInterfaces() == [IUsernameHashedPassword]
        assert isinstance(error(portal.login(ADA, None, IGame)), UnhandledCredentials)

    def test_a_later_checker_replaces_an_earlier_one(self) -> None:
        portal = open_portal()
        portal.registerChecker(Fixed(b"grace"))
        assert outcome(portal.login(ADA, None, IGame))[1].name == b"grace"

    def test_a_checker_for_a_wider_interface_takes_all_that_derive_from_it(self) -> None:
        portal = Portal(Game())
        portal.registerChecker(Fixed(b"someone"), ICredentials)
        assert outcome(portal.login(Anonymous(), None, IGame))[1].name == b"someone"

    def test_a_token_of_ones_own_works_like_ours(self) -> None:
        class ITicket: ...

        class Ticket:
            provides = (ITicket,)

        portal = Portal(Game())
        portal.registerChecker(Fixed(b"traveller"), ITicket)
        assert outcome(portal.login(Ticket(), None, IGame))[1].name == b"traveller"

    @pytest.mark.parametrize(
        ("credentials", "said"),
        [
            (Anonymous(), "No checker for twisted.cred.credentials.IAnonymous"),
            (ADA, "No checker for twisted.cred.credentials.IUsernamePassword"),
            (
                ChallengeResponse(b"ada", bytes(16), bytes(16)),
                (
                    "No checker for twisted.cred.credentials.IUsernameHashedPassword, "
                    "twisted.spread.pb.IUsernameMD5Password, twisted.spread.interfaces.IJellyable"
                ),
            ),
            ("ada", "No checker for builtins.str, which provides no interface of credentials"),
        ],
    )
    def test_credentials_that_nobody_takes_are_named_as_twisted_names_them(
        self, credentials: object, said: str
    ) -> None:
        game = Game()
        failed = error(Portal(game).login(credentials, None, IGame))
        assert isinstance(failed, UnhandledCredentials)
        assert str(failed) == said
        assert game.asked == []

    def test_the_realm_is_not_asked_when_the_checker_says_no(self) -> None:
        game = Game()
        assert isinstance(error(open_portal(game).login(UsernamePassword("ada", "x"), None, IGame)), UnauthorizedLogin)
        assert game.asked == []

    def test_a_checker_may_answer_later(self) -> None:
        later: Deferred[bytes] = Deferred()
        login = Portal(Game(), [Fixed(later)]).login(ADA, None, IGame)
        later.callback(b"ada")
        assert outcome(login)[1].name == b"ada"

    def test_a_checker_may_raise_anything(self) -> None:
        class Broken(Fixed):
            def requestAvatarId(self, credentials: object) -> Any:
                raise OSError("no database")

        assert isinstance(error(Portal(Game(), [Broken(None)]).login(ADA, None, IGame)), OSError)

    def test_a_checker_that_gives_text_still_names_the_user_in_bytes(self) -> None:
        assert outcome(Portal(Game(), [Fixed("ädä")]).login(ADA, None, IGame))[1].name == "ädä".encode()

    @pytest.mark.parametrize("given", [None, 7, True, [], object()])
    def test_a_checker_that_forgets_to_return_lets_nobody_in(self, given: object) -> None:
        game = Game()
        failed = error(Portal(game, [Fixed(given)]).login(ADA, None, IGame))
        assert isinstance(failed, TypeError)
        assert str(failed).endswith(f"Fixed.requestAvatarId gives is text or bytes, not {type(given).__name__}")
        assert game.asked == []


class TestRealm:
    def test_it_gets_name_mind_and_interfaces(self) -> None:
        game, mind = Game(), object()
        interface, avatar, logout = outcome(open_portal(game).login(ADA, mind, IMail, IGame))
        assert game.asked == [(b"ada", mind, IMail, IGame)]
        assert (interface, avatar.name) == (IGame, b"ada")
        logout()
        assert avatar.left == 1

    def test_it_refuses_interfaces_it_does_not_have(self) -> None:
        assert isinstance(error(open_portal().login(ADA, None, IMail)), NotImplementedError)

    def test_it_may_refuse_the_user_all_the_same(self) -> None:
        def refuse(who: object) -> Any:
            raise LoginDenied("the game is over")

        failed = error(open_portal(Game(refuse)).login(ADA, None, IGame))
        assert isinstance(failed, LoginDenied)

    def test_it_may_answer_later(self) -> None:
        later: Deferred[Any] = Deferred()
        login = open_portal(Game(lambda who: later)).login(ADA, None, IGame)
        later.callback(Game.at_once(b"ada"))
        assert outcome(login)[1].name == b"ada"

    def test_the_avatar_in_the_tuple_may_come_later(self) -> None:
        later: Deferred[Any] = Deferred()
        login = open_portal(Game(lambda who: (IGame, later, len))).login(ADA, None, IGame)
        later.callback(Player("ada"))
        interface, avatar, logout = outcome(login)
        assert (interface, avatar.name, logout) == (IGame, "ada", len)

    async def test_checker_realm_and_avatar_may_all_be_coroutines(self) -> None:
        async def give(value: Any) -> Any:
            return value

        class Slow(Fixed):
            async def requestAvatarId(self, credentials: object) -> Any:
                return await give(self.answer)

        class SlowGame(Game):
            async def requestAvatar(self, avatarId: Any, mind: object, *interfaces: type) -> Any:
                return await give((IGame, give(Player(avatarId)), print))

        interface, avatar, logout = await Portal(SlowGame(), [Slow(b"ada")]).login(ADA, None, IGame)
        assert interface is IGame
        assert avatar.name == b"ada"
        assert logout is print

    @pytest.mark.parametrize(
        ("given", "shape"),
        [
            (None, "NoneType"),
            ((IGame, "avatar"), "(type, str)"),
            ((IGame, "avatar", None), "(type, str, NoneType)"),
            ([IGame, "avatar", len], "list"),
        ],
    )
    def test_an_answer_of_another_shape_is_told_by_its_types(self, given: object, shape: str) -> None:
        failed = error(open_portal(Game(lambda who: given)).login(ADA, None, IGame))
        assert isinstance(failed, TypeError)
        assert str(failed) == f"{__name__}.Game.requestAvatar gives (interface, avatar, logout), not {shape}"


class TestFunctionRealm:
    def test_it_is_called_with_text_name_and_mind(self) -> None:
        asked: list[Any] = []

        @realm
        def game(name: str | None, mind: Any) -> Player:
            asked.append((name, mind))
            return Player(name)

        portal = Portal(game, [Fixed("ädä"), AllowAnonymousAccess()])
        interface, avatar, logout = outcome(portal.login(ADA, "mind", IGame, IMail))
        assert interface is IGame
        assert outcome(portal.login(Anonymous(), None, IGame))[1].name is None
        assert asked == [("ädä", "mind"), (None, None)]
        logout()
        assert avatar.left == 1

    def test_an_avatar_without_logout_needs_none(self) -> None:
        _, avatar, logout = outcome(Portal(realm(lambda name, mind: "avatar"), [Fixed(b"ada")]).login(ADA, None, IGame))
        assert avatar == "avatar"
        assert logout() is None

    def test_the_avatar_may_come_later(self) -> None:
        portal = Portal(realm(lambda name, mind: succeed(Player(name))), [Fixed(b"ada")])
        assert outcome(portal.login(ADA, None, IGame))[1].name == "ada"

    def test_names_that_are_no_utf8_stay_different_users(self) -> None:
        names = [
            outcome(Portal(realm(lambda name, mind: Player(name)), [Fixed(raw)]).login(ADA, None, IGame))[1].name
            for raw in (b"\xff", b"\xfe", "\ufffd".encode())
        ]
        assert len(set(names)) == 3

    def test_no_avatar_is_no_login(self) -> None:
        failed = error(Portal(realm(lambda name, mind: None), [Fixed(b"ada")]).login(ADA, None, IGame))
        assert isinstance(failed, TypeError)
        assert "gave no avatar" in str(failed)

    def test_it_too_refuses_a_login_that_asks_for_nothing(self) -> None:
        portal = Portal(realm(lambda name, mind: Player(name)), [Fixed(b"ada")])
        assert isinstance(error(portal.login(ADA, None)), NotImplementedError)
