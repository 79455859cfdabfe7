"""`pbshell call`: how a call is written, and what it gives, on a real Twisted server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pbshell.cli.call import statement_of
from pbshell.errors import UsageError
from tests.pond.running import PASSWORD, Pond, pbshell


@pytest.mark.parametrize(
    ("words", "statement"),
    [
        (["echo"], "await root.callRemote('echo')"),
        (["root.echo", "41"], "await root.callRemote('echo', 41)"),
        (["root", "41"], "await root.callRemote('root', 41)"),
        (["echo(41, st=[1])"], "await root.callRemote('echo', 41, st=[1])"),
        (["a('x').b.c", "1"], "await (await (await root.callRemote('a', 'x')).callRemote('b')).callRemote('c', 1)"),
        (["f", "k=1", "2", "if=x"], "await root.callRemote('f', 2, **{'k': 1, 'if': 'x'})"),
    ],
)
def test_a_call_becomes_a_statement(words: list[str], statement: str) -> None:
    assert statement_of(words[0], words[1:]) == statement


@pytest.mark.parametrize(
    ("word", "source"),
    [
        ("41", "41"),
        ("-5", "-5"),
        ("1e999", "1e999"),
        ("None", "None"),
        ("[1, 'x']", "[1, 'x']"),
        ("b'\\xff'", r"b'\xff'"),
        ("'41'", "'41'"),
        # What is no literal is text, as with any other program.
        ("hello", "'hello'"),
        ("hello world", "'hello world'"),
        ("10.0.0.1", "'10.0.0.1'"),
        ("2024-01-02", "'2024-01-02'"),
        ("root", "'root'"),
        ("", "''"),
    ],
)
def test_an_argument_is_a_literal_or_text(word: str, source: str) -> None:
    assert statement_of("f", [word]) == f"await root.callRemote('f', {source})"
    assert statement_of("f", [f"k={word}"]) == f"await root.callRemote('f', **{{'k': {source}}})"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["f", "[1,"], "the argument [1, begins as a Python literal, and is none"),
        (["f", "'x"], "the argument 'x begins as a Python literal, and is none"),
        (["f", "[x]"], "begins as a Python literal, and is none"),
        (["f", "true"], "true is no Python: write True, or '\"true\"' if it is text"),
        (["f", "k=null"], "null is no Python: write None"),
        (["f", "k=1", "k=2"], "the argument k is given twice"),
        (["f", "@/no/such"], "the file '/no/such' of an argument cannot be read: No such file"),
        (["f", "@"], "text that begins with @ stands in quotes"),
        (["f(1)", "2"], "the arguments stand either in it or behind it"),
        (["f("], "f( names no method: write METHOD, or a chain of calls: getBuilder('linux').start"),
        (["f(x)"], "an argument in it is a Python literal, with its quotes"),
        (["[1].f"], "names no method"),
        (["\x1b"], r"\x1b names no method"),
    ],
)
def test_a_call_that_is_none_is_one_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        statement_of(words[0], words[1:])
    assert sentence in str(caught.value)


def test_an_argument_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "literal").write_text("{'a': [1,\n 2]}\n")
    (tmp_path / "text").write_text("two\nlines\n")

    assert statement_of("f", [f"@{tmp_path}/literal"]) == "await root.callRemote('f', {'a': [1, 2]})"
    assert statement_of("f", [f"x=@{tmp_path}/text"]) == "await root.callRemote('f', **{'x': 'two\\nlines\\n'})"


def test_the_result_is_data(pond: Pond) -> None:
    outcome = pbshell("call", pond.root, "echo", "--timeout", "20s", "[1, 'two']")

    assert (outcome.code, outcome.out, outcome.err) == (0, "[1, 'two']\n", "")
    assert pbshell("call", pond.root, "echo", "hello", "--json").out == '{"v": 1, "kind": "value", "value": "hello"}\n'
    # A program waits for a line, also where there is nothing to show.
    assert pbshell("call", pond.root, "echo", "None", "--json").out == '{"v": 1, "kind": "value", "value": null}\n'
    assert pbshell("call", pond.root, "echo", "None").out == ""


def test_a_chain_of_calls_and_a_login(pond: Pond) -> None:
    assert pbshell("call", pond.root, "duck.quack").out == "'quack'\n"
    words = ["call", pond.gate, "whoami", "--user", "alice", "--password-env", "PW"]
    assert pbshell(*words, env={"PW": PASSWORD}).out == "'alice'\n"
    refused = pbshell(*words, "--json", env={"PW": "wrong"})
    assert refused.code == 4
    assert json.loads(refused.out)["text"].startswith("the login was refused")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["fail"], 1, "RemoteError: builtins.ValueError: no such step"),
        (["nope"], 1, "the object at the server has no such method: remote_nope"),
        (["never", "--timeout", "1s"], 5, "was not done within 1 s"),
        (["leave"], 6, "the connection was lost with 1 call unanswered"),
    ],
)
def test_a_call_that_fails_is_a_sentence_and_a_code(pond: Pond, words: list[str], code: int, sentence: str) -> None:
    said = pbshell("call", pond.root, *words)
    told = pbshell("call", pond.root, *words, "--json")

    assert (said.code, said.out) == (code, "")
    assert sentence in said.err.split("\n")[0]
    error = json.loads(told.out)
    assert (told.code, error["kind"], error["code"]) == (code, "error", code)
    assert sentence in error["text"]
