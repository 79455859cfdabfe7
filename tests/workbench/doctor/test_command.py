"""`:doctor` at the prompt: the connection in use, another one, a server, a port, a capture."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from pbshell import pb
from pbshell.errors import UsageError
from pbshell.net.socket_tables import NoTables
from pbshell.wire.limits import Limits
from pbshell.workbench.doctor import link
from pbshell.workbench.doctor.capture import CaptureReport
from pbshell.workbench.doctor.meaning import Meaning, meaning_of
from pbshell.workbench.doctor.port import PortReport
from pbshell.workbench.doctor.steps import Checkup, Step
from pbshell.workbench.forms.jsons import lines
from pbshell.workbench.workbench import Workbench
from tests.trace.talking import FOLDER
from tests.workbench.bench import Server, connected

LINUX = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")


async def checkup(bench: Workbench, line: str = ":doctor") -> dict[str, Step]:
    found = await bench.evaluate(line)
    assert isinstance(found, Checkup)
    return {step.name: step for step in found.steps}


async def test_the_connection_in_use_is_examined_without_a_word() -> None:
    async with connected() as (bench, _):
        found = await bench.evaluate(":doctor")
        steps = await checkup(bench, ":doctor main")

    assert isinstance(found, Checkup)
    assert (found.about, found.text) == ("main", "nothing is wrong with main")
    assert steps["tls"].text == "none: cleartext"
    assert steps["dialect"].text == "pb, PB 6"
    assert steps["login"].text == "nobody has logged in"
    assert steps["waiting"].text == "no call waits for an answer"
    assert "lent to us 0 of 16,384" in steps["limits"].text
    assert "B in, the last" in steps["traffic"].text


@LINUX
async def test_the_link_is_what_the_kernel_says_of_both_ends() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('echo', 1)")
        steps = await checkup(bench)

    # Of bytes the acknowledgement may be on its way; all were read, or there would be no answer.
    for name in ("link", "other end"):
        assert steps[name].text.startswith("established, ")
        assert " 0 B unread" in steps[name].text


@pytest.mark.parametrize(("waiting", "told"), [(77, "77 B unacknowledged"), (None, "no table that can be read")])
async def test_a_system_without_tables_tells_what_it_can(
    waiting: int | None, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> None:
        raise NoTables

    monkeypatch.setattr(link, "read_tables", none)
    monkeypatch.setattr(link, "unacknowledged", lambda sock: waiting)
    async with connected() as (bench, _):
        steps = await checkup(bench)

    assert told in steps["link"].text
    assert steps["link"].hint.startswith("netstat -an -p tcp | grep ")
    assert "other end" not in steps


async def test_a_call_that_waits_and_a_limit_that_is_near_are_told() -> None:
    async with connected(limits=Limits(exports=2)) as (bench, _):
        await bench.evaluate("things = [pb.Referenceable(), pb.Referenceable()]")
        await bench.evaluate("await root.callRemote('keep', things)")
        await bench.evaluate("d = root.callRemote('never')")
        await bench.evaluate("await root.callRemote('echo', 1)")
        found = await bench.evaluate(":doctor")
        steps = await checkup(bench)
        await bench.evaluate("_ = d.addErrback(lambda reason: None)")

    assert steps["waiting"].text.startswith("1 call of ours, the oldest for ")
    assert (steps["limits"].state, steps["limits"].text.partition(",")[0]) == ("failed", "lent by us 2 of 2")
    assert found.hint.startswith("something leaks, or Limits(exports=...)")


async def test_a_server_is_examined_and_nobody_logs_in() -> None:
    async with pb.serve(Server(), "tcp:0") as server:
        steps = await checkup(Workbench(), f":doctor 127.0.0.1:{server.port}")

    assert steps["login"].state == "skipped"
    assert steps["version"].state == "ok"


@LINUX
async def test_a_port_is_examined() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = await Workbench().evaluate(f":doctor :{listener.getsockname()[1]}")

    assert isinstance(found, PortReport)
    assert found.conclusions[0].text == "the kernel sees nothing wrong: nobody is connected"


async def test_what_is_found_can_be_written_as_json() -> None:
    async with connected() as (bench, _):
        found = [json.loads(line) for line in lines(await bench.evaluate(":doctor"))]

    assert [each["kind"] for each in found] == ["step"] * (len(found) - 1) + ["conclusion"]
    assert found[-1]["about"] == "main"


async def test_a_capture_is_examined() -> None:
    found = await Workbench().evaluate(f":doctor '{FOLDER / 'buildbot-trouble.pbt'}'")

    assert isinstance(found, CaptureReport)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (":doctor", "there is no connection: write :doctor HOST:PORT"),
        (":doctor :99999", ":99999 is no port of this machine"),
        (":doctor @nosuchprofile", "nosuchprofile"),
        (":doctor /no/such/file", "there is no file /no/such/file; a server is written HOST:PORT"),
        (":doctor /", "/ is a folder"),
        (":doctor 9989", "a port of this machine is written :9989"),
        (":doctor a b", "write :doctor"),
        (f":doctor '{__file__}'", "is no capture"),
    ],
)
async def test_what_is_none_of_them_is_one_sentence(line: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        await Workbench().evaluate(line)

    assert told in str(caught.value)


async def test_a_connection_that_has_ended_is_told() -> None:
    async with connected() as (bench, _):
        bench.connections["main"].connection.close()
        await bench.connections["main"].connection.wait_closed()

        with pytest.raises(UsageError, match="the connection main has ended"):
            await bench.evaluate(":doctor")


def test_a_word_may_be_a_port_a_target_a_socket_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "so:ck"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert meaning_of(str(path)) == Meaning("target", f"unix:{tmp_path}/so\\:ck")
    (tmp_path / "x.pbt").write_text("")
    assert meaning_of(str(tmp_path / "x.pbt")).kind == "file"
    assert meaning_of(":9989") == Meaning("port", ":9989", 9989)
    for word in ("localhost:9989", "[::1]:9989", "tls:h:1", "unix:/a", "@farm"):
        assert meaning_of(word) == Meaning("target", word)
