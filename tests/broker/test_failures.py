"""Exceptions to what travels, and back."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbshell import pb
from pbshell.broker.failures import CopiedFailure, failure_expression, parents_of, remote_error
from pbshell.broker.flavors import Copyable
from pbshell.broker.references import RemoteCopy
from pbshell.broker.security import SecurityOptions
from pbshell.broker.unjelly import unjelly
from pbshell.defer import Failure
from pbshell.errors import (
    WIRE_NAMES,
    CannotJelly,
    DeadReferenceError,
    Error,
    InsecureJelly,
    LimitExceeded,
    LoginFailed,
    NoSuchMethod,
    PBConnectionLost,
    ProtocolError,
    RefusedClass,
    RemoteError,
    Unauthorized,
    UnauthorizedLogin,
)
from pbshell.testing.loopback import loopback
from pbshell.wire.banana import encode
from tests.broker.wire import Board, Wire, accepting, copied, dictionary, failed, message, outcome, text
from tests.strategies import expressions

TOP = ["builtins.Exception", "builtins.BaseException", "builtins.object"]


class Quiet(Error):
    """An application's own exception."""


class Denied(Unauthorized):
    """An application's own kind of ours."""


class Strange(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no text")


HERE = __name__


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (ValueError, ["builtins.ValueError"]),
        (KeyError, ["builtins.KeyError", "builtins.LookupError"]),
        (Error, ["twisted.spread.pb.Error"]),
        (Quiet, [f"{HERE}.Quiet", "twisted.spread.pb.Error"]),
        (NoSuchMethod, ["twisted.spread.flavors.NoSuchMethod", "builtins.AttributeError"]),
        (ProtocolError, ["twisted.spread.pb.ProtocolError"]),
        (DeadReferenceError, ["twisted.spread.pb.DeadReferenceError", "twisted.spread.pb.ProtocolError"]),
        (RefusedClass, ["pbshell.errors.RefusedClass", "twisted.spread.jelly.InsecureJelly"]),
        (
            UnauthorizedLogin,
            [
                "twisted.cred.error.UnauthorizedLogin",
                "twisted.cred.error.LoginFailed",
                "twisted.cred.error.Unauthorized",
            ],
        ),
        (Denied, [f"{HERE}.Denied", "twisted.cred.error.Unauthorized"]),
        (LimitExceeded, ["pbshell.errors.LimitExceeded", "pbshell.errors.PeerError", "pbshell.errors.PBError"]),
        (KeyboardInterrupt, None),
    ],
)
def test_an_exception_travels_under_the_names_a_twisted_peer_knows(
    cls: type[BaseException], names: list[str] | None
) -> None:
    found = parents_of(cls)

    assert found[-3:] == TOP
    assert len(set(found)) == len(found)
    if names is not None and cls is not RefusedClass:
        assert found == [*names, *TOP]
    elif cls is RefusedClass:
        assert "twisted.spread.jelly.InsecureJelly" in found


def fields_of(error: BaseException, **settings: Any) -> dict[str, Any]:
    return failed([b"error", 1, failure_expression(Failure(error), **settings)])


def test_a_failure_has_the_fields_that_twisteds_has() -> None:
    fields = fields_of(ValueError("bad"))

    assert fields.pop("count") > 0
    assert fields == {
        "type": b"builtins.ValueError",
        "value": "bad",
        "captureVars": [b"boolean", b"false"],
        "tb": [b"None"],
        "unsafeTracebacks": [b"boolean", b"false"],
        "parents": ["builtins.ValueError", *TOP],
        "frames": [],
        "stack": [],
        "traceback": "Traceback unavailable\n",
    }


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_frames_and_file_names_are_told_only_when_that_was_asked_for() -> None:
    error = raised(ValueError("bad"))

    assert "test_failures" not in repr(failure_expression(Failure(error)))
    fields = fields_of(error, unsafeTracebacks=True)
    assert fields["unsafeTracebacks"] == [b"boolean", b"true"]
    assert "test_failures.py" in fields["traceback"]
    assert fields["traceback"].endswith("ValueError: bad\n")


def test_what_is_told_instead_replaces_the_text() -> None:
    fields = fields_of(ValueError("secret"), told="error 5")

    assert fields["value"] == "error 5"
    assert fields["type"] == b"builtins.ValueError"
    refused = RefusedClass("mod.X", "args[0]", told="Module mod not allowed")
    assert fields_of(refused)["value"] == "Module mod not allowed"
    assert fields_of(RefusedClass("mod.X", "args[0]"))["value"].startswith("args[0] is of class mod.X")


def test_an_exception_whose_text_cannot_be_had_is_told_so() -> None:
    assert fields_of(Strange())["value"] == "<unprintable Strange: str() raised RuntimeError>"


@pytest.mark.parametrize("size", [60_000, 60_001, 10**6])
def test_a_long_text_is_cut_and_fits_into_a_string(size: int) -> None:
    for letter in ("x", "🍌", "\ud800"):
        value = fields_of(ValueError(letter * size), unsafeTracebacks=True)
        assert value["value"].endswith(f"... ({size:,} characters)") == (size > 60_000)
        assert encode(failure_expression(Failure(ValueError(letter * size)), unsafeTracebacks=True))


def test_lone_surrogates_are_spelled_out() -> None:
    assert fields_of(ValueError("a \ud800 b"))["value"] == "a \\ud800 b"


def test_a_failure_that_is_passed_on_keeps_its_names_and_loses_no_order() -> None:
    error = RemoteError("mod.Far", "far away", "their traceback", ["mod.Far", "mod.Base"])
    fields = fields_of(error)

    assert (fields["type"], fields["value"], fields["parents"]) == (b"mod.Far", "far away", ["mod.Far", "mod.Base"])
    assert list(fields)[-4:] == ["traceback", "parents", "frames", "stack"]
    assert list(fields_of(ValueError()))[-4:] == ["parents", "frames", "stack", "traceback"]


def test_what_another_peer_chose_is_passed_on_only_as_far_as_it_is_sane() -> None:
    error = RemoteError("t" * 10**6, "v" * 10**6, "", ["p" * 10**6] * 1_000)

    assert len(encode(failure_expression(Failure(error)))) < 200_000


# ------------------------------------------------------------------------------------------- and back


def test_a_copied_failure_is_a_remote_error() -> None:
    failure = unjelly(copied(b"mod.Oops", "bad", traceback=text("their frames")))
    error = failure.value

    assert isinstance(failure, CopiedFailure)
    assert (error.remoteType, str(error), error.remoteTraceback, error.parents) == (
        "mod.Oops",
        "bad",
        "their frames",
        ("mod.Oops",),
    )
    assert failure.check("mod.Oops") == "mod.Oops"
    assert error.check(b"mod.Oops", ValueError) == b"mod.Oops"


@pytest.mark.parametrize("cls", [Error, NoSuchMethod, InsecureJelly, Unauthorized, LoginFailed, UnauthorizedLogin])
def test_what_exists_here_is_also_of_the_class_it_has_here(cls: type[BaseException]) -> None:
    name = WIRE_NAMES[cls][0]
    error = unjelly(copied(name.encode(), "no")).value

    assert isinstance(error, cls)
    assert isinstance(error, RemoteError)
    assert str(error) == "no"
    inherited = remote_error("app.Own", "no", "", ["app.Own", name])
    assert isinstance(inherited, cls)


@pytest.mark.parametrize("cls", [PBConnectionLost, DeadReferenceError, ProtocolError])
def test_a_connection_that_the_peer_lost_is_not_ours(cls: type[BaseException]) -> None:
    failure = unjelly(copied(WIRE_NAMES[cls][0].encode(), "gone"))

    assert not isinstance(failure.value, cls)
    assert failure.check(cls) is cls


@pytest.mark.parametrize(
    ("state", "kind", "value", "parents"),
    [
        (dictionary(), "unknown", "", ("unknown",)),
        ([b"None"], "unknown", "", ("unknown",)),
        ([b"list"], "unknown", "", ("unknown",)),
        (5, "unknown", "", ("unknown",)),
        (dictionary(type=text("m.E"), value=b"bytes \xff"), "m.E", "bytes \\xff", ("m.E",)),
        (dictionary(type=b"m.E", parents=[b"tuple", b"m.Base"]), "m.E", "", ("m.E", "m.Base")),
        (dictionary(type=b"m.E", parents=5), "m.E", "", ("m.E",)),
        (dictionary(type=b"m.E", value=5), "m.E", "5", ("m.E",)),
        (dictionary(type=b"m.E", value=[b"None"]), "m.E", "None", ("m.E",)),
        (dictionary(type=b"m.E", value=[b"list", 1]), "m.E", "a list", ("m.E",)),
        ([b"dictionary", [b"type", b"m.E"], [b"parents", [b"list", b"m.E", text("x")]]], "m.E", "", ("m.E", "x")),
        ([b"dictionary", [5, 5], [[b"tuple"], 5]], "unknown", "", ("unknown",)),
    ],
)
def test_whatever_is_missing_or_odd_in_a_failure_the_call_has_failed(
    state: Any, kind: str, value: str, parents: tuple[str, ...]
) -> None:
    error = unjelly([b"twisted.spread.pb.CopyableFailure", state]).value

    assert (error.remoteType, error.remoteValue, error.parents) == (kind, value, parents)


def test_a_failure_without_a_state_is_one_all_the_same_and_one_with_more_is_none() -> None:
    assert unjelly([b"twisted.spread.pb.CopyableFailure"]).value.remoteType == "unknown"
    with pytest.raises(ProtocolError, match="instead of its state alone"):
        unjelly([b"twisted.spread.pb.CopyableFailure", dictionary(), 1])


def test_what_is_in_a_failure_is_never_written_out() -> None:
    """A list of two lists of two lists ... takes for ever, and a class of ours may raise."""
    shared = [
        b"list",
        [b"reference", 0, [b"list"]],
        *([b"reference", n, [b"list", *[[b"dereference", n - 1]] * 2]] for n in range(1, 99)),
    ]
    wire = Wire()
    result = wire.broker.root_reference().callRemote("x")
    wire.said()
    wire.hears([b"error", 1, [copied()[0], dictionary(value=shared)]])

    assert str(outcome(result)) == "a list"


@given(expressions())
def test_any_state_makes_a_failure_or_is_refused(state: Any) -> None:
    try:
        failure = unjelly([b"twisted.spread.pb.CopyableFailure", state])
    except (ProtocolError, LimitExceeded, RefusedClass):
        return
    assert isinstance(failure.value, RemoteError)


@given(st.text(max_size=50), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
def test_any_text_arrives_as_it_was_but_for_surrogates(value: str, name: str) -> None:
    cls = type(name or "E", (Exception,), {"__module__": "app"})
    failure = unjelly(failure_expression(Failure(cls(value))))

    assert failure.value.remoteValue == value.encode("utf-8", "backslashreplace").decode()
    assert failure.value.check(Exception) is Exception


# ------------------------------------------------------------------------------------------- both ends


class Spill(Error, Copyable):
    """An exception that travels as itself."""

    def __init__(self, where: str = "") -> None:
        super().__init__(where)
        self.where = where


class SpillCopy(RemoteCopy, Error):
    """What it becomes."""

    where: str


SPILL = f"{HERE}.Spill".encode()


def failing(error: BaseException) -> Board:
    def fail() -> None:
        raise error

    return Board(fail=fail)


def both_ends(error: BaseException, **settings: Any) -> BaseException:
    pair = loopback(failing(error), **settings)
    result = pair.root.callRemote("fail")
    pair.run()
    found = outcome(result)
    assert isinstance(found, BaseException)
    return found


def test_an_exception_of_the_server_is_one_of_the_client() -> None:
    error = both_ends(KeyError("x"))

    assert isinstance(error, RemoteError)
    assert error.check(LookupError) is LookupError
    assert error.remoteType == "builtins.KeyError"


def test_an_exception_that_writes_itself_arrives_as_its_copy() -> None:
    knows = SecurityOptions()
    knows.registry.setUnjellyableForClass(SPILL, SpillCopy)
    error = both_ends(Spill("the floor"), client_security=knows)

    assert isinstance(error, SpillCopy)
    assert error.where == "the floor"


def test_an_exception_of_an_allowed_class_arrives_as_one() -> None:
    class Bad(Exception):
        code = 0

    Bad.__module__ = Bad.__qualname__ = "app"
    security = SecurityOptions()
    security.allowInstancesOf(Bad)
    bad = Bad("text")
    bad.code = 5
    error = both_ends(bad, security=security, client_security=security)

    assert isinstance(error, Bad)
    assert error.code == 5


def test_an_exception_that_cannot_write_itself_is_copied_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    spill = Spill("the floor")
    spill.where = object()  # type: ignore[assignment]
    error = both_ends(spill)

    assert isinstance(error, Error)
    assert isinstance(error, RemoteError)
    assert error.remoteType == SPILL.decode()
    assert "an exception that writes itself could not be sent" in caplog.text


def test_a_relayed_error_arrives_as_it_was_first() -> None:
    first = both_ends(KeyError("x"))
    second = both_ends(first)

    assert isinstance(second, RemoteError)
    assert isinstance(first, RemoteError)
    assert (second.remoteType, second.remoteValue, second.parents) == (
        first.remoteType,
        first.remoteValue,
        first.parents,
    )


@pytest.mark.parametrize(
    "error", [ValueError("secret"), Denied("secret"), Strange("secret"), RemoteError("m.E", "secret")]
)
def test_errors_by_type_hide_every_text(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    told = both_ends(error, security=SecurityOptions(errors="type"))
    number = str(told).split()[1].rstrip(":")

    assert isinstance(told, RemoteError)
    assert "secret" not in str(told)
    assert told.remoteType == parents_of(type(error))[0] or isinstance(error, RemoteError)
    assert f"error {number}, of which the peer is told this number" in caplog.text


def test_errors_by_type_hide_what_our_own_errors_say_of_us() -> None:
    pair = loopback(Board(leak=lambda: {"secret": object()}), security=SecurityOptions(errors="type"))
    result = pair.root.callRemote("leak")
    pair.run()

    assert "secret" not in str(outcome(result))


@pytest.mark.parametrize("error", [Quiet("meant for the caller"), NoSuchMethod("No such method: remote_x")])
def test_errors_by_type_tell_what_is_meant_to_be_told(error: BaseException) -> None:
    assert str(both_ends(error, security=SecurityOptions(errors="type"))) == str(error)


def test_a_quiet_error_is_not_logged_where_it_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pbshell")
    both_ends(Quiet("for the caller"))
    assert caplog.records == []

    both_ends(ValueError("for both\n\x1b[31m"))
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "Peer will receive following PB traceback" in record.getMessage()
    assert "ValueError: for both" in record.getMessage()
    assert "\x1b" not in record.getMessage()


def test_what_we_refuse_ourselves_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    both_ends(CannotJelly("m.X", "the result"))

    (record,) = caplog.records
    assert record.getMessage().startswith("server: a call was refused: the result is of type m.X")
    assert "\n" not in record.getMessage()


def test_the_log_of_a_huge_error_is_not_huge(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(root=failing(ValueError("x\n" * 10**6)))
    wire.hears(message(1, b"root", b"fail"), message(2, b"root", b"n" * 600_000))

    assert all(len(record.getMessage()) < 200_000 for record in caplog.records)


def test_an_application_error_of_ours_whose_text_cannot_be_had_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    class Worse(Unauthorized):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert str(both_ends(Worse())) == "<unprintable Worse: str() raised RuntimeError>"


def test_the_names_of_twisted_are_public() -> None:
    assert pb.Error is Error
    security = accepting()
    assert security.errors == "text"
