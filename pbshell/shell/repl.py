"""The prompt: ptpython's editor, and the workbench behind it. Knows keys and prompts; evaluates nothing itself.

A subclass, because what stock ptpython does around the evaluation does not fit: its own threads, its own signal
handler, a system shell behind ``!``.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import AnyFormattedText, StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.layout import ConditionalContainer, Dimension, FormattedTextControl, Window
from prompt_toolkit.lexers import Lexer, SimpleLexer
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.output.defaults import create_output
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.validation import ValidationError, Validator
from ptpython.layout import CompletionVisualisation
from ptpython.lexer import PtpythonLexer
from ptpython.prompt_style import PromptStyle
from ptpython.repl import PythonRepl
from ptpython.utils import unindent_code
from ptpython.validator import PythonValidator

from pbshell.errors import UsageError
from pbshell.shell.above import Above
from pbshell.shell.asking import asker
from pbshell.shell.completion import LineCompleter
from pbshell.shell.history import FileOfLines
from pbshell.shell.interrupts import Interrupts
from pbshell.shell.keys import is_command, key_bindings
from pbshell.shell.render import Renderer
from pbshell.shell.toolbar import NARROW, toolbar
from pbshell.wire.text import visible
from pbshell.workbench.commands import Leave
from pbshell.workbench.keys import placed
from pbshell.workbench.problems import ExitCode, Interrupted, what_happened
from pbshell.workbench.settings import Settings
from pbshell.workbench.traffic.pulse import Top
from pbshell.workbench.traffic.showing import Showing
from pbshell.workbench.typed.advice import problem_at
from pbshell.workbench.typed.statements import Detached, Statements
from pbshell.workbench.workbench import Workbench

__all__ = ["PBRepl"]

#: lines of the menu of completions
_MENU = 12
#: characters above which a line is not coloured: that would take longer than typing it
_COLOURED = 20_000
#: attempts to draw a line that cannot be drawn, before it is given up with all
_ATTEMPTS = 3
#: what the first command would have to wait for
_SLOW = ("rich.console", "rich.table", "rich.text", "rich.pretty", "prompt_toolkit.shortcuts", "pbshell.shell.live")


class PBRepl(PythonRepl):
    """The prompt of *bench*, until somebody leaves.

    *columns* is the width of what is shown, None for that of the terminal. *history* is the file of what is typed, None
    for none. *keys* are those that are not where they are by default, None for what the settings say; UsageError is
    raised when there is something wrong with them.
    """

    def __init__(
        self,
        bench: Workbench,
        *,
        renderer: Renderer,
        columns: int | None = None,
        history: Path | None = None,
        keys: Mapping[str, str] | None = None,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self.bench = bench
        self.plain = renderer.plain
        self._renderer = renderer
        self._columns = columns
        self._settings = bench.part(Settings)
        self._keys = placed(self._settings.keys if keys is None else keys)
        self._interrupts = Interrupts(adopt=bench.part(Statements).detach)
        self._pressed = ""
        self._ended = 0
        super().__init__(
            get_globals=lambda: bench.namespace,
            color_depth=None if renderer.colours else ColorDepth.DEPTH_1_BIT,
            input=input,
            output=_without_questions(output or create_output()),
            extra_key_bindings=key_bindings(self, self._keys),
            _validator=_LineValidator(self.get_compiler_flags),
            _lexer=_LineLexer(),
            _completer=LineCompleter(bench),
            _input_buffer_height=self._height,
            _extra_toolbars=[self._toolbar()],
        )
        self.all_prompt_styles["pb"] = _Prompt(bench)
        self.prompt_style = "pb"
        self.confirm_exit = False
        self.enable_system_bindings = False
        self.enable_open_in_editor = False  # the key is ours
        self.show_status_bar = False
        self.show_meta_enter_message = not self.plain
        self.complete_while_typing = False
        self.completion_visualisation = CompletionVisualisation.POP_UP
        # In this thread, for it takes no time; a prompt does not end before the thread of its completion has.
        self.default_buffer.completer = self._completer
        if history is not None:
            file = self.history = self.default_buffer.history = FileOfLines(history)
            self._settings.watch("history", lambda on: setattr(file, "on", on))
        self.above = Above(self.app)

    # ------------------------------------------------------------------------------------ lines

    async def run_until_left(self) -> int:
        """Read and perform lines until somebody leaves. Returns the exit code."""
        self.bench.tell = self._tell
        self.bench.tracer.show = lambda line: self.above.add(self._renderer.frame(line))
        self.bench.part(Showing).fit(self._width)
        self.bench.render = lambda value, width: Renderer(width=width, plain=self.plain).value(value)
        self._settings.edit = self._edit
        self.bench.ask = asker(self.above, self.app, colours=self._renderer.colours)
        self.app.after_render += _Once(_warm_up)
        try:
            with self._interrupts:
                while True:
                    try:
                        text = await self.read_async()
                    except EOFError:
                        return int(ExitCode.OK)
                    await self.perform(text)
        except Leave as leave:
            return leave.code
        finally:
            self.above.flush()
            self.bench.tell = self.bench.tracer.show = self.bench.ask = None
            self.bench.render = self._settings.edit = None

    async def read_async(self) -> str:
        """The next statement or command. Raises EOFError when there will be none."""
        attempts = 0
        while True:
            self.above.flush()
            try:
                # Not raw: what a background task prints is shown, and not obeyed.
                with patch_stdout():
                    text: str = await self.app.run_async(handle_sigint=False, set_exception_handler=False)
            except KeyboardInterrupt:
                # Not only its text: it may be one of the history.
                self.default_buffer.reset()
                continue
            except EOFError:
                raise
            except Exception as error:  # a line that cannot be drawn must not end the shell
                attempts += 1
                if attempts == _ATTEMPTS:
                    raise
                self.default_buffer.reset()
                self.above.show(self._renderer.problem(what_happened(error)))
                continue
            if self._pressed:
                return self._take_pressed()
            text = unindent_code(text)
            if text.strip():
                return text

    async def perform(self, text: str) -> None:
        """Run one statement or command, and show what it gives or what went wrong. Raises Leave."""
        self._renderer.width = self._width()
        try:
            value = await self._interrupts.run(self._evaluated(text))
            if isinstance(value, Detached):
                # Over the ^Z that the terminal has echoed, as below.
                self.app.output.write_raw("\r")
            if value is not None:
                self.above.show(self._renderer.value(value))
        except (Leave, asyncio.CancelledError):
            raise
        except BaseException as error:  # noqa: BLE001 (the one place where a statement's exceptions end)
            if isinstance(error, Interrupted):
                # Over the ^C that the terminal has echoed.
                self.app.output.write_raw("\r")
            self.above.show(self._renderer.problem(problem_at(self.bench, error)))
        self.current_statement_index += 1

    async def _evaluated(self, text: str) -> Any:
        try:
            value = await self.bench.evaluate(text)
        except KeyboardInterrupt:
            # From a question, where it is a key; it must not reach the loop, which would end with it.
            raise Interrupted("cancelled") from None
        if isinstance(value, Top) and text.strip() == ":top" and not self.plain:
            await self._show_top()
            return None
        return value

    async def _show_top(self) -> None:
        from pbshell.shell.live import show_top  # noqa: PLC0415 (few sessions need it)

        with self.above.held():
            await show_top(self.bench, colours=self._renderer.colours, input=self.app.input, output=self.app.output)

    async def _edit(self, file: Path) -> int:
        """Open *file* in the user's editor, which has the terminal until it ends. Returns its exit code."""
        words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        with self.above.held():
            try:
                return await asyncio.to_thread(subprocess.call, [*words, str(file)])
            except OSError as error:
                told = visible(" ".join(words), 100)
                raise UsageError(f"{told} cannot be started: {error.strerror}; $EDITOR names the editor") from None

    # ------------------------------------------------------------------------------------ keys

    def press(self, line: str) -> None:
        """Perform *line* in place of what is being typed, which is there again afterwards. To be called by a key."""
        self._pressed = line
        self.default_buffer.complete_state = None
        self.app.erase_when_done = True
        self.app.exit(result="")

    def show_text(self, text: str) -> None:
        """Lines above what is being typed, those that are too long broken between words. To be called by a key."""
        self._renderer.width = self._width()
        for line in text.split("\n"):
            indent = line[: len(line) - len(line.lstrip())]
            self.above.add(self._renderer.prose(line, indent))
        self.above.flush()

    def _take_pressed(self) -> str:
        line, self._pressed = self._pressed, ""
        self.app.erase_when_done = False
        self.above.show(f"{_prompt(self.bench)}{line}")
        return line

    def _on_input_timeout(self, buffer: Any) -> None:
        """Ptpython would look for signatures in a thread at each key."""

    # ------------------------------------------------------------------------------------ what is drawn

    def _tell(self, text: str) -> None:
        sign = "* "
        if self.plain:
            # In words, and what has become worse by a word of its own.
            ended, self._ended = self._ended, len(self.bench.ended)
            sign = "lost: " if self._ended > ended else "note: "
        self._renderer.width = self._width()
        self.above.add(self._renderer.prose(f"{sign}{text}", "  "))

    def _width(self) -> int:
        """Columns: those that were asked for, else what COLUMNS says, else the terminal's."""
        width = self._columns or self._settings["width"]
        said = os.environ.get("COLUMNS", "")
        said_width = int(said) if said.isascii() and said.isdigit() else 0
        return int(width or said_width or self.app.output.get_size().columns)

    def _height(self) -> Dimension:
        """Lines of the editor: the menu of completions stands in them too, below what is typed."""
        state = self.default_buffer.complete_state
        menu = 0 if state is None else min(len(state.completions), _MENU)
        return Dimension(min=1 + menu)

    def _toolbar(self) -> ConditionalContainer:
        @Condition
        def is_wide() -> bool:
            return not self.plain and self.app.output.get_size().columns >= NARROW

        def text() -> StyleAndTextTuples:
            return [("", toolbar(self.bench, self._keys, self.app.output.get_size().columns))]

        return ConditionalContainer(
            Window(FormattedTextControl(text), height=1, style="class:pb-toolbar dim"), filter=is_wide & ~is_done
        )


def _without_questions(output: Output) -> Output:
    """*output*, which does not ask the terminal where its cursor is.

    The prompt is drawn in the lines that it needs, so nobody has to know; and a terminal that is slow, or has none to
    answer, shows no question.
    """
    if hasattr(output, "enable_cpr"):
        output.enable_cpr = False
    return output


def _prompt(bench: Workbench) -> str:
    return f"pb:{visible(bench.label, 60)}> " if bench.label else "pb> "


class _Prompt(PromptStyle):
    """``pb>``, or ``pb:alice>`` for the connection that is in use."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def in_prompt(self) -> AnyFormattedText:
        return [("class:prompt", _prompt(self._bench))]

    def in2_prompt(self, width: int) -> AnyFormattedText:
        return [("class:prompt.dots", "... ".rjust(width))]

    def out_prompt(self) -> AnyFormattedText:
        return []


class _LineValidator(Validator):
    """Accepts commands, and Python that compiles."""

    def __init__(self, flags: Callable[[], int]) -> None:
        self._python = PythonValidator(flags)

    def validate(self, document: Document) -> None:
        if is_command(document.text):
            return
        if document.text.lstrip().startswith("!"):
            raise ValidationError(0, "! runs nothing here: this is Python, and : begins a command")
        try:
            self._python.validate(document)
        except (RecursionError, MemoryError, UnicodeError):
            # Too deep for the compiler, or no text: whoever evaluates it says so.
            return


class _LineLexer(Lexer):
    """Colours Python, and leaves commands alone, and what is too long."""

    def __init__(self) -> None:
        self._python = PtpythonLexer()
        self._command = SimpleLexer()

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        is_plain = len(document.text) > _COLOURED or is_command(document.text)
        return (self._command if is_plain else self._python).lex_document(document)


class _Once:
    """Calls *function* the first time that it is called itself."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._done = False

    def __call__(self, sender: object) -> None:
        if not self._done:
            self._done = True
            self._function()


def _warm_up() -> None:
    """Load what the first command needs, in a thread that touches nothing but modules."""

    def load() -> None:
        for name in _SLOW:
            import_module(name)

    threading.Thread(target=load, name="warm-up", daemon=True).start()
