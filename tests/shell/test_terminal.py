"""pbshell in a real terminal, on a real Twisted server: what a person sees, key by key."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.pond.running import HOSTILE, PASSWORD, Pond
from tests.shell.terminal import terminal


def test_a_session_with_a_twisted_server(pond: Pond) -> None:
    with terminal(pond.gate, "--user", "alice", "--password-env", "PW", PW=PASSWORD) as screen:
        screen.wait_for_prompt()
        assert f"connected to {pond.gate}" in screen.text
        assert "PB v6, dialect pb, cleartext" in screen.text
        assert "logged in as alice" in screen.text

        screen.type("await root.callRemote('whoami')", "'alice'")
        screen.type("group = await root.callRemote('group')")
        screen.type("group.callRemote('send', 'hi')", "'alice: hi'")
        screen.type(":refs", "theirs")
        screen.type(":trace on", "trace on")
        screen.type("await root.callRemote('callMe', 'print', 'hello')", "* mind.print('hello')")
        assert "print('hello')" in screen.text
        screen.type("await root.callRemote('fly')", "the object at the server has no such method")

        screen.send("\x04")
        assert screen.end() == 0
        assert PASSWORD not in screen.text


def test_on_a_narrow_screen_the_banner_is_not_cut(pond: Pond) -> None:
    with terminal(pond.root, columns=60) as screen:
        screen.wait_for_prompt()
        for words in ("PB v6, dialect pb, cleartext", "not logged in", "Ctrl-D leaves."):
            assert words in screen.text


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
        screen.type("root.callRemote('echo', 1)", "the connection main has ended")
        screen.type("1 + 1", "2")


def test_hostile_text_changes_nothing_on_the_screen(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        screen.type(":trace on", "trace on")
        screen.type("await root.callRemote('hostile')", "[red]gone[/red]")
        screen.type("await root.callRemote('refuse')", "RemoteError")
        screen.type("await root.callRemote('feather')", "copy of __main__.Feather")

        assert "\nspoof" not in screen.text
        assert "\\x1b]0;owned\\x07\\x1b[31mred\\r\\nspoof\\x9b2J\\u202e\\u2066" in screen.text.replace("\n", "")
        assert screen.screen.title == ""
        assert HOSTILE not in screen.text


def test_the_demo_is_there_at_once() -> None:
    with terminal("demo", NO_COLOR="1") as screen:
        screen.wait_for_prompt()
        screen.type("b = await root.callRemote('getBuilder', 'linux')")
        screen.type("(b)", "<RemoteReference s3 getBuilder('linux'), alive>")
        screen.type("clock = await root.callRemote('getClock')")
        screen.type("await clock.next()", "1")
        screen.type(":cached", "in step with frame")
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
        screen.wait("Password of alice:")
        screen.send(f"{PASSWORD}\r")
        screen.wait("logged in as alice")
        assert PASSWORD not in screen.text


FLOOD = (
    "async def flood():\r"
    "for n in range(5000):\r"
    "sh._bench.tracer.show(f'{n} +0.1 1 > line {n:04} of it')\r"
    "if n % 100 == 0: await asyncio.sleep(0)\r\r"
)
F5, F7, F10 = "\x1b[15~", "\x1b[18~", "\x1b[21~"


def test_what_is_typed_stays_whatever_happens_above_it(pond: Pond) -> None:
    """Five thousand lines of a trace, keys, a screen of another size, a full screen, a peer that leaves."""
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        assert screen.below.startswith(f" {pond.root}   F1 help   F5 refs")
        screen.send(FLOOD)
        screen.wait_for_prompt()
        screen.send("task = asyncio.ensure_future(flood())\rhalf a")
        screen.wait("> line 4999 of it")
        screen.send(" line")
        screen.wait_for_line("pb> half a line")
        assert "left out" not in screen.text

        screen.send(F7)
        screen.wait("trace on", behind=":trace on")
        screen.wait_for_line("pb> half a line")
        screen.resize(60, 50)
        screen.wait_for_line("pb> half a line")
        screen.resize(50, 50)
        screen.send(F5)
        screen.wait("no references")
        screen.wait_for_line("pb> half a line")
        assert screen.below == ""
        screen.resize(100, 50)

        screen.send(F10)
        screen.wait("q back")
        screen.send("q")
        screen.wait_for_line("pb> half a line")
        screen.send("\x15d = root.callRemote('leave').addErrback(lambda reason: None)\rstill here")
        screen.wait("has ended: the peer closed the connection")
        screen.wait_for_line("pb:main (ended)> still here")
        screen.send("\x03\x04")
        assert screen.end() == 0


def test_the_menu_a_block_a_paste_and_a_search(pond: Pond, tmp_path: Path) -> None:
    with terminal(pond.root, XDG_STATE_HOME=str(tmp_path)) as screen:
        screen.wait_for_prompt()
        screen.type("await root.callRemote('echo', 5)", "5")
        screen.type("await root.callRemote('pond')", "copy of")
        screen.send("await root.callRemote('\t")
        screen.wait("seen 1x  (int)  traffic")
        screen.send("\x03")
        screen.wait_for_prompt()
        screen.send(":co\t")
        screen.wait("connect  one more connection")
        screen.send("\x03")
        screen.wait_for_prompt()
        screen.send("for n in range(3):\r")
        screen.wait_for_line("...")
        screen.send("x = n\r\r")
        screen.wait_for_prompt()
        screen.type("x", "2")

        lines = "".join(f"    y{n} = {n}\r" for n in range(200))
        screen.send(f"\x1b[200~if True:\r{lines}\x1b[201~")
        screen.wait("y199 = 199")
        screen.send("\r\r")
        screen.wait_for_prompt()
        screen.type("y199 + 1", "200")
        screen.type("token = 'wonderland'")
        screen.send("\x04")
        assert screen.end() == 0

    with terminal(pond.root, XDG_STATE_HOME=str(tmp_path)) as screen:
        screen.wait_for_prompt()
        screen.send("\x12y199 +")
        screen.wait("pb> y199 + 1")
        screen.send("\r\x15")
        screen.send("\x1b[A")
        screen.wait("y199 + 1")
        screen.send("\x1b[B")
    kept = "".join(path.read_text() for path in (tmp_path / "pbshell" / "history").iterdir())
    assert "y199 + 1" in kept
    assert "wonderland" not in kept


def test_a_storm_of_ctrl_c_ends_nothing(pond: Pond) -> None:
    with terminal(pond.root) as screen:
        screen.wait_for_prompt()
        for _ in range(30):
            screen.send("await root.callRemote('never')\r")
            for _ in range(5):
                screen.interrupt()
        screen.send("\r\x03")
        screen.send("x = 6 * 7\r")
        screen.type("print(x)", "42")


def test_plain_there_are_words_and_no_line_below(pond: Pond) -> None:
    with terminal(pond.root, "--plain", columns=60) as screen:
        screen.wait_for_prompt()
        assert screen.below == ""
        screen.type("1/0", "error: ZeroDivisionError: division by zero")
        screen.send(F10)
        screen.wait("1 connection", behind=":top")
        screen.wait_for_prompt()
