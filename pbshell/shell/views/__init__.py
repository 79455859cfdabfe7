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
    "pbshell.workbench.connections.ConnRow": ("connections", "table"),
    "pbshell.workbench.connections.ConnDetail": ("connections", "detail"),
    "pbshell.workbench.commands.servers.ServerRow": ("connections", "servers"),
    "pbshell.workbench.commands.connections.MindRow": ("connections", "minds"),
    "pbshell.trace.tables.Changed": ("tables", "changed"),
    "pbshell.trace.tables.Held": ("tables", "held"),
    "pbshell.workbench.calls.CallRow": ("calls", "calls"),
    "pbshell.workbench.calls.MadeRow": ("calls", "made"),
    "pbshell.workbench.fills.LimitRow": ("stories", "limits"),
    "pbshell.workbench.inspection.CacheRow": ("tables", "cached"),
    "pbshell.workbench.inspection.ReferenceRow": ("tables", "references"),
    "pbshell.workbench.marks.GrowthRow": ("tables", "growth"),
    "pbshell.workbench.stories.CacheStory": ("stories", "cached"),
    "pbshell.workbench.stories.ChangeRow": ("stories", "changes"),
    "pbshell.workbench.stories.Holders": ("stories", "holders"),
    "pbshell.workbench.stories.ReferenceStory": ("stories", "reference"),
    "pbshell.workbench.doctor.capture.CaptureReport": ("doctor", "capture"),
    "pbshell.workbench.doctor.port.PortReport": ("doctor", "port"),
    "pbshell.workbench.doctor.steps.Checkup": ("doctor", "checkup"),
    "pbshell.workbench.commands.general.KeyRow": ("general", "keys"),
    "pbshell.workbench.commands.settings.SettingRow": ("general", "settings"),
    "pbshell.workbench.helping.HelpPage": ("general", "page"),
    "pbshell.workbench.helping.HelpRow": ("general", "rows"),
    "pbshell.workbench.knowledge.Known": ("general", "methods"),
    "pbshell.workbench.pipes.Json": ("general", "text"),
    "pbshell.workbench.pipes.Text": ("general", "text"),
    "pbshell.workbench.frames.CallDifference": ("frames", "calls"),
    "pbshell.workbench.frames.Chart": ("frames", "chart"),
    "pbshell.workbench.frames.FileDifferences": ("frames", "files"),
    "pbshell.workbench.frames.Frames": ("frames", "frames"),
    "pbshell.workbench.frames.Shown": ("frames", "shown"),
    "pbshell.workbench.frames.Statistics": ("frames", "stats"),
    "pbshell.workbench.pulse.Top": ("top", "top"),
    "pbshell.workbench.whys.Why": ("frames", "why"),
}


def view_of(value: object) -> View | None:
    """What draws *value*, if its kind has a view."""
    kind = value.kind if isinstance(value, Rows) else type(value)
    place = _VIEWS.get(f"{kind.__module__}.{kind.__qualname__}")
    if place is None:
        return None
    view: View = getattr(import_module(f"pbshell.shell.views.{place[0]}"), place[1])
    return view
