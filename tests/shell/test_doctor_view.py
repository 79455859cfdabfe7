"""How the doctor's findings look: on a wide screen, on a narrow one, and in a pipe."""

from __future__ import annotations

from dataclasses import replace

from pbshell.net.socket_tables import Process, TCPSocket
from pbshell.shell.render import Renderer
from pbshell.shell.views import doctor
from pbshell.trace.forms.columns import columns
from pbshell.workbench.doctor.capture import examine_capture
from pbshell.workbench.doctor.port import Look, PortReport, report
from pbshell.workbench.doctor.steps import Checkup, Step
from pbshell.workbench.exitcodes import ExitCode
from tests.pond.running import is_harmless
from tests.trace.talking import FOLDER

STEPS = (
    Step("dns", "ok", "localhost is ::1 and 127.0.0.1", 0.0021),
    Step("tcp", "warning", "[::1]:9989 does not answer (1.0 s); 127.0.0.1:9989 is open", 0.0002, "clients may try ::1"),
    Step("login", "skipped", "not asked for"),
    Step("version", "failed", "none within 3 seconds", hint="not shown twice"),
    Step("root", "skipped", ""),
)
CHECKUP = Checkup("localhost:9989", STEPS, "localhost:9989 is blocked", "see what it does", ExitCode.TIMEOUT)


def test_steps_are_lines_and_the_conclusion_comes_last() -> None:
    assert Renderer().value(CHECKUP) == (
        "ok       dns         localhost is ::1 and 127.0.0.1 (2.1 ms)\n"
        "warning  tcp         [::1]:9989 does not answer (1.0 s); 127.0.0.1:9989 is open (0.2 ms)\n"
        "                     -> clients may try ::1\n"
        "skipped  login       not asked for\n"
        "failed   version     none within 3 seconds\n"
        "\n"
        "localhost:9989 is blocked\n"
        "  see what it does"
    )


def test_on_a_narrow_screen_lines_are_broken_between_words() -> None:
    text = Renderer(width=60, screen=True).value(CHECKUP)

    assert max(map(columns, text.split("\n"))) <= 60
    assert "                     127.0.0.1:9989 is open (0.2 ms)" in text


def test_what_a_peer_says_is_not_obeyed() -> None:
    hostile = replace(CHECKUP, steps=(Step("dialect", "failed", "\x1b]0;owned\x07"),), text="a\x9b2J", hint="\u202e")

    assert is_harmless(Renderer().value(hostile))


LISTENER = TCPSocket(("0.0.0.0", 9989), ("0.0.0.0", 0), "LISTEN", inode=3)


def made(count: int, **facts: int | str) -> PortReport:
    row = replace(TCPSocket(("192.0.2.1", 9989), ("192.0.2.7", 0), "ESTABLISHED", inode=5), **facts)  # type: ignore[arg-type]
    rows = [replace(row, remote=("192.0.2.7", 50_000 + number)) for number in range(count)]
    well = [replace(row, remote=("192.0.2.8", 50_000), unread=0, unacknowledged=0, timer="")]
    look = Look((LISTENER, *rows, *well), {3: Process(812, "python3 master.py", "S")})
    return report(9989, look, look, 1.0)


def test_of_many_peers_alike_the_first_are_shown() -> None:
    found = made(80, unread=50)
    text = Renderer(width=80, screen=True).value(found)

    assert text.startswith("*:9989  python3 master.py (pid 812) listens; nobody waits to be accepted\n")
    assert text.count("the server has read nothing for 1.0 s") == 5
    assert "75 more peers like this (--all shows them)" in text
    assert "\nok       1 peer: nothing is unread, and nothing hangs\n" in text
    assert "python3 master.py (pid 812) does not read: of 80 peers it has read nothing for 1.0 s" in text.replace(
        "\n", " "
    )
    assert Renderer().value(found).count("the server has read nothing for 1.0 s") == 80
    assert (
        doctor.port(found, Renderer(width=80, screen=True), every=True).count("nothing is unread, nothing waits") == 1
    )


def test_a_peer_has_its_facts_and_a_sentence() -> None:
    text = Renderer().value(made(1, unacknowledged=12_345, timer="retransmit", retransmits=5))

    assert "error    192.0.2.7:50000  ESTABLISHED  unread 0 B  unacknowledged 12,345 B  again 5x\n" in text
    assert "\n         does not acknowledge 12,345 B: sent again 5 times, next in" in text
    assert "without ss (iproute2) nobody knows round trips" in text


def test_a_capture_is_told_in_order() -> None:
    found = examine_capture(str(FOLDER / "buildbot-trouble.pbt"))
    text = Renderer().value(found)

    first, second, third, *_ = text.split("\n\n")
    assert "buildbot-trouble.pbt: a capture of pbshell, complete; 101 frames on 5 connections in 22.1 s" in first
    assert second.startswith("  1  127.0.0.1:41972 to 127.0.0.1:9989: 2 calls, 1 error, 1,469 B; client closed")
    assert third.startswith("error: connection 1: 1 login of 'w17' refused")
    narrow = Renderer(width=60, screen=True).value(found)
    commands = {each.command for each in found.commands}
    assert all(columns(line) <= 60 for line in narrow.split("\n") if line not in commands)


def test_a_capture_that_is_damaged_and_has_nothing_to_say_is_told() -> None:
    found = examine_capture(str(FOLDER / "half-open.pcap"))
    text = Renderer().value(replace(found, damage="line 9: cut off", notes=("a packet is missing",)))

    assert "packets of tcpdump (pcap), damaged" in text
    assert "\n  a packet is missing\n  line 9: cut off\n" in text
    assert "\nnothing stands out in it\n" in text
