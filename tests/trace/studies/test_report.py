"""A report: what is worth telling of a capture, and a page that shows it, whatever peers have sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import pytest

from pbshell.trace import Conversation, Dissector
from pbshell.trace.diagnosis import Doctor
from pbshell.trace.explainers import Explainers
from pbshell.trace.studies import report as module
from pbshell.trace.studies.chart import Arrow, chart
from pbshell.trace.studies.page import page
from pbshell.trace.studies.report import Facts, Report
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Awaited, Chunk, LinkEvent, Piece, Seed, Side
from tests.trace.recordings import NAMES, chunks
from tests.trace.talking import Talk, captured

CLIENT, SERVER = Side
HOSTILE = "</text></svg><script>alert(1)</script>\x1b[2J\u202e'\"&#1;"


class Spoken(Talk):
    """A conversation that is reported."""

    def __init__(self, connection: int = 1, *, opened: bool = True) -> None:
        self.report = Report()
        self.last = 0.0
        super().__init__(Explainers(), connection, opened=opened)

    def feed(self, pieces: Any) -> list[Any]:
        for piece in pieces:
            self.last = max(self.last, piece.at)
            for found in self.dissector.feed(piece):
                self.report.see(found, self.dissector.connections[found.connection])
        return []

    def facts(self, *verdicts: Verdict, now: float | None = None) -> Facts:
        alive = list(self.dissector.connections.values())
        return self.report.facts(verdicts, alive, self.last if now is None else now)

    def page(self, *verdicts: Verdict) -> str:
        return shown(self.facts(*verdicts))


def shown(facts: Facts, **more: Any) -> str:
    return page(facts, **{"name": "a.pbt", "began": 0.0, "seconds": 1.0, "redaction": "strict", **more})


def reported(pieces: Iterable[Piece]) -> Facts:
    """The facts of *pieces* with all that is said of them."""
    report, dissector, explainers, doctor = Report(), Dissector(redact="strict"), Explainers.load(), Doctor()
    verdicts: list[Verdict] = []
    now = 0.0
    for piece in pieces:
        now = piece.at
        for found in dissector.feed(piece):
            conversation = dissector.connections[found.connection]
            verdicts += [*explainers.see(found, conversation), *doctor.see(found, conversation)]
            report.see(found, conversation)
    alive: list[Conversation] = list(dissector.connections.values())
    return report.facts([*verdicts, *doctor.verdicts(now, alive)], alive, now)


class Parsed(HTMLParser):
    """What a browser makes of a page: its tags with their attributes, and that they are closed in order."""

    VOID = ("meta", "line", "rect", "path")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def ids(self) -> set[str]:
        return {str(attrs["id"]) for _, attrs in self.tags if "id" in attrs}

    def links(self) -> list[str]:
        return [str(attrs["href"]) for _, attrs in self.tags if "href" in attrs]


# What is kept


def test_a_connection_is_told_with_its_ends_its_calls_and_its_bytes() -> None:
    talk = Spoken()
    talk.call(CLIENT, b"root", b"add", at=1.0)
    talk.answer(SERVER, at=1.5)
    talk.call(CLIENT, b"root", b"boom", at=2.0)
    talk.refuse(SERVER, b"ValueError", b"no", at=2.0)
    talk.call(CLIENT, b"root", b"slow", at=3.0)
    talk.happened("closed", SERVER, "fin", at=4.0)

    (told,) = talk.facts().connections

    assert (told.client, told.server, told.dialect) == ("127.0.0.1:40000", "127.0.0.1:9989", "pb")
    assert (told.calls, told.errors, told.unanswered, told.frames, told.last) == (3, 1, 1, 9, 4.0)
    assert (told.ended, min(told.bytes.values()) > 0) == ("server closed the connection", True)


def test_calls_without_an_answer_are_told_with_their_time_whether_the_connection_lives_or_not() -> None:
    talk = Spoken()
    talk.call(CLIENT, b"root", b"slow", at=1.0)
    alive = talk.facts(now=3.0)
    talk = Spoken()
    talk.call(CLIENT, b"root", b"slow", at=1.0)
    talk.happened("closed", SERVER, "fin", at=3.0)

    for facts in (alive, talk.facts()):
        (waits,) = facts.waiting
        assert (waits.took, waits.call, waits.answer) == (2.0, "root.slow()", None)
        assert facts.connections[0].unanswered == 1


def test_the_slowest_calls_are_told_the_slowest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLOW", 2)
    talk = Spoken()
    for took in (0.1, 0.5, 0.01, 0.3, 0.5):
        talk.call(CLIENT, b"root", b"work", at=1.0)
        talk.answer(SERVER, at=1.0 + took)

    slow = talk.facts().slow

    assert [each.took for each in slow] == pytest.approx([0.5, 0.5])
    assert slow[0].number < slow[1].number


def test_the_calls_that_have_waited_longest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 2)
    talk = Spoken()
    for at in (1.0, 2.0, 3.0):
        talk.call(CLIENT, b"root", b"work", at=at)
    facts = talk.facts(now=5.0)

    assert [each.took for each in facts.waiting] == [4.0, 3.0]
    assert facts.more_waiting == 1
    assert "1 more calls have no answer" in shown(facts)


def test_what_is_lent_at_the_end_is_told_for_ended_connections_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HELD", 2)
    talk = Spoken()
    talk.call(CLIENT, b"root", b"give")
    talk.answer(SERVER, [b"list", [b"remote", 1], [b"remote", 2], [b"app.State", 3, [b"dictionary"]]])
    talk.happened("closed", SERVER, "fin", at=2.0)
    facts = talk.facts()

    assert [held.id for _, held in facts.held] == ["s1", "s2"]
    assert facts.more_held == 1
    assert "1 more are left out" in shown(facts)


def test_the_chart_shows_the_connection_of_the_worst_verdict_or_the_busiest_one() -> None:
    pieces = captured("buildbot-trouble")
    facts = reported(pieces)

    assert facts.charted is not None
    assert facts.charted.number == facts.verdicts[0].connection
    quiet = reported([*pieces[:20]])
    assert quiet.charted is not None
    assert Report().facts((), (), 0.0).charted is None


def test_a_verdict_on_a_connection_that_is_left_out_charts_another() -> None:
    facts = Spoken().facts(Verdict(7, "lost", "error", "it is gone"))

    assert facts.charted is not None
    assert facts.charted.number == 1


def test_the_chart_is_the_beginning_what_verdicts_name_and_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST", 3)
    monkeypatch.setattr(module, "_CHART", 6)
    talk = Spoken()
    for _ in range(10):
        talk.call(CLIENT, b"root", b"work")
        talk.answer(SERVER)

    facts = talk.facts(Verdict(1, "odd", "warning", "see there", frames=(10,)))

    assert [frame.number for frame in facts.chart] == [1, 2, 3, 10, 22, 23]
    assert "6 frames are left out" in shown(facts)
    assert "11 frames are left out" in shown(facts)


def test_frames_that_a_verdict_names_are_kept_from_when_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RECENT", 8)
    monkeypatch.setattr(module, "_LAST", 2)
    talk = Spoken()
    talk.call(CLIENT, b"root", b"work")
    verdict = Verdict(1, "odd", "note", "look", evidence=("#4 is it, not c#7 and not #999",), frames=(4, 999))
    talk.report.judged(verdict)
    talk.report.judged(verdict)
    for _ in range(10):
        talk.call(CLIENT, b"root", b"more")

    facts = talk.facts(verdict)
    parsed = Parsed(shown(facts))

    assert [frame.number for frame in facts.frames] == [4, 13, 14]
    frames = {link for link in parsed.links() if link.startswith("#f") and link != "#frames"}
    assert {"#f4"} <= frames <= {"#f4", "#f13", "#f14"}
    assert "#999" in shown(facts)


def test_connections_beyond_the_most_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CONNECTIONS", 2)
    monkeypatch.setattr(module, "_BEGUN", 1)
    pieces: list[Piece] = [LinkEvent(0.0, number, "opened", CLIENT, "a to b") for number in range(1, 5)]
    facts = reported(pieces)

    assert [each.number for each in facts.connections] == [1, 2]
    assert [len(each.first) for each in facts.connections] == [1, 0]
    assert facts.others == 2
    assert "2 more connections are left out" in shown(facts)
    assert "4 connections" in shown(facts)


def test_a_sentence_that_is_said_twice_is_told_once_and_the_worst_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_VERDICTS", 2)
    verdicts = [
        Verdict(1, "a", "note", "nothing much"),
        Verdict(1, "b", "error", "it broke", frames=(1,)),
        Verdict(1, "b", "error", "it broke", frames=(2,)),
        Verdict(1, "c", "warning", "it may break"),
    ]
    facts = Spoken().facts(*verdicts)

    assert [(each.severity, each.frames) for each in facts.verdicts] == [("error", (2,)), ("warning", ())]
    assert "1 more are left out" in shown(facts)


def test_a_call_from_before_the_capture_is_no_slow_call() -> None:
    talk = Spoken(opened=False)
    talk.feed([Seed(5.0, 1, b"pb", tuple(Side), (), (Awaited(CLIENT, 1, "old"), Awaited(CLIENT, 2, "older")))])
    talk.say(SERVER, [b"answer", 1, 0], at=6.0)
    facts = talk.facts()

    assert facts.slow == ()
    assert [each.call for each in facts.waiting] == ["older(..), called before"]
    assert Parsed(shown(facts))


# The page


def test_a_page_begins_with_the_worst_verdict_then_evidence_then_the_rest() -> None:
    text = shown(reported(captured("buildbot-trouble")), began=1_795_231_826.0, seconds=22.1)
    parsed = Parsed(text)

    headings = re.findall(r"<h[12]>(.*?)</h[12]>", text)
    assert headings[0].startswith("Connection ")
    assert headings[1:] == [
        "What is wrong, and what stands out",
        "Connections",
        "Sequence",
        "Calls without an answer",
        "The slowest calls",
        "Calls by method",
        "Calls by object",
        "What is lent at the end",
        "Frames",
    ]
    assert "5 connections, 35 calls, 2 errors, 5 without an answer, 101 frames in 22.1 s" in text
    assert "from 2026-11-21" in text
    assert {link.removeprefix("#") for link in parsed.links()} <= parsed.ids()


def test_an_answer_leads_to_its_call() -> None:
    talk = Spoken()
    talk.call(CLIENT, b"root", b"work")
    talk.answer(SERVER)

    assert '= None <span class="soft">to <a href="#f4">#4</a></span>' in talk.page()


def test_a_page_needs_nothing_else_and_may_do_nothing() -> None:
    parsed = Parsed(shown(reported(captured("buildbot-build"))))

    tags = {tag for tag, _ in parsed.tags}
    assert tags.isdisjoint({"script", "img", "iframe", "object", "embed", "form", "base", "image", "use"})
    assert all(link.startswith("#") for link in parsed.links())
    attributes = [name for _, attrs in parsed.tags for name in attrs]
    assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    (policy,) = [attrs for tag, attrs in parsed.tags if attrs.get("http-equiv")]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in shown(Spoken().facts())


def test_whatever_peers_send_is_shown_and_not_obeyed() -> None:
    sent = HOSTILE.encode()
    talk = Spoken()
    talk.happened("opened", CLIENT, f"{HOSTILE} to {HOSTILE}")
    talk.call(CLIENT, b"root", sent, [b"unicode", sent], [b"remote", 1])
    talk.answer(SERVER, [b"list", [b"unicode", sent], [sent, 5, [b"dictionary"]]], at=1.0)
    talk.call(CLIENT, b"root", b"login", sent)
    talk.refuse(SERVER, sent, sent)
    talk.call(CLIENT, sent, sent)
    talk.say(CLIENT, [sent])
    talk.happened(HOSTILE, CLIENT, HOSTILE)
    verdict = Verdict(1, HOSTILE, "error", HOSTILE, (HOSTILE,), HOSTILE, (5,))

    for facts in (talk.facts(verdict), talk.facts()):
        text = shown(facts, name=HOSTILE, notes=[HOSTILE])
        parsed = Parsed(text)
        assert "script" not in {tag for tag, _ in parsed.tags}
        assert all(line.isprintable() for line in text.split("\n"))


def test_a_page_of_nothing_is_a_page() -> None:
    text = shown(Report().facts((), (), 0.0))

    assert Parsed(text)
    assert "No call was made" in text
    assert re.findall("<h2>(.*?)</h2>", text) == []


def test_without_a_verdict_the_page_says_so_and_no_more() -> None:
    talk = Spoken()
    talk.call(CLIENT, b"root", b"work")
    talk.answer(SERVER)

    assert "<h1>Nothing is known to be wrong</h1>" in talk.page()


def test_a_single_connection_needs_no_number_in_the_headline() -> None:
    assert "<h1>It broke</h1>" in Spoken().page(Verdict(1, "a", "error", "it broke", unseen="the rest"))


def test_what_is_missing_in_the_file_is_told_at_the_top() -> None:
    text = shown(Spoken().facts(), notes=["the file is cut off"], redaction="off", began=1e18)

    assert "the file is cut off</p>" in text
    assert "nothing is covered" in text
    assert "1000000000000000000 s since 1970" in text


def test_long_tables_are_cut_and_say_so() -> None:
    talk = Spoken()
    for number in range(40):
        talk.call(CLIENT, b"root", b"m%d" % number)
    text = talk.page()

    assert "10 more are left out" in text
    assert "width:" not in text.partition("<body>")[2]


def test_quantiles_that_are_not_exact_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbshell.trace.studies.stats._EXACT", 1)
    talk = Spoken()
    for _ in range(3):
        talk.call(CLIENT, b"root", b"work")
        talk.answer(SERVER, at=1.0)

    assert "within 1 percent" in talk.page()


def test_what_was_met_in_the_middle_has_no_birth() -> None:
    talk = Spoken(opened=False)
    for _ in range(2):
        talk.call(CLIENT, 5, b"work", at=1.0)
        talk.answer(SERVER, at=1.0)
    text = talk.page()

    assert "not seen" in text
    assert "work, 0.0 ms before" in text
    assert "not captured" in text


def test_a_dialect_that_is_not_pb_is_told() -> None:
    talk = Spoken(opened=False)
    talk.feed([Chunk(0.0, 1, SERVER, b"\x02\x80\x02\x82pb\x04\x82none"), Chunk(0.0, 1, CLIENT, b"\x04\x82none")])

    assert "dialect none" in talk.page()


def test_dark_and_light_and_paper_have_styles() -> None:
    text = Spoken().page()

    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert 'name="viewport"' in text


@pytest.mark.parametrize("name", NAMES)
def test_every_recording_makes_a_page(name: str) -> None:
    parsed = Parsed(shown(reported(chunks(name))))

    assert {link.removeprefix("#") for link in parsed.links()} <= parsed.ids()


def test_no_secret_is_in_a_page() -> None:
    text = shown(reported(chunks("login_chat")))

    assert "respond(***" in text


# The chart


def test_an_arrow_goes_from_one_line_to_the_other_and_a_note_over_both() -> None:
    text = chart("left", "right", [Arrow("go", 1), Arrow("back", -1, kind="error"), Arrow("both", 0)], "label")

    assert text.count('class="arrow') == text.count('class="tip') == 2
    assert text.count('class="note"') == 1
    assert Parsed(text)


def test_a_row_can_stand_out_and_lead_somewhere() -> None:
    text = chart("l", "r", [Arrow("go", 1, "+1 s", "2 ms", link="f1", is_marked=True)], "label")

    assert ('class="mark"' in text, Parsed(text).links()) == (True, ["#f1"])


def test_long_texts_of_a_chart_are_cut() -> None:
    text = chart("n" * 100, "r", [Arrow("x" * 500, 1)], "label")

    assert "x" * 97 + "..." in text
    assert "x" * 98 not in text
