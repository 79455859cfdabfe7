"""Interface files: what objects of a server can be called, written down. Knows TOML; does not know any server.

Source: docs/reference/interface-files.md.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = ["Interface", "Method", "find", "folder", "read", "written"]

#: bytes of a file, methods in it, and characters of a text in it
_LARGEST, _METHODS, _TEXT = 4 * 1024 * 1024, 20_000, 500
_KIND = re.compile(r"root|perspective|mind|[^\W\d]\w*\(\)|[^\W\d]\w*(\.[^\W\d]\w*)+")
_KINDS = 'an object is root, perspective, mind, "getThing()" for what that method brings, or "module.Class"'


@dataclass(frozen=True, slots=True)
class Method:
    """A method *name* with its *signature*, as ``(rev, force=False)``, and *doc*, what it does in a line."""

    name: str
    signature: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """What a file says: by kind of object, by method. *name* is the file's."""

    name: str
    objects: Mapping[str, Mapping[str, Method]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many methods there are."""
        return sum(map(len, self.objects.values()))


def folder() -> Path:
    """Where the interface files of this user are that are found by their names."""
    import platformdirs  # noqa: PLC0415 (only those need it who have such files)

    return platformdirs.user_config_path("pbshell") / "interfaces"


def find(word: str) -> Path:
    """The file that *word* means: a path, or a name in the folder. Raises UsageError."""
    path = Path(word).expanduser()
    if path.suffix or len(path.parts) != 1 or path.is_file():
        return path
    found = folder() / f"{word}.toml"
    if found.is_file():
        return found
    there = sorted(each.stem for each in folder().glob("*.toml"))
    near = difflib.get_close_matches(word, there, 1)
    instead = (
        f"did you mean {visible(near[0], 60)}?"
        if near
        else f"write a path, or put it into {visible(str(folder()), 200)}"
    )
    raise UsageError(f"there is no interface {visible(word, 60)!r}; {instead}")


def read(path: Path) -> Interface:
    """What stands in the file at *path*. Raises UsageError, with the place in the file."""
    place = visible(str(path), 200)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        text = data.decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the interface file {place} cannot be read: {reason}") from None
    if len(data) > _LARGEST:
        raise UsageError(f"the interface file {place} has more than {_LARGEST:,} bytes")
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{place} is no TOML: {visible(str(error), 200)}") from None
    return Interface(path.stem, _objects(tables, place))


def _objects(tables: dict[str, Any], place: str) -> dict[str, dict[str, Method]]:
    unknown = [name for name in tables if name not in ("v", "objects")]
    if unknown:
        raise UsageError(f"{place}: there is no {visible(unknown[0], 40)!r}; write [objects.root]")
    if tables.get("v", 1) != 1:
        raise UsageError(f"{place}: it is of version {visible(str(tables['v']), 20)}, and this pbshell knows 1")
    objects = tables.get("objects", {})
    if not isinstance(objects, dict):
        raise UsageError(f"{place}: objects are tables; write [objects.root]")
    found = {}
    for kind, methods in objects.items():
        if not _KIND.fullmatch(kind):
            raise UsageError(f"{place}: {visible(kind, 60)!r} is no object: {_KINDS}")
        if not isinstance(methods, dict):
            raise UsageError(f"{place}: {visible(kind, 60)} is a table of methods")
        found[kind] = {name: _method(name, said, f"{place}: {visible(kind, 60)}") for name, said in methods.items()}
    if sum(map(len, found.values())) > _METHODS:
        raise UsageError(f"{place}: it has more than {_METHODS:,} methods")
    return found


def _method(name: str, said: Any, place: str) -> Method:
    if not name.isidentifier():
        raise UsageError(f"{place}: {visible(name, 60)!r} is no name of a method")
    said = {"signature": said} if isinstance(said, str) else said
    if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
        raise UsageError(f'{place}.{name}: write {name} = "(rev)", or {{ signature = "(rev)", doc = "what it does" }}')
    for key in said:
        if key not in ("signature", "doc"):
            raise UsageError(f"{place}.{name}: there is no {visible(key, 40)!r}; there are signature, doc")
    return Method(name, visible(said.get("signature", ""), _TEXT), visible(said.get("doc", ""), _TEXT))


def written(objects: Mapping[str, Iterable[Method]], heading: str) -> str:
    """*objects* as the text of a file that begins with the comment *heading*."""
    return "\n".join(["# " + visible(heading, 200), "v = 1", *_tables(objects)]) + "\n"


def _tables(objects: Mapping[str, Iterable[Method]]) -> Iterator[str]:
    for kind, methods in objects.items():
        yield ""
        yield f"[objects.{kind if kind.isidentifier() else _quoted(kind)}]"
        for each in methods:
            signature = _quoted(each.signature)
            name = each.name if each.name.isascii() else _quoted(each.name)
            said = f"{{ signature = {signature}, doc = {_quoted(each.doc)} }}" if each.doc else signature
            yield f"{name} = {said}"


def _quoted(text: str) -> str:
    # What is visible has no control characters, and of the others these two have a meaning.
    return '"' + visible(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
