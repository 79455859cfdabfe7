"""What was typed, from one session to the next: which lines are written, and for whose eyes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbshell.shell import history
from pbshell.shell.history import FileOfLines, is_secret
from tests.shell.prompting import prompt, until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "history" / "@staging"


def lines(path: Path) -> list[str]:
    """All entries of the file, the last one first."""
    return list(FileOfLines(path).load_history_strings())


def test_what_was_typed_is_there_the_next_time(file: Path) -> None:
    first = FileOfLines(file)
    first.append_string("one")
    first.append_string("for n in x:\n    print(n)\n\n    # blank above")
    FileOfLines(file).append_string("grüße \U0001f600 \udcff\x00\u202e\r+#")

    assert lines(file) == [
        "grüße \U0001f600 \\udcff\x00\u202e\r+#",
        "for n in x:\n    print(n)\n\n    # blank above",
        "one",
    ]


def test_nobody_else_may_read_it(file: Path) -> None:
    FileOfLines(file).append_string("one")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700

    file.chmod(0o644)
    FileOfLines(file).append_string("two")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "credentials = pb.UsernamePassword('alice', 'wonderland')",
        "UsernameHashedPassword('a', 'b')",
        "pw = PASSWD",
        "my_pwd = 'x'",
        "pwd='x'",
        "API_KEY = 5",
        "apikey=5",
        "auth_token: str = 'x'",
        "client_secret = 'x'",
        "open('key', passphrase='x')",
        ":connect h:1 --password-file x",
        "fetch('https://alice:wonderland@example.org/')",
        "login(credentials)",
        "private_key = 'x'",
    ],
)
def test_a_line_that_may_hold_a_secret_is_not_written(file: Path, line: str) -> None:
    kept = FileOfLines(file)
    kept.append_string(line)
    kept.append_string("plain")

    assert is_secret(line)
    assert lines(file) == ["plain"]
    # For as long as the session lasts, it can be called back.
    assert kept.get_strings() == [line, "plain"]


@pytest.mark.parametrize(
    "line", ["root.callRemote('pass_on', 1)", "pass", "https://example.org:80/", "x = a @ b", ":refs", "bypass = 1"]
)
def test_other_lines_are(line: str) -> None:
    assert not is_secret(line)


def test_a_line_behind_a_blank_is_not_written(file: Path) -> None:
    FileOfLines(file).append_string(" x = 'only for me'")
    FileOfLines(file).append_string("x" * 20_001)

    assert not file.exists()


def test_it_does_not_grow_for_ever(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_ENTRIES", 10)
    kept = FileOfLines(file)
    for number in range(11):
        kept.append_string(f"line {number}")

    assert lines(file) == [f"line {number}" for number in range(10, 5, -1)]
    assert lines(file) == [f"line {number}" for number in range(10, 5, -1)]
    assert file.stat().st_mode & 0o777 == 0o600

    monkeypatch.setattr(history, "_BYTES", 100)
    assert lines(file) == ["line 10", "line 9"]


def test_a_file_that_cannot_be_read_or_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    kept = FileOfLines(tmp_path / "occupied" / "history")
    kept.append_string("one")

    assert list(kept.load_history_strings()) == []
    assert list(FileOfLines(tmp_path).load_history_strings()) == []


def test_a_file_of_anything_is_read_as_far_as_it_goes(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\xff\x00garbage\n+\xff\x9b\n\n+two\n+lines")

    assert lines(file) == ["two\nlines", "\ufffd\ufffd"]


async def test_the_prompt_keeps_it_and_searches_it(file: Path) -> None:
    async with prompt(history=file) as screen:
        await screen.type("first = 1")
        await screen.type("token = 2")
    assert lines(file) == ["first = 1"]

    async with prompt(history=file) as screen:
        await until(lambda: bool(screen.repl.history.get_strings()))
        screen.pipe.send_text("\x12fir")
        await until(lambda: screen.repl.search_buffer.text == "fir")
        screen.pipe.send_text("\r")
        await until(lambda: screen.repl.default_buffer.text == "first = 1")
        await screen.type("\x050")

        assert screen.repl.bench.namespace["first"] == 10


async def test_it_can_be_switched_off(file: Path) -> None:
    from pbshell.workbench.settings import Settings

    async with prompt(history=file) as screen:
        screen.repl.bench.part(Settings).set("history", "off")
        await screen.type("first = 1")
        await screen.type("second = 2")

    assert lines(file) == []
