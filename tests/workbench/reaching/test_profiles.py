"""Profiles: what their file may say, and what is wrong with it in a sentence. Passwords, which nobody sees."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from pbshell import pb
from pbshell.cred import Anonymous, UsernamePassword
from pbshell.errors import UsageError
from pbshell.net.endpoints import ConnectTCP, ConnectTLS
from pbshell.workbench.reaching.passwords import NoPassword, is_source, password_from
from pbshell.workbench.reaching.profiles import KEYS, Profile, add, load, mind_of, names, remove
from pbshell.workbench.typed.mind import Mind

FULL = """\
# the real one
[prod]
target = "pb.example.org:8789"   # behind the wall
user = "alice"
password = "env:PROD_PASSWORD"
tls-ca = "ca.pem"
tls-name = "pb"
mind = "pb.Referenceable()"
as = "p"
timeout = "500ms"
commands = ["import this", ":trace on"]
trace = true

[local]
target = "localhost:8789"
anonymous = true
timeout = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "profiles.toml"
    path.write_text(FULL)
    return path


def test_a_profile_says_all_that_it_takes_to_connect(file: Path) -> None:
    assert names(file) == ["prod", "local"]
    assert load("@prod", file) == Profile(
        name="prod",
        target="pb.example.org:8789",
        user="alice",
        password="env:PROD_PASSWORD",
        tls_ca=str(file.parent / "ca.pem"),
        tls_name="pb",
        mind="pb.Referenceable()",
        as_name="p",
        timeout=0.5,
        commands=("import this", ":trace on"),
        trace=True,
    )
    assert load("prod", file).endpoint() == ConnectTLS("pb.example.org", 8789, ca=str(file.parent / "ca.pem"))
    assert load("local", file).endpoint() == ConnectTCP("localhost", 8789)
    assert load("local", file).timeout == 3


def test_a_file_that_is_not_there_has_no_profiles(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"

    assert names(path) == []
    with pytest.raises(UsageError, match=r"there is no profile @x; there is none yet: pbshell profile add NAME TARGET"):
        load("x", path)


def test_a_profile_that_is_not_there_is_perhaps_another(file: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no profile @pord; did you mean @prod\?"):
        load("@pord", file)
    with pytest.raises(UsageError, match=r"there is no profile @zzzzz; there are @prod, @local"):
        load("@zzzzz", file)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[a]\ntarget = "h:1"\nusr = "x"', "line 3: profile @a: there is no 'usr'; did you mean user?"),
        ('[a]\ntarget = "h:1"\npw = "x"', "line 3: profile @a: there is no 'pw'; did you mean password?"),
        ('[a]\ntarget = "h:1"\nzzz = "x"', "line 3: profile @a: there is no 'zzz'; there are target, user, "),
        ('[b]\ntarget = "h:1"\n\n[a]\nuser = "x"', "line 4: profile @a: it has no target"),
        ('[a]\ntarget = "h"', "line 2: profile @a: endpoint 'h'"),
        ("[a]\ntarget = 1", "line 2: profile @a: target is a text in quotes"),
        ('[a]\ntarget = "h:1"\ntrace = "yes"', "line 3: profile @a: trace is true or false"),
        ('[a]\ntarget = "h:1"\ntimeout = "soon"', 'line 3: profile @a: timeout is a time: "10s", "500ms" or "2m"'),
        ('[a]\ntarget = "h:1"\ntimeout = true', "line 3: profile @a: timeout is a time"),
        ('[a]\ntarget = "h:1"\ncommands = ":trace on"', "line 3: profile @a: commands is a list of texts"),
        ('[a]\ntarget = "h:1"\nanonymous = true\nuser = "x"', "line 3: profile @a: who is anonymous has no user"),
        ('["\\u001b[2J"]\ntarget = "h:1"', r": profile @\x1b[2J: '\x1b[2J' is no name: it has letters, digits"),
        ("a = 1", "line 1: 'a' stands outside of a profile: begin one with [NAME]"),
        ("[a\ntarget", " is no TOML: "),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_line(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    name = "\x1b[2J" if "u001b" in text else "a"

    with pytest.raises(UsageError) as caught:
        load(name, path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", ["hunter2", "env:", "keyring:hunter2", "ask hunter2", "plain:hunter2"])
def test_a_password_in_the_file_is_refused_and_not_repeated(value: str, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(f'[a]\ntarget = "h:1"\nuser = "x"\npassword = "{value}"\n')

    with pytest.raises(UsageError) as caught:
        load("a", path)
    assert "line 4" in str(caught.value)
    assert "says where the password is, and never what it is: ask, env:VARIABLE, file:PATH or keyring" in str(
        caught.value
    )
    assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b"\xff")
    for each, reason in ((path, "it is not UTF-8"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=f"the profiles in {each} cannot be read: {reason}"):
            load("a", each)


def test_writing_keeps_what_is_there_with_its_comments(file: Path) -> None:
    file.chmod(0o640)
    new = Profile("new", "h:1", user="bob", password="keyring", timeout=2, commands=("x",), as_name="n")
    add(new, file)

    assert file.read_text().startswith(FULL)
    assert load("new", file) == new
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    remove("@new", file)
    assert file.read_text().strip() == FULL.strip()
    remove("local", file)
    assert names(file) == ["prod"]
    assert "# behind the wall" in file.read_text()
    assert list(file.parent.iterdir()) == [file]


def test_the_first_profile_makes_the_file_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles" / "p.toml", tmp_path / "config" / "p.toml"
    link.parent.mkdir()
    link.symlink_to(real)

    assert add(Profile("a", "h:1"), link) == link
    assert link.is_symlink()
    assert names(real) == ["a"]


def test_what_cannot_be_written_is_one_sentence(file: Path) -> None:
    with pytest.raises(UsageError, match="there is a profile @prod already: pbshell profile rm prod removes it"):
        add(Profile("prod", "h:1"), file)
    with pytest.raises(UsageError, match="'a b' is no name"):
        add(Profile("a b", "h:1"), file)
    with pytest.raises(UsageError, match=r"there is no profile @pord; did you mean @prod\?"):
        remove("pord", file)
    (file.parent / "link.toml").symlink_to("/dev/null/nowhere/p.toml")
    with pytest.raises(UsageError, match=r"link.toml cannot be (read|written): Not a directory"):
        add(Profile("a", "h:1"), file.parent / "link.toml")


def test_the_page_on_profiles_has_every_key_and_its_example_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/reference/profiles.md").read_text()
    (example,) = re.findall(r"<!-- profiles -->\n```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "profiles.toml"
    path.write_text(example)

    assert load("prod", path).commands == ("import pond_classes", ":trace on")
    assert load("demo", path).anonymous
    rows = re.findall(r"^\| (`.*?`) \| ", page.partition("## Keys")[2].partition("\n## ")[0], re.MULTILINE)
    assert {key for row in rows for key in re.findall(r"`([\w-]+)`", row)} == set(KEYS.values())


# ------------------------------------------------------------------------------------------------ credentials


def never() -> str:
    raise AssertionError("nobody is to be asked")


def test_the_credentials_of_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "x")

    assert Profile().credentials(never) is None
    assert isinstance(Profile(anonymous=True).credentials(never), Anonymous)
    for profile in (Profile(user="a", password="env:PW"), Profile(user="a"), Profile(user="a", password="ask")):
        given = profile.credentials(lambda: "x")
        assert isinstance(given, UsernamePassword)
        assert given.checkPassword(b"x")
    with pytest.raises(UsageError, match="a password is for a user"):
        Profile(password="ask").credentials(never)
    with pytest.raises(NoPassword, match="there is no terminal to ask for the password at"):
        Profile(user="a").credentials(None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_password_file_that_others_may_use_is_refused_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "pass word"
    path.write_text("secret\nmore\n")
    path.chmod(mode)

    with pytest.raises(NoPassword) as caught:
        password_from(f"file:{path}", never)
    assert str(caught.value) == f"others may read the password's file: chmod 600 '{path}'"
    path.chmod(0o600)
    assert password_from(f"file:{path}", never) == "secret"


def test_a_pipe_is_a_password_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"secret\n")
    os.close(writing)

    assert password_from(f"file:/dev/fd/{reading}", never) == "secret"
    os.close(reading)


def test_what_is_no_source_of_a_password_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for source, sentence in (
        ("env:hunter2", "the environment variable for the password is not set: give its name, without a $"),
        ("file:/no/hunter2", "the password's file cannot be read: No such file or directory"),
        (f"file:{tmp_path}/binary", "others may read"),
    ):
        with pytest.raises(NoPassword, match=sentence.replace("$", r"\$")) as caught:
            password_from(source, never)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("ask", True),
        ("keyring", True),
        ("env:X", True),
        ("file:x", True),
        ("env:", False),
        ("ask:", False),
        ("", False),
    ],
)
def test_a_source_is_known_by_its_form(text: str, known: bool) -> None:
    assert is_source(text) is known


class Ring(KeyringBackend):
    """A keyring with one password."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        if username == "locked":
            raise KeyringError("it is locked\x1b[2J")
        return "from the ring" if (service, username) == ("pbshell/prod", "alice") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("nothing is written into it")


def test_a_password_may_be_in_the_keyring() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())  # type: ignore[no-untyped-call]  # of the base class
    try:
        given = Profile("prod", "h:1", user="alice", password="keyring").credentials(never)
        assert given.checkPassword(b"from the ring")
        with pytest.raises(NoPassword, match=r"the keyring has no password for it: keyring set pbshell/prod bob$"):
            password_from("keyring", never, user="bob", profile="prod")
        with pytest.raises(NoPassword) as caught:
            password_from("keyring", never, user="locked", profile="prod")
        assert str(caught.value) == r"the keyring cannot be read: it is locked\x1b[2J"
    finally:
        keyring.set_keyring(before)


def test_without_the_package_the_keyring_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)

    with pytest.raises(NoPassword, match=r"pip install 'pbshell\[keyring\]'"):
        password_from("keyring", never, user="a", profile="p")


# ------------------------------------------------------------------------------------------------ minds


def test_a_mind_is_python_or_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minds_of_mine.py").write_text(
        "from pbshell import pb\nclass Ear(pb.Referenceable): pass\near = Ear()\nbad = 1\n"
    )
    mine = Mind()

    assert mind_of("mine", {"mine": mine}) is mine
    assert isinstance(mind_of("pb.Referenceable", {"pb": pb}), pb.Referenceable)
    assert type(mind_of("minds_of_mine:Ear", {})).__name__ == "Ear"
    assert mind_of("minds_of_mine:ear", {}) is not mind_of("minds_of_mine:Ear", {})
    for text, sentence in (
        ("1", "the mind 1 is no pb.Referenceable: a server could not call it"),
        ("minds_of_mine:bad", "is no pb.Referenceable"),
        ("x +", "the mind x + cannot be made: SyntaxError: "),
        ("nothing", "the mind nothing cannot be made: NameError: name 'nothing' is not defined"),
        ("minds_of_mine:Nose", "the mind minds_of_mine:Nose cannot be made: AttributeError: "),
        ("no_such_module:X", "the mind no_such_module:X cannot be made: ModuleNotFoundError: "),
    ):
        with pytest.raises(UsageError) as caught:
            mind_of(text, {})
        assert sentence in str(caught.value)
