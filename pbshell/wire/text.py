"""Remote text made harmless. Knows what a terminal or a log would obey; does not know where the text came from."""

from __future__ import annotations

__all__ = ["brief", "visible"]

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str | bytes, limit: int | None = None) -> str:
    r"""*text* with every character spelled out that a terminal or a log would obey instead of show.

    Escaped are C0, C1 and DEL, line and paragraph separators, bidirectional and zero-width controls, lone
    surrogates: whatever `str.isprintable` denies. Bytes are read as UTF-8, what does not fit is shown as ``\xff``.
    More than *limit* characters are cut, and the length is told. The result is one line.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    length = len(text)
    if limit is not None and length > limit:
        text = text[:limit]
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _spelled(char) for char in text)
    if limit is not None and length > limit:
        text += f"... ({length:,} characters)"
    return text


def brief(value: object, limit: int = 40) -> str:
    """What *value* from a peer is, in a few words: numbers and strings are shown, of anything else the type is told.

    The repr of what a peer has built may be of any length: a value that is shared counts in it each time.
    """
    if isinstance(value, (str, bytes)):
        return visible(repr(value[: limit + 1]), limit)
    if value is None or isinstance(value, (int, float)):
        return visible(repr(value), limit)
    return f"a {type(value).__name__}"


def _spelled(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
