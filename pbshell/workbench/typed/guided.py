"""A call whose arguments are asked for one by one. Knows questions; does not know how they are shown."""

from __future__ import annotations

import asyncio
import gc
import inspect
import re
from typing import TYPE_CHECKING, Any

from pbshell.broker.references import RELEASED, RemoteReference
from pbshell.errors import UsageError
from pbshell.wire.chunk import Side
from pbshell.wire.text import visible
from pbshell.workbench.problems import STATEMENT, Interrupted, what_happened
from pbshell.workbench.typed.evaluation import compiled
from pbshell.workbench.typed.sugar import wrapped

if TYPE_CHECKING:
    from pbshell.workbench.workbench import Ask, Workbench

__all__ = ["guided", "reference_of"]

#: name=value, but no comparison
_NAMED = re.compile(r"([^\W\d]\w*)\s*=(?!=)(.*)", re.DOTALL)
_IDENTITY = re.compile(r"([cs]?)(\d+)")


async def guided(bench: Workbench, word: str, method: str) -> Any:
    """What *method* of the object that *word* means gives, with the arguments that somebody types.

    Raises UsageError where nobody can be asked, Interrupted when he gives up.
    """
    callee = reference_of(bench, word)
    if bench.ask is None:
        raise UsageError(f"nobody can be asked here; in Python: {visible(word, 40)}.callRemote({method!r}, ...)")
    bench.say("an argument a line, as Python; then name=value.  An empty line or Ctrl-D ends each, Ctrl-C gives up")
    try:
        args, kwargs = await _arguments(bench, bench.ask)
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted(f"given up: {visible(method, 60)} was not called") from None
    return await callee.callRemote(method, *args, **kwargs)


def reference_of(bench: Workbench, word: str) -> Any:
    """What can be called under *word*: a name of the namespace, or an id of the connection in use, such as s3.

    It is an object that is there already: nothing is lent or given back for it. Raises UsageError.
    """
    if word in bench.namespace:
        found = wrapped(bench.namespace[word])
        if not hasattr(type(found), "callRemote"):
            raise UsageError(f"{word} is no reference: it is of class {type(found).__name__}")
        return found
    match = _IDENTITY.fullmatch(word)
    opened = bench.connections.get(bench.current)
    if match is None:
        raise UsageError(f"there is no {visible(word, 40)}: write a name, root, or an id such as s3; :refs lists them")
    if opened is None:
        raise UsageError(f"no connection is in use, so nobody knows what {word} is")
    broker, luid = opened.connection.broker, int(match[2])
    peer = "s" if broker.side is Side.CLIENT else "c"
    if match[1] not in ("", peer):
        raise UsageError(f"{word} is an object of ours: call it as it is; what the peer lends begins with {peer}")
    for each in gc.get_objects():
        # By its type: to ask the object itself might run code of others.
        if type(each) is RemoteReference and each.broker is broker and each.luid == luid and each._owed != RELEASED:
            return each
    if luid in broker.theirs.exports:
        raise UsageError(f"{peer}{luid} is lent to us, but no reference to it is alive here: it is about to go back")
    raise UsageError(f"the peer lends no {peer}{luid} on {visible(opened.name, 40)}: :refs theirs lists what it lends")


async def _arguments(bench: Workbench, ask: Ask) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    named = False
    while True:
        try:
            line = (await ask("name=value: " if named else f"argument {len(args) + 1}: ", secret=False)).strip()
        except EOFError:
            line = ""
        if not line:
            if named:
                return args, kwargs
            named = True
            continue
        match = _NAMED.fullmatch(line)
        if named and match is None:
            bench.say("write name=value, or an empty line to call")
            continue
        try:
            value = await _value(bench, match[2] if match is not None else line)
        except Exception as error:  # noqa: BLE001 (it is told, and asked for once more)
            bench.say(what_happened(error).text)
            continue
        if match is None:
            args.append(value)
        else:
            named = True
            kwargs[match[1]] = value


async def _value(bench: Workbench, text: str) -> Any:
    code = compiled(f"({text})", f"{STATEMENT}argument>")
    value = eval(code, bench.namespace)
    return await value if code.co_flags & inspect.CO_COROUTINE else value
