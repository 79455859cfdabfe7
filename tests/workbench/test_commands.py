"""The commands: data for those who ask by words, and the same for those who call."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pbshell.cred import UsernamePassword
from pbshell.errors import UsageError
from pbshell.workbench.commands import COMMANDS, perform
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import portal

ALICE = UsernamePassword("alice", "wonderland")


async def test_a_login_that_is_traced_shows_no_secret() -> None:
    bench = Workbench()
    bench.tracer.on = True
    lines: list[str] = []
    bench.tracer.show = lines.append
    from pbshell import pb

    async with pb.serve(portal(), "tcp:0") as server:
        await bench.connect(f"127.0.0.1:{server.port}", credentials=ALICE)
        await bench.close()

    text = "\n".join(lines)
    assert "root.login(b'alice')" in text
    assert "= (***, s1)" in text
    assert "s1.respond(***, c1)" in text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("rfs", "there is no command :rfs; did you mean :refs?"),
        ("xyzzy", "there is no command :xyzzy; :help lists them"),
        ("\x1b[31m", "there is no command :\\x1b[31m; :help lists them"),
        ("", "a colon begins a command; :help lists them"),
        ("mark a b", "write :mark [NAME]"),
        ("quit now", "write :quit"),
        ("ref 'ours", ":ref 'ours: No closing quotation"),
    ],
)
async def test_a_wrong_command_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await perform(Workbench(), line)

    assert str(caught.value) == sentence


async def test_the_commands_are_functions_of_sh() -> None:
    sh: Any = Workbench().namespace["sh"]

    assert sh.help() == await perform(Workbench(), "help")
    assert {name.removesuffix("_") for name in dir(sh)} == set(COMMANDS)
    assert "import_" in dir(sh)
    assert "sh.refs" in repr(sh)
    with pytest.raises(AttributeError, match="sh has no command 'rfs'"):
        sh.rfs()
    with pytest.raises(UsageError, match="write :quit"):
        sh.quit("now")


def test_a_function_of_sh_says_how_it_is_called_and_what_it_does() -> None:
    sh: Any = Workbench().namespace["sh"]

    assert str(inspect.signature(sh.set)).startswith("(name: 'str' = '', value: 'str' = '')")
    assert str(inspect.getdoc(sh.refs)).endswith(f"\n\n:refs {COMMANDS['refs'].usage}")
    assert sh.import_.__qualname__ == "sh.import_"
    assert all(inspect.getdoc(getattr(sh, name)) for name in dir(sh))
