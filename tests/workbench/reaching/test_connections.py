"""Several connections at once: made, used, lost, made again, and how each of them stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell.errors import DeadReferenceError, UsageError
from pbshell.net.server import Server
from pbshell.workbench.commands import perform
from pbshell.workbench.commands.connections import Closed, Connected, InUse, LoggedIn, MindRow
from pbshell.workbench.exitcodes import ExitCode
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.problems import Told, what_happened
from pbshell.workbench.reaching.connections import ConnDetail, Connections, ConnRow
from pbshell.workbench.reaching.passwords import NoPassword
from pbshell.workbench.reaching.profiles import Profile, add
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import Notes, connected, portal
from tests.workbench.bench import Server as Root

ALICE = UsernamePassword("alice", "wonderland")


@asynccontextmanager
async def gate() -> AsyncIterator[str]:
    """The target of a server with an account for alice."""
    async with pb.serve(portal(), "tcp:0") as server:
        yield f"127.0.0.1:{server.port}"


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Workbench, Notes, Server]]:
    """A workbench without a connection, and a server for it."""
    notes = Notes()
    bench = Workbench(notes.told.append)
    async with pb.serve(Root(), "tcp:0") as server:
        try:
            yield bench, notes, server
        finally:
            await bench.close()


async def ended(bench: Workbench, name: str) -> None:
    """End the connection as if its server had."""
    connection = bench.connections[name].connection
    connection.abort()
    await connection.wait_closed()


async def row(bench: Workbench, name: str) -> ConnRow:
    rows: Connections = await perform(bench, "conns")
    return next(each for each in rows if each.name == name)


# ------------------------------------------------------------------------------------------------ :connect


async def test_connect_makes_one_more_and_uses_it() -> None:
    async with listening() as (bench, _, server):
        made = await bench.evaluate(f":connect 127.0.0.1:{server.port} as one")

        assert isinstance(made, Connected)
        assert (made.name, made.tls, made.user, bench.current) == ("one", False, "", "one")
        assert str(made).startswith(f"one: connected to 127.0.0.1:{server.port} in ")
        assert str(made).endswith(" ms, cleartext, not logged in")
        two = await bench.evaluate(f"await sh.connect('127.0.0.1:{server.port}', name='two', timeout='5s')")
        assert (two.name, bench.connections["two"].plan.timeout) == ("two", 5.0)
        assert list(bench.namespace["conns"]) == ["one", "two"]
        # The trace calls them so as well, and so do its filters.
        assert [line.conversation.name for line in bench.lines() if line.conversation] == ["one", "two"]
        assert await bench.evaluate("await conns['one'].root.callRemote('echo', 1)") == 1
        with pytest.raises(TypeError):
            await bench.evaluate("conns['three'] = None")


async def test_a_password_comes_from_its_sources_or_from_somebody_who_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wonderland\n")
    secret.chmod(0o600)
    monkeypatch.setenv("PB_PASSWORD", "wonderland")
    questions: list[str] = []

    async def ask(words: str, *, secret: bool = True) -> str:
        questions.append(words)
        return "wonderland"

    async def nobody(words: str, *, secret: bool = True) -> str:
        raise EOFError

    async with listening() as (bench, _, _), gate() as target:
        for words in ("--password-env PB_PASSWORD", f"--password-file {secret}"):
            assert (await perform(bench, f"connect {target} --user alice {words}")).user == "alice"
        with pytest.raises(NoPassword, match="use --password-env or --password-file"):
            await perform(bench, f"connect {target} --user alice")
        bench.ask = ask
        await perform(bench, f"connect {target} --user alice")
        bench.ask = nobody
        with pytest.raises(NoPassword, match="no password was given"):
            await perform(bench, f"connect {target} --user alice")
        given = await bench.namespace["sh"].connect(target, user="alice", credentials=ALICE)

    assert questions == ["Password of alice: "]
    assert given.name == "alice4"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--password hunter2", "a password is never typed in the line: it is asked for, or say --password-env"),
        ("--pasword=hunter2", "a password is never typed in the line"),
        ("--user alice hunter2", "there is a word too many"),
        ("--usr hunter2", "there is no option --usr; did you mean --user?"),
        ("--user", "argument --user: expected one argument"),
        ("--anonymous=hunter2", "argument --anonymous: it takes no value"),
        ("--timeout soon", "'soon' is no time: write 10s, 500ms or 2m"),
        ("as", "behind as stands a name"),
        ("as all", "'all' is no name: it has letters, digits, and _ . @ -"),
        ("as 'a b'", "'a b' is no name"),
        ("as main", "there is a connection 'main' already"),
        ("--mind 1+1", "the mind 1+1 is no pb.Referenceable: a server could not call it"),
        ("--mind nosuch", "the mind nosuch cannot be made: NameError: "),
        ("--password-env PW", "a password is for a user: say which one with --user NAME"),
    ],
)
async def test_what_cannot_be_meant_is_one_sentence(words: str, sentence: str) -> None:
    async with connected() as (bench, _):
        with pytest.raises(UsageError) as caught:
            await perform(bench, f"connect {bench.connections['main'].target} {words}")

    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


async def test_in_a_program_an_option_that_is_none_is_told_as_well() -> None:
    with pytest.raises(UsageError, match="there is no option usr; :help connect"):
        await Workbench().namespace["sh"].connect("127.0.0.1:1", usr="alice")
    with pytest.raises(UsageError, match=r"7 is no pb\.Referenceable"):
        await Workbench().namespace["sh"].connect("127.0.0.1:1", mind=7)
    with pytest.raises(UsageError, match="write :connect TARGET"):
        Workbench().namespace["sh"].connect()


async def test_why_there_is_no_connection_is_told_with_its_exit_code() -> None:
    async with listening() as (bench, _, server), gate() as target:
        with pytest.raises(Told) as refused:
            await perform(bench, "connect 127.0.0.1:1")
        with pytest.raises(Told) as denied:
            await bench.namespace["sh"].connect(target, user="eve", credentials=UsernamePassword("eve", "x"))
        with pytest.raises(Told) as without:
            await perform(bench, f"connect 127.0.0.1:{server.port} --anonymous")

    assert what_happened(refused.value) is refused.value.problem
    assert refused.value.problem.text == "nothing listens at 127.0.0.1:1: the connection was refused"
    codes = [each.value.problem.code for each in (refused, denied, without)]
    assert codes == [ExitCode.NO_CONNECTION, ExitCode.NO_LOGIN, ExitCode.NO_LOGIN]


async def test_a_profile_says_where_and_who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.workbench.reaching.profiles.profiles_file", lambda: tmp_path / "profiles.toml")
    monkeypatch.setenv("PB_PASSWORD", "wonderland")
    async with listening() as (bench, notes, _), gate() as target:
        add(Profile("shop", target, user="alice", password="env:PB_PASSWORD", trace=True, commands=(":conns",)))
        made = await perform(bench, "connect @shop")

        assert (made.name, made.user, bench.tracer.on) == ("shop", "alice", True)
        assert notes.told == ["the commands of @shop are not performed by :connect"]
        assert (await perform(bench, "connect @shop")).name == "shop2"


async def test_whether_others_can_read_along_is_told(tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    place = f"ssl:0:privateKey={tmp_path}/key.pem:certKey={tmp_path}/cert.pem"
    notes = Notes()
    bench = Workbench(notes.told.append)
    async with pb.serve(Root(), place, f"unix:{tmp_path}/socket") as server:
        try:
            made = await perform(bench, f"connect localhost:{server.port} as tls --tls-ca {tmp_path}/ca.pem")
            assert str(made).endswith(" ms, TLS, not logged in")
            detail: ConnDetail = await perform(bench, "conns tls")
            assert detail.row.tls
            assert detail.cipher.startswith("TLSv1.3 with ")
            made = await perform(bench, f"connect unix:{tmp_path}/socket as here")
            assert str(made).endswith(" ms, unix socket, not logged in")
            detail = await perform(bench, "conns here")
            assert (detail.row.tls, detail.cipher, detail.row.unacknowledged) == (False, "", None)
        finally:
            await bench.close()


# ------------------------------------------------------------------------------------------------ which is in use


async def test_use_changes_root_connection_and_mind() -> None:
    async with connected() as (bench, _), gate() as target:
        await bench.connect(target, name="gate", credentials=ALICE, user="alice")
        assert bench.label == "gate"

        assert await perform(bench, "use main") == InUse("main", bench.connections["main"].target)
        assert bench.label == "main"
        names = ("root", "connection", "mind")
        assert [bench.namespace[name] for name in names] == [getattr(bench.connections["main"], name) for name in names]
        with pytest.raises(UsageError, match="there is no open connection 'nosuch': main, gate"):
            await perform(bench, "use nosuch")


async def test_the_only_connection_has_no_label() -> None:
    async with connected() as (bench, _):
        assert bench.label == ""


async def test_close_forgets_the_connection_and_goes_to_another() -> None:
    async with connected() as (bench, notes):
        target = bench.connections["main"].target
        await perform(bench, f"connect {target} as two")

        assert await perform(bench, "close") == Closed("two", "main")
        assert await perform(bench, "close main") == Closed("main", "")
        assert (bench.connections, bench.ended, bench.label, notes.told) == ({}, {}, "", [])
        assert "root" not in bench.namespace
        with pytest.raises(UsageError, match="no connection is in use: there is none; :connect TARGET makes one"):
            await perform(bench, "close")


async def test_close_ends_one_that_a_server_of_ours_has_accepted() -> None:
    async with connected() as (bench, notes):
        await perform(bench, "serve echo")
        (port,) = [each.port for each in bench.servers["echo"].server.endpoints]  # type: ignore[union-attr]  # it is TCP
        await perform(bench, f"connect 127.0.0.1:{port} as client")
        name = next(line.name for line in bench.lines() if line.hosted)
        client = bench.connections["client"].connection

        assert await perform(bench, f"close {name}") == Closed(name, "")
        await client.wait_closed()
        with pytest.raises(UsageError, match=f"there is no connection '{name}': there are main, client \\(ended\\)"):
            await perform(bench, f"close {name}")
        assert [text.partition(":")[0] for text in notes.told] == ["client"]


# ------------------------------------------------------------------------------------------------ the end, and again


async def test_what_has_ended_stays_with_its_reason_until_it_is_made_again() -> None:
    async with connected() as (bench, notes):
        old = bench.namespace["root"]
        await ended(bench, "main")
        assert notes.told[-1].endswith("has ended: aborted on this side; :reconnect makes a new one")
        assert bench.label == "main (ended)"
        found = await row(bench, "main")
        assert (found.state, found.used, found.healthy) == ("ended", True, False)
        assert found.ended is not None
        assert found.verdict
        with pytest.raises(DeadReferenceError):
            await bench.evaluate("await root.callRemote('echo', 1)")
        with pytest.raises(UsageError, match="the connection 'main' has ended: :reconnect main makes a new one"):
            await perform(bench, "use main")

        made = await perform(bench, "reconnect")
        assert str(made).endswith("root is a new one, and references from before are dead")
        assert bench.ended == {}
        assert bench.namespace["root"] is not old
        assert await bench.evaluate("await root.callRemote('echo', 1)") == 1
        assert (await row(bench, "main")).state == "open"


async def test_reconnect_logs_in_again_and_replaces_one_that_is_open() -> None:
    async with listening() as (bench, notes, _), gate() as target:
        await bench.connect(target, credentials=ALICE, user="alice")
        before = bench.connections["alice"].connection

        assert (await perform(bench, "reconnect alice")).user == "alice"
        assert before.closed
        assert notes.told == []
        await bench.evaluate("await root.callRemote('tell', 'print')")
        assert [heard.method for heard in bench.namespace["mind"].heard] == ["print"]


async def test_where_nobody_listens_any_more_the_connection_stays_ended() -> None:
    async with listening() as (bench, _, server):
        await bench.connect(f"127.0.0.1:{server.port}", name="one")
        server.close()
        await server.wait_closed()
        await bench.ended["one"].connection.wait_closed() if "one" in bench.ended else await ended(bench, "one")

        with pytest.raises(Told, match="nothing listens at"):
            await perform(bench, "reconnect one")
        assert list(bench.ended) == ["one"]
        assert await perform(bench, "close one") == Closed("one", "")
        with pytest.raises(UsageError, match="there is no connection 'one' of ours"):
            await perform(bench, "reconnect one")


async def test_a_loss_names_the_connection_where_there_are_several() -> None:
    async with connected() as (bench, notes):
        target = bench.connections["main"].target
        await perform(bench, f"connect {target} as two")
        await ended(bench, "main")

        assert notes.told == [
            f"main: the connection to {target} has ended: aborted on this side; :reconnect main makes a new one"
        ]
        assert bench.label == "two"


# ------------------------------------------------------------------------------------------------ logins, minds


async def test_login_makes_the_avatar_the_root_of_its_connection() -> None:
    async with listening() as (bench, _, _), gate() as target:
        await bench.connect(target, name="one")

        async def ask(words: str, *, secret: bool = True) -> str:
            return "wonderland"

        bench.ask = ask
        assert await perform(bench, "login alice") == LoggedIn("one", "alice")
        assert await bench.evaluate("await root.callRemote('tell', 'print', 'hi')") is None
        assert bench.namespace["root"] is bench.connections["one"].root
        assert (bench.connections["one"].user, bench.connections["one"].plan.user) == ("alice", "alice")
        assert "wonderland" not in repr(bench.connections["one"])
        await perform(bench, "reconnect")
        assert bench.connections["one"].user == "alice"


async def test_a_login_that_is_refused_leaves_everything_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PB_PASSWORD", "wrong")
    async with listening() as (bench, _, _), gate() as target:
        await bench.connect(target, name="one")
        root = bench.namespace["root"]
        with pytest.raises(Told, match="wrong user name or wrong password"):
            await perform(bench, "login alice --password-env PB_PASSWORD")
        for words in ("", "alice --anonymous"):
            with pytest.raises(UsageError, match="say who logs in; :help login says"):
                await perform(bench, f"login {words}")
        with pytest.raises(UsageError, match="there is a word too many"):
            await perform(bench, "login alice secret")

        assert (bench.namespace["root"], bench.connections["one"].user) == (root, "")


@pytest.mark.parametrize("line", ["await connection.login({})", "avatar = await connection.login({})"])
async def test_a_login_typed_as_python_changes_the_root_as_well(line: str) -> None:
    async with listening() as (bench, _, _), gate() as target:
        await bench.connect(target, name="one")
        gone = bench.namespace["root"]
        await bench.evaluate("from pbshell.cred import UsernamePassword")
        await bench.evaluate(line.format("UsernamePassword('alice', 'wonderland'), mind"))

        assert bench.namespace["root"] is not gone
        assert bench.namespace["root"] is bench.connections["one"].root
        assert bench.connections["one"].user == "alice"
        await bench.evaluate("await root.callRemote('tell', 'print')")
        assert len(bench.namespace["mind"].heard) == 1


async def test_a_mind_of_ones_own_is_called_and_its_calls_are_told() -> None:
    async with listening() as (bench, notes, _), gate() as target:
        await bench.evaluate(
            "class Ear(pb.Referenceable):\n    n = 0\n    def remote_add(self, x):\n        return x + 1\n"
        )
        await bench.evaluate(f"await sh.connect({target!r}, name='one')")
        await bench.namespace["sh"].connect(target, user="alice", credentials=ALICE, mind="Ear()")

        assert await bench.evaluate("await root.callRemote('tell', 'add', 41)") == 42
        assert notes.told == ["alice: mind.add(41)"]
        assert await bench.evaluate("mind.n") == 0
        with pytest.raises(pb.RemoteError, match="remote_nosuch"):
            await bench.evaluate("await root.callRemote('tell', 'nosuch')")
        rows: Rows[MindRow] = await perform(bench, "mind")
        assert [(each.connection, each.method, each.call) for each in rows] == [
            ("alice", "add", "mind.add(41)"),
            ("alice", "nosuch", "mind.nosuch()"),
        ]
        assert await perform(bench, "mind one") == []
        with pytest.raises(UsageError, match="there is no connection 'nosuch' of ours: there are one, alice"):
            await perform(bench, "mind nosuch")


async def test_an_attribute_that_a_mind_lacks_is_told() -> None:
    async with connected() as (bench, _):
        with pytest.raises(AttributeError, match="the mind has no 'nosuch'; what it was called with is in mind"):
            await bench.evaluate("mind.nosuch")


# ------------------------------------------------------------------------------------------------ :conns


async def test_conns_has_what_waits_what_is_lent_and_who_is_used() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("things = [await root.callRemote('thing') for _ in range(3)]")
        await bench.evaluate("mine = pb.Referenceable()")
        await bench.evaluate("await root.callRemote('keep', mine)")
        await bench.evaluate("waiting = root.callRemote('never')")
        await bench.connections["main"].connection.drain()

        found = await row(bench, "main")
        assert (found.state, found.used, found.tls, found.healthy) == ("open", True, False, True)
        assert (found.our_calls, found.their_calls) == (1, 0)
        assert (found.ours, found.ours_limit, found.theirs, found.theirs_limit) == (1, 1024, 3, 1024)
        times = (found.up, found.last_in, found.last_out, found.our_oldest)
        assert all(each is not None and each >= 0 for each in times)
        assert found.ours_full is found.theirs_full is None
        detail: ConnDetail = await perform(bench, "conns main")
        assert [(call.what, call.ours) for call in detail.waiting] == [("root.never()", True)]
        assert detail.received > 0
        (said,) = detail.objects()
        assert (said["name"], said["theirs"], said["dialect"]) == ("main", 3, "pb")


async def test_the_rate_of_what_is_lent_tells_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected() as (bench, _):
        await bench.evaluate("things = [await root.callRemote('thing') for _ in range(30)]")
        now = bench.tracer.now
        monkeypatch.setattr("pbshell.workbench.reaching.connections.clock", lambda bench: now + 10)

        found = await row(bench, "main")
        assert 0 < found.theirs_rate < 30
        assert found.theirs_full == pytest.approx((1024 - 30) / found.theirs_rate)


async def test_the_worst_comes_first_then_the_one_in_use_then_what_waits_longest() -> None:
    async with connected() as (bench, _):
        target = bench.connections["main"].target
        for name in ("waits", "gone", "used"):
            await perform(bench, f"connect {target} as {name}")
        await ended(bench, "gone")
        await bench.evaluate("waiting = conns['waits'].root.callRemote('never')")
        await bench.connections["waits"].connection.drain()

        rows: Connections = await perform(bench, "conns")
        assert [each.name for each in rows] == ["gone", "used", "waits", "main"]
        assert [each.healthy for each in rows] == [False, True, True, True]
        assert not rows.folded


async def test_conns_of_a_server_are_those_that_it_has_accepted() -> None:
    async with connected() as (bench, _):
        await perform(bench, "serve echo as e")
        port = bench.servers["e"].server.port
        await perform(bench, f"connect 127.0.0.1:{port} as client")
        await bench.evaluate("await root.callRemote('echo', 1)")

        (found,) = await perform(bench, "conns e")
        number = next(iter(bench.servers["e"].server.connections)).number
        assert (found.name, found.server) == (f"e#{number}", "e")
        assert (await perform(bench, f"conns e#{number}")).row.name == f"e#{number}"
        assert bench.tracer.dissector.connections[number].name == f"e#{number}"
        with pytest.raises(UsageError, match=f"there is no connection 'x': there are main, client, e#{number}$"):
            await perform(bench, "conns x")


async def test_without_a_connection_conns_says_how_to_get_one() -> None:
    rows: Any = await perform(Workbench(), "conns")

    assert (rows, rows.kind) == ([], ConnRow)
    assert ":connect TARGET makes one" in rows.empty


async def test_an_ended_connection_can_be_looked_at() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 1)")
        await ended(bench, "main")
        detail: ConnDetail = await perform(bench, "conns main")

        assert (detail.row.state, detail.waiting, detail.dialect) == ("ended", (), "pb")
        assert detail.row.verdict in detail.verdicts[0]
