"""What a Buildbot worker and its master say to each other. Knows the calls by which they attach, build and stay alive.

Checked with recordings of Buildbot 4.3.0 (all of it) and 3.11.9 (all but interrupted, refused and failed commands),
master and worker of the same version, on Twisted 26.10.0 and 23.10.0: both say the same. A worker is a client of PB,
and its mind is what the master calls. In order:

- the worker logs in: ``root.login(name)``, ``respond(response, mind)``;
- if a worker of that name is there, the master calls ``print("master got a duplicate connection")`` of its mind; an
  answer within 10 seconds means that the new one is refused, else the old connection is closed;
- the master calls ``print("attached")``, ``getWorkerInfo()`` and ``setBuilderList([(name, folder), ...])`` of the mind,
  whose answer lends an object for each builder, and ``print("attached")`` once for each of them;
- ``respond`` is answered with the avatar: the worker is attached;
- for a build, ``print("ping")`` of the mind, ``startBuild()`` of the builder, and for each step
  ``startCommand(command, id, name, arguments)``, where the command is lent by the master; the worker calls
  ``update([[{key: value}, 0], ...])`` and at last ``complete(None or a failure)`` of it;
- ``interruptCommand(id, why)`` of the builder stops a command, which completes then;
- the worker calls ``keepalive()`` of its avatar every *keepalive* seconds (buildbot.tac), the master
  ``print("keepalive")`` of the mind every hour.

Of older ones, and of workers that do not speak PB, nothing is known here.
"""

from __future__ import annotations

import statistics
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.explain import duration
from pbshell.trace.explainers import Explainer, Name
from pbshell.trace.plain import Reference, plain
from pbshell.trace.values import failure
from pbshell.trace.verdict import Verdict
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Answer, ErrorAnswer, Luid, Message, is_luid

__all__ = ["Buildbot"]

_WORKER, _MASTER = Side.CLIENT, Side.SERVER
_SIDES = {_WORKER: "worker", _MASTER: "master"}

#: seconds after which an attaching worker is said to be slow: the master waits that long for the answer of an old one
_PATIENCE = 10.0
#: periods without a keepalive after which it is said to have stopped, and seconds of grace
_MISSED, _GRACE = 1.5, 1.0
#: commands and builders that are remembered for each worker, workers, and characters of a command line
_COMMANDS, _BUILDERS, _WORKERS, _LINE = 1_000, 10_000, 10_000, 60
#: commands that a sentence names
_NAMED = 3

#: What the worker says of a command it has killed, and the argument of the step that says when.
_REASONS = {
    "timeout_without_output": ("it wrote nothing for {} s", "timeout"),
    "timeout": ("it ran for more than {} s", "maxTime"),
    "max_lines_failure": ("it wrote more than {} lines", "max_lines"),
}

#: Where the period of a side's keepalives is set.
_SETTINGS = {
    _WORKER: "keepalive in its buildbot.tac",
    _MASTER: "Connection.keepalive_interval of buildbot.worker.protocols.pb",
}

_PING = "master got a duplicate connection"
_REFUSED = "rejecting duplicate worker"

_Said: TypeAlias = Iterator["Name | Verdict"]


@dataclass(slots=True)
class _Command:
    """A command that runs: its *number* as Buildbot counts, *what* it does, and for which *builder*.

    *frame* is the dissection that started it *at* (seconds); *limits* are the settings that may end it.
    """

    number: str
    what: str
    builder: str
    frame: int
    at: float
    limits: dict[str, str]
    interrupted: float | None = None
    why: str = ""
    reason: str = ""
    updated: float | None = None

    def __str__(self) -> str:
        of = f" of builder {self.builder}" if self.builder else ""
        return f"command {self.number} {self.what}{of}"


@dataclass(slots=True)
class _Pulse:
    """Keepalives of one side: when the last ones came (the attaching counts as one), and which is unanswered."""

    beats: deque[float] = field(default_factory=lambda: deque(maxlen=16))
    waiting: tuple[int, float] | None = None

    @property
    def period(self) -> float | None:
        """Seconds between two of them, as it seems."""
        gaps = [later - earlier for earlier, later in zip(self.beats, list(self.beats)[1:], strict=False)]
        return statistics.median(gaps) if gaps else None


@dataclass(slots=True)
class _Asked:
    """The master asked the worker *at* (seconds) by its call *frame* whether it lives; *answered* after how long."""

    frame: int
    at: float
    answered: float | None = None


@dataclass(slots=True)
class _Link:
    """What is known of one connection.

    *ours* is whether a Buildbot worker is its client. *step* is the last step of attaching that was seen, and *turn*
    the side that has the next one. *over* is whether attaching has come to an end, *attached* when it succeeded.
    """

    number: int
    began: float
    worker: str = ""
    ours: bool = False
    mind: Luid | None = None
    step: str = "the connection was opened"
    turn: Side = _WORKER
    frame: int = 0
    over: bool = False
    attached: float | None = None
    version: str = ""
    builders: dict[Luid, str] = field(default_factory=dict)
    commands: dict[Luid, _Command] = field(default_factory=dict)
    pulses: dict[Side, _Pulse] = field(default_factory=lambda: {side: _Pulse() for side in Side})
    asked: _Asked | None = None

    @property
    def who(self) -> str:
        return f"worker {self.worker}" if self.worker else "the worker"

    def stepped(self, step: str, turn: Side, dissection: Dissection) -> None:
        """Attaching went on by *step*, and *turn* has to do the next one."""
        if not self.over:
            self.step, self.turn, self.frame = step, turn, dissection.number


class Buildbot(Explainer):
    """Names workers, builders and commands, and says what became of attaching, commands and keepalives."""

    name = "buildbot"

    def __init__(self) -> None:
        self._links: dict[int, _Link] = {}
        self._workers: OrderedDict[str, int] = OrderedDict()  # name to the connection that was attached last

    # ------------------------------------------------------------------------------------ what is seen

    def see(self, dissection: Dissection, conversation: Conversation) -> _Said:
        """Names and verdicts that *dissection* gives rise to."""
        link = self._links.get(dissection.connection)
        if link is None:
            link = self._links[dissection.connection] = _Link(dissection.connection, conversation.first)
        what = dissection.what
        if isinstance(what, Message):
            handler = _CALLS.get((dissection.sender, what.method))  # type: ignore[arg-type]  # a message has a sender
            if handler is not None:
                yield from handler(self, link, dissection, what)
        elif isinstance(what, (Answer, ErrorAnswer)):
            call = dissection.call
            if call is not None and isinstance(call.what, Message):
                yield from self._answered(link, dissection, call, call.what.method)
        elif isinstance(what, LinkEvent) and what.kind == "closed":
            del self._links[dissection.connection]
            yield from self._closed(link, dissection, what, conversation)

    def now(self, conversation: Conversation, at: float) -> _Said:
        """How the worker of *conversation* is at *at* (seconds)."""
        link = self._links.get(conversation.number)
        if link is None:
            return
        unseen = _unseen(conversation)
        if self._attaching(link, conversation) and at - link.began >= _PATIENCE:
            text = f"{link.who} is not attached after {duration(at - link.began)}: {self._stuck(link)}"
            yield Verdict(link.number, "attaching", "warning", text, unseen=unseen, frames=_frames(link.frame))
        if link.asked is not None and link.asked.answered is None:
            text = (
                f"the master closes this connection unless {link.who} answers the ping that it was sent "
                f"{duration(at - link.asked.at)} ago, because another worker of that name connected; it has 10 seconds"
            )
            yield Verdict(link.number, "duplicate", "warning", text, unseen=unseen, frames=(link.asked.frame,))
        for command in list(link.commands.values())[:_NAMED]:
            yield _running(link, command, at, unseen)
        for side, pulse in link.pulses.items():
            yield from _beating(link, side, pulse, at, unseen)

    # ------------------------------------------------------------------------------------ attaching

    def _login(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        args = _args(call, dissection)
        if call.object == b"root" and args:
            link.worker = _text(args[0])
            link.stepped("the worker gave its name", _MASTER, dissection)
            # Whether it is a worker cannot be told from its login, but from that of another one.
            if link.worker in self._workers:
                yield Name(link.number, link.who)

    def _respond(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        args = _args(call, dissection)
        if len(args) > 1 and isinstance(args[1], Reference):
            link.mind = args[1].luid
            link.stepped("the worker answered the challenge", _MASTER, dissection)
        yield from ()

    def _print(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        message = plain(call.kwargs, _MASTER)
        message = message.get("message") if isinstance(message, dict) else None
        if message == "attached":
            yield from self._recognise(link, call)
            link.stepped("the master greeted the worker", _WORKER, dissection)
        elif message == "keepalive":
            yield from self._beat(link, dissection, call)
        elif message == _PING:
            yield from self._recognise(link, call)
            # The first ping decides; others come when more workers of that name connect meanwhile.
            if link.asked is None or link.asked.answered is not None:
                link.asked = _Asked(dissection.number, dissection.at)

    def _get_info(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        yield from self._recognise(link, call)
        link.stepped("the master asked what the worker is (getWorkerInfo)", _WORKER, dissection)

    def _set_builders(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        yield from self._recognise(link, call)
        link.stepped("the master told the worker its builders (setBuilderList)", _WORKER, dissection)

    def _recognise(self, link: _Link, call: Message) -> _Said:
        """This is what a master calls of a worker's mind."""
        if link.mind is None and is_luid(call.object):
            link.mind = call.object
        if not link.ours:
            link.ours = True
            if link.worker:
                yield Name(link.number, link.who)
            if link.mind is not None:
                yield Name(link.number, link.who if link.worker else "worker", _WORKER, link.mind)

    def _answered(self, link: _Link, dissection: Dissection, call: Dissection, method: bytes) -> _Said:
        fine = isinstance(dissection.what, Answer)
        if method == b"respond" and call.sender is _WORKER and not link.over:
            yield from self._logged_in(link, dissection, call)
        elif method == b"startCommand" and not fine:
            yield from self._not_started(link, dissection, call)
        elif method == b"login" and fine:
            link.stepped("the master sent its challenge", _WORKER, dissection)
        elif method == b"getWorkerInfo" and fine:
            info = plain(dissection.what.result, _WORKER)  # type: ignore[union-attr]
            link.version = _text(info.get("version")) if isinstance(info, dict) else ""
            link.stepped("the worker told what it is (getWorkerInfo)", _MASTER, dissection)
        elif method == b"setBuilderList" and fine:
            link.stepped("the worker took its builders (setBuilderList)", _MASTER, dissection)
            yield from self._name_builders(link, plain(dissection.what.result, _WORKER))  # type: ignore[union-attr]
        elif link.asked is not None and call.number == link.asked.frame:
            link.asked.answered = dissection.at - link.asked.at
        for pulse in link.pulses.values():
            if pulse.waiting is not None and pulse.waiting[0] == call.number:
                pulse.waiting = None

    def _name_builders(self, link: _Link, found: Any) -> _Said:
        for builder, reference in found.items() if isinstance(found, dict) else ():
            if isinstance(reference, Reference) and len(link.builders) < _BUILDERS:
                link.builders[reference.luid] = _text(builder)
                yield Name(link.number, f"builder {_text(builder)}", reference.owner, reference.luid)

    def _logged_in(self, link: _Link, dissection: Dissection, call: Dissection) -> _Said:
        """The worker is attached, or refused. Whoever logs in without being one is none of ours."""
        link.over = True
        if isinstance(dissection.what, ErrorAnswer):
            if _REFUSED in failure(dissection.what.failure, _MASTER):
                yield from self._refused(link, dissection)
            return
        if not link.ours:
            return
        link.attached = dissection.at
        for pulse in link.pulses.values():
            pulse.beats.append(dissection.at)
        self._workers[link.worker] = link.number
        self._workers.move_to_end(link.worker)
        if len(self._workers) > _WORKERS:
            self._workers.popitem(last=False)
        count = len(link.builders)
        builders = f"{count} builder{'' if count == 1 else 's'}"
        text = f"{link.who} attached after {duration(dissection.at - link.began)}, with {builders}"
        evidence = [f"the worker is of version {link.version}"] if link.version else []
        if dissection.at - call.at >= 1:
            evidence.append(f"the master took {duration(dissection.at - call.at)} to answer respond")
        frames = (*_frames(call.number), dissection.number)
        yield Verdict(link.number, "attached", "note", text, tuple(evidence), frames=frames)

    def _refused(self, link: _Link, dissection: Dissection) -> _Said:
        link.ours = True
        yield Name(link.number, link.who)
        other = self._other(link)
        which, unseen, evidence = "another connection", "the other connection", []
        if other is not None:
            which, unseen = f"connection {other.number}", ""
            if other.asked is not None and other.asked.answered is not None:
                evidence.append(f"the worker of {which} answered the master's ping in {duration(other.asked.answered)}")
        text = (
            f"the master refused {link.who} as a duplicate, because {which} has that name and is alive: "
            "give this worker a name of its own, or stop the other one"
        )
        yield Verdict(link.number, "duplicate", "error", text, tuple(evidence), unseen, (dissection.number,))

    def _other(self, link: _Link) -> _Link | None:
        """The connection on which the worker of that name was attached last, if it is another and open."""
        number = self._workers.get(link.worker)
        return None if number is None or number == link.number else self._links.get(number)

    def _attaching(self, link: _Link, conversation: Conversation) -> bool:
        """Whether a worker has begun to attach, and not come to an end. Of a capture's middle nobody can tell."""
        return not (link.over or conversation.joined) and (link.ours or link.worker in self._workers)

    def _stuck(self, link: _Link) -> str:
        other = self._other(link)
        if other is not None and other.asked is not None and other.asked.answered is None and link.turn is _MASTER:
            return (
                f"the master waits for connection {other.number}, which has that name, to answer a ping; "
                "it gives up after 10 seconds"
            )
        return f"the last step seen was that {link.step}, and the next one is the {_SIDES[link.turn]}'s"

    # ------------------------------------------------------------------------------------ commands

    def _start(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        args = _args(call, dissection)
        if len(args) < 4 or not isinstance(args[0], Reference) or len(link.commands) >= _COMMANDS:
            return
        link.ours = True
        reference, number, kind = args[0], _text(args[1]), _text(args[2])
        given = args[3] if isinstance(args[3], dict) else {}
        what = f"{kind} {_line(given)}".strip()
        builder = link.builders.get(call.object, "") if is_luid(call.object) else ""
        limits = {setting: _text(given.get(setting)) for _, setting in _REASONS.values()}
        link.commands[reference.luid] = _Command(number, what, builder, dissection.number, dissection.at, limits)
        yield Name(link.number, f"RemoteCommand {number} {what}", reference.owner, reference.luid)
        for key, kind in (("reader", "FileReader"), ("writer", "FileWriter")):
            file = given.get(key)
            if isinstance(file, Reference):
                yield Name(link.number, f"{kind} {_line(given)}".strip(), file.owner, file.luid)

    def _not_started(self, link: _Link, dissection: Dissection, call: Dissection) -> _Said:
        assert isinstance(dissection.what, ErrorAnswer)
        for luid, command in list(link.commands.items()):
            if command.frame == call.number:
                del link.commands[luid]
                text = f"{link.who} refused {command}: {failure(dissection.what.failure, _WORKER)}"
                frames = (call.number, dissection.number)
                yield Verdict(link.number, "command", "error", text, frames=frames)

    def _interrupt(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        args = _args(call, dissection)
        for command in link.commands.values():
            if args and command.number == _text(args[0]):
                command.interrupted = dissection.at
                command.why = _text(args[1]) if len(args) > 1 else ""
        yield from ()

    def _update(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        command = link.commands.get(call.object) if is_luid(call.object) else None
        if command is not None:
            command.updated = dissection.at
            for update in _updates(_args(call, dissection)):
                command.reason = _text(update.get("failure_reason")) or command.reason
        yield from ()

    def _complete(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        command = link.commands.pop(call.object, None) if is_luid(call.object) else None
        if command is None:
            return
        frames = (command.frame, dissection.number)
        took = duration(dissection.at - command.at)
        if command.interrupted is not None:
            why = f" ({command.why})" if command.why else ""
            text = (
                f"{command} was interrupted by the master after {duration(command.interrupted - command.at)}{why}, "
                f"and ended {duration(dissection.at - command.interrupted)} later"
            )
            yield Verdict(link.number, "interrupted", "note", text, frames=frames)
        if command.reason in _REASONS:
            how, setting = _REASONS[command.reason]
            how = how.format(command.limits[setting] or "?")
            text = f"{link.who} killed {command} after {took}, because {how} ({setting} of the step)"
            yield Verdict(link.number, "killed", "warning", text, frames=frames)
        failed = _failed(call.args)
        if failed:
            text = f"{command} failed inside {link.who} after {took}: {failed}"
            yield Verdict(link.number, "command", "error", text, frames=frames)

    # ------------------------------------------------------------------------------------ keepalives and the end

    def _beat(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        assert dissection.sender is not None
        if not link.ours and dissection.sender is _MASTER:
            yield from self._recognise(link, call)
        if link.ours:
            pulse = link.pulses[dissection.sender]
            pulse.beats.append(dissection.at)
            if pulse.waiting is None:
                pulse.waiting = (dissection.number, dissection.at)

    def _change(self, link: _Link, dissection: Dissection, call: Message) -> _Said:
        yield Name(link.number, f"change source {link.worker}".strip())

    def _closed(self, link: _Link, dissection: Dissection, event: LinkEvent, conversation: Conversation) -> _Said:
        unseen = _unseen(conversation)
        closer = f"the {_SIDES[event.by]}" if event.by else "somebody"
        detail = f" ({_text(event.detail)})" if event.detail else ""
        ended = f"{closer} closed the connection{detail}"
        if self._attaching(link, conversation):
            text = f"{ended} before {link.who} was attached: {self._stuck(link)}"
            yield Verdict(link.number, "attaching", "warning", text, unseen=unseen, frames=_frames(link.frame))
        wrong = [
            each
            for side, pulse in link.pulses.items()
            for each in _stopped(link, side, pulse, dissection.at, "before the connection ended", unseen)
        ]
        if link.asked is not None and link.asked.answered is None:
            heard = dissection.at - conversation.heard.get(_WORKER, conversation.first)
            text = (
                f"{closer} closed the connection of {link.who} because another worker of that name connected and this "
                f"one did not answer the master's ping in {duration(dissection.at - link.asked.at)}"
            )
            evidence = (f"the worker's last bytes came {duration(heard)} before", *(each.text for each in wrong))
            yield Verdict(link.number, "replaced", "error", text, evidence, unseen, (link.asked.frame,))
            wrong = []
        if link.commands:
            evidence = (ended, *(each.text for each in wrong))
            yield _lost(link, dissection, event.by, evidence, unseen)
            wrong = []
        yield from wrong


def _running(link: _Link, command: _Command, at: float, unseen: str) -> Verdict:
    frames = (command.frame,)
    if command.interrupted is not None:
        text = f"{command} was interrupted by the master {duration(at - command.interrupted)} ago and has not ended"
        return Verdict(link.number, "interrupted", "warning", text, unseen=unseen, frames=frames)
    updated = "it has sent nothing"
    if command.updated is not None:
        updated = f"its last update came {duration(at - command.updated)} ago"
    text = f"{command} has been running for {duration(at - command.at)}, and {updated}"
    return Verdict(link.number, "running", "note", text, unseen=unseen, frames=frames)


def _lost(link: _Link, dissection: Dissection, by: Side | None, evidence: tuple[str, ...], unseen: str) -> Verdict:
    """The connection ended while commands were running: they never complete. *evidence* begins with how it ended."""
    commands = list(link.commands.values())
    named = ", ".join(map(str, commands[:_NAMED]))
    more = f" and {len(commands) - _NAMED} more" if len(commands) > _NAMED else ""
    count = f"{len(commands)} command{'' if len(commands) == 1 else 's'} running"
    text = f"{link.who} went away with {count}: {named}{more}"
    if by is not _WORKER:
        text = f"{evidence[0]} while {link.who} had {count}: {named}{more}"
    for command in commands:
        interrupted = ", and was interrupted by the master" if command.interrupted is not None else ""
        evidence += (f"{command} started {duration(dissection.at - command.at)} before{interrupted}",)
    frames = tuple(command.frame for command in commands)
    return Verdict(link.number, "commands lost", "error", text, tuple(evidence), unseen, frames)


def _beating(link: _Link, side: Side, pulse: _Pulse, at: float, unseen: str) -> _Said:
    """How the keepalives of *side* are at *at*."""
    wrong = list(_stopped(link, side, pulse, at, "ago", unseen))
    if not wrong and pulse.period is not None:
        text = (
            f"the {_SIDES[side]}'s keepalive comes every {duration(pulse.period)}, "
            f"the last one {duration(at - pulse.beats[-1])} ago"
        )
        wrong = [Verdict(link.number, "keepalive", "note", text, unseen=unseen)]
    yield from wrong


def _stopped(link: _Link, side: Side, pulse: _Pulse, at: float, when: str, unseen: str) -> _Said:
    """What is wrong with the keepalives of *side* at *at*: they stopped, or are not answered."""
    period = pulse.period
    if period is not None and at - pulse.beats[-1] > _MISSED * period + _GRACE:
        text = (
            f"the {_SIDES[side]}'s keepalive came every {duration(period)} ({_SETTINGS[side]}) and stopped: "
            f"the last one was {duration(at - pulse.beats[-1])} {when}"
        )
        yield Verdict(link.number, "keepalive", "warning", text, unseen=unseen)
    if pulse.waiting is not None and at - pulse.waiting[1] > _GRACE:
        text = (
            f"the {_SIDES[side.other]} did not answer the {_SIDES[side]}'s keepalive, "
            f"sent {duration(at - pulse.waiting[1])} {when}"
        )
        yield Verdict(link.number, "keepalive", "warning", text, unseen=unseen, frames=(pulse.waiting[0],))


def _args(call: Message, dissection: Dissection) -> list[Any]:
    """The positional arguments of *call*."""
    assert dissection.sender is not None
    made = plain(call.args, dissection.sender)
    return list(made) if isinstance(made, (tuple, list)) else []


def _updates(args: list[Any]) -> Iterator[dict[Any, Any]]:
    """The dicts in the arguments of ``update``: ``[[{key: value}, number], ...]``."""
    for pair in args[0] if args and isinstance(args[0], list) else ():
        if isinstance(pair, list) and pair and isinstance(pair[0], dict):
            yield pair[0]


def _line(given: dict[Any, Any]) -> str:
    """What a command is about, in quotes: its command line, or the file or folder that it is for."""
    command = given.get("command")
    if isinstance(command, list):
        command = " ".join(map(_text, command))
    for key in ("workerdest", "workersrc", "path", "file", "dir"):
        command = command or given.get(key)
    line = _text(command)
    return f"'{line}'" if line else ""


def _failed(args: Expression) -> str:
    """The failure that ``complete`` tells of, if there is one."""
    told = args[1] if type(args) is list and len(args) > 1 else [b"None"]
    return "" if told == [b"None"] else failure(told, _WORKER)


def _text(value: Any) -> str:
    """A text or a number as it may be shown; nothing of anything else."""
    if isinstance(value, (str, bytes)):
        return visible(value, _LINE)
    return str(value) if type(value) is float or (type(value) is int and value.bit_length() < _LINE) else ""


def _frames(number: int) -> tuple[int, ...]:
    return (number,) if number else ()


def _unseen(conversation: Conversation) -> str:
    return "some of this connection is not in the capture" if conversation.partial else ""


_Handler: TypeAlias = Callable[[Buildbot, _Link, Dissection, Message], _Said]

#: What each side calls.
_CALLS: dict[tuple[Side, bytes], _Handler] = {
    (_WORKER, b"login"): Buildbot._login,
    (_WORKER, b"respond"): Buildbot._respond,
    (_MASTER, b"print"): Buildbot._print,
    (_MASTER, b"getWorkerInfo"): Buildbot._get_info,
    (_MASTER, b"setBuilderList"): Buildbot._set_builders,
    (_MASTER, b"startCommand"): Buildbot._start,
    (_MASTER, b"interruptCommand"): Buildbot._interrupt,
    (_WORKER, b"update"): Buildbot._update,
    (_WORKER, b"complete"): Buildbot._complete,
    (_WORKER, b"keepalive"): Buildbot._beat,
    (_WORKER, b"addChange"): Buildbot._change,
}
