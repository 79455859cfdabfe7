"""Each example is a program that ends by itself and prints what it promises at its head, and nothing more."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))

#: seconds; a program that takes longer waits for something that never comes
LIMIT = 30


def promised(program: Path) -> str:
    """What stands below "Prints::" in the docstring of *program*."""
    head = ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or ""
    return textwrap.dedent(head.partition("Prints::\n\n")[2]) + "\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_prints_what_it_promises(name: str) -> None:
    # As strict as the tests themselves: a forgotten await is a warning, and a warning an error.
    command = [sys.executable, "-X", "dev", "-W", "error", str(EXAMPLES / name)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)

    assert (result.stdout, result.returncode) == (promised(EXAMPLES / name), 0)
    # A server may log what it refused; nothing else belongs there.
    assert [word for word in ("Traceback", "Warning", "Unhandled") if word in result.stderr] == [], result.stderr


def test_the_list_of_examples_is_complete() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert [name for name in PROGRAMS if f"[{name}]({name})" not in listed] == []
