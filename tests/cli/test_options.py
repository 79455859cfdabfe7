"""Options of `pbshell connect` beside target, login and traffic: names, minds, retrying, JSON, logs, banner."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pexpect
import pytest

from pbshell.cli.session import again
from pbshell.cli.target import history_of
from pbshell.errors import BananaError, PBConnectionLost
from pbshell.workbench.reaching.profiles import Profile
from tests.cli.going import going
from tests.pond.running import PASSWORD, Pond, environment, pbshell

FAILING = ["-c", "1/0", "-c", "root.callRemote('fail')", "-c", "'on'"]


def lines(text: str) -> list[dict[str, object]]:
    assert text.isascii()
    return [json.loads(line) for line in text.splitlines()]


def test_for_programs_each_result_is_an_object_and_so_is_an_error(pond: Pond) -> None:
    commands = ["x = 1", "[x, 'ä', b'\\xff']", "None", "sh.refs()", ":trace", "1/0"]

    outcome = pbshell(pond.root, "--json", *(word for command in commands for word in ("-c", command)))

    assert (outcome.code, outcome.err) == (1, "")
    value, notice, error = lines(outcome.out)
    assert value == {"v": 1, "kind": "value", "value": [1, "ä", {"bytes": "ff"}]}
    assert (notice["v"], notice["kind"]) == (1, "notice")
    assert error == {"v": 1, "kind": "error", "code": 1, "text": "ZeroDivisionError: division by zero"}


def test_for_programs_no_connection_is_an_object_too(pond: Pond, tmp_path: Path) -> None:
    nowhere = pbshell(f"unix:{tmp_path}/none", "--json", "-c", "1")
    refused = pbshell(pond.gate, "--json", "--user", "alice", "--password-env", "PW", "-c", "1", env={"PW": "x"})
    nobody = pbshell(pond.gate, "--json", "--user", "alice", "-c", "1")

    for outcome, code in ((nowhere, 3), (refused, 4), (nobody, 2)):
        (error,) = lines(outcome.out)
        assert (outcome.code, outcome.err) == (code, "")
        assert (error["kind"], error["code"]) == ("error", code)


def test_with_keep_going_the_first_failure_decides_and_the_rest_is_done(pond: Pond) -> None:
    stopping, going_on = pbshell(pond.root, *FAILING), pbshell(pond.root, "--keep-going", *FAILING)
    piped = pbshell(pond.root, "--keep-going", "--timeout", "500ms", stdin="root.callRemote('never')\n1/0\n'on'\n")

    assert (stopping.code, stopping.out) == (1, "")
    assert (going_on.code, going_on.out) == (1, "'on'\n")
    assert going_on.err.startswith("ZeroDivisionError")
    assert "no such step" in going_on.err
    assert (piped.code, piped.out) == (5, "'on'\n")


def test_a_connection_has_the_name_that_it_is_given(pond: Pond) -> None:
    assert pbshell(pond.root, "--as", "pond", "-c", "sh.use('pond').name").out == "'pond'\n"
    refused = pbshell(pond.root, "--as", "a b", "-c", "1")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_a_mind_of_ones_own_is_what_the_server_calls(pond: Pond, tmp_path: Path) -> None:
    (tmp_path / "minds.py").write_text(
        "from pbshell import pb\n"
        "class Ear(pb.Referenceable):\n"
        "    def remote_print(self, text):\n"
        "        return text.upper()\n"
    )
    words = [pond.gate, "--anonymous", "-c", "await root.callRemote('callMe', 'print', 'hello')"]

    assert pbshell(*words, "--mind", "minds:Ear", cwd=tmp_path).out == "'HELLO'\n"
    assert pbshell(*words, "--mind", "__import__('minds').Ear()", env={"PYTHONPATH": path_with(tmp_path)}).out == (
        "'HELLO'\n"
    )
    refused = pbshell(*words, "--mind", "42")
    assert (refused.code, refused.err) == (
        2,
        "pbshell: the mind 42 is no pb.Referenceable: a server could not call it\n",
    )


def path_with(folder: Path) -> str:
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


async def test_attempts_go_on_with_growing_pauses_until_one_works(capsys: pytest.CaptureFixture[str]) -> None:
    errors = [ConnectionRefusedError(), TimeoutError(), PBConnectionLost("gone"), *[ConnectionRefusedError()] * 4]
    slept: list[float] = []

    async def attempt() -> str:
        if errors:
            raise errors.pop(0)
        return "connected"

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert await again(attempt, "pond:1", sleep) == "connected"
    assert slept == [1, 2, 4, 8, 16, 30, 30]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(slept)
    assert said[0].endswith("the connection was refused; next attempt in 1 s, and so on until Ctrl-C")
    assert said[-1].endswith("the connection was refused; next attempt in 30 s")


async def test_who_speaks_something_else_is_not_asked_again() -> None:
    async def attempt() -> None:
        raise BananaError("it is another server")

    async def never(seconds: float) -> None:
        raise AssertionError("there is nothing to wait for")

    with pytest.raises(BananaError):
        await again(attempt, "pond:1", never)


def test_a_server_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    target = f"unix:{tmp_path}/sock"
    with going(target, "--retry", "-c", "await root.callRemote('echo', 'at last')") as waiting:
        waiting.err.wait("next attempt in 1 s")
        with going("serve", "echo", "--listen", target):
            outcome = waiting.end(how=None)

    assert (outcome.code, outcome.out) == (0, "'at last'\n")


def test_a_log_is_for_its_owner_and_grows(pond: Pond, tmp_path: Path) -> None:
    path = tmp_path / "log"
    for _ in range(2):
        outcome = pbshell(pond.root, "--log", str(path), "-vv", "-c", "await root.callRemote('hostile')", "-c", "1")
        assert (outcome.code, outcome.err) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(line.isprintable() for line in path.read_text().splitlines())
    refused = pbshell(pond.root, "--log", str(tmp_path / "no/log"), "-c", "1")
    assert refused.code == 2
    assert refused.err.endswith("/no/log cannot be written: No such file or directory\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dump", "--json"], "pbshell: --dump is for people; for programs: pbshell trace proxy -o json"),
        (["--width", "wide"], "pbshell connect: argument --width: 'wide' is no width"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(words: list[str], sentence: str) -> None:
    outcome = pbshell("localhost:1", *words, "-c", "1")

    assert outcome.code == 2
    assert sentence.removeprefix("pbshell: ") in outcome.out + outcome.err


def test_the_banner_says_where_who_and_who_can_read_along(pond: Pond) -> None:
    def screen(*words: str, columns: int = 100) -> str:
        with pexpect.spawn(
            sys.executable,
            ["-m", "pbshell", *words],
            env=environment(TERM="dumb", PW=PASSWORD),
            encoding="utf-8",
            dimensions=(30, columns),
            timeout=30,
        ) as terminal:
            terminal.expect(r"pb:?\w*> ")
            shown = str(terminal.before)
            terminal.sendeof()
            terminal.expect(pexpect.EOF)
        return shown

    login = [pond.gate, "--user", "alice", "--password-env", "PW"]
    wide = screen(*login, columns=160)
    first, second = wide.split("\r\n")[:2]
    assert first.startswith(f"connected to {pond.gate} in ")
    assert "   PB v6, dialect pb, cleartext (loopback)   logged in as alice   root: perspective" in first
    assert second == "Type Python, or :help.  Tab completes.  F7 trace.  Ctrl-C cancels a call, Ctrl-D leaves."
    narrow = screen(pond.root, columns=60)
    assert max(map(len, narrow.split("\r\n"))) < 60
    assert "(loopback)\r\nnot logged in\r\nroot: root object\r\n" in narrow
    assert screen(pond.root, "--quiet") == ""


def test_json_is_not_for_somebody_who_types(pond: Pond) -> None:
    terminal = pexpect.spawn(
        sys.executable, ["-m", "pbshell", pond.root, "--json"], env=environment(), encoding="utf-8", timeout=30
    )
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert "--json is for statements of -c or from a pipe" in str(terminal.before)
    assert terminal.exitstatus == 2


def test_what_is_typed_is_kept_by_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    assert history_of(Profile("pond", "h:1")) == tmp_path / "pbshell/history/@pond"
    # No profile can be called so.
    assert history_of(Profile(target="h:1")) == tmp_path / "pbshell/history/history"
