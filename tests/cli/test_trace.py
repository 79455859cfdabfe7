"""`pbshell trace` as a process: between two programs of Twisted, and out of files and pipes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pexpect
import pytest

from pbshell.trace.capture import CaptureWriter, open_capture
from pbshell.trace.forms.columns import columns
from pbshell.wire.banana import PB, encode
from pbshell.wire.chunk import Chunk, LinkEvent, Side
from tests.cli.going import Going, going
from tests.pond.running import PASSWORD, Pond, environment, is_harmless, pbshell
from tests.trace.incidents import Desk
from tests.trace.made_packets import Talk, enhanced, frame, interface, section
from tests.trace.talking import FOLDER

BUILD, TROUBLE = str(FOLDER / "buildbot-build.pbt"), str(FOLDER / "buildbot-trouble.pbt")
PACKETS = FOLDER / "twisted-login.pcap"
#: an order that lists no file
ECHO = "await root.callRemote('echo', {!r})"


@pytest.fixture(scope="module")
def server() -> Iterator[Desk]:
    """A process of Twisted that serves."""
    with Desk() as desk:
        yield desk


@pytest.fixture(scope="module")
def client() -> Iterator[Desk]:
    """A process of Twisted that visits."""
    with Desk() as desk:
        yield desk


class Proxy:
    """A `trace proxy` that runs."""

    def __init__(self, running: Going, port: int) -> None:
        self.running = running
        self.port = port
        self.out, self.err, self.end = running.out, running.err, running.end


@contextmanager
def proxy(tmp_path: Path, to: int | str, *words: str) -> Iterator[Proxy]:
    """Run `pbshell trace proxy` on a free port."""
    file = tmp_path / "port"
    target = to if isinstance(to, str) else f"127.0.0.1:{to}"
    ends = ["--listen", "tcp:0", "--to", target, "--port-file", str(file)]
    with going("trace", "proxy", *ends, *words) as running:
        yield Proxy(running, running.port(file))


# ------------------------------------------------------------------------------------------------ between two programs


def test_each_call_between_two_programs_of_twisted_is_a_line(tmp_path: Path, server: Desk, client: Desk) -> None:
    with proxy(tmp_path, server.serve("bench")) as relay:
        client.ask("visit", what="good", port=relay.port)
        relay.out.wait("x  client closed")
        outcome = relay.end()

    assert outcome.code == 0
    assert re.search(r"^ +\d+ \d\d:\d\d:\d\d\.\d{3} 1 >  root\.echo\(b?'hello'\) +=", outcome.out, re.MULTILINE)
    assert outcome.err == f"pbshell: relaying tcp:{relay.port} to 127.0.0.1:{server.serve('bench')}; Ctrl-C ends it\n"
    assert not (tmp_path / "port").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_is_told_what_is_wrong(tmp_path: Path, server: Desk, client: Desk, how: signal.Signals) -> None:
    with proxy(tmp_path, server.serve("bench")) as relay:
        client.ask("visit", what="leaves_early", port=relay.port)
        relay.out.wait("x  client closed")
        outcome = relay.end(how)

    assert outcome.code == 0
    assert "Traceback" not in outcome.err
    assert re.search(r"^warning: connection 1: the client closed the connection .*hang\(\)", outcome.err, re.MULTILINE)
    assert "warning:" not in outcome.out


def test_programs_that_talk_when_it_is_ended_are_let_go(tmp_path: Path, pond: Pond) -> None:
    with (
        proxy(tmp_path, pond.root) as relay,
        going(f"127.0.0.1:{relay.port}", "-c", "await root.callRemote('never')") as caller,
    ):
        relay.out.wait("never()")
        outcome = relay.end()
        assert caller.end(None).code == 6

    assert outcome.code == 0
    assert "? waiting 1.0 s" in outcome.out
    assert " 1 x  the connection was closed: the relay was closed" in outcome.out


def test_several_connections_have_numbers(tmp_path: Path, pond: Pond) -> None:
    with proxy(tmp_path, pond.root) as relay:
        for word in ("one", "two"):
            assert pbshell(f"127.0.0.1:{relay.port}", "-c", ECHO.format(word)).out == f"'{word}'\n"
        assert " 2 >  root.echo('two')" in relay.out.wait("echo('two')")
        relay.end()

    assert " 1 >  root.echo('one')" in relay.out.text


def test_a_target_that_is_down_is_a_line_and_it_may_come_up(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with proxy(tmp_path, port) as relay:
            assert pbshell(f"127.0.0.1:{relay.port}", "-c", "1").code == 3
            assert "the target refused the connection" in relay.out.wait("refused")
            taken.listen()
            with socket.create_connection(("127.0.0.1", relay.port)) as caller:
                peer, _ = taken.accept()
                with peer:
                    caller.sendall(b"x")
                    assert peer.recv(1) == b"x"
            relay.out.wait(" 2 x")
            outcome = relay.end()

    assert outcome.code == 0
    # In the trace as it happens, and in the verdict at the end.
    assert "connection 1 from" not in outcome.err
    assert outcome.err.count("error: ") == 1
    assert "Traceback" not in outcome.err


def test_a_place_where_nobody_can_listen_is_one_sentence_and_no_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"tcp:{taken.getsockname()[1]}"
        outcome = pbshell("trace", "proxy", "--listen", place, "--to", "127.0.0.1:1", "-w", str(tmp_path / "it.pbt"))

    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith(f"pbshell: cannot listen at {place}: ")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "it.pbt").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--listen", "nonsense", "--to", "h:1"], "endpoint 'nonsense'"),
        (["--listen", "tcp:0", "--to", "nonsense"], "endpoint 'nonsense'"),
        (["--listen", "tcp:0", "--to", "h:1", "--size", "1G"], "--size is for what is saved: write -w FILE too"),
        (["--listen", "tcp:0", "--to", "h:1", "-w", BUILD], f"{BUILD} exists, and a capture never replaces a file"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(words: list[str], sentence: str) -> None:
    outcome = pbshell("trace", "proxy", *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"pbshell: {sentence}")
    assert outcome.err.count("\n") == 1


def test_a_port_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    words = ["--listen", "tcp:0", "--to", "127.0.0.1:1", "--port-file", str(tmp_path / "none" / "port")]
    outcome = pbshell("trace", "proxy", *words)

    assert outcome.code == 3
    assert outcome.err.endswith("port cannot be written: No such file or directory\n")


def test_behind_a_bound_it_relays_until_the_last_connection_has_ended(tmp_path: Path, pond: Pond) -> None:
    with proxy(tmp_path, pond.root, "-n", "2") as relay:
        script = "\n".join(ECHO.format(number) for number in range(9))
        assert pbshell(f"127.0.0.1:{relay.port}", stdin=script).out.split() == [str(number) for number in range(9)]
        outcome = relay.end(None)

    assert outcome.code == 0
    assert outcome.out.count("\n") == 2
    assert (
        "pbshell: 2 lines have been shown (-n); the relay goes on until its last connection has ended\n" in outcome.err
    )
    assert re.search(r"^pbshell: \d+ messages came after that, and are not shown$", outcome.err, re.MULTILINE)


def test_for_a_time_is_by_the_clock_also_if_nobody_comes(tmp_path: Path) -> None:
    with proxy(tmp_path, 1, "--for", "300ms") as relay:
        outcome = relay.end(None)

    assert (outcome.code, outcome.out) == (0, "")
    assert "pbshell: 0.3 s have been shown (--for)" in outcome.err


def test_who_reads_no_more_ends_the_showing_and_not_the_connection(tmp_path: Path, pond: Pond) -> None:
    command = [sys.executable, "-m", "pbshell", "trace", "proxy", "--listen", "tcp:0", "--to", pond.root]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as relay:
        assert relay.stdout is not None
        assert relay.stderr is not None
        match = re.search(r"relaying tcp:(\d+) ", relay.stderr.readline())
        assert match is not None
        with going(f"127.0.0.1:{match[1]}", stdin=subprocess.PIPE) as caller:
            assert caller.process.stdin is not None
            caller.process.stdin.write(ECHO.format("one") + "\n")
            caller.process.stdin.flush()
            caller.out.wait("'one'")
            assert "opened" in relay.stdout.readline()
            relay.stdout.close()
            caller.process.stdin.write(ECHO.format("two") + "\n")
            caller.process.stdin.flush()
            assert "nobody reads what is shown; the relay goes on until its" in relay.stderr.readline()
            caller.process.stdin.write(ECHO.format("three") + "\n")
            caller.process.stdin.close()
            assert caller.end(None).out == "'one'\n'two'\n'three'\n"
        words = relay.stderr.read()

    assert relay.returncode == 0
    assert re.fullmatch(r"pbshell: \d+ messages came after that, and are not shown\n", words)


def test_who_does_not_read_holds_up_nobody(pond: Pond) -> None:
    """A pager that waits: the calls go on, and Ctrl-C ends it."""
    command = [sys.executable, "-m", "pbshell", "trace", "proxy", "--listen", "tcp:0", "--to", pond.root]
    with subprocess.Popen(
        [*command, "-o", "frames"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as relay:
        assert relay.stderr is not None
        match = re.search(r"relaying tcp:(\d+) ", relay.stderr.readline())
        assert match is not None
        calls = 'await gatherResults([root.callRemote("echo", "x" * 50) for _ in range(2000)]); print("done")'
        outcome = pbshell(f"127.0.0.1:{match[1]}", "-c", "from pbshell.defer import gatherResults", "-c", calls)
        relay.send_signal(signal.SIGINT)
        words = relay.stderr.read()
        relay.wait(20)

    assert outcome.out == "done\n"
    assert relay.returncode == 0
    assert "nobody reads what is shown, so its end is left out" in words


def test_a_relay_whose_process_is_killed_is_told_and_ends(tmp_path: Path, pond: Pond) -> None:
    with proxy(tmp_path, pond.root) as relay:
        children = Path(f"/proc/{relay.running.process.pid}/task/{relay.running.process.pid}/children")
        if not children.exists():
            pytest.skip("this system does not tell the children of a process")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        outcome = relay.end(None)

    assert outcome.code == 6
    assert "the process of the relay has ended: its connections are gone" in outcome.err


# ------------------------------------------------------------------------------------------------ what is saved


def bytes_of(path: Path) -> bytes:
    """All that a capture has of both sides."""
    with open_capture(path) as capture:
        return b"".join(piece.data for piece in capture if isinstance(piece, Chunk))


def login(port: int, word: str) -> None:
    """Log in at the gate and say *word*, and something that is called a password."""
    script = f"await root.callRemote('whoami')\ntry:\n    await root.callRemote('none', password='{word}')\n"
    script += "except Exception:\n    pass\n"
    words = [f"127.0.0.1:{port}", "--user", "alice", "--password-env", "PW"]
    assert pbshell(*words, stdin=script, env={"PW": PASSWORD}).out == "'alice'\n"


@pytest.mark.parametrize(
    ("level", "in_file", "on_screen"),
    [(None, False, True), ("strict", False, False), ("auth", True, True), ("off", True, True)],
)
def test_secrets_are_covered_in_the_file_and_on_the_screen(
    tmp_path: Path, pond: Pond, level: str | None, *, in_file: bool, on_screen: bool
) -> None:
    path = tmp_path / "it.pbt"
    words = ["-w", str(path), "-o", "frames", *([] if level is None else ["--redact", level])]
    with proxy(tmp_path, pond.gate, *words) as relay:
        login(relay.port, "openSesame42")
        relay.out.wait("x closed")
        outcome = relay.end()

    assert (b"openSesame42" in bytes_of(path)) is in_file
    assert ("openSesame42" in outcome.out) is on_screen
    assert ("***" in next(line for line in outcome.out.split("\n") if "respond(" in line)) is (level != "off")
    assert outcome.err.endswith(f"pbshell: saved to {path}, {path.stat().st_size:,} bytes\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_was_saved_reads_as_it_was_shown(tmp_path: Path, server: Desk, client: Desk) -> None:
    path = tmp_path / "it.pbt"
    with proxy(tmp_path, server.serve("bench"), "-w", str(path)) as relay:
        for what in ("good", "lends", "fails"):
            client.ask("visit", what=what, port=relay.port)
        relay.out.wait(" 3 x  client closed")
        shown = relay.end().out

    assert pbshell("trace", "read", str(path)).out == shown


def test_a_file_that_has_grown_to_its_size_is_told(tmp_path: Path, pond: Pond) -> None:
    path = tmp_path / "it.pbt"
    with proxy(tmp_path, pond.root, "-w", str(path), "--size", "2k", "-o", "none") as relay:
        assert pbshell(f"127.0.0.1:{relay.port}", "-c", ECHO.format("x" * 3000)).code == 0
        outcome = relay.end()

    assert (outcome.code, outcome.out) == (0, "")
    assert f"pbshell: {path} has grown to its --size, and nothing was saved from there on\n" in outcome.err
    assert path.stat().st_size <= 2000
    assert (
        "the capture was stopped: the size limit of 2,000 bytes was reached" in pbshell("trace", "read", str(path)).err
    )


# ------------------------------------------------------------------------------------------------ out of a file


def test_a_capture_of_packets_and_one_of_ours_show_the_same_calls(tmp_path: Path) -> None:
    path = tmp_path / "it.pbt"
    packets = pbshell("trace", "read", str(PACKETS), "-w", str(path))

    assert packets.code == 0
    assert " root.login(" in packets.out
    assert packets.err == f"pbshell: saved to {path}, {path.stat().st_size:,} bytes\n"
    assert pbshell("trace", "read", str(path)).out == packets.out


def test_lines_come_out_of_a_pipe_while_it_goes_on(tmp_path: Path) -> None:
    data = PACKETS.read_bytes()
    with going("trace", "read", "-", stdin=subprocess.PIPE) as reading:
        assert reading.process.stdin is not None
        pipe = reading.process.stdin.fileno()
        for start in range(0, len(data) * 2 // 3, 100):
            os.write(pipe, data[start : start + 100])
        reading.out.wait("root.login(")
        assert reading.process.poll() is None
        before = reading.out.text
        os.write(pipe, data[start + 100 :])
        reading.process.stdin.close()
        outcome = reading.end(None)

    assert outcome.code == 0
    assert outcome.out.startswith(before)
    assert outcome.out == pbshell("trace", "read", str(PACKETS)).out


def test_ctrl_c_at_a_pipe_tells_what_is_wrong_so_far() -> None:
    with going("trace", "read", "-", stdin=subprocess.PIPE) as reading:
        assert reading.process.stdin is not None
        os.write(reading.process.stdin.fileno(), Path(TROUBLE).read_bytes())
        reading.out.wait(" 5 x  client closed")
        outcome = reading.end()

    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert "connection 3: " in outcome.err


def test_a_damaged_file_is_read_up_to_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "bad.pbt"
    lines = Path(BUILD).read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:9]) + b"nonsense\n" + b"".join(lines[9:]))

    outcome = pbshell("trace", "read", str(path))

    assert outcome.code == 8
    assert outcome.out
    assert outcome.err.endswith("\n")
    assert outcome.err.split("\n")[-2].startswith(f"pbshell: {path}, line 10: ")


def test_a_file_that_is_cut_off_is_read_and_that_is_told(tmp_path: Path) -> None:
    for source in (Path(BUILD), PACKETS):
        path = tmp_path / source.name
        path.write_bytes(source.read_bytes()[: source.stat().st_size // 2])

        outcome = pbshell("trace", "read", str(path))

        assert outcome.code == 0
        assert outcome.out
        assert re.match(r"pbshell: the file (is cut off|ends) in", outcome.err.split("\n")[-2])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty: nothing was captured"),
        (b"SSH-2.0-OpenSSH\r\n", "is no capture: it begins with b'SSH-'"),
        (b"{}\n", "line 1"),
        (b'{"pbt": 99}\n', "line 1"),
        (b"\x1f\x8b\x08", "is compressed: read it as `gunzip -c FILE | pbshell trace read -`"),
    ],
)
@pytest.mark.parametrize("table", [[], ["--refs", "#1"]])
def test_what_is_no_capture_is_one_sentence(tmp_path: Path, content: bytes, sentence: str, table: list[str]) -> None:
    path = tmp_path / "it"
    path.write_bytes(content)

    outcome = pbshell("trace", "read", str(path), *table)

    assert (outcome.code, outcome.out) == (8, "")
    assert outcome.err.startswith(f"pbshell: {path}")
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["-o", "frames"], ["-o", "json"], ["--refs", "+0"], ["-w", "it.pbt"]])
def test_a_time_that_cannot_be_is_no_time_of_day(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "it.pcapng"
    seconds = b"\x09\x00\x01\x00\x00\x00\x00\x00"
    talk = Talk()
    offer = talk.segment(Side.SERVER, 0, encode([b"pb"], PB))
    packets = (enhanced(frame(each), 1 << 62) for each in (*talk.handshake(), offer))
    path.write_bytes(b"".join((section(), interface(options=seconds), *packets)))

    outcome = pbshell("trace", "read", str(path), *words, cwd=tmp_path)

    assert outcome.code == 0
    assert "Traceback" not in outcome.err
    assert outcome.out


def test_a_file_that_is_not_there_is_one_sentence() -> None:
    outcome = pbshell("trace", "read", "/no/such\x1b[2J")

    assert (outcome.code, outcome.out) == (8, "")
    assert outcome.err == "pbshell: /no/such\\x1b[2J cannot be opened: No such file or directory\n"


def test_a_stdin_that_is_closed_is_one_sentence() -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m pbshell trace read - <&-"],
        capture_output=True,
        env=environment(),
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (8, "pbshell: stdin is closed: there is no capture to read\n")


def test_a_capture_of_nothing_says_so(tmp_path: Path) -> None:
    outcome = pbshell("trace", "read", str(PACKETS), "--port", "1")

    assert (outcome.code, outcome.out) == (0, "")
    assert "pbshell: there is nothing in it that could be explained\n" in outcome.err


@pytest.mark.parametrize("command", [["trace", "read", BUILD], ["trace", "proxy", "--listen", "tcp:0", "--to", "h:1"]])
def test_a_bad_filter_has_a_caret_below_it(command: list[str]) -> None:
    outcome = pbshell(*command, "-F", "echo & ~q x")

    assert (outcome.code, outcome.out) == (2, "")
    lines = outcome.err.split("\n")
    place = lines.index("echo & ~q x")
    assert lines[place + 1].startswith(" " * 7 + "^^")


@pytest.mark.parametrize(
    "words",
    [["--size", "lots"], ["-n", "0"], ["--rate", "x/s"], ["--for", "10h"], ["--width", "-1"], ["-o", "xml"]],
)
def test_an_option_that_makes_no_sense_is_usage(words: list[str]) -> None:
    outcome = pbshell("trace", "read", BUILD, *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


def test_a_filter_selects_what_is_shown_and_not_what_is_understood() -> None:
    everything = pbshell("trace", "read", TROUBLE).out.splitlines()
    outcome = pbshell("trace", "read", TROUBLE, "-F", "keepalive")

    assert outcome.out.splitlines() == [line for line in everything if ".keepalive(" in line] != []


@pytest.mark.parametrize("form", ["calls", "frames", "full", "json", "seq"])
def test_every_form_is_text_that_changes_no_terminal(form: str) -> None:
    outcome = pbshell("trace", "read", TROUBLE, "-o", form)

    assert outcome.code == 0
    assert outcome.out
    assert is_harmless(outcome.out)
    assert is_harmless(outcome.err)
    if form == "json":
        assert outcome.out.isascii()
        assert {json.loads(line)["v"] for line in outcome.out.splitlines()} == {1}


def test_nothing_is_shown_of_what_is_only_judged() -> None:
    outcome = pbshell("trace", "read", TROUBLE, "-o", "none")

    assert (outcome.code, outcome.out) == (0, "")
    assert "error: connection " in outcome.err


def test_why_is_data_and_the_worst_comes_first() -> None:
    outcome = pbshell("trace", "read", TROUBLE, "--why")

    assert (outcome.code, outcome.err) == (0, "")
    words = re.findall(r"^(\w+): connection \d+: ", outcome.out, re.MULTILINE)
    assert words == sorted(words, key=["error", "warning", "note"].index)
    assert {"error", "note"} <= set(words)
    assert re.search(r"^    \S", outcome.out, re.MULTILINE)


def test_why_is_an_object_to_a_line_for_programs() -> None:
    plain = pbshell("trace", "read", TROUBLE, "--why").out
    outcome = pbshell("trace", "read", TROUBLE, "-o", "json", "--why")

    verdicts = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.out.isascii()
    assert all({"v": 1, "kind": "verdict"}.items() <= each.items() for each in verdicts)
    lines = [f"{each['severity']}: connection {each['conn']}: {each['text']}" for each in verdicts]
    assert [line for line in plain.splitlines() if not line.startswith(" ")] == [
        line + (f" (not seen: {each['unseen']})" if each["unseen"] else "")
        for line, each in zip(lines, verdicts, strict=True)
    ]


def test_of_many_verdicts_the_first_are_told_and_all_are_there_for_who_asks(tmp_path: Path) -> None:
    path = str(tmp_path / "it.pbt")
    with CaptureWriter(path, began=datetime.now(UTC), clock=0.0) as writer:
        for number in range(1, 14):
            writer.write(LinkEvent(number, number, "opened", Side.CLIENT, "127.0.0.1:40000 to 127.0.0.1:8789"))
            writer.write(LinkEvent(number, number, "closed", Side.SERVER, "reset"))

    told, asked = pbshell("trace", "read", path).err, pbshell("trace", "read", path, "--why").out

    assert len(re.findall(r"^error: connection ", told, re.MULTILINE)) == 10
    assert told.endswith("pbshell: ... and 3 more: save the trace by -w, and read it with --why\n")
    assert len(re.findall(r"^error: connection ", asked, re.MULTILINE)) == 13


def test_where_there_is_nothing_to_explain_that_is_said() -> None:
    outcome = pbshell("trace", "read", str(PACKETS), "--why", "--port", "1")

    assert outcome.out == ""
    assert "pbshell: there is nothing to explain" in outcome.err


def test_what_is_beyond_a_bound_is_not_read() -> None:
    outcome = pbshell("trace", "read", TROUBLE, "-n", "1")

    assert outcome.code == 0
    assert outcome.out.count("\n") == 1
    assert outcome.err == "pbshell: 1 line has been shown (-n)\n"


def test_what_is_saved_does_not_end_at_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "it.pbt"
    outcome = pbshell("trace", "read", TROUBLE, "-n", "1", "-w", str(path), "--redact", "off")

    assert outcome.out.count("\n") == 1
    assert bytes_of(path) == bytes_of(Path(TROUBLE))
    assert "messages came after that, and are not shown\n" in outcome.err


def test_lines_above_the_rate_are_counted() -> None:
    everything = pbshell("trace", "read", BUILD).out.count("\n")
    outcome = pbshell("trace", "read", BUILD, "--rate", "3/s")

    left_out = re.findall(r"^pbshell: (\d+) lines? (?:is|are) left out: more than 3 came", outcome.err, re.MULTILINE)
    assert outcome.out.count("\n") + sum(map(int, left_out)) == everything


def test_who_reads_no_more_of_a_file_is_no_error() -> None:
    line = f"{shlex.quote(sys.executable)} -m pbshell trace read {shlex.quote(BUILD)} | head -1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=environment(), text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


# ------------------------------------------------------------------------------------------------ the screen


def screen(*words: str, width: int = 80, env: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code, and all that a terminal of *width* columns was sent."""
    variables = environment(**{"TERM": "xterm-256color", **(env or {})})
    child = pexpect.spawn(
        sys.executable, ["-m", "pbshell", *words], env=variables, dimensions=(24, width), encoding="utf-8", timeout=30
    )
    child.expect(pexpect.EOF)
    child.wait()
    return int(child.exitstatus), str(child.before).replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "words",
    [[], ["-o", "frames"], ["--refs", "#60"], ["--refs", "#30..#60"], ["--cached", "#60"]],
)
def test_no_line_is_longer_than_the_screen_is_wide(width: int, words: list[str]) -> None:
    code, text = screen("trace", "read", TROUBLE, *words, width=width)

    assert code == 0
    # What is said at the end of the trace is wrapped between words, of which none is cut.
    assert max(columns(line) for line in plain(text).split("\n") if " " in line.strip()) <= width


def test_at_a_terminal_the_columns_have_names_and_the_arrows_a_colour() -> None:
    _, text = screen("trace", "read", BUILD)

    assert plain(text).split("\n")[0].split() == ["#", "time", "conn", "what", "result", "took", "size"]
    assert "\x1b[" in text


@pytest.mark.parametrize(("words", "env"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})])
def test_who_wants_no_colours_gets_none(words: list[str], env: dict[str, str]) -> None:
    _, text = screen("trace", "read", BUILD, *words, env=env)

    assert "\x1b" not in text
    assert text.count("\n") > 5


def test_out_of_a_file_no_line_is_left_out_at_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "many.pbt"
    lines = Path(BUILD).read_text().splitlines()
    path.write_text("\n".join([lines[0], *(re.sub(r'"at": [\d.]+', '"at": 9.5', line) for line in lines[1:])] * 1))

    _, text = screen("trace", "read", str(path), "-o", "frames")

    assert "left out" not in text


def test_a_width_that_is_given_counts() -> None:
    outcome = pbshell("trace", "read", TROUBLE, "--width", "50")

    assert max(columns(line) for line in outcome.out.splitlines()) <= 50


def test_ctrl_c_at_a_terminal_begins_a_new_line(pond: Pond) -> None:
    words = ["-m", "pbshell", "trace", "proxy", "--listen", "tcp:0", "--to", pond.root]
    child = pexpect.spawn(sys.executable, words, env=environment(TERM="xterm"), timeout=30, encoding="utf-8")
    child.expect("relaying tcp:([0-9]+) ")
    assert child.match is not None
    port = child.match[1]
    assert pbshell(f"127.0.0.1:{port}", "-c", "root.callRemote('echo', 1)", "-c", "1").code == 0
    child.expect("x +client closed[^\r\n]*\r\n")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.wait()

    assert child.exitstatus == 0
    assert str(child.before).startswith("^C\r\n")


# ------------------------------------------------------------------------------------------------ tables


def test_what_is_lent_at_a_frame_is_a_table() -> None:
    outcome = pbshell("trace", "read", TROUBLE, "--refs", "#60", "--width", "200")

    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["CONN", "SIDE", "ID", "COUNT", "BIRTH", "AGE", "USED", "LAST"]
    assert len(lines) > 1


def test_a_narrow_table_has_a_line_for_each_row_and_tells_what_is_hidden() -> None:
    wide = pbshell("trace", "read", TROUBLE, "--refs", "#60", "--width", "200").out.splitlines()
    narrow = pbshell("trace", "read", TROUBLE, "--refs", "#60", env={"COLUMNS": "50"}).out.splitlines()

    assert len(narrow) == len(wide) + 1
    match = re.fullmatch(r"\d columns hidden \([a-z, ]+\): --width (\d+) or -o json", narrow[-1])
    assert match is not None
    again = pbshell("trace", "read", TROUBLE, "--refs", "#60", "--width", match[1]).out.splitlines()
    assert [line.rstrip() for line in again] == wide


def test_a_table_for_programs_is_an_object_to_a_line() -> None:
    outcome = pbshell("trace", "read", TROUBLE, "--refs", "#60", "-o", "json")

    rows = [json.loads(line) for line in outcome.out.splitlines()]
    assert rows
    assert all(list(row)[:5] == ["v", "connection", "side", "id", "count"] for row in rows)


@pytest.mark.parametrize("moment", ["#9999", "+9999", "#1..+9999"])
def test_a_moment_behind_the_end_is_told(moment: str) -> None:
    outcome = pbshell("trace", "read", BUILD, "--refs", moment)

    assert outcome.code == 0
    assert outcome.err == "pbshell: the capture ends before that: this is how it ends\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--refs", "soon"], "'soon' is no moment: write #FRAME"),
        (["--refs", "#9..#3"], "the first moment lies behind the second: write them the other way round"),
        (["--refs", "+9..+3.5"], "the first moment lies behind the second: write them the other way round"),
        (["--refs", "#9", "--cached", "#9"], "--refs and --cached are two tables: ask for one of them"),
        (["--refs", "#9", "--why"], "--why is for the trace: ask for the table without it"),
        (["--cached", "#9", "-w", "x"], "-w is for the trace: ask for the table without it"),
    ],
)
def test_a_table_that_cannot_be_is_one_sentence(words: list[str], sentence: str) -> None:
    outcome = pbshell("trace", "read", BUILD, *words)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"pbshell: {sentence}")
    assert outcome.err.count("\n") == 1


def test_nothing_has_changed_between_a_moment_and_itself() -> None:
    assert pbshell("trace", "read", BUILD, "--refs", "#20..#20").out == "nothing has changed\n"
    assert pbshell("trace", "read", BUILD, "--cached", "#1").out == "nothing is cached\n"


def test_a_table_has_what_the_filter_selects() -> None:
    outcome = pbshell("trace", "read", BUILD, "--refs", "#60", "-F", "~l s5", "-o", "json")

    assert [json.loads(line)["id"] for line in outcome.out.splitlines()] == ["s5"]


def test_a_filter_that_no_table_can_answer_is_refused() -> None:
    outcome = pbshell("trace", "read", BUILD, "--refs", "#60", "-F", "~t >5ms")

    assert (outcome.code, outcome.out) == (2, "")
    assert "~t" in outcome.err
