"""Tables of a capture for the eye, and what stands beside the bytes in a capture file."""

from __future__ import annotations

from dataclasses import replace

from pbshell.trace.tables import Held
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Side
from pbshell.workbench.books.tables import HeldRow, shown_rows
from pbshell.workbench.traffic.sayer import Sayer

HELD = Held("worker w1", "server", "s3", 2, "getBuilder('linux')", 12, 252.0, 7, "ping", 2.25)


def test_times_have_units_and_the_last_call_its_age() -> None:
    (row,) = shown_rows([HELD], "nothing")

    assert row == HeldRow("worker w1", "server", "s3", 2, "getBuilder('linux')", "4 m 12 s", 7, "ping 2.2 s ago")


def test_what_was_never_called_and_what_nobody_has_seen_is_said_to_be() -> None:
    (never,) = shown_rows([replace(HELD, idle=None, method="", used=0)], "nothing")
    (unseen, typed) = shown_rows([replace(HELD, name="", born=0), replace(HELD, name="", born=1)], "nothing")

    assert never.last == "never"
    assert (unseen.birth, typed.birth) == ("not seen", "")


def test_no_rows_have_a_word() -> None:
    assert shown_rows([], "nothing is lent").empty == "nothing is lent"


def test_a_piece_has_what_it_completes_beside_it() -> None:
    sayer = Sayer()
    offer, choice = encode([b"pb", b"none"], PB), encode(b"pb", PB)
    call = encode([b"message", 1, b"root", b"echo", 1, [b"tuple", b"x\x1b"], [b"dictionary"]], PB)

    said = [
        sayer.says(piece)
        for piece in (
            LinkEvent(0.0, 1, "opened", Side.CLIENT, "a to b"),
            Chunk(0.0, 1, Side.SERVER, offer[:3]),
            Chunk(0.0, 1, Side.SERVER, offer[3:]),
            Chunk(0.0, 1, Side.CLIENT, choice + call * 2),
        )
    ]

    assert said[1] == ""
    assert said[2] == "offer dialects pb, none"
    assert "opened" in said[0]
    assert said[3].count("root.echo(b'x\\x1b')") == 2
    assert "; " in said[3]


def test_much_that_a_piece_completes_is_cut() -> None:
    sayer = Sayer()
    call = encode([b"message", 1, b"root", b"echo", 0, [b"tuple"], [b"dictionary"]], PB)
    sayer.says(Chunk(0.0, 1, Side.SERVER, encode([b"pb"], PB)))

    text = sayer.says(Chunk(0.0, 1, Side.CLIENT, encode(b"pb", PB) + call * 100))

    assert len(text) == 403
    assert text.endswith("...")
