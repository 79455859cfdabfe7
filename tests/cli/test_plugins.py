"""`pbshell plugins`: what is there, and what is broken."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pond.running import pbshell


def stranger(folder: Path) -> dict[str, str]:
    """A distribution with a plugin that cannot be imported; the environment in which it is installed."""
    import os

    (folder / "stranger_broken.py").write_text("raise RuntimeError('\\x1b[2J')\n")
    info = folder / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pbshell.plugins]\nbroken = stranger_broken:plugin\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


def test_the_bundled_plugins_are_listed() -> None:
    outcome = pbshell("plugins")

    assert (outcome.code, outcome.err) == (0, "")
    assert "echo   sends back what it is sent: remote_echo(st)   (bundled)\n" in outcome.out


def test_a_broken_plugin_is_told_and_the_others_are_listed(tmp_path: Path) -> None:
    outcome = pbshell("plugins", env=stranger(tmp_path))

    assert outcome.code == 0
    assert "echo " in outcome.out
    assert outcome.err == (
        "pbshell: broken is broken: stranger_broken cannot be imported: RuntimeError: \\x1b[2J"
        " (stranger_broken.py, line 1)\n"
    )


def test_programs_get_an_object_to_a_line(tmp_path: Path) -> None:
    outcome = pbshell("plugins", "--json", env=stranger(tmp_path))

    rows = {row["name"]: row for row in map(json.loads, outcome.out.splitlines())}
    assert outcome.out.isascii()
    assert all(row["v"] == 1 for row in rows.values())
    assert rows["echo"]["origin"] == "bundled"
    assert "RuntimeError" in rows["broken"]["error"]
    assert "description" not in rows["broken"]
