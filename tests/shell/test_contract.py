"""What the prompt relies on in ptpython and prompt_toolkit without its being promised, a test for each name.

And what is wrong with the prompt of ptpython itself, a test for each defect: none of them may come to be ours.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.history import FileHistory, History
from prompt_toolkit.key_binding.bindings import completion
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import Renderer as Drawing
from ptpython.lexer import PtpythonLexer
from ptpython.prompt_style import PromptStyle
from ptpython.python_input import PythonInput
from ptpython.repl import PythonRepl
from ptpython.utils import unindent_code
from ptpython.validator import PythonValidator

from pbshell.defer import Deferred
from pbshell.shell.history import FileOfLines
from pbshell.shell.render import Renderer
from pbshell.shell.repl import PBRepl
from pbshell.workbench.workbench import Workbench
from tests.shell.prompting import prompt, until

TAKEN = ("_completer", "_validator", "_lexer", "_input_buffer_height", "_extra_toolbars", "extra_key_bindings")
SET = ("confirm_exit", "enable_system_bindings", "enable_open_in_editor", "show_status_bar", "complete_while_typing")
USED = ("prompt_style", "all_prompt_styles", "completion_visualisation", "show_meta_enter_message", "paste_mode")
KEPT = ("default_buffer", "search_buffer", "history", "current_statement_index", "show_sidebar", "ptpython_layout")


@pytest.fixture
def repl() -> PBRepl:
    return PBRepl(Workbench(), renderer=Renderer())


@pytest.mark.parametrize("name", TAKEN)
def test_ptpython_takes(name: str) -> None:
    assert name in inspect.signature(PythonInput.__init__).parameters, f"PythonInput takes no {name} any more"


@pytest.mark.parametrize("name", [*SET, *USED, *KEPT])
def test_ptpython_has(name: str) -> None:
    assert hasattr(PythonRepl(), name), f"PythonRepl has no {name} any more: what is set would be of no effect"


def test_ptpython_calls_what_we_replace_at_each_change(repl: PBRepl) -> None:
    """Else it would look for signatures with jedi, in a thread."""
    assert "self._on_input_timeout" in inspect.getsource(PythonInput._create_buffer)
    assert PBRepl._on_input_timeout is not PythonInput._on_input_timeout


def test_the_completer_is_the_buffers_own_and_no_threads(repl: PBRepl) -> None:
    assert repl.default_buffer.completer is repl._completer


def test_the_validator_is_a_python_validator() -> None:
    assert list(inspect.signature(PythonValidator.__init__).parameters)[1] == "get_compiler_flags"


def test_the_lexer_colours_python() -> None:
    from prompt_toolkit.document import Document

    fragments = PtpythonLexer().lex_document(Document("import this"))(0)

    assert fragments[0][0].startswith("class:pygments.keyword"), "PtpythonLexer does not colour any more"


def test_a_pasted_block_is_unindented() -> None:
    assert unindent_code("    a\n    b") == "a\nb"


def test_a_prompt_style_has_these_three() -> None:
    assert {"in_prompt", "in2_prompt", "out_prompt"} <= set(vars(PromptStyle))


def test_the_history_browser_reads_our_history() -> None:
    source = inspect.getsource(inspect.getmodule(PythonInput.enter_history))  # type: ignore[arg-type]
    assert "PythonHistory(self, self.default_buffer.document)" in source, "F3 would not show our history"


@pytest.mark.parametrize("name", ["_redraw", "exit", "is_done", "is_running", "run_async"])
def test_an_application_has(name: str) -> None:
    assert hasattr(Application, name), f"Application has no {name} any more"


@pytest.mark.parametrize("name", ["_running_in_terminal", "erase_when_done", "renderer", "after_render", "output"])
def test_an_application_of_ours_has(repl: PBRepl, name: str) -> None:
    assert hasattr(repl.app, name), f"Application has no {name} any more"


@pytest.mark.parametrize("name", ["handle_sigint", "set_exception_handler"])
def test_an_application_can_leave_signals_and_exceptions_alone(name: str) -> None:
    assert name in inspect.signature(Application.run_async).parameters


def test_the_drawing_can_be_erased() -> None:
    assert callable(Drawing.erase)


async def test_the_terminal_is_not_asked_where_its_cursor_is() -> None:
    assert "enable_cpr" in inspect.signature(Vt100_Output.__init__).parameters
    async with prompt() as screen:
        await screen.type("5")

        assert screen.repl.app.output.enable_cpr is False  # type: ignore[attr-defined]
        assert "\x1b[6n" not in screen.drawn


def test_a_buffer_has_what_the_keys_use() -> None:
    assert callable(Buffer.open_in_editor)
    assert callable(Buffer.validate_and_handle)
    assert hasattr(Buffer(), "complete_state")
    assert callable(completion.display_completions_like_readline)


def test_a_history_asks_for_strings_in_this_order(tmp_path: Path) -> None:
    """The last one first; and the file is one that prompt_toolkit reads itself."""
    assert {"load_history_strings", "store_string"} <= History.__abstractmethods__
    ours = FileOfLines(tmp_path / "history")
    ours.append_string("one")
    ours.append_string("two\nlines")

    assert list(FileHistory(str(tmp_path / "history")).load_history_strings()) == ["two\nlines", "one"]


# ------------------------------------------------------------------- what is wrong with the prompt of ptpython itself


async def test_a_prompt_that_is_cancelled_ends() -> None:
    async with prompt() as screen:
        await until(lambda: screen.repl.app.is_running)
        screen.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await screen.running
        assert not screen.repl.app.is_running
        screen.running = asyncio.ensure_future(asyncio.sleep(0, 0))


async def test_the_handlers_of_signals_are_as_before_and_do_not_change_between_lines() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTSTP)]
    async with prompt() as screen:
        await screen.type("1")
        ours = signal.getsignal(signal.SIGINT)
        await screen.type("2")
        assert signal.getsignal(signal.SIGINT) == ours != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTSTP)] == before


def test_a_prompt_works_in_any_thread() -> None:
    shown: list[str] = []

    async def session() -> None:
        async with prompt() as screen:
            shown.append(await screen.type("6 * 7"))

    thread = threading.Thread(target=lambda: asyncio.run(session()))
    thread.start()
    thread.join()

    assert "42" in shown[0]
    assert "set_wakeup_fd" not in shown[0]


@pytest.mark.parametrize("line", ["exit", "exit()", "quit", "raise SystemExit"])
async def test_one_leaves_by_any_of_these_without_a_word(line: str) -> None:
    async with prompt() as screen:
        text = await screen.type(line)
        assert await screen.running == 0

        assert "Exit" not in text.replace(line, "")
        assert "Traceback" not in text


async def test_a_bang_is_refused_with_a_word() -> None:
    async with prompt() as screen:
        screen.pipe.send_text("!touch owned\r")
        await until(lambda: "! runs nothing here" in screen.text)


async def test_two_prompts_do_not_share_names() -> None:
    first, second = Workbench(), Workbench()
    async with prompt(first) as screen:
        await screen.type("a = 1")
        await screen.type("5")
    async with prompt(second) as screen:
        await screen.type("6")

    assert "get_ptpython" not in first.namespace
    assert {"a", "_"} <= first.namespace.keys()
    assert "a" not in second.namespace
    assert second.namespace["_"] == 6


async def test_a_prompt_that_waits_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = threading.Thread.start

    def watched(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", watched)
    async with prompt() as screen:
        await until(lambda: screen.repl.app.is_running)
        screen.pipe.send_text("prin\t")
        await until(lambda: "print" in screen.repl.default_buffer.text)

    assert [name for name in started if name != "warm-up" and "patch-stdout" not in name] == []


async def test_no_file_of_ptpythons_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "ptpython" / "config.py"
    config.parent.mkdir()
    config.write_text("def configure(repl):\n    repl.confirm_exit = True\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with prompt() as screen:
        await screen.type("5")
        assert not screen.repl.confirm_exit


async def test_a_deferred_can_be_awaited() -> None:
    async with prompt() as screen:
        deferred: Deferred[Any] = Deferred()
        deferred.callback("fired")
        screen.repl.bench.namespace["deferred"] = deferred

        assert "'fired'" in await screen.type("await deferred")
