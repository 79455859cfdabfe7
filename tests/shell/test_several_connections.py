"""The screens of docs/howto/several-connections.md: what is typed there shows what stands below it.

Knows the page; plays its sessions in one workbench, connected to the demo server, as `pbshell demo` does.
"""

from __future__ import annotations

import sys

import pytest

from pbshell import pb
from pbshell.cred import UsernamePassword
from pbshell_plugins.demo import make_portal, new_accounts
from tests.shell.playing import DOCS, Player, free_port, parted, sessions_of

SESSIONS = sessions_of((DOCS / "howto/several-connections.md").read_text(encoding="utf-8"))


class Stream:
    """What a server in this process prints goes to the screen of *player*."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def write(self, text: str) -> int:
        if text != "\n":
            self._player.show(text.removesuffix("\n"))
        return len(text)


async def test_the_sessions_of_the_page_show_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = new_accounts()
    # So wide that no line is broken, wherever a time makes it longer.
    async with pb.serve(make_portal(accounts), "tcp:0") as server, Player(1000, {"8789": str(free_port())}) as player:
        monkeypatch.setattr(sys, "stderr", Stream(player))
        credentials = UsernamePassword("alice", accounts["alice"])
        await player.bench.connect(f"127.0.0.1:{server.port}", credentials=credentials, user="alice")
        for session in SESSIONS:
            assert parted(await player.play(session)) == parted(session.lines)


def test_the_page_has_sessions() -> None:
    assert sum(len(session.lines) for session in SESSIONS) > 40
