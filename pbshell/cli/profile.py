"""``pbshell profile``: the servers that have a name. Knows how profiles are shown; does not know their file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pbshell.cli.arguments import add_login

if TYPE_CHECKING:
    from pbshell.workbench.reaching.profiles import Profile


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The ways of `profile`, and their options."""
    ways = parser.add_subparsers(dest="way", metavar="list|show|add|rm|test", required=True)
    every = ways.add_parser("list", help="all profiles", allow_abbrev=False)
    every.add_argument("--names", action="store_true", help="nothing but their names")
    show = ways.add_parser("show", help="what one profile says", allow_abbrev=False)
    add = ways.add_parser("add", help="write a new profile", allow_abbrev=False)
    rm = ways.add_parser("rm", help="remove a profile", allow_abbrev=False)
    test = ways.add_parser("test", help="which step of connecting fails, and why", allow_abbrev=False)
    for each in (show, rm, test):
        each.add_argument("name", metavar="PROFILE", help="its name, with or without the @")
    for each in (every, show, test):
        each.add_argument("--json", action="store_true", help="one object to a line")
    _add_settings(add)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """What a profile can say."""
    parser.add_argument("name", metavar="NAME", help="what it shall be called: letters, digits, and _ . -")
    parser.add_argument("target", metavar="TARGET", help="HOST:PORT, tls:HOST:PORT or unix:PATH")
    add_login(parser)
    parser.add_argument(
        "--keyring",
        action="store_true",
        help="the password is in the system's keyring; which command puts it there is told",
    )
    parser.add_argument("--as", dest="as_name", metavar="NAME", help="what the connection is called at the prompt")
    parser.add_argument(
        "-c",
        dest="commands",
        metavar="CMD",
        action="append",
        default=[],
        help="perform this when it is open; repeatable",
    )
    parser.add_argument("--trace", action="store_true", help="show the calls of both sides")


def run(options: argparse.Namespace) -> int:
    """Do what is asked for. Raises UsageError."""
    return int(globals()[f"_{options.way}"](options))


def _list(options: argparse.Namespace) -> int:
    """All of them; of one that is wrong, what is wrong."""
    from pbshell.cli.output import say, show
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible
    from pbshell.workbench.reaching.profiles import load, names

    known = names()
    width = max(map(len, known), default=0) + 1
    for name in known:
        if options.names:
            show(visible(name, 60))
            continue
        try:
            profile = load(name)
        except UsageError as error:
            show(_object({"name": name, "error": str(error)})) if options.json else say(f"pbshell: {error}")
        else:
            show(_object({"name": name, **profile.written()}) if options.json else _line(profile, width))
    if not known and not options.json and not options.names:
        say("pbshell: there are no profiles yet: pbshell profile add NAME TARGET")
    return 0


def _line(profile: Profile, width: int) -> str:
    from pbshell.wire.text import visible

    who = f"as {visible(profile.user, 40)}" if profile.user else "anonymous" if profile.anonymous else ""
    return f"@{profile.name:{width}} {visible(profile.target, 200)}   {who}".rstrip()


def _object(said: dict[str, object]) -> str:
    import json

    return json.dumps({"v": 1, "kind": "profile", **said})


def _show(options: argparse.Namespace) -> int:
    """What it says, as it stands in the file."""
    import tomlkit

    from pbshell.cli.output import show
    from pbshell.wire.text import visible
    from pbshell.workbench.reaching.profiles import load

    profile = load(options.name)
    if options.json:
        show(_object({"name": profile.name, **profile.written()}))
        return 0
    for line in (f"[{profile.name}]", *tomlkit.dumps(profile.written()).rstrip("\n").split("\n")):
        show(visible(line))
    return 0


def _add(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from pbshell.cli.output import say
    from pbshell.cli.target import profile_of
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible
    from pbshell.workbench.reaching.passwords import service_of
    from pbshell.workbench.reaching.profiles import add

    if options.target.startswith("@"):
        raise UsageError("the target of a profile is HOST:PORT, tls:HOST:PORT or unix:PATH, and no other profile")
    profile = profile_of(options)
    if options.keyring:
        if profile.password or not profile.user:
            raise UsageError("--keyring is for a --user NAME whose password comes from nowhere else")
        profile = replace(profile, password="keyring")
    kind, _, place = profile.password.partition(":")
    password = f"file:{_absolute(place)}" if kind == "file" else profile.password
    name = options.name.removeprefix("@")
    profile = replace(
        profile,
        name=name,
        password=password,
        commands=tuple(options.commands),
        tls_ca=_absolute(profile.tls_ca),
        tls_cert=_absolute(profile.tls_cert),
        tls_key=_absolute(profile.tls_key),
    )
    profile.endpoint()
    path = add(profile)
    say(f"pbshell: @{name} is in {visible(str(path), 200)}")
    if options.keyring:
        say(f"  put the password there: keyring set {service_of(name)} {visible(profile.user, 60)}")
    return 0


def _absolute(path: str) -> str:
    """A file as it can be found from everywhere."""
    return str(Path(path).absolute()) if path and not path.startswith("~") else path


def _rm(options: argparse.Namespace) -> int:
    from pbshell.cli.output import say
    from pbshell.wire.text import visible
    from pbshell.workbench.reaching.profiles import remove

    path = remove(options.name)
    say(f"pbshell: @{visible(options.name.removeprefix('@'), 60)} is removed from {visible(str(path), 200)}")
    return 0


def _test(options: argparse.Namespace) -> int:
    """Connect by it, step by step."""
    from pbshell.cli.main import main
    from pbshell.workbench.reaching.profiles import load

    profile = load(options.name)
    return main(["doctor", f"@{profile.name}", *(["--json"] if options.json else [])])
