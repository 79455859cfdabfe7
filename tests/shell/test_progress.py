"""The bar of a long file: at a terminal, not before its time, and gone at the end."""

from __future__ import annotations

import io

import pytest

from pbshell.shell.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that stands where it is put."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


def test_a_file_that_is_read_at_once_has_no_bar() -> None:
    stream, clock = Terminal(), Clock()

    with progress("x.pbt", stream, clock=clock) as told:
        assert told is not None
        told(10, 100)
        clock.now += 0.4
        told(100, 100)

    assert stream.getvalue() == ""


def test_a_file_that_takes_a_while_has_one_and_it_goes_away() -> None:
    stream, clock = Terminal(), Clock()

    with progress("x\x1b[2J.pbt", stream, clock=clock) as told:
        assert told is not None
        clock.now += 0.6
        told(25_000, 100_000)
        shown = stream.getvalue()
        told(26_000, 100_000)
        assert stream.getvalue() == shown
        clock.now += 0.2
        told(50_000, 100_000)

    assert "reading x\\x1b[2J.pbt" in shown
    assert "25.0/100.0 kB" in shown
    assert "50.0/100.0 kB" in stream.getvalue()
    # The last thing is that the line is erased.
    assert stream.getvalue().endswith("\x1b[2K")


def test_whoever_is_no_terminal_has_none() -> None:
    with progress("x.pbt", io.StringIO()) as told:
        assert told is None
    with progress("x.pbt", None) as told:
        assert told is None
