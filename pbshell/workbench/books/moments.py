"""Time travel: the tables of a capture as they stood. Reads no further than it must; shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from pbshell.trace.dissector import Conversation, Dissector
from pbshell.trace.explainers import Explainers
from pbshell.trace.tables import Held, Moment
from pbshell.wire.chunk import LinkEvent, Piece

__all__ = ["tables_at"]


def tables_at(
    pieces: Iterable[Piece],
    moments: Sequence[Moment],
    table: Callable[[Conversation, float], Iterator[Held]],
    explainers: Explainers,
    *,
    redact: str = "auth",
    first: int = 1,
) -> tuple[list[list[Held]], bool]:
    """The rows of *table* over all connections at each of *moments*, which are in order; and whether all are reached.

    Those that the capture does not reach are as it ends. *first* is the number of the first dissection. Raises what
    reading *pieces* raises.
    """
    dissector = Dissector(redact=redact, first=first)
    taken: list[list[Held]] = []
    ended: set[int] = set()
    began: float | None = None
    now = 0.0

    def rows() -> list[Held]:
        # The dissector has the one that ended last still in its list.
        alive = [each for number, each in dissector.connections.items() if number not in ended]
        return [row for each in alive for row in table(each, now)]

    for piece in pieces:
        began = piece.at if began is None else began
        while len(taken) < len(moments) and moments[len(taken)].lies_before(piece.at - began):
            # What was held before the first piece was held by nobody.
            now = max(began + (moments[len(taken)].at or 0.0), now)
            taken.append(rows())
        now = piece.at
        ended.discard(piece.connection)
        for dissection in dissector.walk(piece):
            explainers.see(dissection, dissector.connections[dissection.connection])
            if isinstance(dissection.what, LinkEvent) and dissection.what.kind == "closed":
                ended.add(dissection.connection)
            while len(taken) < len(moments) and moments[len(taken)].is_at(dissection.number):
                taken.append(rows())
        if len(taken) == len(moments):
            return taken, True
    ends = now - (began or 0.0)
    rest = moments[len(taken) :]
    return [*taken, *(rows() for _ in rest)], all(each.at is not None and each.at <= ends for each in rest)
