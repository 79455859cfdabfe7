"""Results as JSON, an object to a line: what ``--json`` writes in place of tables. Knows no stream."""

from __future__ import annotations

from pbshell.cli.output import error_line
from pbshell.shell.render import Renderer
from pbshell.workbench.forms.jsons import lines
from pbshell.workbench.problems import Problem

__all__ = ["Objects"]


class Objects(Renderer):
    """Makes ASCII lines; see docs/reference/json.md."""

    def value(self, value: object) -> str:
        """A line for each object that *value* is: one for each of its rows, if it has rows."""
        return "\n".join(lines(value))

    def problem(self, problem: Problem, prefix: str = "") -> str:
        """One line."""
        return error_line(problem.code, problem.text, problem.hint, problem.details)
