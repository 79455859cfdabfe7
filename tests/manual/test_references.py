"""The PB manual on references: who may present them, what they come back as, and when they are given back."""

from __future__ import annotations

import gc
from typing import Any

from pbshell import pb
from pbshell.testing import loopback
from pbshell.wire.chunk import Side
from tests.manual.talk import failure, result, said


class Two(pb.Referenceable):
    def remote_name(self) -> str:
        return "two"


class Server(pb.Root):
    def __init__(self) -> None:
        self.two = Two()
        self.other = Two()
        self.presented: list[Any] = []

    def remote_getTwo(self) -> Two:
        return self.two

    def remote_getBoth(self) -> list[Two]:
        return [self.two, self.other]

    def remote_check(self, *things: Any) -> bool:
        self.presented.extend(things)
        return all(thing is self.two for thing in things)

    def remote_forget(self) -> None:
        self.presented.clear()


def numbers(loop: Any) -> dict[Any, int]:
    """What the server lends: how often each number."""
    counts: dict[Any, int] = loop.server.ours.exports.counts()
    return counts


def test_a_reference_that_is_sent_back_arrives_as_the_very_object() -> None:
    """B72."""
    loop = loopback(Server())
    two = result(loop, loop.root.callRemote("getTwo"))

    assert result(loop, loop.root.callRemote("check", two, two)) is True


def test_the_owner_compares_what_comes_back_like_any_objects() -> None:
    """B73."""
    loop = loopback(server := Server())
    two, other = result(loop, loop.root.callRemote("getBoth"))
    result(loop, loop.root.callRemote("check", two, other))

    assert server.presented == [server.two, server.other]
    assert server.presented[0] != server.presented[1]


def test_two_receipts_of_one_object_are_equal_and_two_objects_are_not() -> None:
    """B74."""
    loop = loopback(Server())
    first = result(loop, loop.root.callRemote("getTwo"))
    again, other = result(loop, loop.root.callRemote("getBoth"))

    assert first == again
    assert hash(first) == hash(again)
    assert first != other
    assert first != loop.root
    assert first != "a string"


def test_ids_are_numbers_in_a_table_of_the_connection() -> None:
    """B75."""
    loop, another = loopback(server := Server()), loopback(server)
    kept = [result(each, each.root.callRemote("getBoth")) for each in (loop, another)]

    assert numbers(loop) == numbers(another) == {1: 1, 2: 1}
    assert loop.server.ours.exports[1].thing is another.server.ours.exports[1].thing is server.two
    assert loop.server.ours.exports is not another.server.ours.exports
    del kept


def test_a_client_can_use_no_number_that_it_was_not_given_here() -> None:
    """B76."""
    loop, another = loopback(server := Server()), loopback(server)
    kept = result(another, another.root.callRemote("getBoth"))

    for luid in (*range(-2, 50), b"two", b"", 1.0):
        forged = pb.RemoteReference(None, loop.client, luid, owed=0)
        assert failure(loop, forged.callRemote("name")).getErrorMessage() == "Invalid Object ID"
        assert result(loop, loop.root.callRemote("check", forged)) is False

    assert set(server.presented) == {None}
    del kept


def test_a_forged_number_is_an_error_for_its_sender_and_nothing_else() -> None:
    """B77."""
    loop = loopback(server := Server())
    reason = failure(loop, pb.RemoteReference(None, loop.client, 7, owed=0).callRemote("check"))

    assert reason.check(pb.Error)
    assert server.presented == []
    assert result(loop, loop.root.callRemote("check")) is True


def test_the_table_ends_with_its_connection() -> None:
    """B78."""
    loop = loopback(server := Server())
    two = result(loop, loop.root.callRemote("getTwo"))
    loop.lose()
    assert not loop.server.ours.exports

    another = loopback(server)
    late = pb.RemoteReference(None, another.client, two.luid, owed=0)
    assert failure(another, late.callRemote("name")).getErrorMessage() == "Invalid Object ID"


def test_which_of_its_references_a_client_presents_is_the_clients_choice() -> None:
    """B79."""
    loop = loopback(server := Server())
    _, other = result(loop, loop.root.callRemote("getBoth"))

    assert result(loop, loop.root.callRemote("check", other)) is False
    assert server.presented == [server.other]


def test_a_reference_cannot_be_handed_to_a_third_party() -> None:
    """B80."""
    loop, third = loopback(Server()), loopback(Server())
    two = result(loop, loop.root.callRemote("getTwo"))

    reason = failure(third, third.root.callRemote("check", two))
    assert reason.check(pb.ForeignReference)
    assert "args[0]" in reason.getErrorMessage()


def test_when_the_last_receipt_is_dropped_the_owner_forgets_the_object() -> None:
    """B81."""
    loop = loopback(Server())
    first = result(loop, loop.root.callRemote("getTwo"))
    again = result(loop, loop.root.callRemote("getTwo"))
    assert numbers(loop) == {1: 2}

    del first
    gc.collect()
    loop.run()
    assert numbers(loop) == {1: 1}

    del again
    gc.collect()
    loop.run()
    assert numbers(loop) == {}
    assert said(loop, Side.CLIENT)[-2:] == [[b"decref", 1], [b"decref", 1]]


def test_several_receipts_through_one_broker_are_counted_and_two_connections_are_two_worlds() -> None:
    """B82."""
    loop, another = loopback(server := Server()), loopback(server)
    kept = [result(each, each.root.callRemote("getTwo")) for each in (loop, loop, another)]

    assert numbers(loop) == {1: 2}
    assert numbers(another) == {1: 1}
    assert kept[0] == kept[1]
    assert kept[0] != kept[2]
