"""The object that the shell gives to a server at the login, to be called back. Knows what it was called with."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pbshell.broker.flavors import Referenceable
from pbshell.wire.text import visible
from pbshell.workbench.rows import shown

__all__ = ["Heard", "Mind"]

#: calls that are remembered, and characters of one that are shown
_REMEMBERED = 1000
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Heard:
    """The server has called *method* of our mind."""

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        words = [shown(each, _SHOWN) for each in self.args]
        words += [f"{visible(name, 40)}={shown(each, _SHOWN)}" for name, each in self.kwargs.items()]
        return f"mind.{visible(self.method, 60)}({', '.join(words)})"


class Mind(Referenceable):
    """Takes every call, whatever its name, answers None, and remembers the last thousand in *heard*."""

    def __init__(self, tell: Callable[[Heard], object] | None = None) -> None:
        self.heard: deque[Heard] = deque(maxlen=_REMEMBERED)
        self._tell = tell

    def methodFor(self, name: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return partial(self._hear, name), ()

    def _hear(self, method: str, /, *args: Any, **kwargs: Any) -> None:
        heard = Heard(method, args, kwargs)
        self.heard.append(heard)
        if self._tell is not None:
            self._tell(heard)

    def __repr__(self) -> str:
        return f"<mind, called {len(self.heard)} times>"
