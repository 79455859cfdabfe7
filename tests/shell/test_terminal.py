"""pbshell in a real terminal, on a real Twisted server: what a person sees, key by key."""

from __future__ import annotations

import socket

from tests.pond.running import HOSTILE, PASSWORD, Pond
from tests.shell.terminal import terminal


def test_a_session_with_a_twisted_server(pond: Pond) -> None:
    with terminal(pond.gate, "--user", "alice", "--password-env", "PW", PW=PASSWORD) as screen:
        screen.wait_for_prompt()
        assert f"connected to {pond.gate}" in screen.text
        assert "PB v6, dialect pb, cleartext   logged in as alice" in screen.text

        screen.type("await root.callRemote('whoami')", "'alice'")
        screen.type("group = await root.callRemote('group')")
        screen.type("group.callRemote('send', 'hi')", "'alice: hi'")
        screen.type(":refs", "theirs")
        screen.type(":trace on", "trace on")
        screen.type("await root.callRemote('callMe', 'print', 'hello')", "* mind.print('hello')")
        assert "< message  s#1  c1.print('hello')" in screen.text
        screen.type("await root.callRemote('fly')", "the object at the server has no such method")

        screen.send("\x04")
        assert screen.end() == 0
        assert PASSWORD not in screen.text


def test_on_a_narrow_screen_the_banner_has_a_line_for_each_fact(pond: Pond) -> None:
    with terminal(pond.root, COLUMNS="60") as screen:
        screen.wait("\nPB v6, dialect pb, cleartext\nnot logged in\nType Python")


def test_ctrl_c_at_a_call_that_is_never_answered(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        screen.type(":trace on", "trace on")
        screen.send("await root.callRemote('never')\r")
        screen.wait("root.never()")

        screen.interrupt()

        screen.wait("cancelled; a method that was called may still be running at the server")
        screen.type("await root.callRemote('echo', 5)", "5")


def test_ctrl_c_at_python_that_does_not_end(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        screen.send("print('spinning'); [None for _ in iter(int, 1)]\r")
        screen.wait("spinning", behind="iter(int, 1)]")

        screen.interrupt()

        screen.wait("interrupted")
        screen.type("1 + 1", "2")


def test_a_server_that_leaves_while_somebody_types(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        screen.type("d = root.callRemote('leave').addErrback(lambda reason: None)")
        screen.wait("has ended: the peer closed the connection")
        screen.type("root.callRemote('echo', 1)", "gone")
        screen.type("1 + 1", "2")


def test_hostile_text_changes_nothing_on_the_screen(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        screen.type(":trace on", "trace on")
        screen.type("await root.callRemote('hostile')", "[red]gone[/red]")
        screen.type("await root.callRemote('refuse')", "RemoteError")
        screen.type("await root.callRemote('feather')", "not registered here")

        assert "\nspoof" not in screen.text
        assert "\\x1b]0;owned\\x07\\x1b[31mred\\r\\nspoof\\x9b2J\\u202e\\u2066" in screen.text.replace("\n", "")
        assert screen._screen.title == ""
        assert HOSTILE not in screen.text


def test_the_demo_is_there_at_once() -> None:
    with terminal("demo", NO_COLOR="1") as screen:
        screen.wait_for_prompt()
        screen.type("b = await root.callRemote('getBuilder', 'linux')")
        screen.type("(b)", "<RemoteReference s3, alive>")
        screen.type("clock = await root.callRemote('getClock')")
        screen.type("await clock.next()", "1")
        screen.type(":cached", "pbshell_plugins.demo.ClockCopy")
        screen.send(":quit\r")
        assert screen.end() == 0


def test_a_terminal_that_can_do_nothing_gets_lines(pond: Pond) -> None:
    with terminal(pond.root, TERM="dumb") as screen:
        screen.wait_for_prompt()
        screen.type("await root.callRemote('echo', 41) + 1", "42")
        assert "not logged in" in screen.text
        screen.send("half a line")
        screen.wait("half a line")
        screen.interrupt()
        screen.wait("\npb>", behind="half a line")
        screen.type("1/0", "ZeroDivisionError: division by zero")
        screen.send("await root.callRemote('never')\r")
        screen.wait("never')")
        screen.interrupt()
        screen.wait("cancelled")
        screen.type("1 + 1", "2")
        screen.send("\x04")
        assert screen.end() == 0


def test_who_waits_for_a_server_is_told_so_and_can_give_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        with terminal(target) as screen:
            screen.wait(f"connecting to {target}")
            screen.interrupt()
            assert screen.end() == 130
            assert screen.text.endswith("^C")


def test_a_password_is_asked_for_and_not_shown(pond: Pond) -> None:
    with terminal(pond.gate, "--user", "alice", "--ask") as screen:
        screen.wait("Password:")
        screen.send(f"{PASSWORD}\r")
        screen.wait("logged in as alice")
        assert PASSWORD not in screen.text
