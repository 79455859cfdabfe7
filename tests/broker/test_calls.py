"""What a call is while it lasts, on both sides."""

from __future__ import annotations

from typing import Any

from pbshell.broker.calls import Call, Running
from pbshell.defer import Deferred
from tests.broker.wire import Board, Wire, message


def test_a_call_of_ours_is_a_row_with_who_waits_for_it() -> None:
    deferred: Deferred[Any] = Deferred()
    call = Call(1, b"message", b"root", "add", deferred, None, 2.5)

    assert (call.request, call.verb, call.luid, call.method, call.since) == (1, b"message", b"root", "add", 2.5)
    assert call.deferred is deferred


def test_a_call_of_the_peers_is_a_row_with_what_runs() -> None:
    assert Running(1, b"message", 5, "add", 2.5) == Running(1, b"message", 5, "add", 2.5)


def test_both_rows_are_there_as_long_as_the_call_lasts_and_no_longer() -> None:
    waiting: Deferred[Any] = Deferred()
    wire = Wire(root=Board(wait=lambda: waiting))
    wire.broker.root_reference().callRemote("far", 1)
    wire.hears(message(7, b"root", b"wait"))
    assert [call.method for call in wire.broker.ours.pending.values()] == ["far"]
    assert [running.method for running in wire.broker.theirs.pending.values()] == ["wait"]

    waiting.callback(None)
    wire.hears([b"answer", 1, 5])
    assert (wire.broker.ours.pending, wire.broker.theirs.pending) == ({}, {})
