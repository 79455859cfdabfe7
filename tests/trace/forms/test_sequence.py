"""`-o seq`: a diagram that mermaid draws, whatever the peers have said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell.trace import Dissector
from pbshell.trace.forms.sequence import Sequence, escaped
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Piece, Seed, Seeded, Side
from tests.trace.recordings import NAMES, chunks, lines

KW: list[Any] = [b"dictionary"]
HELLO = [Chunk(0.0, 1, Side.SERVER, encode([b"pb", b"none"])), Chunk(0.0, 1, Side.CLIENT, encode(b"pb"))]
#: A line of a diagram as mermaid's grammar has it: nothing in a text begins anything else.
LINE = re.compile(
    r"sequenceDiagram|    participant [cs]\d+ as (\w|#\d+;|[ .,()='/*+!?-])+"
    r"|    (Note over [cs]\d+(,[cs]\d+)?|[cs]\d+(->>|-->>|--x|--\)|-\))[cs]\d+): (\w|#\d+;|[ .,()='/*+!?-])+"
)


def client(*verbs: Any, at: float = 1.0) -> Chunk:
    return Chunk(at, 1, Side.CLIENT, b"".join(encode(verb, PB) for verb in verbs))


def server(*verbs: Any, at: float = 1.0) -> Chunk:
    return Chunk(at, 1, Side.SERVER, b"".join(encode(verb, PB) for verb in verbs))


def call(request: int, target: Any, method: bytes, wants: int = 1) -> list[Any]:
    return [b"message", request, target, method, wants, [b"tuple"], KW]


def diagram(*pieces: Piece) -> list[str]:
    found = lines([*HELLO, *pieces], Sequence())
    assert all(LINE.fullmatch(line) for line in found)
    return [line.strip() for line in found]


def test_calls_go_over_and_answers_come_back() -> None:
    failure = [b"x", [b"dictionary", [b"type", b"builtins.ValueError"], [b"value", b"no"]]]

    assert diagram(
        client(call(1, b"root", b"get")),
        server([b"answer", 1, [b"remote", 3]], at=1.5),
        client(call(2, 3, b"x"), call(3, 3, b"note", wants=0)),
        server([b"error", 2, failure], [b"cachemessage", 1, 9, b"set", 1, [b"tuple"], KW], at=2.0),
        client([b"decref", 3], [b"decache", 9], [b"version", 6]),
        server([b"uncache", 9], [b"version", 7], [b"didNotUnderstand", b"frob"], [b"answer", 99, 5]),
        LinkEvent(3.0, 1, "closed", Side.SERVER, "reset"),
    ) == [
        "sequenceDiagram",
        "participant c1 as client",
        "participant s1 as server",
        "c1->>s1: root.get()",
        "s1-->>c1: = s3 (500 ms)",
        "c1->>s1: s3#58;get().x()",
        "c1-)s1: s3#58;get().note()",
        "s1--xc1: ! ValueError#58; no (1.0 s)",
        "s1->>c1: s9.set()  odd#58; s9 is not lent",
        "c1--)s1: decref s3#58;get()",
        "c1--)s1: decache s9  odd#58; decache of s9, which is not cached",
        "s1--)c1: uncache s9  odd#58; uncache of 9, which was not given back",
        "s1-)c1: version 7, only 6 exists",
        "s1--xc1: no verb b'frob'",
        "s1-->>c1: = 5 (to c#35;99, not seen)  odd#58; no call 99 waits for an answer",
        "Note over c1,s1: server reset the connection#59; 1 call unanswered (s#35;1)",
    ]


def test_what_was_not_seen_or_not_understood_is_a_note() -> None:
    assert diagram(
        client([b"frob"]),
        LinkEvent(1, 1, "gap", Side.CLIENT),
        Chunk(2, 1, Side.CLIENT, b"who knows"),
        Seed(3, 2, b"pb", lent=(Seeded(Side.SERVER, 3, 1),)),
    )[5:] == [
        "Note over c1: not understood#58; PB has no verb 'frob'  odd#58; PB has no verb 'frob'",
        "Note over c1,s1: bytes of the client are missing",
        "Note over c2,s2: traced from here on#58; 1 object lent, 0 calls waiting",
        "Note over c1: their beginning is in a gap#58; 9 B not seen",
    ]


def test_participants_are_called_by_name_and_address() -> None:
    dissector = Dissector()
    formatter = Sequence()
    for piece in [LinkEvent(0, 1, "opened", Side.CLIENT, "10.0.0.1:5 to b:6, tls"), LinkEvent(0, 2, "resumed")]:
        for each in dissector.feed(piece):
            formatter.see(each, dissector.connections[piece.connection])
    dissector.connections[2].name = "worker;1"

    assert formatter.finish(1.0)[1:5] == [
        "    participant c1 as client 1 10.0.0.1#58;5",
        "    participant s1 as server 1 b#58;6",
        "    participant c2 as worker#59;1",
        "    participant s2 as server 2",
    ]


def test_an_empty_trace_is_an_empty_diagram() -> None:
    assert diagram() == ["sequenceDiagram"]


@pytest.mark.parametrize(("method", "least", "most"), [(b"m", 500, 500), (b";" * 60, 100, 200)])
def test_a_diagram_has_a_bound_and_says_what_is_left_out(method: bytes, least: int, most: int) -> None:
    pieces = [client(call(number, b"root", method, wants=0), [b"version", 6]) for number in range(1, 601)]

    found = diagram(*pieces)

    kept = len(found) - 4
    assert least <= kept <= most
    assert found[-1] == f"Note over c1,s1: {600 - kept} more are left out"
    assert len("\n".join(found)) < 50_000  # what mermaid takes


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("a;b#c", "a#59;b#35;c"),
        ("wrap: x", "wrap#58; x"),
        ("%%{init}%%", "#37;#37;#123;init#125;#37;#37;"),
        ("a\nb<br/>", "a#92;nb#60;br/#62;"),
        ("日本語 🍞", "日本語 #127838;"),
        ("ﬂ°°60¶ß", "ﬂ#176;#176;60#182;ß"),
        ("", "#32;"),
        ("x" * 99, "x" * 77 + "..."),
    ],
)
def test_a_text_is_shown_by_mermaid_and_not_obeyed(text: str, spelled: str) -> None:
    assert escaped(text) == spelled


@given(st.text())
def test_every_text_is_within_the_grammar(text: str) -> None:
    assert LINE.fullmatch(f"    c1->>s1: {escaped(text)}")


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_a_diagram(name: str) -> None:
    found = lines(chunks(name), Sequence())

    assert all(LINE.fullmatch(line) for line in found)
    assert len(found) > 4
