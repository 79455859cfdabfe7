"""What the page on leaks shows of the prompt is what comes, from the Twisted server that stands on it."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pond.running import environment

PAGE = (Path(__file__).parent.parent.parent / "docs/howto/who-leaks-references.md").read_text()
SCREENS = re.findall(r"^<!-- leak -->\n```console\n\$ ([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The Twisted server of the page, on a port that is free."""
    match = re.search(r"<!-- twisted -->\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    listening = 'print("listening", flush=True)\nreactor.run()'
    path = tmp_path_factory.mktemp("leak") / "builders.py"
    path.write_text(match[1].replace("8789", str(port)).replace("reactor.run()", listening))
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield port
        process.terminate()


def test_the_page_has_screens() -> None:
    assert len(SCREENS) == 3


@pytest.mark.parametrize(("line", "expected"), SCREENS)
def test_a_screen_of_the_page_is_what_comes(line: str, expected: str, port: int) -> None:
    """But for the blanks between columns, and times."""
    command = re.sub(r"^pbshell\b", f"{shlex.quote(sys.executable)} -m pbshell", line.replace("8789", str(port)))
    done = subprocess.run(
        ["sh", "-c", command], env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )

    assert plain(done.stdout) == plain(expected), done.stderr


def plain(text: str) -> list[str]:
    without_times = re.sub(r"\b\d+(\.\d)?m?s\b", "TIME", text)
    return [" ".join(line.split()) for line in without_times.splitlines()]
