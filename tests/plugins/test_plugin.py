"""Plugins: found without being imported, loaded by name, and reported in one sentence when they are broken."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from pbshell import pb
from pbshell.cred import Portal
from pbshell.errors import UsageError
from pbshell.plugin import Found, ServerPlugin, discover, load

#: a package with an entry point for each kind of trouble
MODULE = """
from pbshell import pb
from pbshell.plugin import ServerPlugin

class Quotes(ServerPlugin):
    description = "quotes of the day"
    def make(self, options):
        return Root()

class Root(pb.Root):
    pass

plugin = Quotes()
root = Root()

def make_root():
    return Root()

class Shelf:
    Root = Root
"""


@pytest.fixture
def quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution of a stranger's, with a plugin that works and one that does not."""
    (tmp_path / "stranger_quotes.py").write_text(MODULE)
    (tmp_path / "stranger_broken.py").write_text("raise RuntimeError('it is Sunday')\n")
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pbshell.plugins]\n"
        "quotes = stranger_quotes:plugin\nbroken = stranger_broken:plugin\necho = stranger_quotes:plugin\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("stranger_quotes", "stranger_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def options() -> argparse.Namespace:
    return argparse.Namespace()


def test_the_bundled_plugins_are_found() -> None:
    found = {each.name: each for each in discover()}

    assert {"demo", "echo"} <= found.keys()
    assert found["echo"] == Found("echo", "bundled", "pbshell_plugins.echo:plugin")


@pytest.mark.usefixtures("quotes")
def test_a_strangers_plugins_are_found_and_not_imported() -> None:
    found = {each.name: each for each in discover()}

    assert found["quotes"] == Found("quotes", "stranger", "stranger_quotes:plugin")
    assert "broken" in found
    assert not {"stranger_quotes", "stranger_broken"} & sys.modules.keys()


@pytest.mark.usefixtures("quotes")
def test_a_stranger_does_not_take_the_place_of_a_bundled_plugin() -> None:
    assert {each.name: each for each in discover()}["echo"].origin == "bundled"


@pytest.mark.usefixtures("quotes")
def test_a_broken_plugin_is_one_sentence_and_the_others_load() -> None:
    found = {each.name: each for each in discover()}

    with pytest.raises(UsageError, match="stranger_broken cannot be imported: RuntimeError: it is Sunday"):
        found["broken"].load()
    assert found["quotes"].load().description == "quotes of the day"


@pytest.mark.usefixtures("quotes")
@pytest.mark.parametrize("name", ["plugin", "Quotes", "Root", "root", "make_root", "Shelf.Root"])
def test_a_target_is_whatever_can_become_a_server(name: str) -> None:
    plugin = load(f"stranger_quotes:{name}")

    assert ServerPlugin in type(plugin).__mro__
    plugin.add_options(argparse.ArgumentParser())
    assert isinstance(plugin.make(options()), pb.Root)
    assert plugin.banner() == ""


def test_a_portal_is_a_target_too() -> None:
    from tests.workbench import bench

    bench.GATE = bench.portal()  # type: ignore[attr-defined]
    try:
        assert isinstance(load("tests.workbench.bench:GATE").make(options()), Portal)
    finally:
        del bench.GATE  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("echo", "names no server: write MODULE:NAME"),
        (":x", "names no server"),
        ("x:", "names no server"),
        ("no.such.module:x", "no.such.module cannot be imported: ModuleNotFoundError"),
        ("pbshell.pb:Nothing", "pbshell.pb has no 'Nothing'"),
    ],
)
def test_a_target_that_is_none_is_one_sentence(target: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(target)

    assert sentence in str(caught.value)
