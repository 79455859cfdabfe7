"""How calls look: a table that fits, and the sentences below it."""

from __future__ import annotations

from pbshell.shell.render import Renderer
from pbshell.trace.forms.columns import columns
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.typed.calls import CallRow, MadeRow

WHY = "nothing has come from the server for 61 s: the method still runs, its process is stopped or blocked"
STUCK = [
    CallRow("c#7", "alice", ">", "s3:getBuilder('linux').ping()", "stuck", 61.0, "d1", "", WHY, 12),
    CallRow("c#8", "alice", ">", "s3:getBuilder('linux').ping()", "stuck", 60.0, "ducks", "", WHY, 13),
]
ENDED = CallRow("s#1", "alice", "<", "c1.print('hi')", "error", 0.0004, "", "ValueError: no \x1b[2J", "", 9)


def test_a_call_has_a_line_and_what_is_said_of_several_stands_once() -> None:
    text = Renderer(width=200, screen=True).value(Rows(CallRow, [*STUCK, ENDED]))

    head, first, second, third, said = text.split("\n")
    assert head.split() == ["ID", "CONN", "DIR", "CALL", "TIME", "STATE", "WAITS", "OR", "RESULT"]
    assert first.endswith("61.0 s  stuck  d1")
    assert second.endswith("ducks")
    assert third.endswith("0.4 ms  error  ! ValueError: no \\x1b[2J")
    assert said == f"  c#7, c#8: {WHY}"


def test_a_sentence_that_names_its_call_does_not_name_it_twice() -> None:
    row = CallRow("c#7", "alice", ">", "root.ping()", "stuck", 61.0, "d1", "", "c#7 root.ping() has waited", 12)

    assert Renderer(width=100, screen=True).value(Rows(CallRow, [row])).endswith("\n  c#7 root.ping() has waited")


def test_on_a_narrow_screen_no_line_is_too_long() -> None:
    for rows in (Rows(CallRow, [*STUCK, ENDED]), Rows(MadeRow, [MadeRow(1, "c#1", "alice", "x" * 90, "done", 0.1)])):
        lines = Renderer(width=60, screen=True).value(rows).split("\n")
        assert max(map(columns, lines)) <= 60


def test_a_pipe_gets_all_of_it() -> None:
    long = CallRow("c#9", "alice", ">", "x" * 150, "waiting", 1.0, "the prompt")

    assert "x" * 150 in Renderer().value(Rows(CallRow, [long]))


def test_without_calls_there_is_a_word() -> None:
    assert Renderer().value(Rows(CallRow, empty="no call is stuck")) == "no call is stuck"
    assert Renderer().value(Rows(MadeRow, empty="nothing was called")) == "nothing was called"
