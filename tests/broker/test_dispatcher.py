"""The peer's calls: object, then perspective, then arguments, then method, then the answer."""

from __future__ import annotations

import contextvars
import gc
import logging
from collections.abc import Callable, Generator
from typing import Any

import pytest

from pbshell.broker.broker import current_connection
from pbshell.broker.flavors import AsReferenceable, Avatar, Cacheable, Copyable, Referenceable, Root
from pbshell.broker.references import RemoteCache
from pbshell.broker.security import SecurityOptions
from pbshell.defer import CancelledError, Deferred, fail, succeed
from pbshell.errors import LimitExceeded, NoSuchMethod, ProtocolError
from pbshell.wire.limits import Limits
from tests.broker.wire import Board, Wire, accepting, books_of, dictionary, failed, message, text, tuple_of


def answer_of(method: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """What a peer gets that calls *method*."""
    (answer,) = Wire(root=Board(x=method), **settings).hears(message(1, b"root", b"x", *args))
    return answer


# ------------------------------------------------------------------------------------------- objects and methods


@pytest.mark.parametrize("target", [99, -1, 2.5, b"other", 2**100, [], [b"list"]])
@pytest.mark.parametrize("verb", [b"message", b"cachemessage"])
def test_an_unknown_object_is_answered_quietly_and_its_loans_go_back(
    verb: bytes, target: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(root=Board())
    said = wire.hears(message(1, target, b"x", [b"remote", 7], k=[b"cached", 8], verb=verb))
    said += wire.said()

    (answer,) = [each for each in said if each[0] == b"error"]
    assert failed(answer)["type"] == b"twisted.spread.pb.Error"
    assert failed(answer)["value"] == "Invalid Object ID"
    assert sorted(each for each in said if each[0] != b"error") == [[b"decache", 8], [b"decref", 7]]
    assert caplog.records == []
    assert not any(books_of(wire.broker).values())


def test_references_and_caches_are_called_by_verbs_of_their_own() -> None:
    class Pond(Cacheable):
        def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
            return {}

    wire = Wire(root=Board(both=lambda: [Board(), Pond()]))
    wire.hears(message(1, b"root", b"both"))

    assert failed(wire.hears(message(2, 2, b"echo"))[0])["value"] == "Invalid Object ID"
    assert failed(wire.hears(message(3, 1, b"echo", verb=b"cachemessage"))[0])["value"] == "Invalid Object ID"
    assert wire.hears(message(4, 1, b"echo", 5)) == [[b"answer", 4, 5]]


def test_an_unknown_method_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    (answer,) = Wire(root=Board()).hears(message(1, b"root", b"frob\nnicate"))

    assert failed(answer)["type"] == b"twisted.spread.flavors.NoSuchMethod"
    assert failed(answer)["value"] == "No such method: remote_frob\nnicate"
    assert "remote_frob\\nnicate" in caplog.text


@pytest.mark.parametrize("name", [b"\xff", b"caf\xe9", b"\xed\xa0\x80"])
def test_a_method_name_that_is_no_utf8_ends_the_connection(name: bytes) -> None:
    wire = Wire(root=Board())
    with pytest.raises(ProtocolError, match="a method name is not UTF-8"):
        wire.hears(message(1, b"root", name))
    assert books_of(wire.broker)["running"] == []


def test_object_perspective_arguments_and_method_come_in_this_order() -> None:
    order: list[str] = []

    class Thing(Referenceable):
        def perspectiveFor(self) -> Any:
            order.append("perspective")
            return "ada"

        def methodFor(self, name: str) -> Any:
            order.append("method")
            return super().methodFor(name)

        def remote_x(self, card: Any) -> Any:
            order.append("call")

    def read(unjellier: Any, expression: Any) -> Any:
        order.append(f"arguments of {unjellier.perspective}")
        return 5

    wire = Wire(root=Board(thing=Thing), security=accepting(Card=read))
    wire.hears(message(1, b"root", b"thing"), message(2, 1, b"x", [b"test.Card", 1]))

    assert order == ["perspective", "arguments of ada", "method", "call"]


def test_references_among_the_arguments_get_the_perspective_of_the_callee() -> None:
    class Player(Avatar):
        def perspective_keep(self, thing: Any) -> None:
            kept.append(thing)

    kept: list[Any] = []
    player = Player()
    wire = Wire(root=Board(login=lambda: AsReferenceable(player, "perspective")))
    wire.hears(message(1, b"root", b"login"), message(2, 1, b"keep", [b"remote", 7]))

    assert kept[0].perspective is player


# ------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("args", "kwargs", "got"),
    [
        (tuple_of(), dictionary(), ((), {})),
        (tuple_of(1, b"x"), dictionary(), ((1, b"x"), {})),
        (tuple_of(1, [b"None"]), dictionary(a=1), ((1, None), {"a": 1})),
        ([b"list", 1, 2], dictionary(), ((1, 2), {})),
        ([b"tuple", 1], [b"dictionary", [b"a", 1], [b"b", 2]], ((1,), {"a": 1, "b": 2})),
        (tuple_of(), [b"dictionary", [b"a", 1], [text("b"), 2]], ((), {"a": 1, "b": 2})),
        (tuple_of(), [b"dictionary", [b"a", 1], [text("a"), 2]], ((), {"a": 2})),
        (tuple_of(), dictionary(self=1, pbanswer=0, callable=2), ((), {"self": 1, "pbanswer": 0, "callable": 2})),
        ([b"reference", 1, tuple_of(5)], [b"reference", 1, dictionary(a=1)], ((5,), {"a": 1})),
    ],
)
def test_arguments_arrive_as_they_were_sent(args: Any, kwargs: Any, got: Any) -> None:
    seen: list[Any] = []
    wire = Wire(root=Board(x=lambda *args, **kwargs: seen.append((args, kwargs))))
    wire.hears([b"message", 1, b"root", b"x", 1, args, kwargs])

    assert seen == [got]


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        (5, dictionary(), "a call carries a tuple and a dictionary"),
        (b"tuple", dictionary(), "a call carries a tuple and a dictionary"),
        ([], dictionary(), "an empty list is no jelly"),
        ([b"None"], dictionary(), "a call carries a tuple and a dictionary"),
        (dictionary(), dictionary(), "a call carries a tuple and a dictionary"),
        ([b"set"], dictionary(), "a call carries a tuple and a dictionary"),
        (tuple_of(), [b"list"], "a call carries a tuple and a dictionary"),
        (tuple_of(), 5, "a call carries a tuple and a dictionary"),
        (tuple_of(), [b"None"], "a call carries a tuple and a dictionary"),
        (tuple_of(), [b"dictionary", [5, 5]], "a keyword is text, not 5"),
        (tuple_of(), [b"dictionary", [b"\xff", 5]], r"a keyword is text, not b'\xff'"),
        (tuple_of(), [b"dictionary", [[b"None"], 5]], "a keyword is text, not None"),
        (tuple_of([b"mod.X", 1]), dictionary(), "Module mod not allowed (in type mod.X)."),
    ],
)
def test_arguments_that_are_none_are_an_answer_and_nothing_is_called(args: Any, kwargs: Any, complaint: str) -> None:
    board = Board(x=lambda *args, **kwargs: pytest.fail("called"))
    (answer,) = Wire(root=board).hears([b"message", 1, b"root", b"x", 1, args, kwargs])

    assert failed(answer)["value"].startswith(complaint)


@pytest.mark.parametrize("method", [b"bad", b"nosuch", b"refuse", b"unsendable", b"later"])
def test_what_a_failed_call_was_given_goes_back_without_the_collector(method: bytes) -> None:
    """No frame of ours may hold the traceback that it is in."""

    def bad(*args: Any) -> None:
        raise ValueError

    board = Board(bad=bad, refuse=lambda: None, unsendable=lambda *_: object(), later=lambda *_: fail(ValueError()))
    wire = Wire(root=board)
    gc.disable()
    try:
        said = wire.hears(message(1, b"root", method, [b"remote", 7], [b"list", [b"remote", 8]]))
        said += wire.said()
    finally:
        gc.enable()

    assert sorted(each for each in said if each[0] == b"decref") == [[b"decref", 7], [b"decref", 8]]


def test_wrong_arguments_are_a_type_error() -> None:
    assert failed(answer_of(lambda: None, 1, 2))["type"] == b"builtins.TypeError"


@pytest.mark.parametrize("bad", [[b"list", [b"remote", 7]], [b"dictionary", [5, [b"remote", 7]]]])
def test_what_a_refused_call_lent_goes_back(bad: Any) -> None:
    wire = Wire(root=Board(x=lambda *_: None))
    said = wire.hears([b"message", 1, b"root", b"x", 1, tuple_of([b"remote", 6]), bad])
    gc.collect()
    said += wire.said()

    assert sorted(each for each in said if each[0] == b"decref") == [[b"decref", 6], [b"decref", 7]]
    assert books_of(wire.broker)["imports"] == {}


# ------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("wanted", [0, b"", 0.0, []])
def test_a_call_that_wants_no_answer_gets_none_whatever_happens(wanted: Any, caplog: pytest.LogCaptureFixture) -> None:
    later: list[Deferred[Any]] = []
    board = Board(bad=lambda: 1 / 0, later=lambda: later.append(Deferred()) or later[-1], unsendable=object)  # type: ignore[func-returns-value]
    wire = Wire(root=board)
    calls = [b"echo", b"bad", b"later", b"later", b"unsendable", b"nosuch"]

    assert wire.hears(*(message(n, b"root", name, answer=wanted) for n, name in enumerate(calls))) == []
    later[0].callback(5)
    later[1].errback(ValueError("late"))
    assert wire.said() == []
    assert books_of(wire.broker)["running"] == []
    assert "a method failed, and no answer is due" in caplog.text
    assert "Peer will receive" not in caplog.text


@pytest.mark.parametrize("wanted", [1, 2, -1, b"no", 0.5, [b"None"], [b"boolean", b"false"]])
def test_whether_an_answer_is_wanted_is_judged_by_truth(wanted: Any) -> None:
    assert Wire(root=Board()).hears(message(1, b"root", b"echo", 5, answer=wanted)) == [[b"answer", 1, 5]]


@pytest.mark.parametrize("request_id", [0, -5, 2**60 - 1, 2.5, b"bytes", b"message", [], [1, [b"list", 2.5]]])
def test_any_short_value_may_be_a_request_id_and_is_echoed(request_id: Any) -> None:
    wire = Wire(root=Board())

    assert wire.hears(message(request_id, b"root", b"echo", 5)) == [[b"answer", request_id, 5]]
    (answer,) = wire.hears(message(request_id, b"root", b"nosuch"))
    assert answer[:2] == [b"error", request_id]


@pytest.mark.parametrize("request_id", [2**60, -(2**60), 2**61 - 1, b"x" * 600_000, [[b"x" * 600_000] * 25]])
def test_a_request_id_that_would_not_fit_into_an_answer_ends_the_connection(request_id: Any) -> None:
    """Numbers beyond 60 bits share their hashes as a peer likes."""
    wire = Wire(root=Board())
    with pytest.raises(ProtocolError, match=r"a request id is a number below 2 .. 60 or short, not ") as caught:
        wire.hears(message(request_id, b"root", b"echo", 5))
    assert len(str(caught.value)) < 200
    assert books_of(wire.broker)["running"] == []


def test_a_request_id_may_come_again_while_it_runs() -> None:
    waiting: list[Deferred[Any]] = []
    wire = Wire(root=Board(wait=lambda: waiting.append(Deferred()) or waiting[-1]))  # type: ignore[func-returns-value]
    wire.hears(*[message(1, b"root", b"wait")] * 3, message(b"1", b"root", b"wait"))
    assert len(books_of(wire.broker)["running"]) == 4
    for number, deferred in enumerate(waiting):
        deferred.callback(number)

    assert wire.said() == [[b"answer", 1, 0], [b"answer", 1, 1], [b"answer", 1, 2], [b"answer", b"1", 3]]
    assert books_of(wire.broker)["running"] == []


@pytest.mark.parametrize("distinct", [True, False])
def test_more_running_calls_than_the_limit_are_refused(distinct: bool) -> None:
    waiting: list[Deferred[Any]] = []
    wire = Wire(root=Board(wait=lambda *_: waiting.append(Deferred()) or waiting[-1]), limits=Limits(pending=2))  # type: ignore[func-returns-value]
    said = wire.hears(*(message(n if distinct else 1, b"root", b"wait", [b"remote", 7]) for n in range(1, 4)))

    assert len(waiting) == 2
    (answer,) = [each for each in said if each[0] == b"error"]
    assert failed(answer)["value"] == "3 calls run here: Limits(pending=2) here"
    assert failed(answer)["type"] == b"pbshell.errors.LimitExceeded"
    waiting[0].callback(None)
    wire.hears(message(4, b"root", b"wait"))
    assert len(waiting) == 3
    assert LimitExceeded.__name__ in failed(answer)["parents"][0]
    del said
    assert books_of(wire.broker)["imports"] == {}


def test_a_running_call_shows_what_was_called_and_when() -> None:
    wire = Wire(root=Board(wait=Deferred))
    wire.now = 2.5
    wire.hears(message(7, b"root", b"wait"))
    (running,) = wire.broker.theirs.pending.values()

    assert (running.request, running.verb, running.luid, running.method, running.since) == (
        7,
        b"message",
        b"root",
        "wait",
        2.5,
    )


@pytest.mark.parametrize("unsendable", [object(), "\ud800", 2**448, b"x" * 655_361, [object()], {"a": [2**448]}])
@pytest.mark.parametrize("later", [False, True])
def test_an_answer_that_cannot_be_sent_becomes_an_error_that_can(unsendable: Any, later: bool) -> None:
    waiting: Deferred[Any] = Deferred()
    wire = Wire(root=Board(x=lambda: waiting if later else unsendable))
    said = wire.hears(message(1, b"root", b"x"))
    if later:
        waiting.callback(unsendable)
        said = wire.said()

    assert [each[:2] for each in said] == [[b"error", 1]]
    assert wire.hears(message(2, b"root", b"echo", 5)) == [[b"answer", 2, 5]]
    assert books_of(wire.broker)["running"] == []


@pytest.mark.parametrize(
    "limits", [Limits(string=400), Limits(expression=2_000), Limits(list=30), Limits(items=100), Limits(depth=8)]
)
def test_an_error_that_exceeds_our_limits_becomes_a_shorter_one(limits: Limits) -> None:
    error = ValueError("x" * 3_000)

    (answer,) = Wire(root=Board(x=lambda: fail(error)), limits=limits, unsafeTracebacks=True).hears(
        message(1, b"root", b"x")
    )
    assert answer[:2] == [b"error", 1]


# ------------------------------------------------------------------------------------------- what a method may return


class Awaitable:
    """Waits for nothing."""

    def __await__(self) -> Generator[Any, Any, int]:
        yield from ()
        return 5


async def coroutine(result: Any = 5) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result


class ForeignFailure:
    """Another library's Failure, whose value is no exception."""

    type = b"far.Bad"
    value = "far away"
    parents = (b"far.Bad", b"far.Base")

    def trap(self, *wanted: Any) -> Any:
        raise NotImplementedError

    def getTraceback(self) -> str:
        return "their frames"


class ForeignDeferred:
    """Another library's Deferred: anything with addCallbacks."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def addCallbacks(self, callback: Any, errback: Any) -> None:
        (errback if isinstance(self.result, ForeignFailure) else callback)(self.result)


@pytest.mark.parametrize(
    "make",
    [lambda: 5, lambda: succeed(5), coroutine, Awaitable, lambda: ForeignDeferred(5)],
    ids=["value", "deferred", "coroutine", "awaitable", "foreign"],
)
def test_a_method_returns_a_value_or_what_will_be_one(make: Any) -> None:
    assert answer_of(make) == [b"answer", 1, 5]


@pytest.mark.parametrize(
    "make", [lambda: fail(KeyError("x")), lambda: coroutine(KeyError("x"))], ids=["deferred", "coroutine"]
)
def test_what_fails_later_is_an_error_answer(make: Any) -> None:
    fields = failed(answer_of(make))

    assert (fields["type"], fields["value"]) == (b"builtins.KeyError", "'x'")


def test_a_failure_of_another_library_is_an_error_answer() -> None:
    fields = failed(answer_of(lambda: ForeignDeferred(ForeignFailure())))

    assert (fields["type"], fields["value"], fields["parents"]) == (b"far.Bad", "far away", ["far.Bad", "far.Base"])


@pytest.mark.parametrize("error", [GeneratorExit(), CancelledError(), BaseException("bad")])
def test_even_what_is_no_exception_is_an_error_answer(error: BaseException) -> None:
    def bad() -> None:
        raise error

    assert answer_of(bad)[:2] == [b"error", 1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_is_for_the_program(error: type[BaseException]) -> None:
    def stop() -> None:
        raise error

    with pytest.raises(error):
        answer_of(stop)


def test_calls_start_in_order_of_arrival_and_only_what_waits_is_answered_later() -> None:
    waiting: Deferred[Any] = Deferred()
    started: list[str] = []

    async def slow() -> str:
        started.append("slow")
        await waiting
        return "slow"

    def quick() -> str:
        started.append("quick")
        return "quick"

    wire = Wire(root=Board(slow=slow, quick=quick))
    assert wire.hears(message(1, b"root", b"slow"), message(2, b"root", b"quick")) == [[b"answer", 2, text("quick")]]
    assert started == ["slow", "quick"]
    waiting.callback(None)
    assert wire.said() == [[b"answer", 1, text("slow")]]


def test_what_a_method_says_to_the_peer_comes_before_its_answer() -> None:
    wire = Wire(root=Board(x=lambda: wire.broker.root_reference().callRemote("look", pbanswer=False) and 5))

    assert wire.hears(message(1, b"root", b"x")) == [message(1, b"root", b"look", answer=0), [b"answer", 1, 5]]


def test_a_result_is_kept_until_it_is_sent() -> None:
    """`remote_echo(x): return x` sends the reference home before it gives it back."""
    assert Wire(root=Board()).hears(message(1, b"root", b"echo", [b"remote", 7])) == [
        [b"answer", 1, [b"local", 7]],
        [b"decref", 7],
    ]


# ------------------------------------------------------------------------------------------- after the loss


def test_answers_of_what_still_runs_after_the_loss_are_dropped_with_a_debug_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "pbshell.broker")
    waiting: list[Deferred[Any]] = []
    wire = Wire(root=Board(wait=lambda: waiting.append(Deferred()) or waiting[-1]))  # type: ignore[func-returns-value]
    wire.hears(message(1, b"root", b"wait"), message(2, b"root", b"wait"))
    wire.lose()
    assert books_of(wire.broker)["running"] == []
    waiting[0].callback(Referenceable())

    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, "the wire: answer to call 1 dropped: peer gone")
    caplog.clear()
    waiting[1].errback(ValueError("which nobody else would tell"))
    assert "ValueError: which nobody else would tell" in caplog.text
    assert "Peer will receive" not in caplog.text
    assert wire.said() == []
    assert not any(books_of(wire.broker).values())


def test_a_method_that_ends_the_connection_is_not_answered() -> None:
    wire = Wire(root=Board(end=lambda *_: wire.lose(), keep=lambda *_: pytest.fail("called")))

    assert wire.hears(message(1, b"root", b"end"), message(2, b"root", b"keep")) == []
    assert not any(books_of(wire.broker).values())


def test_a_hook_of_an_answer_that_ends_the_connection_sends_nothing() -> None:
    class Fatal(Copyable):
        def getStateToCopy(self) -> Any:
            wire.lose()
            return {}

    for result in (Fatal, lambda: [Fatal(), Referenceable()]):
        wire = Wire(root=Board(x=result))
        assert wire.hears(message(1, b"root", b"x")) == []
        assert not any(books_of(wire.broker).values())


def test_an_error_that_writes_itself_and_ends_the_connection_sends_nothing() -> None:
    class Fatal(Copyable, Exception):
        def getStateToCopy(self) -> Any:
            wire.lose()
            return {}

    wire = Wire(root=Board(x=lambda: fail(Fatal())))

    assert wire.hears(message(1, b"root", b"x")) == []


# ------------------------------------------------------------------------------------------- context


def test_each_call_runs_in_a_copy_of_the_context() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

    async def later() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    def now() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    variable.set(10)
    wire = Wire(root=Board(now=now, later=later))
    variable.set(20)

    assert wire.hears(*(message(n, b"root", name) for n, name in enumerate([b"now", b"now", b"later", b"later"]))) == [
        [b"answer", n, 11] for n in range(4)
    ]
    assert variable.get() == 20


def test_a_method_can_ask_whose_call_it_runs() -> None:
    seen: list[Any] = []

    async def later() -> None:
        seen.append(current_connection())

    wire = Wire(root=Board(now=lambda: seen.append(current_connection()), later=later))
    other = Wire(root=Board(now=lambda: wire.hears(message(3, b"root", b"now")) and None))
    wire.hears(message(1, b"root", b"now"), message(2, b"root", b"later"))
    other.hears(message(1, b"root", b"now"))

    assert seen == [wire, wire, wire]
    assert current_connection() is None


# ------------------------------------------------------------------------------------------- what may change on the way


def test_one_call_may_register_what_the_next_one_carries() -> None:
    """One expression and all its consequences, then the next: they came in one piece."""

    class Card(RemoteCache):
        pass

    security = accepting()
    register = lambda: security.registry.setUnjellyableForClass("test.Card", Card)  # noqa: E731
    board = Board(register=register)
    wire = Wire(root=board, security=security)
    wire.hears(message(1, b"root", b"register"), message(2, b"root", b"keep", [b"test.Card", 5, dictionary(a=1)]))

    assert vars(board.kept[0]) == {"a": 1}


def test_security_is_the_connections_own() -> None:
    narrow = SecurityOptions(types=["tuple", "dictionary", "unicode"])

    assert answer_of(lambda value: value, text("x"), security=narrow) == [b"answer", 1, text("x")]
    assert answer_of(lambda value: value, [b"list"], security=narrow)[0] == b"error"


def test_a_root_without_the_method_says_so_even_if_it_has_an_attribute_of_that_name() -> None:
    class Hall(Root):
        remote_nothing = None

    (answer,) = Wire(root=Hall()).hears(message(1, b"root", b"nothing"))
    assert failed(answer)["type"].decode() in failed(answer)["parents"]
    assert NoSuchMethod.__name__ in failed(answer)["parents"][0]
