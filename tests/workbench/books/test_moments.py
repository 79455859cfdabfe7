"""Time travel: tables of a capture at a frame, at a time, and at its end; no further is read than need be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbshell.trace.explainers import Explainers
from pbshell.trace.tables import Held, Moment, caches, moments, references
from pbshell.wire.chunk import LinkEvent, Piece, Side
from pbshell.workbench.books.moments import tables_at
from tests.trace.recordings import chunks, dissect
from tests.trace.talking import captured

#: an answer lends s2 in #9 and another s3 in #11, after 7 and 9 ms; s3 is called from #13 on
CHAT = chunks("login_chat")


def ids(text: str, pieces: list[Piece] | None = None) -> tuple[list[list[str]], bool]:
    """What is lent at the moments of *text*, and whether these are reached."""
    tables, reached = tables_at(CHAT if pieces is None else pieces, moments(text), references, Explainers())
    return [[row.id for row in table] for table in tables], reached


def test_a_frame_has_what_it_has_lent() -> None:
    births = [(number, note) for number in (9, 11) for note in dissect(CHAT)[number - 1].notes]
    assert births

    assert ids("#8") == ([["c1"]], True)
    assert ids("#9") == ([["c1", "s2"]], True)
    assert ids("#11") == ([["c1", "s2", "s3"]], True)


def test_a_frame_in_the_middle_of_a_chunk_is_before_the_rest_of_it() -> None:
    from pbshell.wire.chunk import Chunk

    client = [piece for piece in CHAT if piece.sender is Side.CLIENT]
    joined: list[Piece] = [
        Chunk(1.0, 1, Side.SERVER, b"".join(piece.data for piece in CHAT if piece.sender is Side.SERVER)),
        Chunk(2.0, 1, Side.CLIENT, b"".join(piece.data for piece in client)),
    ]
    for number in range(1, len(dissect(joined))):
        (one,), reached = tables_at(joined, [Moment(number=number)], references, Explainers())
        assert reached
        assert [row for row in one if row.born > number] == []


def test_a_time_is_between_what_came_before_and_what_comes_later() -> None:
    before = [(piece.at, table[0]) for piece in CHAT if (table := ids(f"{piece.at}")[0])]

    assert before[0][1] == []
    assert before[-1][1] == ids("#999")[0][0]
    assert ids("-1") == ([[]], True)


def test_an_age_is_told_at_the_moment_and_not_at_the_piece_behind_it() -> None:
    later: list[Piece] = [*CHAT, LinkEvent(100.0, 1, "stalled", Side.CLIENT, "")]
    (table,), _ = tables_at(later, moments("+50"), references, Explainers())

    assert {round(row.age) for row in table} == {50}


def test_two_moments_are_two_tables_and_may_be_one_moment() -> None:
    (first, second), reached = ids("#9..#11")
    assert (first, second, reached) == (["c1", "s2"], ["c1", "s2", "s3"], True)
    assert ids("#9..#9") == ([["c1", "s2"], ["c1", "s2"]], True)
    assert ids("#9..+9999")[1] is False


@pytest.mark.parametrize("text", ["#9999", "+9999", "#9998..#9999"])
def test_behind_the_end_it_is_as_it_ends(text: str) -> None:
    tables, reached = ids(text)

    assert not reached
    assert tables == [ids(f"+{CHAT[-1].at}")[0][0]] * len(moments(text))


def test_the_time_of_the_last_piece_is_reached() -> None:
    assert ids(f"+{CHAT[-1].at}")[1] is True
    assert ids(f"+{CHAT[-1].at + 0.001}")[1] is False


def test_a_capture_of_nothing_reaches_nothing() -> None:
    assert ids("+1", []) == ([[]], False)
    assert ids("#1..#2", []) == ([[], []], False)


def test_what_was_lent_over_a_connection_that_has_ended_is_lent_no_more() -> None:
    ended: list[Piece] = [*CHAT, LinkEvent(9.0, 1, "closed", Side.CLIENT, "fin")]
    last = len(dissect(ended))

    assert ids(f"#{last - 1}", ended)[0] != [[]]
    assert ids(f"#{last}", ended) == ([[]], True)
    assert ids("+10", ended) == ([[]], False)
    # A number that is used again is another connection.
    assert ids("+20", [*ended, *CHAT])[0] == ids("#9999")[0]


def test_no_further_is_read_than_need_be() -> None:
    def pieces() -> Iterator[Piece]:
        yield from CHAT[:12]
        raise AssertionError("read on")

    assert tables_at(pieces(), moments("#9"), references, Explainers())[1]


def test_names_of_explainers_are_in_the_table() -> None:
    tables, _ = tables_at(captured("buildbot-trouble"), moments("#60"), references, Explainers.load())

    assert any("worker w17" in row.connection or "worker" in row.name for row in tables[0])


def test_secrets_are_covered_in_births_as_it_is_asked_for() -> None:
    def birth(level: str) -> str:
        tables, _ = tables_at(CHAT, moments("#9999"), references, Explainers(), redact=level)
        return " ".join(row.name for row in tables[0])

    assert "respond" not in birth("auth")


def test_cached_copies_have_a_table_of_their_own() -> None:
    pieces = chunks("cacheable")
    found: list[list[Held]] = tables_at(pieces[:4], moments("+9999"), caches, Explainers())[0]

    assert [row.id for row in found[0]] == ["s1"]
