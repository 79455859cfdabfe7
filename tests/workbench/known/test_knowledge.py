"""What is known of a peer's methods: from source, from interface files, from the traffic, and never by calling."""

from __future__ import annotations

import contextlib
import functools
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pbshell import pb
from pbshell.errors import UsageError
from pbshell.workbench.known import interfaces
from pbshell.workbench.known.declared import Declared, methods_of, signature_of
from pbshell.workbench.known.interfaces import Interface, Method, read, written
from pbshell.workbench.known.knowledge import Knowledge, Known, kinds_of, known_methods
from pbshell.workbench.known.observed import Observed
from pbshell.workbench.workbench import Workbench
from tests.workbench.bench import Server, Thing, connected, portal


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def around(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return around


class Tool(pb.Referenceable):
    """What a Shed lends."""

    def remote_use(self, hard: bool = False) -> None:
        """Use it.

        Twice.
        """


class Handle(pb.Viewable):
    """Knows who holds it."""

    def view_grip(self, perspective: Any, hand: str) -> None:
        """Hold it."""


class Shed(pb.Root):
    """What can be declared."""

    missing = 3
    remote_nothing = None

    def remote_get(self, name: Any, /, *more: Any, deep: Any = "x" * 99, **words: Any) -> Tool:
        return Tool()

    @decorated
    def remote_wrapped(self, a: Any, b: Any = 1) -> None:
        """Behind a decorator."""

    async def remote_later(self, *, must: Any) -> Any:
        return Handle()

    def remote_(self) -> None:
        """Has no name."""

    def helper(self) -> None:
        """Is nobody's."""


async def settled(bench: Workbench, arguments: str) -> None:
    """Call the root, whatever comes of it."""
    with contextlib.suppress(pb.PBError):
        await bench.evaluate(f"await root.callRemote({arguments})")


def names(known: list[Known]) -> list[str]:
    return [each.name for each in known]


# ------------------------------------------------------------------------------------------------ source


def test_a_class_declares_what_begins_as_a_peer_may_call_it() -> None:
    found = methods_of(Shed)

    assert set(found) == {("remote", "get"), ("remote", "wrapped"), ("remote", "later")}
    get = found["remote", "get"]
    assert get.signature == f"(name, /, *more, deep='{'x' * 80}'... (99 characters), **words)"
    assert get.source.startswith("test_knowledge.py:")
    assert get.returns == (Tool,)
    assert found["remote", "wrapped"].signature == "(a, b=1)"
    assert found["remote", "wrapped"].doc == "Behind a decorator."
    assert found["remote", "later"].signature == "(*, must)"
    assert found["remote", "later"].returns == (Handle,)
    assert methods_of(Handle)["view", "grip"].signature == "(hand)"
    assert methods_of(Tool)["remote", "use"].doc == "Use it."
    assert methods_of(Shed) is found


def test_no_code_of_a_class_is_run_to_read_it() -> None:
    class Trap(type):
        def __getattribute__(cls, name: str) -> Any:
            raise AssertionError(name)

    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("repr")

    loud = Loud()

    def remote_x(self: Any, value: Any = loud) -> None: ...

    cls = Trap("Trapped", (pb.Root,), {"remote_x": remote_x})

    (declared,) = [each for key, each in methods_of(cls).items() if key == ("remote", "x")]
    assert "Loud" in declared.signature


def test_a_function_of_the_prompt_has_no_source_and_is_declared_all_the_same() -> None:
    namespace: dict[str, Any] = {"pb": pb}
    exec(compile("class A(pb.Root):\n    def remote_x(self, a): return B()", "<pb:1>", "exec"), namespace)

    assert methods_of(namespace["A"])["remote", "x"] == Declared("x", "(a)", "<pb:1>:2", "")


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (lambda: None, "()"),
        (lambda a, b, /: None, "(a, b, /)"),
        (lambda a, *, b=1, c: None, "(a, *, b=1, c)"),
        (lambda *a, b: None, "(*a, b)"),
        (lambda a=(), **b: None, "(a=(), **b)"),
    ],
)
def test_a_signature_is_as_it_was_written(function: Any, signature: str) -> None:
    assert signature_of(function) == signature


# ------------------------------------------------------------------------------------------------ traffic


async def test_what_was_called_is_known_with_its_arguments_and_numbers() -> None:
    async with connected() as (bench, _):
        for line in ("'echo', 'a'", "'echo', 1, ", "'keep', {'x': root}", "'fail', 'no'", "'nonesuch'"):
            await settled(bench, line)
        found = {each.name: each for each in known_methods(bench, bench.namespace["root"])}

    assert set(found) == {"echo", "keep", "fail"}
    echo = found["echo"]
    assert (echo.signature, echo.source, echo.seen, echo.errors) == ("(int) or (str)", "traffic", 2, 0)
    assert echo.p50 is not None
    assert found["keep"].signature == "(dict)"
    assert (found["fail"].seen, found["fail"].errors) == (1, 1)


async def test_what_a_method_brings_is_known_by_that_method_also_on_the_next_connection() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await bench.evaluate("await thing.callRemote('name')")
        await bench.evaluate("other = await root.callRemote('thing')")
        assert names(known_methods(bench, bench.namespace["other"])) == ["name"]

        await bench.evaluate(":reconnect")
        assert names(known_methods(bench, bench.namespace["root"])) == ["thing"]
        await bench.evaluate("other = await root.callRemote('thing')")
        assert names(known_methods(bench, bench.namespace["other"])) == ["name"]
        bench.namespace.clear()


async def test_a_call_that_wants_no_answer_is_trusted() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("await root.callRemote('keep', b'x', pbanswer=False)")
        await bench.evaluate("await root.callRemote('echo', None)")
        (_, keep) = known_methods(bench, bench.namespace["root"])

    assert (keep.name, keep.signature, keep.p50) == ("keep", "(bytes)", None)


async def test_methods_of_a_login_are_nobodys_and_those_of_the_avatar_its_own() -> None:
    from pbshell.cred import UsernamePassword

    async with connected(portal(), credentials=UsernamePassword("alice", "wonderland"), user="alice") as (bench, _):
        await bench.evaluate("await root.callRemote('tell', 'print', a=1)")
        (known,) = known_methods(bench, bench.namespace["root"])
        assert (known.name, known.signature) == ("tell", "(str, a=int)")
        line = next(bench.lines())
        assert kinds_of(bench, line) == ["perspective"]


async def test_the_memory_of_the_traffic_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from pbshell.workbench.known import observed

    monkeypatch.setattr(observed, "_METHODS", 2)
    monkeypatch.setattr(observed, "_SHAPES", 1)
    monkeypatch.setattr(observed, "_SERVERS", 1)
    async with connected() as (bench, _):
        for name in ("echo", "keep", "fail"):
            await settled(bench, f"{name!r}, 'a'")
        await bench.evaluate("await root.callRemote('echo', 1)")
        found = known_methods(bench, bench.namespace["root"])
        assert [(each.name, each.signature) for each in found] == [("echo", "(int)"), ("keep", "(str)")]

    async with connected() as (other, _):
        other._parts[Knowledge] = bench.part(Knowledge)
        other.tracer.watchers.append(bench.part(Knowledge).observed._see)
        await other.evaluate("await root.callRemote('keep', 1)")
        assert names(known_methods(other, other.namespace["root"])) == ["keep"]
        assert len(bench.part(Knowledge).observed._calls) == 1


# ------------------------------------------------------------------------------------------------ which class it is


async def test_the_source_in_the_namespace_is_known_for_what_it_may_be() -> None:
    async with connected(Shed()) as (bench, _):
        root = bench.namespace["root"]
        assert known_methods(bench, root) == []
        bench.namespace["Shed"] = Shed
        assert names(known_methods(bench, root)) == ["get", "later", "wrapped"]
        await bench.evaluate("tool = await root.callRemote('get', 'saw')")
        assert names(known_methods(bench, bench.namespace["tool"])) == ["use"]
        handle = await bench.evaluate("await root.callRemote('later', must=1)")
        assert names(known_methods(bench, handle)) == ["grip"]
        (get, *_rest) = known_methods(bench, root)
        assert (get.seen, get.source.partition(":")[0]) == (1, "test_knowledge.py")
        bench.namespace.clear()


async def test_a_class_that_lacks_what_has_answered_is_not_it() -> None:
    async with connected() as (bench, _):
        bench.namespace["Shed"] = Shed
        assert names(known_methods(bench, bench.namespace["root"])) == ["get", "later", "wrapped"]
        await bench.evaluate("await root.callRemote('echo', 1)")
        assert names(known_methods(bench, bench.namespace["root"])) == ["echo"]


async def test_of_two_classes_that_may_be_it_neither_is_before_something_was_called() -> None:
    class Other(pb.Root):
        def remote_other(self) -> None:
            """Is another."""

    async with connected() as (bench, _):
        bench.namespace |= {"Shed": Shed, "Other": Other}
        assert known_methods(bench, bench.namespace["root"]) == []


async def test_a_module_that_is_in_use_is_looked_into_and_what_it_imports_is_not() -> None:
    module = ModuleType("shed_of_tests")
    module.Shed = type("Shed", (Shed,), {"__module__": "shed_of_tests"})  # type: ignore[attr-defined]
    module.Server = Server  # type: ignore[attr-defined]
    async with connected(Shed()) as (bench, _):
        bench.part(Knowledge).use(module)
        assert names(known_methods(bench, bench.namespace["root"])) == ["get", "later", "wrapped"]


async def test_an_object_in_this_process_is_of_the_class_that_it_is_of() -> None:
    bench = Workbench()
    try:
        await bench.evaluate(":serve tests.workbench.bench:Server as here")
        port = next(iter(bench.servers.values())).server.port
        await bench.connect(f"127.0.0.1:{port}")
        assert {"echo", "thing", "board"} <= set(names(known_methods(bench, bench.namespace["root"])))
        thing = await bench.evaluate("await root.callRemote('thing')")
        (known,) = known_methods(bench, thing)
        assert (known.name, known.source.partition(":")[0]) == ("name", "bench.py")
    finally:
        await bench.close()


def test_a_local_reference_knows_its_object() -> None:
    assert names(known_methods(Workbench(), pb.LocalReference(Thing()))) == ["name"]
    assert known_methods(Workbench(), 3) == []


async def test_nothing_is_called_and_nothing_run_to_find_out() -> None:
    async with connected() as (bench, notes):
        bench.tracer.on = True

        class Loud:
            def __getattr__(self, name: str) -> Any:
                raise AssertionError(name)

            def __eq__(self, other: object) -> bool:
                raise AssertionError("==")

            __hash__ = None  # type: ignore[assignment]

        bench.namespace["loud"] = Loud()
        assert known_methods(bench, bench.namespace["root"]) == []
        assert notes.traffic == []


# ------------------------------------------------------------------------------------------------ interface files


GIVEN = """
v = 1

[objects.root]
build = { signature = "(rev, force=False)", doc = "Queue a build." }
stop = "()"

[objects."build()"]
log = "()"

[objects."tests.workbench.bench.Server"]
echo = "(anything)"
"""


async def test_an_interface_file_is_known_of_until_source_knows_better(tmp_path: Path) -> None:
    file = tmp_path / "ci.toml"
    file.write_text(GIVEN)
    async with connected() as (bench, _):
        told = await bench.evaluate(f":import iface {file}")
        assert str(told) == "4 methods known from the interface ci"
        build, stop = known_methods(bench, bench.namespace["root"])
        assert build == Known("build", "(rev, force=False)", "iface ci", doc="Queue a build.")
        assert stop.signature == "()"
        bench.namespace["Server"] = Server
        found = {each.name: each for each in known_methods(bench, bench.namespace["root"])}
        assert found["echo"].source.startswith("bench.py")
        assert found["build"].source == "iface ci"


async def test_a_file_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = interfaces.folder()
    folder.mkdir(parents=True)
    (folder / "ci.toml").write_text(GIVEN)
    bench = Workbench()
    await bench.evaluate(":import iface ci")
    assert list(bench.part(Knowledge).interfaces) == ["ci"]
    with pytest.raises(UsageError, match=r"there is no interface 'cii'; did you mean ci\?"):
        await bench.evaluate(":import iface cii")
    with pytest.raises(UsageError, match="there is no interface 'xyzzy'; write a path, or put it into"):
        await bench.evaluate(":import iface xyzzy")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"[object.root]", "there is no 'object'; write [objects.root]"),
        (b"v = 2", "it is of version 2, and this pbshell knows 1"),
        (b"objects = 3", "objects are tables; write [objects.root]"),
        (b"[objects.'\\u001b']", "is no object: an object is root, perspective, mind"),
        (b"[objects]\nroot = 3", "root is a table of methods"),
        (b"[objects.root]\n'a b' = '()'", "'a b' is no name of a method"),
        (b"[objects.root]\na = 3", 'root.a: write a = "(rev)"'),
        (b"[objects.root]\na = { doc = 3 }", 'root.a: write a = "(rev)"'),
        (b"[objects.root]\na = { docs = 'x' }", "root.a: there is no 'docs'; there are signature, doc"),
        (b"[", "is no TOML"),
        (b"\xff", "cannot be read: it is no text"),
        (b"#" * 5_000_000, "has more than 4,194,304 bytes"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_place(tmp_path: Path, text: bytes, sentence: str) -> None:
    file = tmp_path / "ci.toml"
    file.write_bytes(text)
    with pytest.raises(UsageError) as caught:
        read(file)

    assert sentence in str(caught.value)
    assert str(file) in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_has_not_more_methods_than_a_person_could_want(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interfaces, "_METHODS", 1)
    file = tmp_path / "ci.toml"
    file.write_text(GIVEN)
    with pytest.raises(UsageError, match="more than 1 methods"):
        read(file)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    objects = {
        "root": [Method("a", '(b="\\"\\\\")', 'It\x1b[31m\n"says"'), Method("naïve", "()")],
        "get()": [Method("c")],
        "mod.Cls": [Method("d", "(str) or (int)")],
    }
    file = tmp_path / "x.toml"
    file.write_text(written(objects, "a\nb"), encoding="utf-8")

    found = read(file)
    assert found == Interface("x", found.objects)
    assert found.count == 4
    assert found.objects["root"]["a"].doc == 'It\\x1b[31m\\n"says"'
    assert found.objects["root"]["a"].signature == '(b="\\"\\\\")'
    assert list(found.objects) == list(objects)


# ------------------------------------------------------------------------------------------------ the commands


def mode(file: str) -> int:
    return stat.S_IMODE(Path(file).stat().st_mode)


async def test_what_was_learned_is_written_down_and_known_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "pond"
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await bench.evaluate("await thing.callRemote('name')")
        told = await bench.evaluate(f":export iface {file}")
        assert str(told) == f"2 methods of 2 kinds of objects written to {file}.toml"
        assert mode(f"{file}.toml") == 0o600
        with pytest.raises(UsageError, match="cannot be written: File exists"):
            await bench.evaluate(f":export iface {file}")
        bench.namespace.pop("thing")
    async with connected() as (bench, _):
        await bench.evaluate(f":import iface {file}.toml")
        (known,) = await bench.evaluate(":methods")
        assert (known.name, known.source) == ("thing", "iface pond")
        await bench.evaluate("thing = await root.callRemote('thing')")
        assert names(await bench.evaluate(":methods thing")) == ["name"]
        assert names(await bench.evaluate(":methods s1")) == ["name"]
        assert names(await bench.evaluate(":methods 1 | grep na")) == ["name"]
        sh: Any = bench.namespace["sh"]
        assert names(sh.methods(bench.namespace["thing"])) == ["name"]
        assert sh.import_("iface", f"{file}.toml").methods == 2
        bench.namespace.pop("thing")


async def test_to_ask_for_the_methods_of_an_id_neither_takes_nor_gives_a_receipt() -> None:
    async with connected() as (bench, _):
        await bench.evaluate("thing = await root.callRemote('thing')")
        await bench.evaluate("await root.callRemote('keep', pb.Root())")
        (before,) = [each for each in await bench.evaluate(":refs theirs") if each.id == "s1"]
        await bench.evaluate(":methods s1")
        (after,) = [each for each in await bench.evaluate(":refs theirs") if each.id == "s1"]
        assert before.count == after.count == 1
        with pytest.raises(UsageError, match="c1 is an object of ours: its methods are those of Root"):
            await bench.evaluate(":methods c1")
        bench.namespace.pop("thing")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("methods", "no connection is open: :connect TARGET opens one"),
        ("methods s7", "nothing is lent as 's7' here"),
        ("methods pb", "methods are asked of what a peer lends"),
        ("export iface x", "no connection is in use"),
        ("export pytest x", "there is no :export pytest: write :export iface FILE"),
        ("import pytest x", "there is no :import pytest: write :import iface FILE"),
        ("import iface nowhere.toml", "the interface file nowhere.toml cannot be read: No such file"),
    ],
)
async def test_what_cannot_be_known_is_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        await Workbench().evaluate(f":{line}")

    assert str(caught.value).startswith(sentence)


async def test_nothing_learned_is_nothing_to_export(tmp_path: Path) -> None:
    async with connected() as (bench, _):
        assert "no methods are known" in (await bench.evaluate(":methods")).empty
        with pytest.raises(UsageError, match="no methods are known yet"):
            await bench.evaluate(f":export iface {tmp_path / 'x'}")


def test_the_traffic_is_watched_from_the_beginning() -> None:
    bench = Workbench()
    assert isinstance(bench.part(Knowledge).observed, Observed)
