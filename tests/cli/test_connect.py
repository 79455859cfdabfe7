"""`pbshell connect` as a process, on a real Twisted server: results, words, traffic and exit codes."""

from __future__ import annotations

import argparse
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from pbshell.cli.arguments import duration
from pbshell.errors import UsageError
from pbshell.net.endpoints import ConnectTLS
from pbshell.workbench.reaching.profiles import endpoint_with
from tests.pond.running import PASSWORD, Pond, environment, is_harmless, pbshell

#: a gate that nobody passes without a name
NAMED = """
from pbshell import pb
from pbshell.cred import InMemoryUsernamePasswordDatabaseDontUse, Portal, realm

gate = Portal(realm(lambda name, mind: pb.Avatar()), [InMemoryUsernamePasswordDatabaseDontUse(alice="x")])
"""

REGISTRATION = """
class PondCopy(pb.RemoteCache):
    def observe_add(self, duck):
        self.ducks.append(duck)

pb.setUnjellyableForClass("__main__.Pond", PondCopy)
"""


def test_results_are_data_and_one_can_go_on_with_them(pond: Pond) -> None:
    commands = ["x = await root.callRemote('echo', 41) + 1", "x", "_ * 2", "root.callRemote('echo', 'ä')"]

    outcome = pbshell("connect", pond.root, *(word for command in commands for word in ("-c", command)))

    assert (outcome.code, outcome.out, outcome.err) == (0, "42\n84\n'ä'\n", "")


def test_a_stream_without_the_letters_gets_their_numbers(pond: Pond) -> None:
    outcome = pbshell(pond.root, "-c", "await root.callRemote('echo', 'ä🍞')", env={"PYTHONIOENCODING": "ascii"})

    assert (outcome.code, outcome.out) == (0, "'\\xe4\\U0001f35e'\n")


def test_a_target_alone_is_enough(pond: Pond) -> None:
    assert pbshell(pond.root, "-c", "1 + 1").out == "2\n"
    assert pbshell("-c", "1 + 1", pond.root).out == "2\n"


def test_references_and_cached_copies_of_a_twisted_server(pond: Pond) -> None:
    script = (
        REGISTRATION
        + """
duck = await root.callRemote("duck")
await duck.callRemote("quack")
ducks = await root.callRemote("pond")
await root.callRemote("add", "ugly")
ducks.ducks[-1]
class Mine(pb.Referenceable):
    def remote_name(self, text):
        return text.upper()

mine = Mine()
await root.callRemote("call", mine, "name", "mine")
:refs
:cached theirs
"""
    )

    outcome = pbshell(pond.root, stdin=script)

    assert (outcome.code, outcome.err) == (0, "")
    quack, duckling, mine, *tables = outcome.out.rstrip("\n").split("\n")
    assert (quack, duckling, mine) == ("'quack'", "'ugly'", "'MINE'")
    assert tables[0].startswith("main  127.0.0.1:")
    assert tables[1].split()[:4] == ["SIDE", "ID", "COUNT", "CLASS/BIRTH"]
    assert re.search(r"^ theirs +s\d+ +1 +duck\(\) .* duck$", outcome.out, re.MULTILINE)
    assert re.search(r"^theirs +s\d+ +Pond +1 .* add\('ugly'\) .*in step with frame \d+$", outcome.out, re.MULTILINE)


def test_a_script_stops_at_its_first_error(pond: Pond) -> None:
    outcome = pbshell(pond.root, stdin="1\n1/0\n2\n")

    assert (outcome.code, outcome.out, outcome.err) == (1, "1\n", "ZeroDivisionError: division by zero\n")


def test_an_empty_script_is_a_short_one(pond: Pond) -> None:
    assert pbshell(pond.root, stdin="") == pbshell(pond.root, stdin="\n# nothing\n")


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        ("await root.callRemote('fail')", 1, "RemoteError: builtins.ValueError: no such step"),
        ("await root.callRemote('nope')", 1, "the object at the server has no such method: remote_nope"),
        (
            "await root.callRemote('echo', object())",
            1,
            "args[0] is of type builtins.object, and PB has no flavor",
        ),
        ("await root.callRemote('leave')", 6, "the connection was lost with 1 call unanswered"),
        ("x = = 1", 1, "SyntaxError: invalid syntax"),
        (":ref mine", 1, "nothing is lent as 'mine' here"),
        ("exit(7)", 7, ""),
    ],
)
def test_a_statement_that_fails_is_a_sentence_and_a_code(pond: Pond, command: str, code: int, sentence: str) -> None:
    outcome = pbshell(pond.root, "-c", command, "-c", "'never'")

    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(sentence) or sentence in outcome.err.split("\n")[0]
    assert "Traceback (" not in outcome.err


def test_a_statement_has_its_time(pond: Pond) -> None:
    outcome = pbshell(pond.root, "--timeout", "500ms", "-c", "await root.callRemote('never')")

    assert (outcome.code, outcome.out) == (5, "")
    assert outcome.err == "await root.callRemote('never') was not done within 0.5 s\n"


def test_a_login_by_name_and_password(pond: Pond, tmp_path: Path) -> None:
    words = [pond.gate, "--user", "alice", "-c", "await root.callRemote('whoami')"]
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\nnot this\n")
    path.chmod(0o600)

    assert pbshell(*words, "--password-env", "PW", env={"PW": PASSWORD}).out == "'alice'\n"
    assert pbshell(*words, "--password-file", str(path)).out == "'alice'\n"


def test_a_login_without_a_name(pond: Pond) -> None:
    assert pbshell(pond.gate, "--anonymous", "-c", "await root.callRemote('whoami')").out == "'anonymous'\n"


def test_the_server_can_call_whoever_has_logged_in(pond: Pond) -> None:
    outcome = pbshell(pond.gate, "--anonymous", "-c", "await root.callRemote('callMe', 'print', 'hello')")

    assert (outcome.code, outcome.out, outcome.err) == (0, "", "pbshell: mind.print('hello')\n")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--user", "alice", "--password-env", "PW"], 4, "the login was refused: wrong user name or wrong password"),
        (["--user", "eve", "--password-env", "PW"], 4, "the login was refused: wrong user name or wrong password"),
        (["--user", "alice", "--password-env", "NO_PW"], 2, "the environment variable for the password is not set"),
        (
            ["--user", "alice", "--password-file", "/no/such"],
            2,
            "the password's file cannot be read: No such file",
        ),
        (["--user", "alice"], 2, "there is no terminal to ask for the password at"),
        (["--password-env", "PW"], 2, "a password is for a user: say which one with --user NAME"),
    ],
)
def test_a_login_that_cannot_be_is_a_sentence_and_a_code(
    pond: Pond, words: list[str], code: int, sentence: str
) -> None:
    outcome = pbshell(pond.gate, *words, "-c", "1", env={"PW": "wrong"})

    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(f"pbshell: {sentence}")


def test_a_login_where_there_is_none_is_said_to_be_none(pond: Pond) -> None:
    outcome = pbshell(pond.root, "--anonymous", "-c", "1")

    assert outcome.code == 4
    assert outcome.err == f"pbshell: {pond.root} has no login\n  connect without --user and --anonymous\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--password", PASSWORD],
        [f"--password={PASSWORD}"],
        ["--passwd", PASSWORD],
        [f"-p{PASSWORD}"],
        [f"--pw={PASSWORD}"],
        [PASSWORD],
        [f"--ask={PASSWORD}"],
        ["--password-env", PASSWORD],
        ["--password-file", PASSWORD],
    ],
)
def test_a_password_on_the_command_line_is_not_repeated(words: list[str]) -> None:
    outcome = pbshell("localhost:1", "--user", "alice", *words, "-c", "1")

    assert (outcome.code, outcome.out) == (2, "")
    assert PASSWORD not in outcome.err
    if words[0].startswith(("--password=", "--passwd", "-p", "--pw")):
        assert "never written on the command line: use --ask, --password-env or --password-file" in outcome.err


def test_a_login_without_a_name_that_is_refused_asks_for_a_name(tmp_path: Path) -> None:
    (tmp_path / "named.py").write_text(NAMED)
    with subprocess.Popen(
        [sys.executable, "-m", "pbshell", "serve", "named:gate", "--listen", f"unix:{tmp_path}/sock"],
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
        cwd=tmp_path,
    ) as server:
        assert server.stderr is not None
        server.stderr.readline()
        outcome = pbshell(f"unix:{tmp_path}/sock", "--anonymous", "-c", "1")
        server.terminate()

    assert outcome.code == 4
    assert outcome.err.endswith("\n  log in by name: --user NAME\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [["-c", "1"], ["--dump", "-c", "1"], ["-c", "print(1)", "-c", "1"]])
def test_a_stdout_that_takes_nothing_is_one_sentence(pond: Pond, words: list[str]) -> None:
    command = [sys.executable, "-m", "pbshell", pond.root, *words]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment(), text=True, check=False)

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_stdout_that_is_closed_is_one_sentence(pond: Pond) -> None:
    line = f"{shlex.quote(sys.executable)} -m pbshell {pond.root} -c 1 >&-"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, env=environment(), text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "pbshell: stdout cannot be written: it is closed\n")


def test_a_statement_that_prints_to_nobody_ends_it_without_a_word(pond: Pond) -> None:
    command = [sys.executable, "-m", "pbshell", pond.root, "-c", "while True: print('x')"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()

    assert (process.returncode, said) == (0, "")


def test_what_is_printed_is_there_before_the_next_statement(pond: Pond) -> None:
    command = [sys.executable, "-m", "pbshell", pond.root, "-c", "print('begun')", "-c", "root.callRemote('never')"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)

    assert process.returncode == 130


def test_a_statement_that_leaves_with_words_says_them(pond: Pond) -> None:
    outcome = pbshell(pond.root, "-c", "raise SystemExit('bye\x1b[2J')")

    assert (outcome.code, outcome.out, outcome.err) == (1, "", "pbshell: bye\\x1b[2J\n")


def test_a_port_where_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{taken.getsockname()[1]}"

        outcome = pbshell(target, "-c", "1")

    assert outcome.code == 3
    assert outcome.err.startswith(f"pbshell: nothing listens at {target}: the connection was refused\n")


@pytest.mark.parametrize(
    ("target", "code", "sentence"),
    [
        ("nosuch.invalid:8789", 3, "pbshell: there is no such host: nosuch.invalid:8789\n"),
        ("unix:/no/such/socket", 3, "pbshell: there is no such file"),
        ("localhost:port", 2, "pbshell: endpoint 'localhost:port': the port is a number from 1 to 65535"),
        ("ftp:localhost:21", 2, "pbshell: endpoint 'ftp:localhost:21': there is no kind of endpoint 'ftp'"),
    ],
)
def test_a_target_that_is_not_there_is_a_sentence_and_a_code(target: str, code: int, sentence: str) -> None:
    outcome = pbshell("connect", target, "-c", "1")

    assert (outcome.code, outcome.out) == (code, "")
    assert outcome.err.startswith(sentence)


def test_a_server_that_speaks_something_else_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-m", "pbshell", target, "-c", "1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), text=True) as process:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"SSH-2.0-OpenSSH_9.7\r\n")
                _, said = process.communicate()

    assert process.returncode == 3
    assert "SSH banner" in said
    assert said.count("\n") == 1


def test_trace_shows_both_directions_beside_the_results(pond: Pond) -> None:
    outcome = pbshell(pond.root, "--trace", "-c", "await root.callRemote('echo', [1, 'two'])")

    assert outcome.out == "[1, 'two']\n"
    lines = [line.split(None, 3)[3] for line in outcome.err.rstrip("\n").split("\n")]
    assert re.match(r"x +opened: .*, PB 6, dialect pb", lines[0])
    assert any(re.match(r"> +root\.echo\(\[1, 'two'\]\) += \[1, 'two'\] +[\d.]+ ms +78 B", line) for line in lines)
    assert re.match(r"x +client closed the connection", lines[-1])


@pytest.mark.parametrize("options", [[], ["--trace"], ["--dump"]])
def test_a_session_can_be_saved(tmp_path: Path, pond: Pond, options: list[str]) -> None:
    path = tmp_path / "it.pbt"
    outcome = pbshell(pond.root, *options, "-w", str(path), "-c", "await root.callRemote('echo', 'x')")

    assert outcome.code == 0
    assert outcome.err.endswith(f"pbshell: saved to {path}, {path.stat().st_size:,} bytes\n")
    shown = pbshell("trace", "read", str(path), "-F", "echo", "-o", "json").out
    assert '"method": "echo"' in shown


def test_the_password_of_a_session_is_not_saved_but_what_is_called_so_may_be(tmp_path: Path, pond: Pond) -> None:
    script = "try:\n    await root.callRemote('none', password='openSesame42')\nexcept Exception:\n    pass\n"
    words = [pond.gate, "--user", "alice", "--password-env", "PW", "--dump"]
    for level, is_seen in (("strict", False), ("auth", True), ("off", True)):
        path = tmp_path / f"{level}.pbt"
        outcome = pbshell(*words, "-w", str(path), "--redact", level, "-c", script, env={"PW": PASSWORD})
        assert outcome.code == 0
        assert ("openSesame42" in outcome.out) is is_seen
        assert ("s1.respond(***, c1)" in outcome.out) is (level != "off")
        assert (b"openSesame42".hex() in path.read_text()) is is_seen
        assert PASSWORD not in outcome.out + path.read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--size", "1G"], "--size is for what is saved: write -w FILE too"),
        (["-w", "/no/such/it.pbt"], "/no/such/it.pbt cannot be made (No such file or directory)"),
        (["-w", __file__], f"{__file__} exists, and a capture never replaces a file"),
    ],
)
def test_a_capture_that_cannot_be_made_is_one_sentence(words: list[str], sentence: str) -> None:
    outcome = pbshell("localhost:1", *words, "-c", "1")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"pbshell: {sentence}")
    assert outcome.err.count("\n") == 1


def test_a_trace_ends_with_what_is_wrong(pond: Pond) -> None:
    words = [pond.root, "-c", "root.callRemote('never').addErrback(lambda reason: None) and None"]
    plain, traced, dumped = (pbshell(*words, *option) for option in ([], ["--trace"], ["--dump"]))

    assert plain.err == ""
    for outcome in (traced, dumped):
        assert re.search(r"^warning: connection 1: .*never\(\)", outcome.err, re.MULTILINE)
    assert "warning" not in dumped.out


def test_a_login_that_is_refused_is_not_said_twice(pond: Pond) -> None:
    outcome = pbshell(pond.gate, "--dump", "--user", "eve", "--password-env", "PW", env={"PW": "x"})

    assert "connection 1: " not in outcome.err


@pytest.mark.parametrize("option", ["--trace", "--dump"])
def test_the_secrets_of_a_login_are_nowhere(pond: Pond, option: str) -> None:
    words = [pond.gate, "--user", "alice", "--password-env", "PW", option, "-v", "-v", "-c", "root", "-c", "mind"]

    outcome = pbshell(*words, env={"PW": PASSWORD})

    text = outcome.out + outcome.err
    assert outcome.code == 0
    assert "root.login(b'alice')" in text
    assert "(***, s1)" in text
    assert "respond(***, c1)" in text
    assert PASSWORD not in text
    # A challenge or response of 16 bytes would show as bytes that are no text.
    assert "\\x" not in text


def test_dump_is_the_traffic_and_nothing_else(pond: Pond) -> None:
    outcome = pbshell(pond.root, "--dump", "-c", "await root.callRemote('echo', 'x')")

    assert (outcome.code, outcome.err) == (0, "")
    words = [line.split()[4] for line in outcome.out.rstrip("\n").split("\n")]
    assert words[:3] == ["opened", "offer", "choice"]
    assert sorted(words[3:]) == ["answer", "closed", "message", "version", "version"]


def test_dump_without_statements_ends_when_the_server_hangs_up(pond: Pond) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-m", "pbshell", target, "--dump"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True) as process:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"\x02\x80\x02\x82pb\x04\x82none")
                peer.recv(100)
            out, _ = process.communicate()

    assert process.returncode == 0
    assert [line.split()[4] for line in out.rstrip("\n").split("\n")[:3]] == ["opened", "offer", "choice"]
    assert "closed" in out.rstrip("\n").split("\n")[-1]


def test_a_dump_shows_why_there_is_no_connection(pond: Pond) -> None:
    outcome = pbshell(pond.gate, "--dump", "--user", "alice", "--password-env", "PW", env={"PW": "wrong"})

    assert outcome.code == 4
    assert "! twisted.cred.error.UnauthorizedLogin" in outcome.out
    assert outcome.err.startswith("pbshell: the login was refused")


def test_a_dump_ends_when_nobody_reads_it(pond: Pond) -> None:
    program = "while True:\n    await root.callRemote('echo', 'x')\n"
    command = [sys.executable, "-m", "pbshell", pond.root, "--dump", "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()

    assert (process.returncode, said) == (0, "")


def test_ctrl_c_ends_a_script_with_its_code(pond: Pond) -> None:
    command = [sys.executable, "-m", "pbshell", pond.root, "-c", "'begun'", "-c", "await root.callRemote('never')"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "'begun'\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()

    assert (process.returncode, said) == (130, "")


@pytest.mark.parametrize("option", [[], ["--trace"], ["--dump"]])
@pytest.mark.parametrize("failing", ["refuse", "feather", "\x1b]0;spoof\x07"])
def test_hostile_text_reaches_no_outlet(pond: Pond, option: list[str], failing: str) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31mred\r\nspoof\x9b2J\u202e\u2066"
    commands = ["root.callRemote('hostile')", f"root.callRemote('echo', {hostile!r})", f"root.callRemote({failing!r})"]

    outcome = pbshell(pond.root, "-vv", *option, *(word for command in commands for word in ("-c", command)))

    # A copy of an unknown class is shown, and is no error.
    assert outcome.code == (0 if failing == "feather" else 1)
    assert "spoof" in outcome.out
    assert is_harmless(outcome.out)
    assert is_harmless(outcome.err)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("3", 3), ("0.25", 0.25), ("1e2s", 100)]
)
def test_a_duration_may_have_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "0", "10h", "nan", "inf", "1e300"])
def test_what_is_no_duration_is_said_to_be_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no duration: write 10s, 500ms or 2m"):
        duration(text)


def test_tls_options_belong_to_the_endpoint() -> None:
    assert endpoint_with("host:1", ca="ca.pem") == ConnectTLS("host", 1, ca="ca.pem")
    assert endpoint_with("tls:host:1:ca=x", ca="y") == ConnectTLS("host", 1, ca="y")
    assert endpoint_with("host:1", tls_name="other") == ConnectTLS("host", 1)
    assert endpoint_with("host:1", cert="c", key="k") == ConnectTLS("host", 1, cert="c", key="k")


@pytest.mark.parametrize(
    ("target", "given", "sentence"),
    [
        ("host:1", {"cert": "c"}, "--tls-cert and --tls-key go together"),
        ("unix:/x", {"ca": "c"}, "the --tls options are for HOST:PORT and tls:HOST:PORT"),
    ],
)
def test_tls_options_that_make_no_sense_are_one_sentence(target: str, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        endpoint_with(target, **given)


def test_a_session_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    endpoint = "ssl:0:privateKey=key.pem:certKey=cert.pem"
    command = [sys.executable, "-m", "pbshell", "serve", "echo", "--listen", endpoint]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment(), text=True, cwd=tmp_path) as server:
        assert server.stderr is not None
        port = re.search(r"ssl:(\d+)", server.stderr.readline())
        assert port is not None
        words = [f"127.0.0.1:{port[1]}", "--tls-name", "localhost", "-c", "await root.callRemote('echo', 'private')"]

        trusting = pbshell(*words, "--tls-ca", "ca.pem", cwd=tmp_path)
        doubting = pbshell(*words)
        plain = pbshell(words[0], "--timeout", "1s", "-c", "1")
        server.terminate()

    assert trusting.out == "'private'\n"
    assert doubting.code == 3
    assert "shows a certificate that is not trusted" in doubting.err
    assert "name who signed it: --tls-ca FILE" in doubting.err
    assert plain.code == 3
