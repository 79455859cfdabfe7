"""What a certificate says of itself: for whom it is, who signed it, from when until when. Verifies nothing.

Python's ssl tells this of certificates that it trusts only; this reads also those that nobody trusts, so it takes any
bytes. Knows as much DER as that needs.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pbshell.wire.text import visible

__all__ = ["BadCertificate", "Certificate", "parse"]

_INTEGER, _OID, _SEQUENCE, _SET, _UTC, _GENERALIZED = 0x02, 0x06, 0x30, 0x31, 0x17, 0x18
_VERSION, _EXTENSIONS, _DNS, _IP = 0xA0, 0xA3, 0x82, 0x87
_COMMON_NAME, _ORGANIZATION, _UNIT, _ALTERNATIVE = b"\x55\x04\x03", b"\x55\x04\x0a", b"\x55\x04\x0b", b"\x55\x1d\x11"
#: names of one certificate, and characters of a name, that are told
_NAMES, _NAME = 100, 100


class BadCertificate(ValueError):
    """The bytes are no certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """*subject* and *issuer* are names for people, *names* the hosts it is for; it is good from *begins* to *ends*."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: datetime
    ends: datetime

    @property
    def is_self_signed(self) -> bool:
        """Whether it names itself as who signed it."""
        return self.subject == self.issuer


def parse(der: bytes) -> Certificate:
    """The certificate that *der* is. Raises BadCertificate."""
    try:
        return _certificate(der)
    except (IndexError, ValueError, StopIteration) as error:
        raise BadCertificate(f"this is no certificate: {error}") from None


def _certificate(der: bytes) -> Certificate:
    outer = _one(der, _SEQUENCE)
    fields = list(_items(_one(outer, _SEQUENCE)))
    if fields and fields[0][0] == _VERSION:
        del fields[0]
    # serial, algorithm, issuer, validity, subject
    (_, _), (_, _), (_, issuer), (_, validity), (_, subject) = fields[:5]
    begins, ends = (_time(tag, data) for tag, data in list(_items(validity))[:2])
    names = [name for tag, data in fields[5:] if tag == _EXTENSIONS for name in _alternatives(data)]
    return Certificate(_name(subject), _name(issuer), tuple(names[:_NAMES]), begins, ends)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each item in *data*. Raises IndexError, ValueError."""
    place = 0
    while place < len(data):
        tag, length = data[place], data[place + 1]
        place += 2
        if length & 0x80:
            count = length & 0x7F
            if not 0 < count <= 4:
                raise ValueError("a length that is none")
            length = int.from_bytes(data[place : place + count], "big")
            place += count
        if place + length > len(data):
            raise ValueError("it is cut off")
        yield tag, data[place : place + length]
        place += length


def _one(data: bytes, wanted: int) -> bytes:
    tag, contents = next(_items(data))
    if tag != wanted:
        raise ValueError(f"a {tag:#04x} stands in place of a {wanted:#04x}")
    return contents


def _time(tag: int, data: bytes) -> datetime:
    text = data.decode("ascii", "replace")
    if tag == _UTC:  # two digits of the year: 50 to 99 are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED:
        raise ValueError("a time that is none")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _name(data: bytes) -> str:
    """The common name, else unit and organization, else nothing."""
    found: dict[bytes, str] = {}
    for tag, part in _items(data):
        if tag != _SET:
            continue
        for _, pair in _items(part):
            (kind, oid), (_, text) = list(_items(pair))[:2]
            if kind == _OID:
                found.setdefault(oid, visible(text, _NAME))
    if _COMMON_NAME in found:
        return found[_COMMON_NAME]
    return ", ".join(found[oid] for oid in (_ORGANIZATION, _UNIT) if oid in found)


def _alternatives(data: bytes) -> Iterator[str]:
    """The hosts that the extensions in *data* name."""
    for _, extension in _items(_one(data, _SEQUENCE)):
        parts = list(_items(extension))
        if parts[0] != (_OID, _ALTERNATIVE):
            continue
        for tag, name in _items(_one(parts[-1][1], _SEQUENCE)):
            if tag == _DNS:
                yield visible(name, _NAME)
            elif tag == _IP:
                with contextlib.suppress(ValueError):
                    yield str(ipaddress.ip_address(name))
