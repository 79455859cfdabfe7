"""`pbshell doctor` as a process: what is written where, as words and as JSON, and the exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.pond.running import PASSWORD, Pond, pbshell
from tests.trace.talking import FOLDER

LINUX = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")


def test_a_twisted_server_is_well_and_lets_alice_in(pond: Pond) -> None:
    outcome = pbshell("doctor", pond.gate, "--user", "alice", "--password-env", "PW", env={"PW": PASSWORD})

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[:8]] == ["ok", "ok", "skipped", "ok", "ok", "ok", "ok", "ok"]
    assert lines[-1] == f"{pond.gate} speaks PB and lets you in"
    assert PASSWORD not in outcome.out


def test_a_login_that_is_refused_is_exit_code_4_and_an_object_for_each_step(pond: Pond) -> None:
    words = ("doctor", pond.gate, "--user", "alice", "--password-env", "PW", "--json")
    outcome = pbshell(*words, env={"PW": "wrong"})

    objects = [json.loads(line) for line in outcome.out.splitlines()]
    assert (outcome.code, outcome.err) == (4, "")
    assert {each["v"] for each in objects} == {1}
    assert [each["name"] for each in objects if each["kind"] == "step" and each["state"] == "failed"] == ["login"]
    assert (objects[-1]["kind"], objects[-1]["code"]) == ("conclusion", 4)


def test_the_user_of_a_profile_is_logged_in_only_if_that_is_asked_for(pond: Pond, tmp_path: Path) -> None:
    (tmp_path / "pbshell").mkdir()
    profile = f'[pond]\ntarget = "{pond.gate}"\nuser = "alice"\npassword = "env:PW"\n'
    (tmp_path / "pbshell" / "profiles.toml").write_text(profile)
    env = {"XDG_CONFIG_HOME": str(tmp_path), "PW": PASSWORD}
    alone = pbshell("doctor", "@pond", env=env)
    asked = pbshell("doctor", "@pond", "--user", "alice", env=env)

    assert (alone.code, asked.code) == (0, 0)
    assert "\nskipped  login " in alone.out
    assert "\nok       login       alice is let in" in asked.out


def test_nobody_listens_is_exit_code_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outcome = pbshell("doctor", f"127.0.0.1:{port}")

    assert (outcome.code, outcome.err) == (3, "")
    assert (
        outcome.out.splitlines()[1]
        == f"failed   tcp         127.0.0.1:{port} refuses (" + (outcome.out.splitlines()[1].rpartition("(")[2])
    )
    assert f"\nnothing listens at 127.0.0.1:{port}: the machine is there" in outcome.out


@LINUX
def test_a_server_that_is_blocked_is_exit_code_5_and_its_port_is_in_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as blocked:
        port = blocked.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            outcome = pbshell("doctor", f"127.0.0.1:{port}", "--timeout", "300ms")
            table = pbshell("doctor", f":{port}", "--all", "--width", "80")

    assert (outcome.code, outcome.err) == (5, "")
    assert "its event loop is blocked" in outcome.out
    assert (table.code, table.err) == (1, "")
    assert "connected, and the server has not accepted it" in table.out


def test_a_capture_and_what_is_none(tmp_path: Path) -> None:
    found = pbshell("doctor", str(FOLDER / "buildbot-trouble.pbt"), "--json")
    assert (found.code, found.err) == (0, "")
    assert next(json.loads(line)["kind"] for line in found.out.splitlines()) == "capture"

    (tmp_path / "x").write_text("hello")
    none = pbshell("doctor", "x", cwd=tmp_path)
    assert (none.code, none.out) == (8, "")
    assert none.err.startswith("pbshell: x is no capture")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nosuchfile"], "there is no file nosuchfile; a server is written HOST:PORT, a port of this machine :PORT"),
        ([":x"], ":x is no port of this machine: write :9989"),
        (["localhost:x"], "the port is a number from 1 to 65535"),
        (["localhost:1", "--ask"], "a password is for a user"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_sentence(words: list[str], told: str) -> None:
    outcome = pbshell("doctor", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err
    assert outcome.err.count("\n") == 1


def test_this_machine_is_examined_without_a_word() -> None:
    outcome = pbshell("doctor")

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("ok       pbshell     ")
