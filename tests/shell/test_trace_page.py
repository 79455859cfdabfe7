"""The screens of docs/howto/trace-at-the-prompt.md: what is typed there shows what stands below it.

Knows the page; plays its sessions in one workbench, connected to the demo server, as `pbshell demo` does. After a
change that is meant, `python tests/shell/test_trace_page.py` writes the page anew.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from pathlib import Path

import pytest

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell.shell.plain import Plain
from pbshell.shell.render import Renderer
from pbshell.workbench.traffic.showing import Showing
from pbshell.workbench.workbench import Workbench
from pbshell_plugins import demo

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/howto/trace-at-the-prompt.md"
SESSION = re.compile(r"(?<=^<!-- session -->\n```text\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
#: columns: a few more than the lines need, for connections and durations have more digits at times
WIDTH = 108
PROMPT = re.compile(r"pb[^>\n]*> (.*)")


def alike(line: str) -> str:
    """*line* without what differs from run to run: times, ports, numbers of connections, and the widths of columns."""
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    line = re.sub(r"\d\d:\d\d:\d\d\.\d{3} \d+", "TIME N", line)
    # A failure carries how many there have been in the process, and is a byte longer for a larger number.
    line = re.sub(r"\b[\d,]+ (B|bytes)\b", r"N \1", line)
    return re.sub(r" +", " ", re.sub(r"\b\d+(\.\d+)? m?s\b", "N s", line)).rstrip()


def lines_of(text: str) -> list[str]:
    """The lines of *text* but for a difference in time, which need not be there."""
    return [line for line in text.splitlines() if not line.startswith("took ")]


async def played(sessions: list[str]) -> list[str]:
    """What each of *sessions* shows when it is typed; files are made in the current folder."""
    shown: list[str] = []
    bench = Workbench(lambda text: shown.append(f"* {text}"))
    bench.tracer.show = shown.append
    bench.part(Showing).fit(lambda: WIDTH)
    plain = Plain(bench, shown.append, shown.append, renderer=Renderer(width=WIDTH, screen=True))
    accounts = demo.new_accounts()
    found = []
    async with pb.serve(demo.make_portal(accounts), "tcp:0") as server:
        try:
            credentials = UsernamePassword("alice", accounts["alice"])
            await bench.connect(f"127.0.0.1:{server.port}", credentials=credentials, user="alice")
            for session in sessions:
                for typed in PROMPT.findall(session):
                    shown.append(f"pb:{bench.label}> {typed}")
                    problem = await plain.perform(typed)
                    if problem is not None:
                        shown.append(Renderer(width=WIDTH, screen=True).problem(problem))
                found.append("\n".join(shown) + "\n")
                shown.clear()
        finally:
            await bench.close()
    return found


async def test_the_sessions_of_the_page_show_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sessions = SESSION.findall(PAGE.read_text(encoding="utf-8"))
    assert len(sessions) == 5

    for shown, expected in zip(await played(sessions), sessions, strict=True):
        assert list(map(alike, lines_of(shown))) == list(map(alike, lines_of(expected)))


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        parts = iter(asyncio.run(played(SESSION.findall(text))))
    PAGE.write_text(SESSION.sub(lambda match: next(parts), text), encoding="utf-8")
