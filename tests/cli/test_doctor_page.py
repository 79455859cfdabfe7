"""The page on finding out why it does not connect shows what one sees: its screens are run, on servers like its own."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_reference import DOCS, run, screens
from tests.pond.running import Pond
from tests.trace.talking import FOLDER

PAGE = (DOCS / "howto/find-out-why-it-does-not-connect.md").read_text()


@pytest.fixture
def ports(pond: Pond) -> Iterator[dict[str, str]]:
    """By the ports of the page, those of a server, of one with accounts, of none, and of one that is blocked."""
    with socket.create_server(("127.0.0.1", 0)) as blocked, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: it is kept free
        yield {
            "8789": pond.root.rpartition(":")[2],
            "8790": pond.gate.rpartition(":")[2],
            "8788": str(nobody.getsockname()[1]),
            "8791": str(blocked.getsockname()[1]),
        }


def alike(text: str) -> str:
    """*text* without what differs from run to run: times, addresses of localhost, and whose processes they are."""
    text = re.sub(r"localhost is .*? \(", "localhost is LOOPBACK (", text)
    text = re.sub(r"(?:\[::1\]:\d+ refuses(?:; )?)", "", text)
    text = re.sub(r"\S*py\S*(?: \S+){0,2} \(pid \d+\)", "PROGRAM", text)
    text = re.sub(r"--pid \d+", "--pid PID", re.sub(r"[\d.]+ m?s\b", "T", text))
    return re.sub(r"from \d{4}-\d\d-\d\d [\d:]+", "from DATE", text)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system has no /proc/net/tcp")
@pytest.mark.parametrize("number", range(len(screens(PAGE))))
def test_a_screen_of_the_page_is_what_one_sees(number: int, ports: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(FOLDER / "reads-nothing.pcap", tmp_path / "hangs.pcap")
    line, expected = screens(PAGE)[number]
    for shown, real in ports.items():
        line = line.replace(f":{shown}", f":{real}")
    seen = run(line, tmp_path)
    for shown, real in ports.items():
        seen = seen.replace(f":{real}", f":{shown}")

    assert alike(seen) == alike(expected)
