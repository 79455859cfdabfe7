"""The commands of the prompt: functions that take the workbench and words, and give data. They print nothing."""

# Imported in the order in which `:help` lists them.
from pbshell.workbench.commands import tables, tracing, top, general  # isort: skip
from pbshell.workbench.commands.command import COMMANDS, Command, Leave, Sh, perform

__all__ = ["COMMANDS", "Command", "Leave", "Sh", "general", "perform", "tables", "top", "tracing"]
