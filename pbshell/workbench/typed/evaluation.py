"""Python at the prompt: compiles, runs, awaits. Knows statements and namespaces; knows no connection."""

from __future__ import annotations

import ast
import asyncio
import codeop
import inspect
import io
import tokenize
import traceback
from types import CodeType
from typing import Any, NoReturn, cast

from pbshell.defer.deferred import adopt, is_deferred
from pbshell.workbench.problems import STATEMENT, Interrupted, Untimely

__all__ = ["Leaving", "Python", "is_complete"]

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
#: the file of Python's own ``exit`` and ``quit``, which is frozen
_SITE = "<frozen _sitebuiltins>"


class Leaving:
    """``exit`` and ``quit``. Python's own close stdin, and so they would end a prompt that goes on."""

    def __call__(self, code: object = None) -> NoReturn:
        raise SystemExit(code)

    def __repr__(self) -> str:
        return "exit(), :quit or Ctrl-D leaves"


class Python:
    """Runs statements in one *namespace*. A value that can be awaited is awaited: its result is what was meant.

    It is not where a semicolon ends the line, nor while *autoawait* is false.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.autoawait = True
        self._count = 0

    async def run(self, source: str) -> Any:
        """The value of *source*, None when it is no expression.

        Raises what it raises, SyntaxError when it is no Python, Interrupted when Ctrl-C stopped it. What is no
        Exception comes as Untimely, but for a cancellation, and for a SystemExit by which somebody wants to leave.
        """
        self._count += 1
        task = _task()
        try:
            expression, waits = _expression(source)
            code = compiled(expression, f"{STATEMENT}{self._count}>")
            value = eval(code, self.namespace)
            if code.co_flags & inspect.CO_COROUTINE:
                value = await value
            return await _awaitable(value) if waits and self.autoawait and inspect.isawaitable(value) else value
        except KeyboardInterrupt:
            # It must not reach the loop, which would end with it.
            raise Interrupted("interrupted") from None
        except (Exception, asyncio.CancelledError):
            raise
        except BaseException as error:
            if isinstance(error, SystemExit) and _is_typed(error):
                raise
            if isinstance(error, GeneratorExit) and _task() is not task:
                # Nobody has raised it: the loop has ended, and we are collected.
                raise
            raise Untimely(error) from error


def compiled(source: str, filename: str) -> CodeType:
    """*source* as an expression, else as statements; ``await`` may stand anywhere. Raises SyntaxError."""
    source = source.strip()
    try:
        return cast(CodeType, compile(source, filename, "eval", _FLAGS, dont_inherit=True))
    except SyntaxError:
        pass
    # Not inside the handler: an error here would bring along the one that only says "not an expression".
    return cast(CodeType, compile(source, filename, "exec", _FLAGS, dont_inherit=True))


def is_complete(source: str) -> bool:
    """Whether *source* is whole statements as it stands. Raises SyntaxError when nothing behind it could mend it."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= _FLAGS
    return compiler(source, STATEMENT, "exec") is not None


def _expression(source: str) -> tuple[str, bool]:
    """*source* without a semicolon at its end, and whether it had none, so that its value is to be waited for.

    Of statements only the last line could be an expression, and that is not looked at.
    """
    source = source.strip()
    if ";" not in source.rpartition("\n")[2]:
        return source, True
    try:
        every = [each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.string.strip()]
    except (tokenize.TokenError, SyntaxError):
        return source, True
    signs = [each for each in every if each.type != tokenize.COMMENT]
    if len(signs) < 2 or signs[-1].string != ";":
        return source, True
    line, column = signs[-1].start
    lines = source.split("\n")
    return "\n".join([*lines[: line - 1], lines[line - 1][:column]]), False


def _awaitable(value: Any) -> Any:
    """*value*, or a Deferred of ours in the place of another library's."""
    return adopt(value) if is_deferred(value) else value


def _is_typed(error: SystemExit) -> bool:
    """Whether *error* was raised by what somebody has typed, or by ``exit`` that he has called, and not by others."""
    below = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    codes = [frame.f_code for frame in below if frame.f_code is not Python.run.__code__]
    leaving = Leaving.__call__.__code__
    typed = [code is leaving or code.co_filename.startswith((STATEMENT, _SITE)) for code in codes]
    return bool(typed) and all(typed)


def _task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
