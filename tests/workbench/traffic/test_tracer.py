"""The tracer: what is shown, where it stops, what it remembers, and who is dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pbshell.trace import Conversation, Dissection
from pbshell.trace.explainers import Explainer, Explainers
from pbshell.trace.filters import parse
from pbshell.trace.forms.calls import Calls
from pbshell.trace.verdict import Verdict
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Side
from pbshell.workbench.traffic.tracer import Bounds, Nothing, Tracer
from tests.trace.recordings import chunks
from tests.trace.talking import captured

OPENED = LinkEvent(0.0, 1, "opened", Side.CLIENT, "127.0.0.1:40000 to 127.0.0.1:8789")


class Notes:
    """What a tracer showed, and what it said."""

    def __init__(self, **settings: Any) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []
        self.stopped: list[str] = []
        self.tracer = Tracer(self.shown.append, say=self.said.append, stopped=self.stopped.append, **settings)
        self.tracer.on = True

    def read(self, pieces: Iterable[Piece]) -> list[str]:
        """What is shown of *pieces*."""
        before = len(self.shown)
        for piece in pieces:
            self.tracer.tap(piece)
        return self.shown[before:]


def say(side: Side, expression: Any, at: float = 0.0, connection: int = 1) -> Chunk:
    return Chunk(at, connection, side, encode(expression, PB))


def calls(times: int, at: float = 0.0, step: float = 0.0, method: bytes = b"echo") -> Iterator[Chunk]:
    """So many calls of the client that want no answer."""
    for number in range(times):
        call = [b"message", number + 1, b"root", method, 0, [b"tuple"], [b"dictionary"]]
        yield say(Side.CLIENT, call, at + number * step)


def met(*pieces: Piece) -> list[Piece]:
    """*pieces* behind the handshake."""
    return [OPENED, say(Side.SERVER, [b"pb", b"none"]), say(Side.CLIENT, b"pb"), *pieces]


def test_what_is_off_is_understood_and_not_shown() -> None:
    notes = Notes()
    notes.tracer.on = False
    pieces = chunks("login_chat")

    assert notes.read(pieces[:8]) == []
    notes.tracer.on = True
    shown = notes.read(pieces[8:])

    assert any("(send #" in line for line in shown)
    assert list(notes.tracer.methods)[:1] == ["joinGroup"]


def test_a_filter_selects_what_is_shown() -> None:
    everything, some = Notes(), Notes(select=parse("~k decref"))
    pieces = chunks("login_chat")

    assert some.read(pieces) == [line for line in everything.read(pieces) if " decref " in line] != []


def test_each_piece_is_recorded_before_it_is_explained() -> None:
    kept: list[Piece] = []
    seen: list[int] = []

    class Counts(Nothing):
        def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
            seen.append(len(kept))
            return []

    notes = Notes(record=kept.append, formatter=Counts())
    pieces = chunks("login_chat")
    notes.read(pieces)

    assert kept == pieces
    assert seen[0] >= 1
    assert seen == sorted(seen)


def test_showing_stops_at_a_count_and_is_told_once() -> None:
    notes = Notes(bounds=Bounds(lines=3))

    assert len(notes.read(met(*calls(10)))) == 3
    assert notes.stopped == ["3 lines have been shown (-n)"]
    # The link, the offer and the choice were shown.
    assert notes.tracer.unshown == 10
    assert not notes.tracer.on


def test_what_a_filter_leaves_out_is_not_among_what_was_not_shown() -> None:
    notes = Notes(bounds=Bounds(lines=1), select=parse("echo"))
    notes.read(met(*calls(4), *calls(3, method=b"other")))

    assert notes.stopped == ["1 line has been shown (-n)"]
    assert notes.tracer.unshown == 3


def test_showing_stops_at_a_time_by_the_clock_of_the_link() -> None:
    notes = Notes(bounds=Bounds(seconds=2.0))
    shown = notes.read(met(*calls(10, at=0.5, step=0.5)))

    assert len(shown) == 3 + 3
    assert notes.stopped == ["2 s have been shown (--for)"]


def test_time_goes_by_where_nothing_is_said() -> None:
    notes = Notes(bounds=Bounds(seconds=2.0))
    for now in (100.0, 101.9, 102.0, 103.0):
        notes.tracer.tick(now)

    assert notes.stopped == ["2 s have been shown (--for)"]


def test_above_a_rate_lines_are_left_out_and_counted() -> None:
    notes = Notes(bounds=Bounds(rate=4))
    notes.read(met(*calls(9), *calls(2, at=1.0), *calls(5, at=2.0)))
    notes.tracer.finish()

    assert len(notes.shown) == 4 + 2 + 4
    assert notes.said == [
        "8 lines are left out: more than 4 came in a second (--rate)",
        "1 line is left out: more than 4 came in a second (--rate)",
    ]
    assert notes.stopped == []


def test_what_was_left_out_is_told_when_a_bound_is_reached() -> None:
    notes = Notes(bounds=Bounds(rate=1, lines=2))
    notes.read(met(*calls(1, at=1.0)))

    assert notes.said == ["2 lines are left out: more than 1 came in a second (--rate)"]
    assert notes.stopped == ["2 lines have been shown (-n)"]


def test_a_call_that_waits_is_shown_while_others_speak_and_when_time_goes_by() -> None:
    waiting = say(Side.CLIENT, [b"message", 1, b"root", b"hang", 1, [b"tuple"], [b"dictionary"]])
    for later in ([say(Side.SERVER, [b"decref", 1], 1.5)], []):
        notes = Notes(formatter=Calls(100, "rel"))
        notes.read(met(waiting, *later))
        notes.tracer.tick(1.6)
        assert [line for line in notes.shown if "hang()" in line and "? waiting 1.0 s" in line]


def test_what_only_the_end_completes_is_shown_at_the_end() -> None:
    notes = Notes(formatter=Calls(100, "rel"))
    notes.read(met(say(Side.CLIENT, [b"message", 1, b"root", b"hang", 1, [b"tuple"], [b"dictionary"]])))
    before = len(notes.shown)
    notes.tracer.finish()

    assert "? waiting" in "".join(notes.shown[before:])


def test_who_shows_nothing_and_says_nothing_still_explains() -> None:
    tracer = Tracer(bounds=Bounds(rate=1))
    tracer.on = True
    for piece in [*captured("buildbot-trouble")]:
        tracer.tap(piece)
    tracer.finish()

    assert tracer.why()


def test_a_formatter_of_nothing_has_nothing() -> None:
    nothing = Nothing(100, "clock", None)

    assert (nothing.header(), nothing.tick(1.0, []), nothing.finish(1.0)) == ("", [], [])
    assert Notes(formatter=nothing).read(chunks("login_chat")) == []


# ------------------------------------------------------------------------------------------------ verdicts


class Talks(Explainer):
    """Counts the messages, one verdict for each, and says of what goes on how it stands."""

    name = "talks"

    def __init__(self, *, fails: bool = False) -> None:
        self._count = 0
        self._fails = fails

    def see(self, dissection: Dissection, conversation: Conversation) -> list[Verdict]:
        if self._fails:
            raise ValueError("no\x1b[2J")
        self._count += 1
        return [Verdict(dissection.connection, "count", "note", f"{self._count} messages")]

    def now(self, conversation: Conversation, at: float) -> list[Verdict]:
        return [Verdict(conversation.number, "age", "error", f"{at:g} s old")]


def texts(verdicts: Iterable[Verdict], *kinds: str) -> list[str]:
    return [each.text for each in verdicts if each.kind in kinds]


def test_no_verdict_of_an_explainer_takes_the_place_of_another_one() -> None:
    notes = Notes(explainers=Explainers([Talks()]))
    notes.read(met(*calls(2)))
    every = [f"{count} messages" for count in range(1, 6)]

    assert texts(notes.tracer.why(), "count") == every
    assert texts(notes.tracer.why(7.0), "count", "age") == ["7 s old", *every]
    assert texts(notes.tracer.why(8.0), "age") == ["8 s old"]


def test_the_worst_verdict_comes_first() -> None:
    notes = Notes(explainers=Explainers([Talks()]))
    notes.read(met())

    assert next(each.severity for each in notes.tracer.why(1.0)) == "error"


def test_nothing_is_said_of_how_a_connection_stands_that_has_ended() -> None:
    notes = Notes(explainers=Explainers([Talks()]))
    notes.read(met())
    assert notes.tracer.open == {1}
    notes.read([LinkEvent(1.0, 1, "closed", Side.CLIENT, "fin")])

    assert notes.tracer.open == set()
    assert texts(notes.tracer.why(), "age") == []


def test_verdicts_are_not_kept_for_ever() -> None:
    notes = Notes(explainers=Explainers([Talks()]))
    notes.tracer.on = False
    notes.read(replace(OPENED, connection=number) for number in range(1, 1102))
    found = [each.connection for each in notes.tracer.why() if each.kind == "count"]

    assert len(found) == 1000
    assert min(found) == 102


def test_an_explainer_that_fails_is_dropped_with_one_harmless_line() -> None:
    notes = Notes()
    judges = notes.tracer.verdicts
    judges.explainers = Explainers([Talks(fails=True)], tell=judges.explainers._tell)
    notes.read(met(*calls(3)))

    assert notes.said == ["the explainer talks is dropped: ValueError: no\\x1b[2J"]
    assert len(notes.shown) == 6


@pytest.mark.parametrize("method", [b"login", b"respond", b"not a name", b"\xff"])
def test_methods_that_nobody_types_are_not_remembered(method: bytes) -> None:
    notes = Notes()
    call = [b"message", 1, b"root", method, 1, [b"tuple"], [b"dictionary"]]
    notes.read(met(say(Side.CLIENT, call), say(Side.SERVER, [b"answer", 1, 5])))

    assert list(notes.tracer.methods) == []


def test_methods_of_the_client_are_not_those_of_the_server() -> None:
    notes = Notes()
    for method in (b"seen", b"again"):
        call = [b"message", 1, b"root", method, 1, [b"tuple"], [b"dictionary"]]
        notes.read(met(say(Side.CLIENT, call), say(Side.SERVER, [b"answer", 1, 5])))
    call = [b"message", 1, 5, b"back", 1, [b"tuple"], [b"dictionary"]]
    notes.read([say(Side.SERVER, call), say(Side.CLIENT, [b"answer", 1, 5])])

    assert "back" not in notes.tracer.methods
    assert "seen" in notes.tracer.methods


def test_what_is_off_has_nothing_due_and_nothing_left() -> None:
    notes = Notes(formatter=Calls(100, "rel"))
    notes.tracer.on = False
    notes.read(met(say(Side.CLIENT, [b"message", 1, b"root", b"hang", 1, [b"tuple"], [b"dictionary"]])))
    notes.tracer.tick(9.0)
    notes.tracer.finish()

    assert notes.shown == []


def test_of_lines_that_come_at_once_no_more_are_shown_than_the_bound_allows() -> None:
    class Twice(Nothing):
        def see(self, dissection: Dissection, conversation: Conversation) -> list[str]:
            return ["one", "two"]

    notes = Notes(formatter=Twice(), bounds=Bounds(lines=1))

    assert notes.read(met()) == ["one"]


def test_who_tells_nobody_stops_as_well() -> None:
    shown: list[str] = []
    tracer = Tracer(shown.append, bounds=Bounds(lines=2, rate=1))
    tracer.on = True
    for piece in met(*calls(5), *calls(5, at=1.0)):
        tracer.tap(piece)

    assert len(shown) == 2
    assert not tracer.on


def test_what_is_readable_only_because_nothing_follows_is_shown_at_the_end() -> None:
    notes = Notes()
    half = encode([b"decref", 5], PB) * 2
    notes.read([Chunk(0.0, 1, Side.CLIENT, half[3:])])
    before = len(notes.shown)
    notes.tracer.finish()

    assert notes.shown[before:]


def test_news_for_a_cached_copy_are_no_methods() -> None:
    notes = Notes()
    news = [b"cachemessage", 1, 5, b"set", 1, [b"tuple"], [b"dictionary"]]
    notes.read(met(say(Side.CLIENT, news), say(Side.SERVER, [b"answer", 1, 5])))

    assert list(notes.tracer.methods) == []
