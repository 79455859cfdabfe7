"""What one row of the kernel's tables means, alone and beside what it was a second ago."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbshell.net.socket_tables import Details, TCPSocket
from pbshell.workbench.doctor.sockets import Judgement, is_suspicious, judge

WELL = TCPSocket(("192.0.2.1", 9989), ("192.0.2.7", 51234), "ESTABLISHED", inode=7)
GONE = replace(WELL, unacknowledged=12_345, timer="retransmit", retransmits=5, due=12.0)
FULL = replace(WELL, unacknowledged=3_782_144, timer="probe", unanswered=3)
UNREAD = replace(WELL, unread=50)
HUNG_UP = replace(WELL, state="CLOSE_WAIT")


def told(row: TCPSocket, before: TCPSocket | None = None, *, server: bool = True) -> Judgement:
    return judge(row, before, 1.0, server=server)


def test_a_peer_that_is_well_is_not_looked_at_twice() -> None:
    assert told(WELL) == Judgement("ok", "ok", "nothing is unread, nothing waits")
    assert not is_suspicious(WELL)
    assert not is_suspicious(replace(WELL, state="TIME_WAIT", inode=0))
    assert not is_suspicious(replace(WELL, state="LISTEN"))


@pytest.mark.parametrize(
    "row",
    [GONE, FULL, UNREAD, HUNG_UP, replace(WELL, inode=0), replace(WELL, unanswered=1), replace(WELL, state="SYN_RECV")],
)
def test_what_may_hang_is_looked_at_twice(row: TCPSocket) -> None:
    assert is_suspicious(row)


def test_a_peer_that_does_not_acknowledge_is_gone_or_cut_off() -> None:
    found = told(GONE)

    assert (found.kind, found.severity) == ("silent", "error")
    assert found.text == (
        "does not acknowledge 12,345 B: sent again 5 times, next in 12.0 s: the peer is gone, or the way to it is cut"
    )


def test_ss_tells_since_when_nothing_was_acknowledged() -> None:
    found = told(replace(GONE, retransmits=0, details=Details(acknowledged=48.0, backoff=6)))

    assert "sent again 6 times, nothing acknowledged for 48.0 s, next" in found.text


def test_keepalive_probes_without_an_answer_mean_that_the_peer_is_gone() -> None:
    found = told(replace(WELL, timer="keepalive", unanswered=2))

    assert found == Judgement("silent", "error", "2 keepalive probes without an answer: the peer is gone")


def test_a_closed_window_means_that_the_peer_does_not_read() -> None:
    found = told(FULL)

    assert (found.kind, found.severity) == ("peer does not read", "error")
    assert found.text == "the peer does not read: 3,782 kB wait here, and its window is closed (3 probes so far)"


def test_bytes_that_stay_unread_mean_that_the_server_does_not_read() -> None:
    assert told(UNREAD).severity == "note"
    assert told(UNREAD, UNREAD) == Judgement(
        "unread", "error", "the server has read nothing for 1.0 s: 50 B from the peer wait"
    )
    assert told(UNREAD, UNREAD, server=False).text.startswith("this end has read nothing")
    assert told(UNREAD, replace(UNREAD, unread=60)).severity == "note"
    assert told(UNREAD, WELL).severity == "note"


def test_a_server_that_reads_what_keeps_coming_is_not_blamed() -> None:
    before = replace(UNREAD, details=Details(taken=1000))

    assert told(replace(UNREAD, details=Details(taken=9000)), before).severity == "note"
    assert told(replace(UNREAD, unread=80, details=Details(taken=1030)), before).severity == "error"


def test_a_peer_that_has_hung_up_is_closed_or_forgotten() -> None:
    unaware = replace(HUNG_UP, unread=1)

    assert told(HUNG_UP).severity == "note"
    assert told(HUNG_UP, HUNG_UP).kind == "not closed"
    assert told(unaware, unaware).text == "the peer has hung up, and the server has not noticed for 1.0 s"
    # The end itself is no byte that is unread.
    assert told(replace(HUNG_UP, unread=51), replace(HUNG_UP, unread=51)).text.endswith("50 B from the peer wait")


def test_a_connection_that_is_not_accepted_is_told_of_a_server_only() -> None:
    assert told(replace(WELL, inode=0)).kind == "not accepted"
    assert told(replace(WELL, inode=0), server=False).kind == "ok"


@pytest.mark.parametrize(
    ("state", "kind", "severity"),
    [
        ("SYN_SENT", "no answer", "error"),
        ("SYN_RECV", "half open", "warning"),
        ("FIN_WAIT1", "ending", "warning"),
        ("CLOSING", "ending", "warning"),
        ("LAST_ACK", "ending", "warning"),
        ("FIN_WAIT2", "ending", "ok"),
        ("TIME_WAIT", "ok", "ok"),
    ],
)
def test_each_state_has_a_meaning(state: str, kind: str, severity: str) -> None:
    row = replace(WELL, state=state, inode=0, timer="retransmit", retransmits=1 if state.startswith("SYN") else 0)
    found = judge(row, None, 0.0)

    assert (found.kind, found.severity) == (kind, severity)


def test_bytes_on_their_way_are_no_trouble_unless_they_stay() -> None:
    row = replace(WELL, unacknowledged=100, timer="retransmit")

    assert told(row) == Judgement("under way", "note", "100 B are under way")
    assert told(row, replace(row, unacknowledged=200)).severity == "note"
    assert told(row, row).kind == "slow"
