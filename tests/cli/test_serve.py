"""`pbshell serve` as a process: where it listens, what it tells, what it shows, and how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pond.running import environment, is_harmless, pbshell

#: seconds for a server to come up
PATIENCE = 20.0

MODULE = """
from pbshell import pb

class Quotes(pb.Root):
    def remote_quote(self):
        return "an apple a day"

async def later():
    return Quotes()

class Needs(pb.Root):
    def __init__(self, what):
        pass

def boom():
    return 1 / 0

def leaves():
    raise SystemExit(3)
"""


class Served:
    """A server that is running."""

    def __init__(self, process: subprocess.Popen[str], port_file: Path) -> None:
        self.process = process
        deadline = time.monotonic() + PATIENCE
        while not port_file.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the port file does not come"
            time.sleep(0.01)  # another process makes it, and there is nothing else to wait for
        self.place = port_file.read_text().rstrip("\n")
        self.target = f"127.0.0.1:{self.place}"

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """End it; its exit code, its data and its words."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextmanager
def serve(tmp_path: Path, *words: str, cwd: Path | None = None, **env: str) -> Iterator[Served]:
    """Run ``pbshell serve`` with these *words*."""
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "pbshell", "serve", *words, "--port-file", str(port_file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**env), cwd=cwd
    ) as process:
        try:
            yield Served(process, port_file)
        finally:
            if process.poll() is None:
                process.terminate()


def test_a_plugin_is_served_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with serve(tmp_path, "echo") as server:
        assert pbshell(server.target, "-c", "await root.callRemote('echo', 'hi')").out == "'hi'\n"

        code, out, err = server.end()

    assert (code, out) == (0, "")
    assert err == f"pbshell: serving echo on tcp:{server.place}   (this machine only)\nechoing: 'hi'\n"
    assert not (tmp_path / "port").exists()


def test_ctrl_c_is_an_interruption(tmp_path: Path) -> None:
    with serve(tmp_path, "echo") as server:
        code, _, err = server.end(signal.SIGINT)

    assert code == 130
    assert "Traceback" not in err


def test_a_class_of_ones_own_is_found_beside_one(tmp_path: Path) -> None:
    (tmp_path / "quotes.py").write_text(MODULE)

    for name in ("quotes:Quotes", "quotes:later"):
        with serve(tmp_path, name, cwd=tmp_path) as server:
            assert pbshell(server.target, "-c", "await root.callRemote('quote')").out == "'an apple a day'\n"


def test_the_demo_tells_where_its_passwords_are(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    with serve(tmp_path, "demo", "--accounts", str(accounts), "--tick", "0.01") as server:
        passwords = dict(line.split(":") for line in accounts.read_text().splitlines())
        words = [server.target, "--user", "bob", "--password-env", "PW", "-c", "await root.callRemote('whoami')"]
        assert pbshell(*words, env={"PW": passwords["bob"]}).out == "'bob'\n"
        # The classes of the demo are known to whoever imports them.
        script = "import pbshell_plugins.demo\nclock = await root.callRemote('getClock')\nawait clock.next() > 0\n"
        assert pbshell(*words[:-2], env={"PW": passwords["bob"]}, stdin=script).out == "True\n"

        _, _, err = server.end()

    assert f"pbshell: accounts and passwords in {accounts}\n" in err
    assert not any(password in err for password in passwords.values())


def test_a_failed_login_is_one_harmless_line_of_the_log(tmp_path: Path) -> None:
    with serve(tmp_path, "demo", "--accounts", str(tmp_path / "accounts")) as server:
        words = [server.target, "--user", "eve\x1b[2J", "--password-env", "PW", "-c", "1"]
        assert pbshell(*words, env={"PW": "x"}).code == 4

        _, _, err = server.end()

    (line,) = [line for line in err.split("\n") if "login failed" in line]
    assert "eve\\x1b[2J" in line
    assert is_harmless(err)


def test_dump_is_the_traffic_of_all_connections(tmp_path: Path) -> None:
    with serve(tmp_path, "echo", "--dump") as server:
        for word in ("one", "two"):
            pbshell(server.target, "-c", f"await root.callRemote('echo', '{word}\\x1b[2J')")

        code, out, err = server.end()

    assert code == 0
    assert "root.echo('one\\x1b[2J')" in out
    assert "root.echo('two\\x1b[2J')" in out
    assert {line.split()[2] for line in out.rstrip("\n").split("\n")} == {"1", "2"}
    assert is_harmless(out)
    assert is_harmless(err)


@pytest.mark.parametrize("options", [[], ["--trace"], ["--dump"]])
def test_what_a_server_hears_can_be_saved(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "it.pbt"
    with serve(tmp_path, "echo", "-w", str(path), *options) as server:
        for word in ("one", "two"):
            pbshell(server.target, "-c", f"await root.callRemote('echo', '{word}')")

        code, _, err = server.end()

    assert code == 0
    assert err.endswith(f"pbshell: saved to {path}, {path.stat().st_size:,} bytes\n")
    read = pbshell("trace", "read", str(path), "-F", "echo").out
    assert [line.split()[2] for line in read.splitlines()] == ["1", "2"]


def test_what_is_saved_is_there_while_the_server_runs_and_no_larger_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "it.pbt"
    with serve(tmp_path, "echo", "-w", str(path), "--size", "2k") as server:
        pbshell(server.target, "-c", "await root.callRemote('echo', 'x')")
        deadline = time.monotonic() + PATIENCE
        while b'"closed"' not in path.read_bytes():
            assert time.monotonic() < deadline, "it is not written"
            time.sleep(0.01)  # another process writes it
        pbshell(server.target, "-c", "await root.callRemote('echo', 'x' * 3000)")

        _, _, err = server.end()

    assert f"pbshell: {path} has grown to its --size, and nothing was saved from there on\n" in err
    assert path.stat().st_size <= 2000


def test_a_server_that_cannot_save_does_not_begin(tmp_path: Path) -> None:
    outcome = pbshell("serve", "echo", "-w", str(tmp_path / "none" / "it.pbt"))

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith("it.pbt cannot be made (No such file or directory)\n")


def test_the_dump_of_a_server_ends_with_what_is_wrong(tmp_path: Path) -> None:
    with serve(tmp_path, "echo", "--dump") as server:
        with socket.create_connection(("127.0.0.1", int(server.place))) as peer:
            peer.recv(100)
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while peer.recv(100):
                pass

        _, out, err = server.end()

    assert "HTTP" in out
    assert re.search(r"^(error|warning): connection 1: .*HTTP", err, re.MULTILINE)


def test_trace_is_among_the_words(tmp_path: Path) -> None:
    with serve(tmp_path, "echo", "--trace") as server:
        pbshell(server.target, "-c", "await root.callRemote('echo', 'x')")

        _, out, err = server.end()

    assert out == ""
    assert re.search(r" > +root\.echo\('x'\) += 'x' ", err)


def test_several_endpoints_and_a_socket_in_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    with serve(tmp_path, "echo", "--listen", f"unix:{path}", "--listen", "tcp:0") as server:
        for target in (f"unix:{path}", server.target):
            assert pbshell(target, "-c", "await root.callRemote('echo', 1)").out == "1\n"

        _, _, err = server.end()

    assert re.search(rf"serving echo on unix:{path}\n.*serving echo on tcp:{server.place} ", err)
    assert not path.exists()


def test_without_a_port_the_file_holds_the_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    with serve(tmp_path, "echo", "--listen", f"unix:{path}") as server:
        assert server.place == f"unix:{path}"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["nosuch"], 2, "there is no plugin 'nosuch'; there are"),
        (["nosuch:Root"], 2, "nosuch cannot be imported: ModuleNotFoundError"),
        (["pbshell.pb:Nothing"], 2, "pbshell.pb has no 'Nothing'"),
        (["pbshell.pb:Referenceable"], 2, "subclass pb.Root"),
        (["echo", "--listen", "tcp:port"], 2, "endpoint 'tcp:port': the port is a number"),
        (["echo", "--listen", "tcp:1:interface=192.0.2.1"], 3, "echo cannot be served"),
        (["demo", "--accounts", "/proc/no"], 3, "demo cannot be served"),
        (["echo", "--accounts", "x"], 2, "unrecognized arguments"),
        ([], 2, "the following arguments are required: NAME"),
        (["--port-file"], 2, "expected one argument"),
        (["echo", "--port-file", "/no/x"], 3, "the port file /no/x cannot be written: No such file or directory"),
        (["quotes"], 2, "quotes is a module: write quotes:CLASS"),
        (["quotes.py"], 2, "quotes.py is a module: write quotes:CLASS"),
        (["quotes.py:Quotes"], 2, "a module is named without its .py: write quotes:Quotes"),
        (["quotes:Needs"], 2, "quotes:Needs cannot be made: TypeError: Needs.__init__() missing"),
        (["quotes:boom"], 2, "ZeroDivisionError: division by zero\n    quotes.py, line 16, in boom\n"),
        (["quotes:leaves"], 2, "quotes:leaves cannot be made: SystemExit: 3"),
        (["broken:X"], 2, "broken cannot be imported: ZeroDivisionError: division by zero (broken.py, line 2)"),
        (["leaving:X"], 2, "leaving cannot be imported: SystemExit: 4 (leaving.py, line 1)"),
    ],
)
def test_what_cannot_be_served_is_a_sentence_and_a_code(
    words: list[str], code: int, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "quotes.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("x = 0\n1 / x\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(4)\n")

    outcome = pbshell("serve", *words, cwd=tmp_path)

    assert (outcome.code, outcome.out) == (code, "")
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err
    assert "pbshell/" not in outcome.err


def test_a_port_that_is_taken_is_said_to_be(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = pbshell("serve", "echo", "--listen", f"tcp:{taken.getsockname()[1]}")

    assert outcome.code == 3
    assert "[Errno" not in outcome.err
    assert "\n  another program listens there: --listen" in outcome.err


def test_help_tells_the_options_of_the_plugin() -> None:
    assert "--accounts FILE" in pbshell("serve", "demo", "--help").out
    assert "--accounts" not in pbshell("serve", "echo", "--help").out
