"""What `:help` knows: the commands in groups, and pages about a command, a filter, a setting, a key, a Python name.

Knows where to look a word up. Runs nothing of the objects that it tells of.
"""

from __future__ import annotations

import builtins
import difflib
import inspect
import keyword
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RemoteReference
from pbshell.errors import UsageError, dotted_name
from pbshell.trace.filters import OPERATORS
from pbshell.wire.text import visible
from pbshell.workbench.books.spelling import own_attributes, spelled
from pbshell.workbench.commands.command import COMMANDS, Command, Sh, usage_of
from pbshell.workbench.forms.rows import Rows
from pbshell.workbench.keys import KEYS, Key
from pbshell.workbench.known.declared import signature_of
from pbshell.workbench.known.knowledge import Known, known_methods
from pbshell.workbench.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

__all__ = ["GROUPS", "Help", "HelpPage", "HelpRow", "list_of_commands", "page"]

#: The commands by what they are about, what is typed most first; the names are headings of docs/reference/commands.md.
GROUPS = {
    "Connections": ("conns", "connect", "use", "close", "reconnect", "login", "mind"),
    "Servers": ("serve", "servers", "stop"),
    "Calls": ("calls", "call", "again", "bg", "cancel"),
    "References, cached copies, limits": ("refs", "ref", "cached", "who", "mark", "growth", "limits"),
    "The trace": ("trace", "frames", "show", "follow", "seq", "diff", "stats"),
    "The live view": ("top",),
    "Finding out what is wrong": ("why", "doctor"),
    "Interface files": ("methods", "export", "import"),
    "Settings, aliases, help": ("help", "set", "alias", "unalias", "keys", "config", "quit"),
}

#: kinds of objects whose docstring is asked of themselves
_DOCUMENTED = (FunctionType, BuiltinFunctionType, ModuleType)

#: What one would type.
EXAMPLES = {
    "again": (":again", ":again 3"),
    "alias": (":alias lk = :refs leaked | sort -age", ":alias"),
    "bg": (":bg await root.callRemote('slow')",),
    "cached": (":cached theirs", ":cached s4 diff"),
    "call": (":call root getBuilder",),
    "calls": (":calls", ":calls stuck"),
    "config": (":config edit",),
    "conns": (":conns", ":conns all | sort up"),
    "connect": (":connect 127.0.0.1:8789 as ci", ":connect @ci"),
    "doctor": (":doctor", ":doctor :9989"),
    "export": (":export iface ci.toml",),
    "frames": (":frames 20", ":frames 100-120 | grep decref"),
    "help": (":help refs", ":help ~t", ":help root"),
    "import": (":import iface ci.toml",),
    "methods": (":methods", ":methods builder | grep get"),
    "refs": (":refs theirs", ":refs leaked | sort -age", ":refs | json > refs.json"),
    "set": (":set", ":set width 140", ":set width default"),
    "trace": (":trace on", ":trace filter ~m start & ~t >50ms"),
    "why": (":why", ":why c#7"),
}


@dataclass(frozen=True, slots=True)
class HelpRow:
    """A *command* as it is written, *what* it does, and the *group* it belongs to; some come *first*."""

    command: str
    what: str
    group: str
    first: bool


class Help(Rows[HelpRow]):
    """All commands; *brief* is for whoever wants to see the most important ones."""

    def __init__(self, rows: list[HelpRow], *, brief: bool) -> None:
        super().__init__(HelpRow, rows)
        self.brief = brief


@dataclass(frozen=True, slots=True)
class HelpPage:
    """About one *word*: how it is written, what it is in a line and in more, *examples*, and where its *docs* are.

    *function* is a command as a function, *methods* are those of something remote.
    """

    word: str
    usage: str
    summary: str
    text: str = ""
    examples: tuple[str, ...] = ()
    function: str = ""
    docs: str = ""
    methods: tuple[Known, ...] = ()


def group_of(name: str) -> str:
    """The group of the command *name*; ``More`` for one that no group knows."""
    return next((group for group, names in GROUPS.items() if name in names), "More")


def list_of_commands(*, brief: bool) -> Help:
    """All commands in their groups, those that are needed first in front."""
    order = [name for names in GROUPS.values() for name in names]
    known = sorted(COMMANDS.values(), key=lambda each: order.index(each.name) if each.name in order else len(order))
    rows = [HelpRow(usage_of(each), each.summary, group_of(each.name), each.first) for each in known]
    return Help(sorted(rows, key=lambda row: not row.first), brief=brief)


def page(bench: Workbench, word: str) -> HelpPage:
    """About *word*: a command with or without its colon, a filter, a name, a remote method, a key, a setting.

    Raises UsageError, with what was perhaps meant.
    """
    lookups: tuple[Callable[[Workbench, str], HelpPage | None], ...] = (
        _command,
        _alias,
        _operator,
        _name,
        _method,
        _key,
        _setting,
    )
    for look in lookups:
        found = look(bench, word)
        if found is not None:
            return found
    raise UsageError(f"nothing here is called {visible(word, 40)!r}{_instead(bench, word)}")


def _instead(bench: Workbench, word: str) -> str:
    names = {each.lower(): each for each in _words(bench)}
    near = difflib.get_close_matches(word.removeprefix(":").lower(), names, 1, 0.6)
    if not near:
        return "; :help lists the commands"
    meant = names[near[0]]
    return f"; did you mean {f':{meant}' if meant in COMMANDS else meant}?"


def _words(bench: Workbench) -> Iterator[str]:
    yield from COMMANDS
    yield from bench.part(Settings).aliases
    yield from (each.symbol for each in OPERATORS)
    yield from SETTINGS
    yield from KEYS
    yield from (name for name in bench.namespace if not name.startswith("__"))


def _command(bench: Workbench, word: str) -> HelpPage | None:
    name = word.removeprefix(":")
    chosen = COMMANDS.get(name)
    # With a colon it can be nothing else, and of a name that is both the command is meant.
    return None if chosen is None else _page_of(chosen)


def _page_of(chosen: Command) -> HelpPage:
    text = inspect.cleandoc(chosen.function.__doc__ or "")
    # For a reader of this page: what is raised is told when it is.
    text = re.sub(r"``|(?<!\w)\*(?=\w+\*)|(?<=\w)\*(?!\w)|\s*\bRaises [^.]*\.", "", text)
    name = f"{chosen.name}_" if keyword.iskeyword(chosen.name) else chosen.name
    anchor = group_of(chosen.name).lower().replace(",", "").replace(" ", "-")
    return HelpPage(
        f":{chosen.name}",
        usage_of(chosen),
        chosen.summary,
        text,
        EXAMPLES.get(chosen.name, ()),
        f"sh.{name}{signature_of(chosen.function, 1)}",
        f"docs/reference/commands.md#{anchor}",
    )


def _alias(bench: Workbench, word: str) -> HelpPage | None:
    line = bench.part(Settings).aliases.get(word.removeprefix(":"))
    return None if line is None else HelpPage(word, f":{word.removeprefix(':')}", f"an alias of :{visible(line)}")


def _operator(bench: Workbench, word: str) -> HelpPage | None:
    for each in OPERATORS:
        if word in (each.symbol, f"~{each.name}"):
            argument = f"[{each.argument}]" if each.optional else each.argument
            usage = f"{each.symbol} {argument}".rstrip()
            example = f":refs {each.example}" if each.symbol in ("~o", "~l") else f":trace filter {each.example}"
            return HelpPage(
                each.symbol, usage, each.help, examples=(example,), docs="docs/reference/filters.md#operators"
            )
    return None


def _key(bench: Workbench, word: str) -> HelpPage | None:
    for key in KEYS.values():
        if word.lower() in (key.name, key.default, _now(bench, key)):
            same = f"{key.command} does the same" if key.command else ""
            usage = f"{key.name}: {_now(bench, key)}"
            return HelpPage(word, usage, key.help, same, docs="docs/reference/prompt.md#keys")
    return None


def _now(bench: Workbench, key: Key) -> str:
    return bench.part(Settings).keys.get(key.name, key.default)


def _setting(bench: Workbench, word: str) -> HelpPage | None:
    setting = SETTINGS.get(word)
    if setting is None:
        return None
    now = setting.written(bench.part(Settings)[word])
    text = f"It is {setting.wanted}; now it is {now}."
    return HelpPage(word, f":set {word} VALUE", setting.help, text, docs="docs/reference/settings.md#settings")


# ------------------------------------------------------------------------------------------------ Python


def _name(bench: Workbench, word: str) -> HelpPage | None:
    """A name of the namespace, or an attribute of one; what a property would give is not asked."""
    first, *rest = word.split(".")
    missing = object()
    value = bench.namespace.get(first, vars(builtins).get(first, missing))
    for name in rest:
        value = _attribute(value, name, missing)
    if value is missing:
        return None
    if isinstance(value, MethodType):
        value = value.__func__
    known = known_methods(bench, value)
    if type(value) in (FunctionType, BuiltinFunctionType) or isinstance(value, type):
        signature = signature_of(value) if type(value) is FunctionType else "(...)"
        return HelpPage(word, f"{word}{signature}", "", _doc(value))
    if type(value) is ModuleType:
        return HelpPage(word, word, f"the module {visible(value.__name__, 100)}", _doc(value))
    what = visible(dotted_name(type(value)), 100)
    shown = repr(value) if isinstance(value, (RemoteReference, Sh)) else spelled(value, 100)
    return HelpPage(word, word, f"of class {what}: {visible(shown, 300)}", _doc(type(value)), methods=tuple(known))


def _attribute(value: Any, name: str, missing: object) -> Any:
    if type(value) is Sh:
        return getattr(value, name, missing)
    found = own_attributes(value).get(name, missing)
    if found is missing:
        found = inspect.getattr_static(value, name, missing)
    return found.__func__ if type(found) in (staticmethod, classmethod) else found


def _doc(value: Any) -> str:
    doc = value.__doc__ if type(value) in _DOCUMENTED else inspect.getattr_static(value, "__doc__", None)
    return "\n".join(visible(line) for line in inspect.cleandoc(doc).split("\n")) if type(doc) is str else ""


def _method(bench: Workbench, word: str) -> HelpPage | None:
    """A method of something remote that has a name here, the root first."""
    names = ("root", *(name for name in bench.namespace if name != "root"))
    for name in names:
        for known in known_methods(bench, bench.namespace.get(name)):
            if known.name == word:
                call = f'await {name}.callRemote("{known.name}")'
                usage = f"{known.name}{known.signature}"
                return HelpPage(word, usage, f"a method of {name}, known from {known.source}", known.doc, (call,))
    return None
