"""What Tab offers: commands and their words, names of the namespace, remote methods. Looks, and runs nothing."""

from pbshell.shell.completion.line import LineCompleter

__all__ = ["LineCompleter"]
