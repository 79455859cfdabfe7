"""How `:conns`, `:servers` and `:mind` look, on screens of several widths and in a pipe."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from pbshell.shell.render import Renderer
from pbshell.trace.forms.columns import columns
from pbshell.workbench.commands import perform
from pbshell.workbench.commands.connections import MindRow
from pbshell.workbench.commands.servers import ServerRow
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.reaching.connections import ConnDetail, Connections, ConnRow, WaitingCall
from tests.workbench.bench import connected

OPEN = ConnRow(
    name="alice",
    address="127.0.0.1:40617",
    tls=False,
    user="alice",
    used=True,
    server="",
    state="open",
    up=252.0,
    ended=None,
    last_in=2.1,
    last_out=1.0,
    unacknowledged=0,
    unsent=0,
    our_calls=0,
    our_oldest=None,
    their_calls=0,
    their_oldest=None,
    ours=1,
    ours_limit=1024,
    ours_rate=0.0,
    ours_full=None,
    theirs=12,
    theirs_limit=1024,
    theirs_rate=0.0,
    theirs_full=None,
    severity="",
    verdict="",
)
LEAKS = replace(
    OPEN,
    name="echo#3",
    server="echo",
    used=False,
    tls=True,
    user="",
    unacknowledged=1_000,
    unsent=500,
    our_calls=1,
    our_oldest=12.0,
    their_calls=2,
    their_oldest=3.0,
    ours=812,
    ours_rate=0.25,
    ours_full=848.0,
    severity="warning",
    verdict="the server lends 812 of the 1,024 objects that it may lend, full in 14 m 08 s",
)
ENDED = replace(
    OPEN,
    name="bob",
    user="bob",
    used=False,
    state="ended",
    ended=12.0,
    last_in=None,
    last_out=None,
    unacknowledged=None,
    severity="error",
    verdict="the server reset the connection\x1b[2J",
)


def screen(rows: Connections, width: int = 100) -> list[str]:
    lines = Renderer(width=width, screen=True).value(rows).split("\n")
    assert all(columns(line) <= width for line in lines)
    return lines


def test_one_healthy_connection_is_one_line_of_words() -> None:
    assert screen(Connections([OPEN])) == [
        "NAME     ADDRESS          USER   UP     IN    OUT   UNACK  WAITING  OURS        THEIRS",
        "> alice  127.0.0.1:40617  alice  4m12s  2.1s  1.0s  0 B    -        1 of 1,024  12 of 1,024",
    ]


def test_what_is_wrong_stands_below_the_connection() -> None:
    lines = screen(Connections([ENDED, LEAKS, OPEN]), 160)
    assert re.split(r"  +", lines[3]) == [
        "! echo#3",
        "tls:127.0.0.1:40617",
        "-",
        "4m12s",
        "2.1s",
        "1.0s",
        "1,500 B",
        "ours 1 (12s), theirs 2 (3.0s)",
        "812 of 1,024",
        "12 of 1,024",
    ]
    assert lines[1].startswith("x bob ")
    assert lines[2] == "    ended 12.0 s ago: the server reset the connection\\x1b[2J; :reconnect bob"
    assert lines[4] == f"    warning: {LEAKS.verdict}"
    assert lines[5].startswith("> alice")


@pytest.mark.parametrize(
    ("width", "hidden"),
    [
        (90, ["1 column hidden (waiting): 91 columns are needed, or | json"]),
        (80, ["2 columns hidden (waiting, user): 91 columns are needed, or | json"]),
        (60, ["5 columns hidden (waiting, user, unack, out, in): 91 columns", "are needed, or | json"]),
    ],
)
def test_columns_that_tell_nothing_go_first_and_it_is_told(width: int, hidden: list[str]) -> None:
    assert screen(Connections([OPEN]), width)[2:] == hidden


def test_what_grows_slowly_is_told_by_the_hour() -> None:
    slow = replace(LEAKS, ours_rate=0.002, ours_full=106_000.0, severity="note", verdict="")
    told = "    ours: +7.2/h, full in 29 h 27 m"

    assert screen(Connections([slow]), 200)[2] == told
    worse = replace(slow, severity="warning", verdict="it hangs")
    assert screen(Connections([worse]), 200)[2:4] == ["    warning: it hangs", told]
    assert screen(Connections([worse] * 4), 200)[2:4] == ["    warning: it hangs", told]


def test_many_healthy_ones_are_folded_on_a_screen_and_not_in_a_pipe() -> None:
    healthy = [replace(OPEN, name=f"w{number}", used=False) for number in range(30)]
    rows = Connections([ENDED, OPEN, *healthy], folded=True)
    waits = Connections([ENDED, OPEN, replace(healthy[0], their_calls=2), *healthy[1:]], folded=True)

    assert screen(rows, 110)[-1] == "30 healthy connections folded: :conns all"
    assert len(screen(rows, 110)) == 5
    assert screen(waits, 110)[-1] == "30 healthy connections folded, in which 2 calls wait: :conns all"
    assert len(screen(Connections(rows))) == len(rows) + 2
    assert len(Renderer(width=60).value(rows).split("\n")) == len(rows) + 2
    assert screen(Connections(healthy, folded=True))[0] == "30 healthy connections folded: :conns all"


def test_what_is_wrong_with_many_has_a_line_each_and_with_few_is_whole() -> None:
    many = [replace(ENDED, name=f"b{number}", verdict="why " * 40) for number in range(4)]

    lines = screen(Connections(many), 80)
    assert len([line for line in lines if "why" in line]) == 4
    assert lines[2].endswith("...; :reconnect b0")
    assert "".join(screen(Connections(many[:1]), 80)).count("why") == 40


def test_few_are_never_folded() -> None:
    assert len(screen(Connections([OPEN, replace(OPEN, name="b", used=False)], folded=True), 110)) == 3


def test_no_connections_are_a_sentence() -> None:
    assert screen(Connections([]), 60) == ["no connections; :connect TARGET makes one"]


async def test_eighty_real_connections_are_readable_on_a_narrow_screen() -> None:
    async with connected() as (bench, _):
        target = bench.connections["main"].target
        await asyncio.gather(*(bench.connect(target, name=f"w{number}") for number in range(79)))
        await perform(bench, "use w7")
        for name in ("w3", "w5"):
            connection = bench.connections[name].connection
            connection.abort()
            await connection.wait_closed()

        rows = await perform(bench, "conns")
        assert len(rows) == 80
        assert {row.name for row in rows[:2]} == {"w3", "w5"}
        for width in (60, 80):
            lines = screen(rows, width)
            marked = [line.split()[:2] for line in lines if line[0] in "x>!"]
            assert marked == [["x", rows[0].name], ["x", rows[1].name], [">", "w7"]]
            assert [line.split()[0] for line in lines if line.startswith("    ended ")] == ["ended", "ended"]
            assert "77 healthy connections folded: :conns all" in lines
            assert any("hidden" in line for line in lines)
            assert len(lines) < 15
            every = screen(await perform(bench, "conns all"), width)
            assert sum("127.0.0.1" in line or "127..." in line for line in every) == 80


def test_one_connection_is_a_fact_a_line() -> None:
    detail = ConnDetail(
        row=LEAKS,
        number=3,
        local="127.0.0.1:8789",
        target="",
        dialect="pb",
        cipher="TLSv1.3 with TLS_AES_256_GCM_SHA384",
        received=1_000,
        sent=2_000,
        our_cached=1,
        their_cached=0,
        heard=2,
        waiting=(WaitingCall("s#7", "c1:mind.print('x')", True, 12.0),),
        verdicts=("warning: it leaks",),
    )
    facts = dict(re.split(r"  +", line, maxsplit=1) for line in Renderer(width=100).value(detail).split("\n"))

    assert facts == {
        "name": "echo#3",
        "accepted by": "echo, a server of ours",
        "addresses": "127.0.0.1:8789 here, 127.0.0.1:40617 there",
        "in the trace": "connection 3",
        "encryption": "TLSv1.3 with TLS_AES_256_GCM_SHA384",
        "protocol": "PB v6, dialect pb",
        "logged in": "nobody",
        "up": "4 m 12 s",
        "last bytes": "in 2.1 s ago, out 1.0 s ago",
        "bytes": "1,000 in, 2,000 out",
        "unacknowledged": "1,000 bytes; 500 bytes not sent yet",
        "we wait for": "1 call, the oldest since 12.0 s",
        "they wait for": "2 calls, the oldest since 3.0 s",
        "": "s#7 c1:mind.print('x') 12.0 s",
        "we lend": "812 of 1,024 objects, and 1 cached",
        "growing": "ours: +15/min, full in 14 m 08 s",
        "they lend": "12 of 1,024 objects, and 0 cached",
        "mind": "called 2 times: :mind echo#3",
        "verdict": "warning: it leaks",
    }


def test_one_that_has_ended_tells_why() -> None:
    detail = ConnDetail(ENDED, 3, "here", "127.0.0.1:1", "", "", 0, 0, 0, 0, 0, (), ())
    text = Renderer(width=60, screen=True).value(detail)

    assert "ended         12.0 s ago, it was up for 4 m 12 s" in text
    assert "why           the server reset the connection\\x1b[2J" in text
    assert "dialect not agreed upon yet" in text


def test_servers_and_calls_of_minds_are_tables_of_words() -> None:
    servers = Rows(ServerRow, [ServerRow("e", "echo", ("tcp:1", "unix:/x"), 2, 61.0)], "none")
    minds = Rows(
        MindRow, [MindRow("alice", 0.5, "print", "mind.print('hi')"), MindRow("bob", None, "x", "x()")], "none"
    )

    assert Renderer().value(servers).split("\n") == [
        "NAME  SERVED  ENDPOINTS       CONNECTIONS  UP",
        "e     echo    tcp:1, unix:/x            2  61.0 s",
    ]
    assert Renderer().value(minds).split("\n") == [
        "CONNECTION  AGO         CALL",
        "alice       500 ms ago  mind.print('hi')",
        "bob         -           x()",
    ]
    assert Renderer(screen=True).value(Rows(ServerRow, [], "no servers")) == "no servers"
