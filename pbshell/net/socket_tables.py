"""The kernel's tables of TCP sockets (Linux): who listens, who is connected, what is unread and unacknowledged.

Knows /proc/net/tcp, the lines of ``ss -tinHO`` and whose a socket is; judges nothing, and knows nothing of PB.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from pbshell.wire.text import visible

__all__ = [
    "Address",
    "Details",
    "NoTables",
    "Process",
    "TCPSocket",
    "ask_ss",
    "owners",
    "parse_ss",
    "parse_table",
    "read_tables",
    "with_details",
    "written",
]

#: host and port; an IPv4 address in an IPv6 socket is written as an IPv4 address
Address: TypeAlias = tuple[str, int]

_STATES = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "SYN_RECV",
)
#: what a socket waits for, by the number in the table
_TIMERS = {0: "", 1: "retransmit", 2: "keepalive", 3: "time wait", 4: "probe"}
#: what ss calls some of the states
_SS_STATES = {
    "ESTAB": "ESTABLISHED",
    "FIN-WAIT-1": "FIN_WAIT1",
    "FIN-WAIT-2": "FIN_WAIT2",
    "SYN-RECV": "SYN_RECV",
    "UNCONN": "CLOSE",
}
#: seconds for ss, and characters of a program's name
_SS_SECONDS, _PROGRAM = 5.0, 60


class NoTables(Exception):
    """This system has no such table, or it may not be read; the text says what was looked for."""


@dataclass(frozen=True, slots=True)
class Details:
    """What only ss knows of a socket; times in seconds, None for what it does not say.

    *rtt* is the smoothed round trip. *sent*, *received* and *acknowledged* are how long ago something last was.
    *resent* counts retransmissions since the beginning, *backoff* doublings of the pause. *taken* counts the bytes
    that arrived since the beginning. *room* is how many connections a listening socket lets wait.
    """

    rtt: float | None = None
    sent: float | None = None
    received: float | None = None
    acknowledged: float | None = None
    resent: int = 0
    backoff: int = 0
    taken: int | None = None
    room: int | None = None


@dataclass(frozen=True, slots=True)
class TCPSocket:
    """One row. *unacknowledged* and *unread* are bytes: sent and not taken by the peer, arrived and not read here.

    Of a listening socket *unread* counts the connections that wait to be accepted. *timer* is what it waits for, *due*
    in how many seconds, *retransmits* how often it has tried, *unanswered* how many probes had no answer. *inode* is 0
    for a connection that no process has, because it is not accepted yet or over.
    """

    local: Address
    remote: Address
    state: str
    unacknowledged: int = 0
    unread: int = 0
    timer: str = ""
    due: float = 0.0
    retransmits: int = 0
    unanswered: int = 0
    uid: int = 0
    inode: int = 0
    details: Details | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has a socket. *state* is the letter of ps: R runs, S sleeps, D waits for a disk, T is stopped."""

    pid: int
    program: str
    state: str = ""


def written(address: Address) -> str:
    """*address* as a target is written."""
    host, port = address
    if host in ("0.0.0.0", "::"):
        return f"*:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ------------------------------------------------------------------------------------------------ /proc/net/tcp


def read_tables(folder: Path = Path("/proc/net")) -> list[TCPSocket]:
    """All TCP sockets of this network namespace. Raises NoTables."""
    found: dict[object, TCPSocket] = {}
    read = False
    # Twice, because the kernel hands a table out in pieces: where a socket goes in between, another is left out, and
    # where one comes, another is there two times.
    for name in ("tcp", "tcp6") * 2:
        # A system without IPv6 has one of the two.
        with contextlib.suppress(OSError):
            rows = parse_table((folder / name).read_text("ascii", "replace"))
            found |= {(row.local, row.remote, row.inode): row for row in rows}
            read = True
    if not read:
        raise NoTables(f"there is no {folder / 'tcp'} here that can be read")
    return list(found.values())


def parse_table(text: str) -> Iterator[TCPSocket]:
    """The rows of a table; a line that is none is passed over."""
    for line in text.splitlines()[1:]:
        with contextlib.suppress(ValueError, IndexError, struct.error):
            yield _row(line.split())


def _row(words: list[str]) -> TCPSocket:
    """The row of these *words*. Raises ValueError, IndexError, struct.error."""
    unacknowledged, unread = words[4].split(":")
    timer, due = words[5].split(":")
    return TCPSocket(
        local=_address(words[1]),
        remote=_address(words[2]),
        state=_STATES[int(words[3], 16)],
        unacknowledged=int(unacknowledged, 16),
        unread=int(unread, 16),
        timer=_TIMERS.get(int(timer, 16), ""),
        due=int(due, 16) / os.sysconf("SC_CLK_TCK"),
        retransmits=int(words[6], 16),
        unanswered=int(words[8]),
        uid=int(words[7]),
        inode=int(words[9]),
    )


def _address(text: str) -> Address:
    """Words of 32 bits, each in the order of this machine's bytes, then the port."""
    host, port = text.split(":")
    numbers = [int(host[start : start + 8], 16) for start in range(0, len(host), 8)]
    packed = struct.pack(f"{'<' if sys.byteorder == 'little' else '>'}{len(numbers)}I", *numbers)
    return _spelled(ipaddress.ip_address(packed)), int(port, 16)


def _spelled(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


# ------------------------------------------------------------------------------------------------ ss


def ask_ss(port: int, program: str = "ss") -> str:
    """What ss says of the sockets with *port* at one end; empty where there is no ss, or it fails."""
    path = shutil.which(program)
    if path is None:
        return ""
    words = [path, "-tinaHO", "(", "sport", "=", f":{port}", "or", "dport", "=", f":{port}", ")"]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SS_SECONDS,
            check=False,
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def parse_ss(text: str) -> dict[tuple[Address, Address], Details]:
    """What ss says, by the two addresses of each socket; a line that is none is passed over."""
    found = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError, IndexError):
            words = line.split()
            state = _SS_STATES.get(words[0], words[0].replace("-", "_"))
            room = int(words[2]) if state == "LISTEN" else None
            found[_ss_address(words[3]), _ss_address(words[4])] = _details(" ".join(words[5:]), room)
    return found


def _ss_address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    host = re.sub(r"%[^\]]*", "", host).strip("[]")
    number = 0 if port == "*" else int(port)
    return ("::" if host == "*" else _spelled(ipaddress.ip_address(host))), number


def _details(text: str, room: int | None) -> Details:
    def number(pattern: str) -> float | None:
        found = re.search(rf"(?:^| ){pattern}", text)
        return float(found[1]) if found else None

    def seconds(name: str) -> float | None:
        # What never happened is counted from when the machine was started.
        found = number(rf"{name}:([\d.]+)")
        return None if found is None else found / 1000

    taken = number(r"bytes_received:(\d+)")
    return Details(
        rtt=seconds("rtt"),
        sent=seconds("lastsnd"),
        received=seconds("lastrcv"),
        acknowledged=seconds("lastack"),
        resent=int(number(r"retrans:\d+/(\d+)") or 0),
        backoff=int(number(r"backoff:(\d+)") or 0),
        taken=None if taken is None else int(taken),
        room=room,
    )


def with_details(sockets: Iterable[TCPSocket], said: dict[tuple[Address, Address], Details]) -> list[TCPSocket]:
    """The same with what ss *said* of them."""
    return [replace(each, details=said.get((each.local, each.remote))) for each in sockets]


# ------------------------------------------------------------------------------------------------ whose they are


def owners(inodes: Collection[int], proc: Path = Path("/proc")) -> dict[int, Process]:
    """The process that has each of these sockets, of those that may be looked into: one's own, or all for root."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes if inode}
    found: dict[int, Process] = {}
    for folder in proc.iterdir() if wanted and proc.is_dir() else ():
        if not folder.name.isdigit():
            continue
        for inode in _held(folder, wanted):
            # Of several that share one, the parent: it has the lowest number.
            if inode not in found or int(folder.name) < found[inode].pid:
                found[inode] = _process(folder)
    return found


def _held(folder: Path, wanted: dict[str, int]) -> list[int]:
    try:
        links = list((folder / "fd").iterdir())
    except OSError:  # somebody else's, or gone
        return []
    held = []
    for link in links:
        with contextlib.suppress(OSError):
            name = str(link.readlink())
            if name in wanted:
                held.append(wanted[name])
    return held


def _process(folder: Path) -> Process:
    words: list[str] = []
    state = ""
    with contextlib.suppress(OSError):
        words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    with contextlib.suppress(OSError, IndexError):
        state = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    return Process(int(folder.name), visible(_program(words), _PROGRAM), state)


def _program(words: list[str]) -> str:
    """What is run, without its arguments: they may hold a password."""

    def name(word: str) -> str:
        return word.rpartition("/")[2]

    program = name(words[0]) if words else ""
    if not re.match(r"(python|pypy)[\d.]*$", program):
        return program
    for number, word in enumerate(words[1:], 1):
        if word == "-m":
            return " ".join([program, *words[number : number + 2]])
        if not word.startswith("-"):
            return f"{program} {name(word)}"
        if word == "-c":
            break
    return program
