"""Commands about how the shell behaves: ``:set``, ``:config``, ``:alias`` and ``:unalias``."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pbshell.errors import UsageError
from pbshell.wire.text import visible
from pbshell.workbench.commands.command import COMMANDS, command
from pbshell.workbench.forms.pipes import Text
from pbshell.workbench.forms.rows import Notice, Rows
from pbshell.workbench.settings import SETTINGS, Settings, config_file, draft, setting_of

if TYPE_CHECKING:
    from pathlib import Path

    from pbshell.workbench.workbench import Workbench


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting: its *value* as it is typed, *where* it was set (default, config, here), and what it is for."""

    name: str
    value: str
    where: str
    help: str


@dataclass(frozen=True, slots=True)
class Set(Notice):
    """The setting *name* is *value* now, for this session."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value} in this session; :config edit keeps it"


@dataclass(frozen=True, slots=True)
class AliasRow:
    """What ``:name`` stands for."""

    name: str
    command: str


@dataclass(frozen=True, slots=True)
class Aliased(Notice):
    """``:name`` stands for *command* from now on; for nothing any more where that is empty."""

    name: str
    command: str

    def __str__(self) -> str:
        if not self.command:
            return f":{self.name} is no alias any more"
        return f":{self.name} is {visible(self.command, 200)} in this session; :config edit keeps it"


@dataclass(frozen=True, slots=True)
class Configured(Notice):
    """The settings in *file* were read; *wrong* are sentences about what in it does not count."""

    file: str
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.wrong) or f"{visible(self.file, 200)} was read"


@command("set", "[SETTING] [VALUE]", "the settings, or another value for one")
def set_(bench: Workbench, name: str = "", value: str = "") -> Rows[SettingRow] | Set:
    """All settings, the one called *name*, or a new *value* for it; ``default`` is the one it had first.

    What is set here holds until the shell is left; what stands in the file of ``:config edit`` holds for ever.
    """
    settings = bench.part(Settings)
    if value:
        setting = setting_of(name)
        return Set(name, setting.written(settings.set(name, value)))
    chosen = [setting_of(name)] if name else SETTINGS.values()
    return Rows(
        SettingRow, [SettingRow(e.name, e.written(settings[e.name]), settings.where(e.name), e.help) for e in chosen]
    )


@command("alias", "[NAME = STATEMENT]", "the aliases, or one more: a command by a name of your own", raw=True)
def alias(bench: Workbench, line: str = "") -> Rows[AliasRow] | Aliased:
    """``:alias lk = :refs leaked | sort -age`` makes ``:lk``; what is typed behind it goes in front of its pipes."""
    settings = bench.part(Settings)
    name, equals, text = (part.strip() for part in line.partition("="))
    name = name.removeprefix(":")
    if equals:
        settings.alias(name, text, COMMANDS)
        return Aliased(name, text)
    if name and name not in settings.aliases:
        raise UsageError(f"there is no alias {visible(name, 40)!r}: write :alias {visible(name, 40)} = :refs theirs")
    rows = [AliasRow(each, f":{what}") for each, what in settings.aliases.items() if name in ("", each)]
    return Rows(AliasRow, rows, "no aliases")


@command("unalias", "ALIAS", "forget an alias")
def unalias(bench: Workbench, name: str) -> Aliased:
    """One from the file is there again in the next session."""
    name = name.removeprefix(":")
    if bench.part(Settings).aliases.pop(name, None) is None:
        raise UsageError(f"there is no alias {visible(name, 40)!r}; :alias lists them")
    return Aliased(name, "")


@command("config", "[show|edit|path]", "the file of settings, keys and aliases")
async def config(bench: Workbench, what: str = "show") -> Text | Configured:
    """Show what stands in it, open it in ``$VISUAL`` or ``$EDITOR`` and read it again, or tell where it is."""
    path = config_file()
    if what == "path":
        return Text((str(path),))
    if what == "edit":
        return await _edit(bench, path)
    if what != "show":
        raise UsageError(f"write :config show, :config edit or :config path, and not {visible(what, 30)!r}")
    try:
        return Text(tuple(visible(line) for line in path.read_text("utf-8", "replace").splitlines()))
    except OSError as error:
        reason = "is not there yet: :config edit makes it" if isinstance(error, FileNotFoundError) else error.strerror
        raise UsageError(f"{visible(str(path), 200)} {reason}") from None


async def _edit(bench: Workbench, path: Path) -> Configured:
    settings = bench.part(Settings)
    if settings.edit is None:
        raise UsageError(f"there is no terminal here for an editor: the file is {visible(str(path), 200)}")
    _make(path)
    ended = settings.edit(path)
    code = await ended if inspect.isawaitable(ended) else ended
    if code:
        raise UsageError(f"the editor ended with code {code}, and nothing was read: $EDITOR names another one")
    return Configured(str(path), tuple(settings.load(COMMANDS, path)))


def _make(path: Path) -> None:
    """Begin the file, if there is none, with all that can be said in it. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise UsageError(f"{visible(str(path), 200)} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(draft())
