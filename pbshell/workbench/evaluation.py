"""Python at the prompt: compiles, runs, awaits. Knows statements and namespaces; knows no connection."""

from __future__ import annotations

import ast
import codeop
import inspect
from types import CodeType
from typing import Any, cast

from pbshell.workbench.problems import STATEMENT, Interrupted

__all__ = ["Python", "is_complete"]

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class Python:
    """Runs statements in one *namespace*. A value that can be awaited is awaited: its result is what was meant."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self._count = 0

    async def run(self, source: str) -> Any:
        """The value of *source*, None when it is no expression.

        Raises what it raises, SyntaxError when it is no Python, Interrupted when Ctrl-C stopped it.
        """
        self._count += 1
        try:
            code = compiled(source, f"{STATEMENT}{self._count}>")
            value = eval(code, self.namespace)
            if code.co_flags & inspect.CO_COROUTINE:
                value = await value
            return await value if inspect.isawaitable(value) else value
        except KeyboardInterrupt:
            # It must not reach the loop, which would end with it.
            raise Interrupted("interrupted") from None


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
