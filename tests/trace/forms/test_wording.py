"""The words for what happens, where no recording says them."""

from __future__ import annotations

import pytest

from pbshell.trace import Dissection, Lent, Undecodable
from pbshell.trace.forms.wording import amount, changes, duration, ended, happened, oddities, unread
from pbshell.trace.notes import Cached, Decached, Ended, Exported, Large, Note, Odd, Released, Uncached
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.verbs import Message

S3 = Lent(Side.SERVER, 3, "get()", "get()", born=4)
MET = Lent(Side.SERVER, 3)
CALL = Dissection(4, 0, 1, Side.CLIENT, Message(8, 3, b"x", 1, [b"tuple"], [b"dictionary"]))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.00025, "0.2 ms"),
        (0.0449, "44.9 ms"),
        (0.25, "250 ms"),
        (0.9994, "999 ms"),
        (14.02, "14.0 s"),
        (252, "4 m 12 s"),
        (3599, "59 m 59 s"),
        (3600, "1 h 00 m"),
        (400_000, "111 h 07 m"),
        (-0.5, "-500.0 ms"),
    ],
)
def test_a_duration_has_the_unit_a_person_would_choose(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (99_999, "99,999 B"),
        (100_000, "100 kB"),
        (9_999_499, "9,999 kB"),
        (9_999_500, "10 MB"),
        (10**9, "1,000 MB"),
    ],
)
def test_an_amount_has_at_most_eight_columns(size: int, words: str) -> None:
    assert amount(size) == words
    assert len(words) <= 8


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (LinkEvent(0, 1, "opened", Side.CLIENT, "a:1 to b:2"), "opened: a:1 to b:2"),
        (LinkEvent(0, 1, "opened"), "opened"),
        (LinkEvent(0, 1, "closed", Side.SERVER, "reset"), "server reset the connection"),
        (LinkEvent(0, 1, "closed", Side.CLIENT, "fin: the client closed it"), "client closed the connection"),
        (LinkEvent(0, 1, "closed", None, "fin"), "the connection was closed"),
        (LinkEvent(0, 1, "closed", None, "reset"), "the connection was reset"),
        (LinkEvent(0, 1, "closed", None, "timeout: no route"), "the other side did not answer in time: no route"),
        (LinkEvent(0, 1, "closed", Side.SERVER, "timeout"), "server did not answer in time"),
        (LinkEvent(0, 1, "closed", Side.CLIENT, "us: aborted"), "client closed the connection: aborted"),
        (LinkEvent(0, 1, "closed", None, "us: enough"), "the connection was closed: enough"),
        (LinkEvent(0, 1, "closed", None, ""), "the connection was closed"),
        (LinkEvent(0, 1, "closed", None, "a cat"), "the connection was closed: a cat"),
        (LinkEvent(0, 1, "half_closed", Side.SERVER), "server will say no more"),
        (LinkEvent(0, 1, "stalled", Side.SERVER, "9 bytes wait"), "server takes no more bytes: 9 bytes wait"),
        (LinkEvent(0, 1, "stalled"), "one side takes no more bytes"),
        (LinkEvent(0, 1, "resumed", Side.SERVER), "server takes bytes again"),
        (LinkEvent(0, 1, "gap", Side.CLIENT, "7 bytes"), "bytes of the client are missing: 7 bytes"),
        (LinkEvent(0, 1, "moved\n", Side.CLIENT, "\x1b[2J"), "moved\\n by the client: \\x1b[2J"),
        (LinkEvent(0, 1, "moved"), "moved"),
    ],
)
def test_the_link_is_spoken_of_in_sentences(event: LinkEvent, words: str) -> None:
    assert happened(event) == words


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ((Exported(S3, 2),), ["s3 lent, count 2"]),
        ((Cached(S3, 1, first=True),), ["cache s3 lent, count 1"]),
        ((Released(S3, 1),), ["count 2 -> 1"]),
        ((Released(S3, 0),), ["count 1 -> 0, free"]),
        ((Decached(S3, 0),), ["count 1 -> 0"]),
        ((Uncached(S3),), ["free"]),
        # Nobody knows how often an object is lent that was met in the middle.
        ((Released(MET, 0),), []),
        ((Ended((), 0, 0),), []),
        ((Ended((CALL,), 1, 1),), ["1 call unanswered (c#8), 1 reference and 1 cache dropped"]),
        ((Odd("unknown luid", "x"), Large(9)), []),
        (
            tuple(Exported(S3, count) for count in range(1, 9)),
            [f"s3 lent, count {n}" for n in range(1, 6)] + ["3 more lent"],
        ),
    ],
)
def test_what_changes_in_the_books_is_said_in_a_few_words(notes: tuple[Note, ...], words: list[str]) -> None:
    assert list(changes(notes)) == words


@pytest.mark.parametrize(
    ("note", "listed", "words"),
    [
        (Ended((CALL,) * 7, 0, 2), 5, "7 calls unanswered (c#8, c#8, c#8, c#8, c#8, 2 more), 2 caches dropped"),
        (Ended((CALL,) * 2, 2, 1), 1, "2 unanswered (c#8, 1 more), 3 dropped"),
        (Ended((CALL,), 0, 0), 0, "1 unanswered"),
        (Ended((), 1, 0), 0, "1 dropped"),
    ],
)
def test_what_a_connection_leaves_behind_is_said_in_the_room_there_is(note: Ended, listed: int, words: str) -> None:
    assert ended(note, listed) == words


def test_a_string_that_a_stock_peer_would_refuse_is_odd() -> None:
    assert oddities([Large(655_360)]) == ""
    assert oddities([Odd("unknown luid", "s3 is not\nlent"), Large(655_361)]) == (
        "odd: s3 is not\\nlent; a string of 655,361 bytes, and a stock peer takes 655,360"
    )


def test_a_limit_that_ended_a_stream_is_said_once() -> None:
    assert unread(Undecodable("cut off", b"", "a list of 9")) == "cut off; a list of 9"
    assert unread(Undecodable("a list of 9 is too long", b"", "a list of 9")) == "a list of 9 is too long"
