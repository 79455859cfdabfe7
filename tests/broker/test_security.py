"""What one connection accepts, and what it tells of our errors."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pbshell.broker.registry import GLOBAL, Registry
from pbshell.broker.security import BASIC_TYPES, SecurityOptions, globalSecurity
from pbshell.errors import InsecureJelly, UsageError
from tests.broker.wire import Board, Wire, dictionary, failed, message, text

CODE = [b"class", b"module", b"function", b"method", b"instance"]


class Plain:
    """A class without a flavor."""


def test_a_fresh_one_accepts_all_data_and_no_code() -> None:
    fresh = SecurityOptions()

    assert all(fresh.isTypeAllowed(tag) for tag in BASIC_TYPES)
    assert {b"list", b"unicode", b"remote", b"lcache", b"datetime"} <= BASIC_TYPES
    assert not any(fresh.isTypeAllowed(tag) for tag in [*CODE, b"nosuch", b"mod.Class"])
    assert fresh.registry is GLOBAL
    assert fresh.errors == globalSecurity.errors == "text"


def test_types_may_be_narrowed_and_widened_again() -> None:
    narrow = SecurityOptions(types=["tuple", b"dictionary"])
    assert narrow.isTypeAllowed(b"tuple")
    assert not narrow.isTypeAllowed(b"list")

    narrow.allowTypes("list", b"set", Plain)
    assert all(narrow.isTypeAllowed(tag) for tag in (b"list", b"set", f"{__name__}.Plain".encode()))
    narrow.allowBasicTypes()
    assert all(narrow.isTypeAllowed(tag) for tag in BASIC_TYPES)


def test_instances_of_a_class_that_is_allowed_travel() -> None:
    open_to = SecurityOptions(types=[])
    assert not open_to.isClassAllowed(Plain)
    assert open_to.allowed_class(b"test.Plain") is None

    open_to.allowInstancesOf(Plain)
    assert open_to.isClassAllowed(Plain)
    assert open_to.allowed_class(f"{__name__}.Plain".encode()) is Plain
    assert open_to.isTypeAllowed(b"instance")
    assert open_to.isTypeAllowed(b"list")


def test_errors_are_told_as_text_or_as_type_and_nothing_else() -> None:
    with pytest.raises(UsageError, match="errors is 'text' or 'type'"):
        SecurityOptions(errors="everything")  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", CODE)
def test_code_is_refused_by_its_tag(tag: bytes) -> None:
    wire = Wire(root=Board())
    (answer,) = wire.hears(message(1, b"root", b"echo", [tag, b"os.system", [b"dictionary"], 1]))

    assert failed(answer)["type"] == b"twisted.spread.jelly.InsecureJelly"
    assert failed(answer)["value"] == repr(tag)


@pytest.mark.parametrize("tag", [b"module", b"function", b"method"])
def test_code_stays_refused_even_when_its_tag_is_allowed(tag: bytes) -> None:
    security = SecurityOptions()
    security.allowTypes(tag)
    wire = Wire(root=Board(), security=security)
    (answer,) = wire.hears(message(1, b"root", b"echo", [tag, b"os.system", [b"dictionary"], 1]))

    assert failed(answer)["value"] == repr(tag)


def hostile_names() -> list[bytes]:
    """Dotted names of modules and classes that exist and are not loaded, of some that are, and of none."""
    there = ["this.x", "antigravity.x", "idlelib.idle.x", "turtledemo.x", "lib2to3.x", "wsgiref.simple_server.Server"]
    loaded = ["os.system", "subprocess.Popen", "builtins.eval", "sys.exit", "pickle.loads", "importlib.import_module"]
    odd = ["..", ".", "a.", ".a", "a..b", "é.x", "a b.c", "x" * 1_000 + ".y", "__main__.x", "\x1b[31m.x"]
    return [name.encode() for name in (*there, *loaded, *odd)] + [b"\xff.\xfe", b"a\x00.b"]


@pytest.mark.parametrize("shape", ["copy", "cache", "class", "instance", "exception"])
def test_no_module_is_imported_because_a_peer_names_it(shape: str) -> None:
    wire = Wire(root=Board())
    wire.hears(message(0, b"root", b"echo", [b"mod.Warm", dictionary()]))
    before = set(sys.modules)
    for name in hostile_names():
        expression: Any = {
            "copy": [name, dictionary(x=1)],
            "cache": [name, 5, dictionary(x=1)],
            "class": [b"class", name],
            "instance": [b"instance", [b"class", name], dictionary()],
            "exception": [name, dictionary(args=[b"tuple", text("x")])],
        }[shape]
        answers = wire.hears(message(1, b"root", b"echo", expression))
        assert failed(answers[-1])["type"] == b"twisted.spread.jelly.InsecureJelly", name

    assert set(sys.modules) - before == set()


def test_a_refused_class_is_an_insecure_jelly_that_names_the_line_to_add(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire(root=Board())
    (answer,) = wire.hears(message(1, b"root", b"echo", [b"list", 0, [b"mod.Card", dictionary()]]))

    assert failed(answer)["value"] == "Module mod not allowed (in type mod.Card)."
    assert "args[0][1] is of class mod.Card, which is not registered here; to accept it: " in caplog.text
    assert "pb.setUnjellyableForClass('mod.Card', YourRemoteCopy)" in caplog.text


def test_what_one_connection_accepts_another_does_not() -> None:
    open_to = SecurityOptions(registry=Registry())
    open_to.registry.setUnjellyableFactoryForClass("mod.Card", lambda state: state)
    card = [b"mod.Card", dictionary(x=1)]

    assert Wire(root=Board(), security=open_to).hears(message(1, b"root", b"echo", card))[0][0] == b"answer"
    assert Wire(root=Board()).hears(message(1, b"root", b"echo", card))[0][0] == b"error"


def test_a_tag_that_is_not_allowed_refuses_even_plain_arguments() -> None:
    wire = Wire(root=Board(), security=SecurityOptions(types=["dictionary"]))
    (answer,) = wire.hears(message(1, b"root", b"echo", 5))

    assert failed(answer)["value"] == "b'tuple'"


def test_insecure_jelly_is_what_both_sides_may_trap() -> None:
    wire = Wire()
    caught: list[Any] = []
    wire.broker.root_reference().callRemote("x", Plain()).addErrback(
        lambda reason: caught.append(reason.check(InsecureJelly))
    )

    assert caught == [InsecureJelly]
