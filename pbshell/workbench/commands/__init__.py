"""The commands of the prompt: functions that take the workbench and words, and give data. They print nothing."""

# Imported in the order in which a program that asks for all of them gets them.
from pbshell.workbench.commands import connections, calls, tables, tracing, frames, top  # isort: skip
from pbshell.workbench.commands import doctor, servers, interfaces, settings, general  # isort: skip
from pbshell.workbench.commands.command import COMMANDS, Command, Leave, Sh, perform

__all__ = [
    "COMMANDS",
    "Command",
    "Leave",
    "Sh",
    "calls",
    "connections",
    "doctor",
    "frames",
    "general",
    "interfaces",
    "perform",
    "servers",
    "settings",
    "tables",
    "top",
    "tracing",
]
