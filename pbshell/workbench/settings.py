"""The settings of a shell, its aliases, and the keys that are changed. Knows names, values and one file.

Does not know who heeds a setting: whoever does watches it. The file is read when somebody asks for it, and never fatal.
Source: docs/reference/settings.md.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench import keys
from pbshell.workbench.forms.pipes import split
from pbshell.workbench.known.knowledge import Knowledge

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Workbench

__all__ = ["SETTINGS", "Setting", "Settings", "config_file", "draft"]

#: bytes of the file, characters of an alias, and aliases that may stand behind each other
_LARGEST, _LONGEST, _ALIASES = 1024 * 1024, 2000, 10
_ALIAS = re.compile(r"[^\W\d][\w-]{0,39}")
_ON = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_TABLES = ("settings", "keys", "alias")

Value = bool | int | str | None


@dataclass(frozen=True, slots=True)
class Setting:
    """What can be set: on or off, one of *choices*, or a whole number from *least* to *most*, or none.

    *default* is what it is if nobody says anything; *help* is a line.
    """

    name: str
    default: Value
    help: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 0

    @property
    def wanted(self) -> str:
        """What can be written, in words."""
        if self.choices:
            return " or ".join((", ".join(self.choices[:-1]), self.choices[-1]))
        return f"a number from {self.least:,} to {self.most:,}, or none" if self.most else "on or off"

    def read(self, value: object) -> Value:
        """The value that *value* stands for, text or a value of TOML. Raises UsageError."""
        word = value.strip().lower() if isinstance(value, str) else value
        if self.choices and word in self.choices:
            return str(word)
        if self.most and word == "none":
            return None
        if self.most and isinstance(word, (int, str)) and not isinstance(word, bool):
            number = int(word) if re.fullmatch(r"[+-]?[0-9]{1,12}", str(word)) else None
            if number is not None and self.least <= number <= self.most:
                return number
        elif not self.choices and not self.most:
            if isinstance(word, bool):
                return word
            if isinstance(word, str) and word in _ON:
                return _ON[word]
        near = difflib.get_close_matches(str(word), self.choices, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{self.name} is {self.wanted}, and not {visible(str(value), 30)!r}{meant}")

    def written(self, value: Value) -> str:
        """*value* as it is typed."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return "none" if value is None else str(value)


#: All that can be set, in the order in which `:set` lists them.
SETTINGS = {
    each.name: each
    for each in (
        Setting("autoawait", True, "wait for what an expression gives, if it can be awaited"),
        Setting("form", "calls", "how the trace is written", ("calls", "frames", "full", "json")),
        Setting("rate", None, "lines of the trace in a second; what is more is counted", least=1, most=100_000),
        Setting("redact", "auth", "what the trace covers, on connections from then on", ("strict", "auth", "off")),
        Setting("width", None, "columns of tables and results; none: those of the terminal", least=20, most=1000),
        Setting("history", True, "keep what is typed for the next time"),
    )
}


class Settings:
    """The settings of *bench*, as they are now. ``settings["width"]`` is the value of one."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._values: dict[str, Value] = {}
        self._where: dict[str, str] = {}
        self._watching: dict[str, list[Callable[[Any], object]]] = {}
        #: commands by the names that the user gave them, without their colons
        self.aliases: dict[str, str] = {}
        #: keys that are not where they are by default, by name
        self.keys: dict[str, str] = {}
        #: opens a file in the user's editor and returns when that has ended; None where there is no terminal of ours
        self.edit: Callable[[Path], Any] | None = None

    def __getitem__(self, name: str) -> Value:
        return self._values.get(name, SETTINGS[name].default)

    def where(self, name: str) -> str:
        """Where the value of *name* was set: ``default``, ``config``, or ``here``."""
        return self._where.get(name, "default")

    def watch(self, name: str, tell: Callable[[Any], object]) -> None:
        """Call *tell* with the value of *name*, now if it is not the default one, and whenever it is set."""
        self._watching.setdefault(name, []).append(tell)
        if name in self._values:
            tell(self._values[name])

    def set(self, name: str, value: object, where: str = "here") -> Value:
        """Set *name*; the word ``default`` stands for its default. Returns the value. Raises UsageError."""
        setting = setting_of(name)
        read = setting.default if value == "default" else setting.read(value)
        self._values[name] = read
        self._where[name] = "default" if value == "default" else where
        for tell in self._watching.get(name, ()):
            tell(read)
        return read

    # ------------------------------------------------------------------------------------ aliases

    def alias(self, name: str, text: str, commands: Collection[str]) -> None:
        """Call the command *text*, which begins with a colon, ``:name`` too. Raises UsageError."""
        name = name.removeprefix(":")
        if not _ALIAS.fullmatch(name):
            raise UsageError(f"{visible(name, 40)!r} is no name for an alias: it has letters, digits, _ and -")
        if name in commands:
            raise UsageError(f":{name} is a command, and no alias can take its place")
        if not text.startswith(":") or not text[1:].strip():
            raise UsageError(f"an alias is for a command: write :alias {name} = :refs theirs")
        if len(text) > _LONGEST:
            raise UsageError(f"an alias has {_LONGEST:,} characters at most")
        self.aliases[name] = text[1:].strip()

    def unaliased(self, line: str, commands: Collection[str]) -> str:
        """*line* (without its colon) with the command in place of an alias. What stands behind goes in front of pipes.

        Raises UsageError for aliases that lead to themselves.
        """
        for _ in range(_ALIASES):
            name, *rest = re.split(r"(?=[\s|>])", line, maxsplit=1)
            if name in commands or name not in self.aliases:
                return line
            head, body = self.aliases[name].partition(" ")[::2]
            body = body.strip()
            own, pipes = split(body, has_filter=True)
            behind = body[len(own) :] if pipes else ""
            line = " ".join(part for part in (head, own, *map(str.strip, rest), behind.strip()) if part)
        raise UsageError(f":{visible(name, 40)} leads to itself, or through more than {_ALIASES} aliases")

    # ------------------------------------------------------------------------------------ the file

    def load(self, commands: Collection[str], path: Path | None = None) -> list[str]:
        """Read the file at *path*, by default the user's. Returns what is wrong with it, a sentence each."""
        path = path or config_file()
        try:
            text = _text_of(path)
            tables = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            return [f"{visible(str(path), 200)} is no TOML, and nothing in it counts: {visible(str(error), 200)}"]
        except UsageError as error:
            return [str(error)]
        wrong = []
        for table, key, problem in self._take(tables, commands):
            line = _line_of(text, table, key)
            wrong.append(f"{visible(str(path), 200)}{f', line {line}' if line else ''}: {problem}")
        return wrong

    def _take(self, tables: dict[str, Any], commands: Collection[str]) -> Iterator[tuple[str, str, str]]:
        """Take what is right; gives the table and key of what is not, and why."""
        takers: dict[str, Callable[[str, Any], object]] = {
            "settings": lambda key, value: self.set(key, value, "config"),
            "keys": self._take_key,
            "alias": lambda key, value: self.alias(key, _is_text(key, value), commands),
        }
        for table, said in tables.items():
            if table == "interfaces":
                yield from self._take_interfaces(said)
            elif table not in takers or not isinstance(said, dict):
                yield "", table, _unknown_table(table)
            else:
                for key, value in said.items():
                    try:
                        takers[table](key, value)
                    except UsageError as error:
                        yield table, key, str(error)

    def _take_key(self, name: str, value: Any) -> None:
        changed = {**self.keys, name: _is_text(name, value)}
        keys.placed(changed)
        self.keys = changed

    def _take_interfaces(self, said: Any) -> Iterator[tuple[str, str, str]]:
        if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
            yield "", "interfaces", 'interfaces is a list of names or files: ["ci"]'
            return
        for word in said:
            try:
                self._bench.part(Knowledge).load(word)
            except UsageError as error:
                yield "", "interfaces", str(error)


def setting_of(name: str) -> Setting:
    """The setting *name*. Raises UsageError, with the one that was perhaps meant."""
    if name in SETTINGS:
        return SETTINGS[name]
    near = difflib.get_close_matches(name, SETTINGS, 1, 0.5)
    instead = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETTINGS)}"
    raise UsageError(f"there is no setting {visible(name, 30)!r}; {instead}")


def config_file() -> Path:
    """Where the settings of this user are."""
    import platformdirs  # noqa: PLC0415 (a package of others, which this floor imports in functions)

    return platformdirs.user_config_path("pbshell") / "config.toml"


def draft() -> str:
    """The file as it is made first: all that can be said, with the defaults, as comments."""
    lines = ["# What pbshell heeds when it starts; :config edit opens it, docs/reference/settings.md explains it."]
    lines += ['# interfaces = ["ci"]', "", "[settings]"]
    for each in SETTINGS.values():
        value = "true" if each.default is True else f'"{each.default}"' if each.choices else each.written(each.default)
        lines += [f"# {each.help}: {each.wanted}", f"# {each.name} = {_toml(value)}"]
    lines += ["", "[keys]"]
    lines += [f'# {key.name} = "{key.default}"' for key in keys.KEYS.values()]
    lines += ["", "[alias]", '# lk = ":refs leaked | sort -age"']
    return "\n".join(lines) + "\n"


def _toml(value: str) -> str:
    return f'"{value}"' if value == "none" else value


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UsageError(f"the settings in {visible(str(path), 200)} are not read: more than {_LARGEST:,} bytes")
        return data.decode()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"the settings in {visible(str(path), 200)} cannot be read: {reason}") from None


def _is_text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{visible(key, 40)} is a text in quotes")
    return value


def _unknown_table(table: str) -> str:
    if table in _TABLES:
        return f"{table} is a table: write [{table}]"
    near = difflib.get_close_matches(table, (*_TABLES, "interfaces"), 1)
    if not near and table in SETTINGS:
        return f"{table} stands below [settings]"
    instead = f"did you mean {near[0]}?" if near else "there are [settings], [keys], [alias], and interfaces"
    return f"there is no {visible(table, 40)!r}; {instead}"


def _line_of(text: str, table: str, key: str) -> int:
    """The line in which *key* of *table* is said; 0 where that is unclear, for the parser does not keep it."""
    within = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[+\s*[\"']?([^\]\"']*?)[\"']?\s*\]", line)
        if head is not None:
            within = head[1]
            if not table and within == key:
                return number
        elif within == table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
            return number
    return 0
