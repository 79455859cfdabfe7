"""Servers at the prompt: started from plugins, listed, stopped, and their connections under names of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbshell.errors import UsageError
from pbshell.workbench.commands import perform
from pbshell.workbench.commands.servers import ServerRow, Stopped
from pbshell.workbench.exitcodes import ExitCode
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.problems import Told
from tests.workbench.bench import connected

MODULE = """
from pbshell import pb
from pbshell.plugin import ServerPlugin

class Quotes(pb.Root):
    def __init__(self, text="an apple a day"):
        self.text = text

    def remote_quote(self):
        return self.text

class Plugin(ServerPlugin):
    def add_options(self, parser):
        parser.add_argument("--text", default="none")

    def make(self, options):
        return Quotes(options.text)

    def banner(self):
        return "quotes of the day"

class Clashes(ServerPlugin):
    def add_options(self, parser):
        parser.add_argument("--listen")

def boom():
    return 1 / 0

def leaves():
    raise SystemExit(3)
"""


@pytest.fixture
def quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody's own."""
    (tmp_path / "some_quotes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


async def test_a_plugin_is_served_and_its_connections_are_in_the_tables() -> None:
    async with connected() as (bench, _):
        told = await perform(bench, "serve echo")
        (hosted,) = bench.servers.values()
        assert str(told) == f"echo: serving echo on tcp:{hosted.server.port}   (this machine only)"
        await perform(bench, f"connect 127.0.0.1:{hosted.server.port} as client")
        await bench.evaluate("await root.callRemote('echo', 1)")

        (accepted,) = hosted.server.connections
        names = [line.name for line in bench.lines()]
        assert names == ["main", "client", f"echo#{accepted.number}"]
        rows: Rows[ServerRow] = await perform(bench, "servers")
        (row,) = rows
        assert (row.name, row.served, row.endpoints, row.connections) == (
            "echo",
            "echo",
            (f"tcp:{hosted.server.port}",),
            1,
        )
        assert row.up >= 0


async def test_stop_ends_a_server_and_its_connections() -> None:
    async with connected() as (bench, notes):
        await perform(bench, "serve echo as e")
        await perform(bench, f"connect 127.0.0.1:{bench.servers['e'].server.port} as client")
        client = bench.connections["client"].connection

        assert await perform(bench, "stop e") == Stopped("e", 1)
        await client.wait_closed()
        assert await perform(bench, "servers") == []
        assert len(notes.told) == 1
        with pytest.raises(UsageError, match="there is no server 'e': there is none"):
            await perform(bench, "stop e")


@pytest.mark.usefixtures("quotes")
async def test_a_plugin_has_its_options_and_a_server_a_name_and_places() -> None:
    async with connected() as (bench, _):
        words = "--text 'nothing ventured' --listen tcp:0 --listen tcp:0 as q"
        told = await perform(bench, f"serve some_quotes:Plugin {words}")

        first, second = bench.servers["q"].server.endpoints
        places = " and ".join(f"{each}   (this machine only)" for each in (first, second))
        assert str(told) == f"q: serving some_quotes:Plugin on {places}; quotes of the day"
        await perform(bench, f"connect 127.0.0.1:{bench.servers['q'].server.port}")
        assert await bench.evaluate("await root.callRemote('quote')") == "nothing ventured"


@pytest.mark.usefixtures("quotes")
async def test_a_server_without_a_name_is_called_after_what_it_serves() -> None:
    async with connected() as (bench, _):
        for _ in range(2):
            await perform(bench, "serve some_quotes:Quotes")

        assert list(bench.servers) == ["Quotes", "Quotes2"]


@pytest.mark.usefixtures("quotes")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nosuch", "there is no plugin 'nosuch'; there are "),
        ("some_quotes", "some_quotes is a module: write some_quotes:CLASS"),
        ("some_quotes:Nosuch", "some_quotes has no 'Nosuch'"),
        ("echo --txt x", "there is no option --txt"),
        ("echo x y", "there is a word too many; :help serve says how it is written"),
        ("echo as all", "'all' is no name"),
        ("echo as", "behind as stands a name"),
        ("echo as taken", "there is a server 'taken' already"),
        ("echo --listen nowhere", "endpoint 'nowhere': "),
    ],
)
async def test_what_cannot_be_served_is_one_sentence(words: str, sentence: str) -> None:
    async with connected() as (bench, _):
        await perform(bench, "serve echo as taken")
        with pytest.raises(UsageError) as caught:
            await perform(bench, f"serve {words}")

        assert str(caught.value).startswith(sentence), str(caught.value)
        assert list(bench.servers) == ["taken"]


@pytest.mark.usefixtures("quotes")
async def test_what_a_plugin_raises_and_a_port_that_is_taken_are_told() -> None:
    async with connected() as (bench, _):
        for name, text in (
            ("boom", "cannot be made: ZeroDivisionError: division by zero"),
            ("leaves", "cannot be made: SystemExit: 3"),
            (
                "Clashes",
                "cannot be made: argparse.ArgumentError: argument --listen: conflicting option string: --listen",
            ),
        ):
            with pytest.raises(Told) as caught:
                await perform(bench, f"serve some_quotes:{name}")
            assert caught.value.problem.text == f"some_quotes:{name} {text}"
        await perform(bench, "serve echo as e")
        with pytest.raises(Told) as caught:
            await perform(bench, f"serve echo --listen tcp:{bench.servers['e'].server.port}")

        assert caught.value.problem.code == ExitCode.NO_CONNECTION
        assert caught.value.problem.text.startswith("echo cannot be served: ")
        assert list(bench.servers) == ["e"]


async def test_what_a_plugin_s_own_option_ends_does_not_end_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "versioned.py").write_text(
        "from pbshell.plugin import ServerPlugin\n"
        "class Plugin(ServerPlugin):\n"
        "    def add_options(self, parser):\n"
        "        parser.add_argument('--version', action='version', version='1')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    async with connected() as (bench, _):
        with pytest.raises(UsageError, match=":help serve says how it is written"):
            await perform(bench, "serve versioned:Plugin --version")
    assert capsys.readouterr() == ("", "")


async def test_a_workbench_that_is_closed_has_no_server_left() -> None:
    async with connected() as (bench, _):
        await perform(bench, "serve echo")
        server = bench.servers["echo"].server
        await bench.close()

        assert server.connections == ()
        assert bench.servers == {}
