"""What completes the command line in zsh. Knows zsh; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pbshell.cli.main import COMMANDS
from pbshell.cli.scripts import quoted, ways_of
from pbshell.cli.shape import Form

__all__ = ["script"]


def script(every: list[Form]) -> str:
    """The script for all forms."""
    cases = []
    for form in every:
        specs = []
        for option in form.options:
            again = "*" if option.repeatable else ""
            for name in option.names:
                does = _in_brackets(option.help)
                value = (
                    f":{_in_brackets(option.value)}:{_zsh_action(option.kind, option.choices)}" if option.value else ""
                )
                specs.append(quoted(f"{again}{name}[{does}]{value}"))
        for argument in form.arguments:
            again = "*" if argument.many else ""
            does = _in_brackets(argument.name)
            specs.append(quoted(f"{again}:{does}:{_zsh_action(argument.kind, argument.choices)}"))
        specs.append("'--help[show the help]'")
        cases.append(f"    {quoted(' '.join(form.words))})\n      _arguments -S {' '.join(specs)} ;;")
    commands = "\n".join(f"    {quoted(f'{name}:{does}')}" for name, does in COMMANDS.items())
    ways = []
    for name in ways_of(every):
        described = " ".join(quoted(f"{form.words[1]}:{form.help}") for form in every if form.words[0] == name)
        ways.append(f"    {name}) ways=({described}) ;;")
    return _ZSH.replace("%COMMANDS%", commands).replace("%WAYS%", "\n".join(ways)).replace("%CASES%", "\n".join(cases))


def _in_brackets(text: str) -> str:
    """*text* where brackets and colons have a meaning."""
    for each in "\\[]:":
        text = text.replace(each, f"\\{each}")
    return text


def _zsh_action(kind: str, choices: Sequence[str]) -> str:
    if choices:
        return f"({' '.join(choices)})"
    return {"file": "_files", "": " "}.get(kind, f"_pbshell_{kind}")


_ZSH = """\
#compdef pbshell
# Completion of pbshell for zsh:  eval "$(pbshell completion zsh)"  behind compinit

_pbshell_profile() { compadd -- ${(f)"$(pbshell profile list --names 2>/dev/null)"} }
_pbshell_plugin() { compadd -- ${(f)"$(pbshell plugins --names 2>/dev/null)"} }
_pbshell_endpoint() { compset -P unix: && _files || compadd -S '' -- tcp: ssl: unix: }
_pbshell_target() {
  compset -P unix: && { _files; return }
  local -a known
  known=(${(f)"$(pbshell profile list --names 2>/dev/null)"})
  compadd -- @$^known
  compadd -S '' -- tls: unix:
}

_pbshell() {
  local -a commands ways
  local form
  commands=(
%COMMANDS%
  )
  if (( CURRENT == 2 )); then
    _describe -t commands command commands
    _pbshell_target
    return
  fi
  form=$words[2]
  if (( ! ${commands[(I)$form:*]} )); then
    form=connect
    words=(pbshell connect "${(@)words[2,-1]}")
    (( CURRENT++ ))
  fi
  case $form in
%WAYS%
  esac
  shift words
  (( CURRENT-- ))
  if (( $#ways )); then
    if (( CURRENT == 2 )); then
      _describe -t ways way ways
      return
    fi
    form="$form $words[2]"
    shift words
    (( CURRENT-- ))
  fi
  case $form in
%CASES%
  esac
}

compdef _pbshell pbshell
"""
