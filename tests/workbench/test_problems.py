"""Problems: one sentence for each thing that goes wrong, the right exit code, and no frames of ours."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

import pytest

from pbshell import pb
from pbshell.errors import (
    ConnectionGone,
    DeadReferenceError,
    LoginDenied,
    PBConnectionLost,
    PeerError,
    RefusedClass,
    RemoteError,
    UnauthorizedLogin,
    UnhandledCredentials,
    UsageError,
)
from pbshell.workbench.problems import ExitCode, Interrupted, Problem, cannot_connect, what_happened
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import connected

HOSTILE = "\x1b]0;owned\x07\r\nspoof\x9b2J\u202e"


class RemoteUnauthorized(RemoteError, UnauthorizedLogin):
    """As it comes over the wire."""


class RemoteNoSuchMethod(RemoteError, pb.NoSuchMethod):
    """As it comes over the wire."""


def certificate_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL] bad")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConnectionRefusedError(111, "x"), 3, "nothing listens at host:1: the connection was refused"),
        (socket.gaierror(-2, "Name or service not known"), 3, "there is no such host: host:1"),
        (certificate_error(), 3, "host:1 shows a certificate that is not trusted: self-signed certificate"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), 3, "there is no TLS with host:1: [SSL: WRONG_VERSION_NUMBER]"),
        (FileNotFoundError(2, "No such file", "/no/socket"), 3, "there is no such file: /no/socket"),
        (FileNotFoundError(2, "No such file"), 3, "there is no such file: host:1"),
        (PermissionError(13, "x"), 3, "host:1 may not be opened by this user"),
        (TimeoutError(), 3, "host:1 did not answer in time"),
        (TimeoutError("it said nothing within 10 seconds"), 3, "it said nothing within 10 seconds"),
        (OSError(errno.ETIMEDOUT, "x"), 3, "host:1 did not answer in time"),
        (OSError(errno.ENETUNREACH, "x"), 3, "host:1 cannot be reached: Network is unreachable"),
        (OSError("something else"), 3, "host:1 cannot be reached: something else"),
        (OSError(), 3, "host:1 cannot be reached: OSError"),
        (PeerError("this is an SSH banner"), 3, "host:1 hung up or speaks something else: this is an SSH banner"),
        (ConnectionGone("gone"), 3, "host:1 hung up or speaks something else: gone"),
        (UsageError("there is no port"), 2, "there is no port"),
        (
            UnauthorizedLogin(),
            4,
            "the login was refused: wrong user name or wrong password; a server does not tell which",
        ),
        (
            RemoteUnauthorized("x", ""),
            4,
            "the login was refused: wrong user name or wrong password; a server does not tell which",
        ),
        (UnauthorizedLogin("go away"), 4, "the login was refused: go away"),
        (UnhandledCredentials("No checker for X"), 4, "the server takes no such login: No checker for X"),
        (LoginDenied("closed on Sunday"), 4, "the server knows the user and refuses the login: closed on Sunday"),
        (RemoteNoSuchMethod("x", "No such method: remote_login"), 4, "host:1 has no login"),
    ],
)
def test_why_there_is_no_connection(error: BaseException, code: int, text: str) -> None:
    problem = cannot_connect(error, "host:1")

    assert (problem.code, problem.text) == (code, text)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (RemoteError("builtins.ValueError", "no such step"), 1, "RemoteError: builtins.ValueError: no such step"),
        (RemoteError("builtins.ValueError"), 1, "RemoteError: builtins.ValueError"),
        (
            RemoteNoSuchMethod("t.NoSuchMethod", "No such method: remote_x"),
            1,
            "the object at the server has no such method: remote_x",
        ),
        (
            RemoteError("builtins.AttributeError", "'User' object has no attribute 'perspective_fly'"),
            1,
            "the object at the server has no such method: perspective_fly",
        ),
        (RefusedClass("m.C", "the answer"), 1, "the answer is of class m.C, which is not registered here"),
        (
            PBConnectionLost(OSError(104, "Connection reset by peer")),
            6,
            "the connection was lost with 1 call unanswered: Connection reset by peer",
        ),
        (RemoteError("builtins.AttributeError", "oops"), 1, "RemoteError: builtins.AttributeError: oops"),
        (PBConnectionLost("cut", 2), 6, "the connection was lost with 2 calls unanswered: cut"),
        (DeadReferenceError("it is gone"), 6, "it is gone"),
        (DeadReferenceError(), 6, "the connection is gone"),
        (TimeoutError(), 5, "no answer came in time"),
        (TimeoutError("too late"), 5, "too late"),
        (UsageError("write on or off"), 1, "write on or off"),
        (PeerError("bad bytes", offset=7), 1, "bad bytes (at byte 7)"),
        (UnauthorizedLogin("no"), 4, "the login was refused: no"),
        (Interrupted("interrupted"), 130, "interrupted"),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
        (pb.Error("of the application"), 1, "pbshell.errors.Error: of the application"),
        (AssertionError(), 1, "AssertionError"),
    ],
)
def test_why_a_statement_failed(error: BaseException, code: int, text: str) -> None:
    problem = what_happened(error)

    assert (problem.code, problem.text) == (code, text)


def test_a_remote_traceback_is_shown_when_the_server_sends_it() -> None:
    problem = what_happened(RemoteError("x.Error", "why", "Traceback (most recent call last):\n  File x\n"))

    assert problem.details == ("Traceback (most recent call last):", "  File x")
    assert problem.hint == ""


def test_a_remote_traceback_that_is_withheld_is_said_to_be() -> None:
    problem = what_happened(RemoteError("x.Error", "why", "Traceback unavailable\n"))

    assert problem.details == ()
    assert problem.hint == "its traceback is in the server's log"


@pytest.mark.parametrize("name", ["twisted.spread.pb.Error", "pbshell.errors.Error"])
def test_an_error_that_was_raised_on_purpose_sends_nobody_to_a_log(name: str) -> None:
    assert what_happened(RemoteError("shop.OutOfStock", "no tea", "", ["shop.OutOfStock", name])).hint == ""


NO_METHOD = RemoteNoSuchMethod("t.NoSuchMethod", "No such method: remote_x")


@pytest.mark.parametrize(
    ("problem", "hint"),
    [
        (what_happened(NO_METHOD, logged_in=False), "if it has accounts, log in: --user NAME or --anonymous"),
        (what_happened(NO_METHOD), "PB cannot list methods"),
        (what_happened(PBConnectionLost("cut")), "connect again; whether the method has run cannot be known"),
        (what_happened(RefusedClass("m.C", "x")), "to accept it: pb.setUnjellyableForClass('m.C', "),
        (cannot_connect(UnhandledCredentials("No checker for x.IAnonymous"), "h:1"), "log in by name: --user NAME"),
        (cannot_connect(UnhandledCredentials("No checker for x.IUsername"), "h:1"), "try --anonymous"),
        (cannot_connect(TimeoutError("tcp:h:1 said nothing: no TLS?"), "h:1"), "if it expects TLS: pbshell tls:h:1"),
        (cannot_connect(TimeoutError("tls:h:1 said nothing"), "tls:h:1"), "wait longer: --timeout 60s"),
    ],
)
def test_the_next_step_is_one_that_helps(problem: Problem, hint: str) -> None:
    assert hint in problem.hint


def test_a_socket_that_says_nothing_is_not_told_to_speak_tls() -> None:
    assert cannot_connect(TimeoutError("unix:/x said nothing: is it?"), "unix:/x").hint == ""


def test_a_target_is_spelled_as_it_was_typed() -> None:
    assert cannot_connect(TimeoutError("tcp:h:1 said nothing: no TLS?"), "h:1").text == "h:1 said nothing: no TLS?"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("refs", "a command begins with a colon: :refs"),
        ("root.echo(1)", "a method of the server's is called so: callRemote('echo', ...)"),
        ("nothing", ""),
        ("pb.nothing", ""),
        ("await root.callRemote('nope')", "log in: --user NAME or --anonymous"),
    ],
)
async def test_what_was_meant_is_the_next_step(line: str, hint: str) -> None:
    async with connected() as (bench, _):
        try:
            await bench.evaluate(line)
        except Exception as error:
            problem = what_happened(error, logged_in=bench.logged_in)

    assert problem.hint.endswith(hint)
    assert bool(problem.hint) is bool(hint)


async def failure_of(bench: Workbench, line: str) -> Problem:
    """What the statement *line* fails with."""
    try:
        await bench.evaluate(line)
    except Exception as error:
        return what_happened(error)
    raise AssertionError("it did not fail")


async def test_a_syntax_error_shows_where() -> None:
    problem = await failure_of(Workbench(), "x = = 1")

    assert problem.text == "SyntaxError: invalid syntax"
    assert problem.details == ("x = = 1", "    ^")


def test_a_syntax_error_without_a_place_is_shown_all_the_same() -> None:
    assert what_happened(SyntaxError("odd")).details == ()


async def test_an_error_of_ones_own_shows_no_frames_of_the_shell() -> None:
    problem = await failure_of(Workbench(), "1/0")

    assert problem == Problem(ExitCode.RAISED, "ZeroDivisionError: division by zero")


async def test_an_error_in_a_function_of_ones_own_shows_where() -> None:
    bench = Workbench()
    await bench.evaluate("def f():\n    return 1/0\n")

    problem = await failure_of(bench, "f()")

    assert problem.details == ("<pb:2>, line 1, in <module>", "<pb:1>, line 2, in f")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("await root.callRemote('fail', 'why')", 1, "RemoteError: builtins.ValueError: why"),
        ("await root.callRemote('nope')", 1, "no such method: remote_nope"),
        (
            "await root.callRemote('echo', object())",
            1,
            "args[0] is of type builtins.object, and PB has no flavor for it",
        ),
        ("await root.callRemote('echo', 2 ** 600)", 1, "an integer"),
        ("await root.callRemote('leave')", 6, "the connection was lost with 1 call unanswered"),
        ("await connection.login(5)", 1, "a login takes UsernamePassword"),
        ("await pb.connect('127.0.0.1:0')", 1, "the port is a number from 1 to 65535"),
        ("nothing", 1, "NameError: name 'nothing' is not defined"),
    ],
)
async def test_a_statement_that_fails_is_one_sentence_and_the_bench_goes_on(line: str, code: int, words: str) -> None:
    async with connected() as (bench, _):
        problem = await failure_of(bench, line)

        assert problem.code == code
        assert words in problem.text
        assert "\n" not in problem.text
        assert problem.details == ()
        assert await bench.evaluate("1 + 1") == 2


@pytest.mark.parametrize(
    "error",
    [
        RemoteError(HOSTILE, HOSTILE, f"{HOSTILE}\n{HOSTILE}"),
        RemoteNoSuchMethod(HOSTILE, HOSTILE),
        RemoteUnauthorized(HOSTILE, HOSTILE),
        UnhandledCredentials(HOSTILE),
        LoginDenied(HOSTILE),
        PBConnectionLost(HOSTILE),
        DeadReferenceError(HOSTILE),
        PeerError(HOSTILE),
        UsageError(HOSTILE),
        TimeoutError(HOSTILE),
        OSError(HOSTILE),
        ssl.SSLError(1, HOSTILE),
        FileNotFoundError(2, HOSTILE, HOSTILE),
        ValueError(HOSTILE),
        SyntaxError(HOSTILE, ("x", 1, 1, HOSTILE)),
    ],
)
def test_no_text_of_an_error_is_obeyed_by_a_terminal(error: Any) -> None:
    for problem in (what_happened(error), cannot_connect(error, HOSTILE)):
        assert all(line.isprintable() for line in (problem.text, problem.hint, *problem.details))
