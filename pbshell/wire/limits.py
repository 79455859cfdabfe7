"""How much one connection may ask of us: every number, with its unit and the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from pbshell.errors import UsageError

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one connection, in both directions.

    The first three are what a stock Twisted peer sends and accepts; raise them on both sides or on none.
    A field that exceeds its limit is named in the error, together with this class.
    """

    #: digits of a banana prefix; 64 digits hold integers below 2 ** 448
    prefix: int = 64
    #: bytes of one string
    string: int = 655_360
    #: items of one list, its tag included
    list: int = 655_360
    #: lists inside lists
    depth: int = 128
    #: bytes of one expression (one call, one answer)
    expression: int = 16 * 1024 * 1024
    #: list items of one expression, all its lists together
    items: int = 2_000_000
    #: objects that we lend at the same time, root not counted
    exports: int = 1_024
    #: objects that the peer lends us at the same time
    imports: int = 16_384
    #: cached objects, each way
    caches: int = 16_384
    #: calls without an answer, each way
    pending: int = 65_536
    #: bytes that wait for a slow reader before the connection asks its users to pause
    send_buffer: int = 4 * 1024 * 1024
    #: failed logins before the connection is closed
    logins: int = 6
    #: bytes of one expression before the first login, where a login is asked for
    expression_before_login: int = 1024 * 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
                raise UsageError(f"Limits({field.name}={value!r}): a limit is a whole number from 1")
        # Python writes no number of more than 4,300 decimal digits, and an error has to show what it refuses.
        if self.prefix > MAX_PREFIX:
            raise UsageError(f"Limits(prefix={self.prefix}): {MAX_PREFIX} is the longest whose numbers can be shown")
        if self.prefix < 3:
            raise UsageError(f"Limits(prefix={self.prefix}): the length of a string takes three digits")
        # Values are walked by Python's own stack, 1,000 frames by default, of which a level needs up to four.
        if self.depth > MAX_DEPTH:
            raise UsageError(f"Limits(depth={self.depth}): {MAX_DEPTH} is the deepest that can be walked safely")

    def before_login(self) -> Limits:
        """The same, with what a stranger may send in one expression."""
        return replace(self, expression=min(self.expression, self.expression_before_login))


MAX_DEPTH = 200
MAX_PREFIX = 2_000
DEFAULT_LIMITS = Limits()
