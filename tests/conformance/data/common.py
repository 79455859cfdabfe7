"""Shared helpers for the generators: an independent (non-Twisted) Banana
decoder used only for annotating, and JSON-friendly descriptions of values."""

import datetime
import decimal
import hashlib
import json
import pathlib
import struct

WORDS = (  # noqa: SIM905
    "None class dereference reference dictionary function instance list module "
    "persistent tuple unpersistable copy cache cached remote local lcache version "
    "login password challenge logged_in not_logged_in cachemessage message answer "
    "error decref decache uncache"
).split()
VOCAB = {i + 1: w.encode() for i, w in enumerate(WORDS)}


class Incomplete(Exception):
    pass


def read_one(buf, pos):
    """Decode one complete element at pos; returns (value, newpos)."""
    start = pos
    n = shift = 0
    while True:
        if pos >= len(buf):
            raise Incomplete
        c = buf[pos]
        pos += 1
        if c & 0x80:
            break
        n |= c << shift
        shift += 7
    if c == 0x80:
        out = []
        for _ in range(n):
            v, pos = read_one(buf, pos)
            out.append(v)
        return out, pos
    if c in (0x81, 0x85):
        return n, pos
    if c in (0x83, 0x86):
        return -n, pos
    if c == 0x82:
        if len(buf) - pos < n:
            raise Incomplete
        return bytes(buf[pos : pos + n]), pos + n
    if c == 0x84:
        if len(buf) - pos < 8:
            raise Incomplete
        return struct.unpack(">d", buf[pos : pos + 8])[0], pos + 8
    if c == 0x87:
        return VOCAB[n], pos
    raise ValueError(f"delimiter {c:#04x} at {pos - 1} (element began at {start})")


def read_all(buf):
    out, pos = [], 0
    while pos < len(buf):
        try:
            v, pos = read_one(buf, pos)
        except Incomplete:
            break
        out.append(v)
    return out, bytes(buf[pos:])


def sexp_json(v, limit=256):
    """s-expression -> JSON. Bytes become JSON strings when printable ASCII (plus
    newline/tab); otherwise {"x": hex}. Long strings are abbreviated."""
    if isinstance(v, (list, tuple)):
        return [sexp_json(e, limit) for e in v]
    if isinstance(v, bool):
        return int(v)
    if isinstance(v, int):
        return v if abs(v) < 2**53 else {"i": str(v)}
    if isinstance(v, float):
        return {"f": repr(v), "bits": struct.pack(">d", v).hex()}
    if isinstance(v, bytes):
        if limit and len(v) > limit:
            return {"bytes_len": len(v), "sha256": hashlib.sha256(v).hexdigest(), "head_hex": v[:16].hex()}
        if all(32 <= c < 127 or c in (9, 10) for c in v):
            return v.decode("ascii")
        return {"x": v.hex()}
    if isinstance(v, str):
        return {"NOT_SENDABLE_str": v}
    return {"NOT_SENDABLE": repr(v)}


class Typer:
    """Python value -> typed JSON, marking shared/circular containers."""

    def __init__(self):
        self.seen, self.counts, self.labels = {}, {}, {}
        self.keep = []

    def scan(self, o, active=()):
        if isinstance(o, (list, tuple, set, frozenset, dict)) or self.isinst(o):
            k = id(o)
            self.keep.append(o)
            self.counts[k] = self.counts.get(k, 0) + 1
            if self.counts[k] > 1:
                return
            if isinstance(o, dict):
                for a, b in o.items():
                    self.scan(a)
                    self.scan(b)
            elif self.isinst(o):
                for b in vars(o).values():
                    self.scan(b)
            else:
                for a in o:
                    self.scan(a)

    @staticmethod
    def isinst(o):
        return hasattr(o, "__dict__") and not isinstance(o, type) and not callable(o) and type(o).__name__ != "module"

    def conv(self, o):
        T = type(o)
        if o is None:
            return {"t": "none"}
        if T is bool:
            return {"t": "bool", "v": o}
        if T is int:
            return {"t": "int", "v": str(o)}
        if T is float:
            return {"t": "float", "v": repr(o), "bits": struct.pack(">d", o).hex()}
        if T is bytes:
            if len(o) > 512:
                return (
                    {"t": "bytes", "repeat_hex": o[:1].hex(), "len": len(o)}
                    if o == o[:1] * len(o)
                    else {"t": "bytes", "hex": o.hex()}
                )
            return {"t": "bytes", "hex": o.hex()}
        if T is str:
            return {"t": "str", "v": o}
        if T is datetime.datetime:
            return {"t": "datetime", "v": [o.year, o.month, o.day, o.hour, o.minute, o.second, o.microsecond]}
        if T is datetime.date:
            return {"t": "date", "v": [o.year, o.month, o.day]}
        if T is datetime.time:
            return {"t": "time", "v": [o.hour, o.minute, o.second, o.microsecond]}
        if T is datetime.timedelta:
            return {"t": "timedelta", "v": [o.days, o.seconds, o.microseconds]}
        if T is decimal.Decimal:
            return {"t": "decimal", "v": str(o)}
        if isinstance(o, type):
            return {"t": "class", "v": o.__module__ + "." + o.__name__}
        k = id(o)
        if k in self.labels:
            return {"t": "same", "id": self.labels[k]}
        extra = {}
        if self.counts.get(k, 0) > 1:
            self.labels[k] = len(self.labels) + 1
            extra = {"id": self.labels[k]}
        if T in (list, tuple):
            return dict({"t": T.__name__, "items": [self.conv(e) for e in o]}, **extra)
        if T in (set, frozenset):
            return dict({"t": T.__name__, "items": [self.conv(e) for e in o]}, **extra)
        if T is dict:
            return dict({"t": "dict", "items": [[self.conv(a), self.conv(b)] for a, b in o.items()]}, **extra)
        if self.isinst(o):
            return dict(
                {
                    "t": "instance",
                    "class": T.__module__ + "." + T.__qualname__,
                    "state": [[self.conv(a), self.conv(b)] for a, b in vars(o).items()],
                },
                **extra,
            )
        return {"t": "other", "repr": repr(o), "type": T.__module__ + "." + T.__name__}


def typed(o):
    t = Typer()
    t.scan(o)
    return t.conv(o)


def dump_list(path, items):
    """JSON array, one item per line."""
    lines = ",\n".join(json.dumps(i, ensure_ascii=True) for i in items)
    pathlib.Path(path).write_text("[\n" + lines + "\n]\n")
