"""Tracing: a pure function from what the peers sent to what it means. Knows no Broker, no socket, no screen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pbshell.trace.dissector import (
    TRACE_LIMITS,
    Choice,
    Conversation,
    Dissection,
    Dissector,
    Offer,
    Undecodable,
    Unseen,
)
from pbshell.trace.explain import duration, explain
from pbshell.trace.notes import Lent, Note, Tombstone
from pbshell.trace.plain import Reference, plain
from pbshell.trace.redact import SECRET, Redactor

if TYPE_CHECKING:
    from pbshell.trace import filters
    from pbshell.trace.capture import Capture, CaptureWriter, open_capture
    from pbshell.trace.diagnosis import Doctor
    from pbshell.trace.explainers import Explainer, Explainers, Name
    from pbshell.trace.verdict import Verdict

__all__ = [
    "SECRET",
    "TRACE_LIMITS",
    "Capture",
    "CaptureWriter",
    "Choice",
    "Conversation",
    "Dissection",
    "Dissector",
    "Doctor",
    "Explainer",
    "Explainers",
    "Lent",
    "Name",
    "Note",
    "Offer",
    "Redactor",
    "Reference",
    "Tombstone",
    "Undecodable",
    "Unseen",
    "Verdict",
    "duration",
    "explain",
    "filters",
    "open_capture",
    "plain",
]

#: names that a connection which is merely shown does without, and the module of each
_LATER = {
    "Capture": "capture",
    "CaptureWriter": "capture",
    "Doctor": "diagnosis",
    "Explainer": "explainers",
    "Explainers": "explainers",
    "Name": "explainers",
    "Verdict": "verdict",
    "open_capture": "capture",
}


def __getattr__(name: str) -> Any:
    # Any: it is what the type checker finds above.
    if name == "filters":
        return import_module(f"{__name__}.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
