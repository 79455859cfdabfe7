"""What may be unjellied, decided in one place. Knows names; imports no module and makes no object by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pbshell.broker.registry import GLOBAL, Registry
from pbshell.errors import UsageError, dotted_name
from pbshell.wire.tags import TAGS

__all__ = ["BASIC_TYPES", "SecurityOptions", "globalSecurity"]

#: Tags that name code, not data: refused unless allowed by name.
_CODE = {b"class", b"module", b"function", b"method", b"instance"}
BASIC_TYPES = frozenset(tag for tag in TAGS if tag not in _CODE)


class SecurityOptions:
    """What one connection accepts, and what it tells a peer of our errors.

    *types* are the tags that are accepted (default: all data, no code); *registry* says which class names are
    (default: the global one). *errors* is "text" (a peer is told the class and the text of an exception) or "type"
    (the class and a number that stands in our log).

    Unlike Twisted's, a fresh SecurityOptions accepts lists, references and what else is data: without them no call
    gets through.
    """

    def __init__(
        self,
        *,
        errors: Literal["text", "type"] = "text",
        types: Iterable[str | bytes] | None = None,
        registry: Registry | None = None,
    ) -> None:
        if errors not in ("text", "type"):
            raise UsageError(f"SecurityOptions(errors={errors!r}): errors is 'text' or 'type'")
        self.errors = errors
        self.registry = GLOBAL if registry is None else registry
        self._types = set(BASIC_TYPES) if types is None else {_tag(name) for name in types}
        self._classes: dict[bytes, type] = {}

    def allowBasicTypes(self) -> None:
        """Accept all data: numbers, text, containers, dates, references."""
        self._types |= BASIC_TYPES

    def allowTypes(self, *types: str | bytes | type) -> None:
        """Accept these tags too."""
        self._types.update(_tag(dotted_name(each) if isinstance(each, type) else each) for each in types)

    def allowInstancesOf(self, *classes: type) -> None:
        """Send and accept plain instances of *classes*: their whole state travels."""
        for each in classes:
            self._classes[dotted_name(each).encode()] = each
        self.allowBasicTypes()
        self.allowTypes("instance", "class")

    def isTypeAllowed(self, tag: bytes) -> bool:
        """Whether an expression with this tag is accepted."""
        return tag in self._types

    def isClassAllowed(self, cls: type) -> bool:
        """Whether plain instances of *cls* travel."""
        return cls in self._classes.values()

    def allowed_class(self, name: bytes) -> type | None:
        """The class whose plain instances are accepted under *name*."""
        return self._classes.get(name)


def _tag(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


#: What a connection uses when it is given none.
globalSecurity = SecurityOptions()
