"""``pbshell call``: one method of a server, and what it gives. Knows how a call is written on a command line."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pbshell.cli.arguments import add_common, add_screen, add_target

if TYPE_CHECKING:
    from pbshell.cli.session import Manner
    from pbshell.workbench.reaching.profiles import Profile
    from pbshell.workbench.workbench import Workbench

#: options may stand among the arguments
INTERMIXED = True

_KEYWORD = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)
#: what a literal begins with that is more than a word, and words that other languages have for Python's
_OPENS = re.compile(r"[\[({'\"]|[bB][rR]?['\"]|[rR][bB]?['\"]")
_OTHERS = {"true": "True", "false": "False", "null": "None", "none": "None", "nil": "None"}


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `call`."""
    add_target(parser)
    parser.add_argument(
        "method", metavar="METHOD", help="of the root or avatar, or behind others: getBuilder('x').start"
    )
    parser.add_argument(
        "arguments",
        metavar="ARG",
        nargs="*",
        help="a Python literal, NAME=LITERAL, or @FILE that has one; any other word is text",
    )
    add_screen(parser)
    add_common(parser)


def run(options: argparse.Namespace) -> int:
    """Call, and show the result. Raises UsageError."""
    import logging

    from pbshell.cli.output import log_to_stderr
    from pbshell.cli.target import profile_of
    from pbshell.shell import loop

    log_to_stderr(options.verbose, logging.ERROR, options.log)
    statement = statement_of(options.method, options.arguments)
    return loop.run(_call(options, profile_of(options), statement))


async def _call(options: argparse.Namespace, profile: Profile, statement: str) -> int:
    from pbshell.cli.connect import open_by
    from pbshell.cli.output import say
    from pbshell.cli.session import Manner
    from pbshell.cli.target import plan_of
    from pbshell.workbench.traffic.showing import Showing
    from pbshell.workbench.workbench import Workbench

    bench = Workbench(lambda text: say(f"pbshell: {text}"))
    bench.tracer.show = say
    if profile.trace:
        bench.part(Showing).turn_on()
    manner = Manner.of(options, timeout=profile.timeout)
    plan = await plan_of(profile, bench.namespace)
    try:
        opened = await open_by(plan, bench, profile.as_name or profile.name, options)
        return opened if isinstance(opened, int) else await _perform(bench, manner, profile, statement)
    finally:
        await bench.close()


async def _perform(bench: Workbench, manner: Manner, profile: Profile, statement: str) -> int:
    from pbshell.cli.output import show
    from pbshell.shell.plain import each

    code = await manner.runner(bench).run(each([*profile.commands, f"_ = {statement}"]))
    if not code and (manner.json or bench.namespace["_"] is not None):
        show(manner.renderer().value(bench.namespace["_"]))
    return code


def statement_of(path: str, arguments: Sequence[str]) -> str:
    """The call of the method at the end of *path*, with *arguments*, as Python. Raises UsageError."""
    calls = list(_calls(path))
    name, given = calls.pop()
    if given and arguments:
        raise _bad_path(path, "the arguments stand either in it or behind it")
    source = "root"
    for method, inside in calls:
        source = f"(await {source}.callRemote({', '.join([repr(method), *inside])}))"
    positional, named = _arguments(arguments)
    return f"await {source}.callRemote({', '.join([repr(name), *given, *positional, *named])})"


def _calls(path: str) -> Sequence[tuple[str, list[str]]]:
    """Each method in *path*, and its arguments as Python."""
    try:
        node: ast.expr = ast.parse(path.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise _bad_path(path, "write METHOD, or a chain of calls: getBuilder('linux').start") from None
    found: list[tuple[str, list[str]]] = []
    while True:
        given: list[str] = []
        if isinstance(node, ast.Call):
            given = [ast.unparse(each) for each in (*node.args, *node.keywords)]
            _check_literals(path, [*node.args, *(each.value for each in node.keywords)])
            node = node.func
        if isinstance(node, ast.Attribute):
            found.append((node.attr, given))
            node = node.value
        elif isinstance(node, ast.Name):
            found.append((node.id, given))
            break
        else:
            raise _bad_path(path, "write METHOD, or a chain of calls: getBuilder('linux').start")
    found.reverse()
    if found[0] == ("root", []) and len(found) > 1:
        del found[0]
    return found


def _check_literals(path: str, nodes: list[ast.expr]) -> None:
    for node in nodes:
        try:
            ast.literal_eval(node)
        except (ValueError, TypeError, MemoryError, RecursionError):
            raise _bad_path(path, "an argument in it is a Python literal, with its quotes") from None


def _bad_path(path: str, why: str) -> Exception:
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible

    return UsageError(f"{visible(path, 100)} names no method: {why}")


def _arguments(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Positional and named arguments, as Python."""
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible

    positional: list[str] = []
    named: dict[str, str] = {}
    for word in words:
        match = _KEYWORD.fullmatch(word)
        if match is None:
            positional.append(_value(word))
        elif match[1] in named:
            raise UsageError(f"the argument {visible(match[1], 60)} is given twice")
        else:
            named[match[1]] = _value(match[2])
    pairs = ", ".join(f"{name!r}: {value}" for name, value in named.items())
    return positional, [f"**{{{pairs}}}"] if named else []


def _value(word: str) -> str:
    """What *word* stands for, as Python: what it is, if it is a literal, else its text. Raises UsageError."""
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible

    if word.startswith("@"):
        return _value_of_text(_content(word[1:]))
    if word in _OTHERS:
        raise UsageError(f"{word} is no Python: write {_OTHERS[word]}, or '\"{word}\"' if it is text")
    value = _value_of_text(word)
    if value == repr(word) and _OPENS.match(word):
        raise UsageError(f"the argument {visible(word, 100)} begins as a Python literal, and is none")
    return value


def _value_of_text(text: str) -> str:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return repr(text)
    # Of a number that is beyond a float repr() is no literal.
    return text.strip() if isinstance(value, float | complex) else repr(value)


def _content(name: str) -> str:
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible

    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        instead = "" if name else "; text that begins with @ stands in quotes: '\"@\"'"
        raise UsageError(f"the file {visible(name, 200)!r} of an argument cannot be read: {reason}{instead}") from None
