"""Walks a jellied value and finds every loan in it, in wire order. Knows positions, makes no objects.

The Broker gives back with it what it refused; the dissector keeps its books with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pbshell.wire.banana import Expression
from pbshell.wire.tags import TAGS, Values, shape_of
from pbshell.wire.verbs import Luid, is_luid

__all__ = ["Loan", "loans"]


@dataclass(frozen=True, slots=True)
class Loan:
    """A receipt or a return.

    *kind* is remote or cached (the sender lends *luid* once more; *first* with its state), local or lcache
    (the receiver's *luid* comes home).
    """

    kind: bytes
    luid: Luid
    first: bool = False


def loans(value: Expression) -> Iterator[Loan]:
    """Every loan in *value*, in the order in which both sides book them.

    What is no jelly lends nothing and raises nothing. Does not recurse, so that no peer chooses our depth.
    """
    stack = [iter((value,))]
    while stack:
        for item in stack[-1]:
            if type(item) is not list or not item:
                continue
            tag = item[0]
            if tag in (b"remote", b"local", b"cached", b"lcache"):
                # What cannot be a key of any table, nobody has booked either.
                if len(item) == 2 and is_luid(item[1]):
                    yield Loan(tag, item[1])
                continue
            shape = shape_of(item)
            if shape.values is Values.ALL:
                stack.append(iter(item[1:]))
            elif shape.values is Values.PAIRS:
                # Pairs carry no tag: [b"remote", 5] here is a key and its value.
                stack.append(part for pair in item[1:] if type(pair) is list for part in pair)
            elif shape.values is Values.LAST and len(item) > 1:
                if len(item) == 3 and tag not in TAGS:
                    yield Loan(b"cached", item[1], first=True)
                stack.append(iter(item[-1:]))
            else:
                continue
            break
        else:
            stack.pop()
