"""The kernel's tables of sockets: recorded ones, what ss says, and those of sockets that are really there."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pbshell.net.socket_tables import (
    NoTables,
    Process,
    ask_ss,
    owners,
    parse_ss,
    parse_table,
    read_tables,
    with_details,
    written,
)

LINUX = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")
LITTLE = pytest.mark.skipif(sys.byteorder != "little", reason="recorded on a machine with little-endian words")

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
#: A listener with three that wait, one of these, a peer that is gone, one that does not read, one that hung up.
TABLE = (
    HEAD
    + """\
   1: 0100007F:B0A3 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 29234 4 0 100 0 0 10 0
   2: 0100007F:B0A3 0100007F:965E 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 0 0 10 -1
   3: 0501A8C0:2705 0701A8C0:C822 01 00003039:00000000 01:000004B0 00000005  1000        0 29245 3 0 20 4 1 2 2
   4: 0100007F:B0A3 0100007F:9644 01 0039B600:00000000 04:00000026 00000003  1000        2 29246 2 0 20 0 0 15 -1
   5: 0100007F:B0A3 0100007F:964E 08 00000000:00000001 00:00000000 00000000     0        0 0 1 0 20 4 0 10 -1
   6: 0100007F:964E 0100007F:B0A3 05 00000000:00000000 03:0000173D 00000000     0        0 0 3 0
"""
)
TABLE6 = HEAD + (
    "   0: 00000000000000000000000000000000:2705 00000000000000000000000000000000:0000 0A 00000000:00000000 "
    "00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n"
    "   1: B80D0120000000000000000001000000:2705 B80D0120000000000000000002000000:C822 01 00000000:00000010 "
    "02:00000BB8 00000000  1000        3 4712 1 0 100 0 0 10 0\n"
    "   2: 0000000000000000FFFF00000501A8C0:2705 0000000000000000FFFF00000701A8C0:C823 01 00000000:00000000 "
    "00:00000000 00000000  1000        0 4713 1 0 100 0 0 10 0\n"
)
#: iproute2 6.1.0
SS = """\
LISTEN    3      2      127.0.0.1:45219   0.0.0.0:*     bbr cwnd:10 unacked:3
LISTEN    0      50     *:9989            *:*           cubic cwnd:10
ESTAB     0      3782144 127.0.0.1:45219 127.0.0.1:38468 bbr wscale:10,10 rto:208 backoff:3 rtt:4.619/9.183 mss:47616 \
bytes_sent:176128 bytes_acked:128512 lastsnd:2260 lastrcv:2832 lastack:748 busy:2516ms retrans:0/1 notsent:3782144
ESTAB     50     0      [::ffff:192.168.1.5]:9989 [::ffff:192.168.1.7]:51235 cubic rtt:0.5/0.2 \
bytes_received:50 lastrcv:9
FIN-WAIT-2 0     0      [fe80::1%eth0]:38478 [fe80::2]:45219
"""


@LITTLE
def test_a_recorded_table_is_read() -> None:
    rows = list(parse_table(TABLE))

    assert [row.state for row in rows] == [
        "LISTEN",
        "ESTABLISHED",
        "ESTABLISHED",
        "ESTABLISHED",
        "CLOSE_WAIT",
        "FIN_WAIT2",
    ]
    listener, waits, gone, full, hung, _ = rows
    assert (listener.local, listener.unread, listener.uid, listener.inode) == (("127.0.0.1", 45219), 3, 1000, 29234)
    assert (waits.remote, waits.inode) == (("127.0.0.1", 38494), 0)
    assert (gone.local, gone.remote) == (("192.168.1.5", 9989), ("192.168.1.7", 51234))
    assert (gone.unacknowledged, gone.timer, gone.retransmits) == (12345, "retransmit", 5)
    assert gone.due == 1200 / os.sysconf("SC_CLK_TCK")
    assert (full.unacknowledged, full.timer, full.retransmits, full.unanswered) == (3782144, "probe", 3, 2)
    assert hung.unread == 1


@LITTLE
def test_a_table_of_ipv6_is_read_and_ipv4_in_it_is_written_as_such() -> None:
    listener, peer, mapped = parse_table(TABLE6)

    assert written(listener.local) == "*:9989"
    assert peer.local == ("2001:db8::1", 9989)
    assert written(peer.remote) == "[2001:db8::2]:51234"
    assert (peer.timer, peer.unanswered, peer.unread) == ("keepalive", 3, 16)
    assert (mapped.local, mapped.remote) == (("192.168.1.5", 9989), ("192.168.1.7", 51235))


@pytest.mark.parametrize("line", ["", "garbage", " 1: 0100:1 2:3 01 x", " 1: ZZ:1 00:0 01 0:0 0:0 0 0 0 1", "1: " * 20])
def test_a_line_that_is_no_row_is_passed_over(line: str) -> None:
    assert not list(parse_table(f"{HEAD}{line}\n"))


def test_what_ss_says_is_read() -> None:
    said = parse_ss(SS)

    assert said[("127.0.0.1", 45219), ("0.0.0.0", 0)].room == 2
    assert said[("::", 9989), ("::", 0)].room == 50
    full = said[("127.0.0.1", 45219), ("127.0.0.1", 38468)]
    assert (full.rtt, full.sent, full.received, full.acknowledged) == (0.004619, 2.26, 2.832, 0.748)
    assert (full.resent, full.backoff, full.room) == (1, 3, None)
    mapped = said[("192.168.1.5", 9989), ("192.168.1.7", 51235)]
    assert (mapped.taken, mapped.sent) == (50, None)
    assert (("fe80::1", 38478), ("fe80::2", 45219)) in said


@pytest.mark.parametrize("line", ["", "ESTAB", "ESTAB 0 0 nobody nothing", "LISTEN 0 x 127.0.0.1:1 0.0.0.0:*"])
def test_a_line_of_ss_that_is_none_is_passed_over(line: str) -> None:
    assert parse_ss(line) == {}


def test_without_ss_nothing_is_said() -> None:
    assert ask_ss(1, program="no-such-program-here") == ""


def test_an_ss_that_fails_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ss").write_text("#!/bin/sh\necho LISTEN 0 1 127.0.0.1:1 0.0.0.0:*\nexit 1\n")
    (tmp_path / "ss").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert ask_ss(1) == ""


def test_a_system_without_tables_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoTables, match=r"there is no .*tcp here"):
        read_tables(tmp_path)


def test_a_system_without_ipv6_has_one_table(tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(TABLE)

    assert len(read_tables(tmp_path)) == 6


@contextmanager
def pair(family: socket.AddressFamily, host: str) -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    """A listener, the client's end, the server's end."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, 0), family=family, backlog=5))
        client = stack.enter_context(socket.create_connection(listener.getsockname()[:2]))
        server = stack.enter_context(listener.accept()[0])
        yield listener, client, server


@LINUX
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_what_is_really_there_is_found_with_its_process(family: socket.AddressFamily, host: str) -> None:
    if family == socket.AF_INET6 and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with pair(family, host) as (listener, client, server):
        client.sendall(b"x" * 77)
        server.recv(77, socket.MSG_PEEK | socket.MSG_WAITALL)  # they have arrived, and are not read
        rows = {(row.local, row.remote): row for row in read_tables()}
        here, there = server.getsockname()[:2], client.getsockname()[:2]

        row = rows[here, there]
        assert (row.state, row.unread, row.unacknowledged) == ("ESTABLISHED", 77, 0)
        assert rows[there, here].state == "ESTABLISHED"
        found = owners([row.inode])
        assert found[row.inode].pid == os.getpid()
        assert found[row.inode].program.startswith("py")
        listening = next(row for row in rows.values() if row.state == "LISTEN" and row.local == here)
        assert listening.inode == os.fstat(listener.fileno()).st_ino


@LINUX
@pytest.mark.skipif(shutil.which("ss") is None, reason="this machine has no ss")
def test_ss_tells_more_of_what_is_really_there() -> None:
    with pair(socket.AF_INET, "127.0.0.1") as (listener, _, server):
        said = parse_ss(ask_ss(listener.getsockname()[1]))
        if not said:
            pytest.skip("ss may not ask the kernel here")
        rows = with_details(read_tables(), said)

        (listening,) = [row for row in rows if row.local == listener.getsockname() and row.state == "LISTEN"]
        assert listening.details is not None
        assert listening.details.room == 5
        (mine,) = [row for row in rows if row.inode == os.fstat(server.fileno()).st_ino]
        assert mine.details is not None
        assert mine.details.rtt is not None


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["/usr/bin/python3.12", "/srv/master.py", "--password", "secret"], "python3.12 master.py"),
        (["python3", "-u", "-m", "twisted", "pb", "secret"], "python3 -m twisted"),
        (["python3", "-c", "secret"], "python3"),
        (["/usr/sbin/pbd", "secret"], "pbd"),
        ([], ""),
    ],
)
def test_a_process_is_named_without_its_arguments(words: list[str], program: str, tmp_path: Path) -> None:
    folder = tmp_path / "4711"
    (folder / "fd").mkdir(parents=True)
    (folder / "fd" / "3").symlink_to("socket:[99]")
    (folder / "fd" / "4").symlink_to("/dev/null")
    (folder / "cmdline").write_bytes("".join(f"{word}\0" for word in words).encode())
    (folder / "stat").write_text("4711 (a (b) c) T 1 4711")
    (tmp_path / "self").mkdir()

    assert owners([99, 0], tmp_path) == {99: Process(4711, program, "T")}


def test_of_processes_that_share_a_socket_the_first_is_named(tmp_path: Path) -> None:
    for pid in ("20", "10", "30"):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to("socket:[99]")
    (tmp_path / "40").mkdir()  # of another user, or gone

    assert owners([99], tmp_path)[99].pid == 10
