"""`pbshell demo`: what a new user sees first."""

from __future__ import annotations

from pbshell.cli.demo import TOUR
from tests.pond.running import is_harmless, pbshell


def test_the_tour_shows_each_statement_and_what_it_gives() -> None:
    outcome = pbshell("demo", "--tour")

    assert (outcome.code, outcome.err) == (0, "")
    assert is_harmless(outcome.out)
    for command in TOUR:
        assert f"pb:alice> {command}\n" in outcome.out
    for words in (
        "'alice'\n",
        "<RemoteReference s3 getBuilder('linux'), alive>\n",
        "'queued'\n",
        "RemoteError: builtins.ValueError: no such step\n",
        "* mind.print('hello')\n",
        "* mind.print('<lobby> alice: hi there')\n",
        "<Status {'users': ['alice'], 'ticks': 0}>\n",
        "no answer came in time\n",
        "echo([1, 'two', 3.0])",
        "trace off\n",
    ):
        assert words in outcome.out


def test_without_a_terminal_lines_are_read() -> None:
    outcome = pbshell("demo", stdin="await root.callRemote('whoami')\n")

    assert (outcome.code, outcome.out, outcome.err) == (0, "'alice'\n", "")
