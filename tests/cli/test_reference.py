"""The pages about the command line and the prompt say what is there: options, commands, codes, and screens."""

from __future__ import annotations

import argparse
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from pbshell.cli.main import COMMANDS as CLI
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.commands.command import usage_of
from pbshell.workbench.helping import GROUPS
from pbshell.workbench.problems import ExitCode
from tests.pond.running import environment

DOCS = Path(__file__).parent.parent.parent / "docs"
COMMAND_LINE = (DOCS / "reference/command-line.md").read_text()
CONNECT = (DOCS / "howto/connect-to-a-server.md").read_text()
JSON = (DOCS / "reference/json.md").read_text()
SERVE = (DOCS / "howto/serve-a-plugin.md").read_text()


def section(page: str, heading: str) -> str:
    _, _, rest = page.partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def options_of(command: str) -> set[str]:
    """All that *command* and its subcommands take."""
    parser = argparse.ArgumentParser(add_help=False)
    import_module(f"pbshell.cli.{command}").add_arguments(parser, [])
    return set(options_in(parser)) - {"-h", "--help"}


def options_in(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from options_in(each)


@pytest.mark.parametrize("command", CLI)
def test_every_option_of_a_command_is_explained(command: str) -> None:
    text = section(COMMAND_LINE, command)
    options = options_of(command)
    if command == "demo":
        # What it has in common with connect is explained there.
        options -= options_of("connect")

    assert {option for option in options if f"`{option}" not in text} == set()
    if command != "serve":
        known = options | {"-c", "--help"}
        assert {word for word in re.findall(r"`(--?[a-z-]+)", text) if word not in known} == set()


def test_every_exit_code_is_explained() -> None:
    codes = re.findall(r"^\| (\d+) \| (.*) \|$", section(COMMAND_LINE, "Exit codes"), re.MULTILINE)

    assert codes == [(str(int(code)), code.meaning) for code in ExitCode]


def test_every_command_of_the_prompt_is_explained() -> None:
    """In the section of its group there is, between backticks, how it is written."""
    page = (DOCS / "reference/commands.md").read_text().replace("\\|", "|")

    assert {name for names in GROUPS.values() for name in names} == set(COMMANDS)
    missing = [usage_of(each) for each in COMMANDS.values() if f"`{usage_of(each)}`" not in explained(page, each.name)]
    assert missing == []


def explained(page: str, name: str) -> str:
    return next(section(page, group) for group, names in GROUPS.items() if name in names)


def screens(page: str) -> list[tuple[str, str]]:
    """Command line and output of each block marked as console."""
    return re.findall(r"^```console\n\$ ([^\n]*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The Twisted server of the page, on a port that is free."""
    match = re.search(r"<!-- twisted -->\n```python\n(.*?)^```$", CONNECT, re.MULTILINE | re.DOTALL)
    assert match is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    listening = 'print("listening", flush=True)\nreactor.run()'
    program = match[1].replace("8789", str(port)).replace("reactor.run()", listening)
    path = tmp_path_factory.mktemp("manual") / "echo_server.py"
    path.write_text(program)
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield port
        process.terminate()


def run(line: str, cwd: Path) -> str:
    """What a shell shows for *line*, whose ``pbshell`` is ours."""
    line = re.sub(r"(^|\| )pbshell\b", rf"\1{shlex.quote(sys.executable)} -m pbshell", line)
    shell = ["sh", "-c", line]
    done = subprocess.run(shell, cwd=cwd, env=environment(), capture_output=True, text=True, check=False, input="")
    return done.stdout + done.stderr


def alike(text: str) -> list[str]:
    """*text* without what differs from run to run: times, ports, and whose version comes first."""
    text = re.sub(r"\+\d\.\d{3}", "+T", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text))
    lines = [re.sub(r"[\d.]+ ms", "N ms", re.sub(r"#\d+, ", "#N, ", line)) for line in text.splitlines()]
    return sorted(re.sub(r"^ +\d+ ", "", line) for line in lines)


ECHOING = [*screens(CONNECT), *screens(JSON)]


@pytest.mark.parametrize("number", range(len(ECHOING)))
def test_a_screen_of_the_pages_on_connecting_is_what_one_sees(number: int, port: int, tmp_path: Path) -> None:
    line, expected = ECHOING[number]

    assert alike(run(line.replace("localhost:8789", f"localhost:{port}"), tmp_path)) == alike(expected)


@pytest.mark.parametrize(("line", "expected"), screens(SERVE))
def test_a_screen_of_the_page_on_plugins_is_what_one_sees(line: str, expected: str, tmp_path: Path) -> None:
    shown = run(line, tmp_path).splitlines()

    # More plugins may be there than when the page was written.
    assert set(expected.splitlines()) <= set(shown)


@pytest.mark.parametrize(
    ("name", "words", "call"),
    [
        ("quotes", ["quotes:Quoter"], "await root.callRemote('quote')"),
        ("almanac", ["almanac:plugin", "--quote", "an apple a day"], "await root.callRemote('quote', 7)"),
    ],
)
def test_a_server_of_the_page_on_plugins_serves(name: str, words: list[str], call: str, tmp_path: Path) -> None:
    match = re.search(rf"<!-- file: {name}\.py -->\n```python\n(.*?)^```$", SERVE, re.MULTILINE | re.DOTALL)
    assert match is not None
    (tmp_path / f"{name}.py").write_text(match[1])
    command = [sys.executable, "-m", "pbshell", "serve", *words, "--listen", "unix:sock"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment()) as server:
        assert server.stderr is not None
        assert f"serving {words[0]} on unix:sock" in server.stderr.readline()

        assert run(f'pbshell unix:sock -c "{call}"', tmp_path) == "'an apple a day'\n"
        server.terminate()
