"""Times in the columns of a table: short, with their unit. Knows seconds."""

from __future__ import annotations

__all__ = ["short"]


def short(seconds: float) -> str:
    """*seconds* in at most six columns: ``12ms``, ``1.2s``, ``45s``, ``4m12s``, ``2h05m``, ``3d04h``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02}s"
    minutes = round(seconds / 60)
    if minutes < 1_440:
        return f"{minutes // 60}h{minutes % 60:02}m"
    hours = round(seconds / 3_600)
    return f"{hours // 24}d{hours % 24:02}h"
