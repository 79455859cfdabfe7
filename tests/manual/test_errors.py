"""The PB manual on exceptions that cross, and on what a Failure is good for."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from pbshell import pb
from pbshell.defer import Deferred, Failure, fail
from pbshell.testing import Loopback, loopback
from tests.manual.talk import failure, result


class MyError(pb.Error):
    """An exception that is meant for the caller."""


class MyError2(Exception):
    """One that nobody expected."""


class Sub(MyError):
    pass


class Raiser(pb.Root):
    def remote_expected(self) -> None:
        raise MyError("fall down go boom")

    def remote_unexpected(self) -> None:
        raise MyError2("hadda owie")

    def remote_value(self) -> None:
        raise ValueError("bad value")

    def remote_sub(self) -> None:
        raise Sub("a kind of MyError")

    def remote_fine(self) -> str:
        return "fine"


class User(pb.Avatar):
    def perspective_expected(self) -> None:
        raise MyError("from an avatar")


class Lender(Raiser):
    def remote_avatar(self) -> pb.AsReferenceable:
        return pb.AsReferenceable(User(), "perspective")


@pytest.fixture
def loop() -> Loopback:
    return loopback(Lender())


def test_a_pb_error_reaches_the_errback_of_the_caller(loop: Loopback) -> None:
    """B83."""
    avatar = result(loop, loop.root.callRemote("avatar"))

    for reference, text in ((loop.root, "fall down go boom"), (avatar, "from an avatar")):
        reason = failure(loop, reference.callRemote("expected"))
        assert reason.check(MyError)
        assert reason.getErrorMessage() == text


@pytest.mark.parametrize(("name", "kind"), [("unexpected", MyError2), ("value", ValueError)])
def test_any_other_exception_reaches_it_as_well(loop: Loopback, name: str, kind: type[Exception]) -> None:
    """B84."""
    assert failure(loop, loop.root.callRemote(name)).check(kind)


def test_a_pb_error_makes_no_noise_where_it_was_raised(loop: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    """B85."""
    with caplog.at_level(logging.DEBUG):
        failure(loop, loop.root.callRemote("expected"))

    assert caplog.text == ""


def test_others_are_logged_there_with_their_traceback(loop: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    """B86."""
    with caplog.at_level(logging.DEBUG):
        failure(loop, loop.root.callRemote("unexpected"))

    (record,) = caplog.records
    text = record.getMessage()
    assert record.levelno == logging.ERROR
    assert "Peer will receive following PB traceback" in text
    assert "remote_unexpected" in text
    assert "hadda owie" in text


def test_the_connection_survives_both_kinds(loop: Loopback) -> None:
    """B87."""
    for name in ("expected", "unexpected"):
        failure(loop, loop.root.callRemote(name))
        assert result(loop, loop.root.callRemote("fine")) == "fine"


def test_the_message_goes_wherever_the_log_goes(loop: Loopback) -> None:
    """B88: the log is Python's own, so a handler decides."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Handler()
    logging.getLogger("pbshell").addHandler(handler)
    try:
        failure(loop, loop.root.callRemote("unexpected"))
    finally:
        logging.getLogger("pbshell").removeHandler(handler)

    assert "hadda owie" in lines[0]


def test_the_caller_gets_the_same_kind_of_failure_either_way(loop: Loopback) -> None:
    """B89."""
    expected = failure(loop, loop.root.callRemote("expected"))
    unexpected = failure(loop, loop.root.callRemote("unexpected"))

    assert type(expected) is type(unexpected)
    assert isinstance(expected.value, pb.RemoteError)
    assert isinstance(unexpected.value, pb.RemoteError)


def test_what_the_caller_gets_is_a_copied_failure(loop: Loopback) -> None:
    """B90."""
    assert type(failure(loop, loop.root.callRemote("expected"))) is pb.CopiedFailure


def test_getErrorMessage_is_the_text_of_the_exception(loop: Loopback) -> None:
    """B91."""
    assert failure(loop, loop.root.callRemote("expected")).getErrorMessage() == "fall down go boom"


def test_the_type_of_a_failure_is_a_qualified_name_in_text(loop: Loopback) -> None:
    """B92: with Twisted today it is bytes; on the wire it is so here as well."""
    assert failure(loop, loop.root.callRemote("expected")).type == f"{__name__}.MyError"
    assert failure(loop, loop.root.callRemote("value")).type == "builtins.ValueError"
    assert Failure(MyError()).type == f"{__name__}.MyError"


def test_a_traceback_comes_with_it_but_shows_frames_only_if_the_server_wants(loop: Loopback) -> None:
    """B93."""
    hidden = failure(loop, loop.root.callRemote("value")).getTraceback()
    assert "builtins.ValueError: bad value" in hidden
    assert "remote_value" not in hidden
    assert __file__ not in hidden

    open_house = loopback(Raiser(), unsafeTracebacks=True)
    shown = failure(open_house, open_house.root.callRemote("value")).getTraceback()
    assert "remote_value" in shown


def test_trap_gives_the_member_that_matches(loop: Loopback) -> None:
    """B94."""
    for reason in (Failure(MyError("x")), failure(loop, loop.root.callRemote("expected"))):
        assert reason.trap(KeyError, MyError, pb.Error) is MyError


def test_trap_lets_what_is_not_listed_go_on_to_the_next_errback(loop: Loopback) -> None:
    """B95."""
    seen: list[Any] = []
    deferred = loop.root.callRemote("expected")
    deferred.addErrback(lambda reason: seen.append(("first", reason.trap(KeyError))))
    deferred.addErrback(lambda reason: seen.append(("second", reason.trap(MyError))))
    loop.run()

    assert seen == [("second", MyError)]
    with pytest.raises(ZeroDivisionError):
        Failure(ZeroDivisionError()).trap(KeyError)


def test_trap_knows_remote_exceptions_by_class_and_by_base_class(loop: Loopback) -> None:
    """B96."""
    reason = failure(loop, loop.root.callRemote("sub"))

    assert reason.trap(Sub) is Sub
    assert reason.trap(MyError) is MyError
    assert reason.trap(pb.Error) is pb.Error
    assert reason.trap(Exception) is Exception
    assert reason.trap(f"{__name__}.Sub") == f"{__name__}.Sub"
    assert reason.check(MyError2, ValueError) is None


def test_each_errback_handles_a_set_of_its_own(loop: Loopback) -> None:
    """B97."""
    handled: list[str] = []

    def errback(name: str, *kinds: type[Exception]) -> Any:
        def handle(reason: Failure) -> str:
            reason.trap(*kinds)
            handled.append(name)
            return name

        return handle

    for call in ("expected", "unexpected", "value"):
        deferred = loop.root.callRemote(call)
        deferred.addErrback(errback("ours", MyError, MyError2))
        deferred.addErrback(errback("values", ValueError, TypeError))
        loop.run()

    assert handled == ["ours", "ours", "values"]


def test_an_errback_that_returns_none_ends_the_error_and_the_next_callback_goes_on(loop: Loopback) -> None:
    """B98."""
    got: list[Any] = []
    loop.root.callRemote("expected").addErrback(lambda reason: None).addCallbacks(got.append, lambda reason: 1 / 0)
    loop.run()

    assert got == [None]


def test_a_failure_that_nobody_handled_is_reported_by_the_calling_side_when_it_is_collected(
    loop: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    """B99."""
    deferred = loop.root.callRemote("expected")
    with caplog.at_level(logging.DEBUG):
        loop.run()
        assert caplog.text == ""
        del deferred
        gc.collect()

    (record,) = caplog.records
    assert record.name == "pbshell.defer"
    assert "Unhandled error in Deferred" in record.getMessage()
    assert "fall down go boom" in caplog.text


def test_that_report_goes_to_the_log_and_is_lost_with_it(capfd: pytest.CaptureFixture[str]) -> None:
    """B100."""
    logger = logging.getLogger("pbshell.defer")
    logger.disabled = True
    try:
        fail(MyError("nobody will know"))
        gc.collect()
    finally:
        logger.disabled = False

    assert capfd.readouterr() == ("", "")


def test_the_handler_of_a_success_is_not_reached_by_a_failure(loop: Loopback) -> None:
    """B101: the manual's listing gives that handler no parameter; nothing calls it."""
    got: list[str] = []

    def working() -> None:
        got.append("working")

    loop.root.callRemote("expected").addCallbacks(working, lambda reason: got.append("broken"))
    loop.run()

    assert got == ["broken"]


def test_insecure_jelly_that_was_raised_over_there_can_be_trapped_here() -> None:
    """B102."""

    class Frog(pb.Copyable):
        pass

    class Ponds(pb.Root):
        def remote_take(self, thing: object) -> None:
            raise AssertionError("never reached")

        def remote_raise(self) -> None:
            raise pb.InsecureJelly("not in my pond")

    loop = loopback(Ponds())
    calls: list[Deferred[Any]] = [loop.root.callRemote("take", Frog()), loop.root.callRemote("raise")]
    for call in calls:
        assert failure(loop, call).trap(pb.InsecureJelly) is pb.InsecureJelly
