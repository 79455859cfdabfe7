"""How the data of commands looks, kind by kind. Knows which module draws what; draws nothing itself.

What has no view here is a plain table, or its ``repr()``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from pbshell.workbench.forms.rows import Rows

if TYPE_CHECKING:
    from pbshell.shell.render import Renderer

__all__ = ["View", "view_of"]

#: Makes text of a value, as the renderer's width, colours and plainness want it.
View: TypeAlias = Callable[[Any, "Renderer"], str]

#: By the full name of a value's class, or of the kind of its rows: the module of this folder, and its function.
_VIEWS: dict[str, tuple[str, str]] = {
    "pbshell.workbench.reaching.connections.ConnRow": ("connections", "table"),
    "pbshell.workbench.reaching.connections.ConnDetail": ("connections", "detail"),
    "pbshell.workbench.commands.servers.ServerRow": ("connections", "servers"),
    "pbshell.workbench.commands.connections.MindRow": ("connections", "minds"),
    "pbshell.trace.tables.Changed": ("tables", "changed"),
    "pbshell.trace.tables.Held": ("tables", "held"),
    "pbshell.workbench.typed.calls.CallRow": ("calls", "calls"),
    "pbshell.workbench.typed.calls.MadeRow": ("calls", "made"),
    "pbshell.workbench.books.fills.LimitRow": ("stories", "limits"),
    "pbshell.workbench.books.inspection.CacheRow": ("tables", "cached"),
    "pbshell.workbench.books.inspection.ReferenceRow": ("tables", "references"),
    "pbshell.workbench.books.marks.GrowthRow": ("tables", "growth"),
    "pbshell.workbench.books.stories.CacheStory": ("stories", "cached"),
    "pbshell.workbench.books.stories.ChangeRow": ("stories", "changes"),
    "pbshell.workbench.books.stories.Holders": ("stories", "holders"),
    "pbshell.workbench.books.stories.ReferenceStory": ("stories", "reference"),
    "pbshell.workbench.doctor.capture.CaptureReport": ("doctor", "capture"),
    "pbshell.workbench.doctor.port.PortReport": ("doctor", "port"),
    "pbshell.workbench.doctor.steps.Checkup": ("doctor", "checkup"),
    "pbshell.workbench.commands.general.KeyRow": ("general", "keys"),
    "pbshell.workbench.commands.settings.SettingRow": ("general", "settings"),
    "pbshell.workbench.helping.HelpPage": ("general", "page"),
    "pbshell.workbench.helping.HelpRow": ("general", "rows"),
    "pbshell.workbench.known.knowledge.Known": ("general", "methods"),
    "pbshell.workbench.forms.pipes.Json": ("general", "text"),
    "pbshell.workbench.forms.pipes.Text": ("general", "text"),
    "pbshell.workbench.traffic.frames.CallDifference": ("frames", "calls"),
    "pbshell.workbench.traffic.frames.Chart": ("frames", "chart"),
    "pbshell.workbench.traffic.frames.FileDifferences": ("frames", "files"),
    "pbshell.workbench.traffic.frames.Frames": ("frames", "frames"),
    "pbshell.workbench.traffic.frames.Shown": ("frames", "shown"),
    "pbshell.workbench.traffic.frames.Statistics": ("frames", "stats"),
    "pbshell.workbench.traffic.pulse.Top": ("top", "top"),
    "pbshell.workbench.traffic.whys.Why": ("frames", "why"),
}


def view_of(value: object) -> View | None:
    """What draws *value*, if its kind has a view."""
    kind = value.kind if isinstance(value, Rows) else type(value)
    place = _VIEWS.get(f"{kind.__module__}.{kind.__qualname__}")
    if place is None:
        return None
    view: View = getattr(import_module(f"pbshell.shell.views.{place[0]}"), place[1])
    return view
