"""The PB manual on jelly: which objects cross, and what the receiver refuses."""

from __future__ import annotations

import gc
import io
import logging
import marshal
import sys
import types
from typing import Any

import pytest

from pbshell import errors, pb
from pbshell.testing import Loopback, loopback
from pbshell.wire.banana import PB, Decoder, encode
from pbshell.wire.chunk import Side
from tests.manual.talk import failure, result, said

log: list[object] = []


class LilyPond:
    """A class of our own, without a flavor."""

    def __init__(self) -> None:
        log.append("LilyPond made")

    def __setstate__(self, state: object) -> None:
        log.append(state)


class Frog(pb.Copyable):
    def __init__(self, name: str = "") -> None:
        self.name = name


class ReceivedFrog(pb.RemoteCopy):
    name: str


class Receiver(pb.Root):
    """Takes anything, and remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def remote_take(self, thing: Any) -> str:
        self.taken.append(thing)
        return "safe and sound"

    def remote_give(self) -> Any:
        return LilyPond()


def met(registry: pb.Registry | None = None) -> tuple[Loopback, Receiver]:
    """A connection to a Receiver that knows the classes of *registry*."""
    receiver = Receiver()
    security = pb.SecurityOptions(registry=registry or pb.Registry())
    return loopback(receiver, security=security), receiver


def claim(loop: Loopback, name: str | bytes, state: Any = None) -> None:
    """Have the client send an object of class *name*, whether there is such a class or not."""
    tag = name.encode() if isinstance(name, str) else name
    loop.client.data_to_send()
    call = [b"message", 1, b"root", b"take", 1, [b"tuple", [tag, pb.jelly(state or {})]], [b"dictionary"]]
    loop.server.receive_data(encode(call, PB))


def refusal(loop: Loopback) -> str:
    """The class of the error that the server has just answered with."""
    decoder = Decoder(PB)
    decoder.feed(loop.server.data_to_send())
    (answer,) = decoder
    assert answer[0] == b"error"
    fields = {key[1]: value for key, value in answer[2][1][1:]}
    return str(fields[b"type"].decode())


INSECURE = "twisted.spread.jelly.InsecureJelly"


@pytest.mark.parametrize(
    "value", [7, [1, 2], {"a": 1, 2: "b"}, (1, ("x",)), 1.5, None, True, b"bytes", "text", [{"deep": [(None,)]}]]
)
def test_plain_data_passes_as_argument_and_as_result(value: Any) -> None:
    """B23."""

    class Echoer(pb.Root):
        def remote_echo(self, thing: Any) -> Any:
            return thing

    loop = loopback(Echoer())
    back = result(loop, loop.root.callRemote("echo", value))

    assert back == value
    assert type(back) is type(value)


def test_shared_and_circular_structures_keep_their_identity() -> None:
    """B24."""
    shared = ["shared"]
    circular: list[Any] = [shared, shared]
    circular.append(circular)

    loop, receiver = met()
    result(loop, loop.root.callRemote("take", circular))

    (taken,) = receiver.taken
    assert taken[0] is taken[1]
    assert taken[2] is taken
    assert taken[0] == ["shared"]


def test_an_object_without_a_flavor_fails_the_call_whichever_way_it_goes() -> None:
    """B25: with Twisted today a placeholder arrives; here nothing is sent, and the placeholder of a peer is visible."""
    loop, receiver = met()

    assert failure(loop, loop.root.callRemote("take", LilyPond())).check(pb.InsecureJelly)
    assert failure(loop, loop.root.callRemote("give")).check(pb.InsecureJelly)
    assert receiver.taken == []

    loop.server.receive_data(
        encode([b"message", 9, b"root", b"take", 1, [b"tuple", [b"unpersistable", b"no way"]], [b"dictionary"]], PB)
    )
    assert isinstance(receiver.taken[0], pb.Unpersistable)
    assert "no way" in receiver.taken[0].reason


def test_a_plain_instance_is_insecure_jelly_at_an_errback_and_its_state_stays_here() -> None:
    """B26."""
    loop, receiver = met()
    sent = len(loop.sent[Side.CLIENT])
    trapped: list[Any] = []

    deferred = loop.root.callRemote("take", {"ponds": [LilyPond()]})
    deferred.addErrback(lambda reason: trapped.append((reason.trap(pb.InsecureJelly), str(reason.value))))
    loop.run()

    ((kind, sentence),) = trapped
    assert kind is pb.InsecureJelly
    assert "args[0]['ponds'][0]" in sentence
    assert len(loop.sent[Side.CLIENT]) == sent
    assert receiver.taken == []


def test_the_receiver_decides_what_it_accepts() -> None:
    """B27."""
    knowing = pb.Registry()
    knowing.setUnjellyableForClass(Frog, ReceivedFrog)

    loop, receiver = met(knowing)
    assert result(loop, loop.root.callRemote("take", Frog("Kermit"))) == "safe and sound"
    assert receiver.taken[0].name == "Kermit"

    loop, receiver = met()
    assert failure(loop, loop.root.callRemote("take", Frog("Kermit"))).check(pb.InsecureJelly)
    assert receiver.taken == []


def test_the_refusal_comes_later_and_is_logged_if_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    """B28."""
    loop, _ = met()

    deferred = loop.root.callRemote("take", Frog())
    assert not deferred.called
    with caplog.at_level(logging.ERROR, "pbshell.defer"):
        loop.run()
        assert "Unhandled" not in caplog.text
        del deferred
        gc.collect()

    assert "Unhandled error in Deferred" in caplog.text
    assert "InsecureJelly" in caplog.text


def test_a_copyable_that_is_not_registered_is_refused_by_name() -> None:
    """B29."""
    loop, _ = met()
    reason = failure(loop, loop.root.callRemote("take", Frog()))

    assert reason.type == INSECURE
    assert f"{__name__}.Frog" in reason.getErrorMessage()


def test_no_module_is_imported_by_a_name_from_the_wire() -> None:
    """B30."""
    assert "this" not in sys.modules
    loop, _ = met()
    claim(loop, "this.Zen")

    assert refusal(loop) == INSECURE
    assert "this" not in sys.modules


def test_a_hit_in_the_table_of_classes_chooses_the_local_class_and_a_miss_is_insecure() -> None:
    """B31."""
    registry = pb.Registry()
    registry.setUnjellyableForClass("pond.Frog", ReceivedFrog)

    loop, receiver = met(registry)
    claim(loop, "pond.Frog")
    claim(loop, "pond.Toad")

    assert [type(thing) for thing in receiver.taken] == [ReceivedFrog]


def test_a_class_is_registered_by_its_qualified_name_or_as_an_object() -> None:
    """B32."""
    for name in (Frog, f"{__name__}.Frog"):
        registry = pb.Registry()
        registry.setUnjellyableForClass(name, ReceivedFrog)
        loop, receiver = met(registry)
        result(loop, loop.root.callRemote("take", Frog()))
        assert [type(thing) for thing in receiver.taken] == [ReceivedFrog]


def test_registering_lets_the_class_in_and_names_what_is_built_for_it() -> None:
    """B33."""
    registry = pb.Registry()
    loop, receiver = met(registry)
    failure(loop, loop.root.callRemote("take", Frog("too early")))

    registry.setUnjellyableForClass(Frog, ReceivedFrog)
    result(loop, loop.root.callRemote("take", Frog("Kermit")))

    (taken,) = receiver.taken
    assert type(taken) is ReceivedFrog
    assert taken.name == "Kermit"


def test_the_name_on_the_wire_is_module_and_class_of_the_sender() -> None:
    """B34."""
    loop, _ = met()
    failure(loop, loop.root.callRemote("take", Frog("Kermit")))

    message = said(loop, Side.CLIENT)[-1]
    assert message[5] == [
        b"tuple",
        [f"{__name__}.Frog".encode(), [b"dictionary", [[b"unicode", b"name"], [b"unicode", b"Kermit"]]]],
    ]


def test_main_and_the_module_are_two_names() -> None:
    """B35."""
    registry = pb.Registry()
    registry.setUnjellyableForClass("copy_sender.CopyPond", ReceivedFrog)

    loop, receiver = met(registry)
    claim(loop, "__main__.CopyPond")

    assert refusal(loop) == INSECURE
    assert receiver.taken == []


def test_importing_the_module_that_registers_is_enough() -> None:
    """B36."""
    module = types.ModuleType("pond_classes")
    source = (
        "from pbshell import pb\n"
        "class ReceiverPond(pb.RemoteCopy): pass\n"
        "pb.setUnjellyableForClass('pond_sender.SenderPond', ReceiverPond)\n"
    )
    exec(source, module.__dict__)
    loop = loopback(receiver := Receiver())
    claim(loop, "pond_sender.SenderPond", {"count": 7})

    (taken,) = receiver.taken
    assert type(taken).__name__ == "ReceiverPond"
    assert taken.count == 7


@pytest.mark.parametrize(
    "name", ["io.TextIOWrapper", "builtins.open", "_io.FileIO", "telnetlib.Telnet", "subprocess.Popen", "builtins.dict"]
)
def test_classes_of_python_itself_are_no_exception(name: str) -> None:
    """B37."""
    loop, receiver = met()
    claim(loop, name, {"args": "/etc/passwd"})

    assert refusal(loop) == INSECURE
    assert receiver.taken == []
    with pytest.raises(pb.InsecureJelly):
        pb.jelly(io.BytesIO())


def test_an_unknown_class_gets_no_code_of_its_own_to_run() -> None:
    """B38."""
    log.clear()
    loop, _ = met()
    for name in (f"{__name__}.LilyPond", f"{__name__}.Frog"):
        claim(loop, name, {"name": "x"})
        assert refusal(loop) == INSECURE
    claim(loop, "class", b"os.system")
    assert refusal(loop) == INSECURE

    assert log == []


def test_after_a_security_error_the_connection_goes_on() -> None:
    """B39."""
    loop, receiver = met()
    failure(loop, loop.root.callRemote("take", Frog()))

    assert result(loop, loop.root.callRemote("take", "a letter")) == "safe and sound"
    assert receiver.taken == ["a letter"]
    assert loop.server.lost is None


def test_jelly_works_without_a_connection_and_with_another_marshaller() -> None:
    """B40."""
    value = {"frogs": [1, 2.5, None, True, ("a", b"b")]}

    marshalled = marshal.dumps(pb.jelly(value))

    assert pb.unjelly(marshal.loads(marshalled)) == value


def test_a_peer_need_not_be_python() -> None:
    """B41."""
    registry = pb.Registry()
    registry.setUnjellyableForClass("org.pond.Frog$Green", ReceivedFrog)
    registry.setUnjellyableForClass("frog", ReceivedFrog)

    loop, receiver = met(registry)
    claim(loop, "org.pond.Frog$Green", {"name": "Java"})
    claim(loop, "frog", {"name": "elisp"})
    claim(loop, "com.unknown::Frög")

    assert [thing.name for thing in receiver.taken] == ["Java", "elisp"]
    assert loop.server.lost is None


def test_a_class_may_write_and_read_itself() -> None:
    """B42."""

    class Temperature(pb.Jellyable):
        def jellyFor(self, jellier: pb.Jellier) -> Any:
            return [b"temperature", 21, b"celsius"]

    class Thermometer(pb.Unjellyable):
        def unjellyFor(self, unjellier: pb.Unjellier, expression: list[Any]) -> Any:
            return f"{expression[1]} {expression[2].decode()}"

    registry = pb.Registry()
    registry.setUnjellyableForClass("temperature", Thermometer)
    loop, receiver = met(registry)
    result(loop, loop.root.callRemote("take", [Temperature()]))

    assert receiver.taken == [["21 celsius"]]


def test_only_objects_with_a_flavor_travel() -> None:
    """B43."""

    class Ticker(pb.Cacheable):
        def getStateToCacheAndObserveFor(self, perspective: Any, observer: Any) -> Any:
            return {}

    class Ticket(pb.RemoteCache):
        pass

    registry = pb.Registry()
    registry.setUnjellyableForClass(Frog, ReceivedFrog)
    registry.setUnjellyableForClass(Ticker, Ticket)
    loop, receiver = met(registry)
    fit: list[object] = [pb.Referenceable(), pb.Viewable(), Frog(), Ticker()]
    unfit: list[object] = [object(), LilyPond(), ReceivedFrog(), pb.Avatar(), print, sys]
    for thing in fit:
        result(loop, loop.root.callRemote("take", thing))
    for thing in unfit:
        assert failure(loop, loop.root.callRemote("take", thing)).check(pb.InsecureJelly)

    assert [type(thing) for thing in receiver.taken] == [
        pb.RemoteReference,
        pb.RemoteReference,
        ReceivedFrog,
        Ticket,
    ]


def test_the_error_has_one_name_and_one_class() -> None:
    """B44: the manual's editions write pb.InsecureJelly or jelly.InsecureJelly; here there are no second names."""
    assert pb.InsecureJelly is errors.InsecureJelly
    assert errors.names_of(pb.InsecureJelly)[0] == INSECURE
