"""What an error says, and which errors of Twisted name their cause. Knows its texts; knows no connection."""

from __future__ import annotations

import re

from pbshell.trace.values import plain
from pbshell.wire.banana import Expression
from pbshell.wire.text import visible

__all__ = ["FAILURE", "error_of", "has_parents", "is_full", "is_goodbye", "refused_class"]

#: The class of a failure, for which every Twisted peer is registered.
FAILURE = b"twisted.spread.pb.CopyableFailure"

_INSECURE = ("twisted.spread.jelly.InsecureJelly", "pbshell.errors.RefusedClass")
#: How a refusal names the class: one whose module is unknown, one that is not allowed, one without a dot in its name
#: (or another tag), and pbshell's own words.
_REFUSED = re.compile(
    r"Module \S* not allowed \(in type ([^()]+)\)\.|Class (\S+) not allowed\.|b'([^']+)'\Z|"
    r".* is of class (\S+), which is not registered"
)
_FULL = re.compile(r"Maximum PB (reference|cache) count exceeded\.")


def error_of(failure: Expression) -> tuple[str, str]:
    """Type and text of *failure*, harmless; both are empty if it is no copied failure."""
    if type(failure) is not list or len(failure) != 2 or failure[0] != FAILURE or type(failure[1]) is not list:
        return "", ""
    found = {}
    for pair in failure[1][1:]:
        if type(pair) is list and len(pair) == 2:
            key = plain(pair[0])
            if key in (b"type", b"value"):
                value = plain(pair[1])
                found[key] = visible(value, 400) if type(value) is bytes else ""
    return found.get(b"type", ""), found.get(b"value", "")


def has_parents(failure: Expression) -> bool:
    """Whether *failure* is no copied failure, or has the attribute that Twisted on Python 3 cannot do without."""
    if type(failure) is not list or failure[:1] != [FAILURE] or type(failure[-1]) is not list:
        return True
    return any(type(pair) is list and pair[:1] == [[b"unicode", b"parents"]] for pair in failure[-1][1:])


def refused_class(failure: Expression) -> str:
    """The class, or the tag of something else, that *failure* refuses because it is not known; else nothing."""
    kind, text = error_of(failure)
    match = _REFUSED.match(text) if kind in _INSECURE else None
    return "" if match is None else next(name for name in match.groups() if name is not None)


def is_full(failure: Expression) -> str:
    """What Twisted lends no more of because it lends as many as it may: ``reference`` or ``cache``; else nothing."""
    match = _FULL.match(error_of(failure)[1])
    return "" if match is None else match[1]


def is_goodbye(failure: Expression) -> bool:
    """Whether *failure* says so for the last time before its sender closes the connection."""
    return bool(is_full(failure)) and error_of(failure)[1].endswith("Goodbye.")
