r"""Endpoint strings: ``tcp:8789``, ``tls:example.org:8789:ca=ca.pem``. Knows how they are written; opens nothing.

A string is fields between colons. A field with ``=`` is a setting, any other stands by its place. A backslash takes
the meaning from the next character (``unix:/tmp/a\:b``), and so do brackets around an IPv6 address (``[::1]``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pbshell.errors import UsageError
from pbshell.wire.text import visible

__all__ = [
    "ConnectEndpoint",
    "ConnectTCP",
    "ConnectTLS",
    "ConnectUnix",
    "ListenEndpoint",
    "ListenSSL",
    "ListenTCP",
    "ListenUnix",
    "parse_connect",
    "parse_listen",
]

LOOPBACK = "127.0.0.1"
#: For its owner alone: whoever may open the socket may speak.
UNIX_MODE = 0o600


@dataclass(frozen=True, slots=True)
class ListenTCP:
    """Listen on *port* of *interface*; port 0 is chosen by the system."""

    port: int
    interface: str = LOOPBACK

    def __str__(self) -> str:
        return _written("tcp", str(self.port), interface=_unless(self.interface, LOOPBACK))


@dataclass(frozen=True, slots=True)
class ListenSSL:
    """The same with TLS. *privateKey* and *certKey* are PEM files.

    *caCertsDir* is a directory of ``*.pem`` files; with it, only clients come in that show a certificate signed by
    one of these.
    """

    port: int
    privateKey: str
    certKey: str
    caCertsDir: str | None = None
    interface: str = LOOPBACK

    def __str__(self) -> str:
        return _written(
            "ssl",
            str(self.port),
            privateKey=self.privateKey,
            certKey=self.certKey,
            caCertsDir=self.caCertsDir,
            interface=_unless(self.interface, LOOPBACK),
        )


@dataclass(frozen=True, slots=True)
class ListenUnix:
    """Listen on a socket at *path* that is made with the permissions *mode*."""

    path: str
    mode: int = UNIX_MODE

    def __str__(self) -> str:
        return _written("unix", self.path, mode=_unless(f"{self.mode:o}", f"{UNIX_MODE:o}"))


@dataclass(frozen=True, slots=True)
class ConnectTCP:
    """Connect to *port* of *host*, a name or an address."""

    host: str
    port: int

    def __str__(self) -> str:
        return _written("tcp", self.host, str(self.port))


@dataclass(frozen=True, slots=True)
class ConnectTLS:
    """The same with TLS. *ca* is a PEM file of those who may sign the server's certificate, else the system's.

    *cert* and *key* are PEM files to show to the server.
    """

    host: str
    port: int
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __str__(self) -> str:
        return _written("tls", self.host, str(self.port), ca=self.ca, cert=self.cert, key=self.key)


@dataclass(frozen=True, slots=True)
class ConnectUnix:
    """Connect to the socket at *path*."""

    path: str

    def __str__(self) -> str:
        return _written("unix", self.path)


ListenEndpoint: TypeAlias = ListenTCP | ListenSSL | ListenUnix
ConnectEndpoint: TypeAlias = ConnectTCP | ConnectTLS | ConnectUnix

_LISTEN_FORMS = {
    "tcp": "tcp:PORT[:interface=ADDR]",
    "ssl": "ssl:PORT:privateKey=FILE:certKey=FILE[:caCertsDir=DIR][:interface=ADDR]",
    "unix": "unix:PATH[:mode=600]",
}
_CONNECT_FORMS = {
    "tcp": "tcp:HOST:PORT",
    "tls": "tls:HOST:PORT[:ca=FILE][:cert=FILE][:key=FILE]",
    "unix": "unix:PATH",
}


def parse_listen(text: str) -> ListenEndpoint:
    """The endpoint to listen on that *text* describes.

    Raises UsageError, one sentence, for a string that describes none.
    """
    words = _Words(text, _LISTEN_FORMS)
    match words.kind:
        case "tcp":
            words.expect(1, ("interface",))
            return ListenTCP(words.port(0, lowest=0), words.setting("interface", LOOPBACK))
        case "ssl":
            words.expect(1, ("privateKey", "certKey", "caCertsDir", "interface"), needed=("privateKey", "certKey"))
            return ListenSSL(
                words.port(0, lowest=0),
                words.settings["privateKey"],
                words.settings["certKey"],
                words.settings.get("caCertsDir"),
                words.setting("interface", LOOPBACK),
            )
        case "unix":
            words.expect(1, ("mode",))
            return ListenUnix(words.path(0), words.mode("mode", UNIX_MODE))
        case "tls":
            raise words.refusal("tls is for connecting", form="ssl")
        case _ if words.kind.isdigit():
            raise words.refusal("there is no kind of endpoint", f"write tcp:{words.kind}")
    raise words.refusal(f"there is no kind of endpoint {visible(words.kind, 30)!r} to listen on")


def parse_connect(text: str) -> ConnectEndpoint:
    """The endpoint to connect to that *text* describes; ``HOST:PORT`` is short for ``tcp:HOST:PORT``.

    Raises UsageError, one sentence, for a string that describes none.
    """
    words = _Words(text, _CONNECT_FORMS)
    match words.kind:
        case "tcp":
            words.expect(2, ())
            return ConnectTCP(words.host(0), words.port(1))
        case "tls":
            words.expect(2, ("ca", "cert", "key"))
            found = words.settings
            if ("cert" in found) != ("key" in found):
                raise words.refusal("cert= and key= go together")
            return ConnectTLS(words.host(0), words.port(1), found.get("ca"), found.get("cert"), found.get("key"))
        case "unix":
            words.expect(1, ())
            return ConnectUnix(words.path(0))
        case "ssl":
            raise words.refusal("ssl is for listening", form="tls")
    if len(words.places) == 1 and not words.settings:
        words.places.insert(0, words.kind)
        return ConnectTCP(words.host(0), words.port(1))
    if not words.places and not words.settings:
        raise words.refusal("there is no port", f"write {visible(words.kind, 60) or 'HOST'}:PORT")
    raise words.refusal(
        f"there is no kind of endpoint {visible(words.kind, 30)!r} to connect to",
        "write HOST:PORT, [ADDRESS]:PORT, " + ", ".join(_CONNECT_FORMS.values()),
    )


class _Words:
    """An endpoint string taken apart: its *kind*, what stands by its place, and the settings."""

    def __init__(self, text: str, forms: dict[str, str]) -> None:
        self.text = text
        self._forms = forms
        self.kind = ""
        self.places: list[str] = []
        self.settings: dict[str, str] = {}
        for number, (name, value) in enumerate(self._fields()):
            if number == 0 and name is None:
                self.kind = value
            elif name is None:
                self.places.append(value)
            elif name in self.settings:
                raise self.refusal(f"{visible(name, 30)}= is there twice")
            else:
                self.settings[name] = value

    def _fields(self) -> list[tuple[str | None, str]]:
        """(name or None, value) of each field. The first ``=`` of a field ends its name; later ones mean nothing."""
        fields: list[tuple[str | None, str]] = []
        name: str | None = None
        value: list[str] = []
        characters = iter(self.text)
        for character in characters:
            if character == "\\":
                escaped = next(characters, "")
                if not escaped:
                    raise self.refusal("the backslash at the end has nothing to stand before")
                value.append(escaped)
            elif character == "[" and not value:
                for inner in characters:
                    if inner == "]":
                        break
                    value.append(inner)
                else:
                    raise self.refusal("the bracket [ is not closed")
            elif character == "=" and name is None and fields:
                name, value = "".join(value), []
            elif character == ":":
                fields.append((name, "".join(value)))
                name, value = None, []
            else:
                value.append(character)
        fields.append((name, "".join(value)))
        return fields

    def refusal(self, what: str, instead: str | None = None, *, form: str | None = None) -> UsageError:
        """The sentence about this string: where, *what* is wrong, and what would be right."""
        if instead is None:
            known = self._forms.get(form or self.kind)
            instead = f"write {known}" if known else "write " + ", ".join(self._forms.values())
        return UsageError(f"endpoint {visible(self.text, 120)!r}: {what}; {instead}")

    def expect(self, places: int, settings: Sequence[str], *, needed: Sequence[str] = ()) -> None:
        """Refuse the string unless it has so many places, and no settings but these."""
        if len(self.places) < places:
            raise self.refusal("something is missing")
        if len(self.places) > places:
            shown = visible(self.places[places], 60)
            raise self.refusal(f"{shown!r} is too much (a colon inside a name is written \\:)")
        for name in self.settings:
            if name not in settings:
                raise self.refusal(f"there is no setting {visible(name, 60)}= (an = inside a name is written \\=)")
        for name in needed:
            if name not in self.settings:
                raise self.refusal(f"{name}= is missing")
        for name, value in self.settings.items():
            if not value:
                raise self.refusal(f"{name}= has no value")

    def setting(self, name: str, default: str) -> str:
        return self.settings.get(name, default)

    def host(self, place: int) -> str:
        if not self.places[place]:
            raise self.refusal("the host is missing")
        return self.places[place]

    def path(self, place: int) -> str:
        if not self.places[place]:
            raise self.refusal("the path is missing")
        if "\0" in self.places[place]:
            raise self.refusal("a path has no NUL byte")
        return self.places[place]

    def port(self, place: int, *, lowest: int = 1) -> int:
        return self._number(self.places[place], 10, lowest, 65535, f"the port is a number from {lowest} to 65535")

    def mode(self, name: str, default: int) -> int:
        text = self.settings.get(name)
        return default if text is None else self._number(text, 8, 0, 0o777, f"{name}= is octal, as chmod takes it")

    def _number(self, text: str, base: int, lowest: int, highest: int, rule: str) -> int:
        if text.isascii() and text.isdigit() and len(text) <= 6:
            try:
                number = int(text, base)
            except ValueError:  # a digit that the base does not have
                number = -1
            if lowest <= number <= highest:
                return number
        raise self.refusal(f"{rule}, not {visible(text, 30)!r}")


def _written(kind: str, *places: str, **settings: str | None) -> str:
    """The endpoint string of these fields."""
    fields = [kind, *map(_escaped, places)]
    fields += [f"{name}={_escaped(value)}" for name, value in settings.items() if value is not None]
    return ":".join(fields)


def _escaped(value: str) -> str:
    if ":" in value and _is_address(value):
        return f"[{value}]"
    escaped = value.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
    return "\\" + escaped if escaped.startswith("[") else escaped


def _is_address(value: str) -> bool:
    """Whether brackets would be clearer than backslashes: an IPv6 address, perhaps with a zone."""
    allowed: Callable[[str], bool] = "0123456789abcdefABCDEF:.".__contains__
    return all(map(allowed, value.split("%", 1)[0])) and "]" not in value


def _unless(value: str, default: str) -> str | None:
    return None if value == default else value
