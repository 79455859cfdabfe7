"""The ratios, at half their goals: what a busy machine must not break, a lost optimisation does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_every_ratio_reaches_half_its_goal() -> None:
    # In a process of its own: Twisted is the peer, and is not imported where the tests run.
    run = subprocess.run(
        [sys.executable, str(Path(__file__).parent), "--json", "3"],
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    figures = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(figures) > 10
    assert [figure for figure in figures if figure["value"] < figure["goal"] / 2] == []
