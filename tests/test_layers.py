"""Who may import whom: the floors of docs/explanation/architecture.md as a table, held against every import.

Knows the table; imports nothing of what it judges, but reads its source.
"""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

CORE = {"errors", "wire", "defer", "broker", "cred"}
NET = CORE | {"net"}
LIBRARY = NET | {"pb", "trace", "service", "plugin"}
SCREENS = {"rich", "prompt_toolkit", "ptpython", "pygments"}
#: where a package from elsewhere may be imported
NOWHERE, IN_FUNCTIONS, ANYWHERE = "nowhere", "in functions only", "anywhere"


@dataclass(frozen=True)
class Floor:
    """What the files of one floor may import: of ours, of others', and what never, whoever wrote it."""

    ours: frozenset[str]
    others: str
    never: frozenset[str] = frozenset()


def floor(ours: set[str], others: str = NOWHERE, never: str | set[str] = "") -> Floor:
    return Floor(frozenset(ours), others, frozenset(never.split() if isinstance(never, str) else never))


FLOORS = {
    "errors": floor(set()),
    "wire": floor({"errors"}, never="asyncio socket time threading"),
    "defer": floor({"errors"}, never="asyncio socket threading"),
    "broker": floor({"wire", "defer", "errors"}, never="asyncio socket time threading"),
    "cred": floor({"defer", "errors"}, never="asyncio"),
    "trace": floor({"wire", "errors"}, IN_FUNCTIONS, never={"asyncio", *SCREENS}),
    "net": floor(CORE),
    "pb": floor(NET),
    "service": floor(NET),
    "plugin": floor(NET),
    "workbench": floor(LIBRARY, IN_FUNCTIONS, never=SCREENS),
    # Each module as low as it can: see LOWER for those that have settled.
    "testing": floor(LIBRARY | {"workbench"}, IN_FUNCTIONS, never=SCREENS),
    "shell": floor(LIBRARY | {"workbench"}, ANYWHERE),
    # The process that is looked into has the standard library and pbshell, and may have nothing else.
    "manhole": floor(LIBRARY | {"workbench"}),
    "cli": floor(LIBRARY | {"workbench", "testing", "shell", "manhole"}, ANYWHERE),
    "__main__": floor({"cli"}),
}

#: modules that must keep lower than their floor
LOWER = {"pbshell/testing/loopback.py": {"broker", "trace", "wire", "defer", "errors"}}

#: the only exceptions: file, the function that may, what it may
EXCEPTIONS = {
    ("pbshell/cred/login.py", None, "pbshell.broker"),
    # Reached by awaiting, cancelling, timing and futures alone; the classes are named for the type checker.
    ("pbshell/defer/deferred.py", "asyncio_module", "asyncio"),
    ("pbshell/defer/deferred.py", "TYPE_CHECKING", "asyncio"),
    ("pbshell/defer/__init__.py", "TYPE_CHECKING", "asyncio"),
    ("pbshell/manhole/twisted.py", None, "twisted"),
}

#: what a plugin may import of ours: `pbshell.wire` and `.broker` are documented, but no stranger needs them
OFFERED = {"cred", "defer", "errors", "manhole", "pb", "plugin", "service", "testing", "trace"}


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name, with the names taken from it.

    *within* is the function that does it, TYPE_CHECKING when it is for the type checker only, None at the top.
    """

    line: int
    module: str
    names: tuple[str, ...]
    within: str | None

    def is_stdlib(self) -> bool:
        return self.module.partition(".")[0] in sys.stdlib_module_names


def imports(source: str, module: str, is_package: bool = False) -> Iterator[Import]:
    """Every import in *source*, the text of *module*: at the top, in functions, relative, or by name."""
    yield from visit(ast.parse(source), module if is_package else module.rpartition(".")[0], None, in_function=False)


def visit(node: ast.AST, package: str, within: str | None, *, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}.{child.name}" if within else child.name
            yield from visit(child, package, name, in_function=in_function or not isinstance(child, ast.ClassDef))
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            yield from visit(ast.Module(child.body, []), package, "TYPE_CHECKING", in_function=True)
            yield from visit(ast.Module(child.orelse, []), package, within, in_function=in_function)
            continue
        place = within if in_function else None
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(child.lineno, alias.name, (), place)
        elif isinstance(child, ast.ImportFrom):
            origin = absolute(child, package)
            names = tuple(alias.name for alias in child.names)
            yield Import(child.lineno, origin, names, place)
        elif isinstance(child, ast.Call) and called(child) in {"import_module", "__import__"}:
            named = child.args[0] if child.args else None
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                yield Import(child.lineno, named.value, (), place)
        yield from visit(child, package, within, in_function=in_function)


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The full name of the module that `from ... import` names, seen from *package*."""
    if not node.level:
        return node.module or ""
    kept = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def floors_of(found: Import) -> Iterator[str]:
    """The floors of pbshell that an import reaches; empty for a package of others."""
    top, _, rest = found.module.partition(".")
    if top != "pbshell":
        return
    if rest:
        yield rest.partition(".")[0]
    else:
        # `from pbshell import pb`; __version__ belongs to no floor.
        yield from (name for name in found.names if not name.startswith("__"))


def complaints(path: str, source: str) -> Iterator[str]:
    """What *source*, the text of the file *path* below the root, imports against the table."""
    parts = path.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    rules = FLOORS[parts[1]]
    ours = LOWER.get(path, rules.ours) | {parts[1]}
    for found in imports(source, module, is_package):
        if excepted(path, found):
            continue
        top = found.module.partition(".")[0]
        where = f"{path}:{found.line}"
        if top == "pbshell":
            yield from (f"{where} imports the floor {name}" for name in floors_of(found) if name not in ours)
        elif top in rules.never:
            yield f"{where} imports {top}"
        elif not found.is_stdlib() and (rules.others == NOWHERE or (rules.others == IN_FUNCTIONS and not found.within)):
            yield f"{where} imports {found.module}, allowed {rules.others}"


def excepted(path: str, found: Import) -> bool:
    return any(
        path == file
        and (function is None or function == found.within)
        and (found.module == what or found.module.startswith(f"{what}."))
        for file, function, what in EXCEPTIONS
    )


def files(*folders: str) -> list[str]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


LIBRARY_FILES = [path for path in files("pbshell") if path != "pbshell/__init__.py"]


def test_every_file_stands_on_a_floor_of_the_table() -> None:
    assert {path.removesuffix(".py").split("/")[1] for path in LIBRARY_FILES} <= FLOORS.keys()


@pytest.mark.parametrize("path", LIBRARY_FILES)
def test_a_file_imports_only_what_its_floor_may(path: str) -> None:
    assert not list(complaints(path, (ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", files("plugins"))
def test_a_bundled_plugin_uses_only_what_a_stranger_may(path: str) -> None:
    for found in imports((ROOT / path).read_text(encoding="utf-8"), path.removesuffix(".py").replace("/", ".")):
        for name in floors_of(found):
            assert name in OFFERED, f"{path}:{found.line} reaches below the public modules"
        if found.module.startswith("pbshell."):
            assert found.module.count(".") == 1, f"{path}:{found.line} reaches into {found.module}"
            offered = importlib.import_module(found.module).__all__
            assert set(found.names) <= set(offered), f"{path}:{found.line} takes what is not offered"


def test_pb_holds_names_and_nothing_else() -> None:
    for node in ast.parse((ROOT / "pbshell/pb.py").read_text(encoding="utf-8")).body[1:]:
        # `setCopierForClass = setUnjellyableForClass`: PB itself has two names for some things.
        names_only = isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        the_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        assert isinstance(node, ast.Import | ast.ImportFrom) or names_only or the_list, ast.unparse(node)


# What the table cannot see: what really gets loaded


def loaded_by(statement: str) -> set[str]:
    """The modules that *statement* loads in a new process, beyond those of an empty one."""
    program = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    return set(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    )


def test_importing_pbshell_loads_nothing_else() -> None:
    loaded = loaded_by("import pbshell")

    assert {name for name in loaded if name.startswith("pbshell")} == {"pbshell"}
    assert loaded & {"asyncio", "asyncssh", "prompt_toolkit", "ptpython", "rich", "twisted"} == set()


@pytest.mark.parametrize("module", ["pb", "cred", "defer", "errors", "plugin", "testing", "trace", "wire", "broker"])
def test_no_public_module_loads_a_package_of_others(module: str) -> None:
    """Above all none of rich, ptpython, prompt_toolkit, asyncssh and twisted."""
    tops = {name.partition(".")[0] for name in loaded_by(f"import pbshell.{module}")}

    assert {top for top in tops if not top.startswith("__")} - sys.stdlib_module_names == {"pbshell"}


def test_the_core_runs_without_asyncio_and_sockets() -> None:
    core = [path for path in LIBRARY_FILES if path.split("/")[1] in {"wire", "defer", "broker", "cred", "trace"}]
    modules = [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in core]

    assert loaded_by(f"import {', '.join(modules)}") & {"asyncio", "selectors", "socket"} == set()


# The judge is judged


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pbshell/wire/banana.py", "import asyncio"),
        ("pbshell/wire/banana.py", "from asyncio import Future"),
        ("pbshell/wire/banana.py", "def read():\n    import socket"),
        ("pbshell/wire/banana.py", "if TYPE_CHECKING:\n    from pbshell.broker import Broker"),
        ("pbshell/wire/banana.py", "from ..broker.broker import Broker"),
        ("pbshell/wire/banana.py", "from pbshell import broker"),
        ("pbshell/wire/__init__.py", "from ..net import connection"),
        ("pbshell/wire/__init__.py", "from .. import net"),
        ("pbshell/wire/banana.py", "import importlib\nimportlib.import_module('asyncio.events')"),
        ("pbshell/wire/banana.py", "__import__('pbshell.net.client')"),
        ("pbshell/wire/banana.py", "import attr"),
        ("pbshell/defer/deferred.py", "import asyncio"),
        ("pbshell/defer/deferred.py", "class Deferred:\n    def addTimeout(self):\n        import asyncio"),
        ("pbshell/defer/combine.py", "def asyncio_module():\n    import asyncio"),
        ("pbshell/defer/combine.py", "if TYPE_CHECKING:\n    import asyncio"),
        ("pbshell/broker/broker.py", "try:\n    import time\nexcept ImportError:\n    pass"),
        ("pbshell/cred/portal.py", "from pbshell.broker import flavors"),
        ("pbshell/trace/notes.py", "from pbshell.broker.books import Books"),
        ("pbshell/trace/pcap.py", "import dpkt"),
        ("pbshell/trace/explain.py", "def show():\n    import rich.tree"),
        ("pbshell/net/client.py", "from pbshell.trace import filters"),
        ("pbshell/plugin.py", "import pbshell.workbench"),
        ("pbshell/workbench/workbench.py", "import tomlkit"),
        ("pbshell/workbench/workbench.py", "def paint():\n    import rich"),
        ("pbshell/testing/loopback.py", "from pbshell.net import connect"),
        ("pbshell/shell/repl.py", "from pbshell.cli import main"),
        ("pbshell/manhole/service.py", "from pbshell.shell import repl"),
        ("pbshell/manhole/telnet.py", "def listen():\n    import twisted.internet"),
    ],
)
def test_the_judge_sees_an_import_wherever_it_hides(path: str, source: str) -> None:
    assert len(list(complaints(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pbshell/wire/banana.py", "from __future__ import annotations\nimport struct\nfrom . import verbs"),
        ("pbshell/wire/banana.py", "from ..errors import BananaError\nfrom pbshell.wire.verbs import parse"),
        ("pbshell/defer/deferred.py", "def asyncio_module():\n    import asyncio"),
        ("pbshell/cred/login.py", "from pbshell.broker.flavors import Referenceable"),
        ("pbshell/trace/pcap.py", "def read():\n    import dpkt"),
        ("pbshell/net/client.py", "import asyncio, socket, ssl"),
        ("pbshell/shell/repl.py", "from ptpython.repl import PythonRepl\nfrom pbshell import __version__, pb"),
        ("pbshell/manhole/twisted.py", "from twisted.internet import reactor"),
        ("pbshell/workbench/reaching/profiles.py", "async def save():\n    import tomlkit"),
    ],
)
def test_the_judge_lets_pass_what_the_table_allows(path: str, source: str) -> None:
    assert not list(complaints(path, source))
