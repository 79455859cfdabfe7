"""A verdict as one line."""

from __future__ import annotations

from pbshell.trace.verdict import Verdict


def test_a_verdict_is_one_line_with_its_severity_and_connection() -> None:
    verdict = Verdict(3, "closed", "error", "the server reset the connection", evidence=("c#7 was waiting",))

    assert verdict.line() == "error: connection 3: the server reset the connection"


def test_a_line_says_what_could_not_be_seen() -> None:
    verdict = Verdict(1, "closed", "note", "the client closed the connection", unseen="acknowledgements")

    assert verdict.line() == "note: connection 1: the client closed the connection (not seen: acknowledgements)"


def test_a_line_is_obeyed_by_no_terminal() -> None:
    assert Verdict(1, "x\x1b", "note", "a\x1b[2J\nb", unseen="\x07").line().isprintable()
