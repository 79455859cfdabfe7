"""What is known of the methods of a peer's objects: from source at hand, from interface files, from the traffic.

PB cannot list methods. Knows how the three sources are laid over each other; calls nobody to find out, and imports
nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import AsReferenceable, ViewPoint
from pbshell.broker.references import LocalReference, RemoteReference
from pbshell.wire.chunk import Side
from pbshell.workbench.known import interfaces
from pbshell.workbench.known.declared import Declared, classes_in, is_root, methods_of, modules_in
from pbshell.workbench.known.interfaces import Interface
from pbshell.workbench.known.observed import Called, Observed, kind_of_lent

if TYPE_CHECKING:
    from pbshell.net.connection import Connection
    from pbshell.wire.verbs import Luid
    from pbshell.workbench.workbench import Line, Workbench

__all__ = ["Knowledge", "Known", "kinds_of", "known_methods", "known_of_kind"]


@dataclass(frozen=True, slots=True)
class Known:
    """A method of a peer's object.

    *signature* is as in its source, ``(name, force=False)``, or the kinds of arguments that were sent, ``(str, dict)``.
    *source* is where the knowledge comes from: ``demo.py:41``, ``iface ci``, or ``traffic``. It was *seen* so many
    times, of which *errors* raised; *p50* is in seconds, None without an answer. *doc* is what it does, in a line.
    """

    name: str
    signature: str
    source: str
    seen: int = 0
    errors: int = 0
    p50: float | None = None
    doc: str = ""


class Knowledge:
    """What was learned beside the traffic: *interfaces* by name, and the *modules* of servers that are in use."""

    def __init__(self, bench: Workbench) -> None:
        self.interfaces: dict[str, Interface] = {}
        self.modules: dict[str, ModuleType] = {}
        self.observed = Observed(bench)

    def use(self, module: ModuleType) -> None:
        """The classes of *module*, which is imported already, may be those of the server's objects."""
        self.modules[module.__name__] = module

    def load(self, word: str) -> Interface:
        """Read the interface file that *word* means: a path, or a name. Raises UsageError."""
        interface = interfaces.read(interfaces.find(word))
        self.interfaces[interface.name] = interface
        return interface


@dataclass(frozen=True, slots=True)
class _Place:
    """An object of *owner* on *line*, of a *kind* as `kind_of_lent` says it."""

    line: Line
    owner: Side
    luid: Luid
    kind: str


def known_methods(bench: Workbench, reference: Any) -> list[Known]:
    """The methods of what *reference* (a RemoteReference, or a LocalReference) stands for, by name. Runs nothing."""
    if type(reference) is LocalReference:
        return sorted(_of_class(type(reference.object), "remote"), key=_name)
    if not issubclass(type(reference), RemoteReference):
        return []
    for line in bench.lines():
        if line.connection.broker is reference.broker:
            return _known(bench, _place(line, line.connection.broker.side.other, reference.luid))
    return []


def known_of_kind(bench: Workbench, line: Line, kind: str) -> list[Known]:
    """The methods of any object of *kind* that the peer lends on *line*: those of `known_methods`, without the object.

    So they can be written down when the object itself is not held any more.
    """
    return _known(bench, _Place(line, line.connection.broker.side.other, b"", kind))


def kinds_of(bench: Workbench, line: Line) -> list[str]:
    """The kinds of objects of the peer of *line* of which something is known: from its source, or from the traffic."""
    observed, owner = bench.part(Knowledge).observed, line.connection.broker.side.other
    called = [] if line.conversation is None else observed.kinds(line.conversation, owner)
    found = dict.fromkeys(("root", "perspective", *called))
    for cls in _candidates(bench):
        for (_, name), declared in methods_of(cls).items():
            if declared.returns:
                found[f"{name}()"] = None
    return [kind for kind in found if known_of_kind(bench, line, kind)]


def _place(line: Line, owner: Side, luid: Luid) -> _Place:
    kind = "root" if luid == b"root" else ""
    lent = None if line.conversation is None else line.conversation.lent(owner, luid)
    if lent is not None and line.conversation is not None:
        kind = kind_of_lent(lent, line.conversation)
    root = None if line.opened is None else line.opened.root
    if line.opened is not None and line.opened.user and type(root) is RemoteReference and root.luid == luid:
        kind = "perspective"
    return _Place(line, owner, luid, kind)


def _known(bench: Workbench, place: _Place) -> list[Known]:
    knowledge = bench.part(Knowledge)
    called: dict[str, Called] = {}
    if place.kind and place.line.conversation is not None:
        called = knowledge.observed.methods(place.line.conversation, place.owner, place.kind)
        called = {name: each for name, each in called.items() if each.exists}
    classes = _classes(bench, place, called)
    found = {each.name: each for each in _of_interfaces(knowledge, place, classes)}
    for cls, prefix in classes:
        found |= {each.name: each for each in _of_class(cls, prefix)}
    for name, each in called.items():
        base = found.get(name) or Known(name, each.signature, "traffic")
        found[name] = replace(base, seen=each.calls, errors=each.errors, p50=each.p50)
    return sorted(found.values(), key=_name)


def _name(known: Known) -> str:
    return known.name


def _of_interfaces(knowledge: Knowledge, place: _Place, classes: list[tuple[type, str]]) -> Iterator[Known]:
    kinds = [place.kind, *(f"{cls.__module__}.{cls.__qualname__}" for cls, _ in classes)]
    for interface in knowledge.interfaces.values():
        for kind in kinds:
            for method in interface.objects.get(kind, {}).values():
                yield Known(method.name, method.signature, f"iface {interface.name}", doc=method.doc)


def _of_class(cls: type, prefix: str) -> Iterator[Known]:
    for (each, name), declared in methods_of(cls).items():
        if each == prefix:
            yield Known(name, declared.signature, declared.source, doc=declared.doc)


# ------------------------------------------------------------------------------------------------ which class it is


def _classes(bench: Workbench, place: _Place, called: Mapping[str, Called]) -> list[tuple[type, str]]:
    """The classes, with the prefix of what can be called, that the object in *place* is of: known, or probable."""
    found = _here(bench, place)
    if found is not None:
        return [found]
    candidates = _candidates(bench)
    born = list(_born_of(candidates, place.kind.removesuffix("()"))) if place.kind.endswith("()") else []
    if born:
        return [(cls, _prefix(cls, place.kind)) for cls in born]
    chosen = [(cls, _prefix(cls, place.kind)) for cls in candidates if _may_be(cls, place.kind)]
    # What has answered must be there; and where nothing was called yet, one of several is no better than another.
    fitting = [(cls, prefix) for cls, prefix in chosen if all((prefix, name) in methods_of(cls) for name in called)]
    return fitting if called or len(fitting) == 1 else []


def _here(bench: Workbench, place: _Place) -> tuple[type, str] | None:
    """The class of the object itself, if its owner is in this process too."""
    other = _other_end(bench, place.line.connection)
    entry = None if other is None else other.broker.ours.exports.get(place.luid)
    if entry is None:
        return None
    thing = entry.thing
    if isinstance(thing, AsReferenceable):
        return type(thing.object), thing.messageType
    return (type(thing.object), "view") if isinstance(thing, ViewPoint) else (type(thing), "remote")


def _other_end(bench: Workbench, connection: Connection) -> Connection | None:
    addresses = (connection.peer, connection.local)
    for line in bench.lines():
        if line.connection is not connection and (line.connection.local, line.connection.peer) == addresses:
            return line.connection
    return None


def _candidates(bench: Workbench) -> list[type]:
    found = dict.fromkeys(classes_in(bench.namespace))
    modules = {**{each.__name__: each for each in modules_in(bench.namespace)}, **bench.part(Knowledge).modules}
    for module in modules.values():
        found |= dict.fromkeys(classes_in(vars(module), module.__name__))
    return list(found)


def _born_of(candidates: list[type], method: str) -> Iterator[type]:
    declared: list[Declared] = [
        each for cls in candidates for (_, name), each in methods_of(cls).items() if name == method
    ]
    for each in declared:
        yield from each.returns


def _prefixes(cls: type) -> set[str]:
    return {prefix for prefix, _ in methods_of(cls)}


def _prefix(cls: type, kind: str) -> str:
    if kind == "perspective":
        return "perspective"
    return "view" if "remote" not in _prefixes(cls) else "remote"


def _may_be(cls: type, kind: str) -> bool:
    prefixes = _prefixes(cls)
    if kind == "perspective":
        return "perspective" in prefixes
    if kind == "root":
        return "remote" in prefixes and is_root(cls)
    return not is_root(cls) and bool(prefixes & {"remote", "view"}) and not inspect.isabstract(cls)
