"""`pbshell profile`, and `@NAME` where a target stands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.pond.running import PASSWORD, Outcome, Pond, pbshell


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has no profiles yet."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}


def profile_file(home: dict[str, str]) -> Path:
    return Path(home["XDG_CONFIG_HOME"]) / "pbshell/profiles.toml"


def test_a_profile_from_its_first_day_to_its_last(pond: Pond, home: dict[str, str], tmp_path: Path) -> None:
    def run(*words: str) -> Outcome:
        return pbshell(*words, env=home, cwd=tmp_path)

    assert run("profile", "list").err == "pbshell: there are no profiles yet: pbshell profile add NAME TARGET\n"
    password = tmp_path / "pw"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    login = ["--user", "alice", "--password-file", "pw"]
    added = run("profile", "add", "gate", pond.gate, *login, "--as", "g", "-c", "x = 5", "--timeout", "20s")
    assert (added.code, added.err) == (0, f"pbshell: @gate is in {profile_file(home)}\n")
    ring = run("profile", "add", "ring", "localhost:1", "--user", "bob", "--keyring")
    assert ring.err.endswith("  put the password there: keyring set pbshell/ring bob\n")

    assert run("profile", "list").out == f"@gate  {pond.gate}   as alice\n@ring  localhost:1   as bob\n"
    assert run("profile", "list", "--names").out == "gate\nring\n"
    (gate, _) = map(json.loads, run("profile", "list", "--json").out.splitlines())
    said = {"target": pond.gate, "user": "alice", "password": f"file:{password}", "as": "g", "timeout": "20s"}
    assert gate == {"v": 1, "kind": "profile", "name": "gate", **said, "commands": ["x = 5"]}
    assert f'password = "file:{password}"' in run("profile", "show", "@gate").out

    assert run("@gate", "-c", "await root.callRemote('whoami'), x, list(sh._bench.connections)").out == (
        "('alice', 5, ['g'])\n"
    )
    assert run("call", "@gate", "whoami", "--anonymous").out == "'anonymous'\n"
    assert run("profile", "rm", "gate").err == f"pbshell: @gate is removed from {profile_file(home)}\n"
    gone = run("@gate", "-c", "1")
    assert (gone.code, gone.err) == (2, "pbshell: there is no profile @gate; there is @ring\n")
    assert PASSWORD not in profile_file(home).read_text()


def test_a_profile_is_tested_step_by_step(pond: Pond, home: dict[str, str]) -> None:
    pbshell("profile", "add", "pond", pond.root, env=home)

    tested = pbshell("profile", "test", "pond", env=home)
    assert (tested.code, tested.err) == (0, "")
    assert "root" in tested.out
    assert pbshell("profile", "test", "pnod", env=home).err == (
        "pbshell: there is no profile @pnod; did you mean @pond?\n"
    )


def test_one_that_is_wrong_hides_no_other(home: dict[str, str]) -> None:
    file = profile_file(home)
    file.parent.mkdir(parents=True)
    file.write_text('[a]\ntarget = "h:1"\npassword = "hunter2"\n[b]\ntarget = "h:2"\n')

    outcome = pbshell("profile", "list", env=home)

    assert (outcome.code, outcome.out) == (0, "@b  h:2\n")
    assert outcome.err.startswith(f"pbshell: {file}, line 3: profile @a: password says where the password is")
    (broken, _) = map(json.loads, pbshell("profile", "list", "--json", env=home).out.splitlines())
    assert set(broken) == {"v", "kind", "name", "error"}
    for words in (["@a", "-c", "1"], ["profile", "show", "a"], ["call", "@a", "f"]):
        assert "hunter2" not in "".join(map(str, vars(pbshell(*words, env=home)).values()))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a", "@b"], "the target of a profile is HOST:PORT, tls:HOST:PORT or unix:PATH, and no other profile"),
        (["a", "host"], "endpoint 'host'"),
        (["a/b", "h:1"], "'a/b' is no name"),
        (["a", "h:1", "--keyring"], "--keyring is for a --user NAME whose password comes from nowhere else"),
        (["a", "h:1", "--password", "hunter2"], "a password is never written on the command line"),
    ],
)
def test_what_makes_no_profile_is_one_sentence(words: list[str], sentence: str, home: dict[str, str]) -> None:
    outcome = pbshell("profile", "add", *words, env=home)

    assert (outcome.code, outcome.out) == (2, "")
    assert sentence in outcome.err.splitlines()[0]
    assert "hunter2" not in outcome.err
    assert not profile_file(home).exists()


def test_the_keyring_of_the_system_is_asked_where_a_profile_says_so(
    pond: Pond, home: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "ring_of_mine.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Ring(KeyringBackend):\n"
        "    priority = 1\n"
        f"    known = {{('pbshell/gate', 'alice'): {PASSWORD!r}}}\n"
        "    def get_password(self, *words): return self.known.get(words)\n"
        "    def set_password(self, *words): raise AssertionError\n"
    )
    import os

    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    env = {**home, "PYTHONPATH": path, "PYTHON_KEYRING_BACKEND": "ring_of_mine.Ring"}
    pbshell("profile", "add", "gate", pond.gate, "--user", "alice", "--keyring", env=env)

    assert pbshell("call", "@gate", "whoami", env=env).out == "'alice'\n"
    locked = pbshell("call", "@gate", "whoami", env={**env, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    assert locked.code == 2
    assert locked.err.startswith("pbshell: the keyring cannot be read: ")


def test_the_file_of_profiles_is_as_open_as_any_other(home: dict[str, str]) -> None:
    pbshell("profile", "add", "a", "h:1", env=home)

    other = profile_file(home).parent / "other"
    other.touch()
    assert stat.S_IMODE(profile_file(home).stat().st_mode) == stat.S_IMODE(other.stat().st_mode)
