"""How references, copies, one object, growth and limits look: at 60, 80 and 100 columns, folded, and in a pipe."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pbshell.shell.render import Renderer
from pbshell.shell.views.durations import short
from pbshell.trace.forms.columns import columns
from pbshell.trace.tables import Changed, Held
from pbshell.workbench.books.fills import LimitRow
from pbshell.workbench.books.histories import Change, Update
from pbshell.workbench.books.inspection import CacheRow, Head, ReferenceRow, References
from pbshell.workbench.books.ledgers import LedgerRow
from pbshell.workbench.books.marks import GrowthRow
from pbshell.workbench.books.remembered import Glimpse
from pbshell.workbench.books.stories import CacheStory, ChangeRow, Holders, ReferenceStory, Step
from pbshell.workbench.forms.rows import Rows

HOSTILE = "\x1b]0;owned\x07\r\nspoof\u202e"
SCREEN, PIPE = Renderer(width=100, screen=True), Renderer(width=100)

BIRTH = "alice.getBuilder('linux')"
GREW = "never called, only grows"
ROWS = [
    ReferenceRow("demo#1", "ours", "root", None, "a.PortalRoot", "", 0, 252.0, 1, "login", 252.0, "the broker", ""),
    ReferenceRow("demo#1", "ours", "s2", 1, "a.User", "alice", 4, 252.0, 17, "state", 2.0, "peer", ""),
    ReferenceRow(
        "demo#1", "ours", "s9", 4, "a.Builder", "alice.getBuilder('linux')", 9, 238.0, 0, "", None, "peer", GREW
    ),
    ReferenceRow("demo#1", "theirs", "c1", 1, "", "alice.mind", 3, 252.0, 5, "print", 1.0, "User.mind", ""),
    ReferenceRow("demo#1", "theirs", "c7", 1, "", "subscribe() args[0]", 30, 12.0, 0, "", None, "_3 (history)", ""),
]
LEDGERS = (LedgerRow("demo#1", "ours", 22, 17, 5, ()), LedgerRow("demo#1", "theirs", 2, 0, 2, ()))
HEAD = Head("demo#1", 1, "alice", "127.0.0.1:51234", 252.0, 2, 2, 1024, 16384, 1, 0, LEDGERS, True)
STATE = {"v": "213", "name": "'x'"}
CACHE = CacheRow(
    "demo",
    "theirs",
    "s4",
    "mod.State",
    1,
    252.0,
    212,
    0.84,
    "set(213)",
    1.2,
    5600,
    1871,
    0,
    {"v": "213", "name": "'x'"},
)


def many(count: int) -> list[ReferenceRow]:
    return [replace(ROWS[2], id=f"s{number}", birth=f"getBuilder('b{number}')") for number in range(count)]


def test_references_stand_below_their_connection_and_above_their_ledger() -> None:
    assert SCREEN.value(References(ROWS, [HEAD])).split("\n") == [
        "demo#1  alice at 127.0.0.1:51234  up 4m12s         ours 2 of 1,024 (1 leaking?)   theirs 2 of 16,384",
        " SIDE    ID    COUNT  CLASS/BIRTH                 AGE    USED  LAST CALL    HELD BY",
        " ours    root      -  PortalRoot                  4m12s     1  login 4m12s  the broker",
        " ours    s2        1  User  alice                 4m12s    17  state 2.0s   peer",
        " ours!   s9        4  Builder  ali...er('linux')  3m58s     0  never        never called, only grows",
        " theirs  c1        1  alice.mind                  4m12s     5  print 1.0s   User.mind",
        " theirs  c7        1  subscribe() args[0]         12s       0  never        _3 (history)",
        " ledger ours: lent 22, got 17 decrefs, 5 held = 5 expected",
        " ledger theirs: got 2, sent 0 decrefs, 2 held = 2 expected",
        " :ref s9 shows the 4 frames that sent it;  :who c1 shows what keeps it alive here",
    ]
    wide = Renderer(width=140, screen=True).value(References(ROWS, [HEAD]))
    assert "peer; never called, only grows" in wide


@pytest.mark.parametrize("width", [60, 80, 100])
def test_every_view_keeps_within_its_width(width: int) -> None:
    for value in VALUES:
        lines = Renderer(width=width, screen=True).value(value).split("\n")
        assert all(columns(line) <= width for line in lines), lines


def test_a_suspect_is_told_by_words_at_any_width_and_by_colour_only_beside_them() -> None:
    narrow = Renderer(width=60, screen=True).value(References(ROWS, [HEAD]))
    assert re.search(r"ours!  +s9 .*never called, only grows", narrow)
    coloured = Renderer(width=100, colours=True).value(References(ROWS, [HEAD]))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert plain == SCREEN.value(References(ROWS, [HEAD]))
    (marked,) = [line for line in coloured.split("\n") if "\x1b" in line]
    assert re.search(r"ours! +s9", marked)


def test_many_of_one_birth_are_folded_on_a_screen_and_nowhere_else() -> None:
    rows = many(300)
    shown = SCREEN.value(References(rows, [HEAD]))
    assert "ours!   ... 297 more of Builder  getBuilder(..): :refs all shows them" in shown
    assert len(shown.split("\n")) < 12
    assert len(SCREEN.value(References(rows, [HEAD], everything=True)).split("\n")) > 300
    assert len(PIPE.value(References(rows, [HEAD])).split("\n")) > 300


def test_of_many_connections_those_that_need_no_look_are_a_line_each_or_a_number() -> None:
    healthy = [
        replace(HEAD, connection=f"c{number}", leaks_ours=0, whole=number == 3, ledgers=()) for number in range(80)
    ]
    rows = [replace(ROWS[1], connection=f"c{number}") for number in range(80)]
    lines = SCREEN.value(References(rows, healthy)).split("\n")

    assert sum("alice.getBuilder" in line or " s2 " in line for line in lines) == 1
    assert len([line for line in lines if line.startswith("c")]) == 13
    assert "67 more connections   ours 134   theirs 134" in lines
    assert " :refs all shows the rows of all connections" in lines
    everything = SCREEN.value(References(rows, healthy, everything=True)).split("\n")
    assert sum(" s2 " in line for line in everything) == 80


def test_rows_in_another_order_stand_below_their_connections_all_the_same() -> None:
    heads = [replace(HEAD, connection=name, ledgers=()) for name in ("a", "b")]
    rows = [replace(ROWS[1], connection=name, id=f"s{at}") for at, name in enumerate("abab")]
    found = re.findall(r"^a  |^b  |\bs\d\b", SCREEN.value(References(rows, heads)), re.MULTILINE)
    assert found == ["a  ", "s0", "s2", "b  ", "s1", "s3"]


def test_books_that_disagree_say_so() -> None:
    wrong = LedgerRow("demo#1", "ours", 5, 1, 3, ("s9 is lent 4 times in the traffic and 3 times in the books",))
    lines = SCREEN.value(References(ROWS, [replace(HEAD, ledgers=(wrong,))])).split("\n")

    assert " ledger ours: lent 5, got 1 decref, 3 held and not 4 expected" in lines
    assert " ! the books of ours disagree: s9 is lent 4 times in the traffic and 3 times in the books" in lines


def test_no_rows_are_a_word() -> None:
    empty = replace(HEAD, ours=0, theirs=0, ledgers=(replace(LEDGERS[1], returned=2, held=0),))
    assert SCREEN.value(References([], [])) == "no references"
    assert SCREEN.value(References([], [empty])).split("\n") == [
        "no references",
        " ledger theirs: got 2, sent 2 decrefs, 0 held = 0 expected",
    ]
    assert SCREEN.value(Rows(CacheRow, [], "no cached copies")) == "no cached copies"
    assert SCREEN.value(Rows(LimitRow, [], "no connections")) == "no connections"


def test_rows_that_a_pipe_has_chosen_are_a_table() -> None:
    lines = SCREEN.value(Rows(ReferenceRow, ROWS[:1])).split("\n")

    assert lines[0].split() == ["SIDE", "ID", "COUNT", "CLASS/BIRTH", "AGE", "USED", "LAST", "CALL", "HELD", "BY"]
    assert len(lines) == 2


def test_cached_copies_say_how_far_behind_they_are() -> None:
    slow = replace(CACHE, side="ours", id="c6", unanswered=38, rate=4.1)
    assert SCREEN.value(Rows(CacheRow, [CACHE, slow])).split("\n") == [
        "SIDE    ID  CLASS   HANDLES  AGE    UPDATES  RATE   LAST           STATE",
        "theirs  s4  State         1  4m12s      212  0.8/s  set(213) 1.2s  in step with frame 1871",
        "ours    c6  State         1  4m12s      212  4.1/s  set(213) 1.2s  peer slow: 38 updates unanswered",
        "1 column hidden (bytes): | json has them",
    ]
    assert "5,600 B" in SCREEN.value(Rows(CacheRow, [CACHE]))
    elsewhere = Rows(CacheRow, [CACHE, replace(CACHE, connection="other", unanswered=1, idle=None)])
    text = PIPE.value(elsewhere)
    assert text.startswith("CONN   SIDE")
    assert "1 update at work here" in text


def test_the_changes_of_a_copy_stand_beside_the_frame_that_made_them() -> None:
    row = ChangeRow("main", "s4", "v", "212", "213", 1871, 1871, "set", 1, 1.0)
    together = replace(row, first=1872, last=1874, updates=3, before=None)
    gone = replace(row, after=None)
    assert SCREEN.value(Rows(ChangeRow, [row, together, gone])).split("\n") == [
        "  v: 212 -> 213                            (frame 1871, observe_set)",
        "  v: new, 213                              (frames 1872 to 1874, observe_set x3)",
        "  v: gone, it was 212                      (frame 1871, observe_set)",
    ]
    long = replace(row, before=f"'{'a' * 70}b'", after=f"'{'a' * 70}cd'")
    assert SCREEN.value(Rows(ChangeRow, [long])).strip().startswith("v: ...aaaaaaaaaaaab' -> ...aaaaaaaaaaaacd'")
    assert SCREEN.value(Rows(ChangeRow, [row] * 30)).split("\n")[0] == "  18 earlier: | json has them"
    assert len(PIPE.value(Rows(ChangeRow, [row] * 30)).split("\n")) == 30


def test_one_copy_shows_its_attributes_and_its_updates() -> None:
    updates = (
        Update(7, 7, 1.0, 1, "set", "213", (Change("v", "212", "213"),)),
        Update(8, 9, 1.0, 2, "set", "213", ()),
        Update(10, 10, 1.0, 1, "set", "214", None),
    )
    assert SCREEN.value(CacheStory(CACHE, updates, ())).split("\n") == [
        "s4  mod.State  1 handle, 4m12s old",
        "  v    = 213",
        "  name = 'x'",
        "  #7  set(213)  v: 212 -> 213",
        "  #8-9  2 updates, set last  nothing changed",
        "  #10  set(214)",
    ]
    assert SCREEN.value(CacheStory(replace(CACHE, attributes={}), (), ())).split("\n")[1:] == [
        "  it has no attributes",
        "  no update has come yet",
    ]


def test_one_reference_shows_its_frames_and_its_count() -> None:
    frames = (Glimpse(9, 12.0, "= s9, the answer to getBuilder('linux')"), Glimpse(11, None, ""), Glimpse(12, None, ""))
    steps = (Step(9, 12.0, 1), Step(11, 11.0, 2))
    assert SCREEN.value(ReferenceStory(ROWS[1], frames, steps, 0)).split("\n")[2:] == [
        "  #9  12s ago  = s9, the answer to getBuilder('linux')",
        "  frames #11, #12 touched it",
        "  count: 1 (#9), 2 (#11); none came back",
        "  calls: 17, the last one of state 2.0s ago",
        "  :who s2 shows who holds it;  :trace filter ~l s2 shows what comes",
    ]
    assert "; 3 receipts came back" in SCREEN.value(ReferenceStory(ROWS[1], frames, steps, 3))


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (
            Holders("main", "theirs", "s1", "thing()", False, 2, 2, ("b", "things[1]")),
            [
                "s1  thing()",
                "  the peer owns it; we hold 2 receipts of it",
                "  2 objects here stand for it",
                "  held by  b",
                "  held by  things[1]",
            ],
        ),
        (
            Holders("main", "theirs", "s1", "", True, 1, 0, ()),
            [
                "s1  whose birth nobody has seen",
                "  the peer owns it; we hold 1 receipt of it",
                "  held by  nobody here any more: the copy is on its way back",
            ],
        ),
        (
            Holders("main", "ours", "c1", "Mine", False, 4, 0, ()),
            [
                "c1  Mine",
                "  it is ours; the peer holds 4 receipts of it",
                "  held by  nobody here but the books: it is freed when the peer gives it back",
            ],
        ),
        (
            Holders("main", "ours", "root", "Root", False, None, 0, ("app.root",)),
            ["root  Root", "  it is ours, and the broker's", "  held by  app.root"],
        ),
    ],
)
def test_who_holds_it_is_a_line_each(value: Holders, lines: list[str]) -> None:
    assert SCREEN.value(value).split("\n") == lines


def test_growth_limits_and_the_past_are_tables() -> None:
    grown = GrowthRow("main", "theirs", "references", "", "getBuilder(..)", 42, 49, 7, 7, 0)
    assert SCREEN.value(Rows(GrowthRow, [grown])).split("\n") == [
        "SIDE    TABLE       WHAT  BIRTH           BEFORE  NOW  MORE  RECEIPTS  USED",
        "theirs  references        getBuilder(..)      42   49     7         7     0",
    ]
    limits = [
        LimitRow("main", "lent by us", 512, 600, 1024, "exports", None, ""),
        LimitRow("main", "bytes of a string", None, None, 655360, "string", 655360, "twisted.spread.banana.SIZE_LIMIT"),
    ]
    assert SCREEN.value(Rows(LimitRow, limits)).split("\n") == [
        "COUNTED            NOW  PEAK  LIMIT    FULL  SETTING   STOCK TWISTED",
        "lent by us         512   600  1,024    50%   exports=  no limit",
        "bytes of a string    -     -  655,360  -     string=   655,360 SIZE_LIMIT",
        "a setting is one of pb.Limits(...), the limits= of pb.connect and pb.serve",
    ]
    assert SCREEN.value(Rows(Held, [HELD])).split("\n")[1].split() == [
        *("main", "theirs", "s3", "1", "getBuilder()", "12s", "2", "start", "1.0s")
    ]
    assert "count 1 -> 2" in SCREEN.value(Rows(Changed, [Changed("main", "theirs", "s3", "x", "count 1 -> 2")]))


HELD = Held("main", "theirs", "s3", 1, "getBuilder()", 5, 12.0, 2, "start", 1.0)
VALUES: list[Any] = [
    References(ROWS, [HEAD]),
    References(many(50), [replace(HEAD, peer="x" * 80)]),
    References(ROWS, [HEAD, replace(HEAD, connection="other", whole=False)]),
    Rows(CacheRow, [CACHE, replace(CACHE, connection="another", unanswered=100_000)]),
    CacheStory(CACHE, (Update(7, 7, 1.0, 1, "set", "x" * 200, (Change("v", "1" * 90, "2" * 90),)),), ()),
    Rows(ChangeRow, [ChangeRow("main", "s4", "v" * 40, "2" * 30, "3" * 30, 1871, 1871, "set", 1, 1.0)]),
    ReferenceStory(ROWS[2], tuple(Glimpse(n, None, "") for n in range(32)), (Step(9, 1.0, 1),), 0),
    Holders("main", "theirs", "s1", "thing()" * 20, False, 2, 2, ("b" * 150,)),
    Rows(GrowthRow, [GrowthRow("main", "theirs", "references", "a.B" * 9, "b" * 99, 42, 49, 7, 7, 0)]),
    Rows(LimitRow, [LimitRow("main", "bytes of a string", 1, 2, 655360, "string", 655360, "a.SIZE_LIMIT")]),
    Rows(Held, [replace(HELD, name="b" * 120)]),
    Rows(Changed, [Changed("main", "theirs", "s3", "n" * 80, "count 1 -> 2, used 3x, last start")]),
]


def test_what_a_peer_has_named_is_not_obeyed() -> None:
    row = replace(ROWS[2], birth=HOSTILE, method=HOSTILE, idle=1.0, what="")
    for value in (
        References([row], [replace(HEAD, user=HOSTILE)]),
        Rows(ReferenceRow, [row]),
        Rows(CacheRow, [replace(CACHE, last=HOSTILE, what=HOSTILE)]),
        Rows(Held, [replace(HELD, name=HOSTILE, method=HOSTILE)]),
    ):
        assert all(line.isprintable() for line in SCREEN.value(value).split("\n"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12ms"),
        (1.23, "1.2s"),
        (12.3, "12s"),
        (59.7, "1m00s"),
        (252, "4m12s"),
        (7500, "2h05m"),
        (273_600, "3d04h"),
    ],
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert short(seconds) == text
