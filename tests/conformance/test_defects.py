"""Sixteen things that are wrong with Perspective Broker on Twisted today, each shown to be right here.

Where a peer matters it is the real one.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

from pbshell import cred, pb
from pbshell.broker.registry import Registry
from pbshell.cred.login import PortalRoot
from pbshell.defer import Deferred
from pbshell.errors import CannotEncode, LimitExceeded, RefusedClass, RemoteError
from pbshell.testing.loopback import loopback
from pbshell.wire.banana import NONE, PB, Decoder, encode
from pbshell.wire.limits import Limits
from tests.conformance import lab
from tests.conformance.accidents import failure_fields
from tests.conformance.ends import End
from tests.conformance.peers.processes import Peer
from tests.conformance.test_twisted_server import connected, laboratory

CALL = [b"message", 9, b"root", b"name", 1, [b"tuple"], [b"dictionary"]]


class Anchor(pb.Root):
    """A root that shows that the connection still works."""

    def remote_name(self) -> str:
        return "still here"


def alive(end: End) -> bool:
    return end.feed_expression(CALL) == [[b"answer", 9, [b"unicode", b"still here"]]]


def outcome(deferred: Any) -> list[Any]:
    """Where the result or the failure of *deferred* will be."""
    out: list[Any] = []
    deferred.addBoth(out.append)
    return out


# ---------------------------------------------------------------- R1: an answer that cannot be read


async def test_r01_an_answer_that_cannot_be_read_fails_its_call_and_keeps_the_connection(twisted: Peer) -> None:
    """There the call is never answered, and the connection is dropped."""
    async with laboratory(twisted, "pb") as root:
        waiting = root.callRemote("never")
        with pytest.raises(RefusedClass) as refused:
            await root.callRemote("unregistered")
        assert refused.value.type_name == "lab.Secret"
        assert await root.callRemote("atLast", "at last") == 1
        assert await waiting == "at last"


# ---------------------------------------------------------------- R2, R3: a result that is too large


class TooLarge(Anchor):
    """A root whose results are too large."""

    def __init__(self) -> None:
        self.later: Deferred[bytes] = Deferred()

    def remote_now(self) -> bytes:
        return b"x" * 700_000

    def remote_later(self) -> Deferred[bytes]:
        return self.later


def told_of(answer: Any) -> str:
    """The text of an error answer."""
    assert answer[0] == b"error"
    return str(failure_fields(answer[2])["value"])


@pytest.mark.parametrize("when", ["now", "later"])
def test_r02_r03_a_result_that_is_too_large_is_an_error_with_size_limit_and_setting(when: str) -> None:
    """There the connection is dropped, or, through a Deferred, the caller waits for ever."""
    root = TooLarge()
    end = End.server(root=root).open()
    said = end.feed_expression([b"message", 1, b"root", when.encode(), 1, [b"tuple"], [b"dictionary"]])
    if when == "later":
        assert said == []
        root.later.callback(b"x" * 700_000)
        said = end.expressions()
    (answer,) = said
    text = told_of(answer)
    assert "700,000" in text
    assert "655,360" in text
    assert "Limits(string=" in text
    assert alive(end)


# ---------------------------------------------------------------- R4: an argument that is too large


def test_r04_an_argument_that_is_too_large_leaves_no_call_behind() -> None:
    """There an entry stays in the table of pending calls until the end of the connection."""
    end = End.client().open()
    (failure,) = outcome(end.broker.root_reference().callRemote("take", b"x" * 700_000))
    assert isinstance(failure.value, CannotEncode)
    assert (failure.value.size, failure.value.limit, failure.value.value) == (700_000, "string", 655_360)
    assert end.broker.ours.pending == {}
    assert end.sent() == b""


# ---------------------------------------------------------------- R5: observers on two connections


def test_r05_each_observer_is_removed_by_the_end_of_its_own_connection() -> None:
    """There comparing two observers raises, and both stay for ever."""
    pond = lab.Pond()
    registry = Registry()
    registry.setUnjellyableForClass("lab.Pond", lab.PondCopy)
    security = pb.SecurityOptions(registry=registry)

    class PondRoot(pb.Root):
        def remote_pond(self) -> lab.Pond:
            return pond

    pairs = [loopback(PondRoot(), client_security=security) for _ in range(3)]
    copies = []
    for pair in pairs:
        (copy,) = ask(pair, "pond")
        copies.append(copy)
    assert len(pond.observers) == 3
    assert len(set(pond.observers)) == 3
    kept = pond.observers[1:2]
    pairs[2].lose()
    pairs[0].lose()
    assert pond.observers == kept
    outcome(pond.add("a third"))
    pairs[1].run()
    assert copies[1].ducks == ["one duck", "two duck", "a third"]
    assert copies[0].ducks == ["one duck", "two duck"]


def ask(pair: Any, name: str, *args: Any) -> list[Any]:
    out = outcome(pair.root.callRemote(name, *args))
    pair.run()
    return out


# ---------------------------------------------------------------- R6: copies in a circle


@pytest.mark.parametrize("dialect", ["pb", "none"])
async def test_r06_two_copies_that_point_at_each_other_arrive_as_such(twisted: Peer, dialect: str) -> None:
    """There a placeholder of the decoder's is left in one of them."""
    async with laboratory(twisted, dialect) as root:
        one = await root.callRemote("circle")
        assert type(one) is type(one.other) is lab.ParcelCopy
        assert one.other is not one
        assert one.other.other is one


# ---------------------------------------------------------------- R7: a call that is cancelled


def test_r07_a_cancelled_call_ends_at_once_and_its_late_answer_is_given_back() -> None:
    """There the entry stays, and what the answer lends is never given back."""
    end = End.client().open()
    call = end.broker.root_reference().callRemote("lend")
    end.sent()
    out = outcome(call)
    call.cancel()
    assert out[0].check(asyncio.CancelledError) is asyncio.CancelledError
    end.feed_expression([b"answer", 1, [b"list", [b"remote", 5], [b"remote", 5]]])
    gc.collect(0)
    assert end.broker.ours.pending == {}
    assert end.broker.theirs.exports.counts() == {}


# ---------------------------------------------------------------- R8: a remote failure that is raised


async def test_r08_a_remote_failure_can_be_raised_shown_and_trapped(twisted: Peer) -> None:
    """There raiseException and repr fail with an AttributeError."""
    async with laboratory(twisted, "pb") as root:
        failures: list[Any] = []

        def kept(failure: Any) -> Any:
            failures.append(failure)
            return failure

        with pytest.raises(RemoteError):
            await root.callRemote("fail", "ValueError").addErrback(kept)
        (failure,) = failures
        with pytest.raises(RemoteError) as raised:
            failure.raiseException()
        assert (raised.value.remoteType, raised.value.remoteValue) == ("builtins.ValueError", "a loud text")
        assert raised.value.remoteTraceback == "Traceback unavailable\n"
        assert "builtins.ValueError" in repr(failure)
        assert failure.trap(ValueError) is ValueError


# ---------------------------------------------------------------- R9: an answer for a peer that is gone


def test_r09_an_answer_for_a_peer_that_is_gone_is_one_line_of_debugging(caplog: pytest.LogCaptureFixture) -> None:
    """There it is a traceback about an attribute of None."""
    caplog.set_level(logging.DEBUG, "pbshell")
    root = TooLarge()
    end = End.server(root=root).open()
    end.feed_expression([b"message", 1, b"root", b"later", 1, [b"tuple"], [b"dictionary"]])
    end.lose(ConnectionResetError("the peer left"))
    root.later.callback(b"too late")
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert "answer to call 1 dropped: peer gone" in record.getMessage()
    assert end.sent() == b""


# ---------------------------------------------------------------- R10: a command that nobody knows


def test_r10_an_unknown_command_is_answered_in_bytes_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """There the reply is built as text, which banana refuses, and the connection is dropped."""
    end = End.server(root=Anchor()).open()
    assert end.feed_expression([b"frobnicate", 1]) == [[b"didNotUnderstand", b"frobnicate"]]
    assert end.broker.oddities == 1
    assert alive(end)
    assert "frobnicate" in caplog.text


# ---------------------------------------------------------------- R11: what an error tells


class Secretive(Anchor):
    """A root that fails with something that is nobody's business."""

    def remote_fail(self) -> None:
        raise ValueError("secret: /etc/passwd")


FAIL = [b"message", 1, b"root", b"fail", 1, [b"tuple"], [b"dictionary"]]


def test_r11_a_stranger_is_told_no_file_and_on_request_no_text(caplog: pytest.LogCaptureFixture) -> None:
    """There the text of any exception reaches the peer, and for Deferreds the file names do."""
    open_minded = End.server(root=Secretive()).open()
    data = open_minded.feed(encode(FAIL, PB))
    assert b"secret: /etc/passwd" in data
    assert b".py" not in data
    discreet = End.server(root=Secretive(), security=pb.SecurityOptions(errors="type")).open()
    data = discreet.feed(encode(FAIL, PB))
    assert b"builtins.ValueError" in data
    assert b"secret" not in data
    assert b"passwd" not in data
    assert "secret: /etc/passwd" in caplog.text


# ---------------------------------------------------------------- R12: what a peer writes into our log

HOSTILE = "\x1b]0;owned\x07\x1b[2Jx\n2026-01-01 forged line\u202e\x9b31m"


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def test_r12_a_peers_text_is_spelled_out_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """There it stands in the log as it came: a terminal obeys it, and a line can be forged."""
    caplog.set_level(logging.DEBUG, "pbshell")
    end = End.server(root=Anchor()).open()
    hostile = HOSTILE.encode()
    end.feed_expression([b"message", 1, b"root", hostile, 1, [b"tuple"], [b"dictionary"]])
    end.feed_expression([b"message", 1, b"root", b"name", 1, [b"tuple", [hostile + b".x", 1]], [b"dictionary"]])
    end.feed_expression([hostile, 1])
    end.feed_expression([b"didNotUnderstand", hostile])
    end.feed_expression([b"decref", hostile])
    end.feed_expression([b"answer", hostile, 1])
    end.feed_expression([b"version", hostile])
    assert caplog.records
    assert end.closed is not None
    for text in [record.getMessage() for record in caplog.records] + [str(end.closed)]:
        assert harmless(text)
        assert not any(line.startswith("2026-01-01") for line in text.splitlines())


# ---------------------------------------------------------------- R13: guessing passwords


def test_r13_six_wrong_passwords_end_a_connection_with_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    """There 5,000 guesses on one challenge go through, with two error records each."""
    realm = lab.Realm.__new__(lab.Realm)
    end = End.server(root=PortalRoot(cred.Portal(realm, [lab.passwords()]))).open()
    for attempt in range(1, 7):
        assert end.closed is None
        login = [b"message", attempt, b"root", b"login", 1, [b"tuple", b"ada"], [b"dictionary"]]
        ((_, _, (_, _, (_, luid))),) = end.feed_expression(login)
        guess = [b"message", 10 + attempt, luid, b"respond", 1, [b"tuple", b"x" * 16, [b"None"]], [b"dictionary"]]
        (refused, *_) = end.feed_expression(guess)
        assert failure_fields(refused[2])["type"] == b"twisted.cred.error.UnauthorizedLogin"
    assert isinstance(end.closed, LimitExceeded)
    assert end.closed.limit == "logins"
    lines = [record.getMessage() for record in caplog.records if "login failed" in record.getMessage()]
    assert len(lines) == 6
    assert all("ada" in line for line in lines)


def test_r13_a_challenge_takes_one_response() -> None:
    realm = lab.Realm.__new__(lab.Realm)
    end = End.server(root=PortalRoot(cred.Portal(realm, [lab.passwords()]))).open()
    login = [b"message", 1, b"root", b"login", 1, [b"tuple", b"ada"], [b"dictionary"]]
    ((_, _, (_, challenge, (_, luid))),) = end.feed_expression(login)
    wrong = [b"message", 2, luid, b"respond", 1, [b"tuple", b"x" * 16, [b"None"]], [b"dictionary"]]
    right = [b"message", 3, luid, b"respond", 1, [b"tuple", answer_to(challenge), [b"None"]], [b"dictionary"]]
    for guess in (wrong, right):
        (refused, *_) = end.feed_expression(guess)
        assert refused[0] == b"error"


def answer_to(challenge: bytes) -> bytes:
    from hashlib import md5

    return md5(md5(b"lovelace").digest() + challenge).digest()


# ---------------------------------------------------------------- R14: input that is slow to read


def test_r14_nested_lists_are_refused_at_the_limit_without_reading_on() -> None:
    """There 3 MB of them hold the process for seconds, and 150 MB of memory."""
    decoder = Decoder(NONE)
    decoder.feed(b"\x01\x80" * 1_500_000)
    with pytest.raises(LimitExceeded) as refused:
        next(decoder)
    assert (refused.value.limit, refused.value.value) == ("depth", 128)
    assert refused.value.offset is not None
    assert refused.value.offset < 300


def test_r14_a_token_is_looked_at_once_however_the_bytes_arrive() -> None:
    """There each token costs a copy of everything behind it. Counted, not timed: the slices that are taken."""

    class Counted(bytes):
        copied = 0

        def __getitem__(self, key: Any) -> Any:
            found = super().__getitem__(key)
            if isinstance(key, slice):
                Counted.copied += len(found)
            return found

    count = 100_000
    data = Counted(encode([7] * count))
    decoder = Decoder(NONE)
    decoder.feed(data)
    assert len(next(decoder)) == count
    assert Counted.copied <= 2 * len(data)


# ---------------------------------------------------------------- R15: one expression without an end


def test_r15_one_expression_has_a_size_that_is_smaller_before_the_login() -> None:
    """There nothing bounds it: 60 strings of 640 KB are held without complaint."""
    strings = encode([b"x" * 655_360] * 20)
    untrusted = End.server(root=Anchor(), untrusted=True).open()
    untrusted.feed(b"\x07\x80\x1a\x87" + strings)
    assert isinstance(untrusted.closed, LimitExceeded)
    assert (untrusted.closed.limit, untrusted.closed.value) == ("expression", 1024 * 1024)
    trusted = End.server(root=Anchor()).open()
    trusted.feed(b"\x07\x80\x1a\x87" + strings)
    assert trusted.closed is None
    trusted.feed(strings)
    assert isinstance(trusted.closed, LimitExceeded)
    assert (trusted.closed.limit, trusted.closed.value) == ("expression", 16 * 1024 * 1024)


def test_r15_one_expression_has_a_number_of_items() -> None:
    decoder = Decoder(NONE, Limits(items=1000))
    decoder.feed(encode([[1] * 500, [2] * 499]))
    with pytest.raises(LimitExceeded, match="items"):
        next(decoder)


# ---------------------------------------------------------------- R16: references without an end


def test_r16_what_a_peer_lends_is_limited_as_well_as_what_we_lend() -> None:
    """There 20,000 references are accepted, and the 1,025th of our own ends the connection."""

    class Kept(Anchor):
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def remote_keep(self, *references: Any) -> int:
            self.kept.extend(references)
            return len(self.kept)

        def remote_lend(self, count: int) -> list[Any]:
            return [lab.Thing(str(number)) for number in range(count)]

    end = End.server(root=Kept(), limits=Limits(imports=100, exports=10)).open()

    def keep(first: int, last: int) -> list[Any]:
        references = [[b"remote", luid] for luid in range(first, last)]
        return end.feed_expression([b"message", 1, b"root", b"keep", 1, [b"tuple", *references], [b"dictionary"]])

    assert keep(0, 100) == [[b"answer", 1, 100]]
    answers = [each for each in keep(100, 101) if each[0] != b"decref"]
    assert "Limits(imports=100)" in told_of(answers[0])
    gc.collect(0)
    end.expressions()
    assert len(end.broker.theirs.exports) == 100

    lend = [b"message", 2, b"root", b"lend", 1, [b"tuple", 11], [b"dictionary"]]
    for _ in range(5):
        (answer,) = end.feed_expression(lend)
        assert "Limits(exports=10)" in told_of(answer)
        assert end.broker.ours.exports.counts() == {}
    assert alive(end)


async def test_r16_twisted_is_told_when_it_lends_too_much(twisted: Peer) -> None:
    async with connected(twisted, limits=Limits(imports=100)) as connection:
        root = await connection.getRootObject()
        with pytest.raises(LimitExceeded, match=r"Limits\(imports=100\)"):
            await root.callRemote("lendNew", 500)
        assert await root.callRemote("echo", 1) == 1
        gc.collect()
        assert await root.callRemote("echo", 2) == 2
        assert len(await root.callRemote("lendNew", 100)) == 100
