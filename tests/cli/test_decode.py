"""`pbshell decode`: pasted bytes, however they are written down."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.cli.decode import digits
from pbshell.wire.banana import PB, encode
from tests.pond.running import environment, is_harmless, pbshell

CALL = encode([b"message", 1, b"root", b"echo", 1, [b"tuple", b"hi"], [b"dictionary"]], PB)
SAID = f"at byte 0, {len(CALL)} B: message\n"


def grouped(data: bytes, size: int) -> str:
    text = data.hex()
    return " ".join(text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize(
    "words",
    [
        [CALL.hex()],
        [CALL.hex().upper()],
        grouped(CALL, 2).split(),
        [grouped(CALL, 4)],
        [CALL.hex(":")],
        ["".join(f"\\x{byte:02x}" for byte in CALL)],
        ["0x" + CALL.hex()],
    ],
)
def test_digits_are_read_however_they_are_written(words: list[str]) -> None:
    outcome = pbshell("decode", *words)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith(SAID)
    assert "b'hi'" in outcome.out or "'hi'" in outcome.out


def test_a_file_and_a_pipe_are_read_as_bytes_or_as_digits(tmp_path: Path) -> None:
    raw, text = tmp_path / "raw", tmp_path / "text"
    raw.write_bytes(CALL)
    text.write_text(grouped(CALL, 4) + "\n")

    for path in (raw, text):
        assert pbshell("decode", str(path)).out.startswith(SAID)
        with path.open("rb") as file:
            command = [sys.executable, "-m", "pbshell", "decode", "-"]
            done = subprocess.run(command, stdin=file, capture_output=True, env=environment(), check=True, text=True)
        assert done.stdout.startswith(SAID)


@pytest.mark.parametrize(
    ("words", "stdin", "code", "sentence"),
    [
        (["/no/such"], "", 8, "/no/such is neither hexadecimal nor a file to read: No such file or directory"),
        (["abc"], "", 8, "abc is neither hexadecimal nor a file to read: No such file or directory"),
        (["a\x1bb"], "", 8, "a\\x1bb is neither hexadecimal nor a file to read: No such file or directory"),
        (["no", "digits"], "", 2, "several words were given, and they are no hexadecimal digits"),
        (["-"], "", 8, "there are no bytes"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(words: list[str], stdin: str, code: int, sentence: str) -> None:
    outcome = pbshell("decode", *words, stdin=stdin)

    assert (outcome.code, outcome.out, outcome.err) == (code, "", f"pbshell: {sentence}\n")


def test_a_folder_and_a_closed_stdin_are_one_sentence(tmp_path: Path) -> None:
    outcome = pbshell("decode", str(tmp_path))
    command = ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m pbshell decode - <&-"]
    done = subprocess.run(command, capture_output=True, env=environment(), text=True, check=False)

    assert (outcome.code, outcome.err.count("\n")) == (8, 1)
    assert done.returncode == 8
    assert done.stderr == "pbshell: - is neither hexadecimal nor a file to read: stdin is closed\n"


def test_what_is_no_pb_is_named_and_what_is_missing_is_counted() -> None:
    assert "SSH" in pbshell("decode", "-", stdin="SSH-2.0-OpenSSH_9.7\r\n").out
    assert "are missing" in pbshell("decode", CALL[:-3].hex()).out


@given(data=st.binary(min_size=1, max_size=60), size=st.sampled_from([2, 4, 8, 32]))
def test_digits_in_groups_are_their_bytes(data: bytes, size: int) -> None:
    assert digits(grouped(data, size).encode()) == data


@given(data=st.binary(max_size=200))
def test_anything_else_is_none_or_bytes(data: bytes) -> None:
    found = digits(data)

    assert found is None or 2 * len(found) <= len(data)


def test_hostile_bytes_are_shown_harmless() -> None:
    outcome = pbshell("decode", encode([b"message", b"\x1b[2J\r\n", "\u202e".encode()], PB).hex())

    assert outcome.code == 0
    assert is_harmless(outcome.out)
