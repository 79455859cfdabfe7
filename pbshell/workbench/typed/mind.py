"""The object that the shell gives to a server at the login, to be called back. Knows what it was called with."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pbshell.broker.flavors import Referenceable
from pbshell.trace.forms.wording import counted
from pbshell.wire.text import visible
from pbshell.workbench.forms.rows import shown

__all__ = ["Heard", "Mind"]

#: calls that are remembered, and characters of one that are shown
_REMEMBERED = 1000
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Heard:
    """The server has called *method* of our mind, *at* (seconds on the loop's clock, None where no loop runs)."""

    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    at: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        words = [shown(each, _SHOWN) for each in self.args]
        words += [f"{visible(name, 40)}={shown(each, _SHOWN)}" for name, each in self.kwargs.items()]
        return f"mind.{visible(self.method, 60)}({', '.join(words)})"


class Mind(Referenceable):
    """Takes every call and remembers the last thousand in *heard*.

    What is called is *inner*, if there is one, and its attributes are ours too; without, every method is there and
    answers None.
    """

    def __init__(self, tell: Callable[[Heard], object] | None = None, inner: Referenceable | None = None) -> None:
        self.heard: deque[Heard] = deque(maxlen=_REMEMBERED)
        self.inner = inner
        self._tell = tell

    def methodFor(self, name: str) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return partial(self._hear, name), ()

    def perspectiveFor(self) -> Any:
        return self.perspective if self.inner is None else self.inner.perspectiveFor()

    def _hear(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        heard = Heard(method, args, kwargs, _now())
        self.heard.append(heard)
        if self._tell is not None:
            self._tell(heard)
        if self.inner is None:
            return None
        function, leading = self.inner.methodFor(method)
        return function(*leading, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        inner = self.__dict__.get("inner")
        if inner is None:
            raise AttributeError(f"the mind has no {name!r}; what it was called with is in mind.heard")
        return getattr(inner, name)

    def __repr__(self) -> str:
        called = f"called {counted(len(self.heard), 'time')}"
        return f"<mind, {called}>" if self.inner is None else f"<mind, {called}: {shown(self.inner, _SHOWN)}>"


def _now() -> float | None:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return None
