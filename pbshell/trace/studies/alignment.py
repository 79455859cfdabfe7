"""Two sequences laid side by side: which item of one is which of the other. Knows keys, and not what they stand for."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Sequence

__all__ = ["aligned", "paired"]


def aligned(before: Sequence[Hashable], after: Sequence[Hashable], most: int) -> list[tuple[int, int]] | None:
    """Positions of equal items in both, in order, as many as there can be; None where more than *most* edits differ.

    The greedy algorithm of Myers ("An O(ND) Difference Algorithm"): time and memory grow with the differences.
    """
    begin = 0
    while begin < min(len(before), len(after)) and before[begin] == after[begin]:
        begin += 1
    rows, columns = len(before), len(after)
    while min(rows, columns) > begin and before[rows - 1] == after[columns - 1]:
        rows, columns = rows - 1, columns - 1
    middle = _aligned(before[begin:rows], after[begin:columns], most)
    if middle is None:
        return None
    found = [(number, number) for number in range(begin)]
    found += [(x + begin, y + begin) for x, y in middle]
    found += [(rows + number, columns + number) for number in range(len(before) - rows)]
    return found


def _aligned(before: Sequence[Hashable], after: Sequence[Hashable], most: int) -> list[tuple[int, int]] | None:
    # By diagonal x - y, how far before[:x] and after[:y] are explained with the edits made so far.
    farthest = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(most, len(before) + len(after)) + 1):
        history.append(farthest)
        reached = {}
        for diagonal in range(-edits, edits + 1, 2):
            x = _start(farthest, diagonal, edits)
            while x < len(before) and 0 <= x - diagonal < len(after) and before[x] == after[x - diagonal]:
                x += 1
            reached[diagonal] = x
            if x >= len(before) and x - diagonal >= len(after):
                return _back(history, x, diagonal)
        farthest = reached
    return None


def _start(farthest: dict[int, int], diagonal: int, edits: int) -> int:
    """Where the way along *diagonal* starts behind its last edit."""
    if _is_down(farthest, diagonal, edits):
        return farthest[diagonal + 1]
    return farthest[diagonal - 1] + 1


def _is_down(farthest: dict[int, int], diagonal: int, edits: int) -> bool:
    """Whether the last edit on the way to *diagonal* is an item more in *after*; otherwise it is one less."""
    if diagonal in (-edits, edits):
        return diagonal == -edits
    return farthest[diagonal - 1] < farthest[diagonal + 1]


def _back(history: list[dict[int, int]], x: int, diagonal: int) -> list[tuple[int, int]]:
    """The equal items on the way to *x* on *diagonal*."""
    found = []
    for edits in range(len(history) - 1, -1, -1):
        start = _start(history[edits], diagonal, edits)
        found += [(each, each - diagonal) for each in range(x - 1, start - 1, -1)]
        if _is_down(history[edits], diagonal, edits):
            x, diagonal = start, diagonal + 1
        else:
            x, diagonal = start - 1, diagonal - 1
    found.reverse()
    return found


def paired(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal items in both, the first with the first, the second with the second, in whatever order."""
    places: dict[Hashable, deque[int]] = defaultdict(deque)
    for position, item in enumerate(after):
        places[item].append(position)
    return [(position, places[item].popleft()) for position, item in enumerate(before) if places.get(item)]
