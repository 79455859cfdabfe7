"""What the kinds in a command's usage stand for: connections, ids, files, targets, filters. Knows where to look.

It asks the books and the tables of the workbench, and of the system only names of files.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prompt_toolkit.completion import CompleteEvent, Completion, PathCompleter
from prompt_toolkit.document import Document

from pbshell.errors import UsageError
from pbshell.shell.completion.names import names_behind
from pbshell.trace.operators import KINDS as KINDS_OF_FRAMES
from pbshell.trace.operators import OPERATORS
from pbshell.trace.values import identity
from pbshell.wire.text import visible
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.settings import SETTINGS, Settings
from pbshell.workbench.typed.statements import Statements
from pbshell.workbench.workbench import Workbench

__all__ = ["Place", "files", "matching", "offers", "wants_argument"]

#: ids that are offered
_IDS = 500
_SCHEMES = {
    "tcp:": "tcp:HOST:PORT, or only HOST:PORT",
    "tls:": "tls:HOST:PORT",
    "unix:": "unix:PATH",
}
_SIDES = ("c", "s")
_WITH_ARGUMENT = {each.symbol for each in OPERATORS if each.argument and not each.optional}
#: what may stand in front of an operator without a blank
_AROUND = "!(&|"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word is *begun*: on which workbench, and behind which *words* of the command."""

    bench: Workbench
    begun: str
    words: Sequence[str] = ()


def matching(begun: str, names: Iterable[tuple[str, str]]) -> Iterator[Completion]:
    """Those of *names*, each with a word about it, that begin with *begun*."""
    for name, about in names:
        if name.startswith(begun) and name.isprintable():
            yield Completion(name, -len(begun), display_meta=about)


def offers(kind: str, place: Place) -> Iterable[Completion]:
    """What may stand at *place* for *kind*, a word of a usage; nothing for one that only its user can know."""
    for known, look in _KINDS.items():
        if known in kind:
            return look(place)
    return ()


def _connections(place: Place) -> Iterator[Completion]:
    bench = place.bench
    opened = ((name, visible(each.target, 60)) for name, each in bench.connections.items())
    ended = ((name, "has ended") for name in bench.ended)
    return matching(place.begun, dict(itertools.chain(ended, opened)).items())


def _lines(place: Place) -> Iterator[Completion]:
    """All connections, those that others have made to us too."""
    yield from _connections(place)
    hosted = ((line.name, str(line.connection)) for line in place.bench.lines() if line.hosted is not None)
    yield from matching(place.begun, hosted)


def _servers(place: Place) -> Iterator[Completion]:
    return matching(place.begun, ((name, each.served) for name, each in place.bench.servers.items()))


def _ids(place: Place) -> Iterator[Completion]:
    return matching(place.begun, itertools.islice(_lent(place.bench), _IDS))


def _lent(bench: Workbench) -> Iterator[tuple[str, str]]:
    """The ids of all that is lent, ours and theirs, and what is known of each."""
    for line in bench.lines():
        broker = line.connection.broker
        for side, ledger, owner in ((broker.side, broker.ours, "ours"), (broker.side.other, broker.theirs, "theirs")):
            for luid in [*ledger.exports, *ledger.caches]:
                lent = None if line.conversation is None else line.conversation.lent(side, luid)
                yield identity(side, luid), f"{owner}  {visible(lent.name or lent.type, 60) if lent else ''}".rstrip()


def files(place: Place) -> Iterator[Completion]:
    """Files and folders."""
    for each in PathCompleter(expanduser=True).get_completions(Document(place.begun), CompleteEvent()):
        # A name with a blank would be two words.
        if each.text.isprintable() and " " not in each.text:
            yield each


def _targets(place: Place) -> Iterator[Completion]:
    yield from matching(place.begun, _profiles())
    recent = (each.target for each in (*place.bench.connections.values(), *place.bench.ended.values()))
    yield from matching(place.begun, [(name, "") for name in dict.fromkeys(recent)])
    yield from matching(place.begun, _SCHEMES.items())
    if place.begun.startswith("unix:"):
        yield from files(Place(place.bench, place.begun.removeprefix("unix:")))


def _profiles() -> list[tuple[str, str]]:
    from pbshell.workbench.reaching import profiles  # noqa: PLC0415 (what reads them is needed by few)

    try:
        return [(f"@{name}", "profile") for name in profiles.names()]
    except UsageError:
        return []


def wants_argument(words: Sequence[str]) -> bool:
    """Whether the last of *words* is an operator of a filter that must have an argument."""
    return bool(words) and words[-1].lstrip(_AROUND) in _WITH_ARGUMENT


def _filter(place: Place) -> Iterator[Completion]:
    """An operator, or what stands behind one."""
    before = place.words[-1].lstrip(_AROUND) if place.words else ""
    if before == "~k":
        return matching(place.begun, ((name, "") for name in KINDS_OF_FRAMES))
    if before == "~d":
        return matching(place.begun, zip(_SIDES, ("sent by the client", "sent by the server"), strict=True))
    if before == "~l":
        return _ids(place)
    if before == "~c":
        numbers = ((str(line.connection.number), line.name) for line in place.bench.lines())
        return matching(place.begun, numbers)
    if wants_argument(place.words):
        return iter(())
    begun = place.begun.lstrip(_AROUND)
    told = ((each.symbol, f"{each.argument:6} {each.help}  {each.example}") for each in OPERATORS)
    return matching(begun, told)


def _jobs(place: Place) -> Iterator[Completion]:
    jobs = place.bench.part(Statements).jobs
    return matching(place.begun, ((name, f"{job.state}  {visible(job.source, 60)}") for name, job in jobs.items()))


def _endpoints(place: Place) -> Iterator[Completion]:
    return matching(place.begun, _SCHEMES.items())


def _settings(place: Place) -> Iterator[Completion]:
    settings = place.bench.part(Settings)
    told = ((name, f"{setting.written(settings[name]):6}  {setting.help}") for name, setting in SETTINGS.items())
    return matching(place.begun, told)


def _values(place: Place) -> Iterator[Completion]:
    """What the setting in front of it can be."""
    setting = SETTINGS.get(place.words[-1]) if place.words else None
    if setting is None:
        return iter(())
    words = setting.choices or (("none",) if setting.most else ("on", "off"))
    return matching(place.begun, ((word, "") for word in (*words, "default")))


def _statement(place: Place) -> Iterator[Completion]:
    if not place.words and place.begun.startswith(":"):
        return _commands(place)
    names = names_behind(place.bench.namespace, "") if place.begun.isidentifier() else []
    return matching(place.begun, ((name, "") for name in names))


def _commands(place: Place) -> Iterator[Completion]:
    return matching(place.begun.removeprefix(":"), ((each.name, each.summary) for each in COMMANDS.values()))


_KINDS: dict[str, Callable[[Place], Iterable[Completion]]] = {
    "CONN": _lines,
    "SERVER": _servers,
    "REF": _ids,
    "FILE": files,
    "TARGET": _targets,
    "FILTER": _filter,
    "COMMAND": _commands,
    "JOB": _jobs,
    "ENDPOINT": _endpoints,
    "SETTING": _settings,
    "VALUE": _values,
    "STATEMENT": _statement,
}
