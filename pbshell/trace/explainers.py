"""Explainers: what traffic means to the application that speaks. Knows where they are, and knows no application.

An explainer names things and reaches verdicts. It may be a stranger's, and looks at what strangers sent: it is dropped
when it fails, and what it says is cut and made visible.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.verdict import SEVERITIES, Verdict
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.wire.verbs import Luid, is_luid

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["BUNDLED", "GROUP", "Explainer", "Explainers", "Name"]

#: The bundled explainers, and the entry points of everybody else's. Each is a class, or what makes an explainer.
BUNDLED = {"buildbot": "pbshell.trace.buildbot:Buildbot"}
GROUP = "pbshell.explainers"

#: what one explainer may say of one dissection; characters of a name, and of a sentence; facts and frames of a verdict
_MOST, _NAME, _SENTENCE, _FACTS, _FRAMES = 64, 80, 500, 16, 64

_log = logging.getLogger("pbshell.trace")


@dataclass(frozen=True, slots=True)
class Name:
    """*text* is what to call *connection* or, with *owner* and *luid*, the object that *owner* lends under *luid*."""

    connection: int
    text: str
    owner: Side | None = None
    luid: Luid | None = None


class Explainer(Protocol):
    """What there is for an application. Subclass it; one instance sees one capture, from its beginning to its end.

    It does not know the time, opens nothing, and remembers no more than it needs: a capture may be endless.
    """

    #: a word that users know the application by
    name: str = ""

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Name | Verdict]:
        """What *dissection* shows. Called for each, in order; its whole chunk is in *conversation*'s books then."""

    def now(self, conversation: Conversation, at: float) -> Iterable[Name | Verdict]:
        """What can be said of *conversation* if nothing more happens until *at* (seconds on the link's clock)."""
        return ()


_Said: TypeAlias = Iterable["Name | Verdict"]


class Explainers:
    """The explainers that are at work. One that fails is dropped, and *tell* is called with one line."""

    def __init__(self, explainers: Iterable[Explainer] = (), *, tell: Callable[[str], None] = _log.warning) -> None:
        self._active = list(explainers)
        self._tell = tell

    @classmethod
    def load(cls, *, tell: Callable[[str], None] = _log.warning) -> Explainers:
        """All that are installed. One that cannot be had is told in one line, and left out."""
        explainers = cls(tell=tell)
        for point in _points():
            try:
                explainers._active.append(point.load()())
            # Whatever a stranger's module does when it is imported, it must not end the trace.
            except (Exception, SystemExit) as error:  # noqa: BLE001  # code of strangers
                tell(f"the explainer {visible(point.name, 40)} is left out: {_told(error)}")
        return explainers

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those that are at work."""
        return tuple(map(_name_of, self._active))

    def see(self, dissection: Dissection, conversation: Conversation) -> list[Verdict]:
        """Let each of them look at *dissection*, which is part of *conversation*. Writes the names; raises nothing."""
        return self._ask(lambda each: each.see(dissection, conversation), conversation)

    def now(self, conversation: Conversation, at: float) -> list[Verdict]:
        """What there is to say of *conversation* if nothing more happens until *at* (seconds). Raises nothing."""
        return self._ask(lambda each: each.now(conversation, at), conversation)

    def _ask(self, ask: Callable[[Explainer], _Said], conversation: Conversation) -> list[Verdict]:
        verdicts = []
        for explainer in tuple(self._active):
            try:
                said = [_harmless(each, conversation) for each in itertools.islice(ask(explainer), _MOST)]
            except Exception as error:  # noqa: BLE001  # code of strangers
                self._active.remove(explainer)
                self._tell(f"the explainer {_name_of(explainer)} is dropped: {_told(error)}")
                continue
            for each in said:
                if isinstance(each, Verdict):
                    verdicts.append(each)
                else:
                    _apply(each, conversation)
        return verdicts


def _points() -> list[EntryPoint]:
    """Where each explainer is; none is imported."""
    # 20 ms, and only those who trace need it.
    from importlib.metadata import EntryPoint, entry_points  # noqa: PLC0415

    found = {point.name: point for point in entry_points(group=GROUP)}
    # A stranger's must not take the place of a bundled one without a word.
    found |= {name: EntryPoint(name, target, GROUP) for name, target in BUNDLED.items()}
    return sorted(found.values(), key=lambda point: point.name)


def _harmless(said: Name | Verdict, conversation: Conversation) -> Name | Verdict:
    """*said*, no longer than it may be, and as a terminal shows it. Raises whatever says that it is nothing of ours."""
    if isinstance(said, Name):
        if said.connection != conversation.number:
            raise ValueError(f"it names connection {said.connection!r} when asked about {conversation.number}")
        return replace(said, text=visible(said.text, _NAME))
    if not isinstance(said, Verdict):
        raise TypeError(f"it says a {type(said).__name__}, which is neither a Name nor a Verdict")
    if said.severity not in SEVERITIES:
        raise ValueError(f"its verdict is {said.severity!r}, which is none of {', '.join(SEVERITIES)}")
    return replace(
        said,
        connection=int(said.connection),
        kind=visible(said.kind, _NAME),
        text=visible(said.text, _SENTENCE),
        evidence=tuple(visible(fact, _SENTENCE) for fact in said.evidence[:_FACTS]),
        unseen=visible(said.unseen, _SENTENCE),
        frames=tuple(map(int, said.frames[:_FRAMES])),
    )


def _apply(name: Name, conversation: Conversation) -> None:
    if name.owner is None:
        conversation.name = name.text
    elif name.luid is not None and is_luid(name.luid):
        lent = conversation.lent(name.owner, name.luid)
        # The chunk that lent it may have given it back, too.
        tomb = conversation.tombs[name.owner].get(name.luid)
        if lent is None and tomb is not None:
            lent = tomb.lent
        if lent is not None:
            lent.label = name.text


def _name_of(explainer: Explainer) -> str:
    return visible(str(getattr(explainer, "name", "") or type(explainer).__name__), 40)


def _told(error: BaseException) -> str:
    return visible(f"{type(error).__name__}: {error}", 200)
