"""Commands about what can be called: ``:methods``, ``:export iface`` and ``:import iface``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import LocalReference, RemoteReference
from pbshell.errors import UsageError
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.workbench.books.finding import find
from pbshell.workbench.commands.command import command
from pbshell.workbench.forms.rows import Notice, Rows
from pbshell.workbench.known.interfaces import Method, written
from pbshell.workbench.known.knowledge import Knowledge, Known, kinds_of, known_methods, known_of_kind

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Line, Workbench


@dataclass(frozen=True, slots=True)
class Exported(Notice):
    """*methods* of *objects* kinds of objects were written to *file*."""

    file: str
    methods: int
    objects: int

    def __str__(self) -> str:
        what = f"{counted(self.methods, 'method')} of {counted(self.objects, 'kind')} of objects"
        return f"{what} written to {visible(self.file, 200)}"


@dataclass(frozen=True, slots=True)
class Imported(Notice):
    """The interface file called *name* has *methods* methods, which are known from now on."""

    name: str
    methods: int

    def __str__(self) -> str:
        return f"{counted(self.methods, 'method')} known from the interface {visible(self.name, 60)}"


@command("methods", "[REF]", "what can be called, as far as it is known, and from where")
def methods(bench: Workbench, reference: Any = "root") -> Rows[Known]:
    """The methods of the root, or of *reference*: signatures, how often they were called, and where that is known from.

    PB cannot list methods. They are known from source that is at hand, from interface files and from the traffic;
    nothing is called to find out.
    """
    if isinstance(reference, str):
        reference = _meant(bench, reference)
    if not isinstance(reference, (RemoteReference, LocalReference)):
        raise UsageError("methods are asked of what a peer lends: write :methods root, :methods s3 or :methods NAME")
    empty = "no methods are known; a call, an import of the server's source or :import iface FILE teaches some"
    return Rows(Known, known_methods(bench, reference), empty)


def _meant(bench: Workbench, word: str) -> Any:
    """What *word* names: a variable, or an id such as s3. Raises UsageError."""
    if word in bench.namespace:
        return bench.namespace[word]
    if word == "root":
        raise UsageError("no connection is open: :connect TARGET opens one")
    target = find(bench, word)
    if target.side == "ours":
        name = type(target.entry.thing).__name__
        raise UsageError(f"{target.id} is an object of ours: its methods are those of {name}")
    # It owes nothing: it was not received, and lives as long as this command.
    return RemoteReference(None, target.line.connection.broker, target.entry.luid, 0)


@command("export", "iface FILE", "write down what is known of the methods of a server")
def export(bench: Workbench, what: str, file: str) -> Exported:
    """Everything that ``:methods`` knows of the objects of the connection in use, as an interface file."""
    _check(what, "export")
    line = _line_in_use(bench)
    objects = {kind: [_method(each) for each in known_of_kind(bench, line, kind)] for kind in kinds_of(bench, line)}
    if not objects:
        raise UsageError("no methods are known yet; :methods tells what is")
    path = _path(file)
    heading = f"What {line.opened.target if line.opened else line.name} offers: see docs/reference/interface-files.md."
    try:
        # What is there may have been written by hand.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{visible(str(path), 200)} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(written(objects, heading))
    return Exported(str(path), sum(map(len, objects.values())), len(objects))


@command("import", "iface FILE", "learn methods from an interface file")
def import_(bench: Workbench, what: str, file: str) -> Imported:
    """*file* is a path, or the name of a file in the folder ``interfaces`` beside the file of ``:config path``."""
    _check(what, "import")
    interface = bench.part(Knowledge).load(file)
    return Imported(interface.name, interface.count)


def _check(what: str, name: str) -> None:
    if what != "iface":
        raise UsageError(f"there is no :{name} {visible(what, 30)}: write :{name} iface FILE")


def _line_in_use(bench: Workbench) -> Line:
    for line in bench.lines():
        if line.opened is not None and line.name == bench.current:
            return line
    raise UsageError("no connection is in use: :connect TARGET opens one")


def _method(known: Known) -> Method:
    return Method(known.name, known.signature, known.doc)


def _path(file: str) -> Path:
    path = Path(file).expanduser()
    return path if path.suffix else path.with_suffix(".toml")
