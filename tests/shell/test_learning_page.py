"""The screens of docs/howto/learn-an-interface.md: what is typed there shows what stands below it.

Knows the page; plays its sessions in one workbench, connected to the demo server, as `pbshell demo` does. After a
change that is meant, `python tests/shell/test_learning_page.py` writes the page anew.
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
from pbshell.workbench.known.knowledge import Knowledge
from pbshell.workbench.workbench import Workbench
from pbshell_plugins import demo
from pbshell_plugins.echo import Echoer

PAGE = Path(__file__).resolve().parent.parent.parent / "docs/howto/learn-an-interface.md"
SESSION = re.compile(r"(?<=^<!-- session -->\n```text\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"pb(?::(\S+))?> (.*)")


def alike(line: str) -> str:
    """*line* without what differs from run to run: times, ports, lines of source, and so the widths of columns."""
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    return re.sub(r" +", " ", re.sub(r"\b\d+(\.\d+)? m?s\b", "N s", re.sub(r"\.py:\d+", ".py:N", line))).rstrip()


async def played(sessions: list[str]) -> list[str]:
    """What each of *sessions* shows when it is typed; files are made in the current folder."""
    shown: list[str] = []
    bench = Workbench(lambda text: shown.append(f"* {text}"))
    bench.part(Knowledge).use(demo)
    plain = Plain(bench, shown.append, shown.append, renderer=Renderer(width=100, screen=True))
    accounts = demo.new_accounts()
    found = []
    async with pb.serve(demo.make_portal(accounts), "tcp:0") as server, pb.serve(Echoer(), "tcp:0") as other:
        try:
            credentials = UsernamePassword("alice", accounts["alice"])
            await bench.connect(f"127.0.0.1:{server.port}", credentials=credentials, user="alice")
            for session in sessions:
                for typed in PROMPT.findall(session):
                    shown.append(f"pb:{bench.label}> {typed[1]}")
                    problem = await plain.perform(typed[1].replace("8789", str(other.port)))
                    if problem is not None:
                        shown.append(Renderer(width=100, screen=True).problem(problem))
                found.append("\n".join(shown).replace(str(other.port), "8789") + "\n")
                shown.clear()
        finally:
            await bench.close()
    return found


async def test_the_sessions_of_the_page_show_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sessions = SESSION.findall(PAGE.read_text(encoding="utf-8"))
    assert len(sessions) == 4

    for shown, expected in zip(await played(sessions), sessions, strict=True):
        assert list(map(alike, shown.splitlines())) == list(map(alike, expected.splitlines()))


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        parts = iter(asyncio.run(played(SESSION.findall(text))))
    PAGE.write_text(SESSION.sub(lambda match: next(parts), text), encoding="utf-8")
