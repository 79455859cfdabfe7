"""Nothing typed at the prompt can end the shell but leaving it."""

from __future__ import annotations

from tests.pond.running import Pond
from tests.shell.terminal import terminal

#: what is typed, and what the screen says of it
LINES = [
    ("raise GeneratorExit", "GeneratorExit"),
    ("raise KeyboardInterrupt", "interrupted"),
    ("import optparse; optparse.OptionParser().exit(3)", "SystemExit: 3"),
    ("asyncio.get_running_loop().call_soon(exit)", "SystemExit in the background"),
    ("asyncio.get_running_loop().stop()", ""),
    ("t = asyncio.ensure_future(asyncio.to_thread(exit))", ""),
    ("asyncio.current_task().cancel()", "cancelled"),
    ("for t in asyncio.all_tasks(): t.cancel()", "cancelled"),
    ("f = lambda: f()", ""),
    ("f()", "RecursionError"),
    ("bytearray(1 << 62)", "MemoryError"),
    ("print('x' * 1_000_000)", "x"),
    ("type('Bad', (), {'__repr__': lambda self: exit()})()", "whose repr() raised SystemExit"),
    ("type('Bad', (), {'__class__': property(lambda self: 1/0)})()", "ZeroDivisionError"),
    ("raise type('Bad', (Exception,), {'__str__': lambda self: exit()})()", "its text cannot be had"),
    ("raise BaseExceptionGroup('two', [KeyboardInterrupt()])", "BaseExceptionGroup: two"),
    ("print('\\ud800')", "UnicodeEncodeError"),
    ("globals().clear()", ""),
]


def test_whatever_is_typed_the_prompt_comes_back(pond: Pond) -> None:
    with terminal(pond.root, "--quiet") as screen:
        screen.wait_for_prompt()
        for number, (line, words) in enumerate(LINES):
            screen.send(f"{line}\r")
            screen.send(f"print('alive', {number} + 1000)\r")
            screen.wait(f"\nalive {number + 1000}")
            screen.wait_for_prompt()
            assert words in screen.text, line
        screen.send("\x04")
        assert screen.end() == 0
