"""The session of README.md, typed into a real terminal at the Twisted server of the tutorial, looks as it does there.

Knows the two pages.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.shell.playing import DOCS, PROMPT, UNBIDDEN, alike, parted, server_of
from tests.shell.terminal import COLUMNS, terminal

README = (DOCS.parent / "README.md").read_text(encoding="utf-8")
TUTORIAL = (DOCS / "tutorial/first-session.md").read_text(encoding="utf-8")
SESSION = re.compile(r"^```console\n\$ pbshell (127[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT, PASSWORD = "8800", "wonderland"


def blocks(lines: list[str]) -> list[list[str]]:
    """Each line that is typed, with what is shown below it."""
    starts = [number for number, line in enumerate(lines) if PROMPT.fullmatch(line)]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def test_the_session_of_the_front_page_looks_so_in_a_terminal(tmp_path: Path) -> None:
    ((words, session),) = SESSION.findall(README)
    lines = session.splitlines()
    assert 15 <= len(lines) <= 20
    assert max(map(len, lines)) <= COLUMNS
    password = tmp_path / ".alice"
    password.touch(0o600)
    password.write_text(f"{PASSWORD}\n")

    with server_of(TUTORIAL, PORT, tmp_path) as port:
        started = words.replace(PORT, port).replace("~", str(tmp_path)).split()
        with terminal(*started) as alice:
            alice.wait_for_prompt()
            for block in blocks(lines):
                unbidden = [line for line in block if UNBIDDEN.match(line)]
                alice.type(block[0].partition("> ")[2], block[-1].strip()[:6] if len(block) > 1 else "")
                for line in unbidden:
                    # Its words, without the numbers and the times in front of them.
                    alice.wait(line.split(maxsplit=4)[-1].partition("  ")[0])
            shown = alice.text.replace(port, PORT).splitlines()

    banner = lines[: len(lines) - sum(map(len, blocks(lines)))]
    assert alike(" ".join(shown)).startswith(alike(" ".join(banner)))
    begins = next(number for number, line in enumerate(shown) if PROMPT.fullmatch(line))
    ends = next(number for number, line in enumerate(shown) if line.rstrip() == "pb:alice>")
    assert parted(shown[begins:ends]) == parted(lines[len(banner) :])
