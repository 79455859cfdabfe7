"""Profiles: what is said once about a server, and then meant by ``@NAME``. Knows their file; opens no connection.

A profile has no password, but says where one is.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pbshell.broker.flavors import Referenceable
from pbshell.cred import Anonymous, UsernamePassword
from pbshell.errors import UsageError
from pbshell.net.endpoints import ConnectEndpoint, ConnectTCP, ConnectTLS, parse_connect
from pbshell.wire.text import visible
from pbshell.workbench.forms.durations import seconds_of
from pbshell.workbench.reaching.passwords import SOURCES, is_source, password_from

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

__all__ = ["Profile", "add", "endpoint_with", "load", "mind_of", "names", "profiles_file", "remove"]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}")
#: a class or an object of a module, as for `pbshell serve`
_PLACE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Profile:
    """How to connect to *target*; what is empty, None or False is not said.

    *password* is a source: ``ask``, ``env:VARIABLE``, ``file:PATH`` or ``keyring``. *mind* is Python, or
    ``MODULE:NAME``. *as_name* is what the connection is called, *timeout* in seconds, *commands* are performed when
    it is open.
    """

    name: str = ""
    target: str = ""
    user: str = ""
    anonymous: bool = False
    password: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_name: str = ""
    mind: str = ""
    as_name: str = ""
    timeout: float | None = None
    commands: tuple[str, ...] = ()
    trace: bool = False

    def endpoint(self) -> ConnectEndpoint:
        """Where to connect to. Raises UsageError."""
        return endpoint_with(self.target, self.tls_ca, self.tls_cert, self.tls_key, self.tls_name)

    def credentials(self, ask: Callable[[], str] | None) -> Any:
        """The credentials, None for no login. *ask* gets a password from somebody. Raises NoPassword, UsageError."""
        if self.anonymous:
            return Anonymous()
        if self.user:
            return UsernamePassword(
                self.user, password_from(self.password or "ask", ask, user=self.user, profile=self.name)
            )
        if self.password:
            raise UsageError("a password is for a user: say which one with --user NAME")
        return None

    def written(self) -> dict[str, Any]:
        """What is said, as it stands in the file."""
        said = {KEYS[each.name]: getattr(self, each.name) for each in fields(self) if each.name != "name"}
        shown = {key: list(value) if isinstance(value, tuple) else value for key, value in said.items() if value}
        if self.timeout:
            shown["timeout"] = f"{self.timeout:g}s"
        return shown


#: name of the field, and its key in the file, which is the name of the option
KEYS = {
    each.name: {"as_name": "as"}.get(each.name, each.name.replace("_", "-"))
    for each in fields(Profile)
    if each.name != "name"
}


def endpoint_with(target: str, ca: str = "", cert: str = "", key: str = "", tls_name: str = "") -> ConnectEndpoint:
    """The endpoint *target* with these settings of TLS. Raises UsageError if it is none, or has no TLS to be set."""
    endpoint = parse_connect(target)
    given = {name: value for name, value in (("ca", ca), ("cert", cert), ("key", key)) if value}
    if not given and not tls_name:
        return endpoint
    if bool(cert) != bool(key):
        raise UsageError("--tls-cert and --tls-key go together")
    if isinstance(endpoint, ConnectTCP):
        endpoint = ConnectTLS(endpoint.host, endpoint.port)
    if not isinstance(endpoint, ConnectTLS):
        raise UsageError("the --tls options are for HOST:PORT and tls:HOST:PORT")
    return replace(endpoint, **given)  # type: ignore[arg-type]  # none of them is the port


def mind_of(text: str, namespace: dict[str, Any]) -> Any:
    """The object that *text* names: ``MODULE:NAME``, where a class is called, or Python in the *namespace*.

    Raises UsageError when it is nothing that a server could call, or raises something.
    """
    place = _PLACE.fullmatch(text)
    try:
        if place is None:
            mind = eval(text, namespace)
        else:
            # A module beside us is what one writes first; an installed program does not look there by itself.
            if "" not in sys.path:
                sys.path.insert(0, "")
            mind = getattr(import_module(place[1]), place[2])
        mind = mind() if isinstance(mind, type) else mind
    except Exception as error:  # code of the user's, and this is where it begins
        told = visible(f"{type(error).__name__}: {error}", 300)
        raise UsageError(f"the mind {visible(text, 100)} cannot be made: {told}") from error
    if not isinstance(mind, Referenceable):
        raise UsageError(f"the mind {visible(text, 100)} is no pb.Referenceable: a server could not call it")
    return mind


# ------------------------------------------------------------------------------------------------ reading


def profiles_file() -> Path:
    """Where the profiles of this user are."""
    import platformdirs

    return platformdirs.user_config_path("pbshell") / "profiles.toml"


def names(path: Path | None = None) -> list[str]:
    """The names of all profiles, in their order. Raises UsageError for a file that is no TOML, or cannot be read."""
    return [name for name, value in _Book(path or profiles_file()).tables.items() if isinstance(value, dict)]


def load(name: str, path: Path | None = None) -> Profile:
    """The profile *name*, with or without its ``@``. Raises UsageError: there is none, or something is wrong in it."""
    return _Book(path or profiles_file()).profile(name.removeprefix("@"))


class _Book:
    """The file at *path*; one that is not there has no profiles."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = _text_of(path)
        try:
            self.tables = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{visible(str(path), 200)} is no TOML: {visible(str(error), 200)}") from None

    def profile(self, name: str) -> Profile:
        """The profile *name*. Raises UsageError."""
        table = self.tables.get(name)
        if table is None:
            raise UsageError(self._none(name))
        if not isinstance(table, dict):
            self._refuse(f"{name!a} stands outside of a profile: begin one with [NAME]", "", name)
        if not _NAME.fullmatch(name):
            self._refuse(f"'{visible(name, 60)}' is no name: it has letters, digits, and _ . -", name)
        for key in table:
            if key not in KEYS.values():
                self._refuse(_unknown(key), name, key)
        said = {field: self._value(name, table, field, key) for field, key in KEYS.items() if key in table}
        if "target" not in said:
            self._refuse("it has no target", name)
        if said.get("anonymous") and (said.get("user") or said.get("password")):
            self._refuse("who is anonymous has no user and no password", name, "anonymous")
        profile = Profile(name, **said)
        try:
            profile.endpoint()
        except UsageError as error:
            self._refuse(str(error), name, "target")
        return profile

    def _value(self, name: str, table: dict[str, Any], field: str, key: str) -> Any:
        """What is said of *field*. Raises UsageError, which never repeats it."""
        value = table[key]
        if field in ("anonymous", "trace"):
            if not isinstance(value, bool):
                self._refuse(f"{key} is true or false", name, key)
            return value
        if field == "commands":
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                self._refuse(f'{key} is a list of texts: ["import this", ":trace on"]', name, key)
            return tuple(value)
        if field == "timeout":
            number = isinstance(value, int | float | str) and not isinstance(value, bool)
            seconds = seconds_of(str(value)) if number else None
            if seconds is None:
                self._refuse(f'{key} is a time: "10s", "500ms" or "2m"', name, key)
            return seconds
        if not isinstance(value, str) or not value:
            self._refuse(f"{key} is a text in quotes", name, key)
        if field == "password":
            if not is_source(value):
                self._refuse(f"password says where the password is, and never what it is: {SOURCES}", name, key)
            kind, _, place = value.partition(":")
            return f"file:{self._place(place)}" if kind == "file" else value
        return self._place(value) if field in ("tls_ca", "tls_cert", "tls_key") else value

    def _place(self, text: str) -> str:
        """A file, seen from the folder of the profiles."""
        try:
            return str(self.path.parent / Path(text).expanduser())
        except RuntimeError:  # somebody who has no home
            return text

    def _refuse(self, what: str, name: str, key: str = "") -> NoReturn:
        line = _line_of(self.text, name, key)
        place = f"{visible(str(self.path), 200)}{f', line {line}' if line else ''}"
        raise UsageError(f"{place}: {f'profile @{visible(name, 60)}: ' if name else ''}{what}")

    def _none(self, name: str) -> str:
        known = [each for each, value in self.tables.items() if isinstance(value, dict)]
        near = difflib.get_close_matches(name, known, 1)
        if near:
            instead = f"did you mean @{visible(near[0], 60)}?"
        elif known:
            instead = (
                f"there {'are' if len(known) > 1 else 'is'} {', '.join(f'@{visible(each, 60)}' for each in known[:20])}"
            )
        else:
            instead = "there is none yet: pbshell profile add NAME TARGET"
        return f"there is no profile @{visible(name, 60)}; {instead}"


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the profiles in {visible(str(path), 200)} cannot be read: {reason}") from None


def _unknown(key: str) -> str:
    """What is wrong with a *key* that nobody knows. Of what stands behind it nothing is told."""
    near = difflib.get_close_matches(key, KEYS.values(), 1)
    if not near and key.lower().startswith(("pw", "secret")):
        near = ["password"]
    instead = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS.values())}"
    return f"there is no {visible(key, 40)!r}; {instead}"


def _line_of(text: str, name: str, key: str) -> int:
    """The line in which *key* of the profile *name* is said, or its head without a key; 0 where that is unclear.

    The parser does not keep it. What looks like a head inside a text of several lines may mislead us by some lines.
    """
    within = "" if name else None
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*[\"']?([^\]\"']*?)[\"']?\s*\]", line)
        if head:
            within = head[1]
            if within == name and not key:
                return number
        elif (within or "") == name and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line) and key:
            return number
    return 0


# ------------------------------------------------------------------------------------------------ writing


def add(profile: Profile, path: Path | None = None) -> Path:
    """Write *profile* into the file, behind those that are there. Returns the file.

    Raises UsageError when there is one of that name, or the file cannot be written.
    """
    import tomlkit

    path = path or profiles_file()
    book = _Book(path)
    if not _NAME.fullmatch(profile.name):
        raise UsageError(f"'{visible(profile.name, 60)}' is no name: it has letters, digits, and _ . -")
    if profile.name in book.tables:
        raise UsageError(f"there is a profile @{profile.name} already: pbshell profile rm {profile.name} removes it")
    document = tomlkit.parse(book.text)
    table = tomlkit.table()
    for key, value in profile.written().items():
        table.add(key, value)
    if document.body:
        document.add(tomlkit.nl())
    document.add(profile.name, table)
    _write(path, document)
    return path


def remove(name: str, path: Path | None = None) -> Path:
    """Take the profile *name* out of the file; everything else stays. Returns the file. Raises UsageError."""
    import tomlkit

    path = path or profiles_file()
    book = _Book(path)
    name = name.removeprefix("@")
    if not isinstance(book.tables.get(name), dict):
        raise UsageError(book._none(name))
    document = tomlkit.parse(book.text)
    document.remove(name)
    _write(path, document)
    return path


def _write(path: Path, document: TOMLDocument) -> None:
    """All at once, so that nobody finds half of it; a link stays a link. Raises UsageError."""
    import tomlkit

    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(tomlkit.dumps(document), encoding="utf-8")
        if target.exists():
            unfinished.chmod(target.stat().st_mode & 0o777)
        unfinished.replace(target)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"{visible(str(path), 200)} cannot be written: {error.strerror}") from None
