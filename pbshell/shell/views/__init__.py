"""How the data of commands looks, kind by kind. Knows which module draws what; draws nothing itself.

What has no view here is a plain table, or its ``repr()``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from pbshell.workbench.rows import Rows

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["View", "view_of"]

#: Makes text of a value, as the renderer's width, colours and plainness want it.
View: TypeAlias = Callable[[Any, "Renderer"], str]

#: By the full name of a value's class, or of the kind of its rows: the module of this folder, and its function.
_VIEWS: dict[str, tuple[str, str]] = {
    "pbshell.workbench.pulse.Top": ("top", "top"),
}


def view_of(value: object) -> View | None:
    """What draws *value*, if its kind has a view."""
    kind = value.kind if isinstance(value, Rows) else type(value)
    place = _VIEWS.get(f"{kind.__module__}.{kind.__qualname__}")
    if place is None:
        return None
    view: View = getattr(import_module(f"pbshell.shell.views.{place[0]}"), place[1])
    return view
