"""`pbshell man`: one source for the page that man shows and the one of the documentation.

After a change that is meant, bring the latter up to date and read the difference:

    python tests/cli/test_man.py
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pbshell.cli.main import COMMANDS
from pbshell.cli.man import markdown, roff
from pbshell.cli.shape import forms
from pbshell.workbench.exitcodes import ExitCode
from tests.pond.running import environment, pbshell

PAGE = Path(__file__).parent.parent.parent / "docs/reference/man-page.md"


def test_the_page_of_the_documentation_is_the_one_that_is_printed() -> None:
    assert PAGE.read_text() == markdown(), "meant? python tests/cli/test_man.py"


def test_the_page_has_its_parts_in_their_order() -> None:
    parts = re.findall(r"^\.SH (.*)$", roff(), re.MULTILINE)

    assert ", ".join(parts) == (
        "NAME, SYNOPSIS, DESCRIPTION, COMMANDS, OPTIONS, FILES, ENVIRONMENT, EXIT STATUS, EXAMPLES, SEE ALSO"
    )


def test_the_page_has_every_command_option_and_code() -> None:
    text = roff().replace("\\-", "-")

    for name in COMMANDS:
        assert f"\n.SS {name}\n" in text
        assert f"\n.TP\n\\fB{name}\\fR\n" in text
    for form in forms():
        assert f"pbshell {' '.join(form.words)}" in text
        for option in form.options:
            for name in option.names:
                assert f"\\fB{name}\\fR" in text
    for code in ExitCode:
        assert f"\n.TP\n{int(code)}\n{code.meaning}" in text


def test_no_line_is_taken_for_a_request() -> None:
    requests = {line.split()[0] for line in roff().splitlines() if line.startswith((".", "'"))}

    assert requests == {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE"}
    assert not re.search(r"\\(?![e&-]|fB|fR)", roff())


@pytest.mark.parametrize(
    "command",
    [["mandoc", "-T", "lint", "-W", "error"], ["groff", "-man", "-ww", "-Tascii", "-P-c"]],
    ids=lambda command: str(command[0]),
)
def test_what_reads_manual_pages_reads_it(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    page = pbshell("man").out
    done = subprocess.run(command, input=page, capture_output=True, text=True, env=environment(), check=False)

    assert (done.returncode, done.stderr) == (0, "")
    if command[0] == "groff":
        shown = re.sub(r".\x08", "", done.stdout)
        # Examples can be pasted, and no line of the synopsis is broken once more.
        assert "ssh server sudo tcpdump -i any -s 0 -U -w - \"'tcp port 9989'\" | pbshell trace read -" in shown
        assert max(map(len, shown.partition("DESCRIPTION")[0].splitlines())) <= 80


if __name__ == "__main__":
    PAGE.write_text(markdown())
