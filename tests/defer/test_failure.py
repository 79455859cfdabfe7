"""Failure: what it says of an exception, ours or the peer's. Knows no Deferred."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Generator

import pytest

from pbshell.defer import Failure
from pbshell.defer.failure import as_failure
from pbshell.errors import DeadReferenceError, Error, InsecureJelly, PBError, RefusedClass, RemoteError, UsageError


class MyError(Error):
    """An application's own."""


class MyOtherError(MyError):
    """A kind of it."""


def raised(error: BaseException) -> Failure:
    """A Failure as a caller makes it: in the handler."""
    try:
        raise error
    except BaseException:
        return Failure()


MY_ERROR = [
    "exc_server.MyError",
    "twisted.spread.pb.Error",
    "builtins.Exception",
    "builtins.BaseException",
    "builtins.object",
]


def remote(parents: list[str] = MY_ERROR, text: str = "fall down go boom", traceback: str = "") -> Failure:
    return Failure(RemoteError(parents[0], text, traceback, parents))


# Making one


def test_a_failure_without_an_exception_takes_the_one_being_handled() -> None:
    error = ValueError("here")
    assert raised(error).value is error


def test_a_failure_where_no_exception_is_handled_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"as in Failure\(ValueError\(\)\)"):
        Failure()


def test_a_failure_holds_exceptions_only() -> None:
    with pytest.raises(TypeError, match=r"builtins\.str is none"):
        Failure("oops")  # type: ignore[arg-type]


def test_a_class_may_add_to_a_failure() -> None:
    class Copied(Failure):
        __slots__ = ("more",)

    assert repr(Copied(ValueError("x"))) == "<Copied builtins.ValueError: x>"


def test_an_exception_a_failure_and_nothing_are_all_made_failures() -> None:
    error = ValueError()
    failure = Failure(error)

    assert as_failure(failure) is failure
    assert as_failure(error).value is error
    try:
        raise error
    except ValueError:
        assert as_failure().value is error


class Foreign(BaseException):
    """What Twisted's Failure is: an exception itself, with names and texts in bytes after it came over a wire."""

    type = b"exc_server.MyError"
    parents = (b"exc_server.MyError", "twisted.spread.pb.Error")

    def __init__(self, value: object) -> None:
        self.value = value

    def trap(self) -> None: ...

    def getTraceback(self) -> str:
        return "Traceback unavailable\n"


def test_the_failure_of_another_library_gives_its_exception() -> None:
    error = ValueError()
    assert as_failure(Foreign(error)).value is error


def test_the_failure_of_another_library_that_came_over_a_wire_becomes_a_remote_error() -> None:
    failure = as_failure(Foreign(b"boom"))

    assert isinstance(failure.value, RemoteError)
    assert failure.type == "exc_server.MyError"
    assert failure.parents == ["exc_server.MyError", "twisted.spread.pb.Error"]
    assert failure.getErrorMessage() == "boom"
    assert failure.value.remoteTraceback == "Traceback unavailable\n"


def test_twisteds_own_failure_gives_its_exception() -> None:
    twisted = pytest.importorskip("twisted.python.failure")
    error = ValueError()
    assert as_failure(twisted.Failure(error)).value is error


# What it is


def test_type_is_the_dotted_name_of_the_class() -> None:
    """Behaviour 92."""
    assert Failure(ValueError()).type == "builtins.ValueError"
    assert Failure(MyError()).type == f"{__name__}.MyError"


def test_type_of_a_remote_failure_is_the_name_of_the_class_there() -> None:
    assert remote().type == "exc_server.MyError"


def test_parents_are_the_dotted_names_of_the_class_and_all_its_bases() -> None:
    assert Failure(KeyError()).parents == [
        "builtins.KeyError",
        "builtins.LookupError",
        "builtins.Exception",
        "builtins.BaseException",
        "builtins.object",
    ]


def test_parents_of_a_remote_failure_are_those_the_peer_sent() -> None:
    assert remote().parents == MY_ERROR


def test_the_error_message_is_the_text_of_the_exception() -> None:
    """Behaviour 91."""
    assert Failure(ValueError("fall down go boom")).getErrorMessage() == "fall down go boom"
    assert remote().getErrorMessage() == "fall down go boom"
    assert Failure(ValueError()).getErrorMessage() == ""


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_the_error_message_of_an_exception_without_text_says_so() -> None:
    message = f"<{__name__}.Mute, whose text cannot be had: builtins.RuntimeError>"
    assert Failure(Mute()).getErrorMessage() == message
    assert str(Failure(Mute())) == f"{__name__}.Mute: {message}"


# check and trap


def test_check_gives_the_first_member_that_fits() -> None:
    failure = Failure(MyOtherError())

    assert failure.check(ValueError, MyError, Error) is MyError
    assert failure.check(ValueError, KeyError) is None
    assert failure.check() is None


def test_check_takes_names_as_text_and_as_bytes() -> None:
    failure = Failure(KeyError())

    assert failure.check("builtins.ValueError", "builtins.LookupError") == "builtins.LookupError"
    assert failure.check(b"builtins.KeyError") == b"builtins.KeyError"
    assert failure.check(b"\xff") is None


def test_check_knows_our_classes_by_the_names_they_have_at_a_twisted_peer() -> None:
    failure = Failure(DeadReferenceError())

    assert failure.check("twisted.spread.pb.DeadReferenceError")
    assert failure.check("twisted.spread.pb.ProtocolError")
    assert failure.check("pbshell.errors.DeadReferenceError")
    assert Failure(RefusedClass("x.Y", "args[0]")).check("twisted.spread.jelly.InsecureJelly")


def test_check_of_something_that_is_neither_class_nor_name_is_an_error() -> None:
    with pytest.raises(TypeError):
        Failure(ValueError()).check(ValueError())  # type: ignore[type-var]


@pytest.mark.parametrize(
    "wanted", [Error, PBError, RemoteError, Exception, "exc_server.MyError", b"exc_server.MyError"]
)
def test_a_remote_failure_is_checked_by_the_classes_and_names_of_its_parents(
    wanted: type[BaseException] | str | bytes,
) -> None:
    """Behaviour 96: also what the class there is derived from."""
    assert remote().check(KeyError, wanted) == wanted


def test_a_remote_builtin_is_trapped_by_its_class() -> None:
    failure = remote(["builtins.KeyError", "builtins.LookupError", "builtins.Exception"])

    assert failure.trap(LookupError) is LookupError
    assert failure.check(ValueError) is None


def test_an_insecure_jelly_of_the_peer_is_trapped_as_insecure_jelly() -> None:
    """Behaviour 102."""
    assert remote(["twisted.spread.jelly.InsecureJelly", "builtins.Exception"]).trap(InsecureJelly) is InsecureJelly


def test_trap_gives_the_matching_member() -> None:
    """Behaviour 94."""
    assert Failure(MyOtherError()).trap(ValueError, MyOtherError, MyError) is MyOtherError


def test_trap_raises_what_is_not_listed() -> None:
    """Behaviour 95."""
    error = MyError("not for you")
    with pytest.raises(MyError) as caught:
        raised(error).trap(ValueError, KeyError)
    assert caught.value is error


# Raising


def origin() -> None:
    raise ValueError("from the origin")


def test_raising_keeps_the_traceback() -> None:
    try:
        origin()
    except ValueError as error:
        failure = Failure(error)

    for _ in range(2):
        with pytest.raises(ValueError, match="from the origin") as caught:
            failure.raiseException()
        assert [entry.name for entry in caught.traceback][1:] == [
            "raiseException",
            "test_raising_keeps_the_traceback",
            "origin",
        ]


def test_a_remote_failure_raises_a_real_exception_that_says_where_it_is_from() -> None:
    """What Twisted cannot: its copied failures hold text, and text cannot be raised."""
    with pytest.raises(RemoteError, match="fall down go boom") as caught:
        remote(traceback="Traceback unavailable\n").raiseException()
    assert caught.value.remoteType == "exc_server.MyError"
    assert caught.value.remoteTraceback == "Traceback unavailable\n"


def test_an_exception_that_was_raised_is_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        failure = Failure(KeyError())
        with pytest.raises(KeyError):
            failure.raiseException()
        gone = weakref.ref(failure)
        del failure
        assert gone() is None
    finally:
        gc.enable()


def test_a_failure_is_thrown_into_a_generator() -> None:
    def guarded() -> Generator[str, None, None]:
        try:
            yield "ready"
        except ValueError as error:
            yield f"caught {error}"

    generator = guarded()
    next(generator)
    assert Failure(ValueError("it")).throwExceptionIntoGenerator(generator) == "caught it"


# Showing


def test_the_traceback_is_pythons() -> None:
    """Behaviour 93."""
    try:
        origin()
    except ValueError as error:
        text = Failure(error).getTraceback()

    assert text.startswith("Traceback (most recent call last):\n")
    assert "in origin\n" in text
    assert text.endswith("ValueError: from the origin\n")


def test_the_traceback_of_an_exception_that_was_never_raised_is_its_last_line() -> None:
    assert Failure(ValueError("quiet")).getTraceback() == "ValueError: quiet\n"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("", "Traceback of the peer:\nexc_server.MyError: fall down go boom\n"),
        (
            "Traceback unavailable\n",
            "Traceback of the peer:\nTraceback unavailable\nexc_server.MyError: fall down go boom\n",
        ),
        (
            "Traceback:\n  line 3\nexc_server.MyError: fall down go boom\n",
            "Traceback of the peer:\nTraceback:\n  line 3\nexc_server.MyError: fall down go boom\n",
        ),
    ],
)
def test_the_traceback_of_a_remote_failure_is_what_the_peer_chose_to_show(sent: str, shown: str) -> None:
    """Behaviour 93."""
    assert remote(traceback=sent).getTraceback() == shown


def test_the_brief_traceback_has_a_line_for_each_call() -> None:
    try:
        origin()
    except ValueError as error:
        lines = Failure(error).getBriefTraceback().splitlines()

    assert lines[0] == "builtins.ValueError: from the origin"
    assert [line.rpartition(":")[2] for line in lines[1:]] == [
        "test_the_brief_traceback_has_a_line_for_each_call",
        "origin",
    ]


def test_a_printed_traceback_shows_control_characters_and_does_not_obey_them() -> None:
    file = io.StringIO()
    remote(text="\x1b]0;owned\x07\x1b[2J").printTraceback(file)
    assert file.getvalue() == "Traceback of the peer:\nexc_server.MyError: \\x1b]0;owned\\x07\\x1b[2J\n"


def test_a_traceback_is_printed_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    Failure(ValueError("there")).printTraceback()
    assert capsys.readouterr().err == "ValueError: there\n"


def test_str_and_repr_are_one_line_and_harmless() -> None:
    failure = Failure(ValueError("two\nlines \u202e and \x1b[2J"))

    assert str(failure) == "builtins.ValueError: two\\nlines \\u202e and \\x1b[2J"
    assert repr(failure) == "<Failure builtins.ValueError: two\\nlines \\u202e and \\x1b[2J>"
    assert str(Failure(ValueError())) == "builtins.ValueError"


def test_str_and_repr_are_short_whatever_the_peer_sent() -> None:
    failure = remote(["x" * 1_000_000], text="y" * 1_000_000)

    assert len(str(failure)) < 250
    assert str(failure).endswith("... (2,000,002 characters)")
