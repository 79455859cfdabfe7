"""The methods that a peer has, as far as anybody here knows, and their keyword arguments. Calls nobody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from prompt_toolkit.completion import Completion

from pbshell.broker.references import RemoteReference
from pbshell.errors import UsageError
from pbshell.shell.completion.names import attribute, classes_of, is_class, value_of
from pbshell.wire.text import visible
from pbshell.workbench.known.knowledge import Known, known_methods
from pbshell.workbench.typed.guided import reference_of
from pbshell.workbench.typed.sugar import R
from pbshell.workbench.workbench import Workbench

__all__ = ["arguments_at", "is_reference", "keywords", "known_of", "known_of_word", "method_at", "methods"]

_NAME = r"(?:[^\W\d]\w*\.)*[^\W\d]\w*"
#: root.callRemote("get   and   R(root).get
_QUOTED = re.compile(rf"""(?:({_NAME})\s*\.\s*)?\bcallRemote\(\s*["'](\w*)$""")
_SUGAR = re.compile(rf"""\bR\(\s*({_NAME})\s*\)\.(\w*)$""")
#: the same behind a method that is whole and some of its arguments
_IN_QUOTED = re.compile(rf"""(?:({_NAME})\s*\.\s*)?\bcallRemote\(\s*["'](\w+)["']\s*(,[^()]*)$""")
_IN_SUGAR = re.compile(rf"""\bR\(\s*({_NAME})\s*\)\.(\w+)\(([^()]*)$""")
_KEYWORD = re.compile(r"(?:^|,)\s*((?:[^\W\d]\w*)?)$")
_PARAMETER = re.compile(r"[(,]\s*([^\W\d]\w*)")


def method_at(text: str) -> tuple[str, str] | None:
    """The name of the reference and what is begun of the method, if *text* ends in a remote method."""
    found = _QUOTED.search(text) or _SUGAR.search(text)
    return None if found is None else (found[1] or "", found[2])


def arguments_at(text: str) -> tuple[str, str, str] | None:
    """Reference, method, and what is begun of a keyword, if *text* ends among the arguments of a remote method."""
    found = _IN_QUOTED.search(text) or _IN_SUGAR.search(text)
    begun = None if found is None else _KEYWORD.search(found[3])
    return None if found is None or begun is None else (found[1] or "", found[2], begun[1])


def known_of(bench: Workbench, dotted: str) -> list[Known]:
    """What is known of the methods of the reference that is called *dotted* in the namespace; empty for any."""
    return _known(bench, _unwrapped(value_of(bench.namespace, dotted)) if dotted else None)


def known_of_word(bench: Workbench, word: str) -> list[Known]:
    """The same of the reference that *word*, a name or an id, means in a command."""
    try:
        return _known(bench, reference_of(bench, word))
    except UsageError:
        return []


def _known(bench: Workbench, value: Any) -> list[Known]:
    found = known_methods(bench, value) if is_reference(value) else []
    # Where nobody can tell what it is, those that have answered anywhere are worth a try.
    found = found or [Known(name, "", "traffic") for name in bench.tracer.methods]
    return [each for each in found if _is_plain(each.name)]


def is_reference(value: Any) -> bool:
    """Whether *value* is a reference to an object of a peer's, whatever it says of itself."""
    return not is_class(value) and RemoteReference in classes_of(value)


def _unwrapped(value: Any) -> Any:
    return attribute(value, "_wrapped") if type(value) is R else value


def methods(begun: str, known: Iterable[Known]) -> Iterator[Completion]:
    """The *known* methods that begin with *begun*; beside each how often it was seen, its signature, who says so."""
    fitting = [each for each in known if each.name.startswith(begun)]
    seen = [f"seen {each.seen}x" for each in fitting]
    signatures = [visible(each.signature, 60) for each in fitting]
    seen_width, signature_width = max(map(len, seen), default=0), max(map(len, signatures), default=0)
    for each, often, signature in zip(fitting, seen, signatures, strict=True):
        about = f"{often:{seen_width}}  {signature:{signature_width}}  {visible(each.source, 60)}"
        yield Completion(each.name, -len(begun), display_meta=about.rstrip())


def keywords(begun: str, method: str, known: Iterable[Known]) -> Iterator[Completion]:
    """The keyword arguments of *method* that begin with *begun*."""
    for each in known:
        if each.name == method:
            for name in dict.fromkeys(_PARAMETER.findall(each.signature)):
                if name.startswith(begun):
                    yield Completion(f"{name}=", -len(begun), display_meta=visible(each.signature, 60))


def _is_plain(name: str) -> bool:
    """Whether it can be written between quotes as it is: a peer may call a method anything."""
    return name.isprintable() and not set(name) & set("\"'\\")
