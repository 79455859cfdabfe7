"""The screens of docs/howto/my-call-hangs.md: what is typed there shows what stands below it.

Knows the page; plays its sessions in one workbench on the demo server, with a clock that is put forward.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell.shell.interrupts import Interrupts
from pbshell.shell.plain import Plain
from pbshell.shell.render import Renderer
from pbshell.workbench.typed.calls import Calls
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.workbench import Workbench
from pbshell_plugins.demo import make_portal, new_accounts

PAGE = Path(__file__).parent.parent.parent / "docs/howto/my-call-hangs.md"
SESSION = re.compile(r"^<!-- session -->\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "pb:alice> "


def alike(line: str) -> str:
    """*line* without what differs from run to run: times, and so the widths of columns."""
    return re.sub(r" +", " ", re.sub(r"[\d.]+ m?s\b|\d+ m \d\d s", "N s", line)).rstrip()


async def test_the_sessions_of_the_page_show_what_the_page_shows() -> None:
    found: list[str] = []
    expected = [line for block in SESSION.findall(PAGE.read_text(encoding="utf-8")) for line in block.splitlines()]
    loop = asyncio.get_running_loop()
    bench = Workbench(lambda text: found.append(f"* {text}"))
    bench.part(Calls).clock = lambda: loop.time() + 60
    interrupts = Interrupts(adopt=bench.part(Statements).detach)
    show = lambda text: found.extend(text.split("\n"))  # noqa: E731
    plain = Plain(bench, show, show, renderer=Renderer(width=1_000, screen=True), interrupts=interrupts)
    accounts = new_accounts()
    async with pb.serve(make_portal(accounts), "tcp:0") as server:
        try:
            credentials = UsernamePassword("alice", accounts["alice"])
            await bench.connect(f"127.0.0.1:{server.port}", credentials=credentials, user="alice")
            for number, line in enumerate(expected):
                if not line.startswith(PROMPT):
                    continue
                found.append(line)
                performing = asyncio.ensure_future(plain.perform(line.removeprefix(PROMPT)))
                if expected[number + 1 : number + 2] == ["^Z"]:
                    for _ in range(10):  # turns, in which it begins
                        await asyncio.sleep(0)
                    found.append("^Z")
                    interrupts.detach()
                assert await performing is None
                if line.endswith(":cancel d1"):
                    await asyncio.wait({bench.namespace["d1"]._task})
        finally:
            await bench.close()

    assert [alike(line) for line in found] == [alike(line) for line in expected]
