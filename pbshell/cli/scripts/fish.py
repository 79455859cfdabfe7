"""What completes the command line in fish. Knows fish; runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pbshell.cli.main import COMMANDS
from pbshell.cli.scripts import ways_of
from pbshell.cli.shape import Form

__all__ = ["script"]


def script(every: list[Form]) -> str:
    """The script for all forms."""
    lines = [_FISH.replace("%COMMANDS%", " ".join(COMMANDS)).replace("%WAYS%", " ".join(ways_of(every)))]
    for name, does in COMMANDS.items():
        lines.append(f"complete -c pbshell -n '__pbshell_is none' -a {name} -d {_quoted(does)}")
    lines.append("complete -c pbshell -n '__pbshell_is none' -a '(__pbshell_target)'")
    for form in every:
        if len(form.words) > 1:
            place = f"__pbshell_is {form.words[0]}"
            lines.append(f"complete -c pbshell -n {_quoted(place)} -a {form.words[1]} -d {_quoted(form.help)}")
        place = _quoted(f"__pbshell_is {' '.join(form.words)}")
        for option in form.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = f" -x -a {_fish_action(option.kind, option.choices)}" if option.value else ""
            value = " -r -F" if option.kind == "file" else value
            lines.append(f"complete -c pbshell -n {place} {names}{value} -d {_quoted(option.help)}")
        for kind, choices in dict.fromkeys((each.kind, each.choices) for each in form.arguments):
            what = "-F" if kind == "file" else f"-a {_fish_action(kind, choices)}"
            lines.append(f"complete -c pbshell -n {place} {what}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_action(kind: str, choices: Sequence[str]) -> str:
    return _quoted(" ".join(choices) or (f"(__pbshell_{kind})" if kind else ""))


_FISH = """\
# Completion of pbshell for fish:  pbshell completion fish > ~/.config/fish/completions/pbshell.fish

function __pbshell_profile
    pbshell profile list --names 2>/dev/null
end

function __pbshell_plugin
    pbshell plugins --names 2>/dev/null
end

function __pbshell_target
    pbshell profile list --names 2>/dev/null | string replace -r '^' @
    printf '%s\\n' tls: unix:
end

function __pbshell_endpoint
    printf '%s\\n' tcp: ssl: unix:
end

# Whether what is typed so far is of this form: none, a command, or a command and its way.
function __pbshell_is
    set -l typed (commandline -opc)
    set -e typed[1]
    set -l form none
    if set -q typed[1]
        set form connect
        if contains -- $typed[1] %COMMANDS%
            set form $typed[1]
            if contains -- $form %WAYS%; and set -q typed[2]
                set form $typed[1..2]
            end
        end
    end
    test "$form" = "$argv"
end

complete -c pbshell -f
complete -c pbshell -l help -d 'show the help'
complete -c pbshell -n '__pbshell_is none' -l version -d 'show the version'
"""
