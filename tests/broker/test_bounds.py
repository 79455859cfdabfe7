"""What may be asked of a Broker in a few bytes, and what it costs: the sums that no single message exceeds."""

from __future__ import annotations

from typing import Any

import pytest

from pbshell.broker.flavors import Copyable, Root
from pbshell.defer import Deferred
from pbshell.errors import CannotEncode, CannotJelly, LimitExceeded, ProtocolError
from pbshell.testing import loopback
from pbshell.wire.limits import Limits


class Board(Root):
    """Echoes, and answers when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[bytes]] = []

    def remote_echo(self, value: object) -> object:
        return value

    def remote_wait(self) -> Deferred[bytes]:
        self.waiting.append(Deferred())
        return self.waiting[-1]


class Card(Copyable):
    """Copied with whatever it is given."""

    def __init__(self, state: object) -> None:
        self.state = state

    def getStateToCopy(self) -> object:
        return self.state


def failure_of(deferred: Deferred[Any]) -> Any:
    caught: list[Any] = []
    deferred.addErrback(lambda failure: caught.append(failure.value))
    return caught[0]


def test_answers_that_become_ready_together_end_a_connection_that_cannot_take_them() -> None:
    board = Board()
    pair = loopback(board, limits=Limits(send_buffer=1_000))
    for _ in range(30):
        pair.root.callRemote("wait").addErrback(lambda _: None)
    pair.run()
    for deferred in board.waiting:
        deferred.callback(b"x" * 1_000)
    assert isinstance(pair.server.closing, LimitExceeded)
    assert pair.server.closing.limit == "send_buffer"
    assert pair.server.outbox.size < 20_000
    pair.run()
    assert isinstance(pair.client.lost, LimitExceeded)


def test_a_text_that_is_met_again_counts_again_before_it_is_written_again() -> None:
    pair = loopback(Board(), limits=Limits(expression=10_000))
    text = "x" * 6_000
    error = failure_of(pair.root.callRemote("echo", [text, {"again": text}]))
    assert isinstance(error, CannotEncode)
    assert (error.limit, error.value, error.size) == ("expression", 10_000, 12_000)
    answer = pair.root.callRemote("echo", [text, {"other": "y" * 3_000}])
    pair.run()
    assert answer.result == [text, {"other": "y" * 3_000}]


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"name": object()}, "args[0].name"),
        ({"no name": object()}, "args[0]['no name']"),
        ([object()], "args[0][0]"),
        (object(), "args[0]"),
    ],
)
def test_the_path_into_a_state_is_written_as_python_would(state: object, path: str) -> None:
    error = failure_of(loopback(Board()).root.callRemote("echo", Card(state)))
    assert isinstance(error, CannotJelly)
    assert error.path == path


def test_a_number_is_defined_once_also_when_its_values_come_late() -> None:
    from pbshell.broker.unjelly import unjelly

    late = [b"reference", 1, [b"tuple", [b"dereference", 2]]]
    with pytest.raises(ProtocolError, match="reference 1 is defined twice"):
        unjelly([b"list", late, late, [b"reference", 2, 5]])
