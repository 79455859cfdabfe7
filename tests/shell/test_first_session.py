"""The screens of docs/tutorial/first-session.md: what is typed there shows what stands below it.

Knows the page; runs its server, which is Twisted's, and plays its sessions in one workbench, and those for which a
terminal is needed in one. After a change that is meant, `python tests/shell/test_first_session.py` writes the sessions
anew.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pbshell.broker.registry import GLOBAL
from pbshell.cred import UsernamePassword
from tests.shell.playing import DOCS, PROMPT, SESSION, Player, Session, alike, parted, server_of, sessions_of
from tests.shell.terminal import terminal

PAGE = DOCS / "tutorial/first-session.md"
TEXT = PAGE.read_text(encoding="utf-8")
PORT, PASSWORD = "8800", "wonderland"


def block(mark: str) -> list[str]:
    """The lines below *mark*."""
    match = re.search(rf"^<!-- {mark} -->\n```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1].splitlines()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server_of(TEXT, PORT, tmp_path_factory.mktemp("rooms")) as port:
        yield port


async def played(sessions: list[Session], port: str) -> list[list[str]]:
    """What is shown when *sessions* are typed."""
    async with Player(ports={PORT: port}) as player:
        credentials = UsernamePassword("alice", PASSWORD)
        await player.bench.connect(f"127.0.0.1:{port}", credentials=credentials, user="alice")
        return [await player.play(session) for session in sessions]


async def test_the_sessions_of_the_page_show_what_the_page_shows(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The reader registers a class, which no other test shall find.
    monkeypatch.setattr(GLOBAL, "_unjellyables", GLOBAL._unjellyables.copy())
    sessions = sessions_of(TEXT)
    assert sum(len(session.lines) for session in sessions) > 60

    for shown, session in zip(await played(sessions, port), sessions, strict=True):
        assert parted(shown) == parted(session.lines)


def test_the_way_in_and_what_tab_offers_look_so_in_a_terminal(port: str) -> None:
    line, question, *banner = block("terminal")
    *_, typed = before = [typed for _, typed in PROMPT.findall(TEXT.partition("<!-- completion -->")[0])]
    assert typed.startswith("kitchen = ")
    with terminal(*line.replace(PORT, port).split()[2:]) as alice:
        alice.wait(question)
        alice.send(f"{PASSWORD}\r")
        alice.wait_for_prompt()
        shown = alice.text.replace(port, PORT).splitlines()
        # As words, for a port may be longer than the page's, and then the lines are broken elsewhere.
        assert alike(" ".join(shown)).startswith(alike(" ".join([question, *banner])))

        for each in before:
            alice.type(each)
        begun, *offered = block("completion")
        alice.send(f"{begun.partition('> ')[2]}\t")
        alice.wait(offered[-1].strip())
        assert begun + "\n" + "\n".join(offered) in alice.text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, server_of(TEXT, PORT, Path(folder)) as there:
        parts = iter(asyncio.run(played(sessions_of(TEXT), there)))
    PAGE.write_text(
        SESSION.sub(lambda match: match[0].replace(match[2], "\n".join([*next(parts), ""])), TEXT), encoding="utf-8"
    )
