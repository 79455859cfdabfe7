"""How times are written: ``10s``, ``500ms``, ``2m``. Knows text and seconds."""

from __future__ import annotations

__all__ = ["seconds_of"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def seconds_of(text: str) -> float | None:
    """Seconds: ``10s``, ``500ms``, ``2m``, or a bare number of seconds. None for what is no time, and for 0."""
    number, unit = text, "s"
    for each in _UNITS:
        if text.endswith(each):
            number, unit = text.removesuffix(each), each
            break
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        return None
    return seconds if 0 < seconds < 1e9 else None
