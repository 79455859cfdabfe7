"""What completes the command line in bash, also in the old one of macOS. Knows bash; runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pbshell.cli.main import COMMANDS
from pbshell.cli.scripts import quoted, ways_of
from pbshell.cli.shape import Form

__all__ = ["script"]


def script(every: list[Form]) -> str:
    """The script for all forms."""
    ways = [f"        {name}) echo {quoted(' '.join(words))} ;;" for name, words in ways_of(every).items()]
    cases = [line for form in every for line in _case(form)]
    return (
        _BASH.replace("%COMMANDS%", " ".join(COMMANDS))
        .replace("%WAYS%", "\n".join(ways))
        .replace("%CASES%", "\n".join(cases))
    )


def _case(form: Form) -> Iterator[str]:
    """What may stand behind the words of *form*."""
    names = [name for option in form.options for name in option.names]
    yield f"    {quoted(' '.join(form.words))})"
    yield f"        places={quoted(_places(form))} options={quoted(' '.join([*names, '--help']))}"
    yield '        case "$1" in'
    for option in form.options:
        if option.value:
            yield f"            {'|'.join(option.names)}) kind={quoted(_kind(option.kind, option.choices))} ;;"
    yield "        esac ;;"


def _places(form: Form) -> str:
    """What completes each argument by its place, with semicolons; a star behind one that may stand there again."""
    return ";".join(_kind(each.kind, each.choices) + ("*" if each.many else "") for each in form.arguments)


def _kind(kind: str, choices: Sequence[str]) -> str:
    """What completes a value: ``words:A B``, a kind, or ``none``."""
    return f"words:{' '.join(choices)}" if choices else kind or "none"


_BASH = """\
# Completion of pbshell for bash:  eval "$(pbshell completion bash)"

_pbshell_ways() {
    case "$1" in
%WAYS%
    esac
}

# For the option $1 of the form $form: what completes its value, as kind. Of the form: places, options.
_pbshell_form() {
    kind= places= options=
    case "$form" in
%CASES%
    esac
}

# Words of the kind $1 that begin as $2.
_pbshell_words() {
    local IFS=$' \\t\\n'
    case "$1" in
        words:*) compgen -W "${1#words:}" -- "$2" ;;
        file) compgen -f -- "$2" ;;
        profile) compgen -W "$("$program" profile list --names 2>/dev/null)" -- "$2" ;;
        plugin) compgen -W "$("$program" plugins --names 2>/dev/null)" -- "$2" ;;
        target|endpoint)
            case "$2" in
                unix:*) compgen -P unix: -f -- "${2#unix:}" ;;
                @*) compgen -P @ -W "$("$program" profile list --names 2>/dev/null)" -- "${2#@}" ;;
                *)
                    if [ "$1" = endpoint ]; then
                        compgen -W "tcp: ssl: unix:" -- "$2"
                    else
                        compgen -W "tls: unix: $("$program" profile list --names 2>/dev/null | sed 's/^/@/')" -- "$2"
                    fi ;;
            esac ;;
    esac
}

_pbshell() {
    local line="${COMP_LINE:0:COMP_POINT}" words count program current
    local form kind places options place=0 index=2 word last=
    # By blanks alone, for bash breaks words at : and @ too.
    read -ra words <<<"$line"
    case "$line" in *[[:space:]]) words+=("") ;; esac
    count=${#words[@]}
    program="${words[0]}"
    current="${words[count-1]}"
    COMPREPLY=()
    if [ "$count" -le 2 ]; then
        case "$current" in
            -*) COMPREPLY=($(compgen -W "--help --version" -- "$current")) ;;
            *) COMPREPLY=($(compgen -W "%COMMANDS%" -- "$current") $(_pbshell_words target "$current")) ;;
        esac
        _pbshell_cut "$current" "$2"
        return
    fi
    form="${words[1]}"
    # A target, perhaps behind its options.
    case " %COMMANDS% " in *" $form "*) ;; *) form=connect index=1 ;; esac
    if [ -n "$(_pbshell_ways "$form")" ]; then
        if [ "$count" -eq 3 ]; then
            COMPREPLY=($(compgen -W "$(_pbshell_ways "$form") --help" -- "$current"))
            return
        fi
        form="$form ${words[2]}" index=3
    fi
    # What stands in front of the current word: arguments are counted, and an option takes the next word.
    while [ "$index" -lt $((count - 1)) ]; do
        word="${words[index]}" last=
        case "$word" in
            --*=*) ;;
            -*) _pbshell_form "$word"; [ -n "$kind" ] && last="$kind" index=$((index + 1)) ;;
            *) place=$((place + 1)) ;;
        esac
        index=$((index + 1))
    done
    if [ "$index" -ge "$count" ] && [ -n "$last" ]; then
        kind="$last"
    else
        case "$current" in
            --*=*) _pbshell_form "${current%%=*}" ; COMPREPLY=($(_pbshell_words "$kind" "${current#*=}"))
                   _pbshell_cut "${current#*=}" "$2"; return ;;
            -*) _pbshell_form ""; COMPREPLY=($(compgen -W "$options" -- "$current")); return ;;
        esac
        _pbshell_form ""
        kind="$(_pbshell_place "$place" "$places")"
    fi
    local IFS=$'\\n'
    COMPREPLY=($(_pbshell_words "$kind" "$current"))
    case "$kind" in file) compopt -o filenames 2>/dev/null ;; esac
    _pbshell_cut "$current" "$2"
}

# What completes the argument number $1 of those in $2.
_pbshell_place() {
    local IFS=';' all
    read -ra all <<<"$2"
    local count=${#all[@]}
    if [ "$1" -lt "$count" ]; then
        echo "${all[$1]%\\*}"
    elif [ "$count" -gt 0 ]; then
        case "${all[count-1]}" in *\\*) echo "${all[count-1]%\\*}" ;; esac
    fi
}

# Cut off of each reply what of the word $1 stands in front of $2, the part that bash puts the reply in place of.
_pbshell_cut() {
    local head="${1%"$2"}" index
    for index in "${!COMPREPLY[@]}"; do
        COMPREPLY[index]="${COMPREPLY[index]#"$head"}"
        case "${COMPREPLY[index]}" in *:) compopt -o nospace 2>/dev/null ;; esac
    done
}

complete -F _pbshell pbshell
"""
