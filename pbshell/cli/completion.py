"""``pbshell completion``: what makes Tab complete the command line. Knows which shells there are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `completion`."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    parser.epilog = (
        'bash: eval "$(pbshell completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, behind compinit; '
        "fish: pbshell completion fish > ~/.config/fish/completions/pbshell.fish"
    )


def run(options: argparse.Namespace) -> int:
    """Show the script, made of the commands and options that there are."""
    from importlib import import_module

    from pbshell.cli.output import show
    from pbshell.cli.shape import forms

    show(import_module(f"pbshell.cli.scripts.{options.shell}").script(list(forms())).rstrip("\n"))
    return 0
