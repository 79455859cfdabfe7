"""What the public modules offer, name by name: a name that comes or goes shows in tests/exports.txt.

After a change that is meant, bring the list up to date and read the difference:

    python tests/test_exports.py
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("exports.txt")

MODULES = [
    "pbshell",
    "pbshell.broker",
    "pbshell.cred",
    "pbshell.defer",
    "pbshell.errors",
    "pbshell.pb",
    "pbshell.plugin",
    "pbshell.testing",
    "pbshell.trace",
    "pbshell.wire",
]


def offered(module: str) -> list[str]:
    """The names in the `__all__` of *module*; of a package that has none, its modules."""
    found = importlib.import_module(module)
    return sorted(getattr(found, "__all__", None) or (each.name for each in pkgutil.iter_modules(found.__path__)))


def listed() -> dict[str, list[str]]:
    """The list: each module on a line of its own, its names indented below it."""
    modules: dict[str, list[str]] = {}
    names: list[str] = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            names.append(line.strip())
        else:
            names = modules.setdefault(line, [])
    return modules


def write() -> None:
    lines = [line for module in MODULES for line in (module, *(f"    {name}" for name in offered(module)))]
    LIST.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_a_public_module_offers_what_is_listed_and_nothing_else(module: str) -> None:
    assert offered(module) == listed().get(module), "meant? then: python tests/test_exports.py"


@pytest.mark.parametrize("module", MODULES)
def test_what_is_offered_is_there_once_and_public(module: str) -> None:
    names = offered(module)

    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("_")] == (["__version__"] if module == "pbshell" else [])
    namespace: dict[str, object] = {}
    exec(f"from {module} import {', '.join(names)}", namespace)
    assert namespace.keys() >= set(names)


def test_the_list_has_no_module_that_is_not_public() -> None:
    assert list(listed()) == MODULES


def test_pbshell_offers_its_public_modules_and_no_others() -> None:
    import pbshell

    assert [f"pbshell.{name}" for name in sorted(pbshell.__all__) if name != "__version__"] == MODULES[1:]
    assert set(pbshell.__all__) <= set(dir(pbshell))
    with pytest.raises(AttributeError, match="no attribute 'net_of_a_fisher'"):
        pbshell.__getattr__("net_of_a_fisher")


if __name__ == "__main__":
    write()
