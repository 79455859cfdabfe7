"""The PB manual on avatars, logins and Viewable; and Cred's own manual."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pbshell import cred, pb
from pbshell.cred.login import PortalRoot
from pbshell.cred.login import login as log_in
from pbshell.defer import Deferred, Failure, gatherResults
from pbshell.errors import LoginFailed, UnauthorizedLogin, UnhandledCredentials
from pbshell.testing import Loopback, loopback
from pbshell.wire.chunk import Side
from tests.manual.talk import failure, result, said

USERS = {"ada": "lovelace", "bob": "builder"}


class User(pb.Avatar):
    """An avatar that knows whose it is, and who listens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.minds: list[Any] = []

    def attached(self, mind: Any) -> None:
        self.minds.append(mind)
        print(f"attached to {mind}")

    def detached(self, mind: Any) -> None:
        self.minds.remove(mind)
        print(f"detached from {mind}")

    def update(self, message: str) -> None:
        for mind in self.minds:
            mind.callRemote("update", message)

    def perspective_whoami(self) -> str:
        return self.name

    def perspective_give(self, thing: str) -> Any:
        return {"avatar": self, "group": GROUP}[thing]

    def perspective_raise(self) -> None:
        raise ValueError("Don't say that word")

    def remote_whoami(self) -> str:
        return "reached by the wrong prefix"

    def local(self) -> str:
        return "not reached at all"


class Mind(pb.Referenceable):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def remote_update(self, message: str) -> None:
        self.heard.append(message)

    remote_print = remote_update


class Realm:
    """Keeps its avatars, and everything it was asked."""

    def __init__(self) -> None:
        self.avatars: dict[Any, User] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.left: list[Any] = []

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: type) -> Any:
        self.asked.append((avatarId, mind, interfaces))
        if pb.IPerspective not in interfaces:
            raise NotImplementedError("no interface")
        name = "anonymous" if avatarId == cred.ANONYMOUS else avatarId.decode()
        avatar = self.avatars.setdefault(avatarId, User(name))
        avatar.attached(mind)

        def logout() -> None:
            avatar.detached(mind)
            self.left.append(avatarId)

        return pb.IPerspective, avatar, logout


def checkers() -> list[Any]:
    return [cred.InMemoryUsernamePasswordDatabaseDontUse(**USERS), cred.AllowAnonymousAccess()]


def met(realm: Any = None) -> tuple[Loopback, Any]:
    realm = realm or Realm()
    return loopback(PortalRoot(cred.Portal(realm, checkers()))), realm


def enter(loop: Loopback, name: str = "ada", mind: object = None) -> Any:
    return result(loop, log_in(loop.root, cred.UsernamePassword(name, USERS[name]), mind))


def login_fails(loop: Loopback, name: str, password: str) -> Failure:
    return failure(loop, log_in(loop.root, cred.UsernamePassword(name, password)))


# --------------------------------------------------------------------------------------- the login


async def test_a_login_gives_a_deferred_of_a_reference_to_the_avatar() -> None:
    """B136."""
    portal = cred.Portal(Realm(), checkers())
    async with pb.serve(portal, "tcp:0") as server, pb.connect(f"127.0.0.1:{server.port}") as connection:
        login = connection.login(cred.UsernamePassword("ada", "lovelace"))
        assert isinstance(login, Deferred)
        avatar = await login

        assert type(avatar) is pb.RemoteReference
        assert await avatar.callRemote("whoami") == "ada"


@pytest.mark.parametrize("name", ["local", "name", "attached", "perspective_whoami", "__init__"])
def test_only_perspective_methods_of_an_avatar_are_reachable(name: str) -> None:
    """B137."""
    loop, _ = met()
    avatar = enter(loop)

    assert result(loop, avatar.callRemote("whoami")) == "ada"
    assert failure(loop, avatar.callRemote(name)).check(AttributeError)


def test_a_perspective_method_gets_no_extra_argument_for_the_avatar_knows_its_user() -> None:
    """B138."""
    loop, _ = met()

    assert result(loop, enter(loop).callRemote("whoami")) == "ada"
    assert failure(loop, enter(loop).callRemote("whoami", "extra")).check(TypeError)


def test_each_user_gets_an_avatar_of_his_own() -> None:
    """B139."""
    (loop, realm) = met()
    another = loopback(PortalRoot(cred.Portal(realm, checkers())))

    assert result(loop, enter(loop, "ada").callRemote("whoami")) == "ada"
    assert result(another, enter(another, "bob").callRemote("whoami")) == "bob"
    assert realm.avatars[b"ada"] is not realm.avatars[b"bob"]


def test_the_client_may_send_a_mind_along_and_need_not() -> None:
    """B140."""
    loop, realm = met()
    kept = [enter(loop, "ada", Mind()), enter(loop, "bob")]

    assert type(realm.asked[0][1]) is pb.RemoteReference
    assert realm.asked[1][1] is None
    del kept


def test_the_server_may_call_the_mind_at_any_time() -> None:
    """B141."""
    loop, realm = met()
    kept = enter(loop, "ada", mind := Mind())
    for words in ("first", "second"):
        realm.avatars[b"ada"].update(words)
        loop.run()

    assert mind.heard == ["first", "second"]
    del kept


def test_the_realm_is_asked_for_user_mind_and_iperspective_alone() -> None:
    """B142."""
    loop, realm = met()
    kept = enter(loop, "ada")

    assert realm.asked == [(b"ada", None, (pb.IPerspective,))]
    del kept


@pytest.mark.parametrize("way", ["now", "later", "coroutine", "later inside"])
def test_the_realm_gives_interface_avatar_and_logout_now_or_later(way: str) -> None:
    """B143: the manual's listing puts the Deferred inside the tuple, which is accepted too."""
    waiting: list[Deferred[Any]] = []
    login = (pb.IPerspective, User("ada"), lambda: None)

    class Slow:
        def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: type) -> Any:
            if way == "now":
                return login
            if way == "coroutine":
                return self.later()
            waiting.append(Deferred())
            return waiting[0] if way == "later" else (login[0], waiting[0], login[2])

        async def later(self) -> Any:
            return login

    loop, _ = met(Slow())
    entering = log_in(loop.root, cred.UsernamePassword("ada", "lovelace"))
    loop.run()
    for each in waiting:
        assert len(loop.client.ours.pending) == 1
        each.callback(login if way == "later" else login[1])

    assert result(loop, result(loop, entering).callRemote("whoami")) == "ada"


def test_the_logout_is_called_without_arguments_when_the_connection_is_lost() -> None:
    """B144: or sooner, when the client lets go of the avatar; but once."""
    loop, realm = met()
    ada, bob = enter(loop, "ada"), enter(loop, "bob")
    del bob
    gc.collect()
    loop.run()
    assert realm.left == [b"bob"]

    loop.lose()
    del ada
    assert realm.left == [b"bob", b"ada"]


def test_a_realm_that_is_asked_for_no_interface_it_has_refuses() -> None:
    """B145."""

    class Mailbox:
        pass

    reasons: list[Failure] = []
    portal = cred.Portal(Realm(), checkers())
    portal.login(cred.UsernamePassword("ada", "lovelace"), None, Mailbox).addErrback(reasons.append)

    assert reasons[0].check(NotImplementedError)


def test_a_wrong_password_and_an_unknown_user_cannot_be_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    """B146: and the server says one quiet line, where Twisted logs a traceback."""
    with caplog.at_level(logging.DEBUG):
        reasons = [login_fails(met()[0], *account) for account in (("ada", "wrong"), ("nobody", "wrong"))]

    assert all(reason.check(UnauthorizedLogin) for reason in reasons)
    assert reasons[0].getErrorMessage() == reasons[1].getErrorMessage()
    assert reasons[0].parents == reasons[1].parents
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "Traceback" not in caplog.text


def test_an_anonymous_user_reaches_the_realm_as_the_anonymous_marker() -> None:
    """B147."""
    loop, realm = met()
    avatar = result(loop, log_in(loop.root, cred.Anonymous()))

    assert realm.asked[0][0] is cred.ANONYMOUS
    assert result(loop, avatar.callRemote("whoami")) == "anonymous"


def test_the_kind_of_credentials_chooses_among_several_checkers() -> None:
    """B148."""
    loop, realm = met()
    kept = [enter(loop), result(loop, log_in(loop.root, cred.Anonymous()))]

    assert [avatar_id for avatar_id, *_ in realm.asked] == [b"ada", cred.ANONYMOUS]
    del kept


def test_one_connection_may_log_in_several_times() -> None:
    """B149."""
    loop, _ = met()
    logins = [
        log_in(loop.root, cred.UsernamePassword("ada", "lovelace")),
        log_in(loop.root, cred.Anonymous()),
        log_in(loop.root, cred.UsernamePassword("bob", "builder")),
    ]
    avatars = result(loop, gatherResults(logins))

    assert [result(loop, each.callRemote("whoami")) for each in avatars] == ["ada", "anonymous", "bob"]


def test_a_login_is_challenge_and_response_and_the_password_is_not_sent() -> None:
    """B150."""
    loop, _ = met()
    kept = enter(loop)

    _, _, first, second, *_ = said(loop, Side.CLIENT)
    _, _, (_, _, (_, challenge, challenger)), *_ = said(loop, Side.SERVER)
    assert first[1:6] == [1, b"root", b"login", 1, [b"tuple", b"ada"]]
    assert len(challenge) == 16
    assert challenger == [b"remote", 1]
    assert second[2:4] == [1, b"respond"]
    assert len(second[5][1]) == 16
    assert b"lovelace" not in loop.sent[Side.CLIENT]
    del kept


def test_a_server_factory_takes_a_portal_in_place_of_a_root() -> None:
    """B151."""
    factory = pb.PBServerFactory(cred.Portal(Realm(), checkers()))

    assert factory.settings.asks_for_login
    assert not pb.PBServerFactory(pb.Root()).settings.asks_for_login


@pytest.mark.parametrize("given", ["ünal", "ünal".encode()])
def test_an_avatar_id_is_bytes_whatever_the_client_wrote(given: str | bytes) -> None:
    """B152."""
    realm = Realm()
    checker = cred.InMemoryUsernamePasswordDatabaseDontUse()
    checker.addUser(given, "secret")
    loop = loopback(PortalRoot(cred.Portal(realm, [checker])))
    kept = result(loop, log_in(loop.root, cred.UsernamePassword(given, "secret")))

    assert realm.asked[0][0] == "ünal".encode()
    del kept


KEPT = {b"ada": User("ada"), b"bob": User("bob")}
SHARED = User("everybody")

#: How a realm may come by its avatars, and whom ada, bob and two strangers then meet.
DESIGNS: list[Any] = [
    pytest.param(lambda who: User("new"), ["new", "new", "new", "new"], id="made on request"),
    pytest.param(lambda who: KEPT.get(who) or User("guest"), ["ada", "bob", "guest", "guest"], id="there before"),
    pytest.param(lambda who: SHARED, ["everybody"] * 4, id="shared"),
    pytest.param(lambda who: KEPT.get(who, SHARED), ["ada", "bob"] + ["everybody"] * 2, id="shared by strangers"),
]


@pytest.mark.parametrize(("make", "met_by"), DESIGNS)
def test_avatars_may_be_made_kept_or_shared_as_the_realm_likes(make: Callable[[Any], User], met_by: list[str]) -> None:
    """B153."""

    class Designed:
        def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: type) -> Any:
            return pb.IPerspective, make(avatarId), lambda: None

    loop, _ = met(Designed())
    avatars = [enter(loop, "ada"), enter(loop, "bob")]
    avatars += [result(loop, log_in(loop.root, cred.Anonymous())) for _ in range(2)]

    assert [result(loop, avatar.callRemote("whoami")) for avatar in avatars] == met_by


def test_a_temporary_avatar_vanishes_with_its_connection() -> None:
    """B154."""
    born: list[weakref.ref[User]] = []

    @cred.realm
    def temporary(name: str | None, mind: Any) -> User:
        avatar = User("passing by")
        born.append(weakref.ref(avatar))
        return avatar

    loop, _ = met(temporary)
    kept = result(loop, log_in(loop.root, cred.Anonymous()))
    gc.collect()
    assert born[0]() is not None

    loop.lose()
    del kept
    gc.collect()
    assert born[0]() is None


def test_one_avatar_may_serve_several_connections_and_update_them_all() -> None:
    """B155."""
    realm, minds = Realm(), [Mind(), Mind()]
    loops = [met(realm)[0] for _ in minds]
    kept = [enter(loop, "ada", mind) for loop, mind in zip(loops, minds, strict=True)]
    assert len(realm.avatars[b"ada"].minds) == 2

    realm.avatars[b"ada"].update("to all of me")
    for loop in loops:
        loop.run()
    assert [mind.heard for mind in minds] == [["to all of me"], ["to all of me"]]

    loops[0].lose()
    assert len(realm.avatars[b"ada"].minds) == 1
    del kept


def test_an_avatar_hears_of_minds_that_come_and_go(capsys: pytest.CaptureFixture[str]) -> None:
    """B156."""
    loop, _ = met()
    kept = enter(loop, "ada", Mind())
    loop.lose()

    attached, detached = capsys.readouterr().out.splitlines()
    assert attached.startswith("attached to <RemoteReference")
    assert detached.startswith("detached from <RemoteReference")
    del kept


def test_an_avatar_is_not_returned_from_a_method() -> None:
    """B157: it has no flavor, so the call fails and says so."""
    loop, _ = met()
    reason = failure(loop, enter(loop).callRemote("give", "avatar"))

    assert reason.check(pb.InsecureJelly)
    assert "User" in reason.getErrorMessage()


def test_a_user_holds_his_own_avatar_and_no_other() -> None:
    """B158."""
    loop, realm = met()
    another = loopback(PortalRoot(cred.Portal(realm, checkers())))
    ada, bob = enter(loop, "ada"), enter(another, "bob")

    for luid in range(20):
        forged = pb.RemoteReference(None, loop.client, luid, owed=0)
        if luid != ada.luid:
            assert failure(loop, forged.callRemote("whoami")).check(pb.Error)
    assert result(loop, ada.callRemote("whoami")) == "ada"
    assert result(another, bob.callRemote("whoami")) == "bob"


# --------------------------------------------------------------------------------------- Viewable and the chat


class Group(pb.Viewable):
    """A chat group: who speaks is told by the perspective, and by nothing that a client sends."""

    def __init__(self, name: str, allowMattress: bool = True) -> None:
        self.name = name
        self.allowMattress = allowMattress
        self.users: list[Any] = []

    def view_send(self, from_user: Any, message: str) -> None:
        if not self.allowMattress and "mattress" in message:
            raise ValueError("Don't say that word")
        for user in self.users:
            user.send(f"<{from_user.name}> says: {message}")

    def view_who(self, perspective: Any, *args: Any) -> list[Any]:
        return [perspective.name, *args]


GROUP = Group("#shared")


class Chatter(User):
    groups: dict[str, Group]

    def send(self, message: str) -> None:
        for mind in self.minds:
            mind.callRemote("print", message)

    def perspective_joinGroup(self, name: str, allowMattress: bool = True) -> Group:
        group = self.groups.setdefault(name, Group(name, allowMattress))
        group.users.append(self)
        return group


class Chat:
    """A chat server and the connections of its users."""

    def __init__(self) -> None:
        groups: dict[str, Group] = {}
        self.groups = groups

        def make(name: str | None, mind: Any) -> Chatter:
            chatter = Chatter(name or "")
            chatter.groups = groups
            chatter.minds.append(mind)
            return chatter

        self.portal = cred.Portal(cred.realm(make), checkers())
        self.loops: dict[str, Loopback] = {}
        self.minds: dict[str, Mind] = {}
        self.avatars: dict[str, Any] = {}

    def enter(self, name: str) -> None:
        self.loops[name] = loopback(PortalRoot(self.portal))
        self.minds[name] = Mind()
        self.avatars[name] = enter(self.loops[name], name, self.minds[name])

    def ask(self, name: str, reference: Any, method: str, *args: Any) -> Any:
        answer = result(self.loops[name], reference.callRemote(method, *args))
        for loop in self.loops.values():
            loop.run()
        return answer

    def join(self, name: str, group: str, *args: Any) -> Any:
        return self.ask(name, self.avatars[name], "joinGroup", group, *args)

    def heard(self) -> dict[str, list[str]]:
        return {name: mind.heard for name, mind in self.minds.items()}


@pytest.fixture
def chat() -> Chat:
    chat = Chat()
    for name in USERS:
        chat.enter(name)
    return chat


def test_a_viewable_is_lent_as_a_viewpoint(chat: Chat) -> None:
    """B159."""
    group = chat.join("ada", "#lookingForFourth")
    (lent,) = [
        entry.thing for entry in chat.loops["ada"].server.ours.exports.values() if isinstance(entry.thing, pb.ViewPoint)
    ]

    assert type(group) is pb.RemoteReference
    assert lent.object is chat.groups["#lookingForFourth"]
    assert lent.perspective.name == "ada"


def test_a_view_method_gets_the_avatar_through_which_the_reference_was_sent(chat: Chat) -> None:
    """B160."""
    group = chat.join("ada", "#group")

    assert chat.ask("ada", group, "who", 1, "two") == ["ada", 1, "two"]


def test_two_users_of_one_viewable_are_told_apart(chat: Chat) -> None:
    """B161."""
    groups = {name: chat.ask(name, chat.avatars[name], "give", "group") for name in USERS}

    assert {name: chat.ask(name, group, "who") for name, group in groups.items()} == {"ada": ["ada"], "bob": ["bob"]}


def test_a_client_cannot_forge_who_it_is(chat: Chat) -> None:
    """B162."""
    group = chat.join("ada", "#group")

    assert chat.ask("ada", group, "who", chat.avatars["ada"], "bob")[0] == "ada"
    reason = failure(chat.loops["ada"], group.callRemote("who", perspective="bob"))
    assert reason.check(TypeError)


class Member(pb.Referenceable):
    """The manual's earlier chat: a user object that its client may present."""

    def __init__(self, name: str) -> None:
        self.name = name


class OpenGroup(pb.Referenceable):
    """Believes whom it is told; with *checks* it wants to see a Member."""

    def __init__(self, name: str, *, checks: bool = False) -> None:
        self.name = name
        self.checks = checks
        self.said: list[str] = []

    def remote_sendAs(self, name: str, message: str) -> None:
        self.said.append(f"<{name}> says: {message}")

    def remote_send(self, from_user: Any, message: str) -> None:
        if self.checks and not isinstance(from_user, Member):
            raise TypeError("a message comes from a member")
        self.said.append(f"<{from_user.name}> says: {message}")


class EarlyChat(pb.Root):
    def __init__(self, group: OpenGroup) -> None:
        self.member, self.group = Member("alice"), group

    def remote_enter(self) -> Any:
        return self.member, self.group


def test_a_name_as_argument_can_be_spoofed_and_an_object_cannot() -> None:
    """B163."""
    loop = loopback(EarlyChat(group := OpenGroup("#twisted")))
    member, room = result(loop, loop.root.callRemote("enter"))

    result(loop, room.callRemote("sendAs", "bob", "I am bob"))
    result(loop, room.callRemote("send", member, "I am alice"))
    assert group.said == ["<bob> says: I am bob", "<alice> says: I am alice"]
    assert failure(loop, room.callRemote("send", Member("bob"), "I am bob")).check(AttributeError)


def test_without_a_check_a_client_presents_another_object_that_it_holds() -> None:
    """B164."""
    loop = loopback(EarlyChat(group := OpenGroup("#twisted")))
    _, room = result(loop, loop.root.callRemote("enter"))
    result(loop, room.callRemote("send", room, "hi everybody"))

    assert group.said == ["<#twisted> says: hi everybody"]


def test_a_check_of_the_arguments_class_closes_that_hole() -> None:
    """B165."""
    loop = loopback(EarlyChat(group := OpenGroup("#twisted", checks=True)))
    member, room = result(loop, loop.root.callRemote("enter"))

    assert failure(loop, room.callRemote("send", room, "hi everybody")).check(TypeError)
    result(loop, room.callRemote("send", member, "hi everybody"))
    assert group.said == ["<alice> says: hi everybody"]


def test_a_forbidden_word_is_an_error_for_its_sender_and_noise_for_the_server(
    chat: Chat, caplog: pytest.LogCaptureFixture
) -> None:
    """B166."""
    group = chat.join("ada", "#polite", False)
    with caplog.at_level(logging.ERROR):
        reason = failure(chat.loops["ada"], group.callRemote("send", "nice mattress"))

    assert reason.check(ValueError)
    assert reason.getErrorMessage() == "Don't say that word"
    assert "Peer will receive following PB traceback" in caplog.text
    assert chat.heard() == {"ada": [], "bob": []}


def test_a_message_says_who_says_it(chat: Chat) -> None:
    """B167."""
    group = chat.join("ada", "#group")
    chat.ask("ada", group, "send", "You can call me Al.")

    assert chat.minds["ada"].heard == ["<ada> says: You can call me Al."]


def test_the_first_to_join_a_group_creates_it(chat: Chat) -> None:
    """B168."""
    assert chat.groups == {}
    groups = {name: chat.join(name, "#group") for name in USERS}

    assert list(chat.groups) == ["#group"]
    assert [user.name for user in chat.groups["#group"].users] == list(USERS)
    assert all(type(group) is pb.RemoteReference for group in groups.values())


def test_all_members_hear_a_message_its_sender_too(chat: Chat) -> None:
    """B169."""
    group = chat.join("ada", "#group")
    kept = chat.join("bob", "#group")
    chat.ask("ada", group, "send", "hello")

    assert chat.heard() == {"ada": ["<ada> says: hello"], "bob": ["<ada> says: hello"]}
    del kept


# --------------------------------------------------------------------------------------- Cred by itself


def logged_in(portal: cred.Portal, credentials: object, *interfaces: type) -> Any:
    got: list[Any] = []
    portal.login(credentials, "the mind", *interfaces or (pb.IPerspective,)).addBoth(got.append)
    return got[0]


def test_a_portals_login_gives_interface_avatar_and_logout() -> None:
    """B170."""
    portal = cred.Portal(realm := Realm(), checkers())
    interface, avatar, logout = logged_in(portal, cred.UsernamePassword("ada", "lovelace"))

    assert interface is pb.IPerspective
    assert avatar is realm.avatars[b"ada"]
    assert avatar.minds == ["the mind"]
    logout()
    assert avatar.minds == []


def test_a_checker_is_registered_for_the_interfaces_given_or_else_for_its_own() -> None:
    """B171."""
    checker = cred.InMemoryUsernamePasswordDatabaseDontUse(**USERS)
    portal = cred.Portal(Realm())
    portal.registerChecker(checker)
    assert portal.listCredentialsInterfaces() == list(checker.credentialInterfaces)

    narrow = cred.Portal(Realm())
    narrow.registerChecker(checker, cred.IUsernamePassword)
    assert narrow.listCredentialsInterfaces() == [cred.IUsernamePassword]


def test_credentials_that_no_checker_takes_fail_the_login() -> None:
    """B172."""
    reason = logged_in(cred.Portal(Realm(), [cred.AllowAnonymousAccess()]), cred.UsernamePassword("ada", "x"))

    assert reason.check(UnhandledCredentials)
    assert reason.check(LoginFailed)


def test_a_checker_raises_or_gives_a_name_or_anonymous() -> None:
    """B173."""

    class Checker:
        credentialInterfaces = (cred.IUsernamePassword,)

        def __init__(self, answer: Callable[[], Any]) -> None:
            self.answer = answer

        def requestAvatarId(self, credentials: Any) -> Any:
            return self.answer()

    def refuse() -> Any:
        raise UnauthorizedLogin

    seen: list[Any] = []
    for answer in (refuse, lambda: b"ada", lambda: cred.ANONYMOUS):
        realm = Realm()
        got = logged_in(cred.Portal(realm, [Checker(answer)]), cred.UsernamePassword("ada", "x"))
        seen.append(type(got.value) if isinstance(got, Failure) else realm.asked[0][0])

    assert seen == [UnauthorizedLogin, b"ada", cred.ANONYMOUS]


def test_a_realm_may_make_a_new_user_at_his_first_login() -> None:
    """B174: whoever reaches it has proved who he is."""
    portal = cred.Portal(realm := Realm(), checkers())
    assert realm.avatars == {}
    logged_in(portal, cred.UsernamePassword("ada", "lovelace"))
    logged_in(portal, cred.UsernamePassword("mallory", "guess"))

    assert list(realm.avatars) == [b"ada"]
