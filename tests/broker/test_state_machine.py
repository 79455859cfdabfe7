"""Two Brokers that do to each other whatever PB can do, in any order, cut anywhere: their books agree.

The strongest test of the core is one line: when the wire is quiet, what the owner lends is what the holder holds.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pbshell.broker.flavors import Cacheable, Copyable, Referenceable, Root, Viewable
from pbshell.broker.references import Observers, RemoteCache, RemoteCopy, RemoteReference, release
from pbshell.defer import CancelledError, Deferred, Failure
from pbshell.errors import PBError
from pbshell.testing.loopback import Loopback, loopback
from pbshell.trace import Dissector
from pbshell.wire.chunk import Side
from pbshell.wire.limits import Limits
from tests.broker.wire import accepting

# ------------------------------------------------------------------------------------------- what is lent and sent


class Thing(Referenceable):
    """An object with a peer: it keeps nothing, and hands back what it is given."""

    def remote_ping(self, *things: Any) -> Any:
        return things


class View(Viewable):
    def view_ping(self, perspective: Any, *things: Any) -> Any:
        return things


class Pond(Cacheable):
    """Told to all observers when it grows. *on_state* is what else happens when somebody gets its state."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = 0
        self.observers = Observers()
        self.on_state: Any = None

    def getTypeToCopy(self) -> str:
        return "test.Pond"

    def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
        deed, self.on_state = self.on_state, None
        if deed is not None:
            deed()
        self.observers.add(observer)  # behind what may raise: then nobody tells us that it observes no more
        return {"number": self.number, "size": self.size}

    def stoppedObserving(self, perspective: Any, observer: Any) -> None:
        self.observers.discard(observer)

    def grow(self) -> Deferred[Any]:
        self.size += 1
        return self.observers.callRemote("grow", self.size)


class PondCopy(RemoteCache):
    number: int
    size: int

    def observe_grow(self, size: int) -> None:
        assert size == self.size + 1, "an update was lost, or came twice"
        self.size = size


class Card(Copyable):
    """A copy that carries other things; *deed* is what its state hook does besides."""

    def __init__(self, things: list[Any], deed: Any = None) -> None:
        self.things = things
        self.deed = deed

    def getTypeToCopy(self) -> str:
        return "test.Card"

    def getStateToCopy(self) -> Any:
        if self.deed is not None:
            self.deed()
        return {"things": self.things}


class CardCopy(RemoteCopy):
    things: list[Any]


class Secret(Card):
    """A copy of a class that nobody has registered."""

    def getTypeToCopy(self) -> str:
        return "test.Secret"


class HookError(Exception):
    """What a state hook raises."""


class Hub(Root):
    """What a peer can be asked for."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def remote_meet(self, far: Any) -> None:
        self.peer.far = far

    def remote_echo(self, *things: Any) -> Any:
        return list(things)

    def remote_take(self, *things: Any) -> None:
        self.peer.held += things

    def remote_later(self, *things: Any) -> Any:
        waiting: Deferred[Any] = Deferred()
        self.peer.waiting.append((waiting, ()))
        return waiting

    async def remote_wait(self, *things: Any) -> Any:
        waiting: Deferred[Any] = Deferred()
        self.peer.waiting.append((waiting, things))
        return [await waiting, *things]

    def remote_fail(self, *things: Any) -> None:
        raise ValueError(f"{len(things)} things for nothing")

    def remote_unsendable(self, *things: Any) -> Any:
        return [*self.peer.things[:2], *self.peer.ponds[:2], *things, object()]

    def remote_fetch(self, *things: Any) -> Any:
        return [*self.peer.things, *self.peer.ponds]

    def remote_talk(self, *things: Any) -> Any:
        """Says something to the caller before it answers."""
        self.peer.machine.call(self.peer, "take", list(things))
        return len(things)

    def remote_grow(self, *things: Any) -> Any:
        for pond in self.peer.ponds:
            pond.grow()
        return self.peer.ponds[:1]


class Peer:
    """One side: what it has of its own, what it holds of the other's, and who waits for it."""

    def __init__(self, machine: BothEnds, side: Side) -> None:
        self.machine = machine
        self.side = side
        self.things: list[Any] = [Thing(), Thing(), View()]
        self.ponds = [Pond(number) for number in range(2)]
        self.hub = Hub(self)
        self.begin()

    def begin(self) -> None:
        self.held: list[Any] = []
        #: what the methods that have not come to an end wait for, and what they hold
        self.waiting: list[tuple[Deferred[Any], tuple[Any, ...]]] = []
        self.far: Any = None

    @property
    def broker(self) -> Any:
        return self.machine.pair.broker(self.side)


# ------------------------------------------------------------------------------------------- the machine

SIDES = st.sampled_from(Side)
METHODS = st.sampled_from(
    ["echo", "echo", "take", "take", "later", "wait", "fail", "unsendable", "fetch", "talk", "grow", "nosuch"]
)
KINDS = ["thing", "thing", "pond", "pond", "held", "held", "data", "card", "secret", "object", "says", "raises", "many"]
ARGUMENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 3)), max_size=4)

#: What a call may fail with. Anything else is a defect.
EXPECTED = (PBError, CancelledError, HookError)


@pytest.fixture(autouse=True, scope="module")
def no_garbage_of_others() -> Iterator[None]:
    """Garbage is collected at each step here: what other tests have left must not be looked at each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class BothEnds(RuleBasedStateMachine):
    """A client and a server, joined in memory."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)  # a record of an exception would keep the references in its frames
        gc.collect()
        self.cuts: list[int] = [0]
        self.calls: list[list[Any]] = []
        self.cancellable: list[Deferred[Any]] = []
        self.peers = {side: Peer(self, side) for side in Side}
        self.limits = Limits()
        self.connect()

    def teardown(self) -> None:
        self.cut_the_connection()
        logging.disable(logging.NOTSET)

    @initialize(
        cuts=st.lists(st.integers(1, 40), max_size=3),
        limits=st.sampled_from(
            [
                Limits(),
                Limits(exports=3),
                Limits(imports=3),
                Limits(caches=1),
                Limits(pending=3),
                Limits(send_buffer=5_000),
            ]
        ),
    )
    def choose(self, cuts: list[int], limits: Limits) -> None:
        self.cuts, self.limits = cuts, limits
        self.cut_the_connection()

    def connect(self) -> None:
        security = accepting(Pond=PondCopy, Card=CardCopy)
        server, client = self.peers[Side.SERVER], self.peers[Side.CLIENT]
        self.shadow = Dissector()
        self.pair: Loopback = loopback(
            server.hub,
            cut=self.cut,
            tap=self.shadow.feed,
            limits=self.limits,
            security=security,
            client_security=security,
        )
        client.far = self.pair.root
        self.call(client, "meet", [client.hub])
        self.pair.run()
        assert isinstance(server.far, RemoteReference)

    def cut(self, data: bytes) -> Iterable[bytes]:
        """Pieces of the lengths that were chosen, over and over."""
        at = number = 0
        while at < len(data):
            size = self.cuts[number % len(self.cuts)] if self.cuts else len(data)
            yield data[at : at + (size or len(data))]
            at += size or len(data)
            number += 1

    # what is sent

    def value(self, peer: Peer, kind: str, index: int) -> Any:
        things: list[Any] = [*peer.things, *peer.ponds]
        anything = things[index % len(things)]
        if kind == "thing":
            return peer.things[index % len(peer.things)]
        if kind == "pond":
            return peer.ponds[index % len(peer.ponds)]
        if kind == "held":
            return peer.held[index % len(peer.held)] if peer.held else None
        if kind == "data":
            return [index, b"bytes", "text", {"key": (index,)}, None, {index}]
        if kind == "card":
            shared = [anything]
            return [Card(shared), shared, {"again": shared}]
        if kind == "secret":
            return [anything, Secret([anything, things[0]]), anything]
        if kind == "object":
            return [anything, object()]
        if kind == "says":
            return Card([anything], lambda: self.call(peer, "take", [anything, things[0]]))
        if kind == "raises":
            return [anything, Card([anything], self.raise_in_hook)]
        return [anything] * 3

    @staticmethod
    def raise_in_hook() -> None:
        raise HookError

    def values(self, peer: Peer, arguments: list[tuple[str, int]]) -> list[Any]:
        return [self.value(peer, kind, index) for kind, index in arguments]

    # what is called

    def call(self, peer: Peer, method: str, things: list[Any], target: Any = None, **keywords: Any) -> Deferred[Any]:
        """Call *method* of the other side, and note how often it is resolved."""
        resolved: list[Any] = []
        self.calls.append(resolved)
        target = peer.far if target is None else target
        deferred: Deferred[Any] = target.callRemote(method, *things, **keywords)
        sent = things if method == "echo" else None  # what waits for long must hold nothing

        def note(result: Any) -> None:
            # The type only: what came would be held otherwise.
            resolved.append(type(result.value) if isinstance(result, Failure) else None)
            assert not isinstance(result, Failure) or isinstance(result.value, EXPECTED), result.getTraceback()
            if sent is not None and not isinstance(result, Failure):
                self.compare(sent, result)

        deferred.addBoth(note)
        deferred.addErrback(self.wrong)
        return deferred

    def wrong(self, reason: Failure) -> None:
        self.mistakes.append(reason.getTraceback())

    @property
    def mistakes(self) -> list[str]:
        return self.__dict__.setdefault("_mistakes", [])  # type: ignore[no-any-return]

    @staticmethod
    def compare(sent: list[Any], came: list[Any]) -> None:
        """What is one's own comes home as itself; what was held comes back as its equal."""
        assert len(sent) == len(came)
        for mine, echoed in zip(sent, came, strict=True):
            if isinstance(mine, (Thing, Pond)):
                assert echoed is mine
            elif isinstance(mine, (RemoteReference, PondCopy)):
                assert echoed == mine

    @rule(side=SIDES, method=METHODS, arguments=ARGUMENTS, at_once=st.booleans())
    def call_a_method(self, side: Side, method: str, arguments: list[tuple[str, int]], at_once: bool) -> None:
        peer = self.peers[side]
        self.cancellable.append(self.call(peer, method, self.values(peer, arguments)))
        if at_once:
            self.pair.run()

    @rule(side=SIDES, arguments=ARGUMENTS)
    def call_and_want_no_answer(self, side: Side, arguments: list[tuple[str, int]]) -> None:
        peer = self.peers[side]
        self.call(peer, "take", self.values(peer, arguments), pbanswer=False)

    @rule(side=SIDES, index=st.integers(0, 9), arguments=ARGUMENTS)
    def call_what_is_held(self, side: Side, index: int, arguments: list[tuple[str, int]]) -> None:
        peer = self.peers[side]
        references = [each for each in peer.held if isinstance(each, RemoteReference)]
        if references:
            self.call(peer, "ping", self.values(peer, arguments), references[index % len(references)])

    @rule(side=SIDES, arguments=ARGUMENTS, well=st.booleans())
    def answer_later(self, side: Side, arguments: list[tuple[str, int]], well: bool) -> None:
        peer = self.peers[side]
        if peer.waiting:
            waiting, _ = peer.waiting.pop(0)
            if well:
                waiting.callback(self.values(peer, arguments))
            else:
                waiting.errback(ValueError("later"))

    @rule(side=SIDES, index=st.integers(0, 1))
    def update(self, side: Side, index: int) -> None:
        self.peers[side].ponds[index].grow().addErrback(self.wrong)

    @rule(side=SIDES, index=st.integers(0, 1), deed=st.sampled_from(["says", "grows", "raises"]))
    def prepare_a_hook(self, side: Side, index: int, deed: str) -> None:
        """The next one who gets the state of a pond makes it do something."""
        peer = self.peers[side]
        pond = peer.ponds[index]
        pond.on_state = {
            "says": lambda: self.call(peer, "take", [pond, *peer.things[:1]]),
            "grows": lambda: pond.observers.callRemote("nothing") and None,
            "raises": self.raise_in_hook,
        }[deed]

    @rule(side=SIDES, index=st.integers(0, 9), how=st.sampled_from(["forget", "release", "circle", "all"]))
    def drop(self, side: Side, index: int, how: str) -> None:
        held = self.peers[side].held
        if not held:
            return
        if how == "all":
            held.clear()
            return
        thing = held.pop(index % len(held))
        if how == "release" and isinstance(thing, (RemoteReference, RemoteCache)):
            while thing in held:
                held.remove(thing)
            release(thing)
        elif how == "circle":
            circle = [thing]
            circle.append(circle)

    @rule(index=st.integers(0, 9))
    def cancel(self, index: int) -> None:
        if self.cancellable:
            self.cancellable[index % len(self.cancellable)].cancel()

    @rule(side=SIDES)
    def deliver_one_way(self, side: Side) -> None:
        self.pair.step(side)

    @rule(side=SIDES)
    def sign_of_life(self, side: Side) -> None:
        self.peers[side].broker.keepalive()

    @rule()
    def deliver_everything(self) -> None:
        self.pair.run()

    # what has to be true

    def settle(self) -> None:
        """Let everything be delivered and everything that nobody holds be given back."""
        self.pair.run()
        while gc.collect() is not None:
            if not any(
                broker.outbox.size or not broker.outbox.empty for broker in (self.pair.client, self.pair.server)
            ):
                return
            self.pair.run()

    @rule()
    @precondition(lambda self: self.pair.client.lost is None)
    def when_the_wire_is_quiet_the_books_agree(self) -> None:
        self.settle()
        for side in Side:
            ours, theirs = self.pair.broker(side).ours, self.pair.broker(side.other).theirs
            assert ours.exports.counts() == theirs.exports.counts()
            assert ours.caches.counts() == theirs.caches.counts()
            assert list(ours.pending) == sorted(ours.pending)  # type: ignore[type-var]
            assert set(ours.pending) == {running.request for running in theirs.pending.values()}
            assert len(theirs.pending) == len(self.peers[side.other].waiting)
            shadow = self.shadow.connections[1].ledgers[side]
            assert shadow.exports.counts() == ours.exports.counts()
            assert shadow.caches.counts() == ours.caches.counts()
            assert set(shadow.pending) == set(ours.pending)
            peer, held = self.peers[side], Counter[Any]()
            for one in walked([peer.held, peer.far, [things for _, things in peer.waiting]]):
                held[one.luid] += max(one._owed, 0)  # -1 is what was released
            assert +held == Counter(theirs_of(peer)), f"{side}: {dict(held)} are held, {theirs_of(peer)} are booked"
            self.copies_are_in_step(peer)
        assert self.pair.client.oddities == self.pair.server.oddities == 0

    def copies_are_in_step(self, peer: Peer) -> None:
        for copy in walked(peer.held):
            if isinstance(copy, PondCopy):
                assert copy.size == self.peers[peer.side.other].ponds[copy.number].size

    @rule()
    def cut_the_connection(self) -> None:
        self.pair.lose()
        for broker in (self.pair.client, self.pair.server):
            for ledger in (broker.ours, broker.theirs):
                assert not (ledger.exports)
                assert not (ledger.caches)
                assert not (ledger.pending)
            assert broker.data_to_send() == b""
        assert all(len(resolved) == 1 for resolved in self.calls)
        assert not any(len(pond.observers) for peer in self.peers.values() for pond in peer.ponds)
        late = [waiting for peer in self.peers.values() for waiting, _ in peer.waiting]
        for peer in self.peers.values():
            peer.begin()
        for waiting in late:
            waiting.callback(None)
        self.calls.clear()
        self.cancellable.clear()
        self.connect()

    @invariant()
    def nothing_went_wrong(self) -> None:
        assert self.mistakes == []
        assert all(len(resolved) <= 1 for resolved in self.calls)
        assert self.pair.client.lost is None


def walked(value: Any, seen: set[int] | None = None) -> list[Any]:
    """The references and cached copies in *value*, each object once."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return []
    seen.add(id(value))
    if isinstance(value, (RemoteReference, RemoteCache)):
        return [value]
    if isinstance(value, RemoteCopy):
        return walked(vars(value), seen)
    if isinstance(value, dict):
        return [one for each in value.values() for one in walked(each, seen)]
    if isinstance(value, (list, tuple)):
        return [one for each in value for one in walked(each, seen)]
    return []


def theirs_of(peer: Peer) -> dict[Any, int]:
    return {**peer.broker.theirs.exports.counts(), **peer.broker.theirs.caches.counts()}


TestBothEnds = BothEnds.TestCase
TestBothEnds.settings = settings(
    max_examples=150, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
