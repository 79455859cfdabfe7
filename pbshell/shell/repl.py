"""The prompt: ptpython's editor, and the workbench behind it. Knows keys and prompts; evaluates nothing itself.

A subclass, because what stock ptpython does around the evaluation does not fit: its own threads, its own signal
handler, a system shell behind ``!``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prompt_toolkit.application import get_app
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import AnyFormattedText, StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer, SimpleLexer
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.validation import ValidationError, Validator
from ptpython.lexer import PtpythonLexer
from ptpython.prompt_style import PromptStyle
from ptpython.repl import PythonRepl
from ptpython.utils import unindent_code
from ptpython.validator import PythonValidator

from pbshell.shell.above import Above
from pbshell.shell.completion import LineCompleter
from pbshell.shell.interrupts import Interrupts
from pbshell.shell.render import Renderer
from pbshell.workbench.commands import Leave
from pbshell.workbench.problems import ExitCode, Interrupted, what_happened
from pbshell.workbench.workbench import Workbench

__all__ = ["PBRepl"]


class PBRepl(PythonRepl):
    """The prompt of *bench*, until somebody leaves."""

    def __init__(
        self,
        bench: Workbench,
        *,
        renderer: Renderer,
        label: str = "",
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._bench = bench
        self._renderer = renderer
        self._interrupts = Interrupts()
        super().__init__(
            get_globals=lambda: bench.namespace,
            color_depth=None if renderer.colours else ColorDepth.DEPTH_1_BIT,
            input=input,
            output=output,
            extra_key_bindings=_keys(),
            _validator=_LineValidator(self.get_compiler_flags),
            _lexer=_LineLexer(),
            _completer=LineCompleter(bench),
        )
        self.all_prompt_styles["pb"] = _Prompt(label)
        self.prompt_style = "pb"
        self.confirm_exit = False
        self.enable_open_in_editor = False
        self.enable_system_bindings = False
        self.show_status_bar = False
        self.complete_while_typing = False
        # In this thread, for it takes no time; a prompt does not end before the thread of its completion has.
        self.default_buffer.completer = self._completer
        self.above = Above(self.app)

    async def run_until_left(self) -> int:
        """Read and perform lines until somebody leaves. Returns the exit code."""
        self._bench.tell = lambda text: self.above.add(f"* {text}")
        self._bench.tracer.show = lambda line: self.above.add(self._renderer.frame(line))
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
            self._bench.tell = self._bench.tracer.show = None

    async def read_async(self) -> str:
        """The next statement or command. Raises EOFError when there will be none."""
        while True:
            self.above.flush()
            try:
                # Not raw: what a background task prints is shown, and not obeyed.
                with patch_stdout():
                    text: str = await self.app.run_async(handle_sigint=False, set_exception_handler=False)
            except KeyboardInterrupt:
                self.default_buffer.document = Document()
                continue
            text = unindent_code(text)
            if text.strip():
                return text

    async def perform(self, text: str) -> None:
        """Run one statement or command, and show what it gives or what went wrong. Raises Leave."""
        self._renderer.width = self.app.output.get_size().columns
        try:
            value = await self._interrupts.run(self._bench.evaluate(text))
        except Leave:
            raise
        except Exception as error:  # noqa: BLE001 (the one place where a statement's exceptions end)
            if isinstance(error, Interrupted):
                # Over the ^C that the terminal has echoed.
                self.app.output.write_raw("\r")
            self.above.show(self._renderer.problem(what_happened(error, logged_in=self._bench.logged_in)))
        else:
            if value is not None:
                self.above.show(self._renderer.value(value))
        self.current_statement_index += 1

    def _on_input_timeout(self, buffer: Any) -> None:
        """Ptpython would look for signatures in a thread at each key."""


class _Prompt(PromptStyle):
    """``pb>`` or ``pb:alice>``."""

    def __init__(self, label: str) -> None:
        self._text = f"pb:{label}> " if label else "pb> "

    def in_prompt(self) -> AnyFormattedText:
        return [("class:prompt", self._text)]

    def in2_prompt(self, width: int) -> AnyFormattedText:
        return [("class:prompt.dots", "... ".rjust(width))]

    def out_prompt(self) -> AnyFormattedText:
        return []


def _is_command(text: str) -> bool:
    return text.lstrip().startswith(":")


class _LineValidator(Validator):
    """Accepts commands, and Python that compiles."""

    def __init__(self, flags: Callable[[], int]) -> None:
        self._python = PythonValidator(flags)

    def validate(self, document: Document) -> None:
        if _is_command(document.text):
            return
        if document.text.lstrip().startswith("!"):
            raise ValidationError(0, "! runs nothing here: this is Python, and : begins a command")
        self._python.validate(document)


class _LineLexer(Lexer):
    """Colours Python, and leaves commands alone."""

    def __init__(self) -> None:
        self._python = PtpythonLexer()
        self._command = SimpleLexer()

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        return (self._command if _is_command(document.text) else self._python).lex_document(document)


def _keys() -> KeyBindings:
    """Enter takes a command as it is: a colon or a bracket at its end opens no block."""
    bindings = KeyBindings()

    @Condition
    def is_command() -> bool:
        return _is_command(get_app().current_buffer.text)

    @bindings.add("enter", filter=is_command)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return bindings
