"""What is said of Buildbot: by recordings of real masters and workers first, then of what they did not happen to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pbshell.trace import buildbot
from pbshell.trace.buildbot import Buildbot
from pbshell.trace.explainers import Explainers
from pbshell.wire.chunk import Chunk, Piece, Side
from tests.trace.talking import Talk, Watched, captured

WORKER, MASTER = Side.CLIENT, Side.SERVER

BUILD = [
    "note: connection 1: worker w17 attached after 19.6 ms, with 2 builders",
    (
        "warning: connection 1: worker w17 killed command 4 shell 'sleep 3; exit 1' of builder linux after 1.0 s, "
        "because it wrote nothing for 1 s (timeout of the step)"
    ),
    (
        "error: connection 1: worker w17 refused command 5 frobnicate of builder linux: "
        "buildbot_worker.base.UnknownCommand: (command 5): unrecognized WorkerCommand 'frobnicate'"
    ),
    (
        "error: connection 1: command 6 downloadFile 'x' of builder linux failed inside worker w17 after 3.8 ms: "
        "builtins.AttributeError: 'NoneType' object has no attribute 'callRemote'"
    ),
    (
        "note: connection 1: command 7 shell 'sleep 60' of builder linux was interrupted by the master after 2.5 s "
        "(ada pressed stop), and ended 1.5 ms later"
    ),
]

TROUBLE = [
    "note: connection 2: worker w17 attached after 24.6 ms, with 2 builders",
    (
        "error: connection 3: the master refused worker w17 as a duplicate, because connection 2 has that name and is "
        "alive: give this worker a name of its own, or stop the other one"
    ),
    (
        "warning: connection 4: the worker closed the connection (fin) before worker w17 was attached: the master "
        "waits for connection 2, which has that name, to answer a ping; it gives up after 10 seconds"
    ),
    (
        "error: connection 2: the master closed the connection of worker w17 because another worker of that name "
        "connected and this one did not answer the master's ping in 10.0 s"
    ),
    (
        "error: connection 2: the master closed the connection (fin) while worker w17 had 1 command running: "
        "command 0 shell 'sleep 60' of builder soak"
    ),
    "note: connection 5: worker w17 attached after 6.7 s, with 2 builders",
    "error: connection 5: worker w17 went away with 1 command running: command 1 shell 'sleep 60' of builder soak",
]

Pieces = list[Piece]


def watched(pieces: Pieces) -> Watched:
    watched = Watched(Explainers([Buildbot()], tell=pytest.fail))
    watched.feed(pieces)
    return watched


def until(pieces: Pieces, at: float) -> Pieces:
    return [piece for piece in pieces if piece.at <= at]


def byte_by_byte(pieces: Pieces) -> Pieces:
    return [
        part
        for piece in pieces
        for part in (
            [Chunk(piece.at, piece.connection, piece.sender, bytes([byte])) for byte in piece.data]
            if isinstance(piece, Chunk)
            else [piece]
        )
    ]


# --------------------------------------------------------------------------------------------------- recordings


@pytest.mark.parametrize(("name", "lines"), [("buildbot-build", BUILD), ("buildbot-trouble", TROUBLE)])
def test_a_recording_gives_these_verdicts_wherever_it_is_cut(name: str, lines: list[str]) -> None:
    pieces = captured(name)

    assert [each.line() for each in watched(pieces).verdicts] == lines
    assert [each.line() for each in watched(byte_by_byte(pieces)).verdicts] == lines


def test_a_recorded_worker_its_builders_commands_and_files_have_names() -> None:
    found = watched(captured("buildbot-build"))

    assert found.names == {1: "worker w17", 2: "change source change"}
    assert {luid: label for (number, side, luid), label in found.labels.items() if (number, side) == (1, WORKER)} == {
        b"root": "root",
        1: "worker w17",
        2: "builder soak",
        3: "builder linux",
    }
    assert [found.labels[1, MASTER, luid] for luid in range(3, 13)] == [
        "RemoteCommand 0 downloadFile 'Makefile'",
        "FileReader 'Makefile'",
        "RemoteCommand 1 shell 'make'",
        "RemoteCommand 2 shell 'make check'",
        "RemoteCommand 3 uploadFile 'out.txt'",
        "FileWriter 'out.txt'",
        "RemoteCommand 4 shell 'sleep 3; exit 1'",
        "RemoteCommand 5 frobnicate",
        "RemoteCommand 6 downloadFile 'x'",
        "RemoteCommand 7 shell 'sleep 60'",
    ]


def test_every_recorded_connection_of_a_worker_is_named_but_one_whose_first_login_failed() -> None:
    names = watched(captured("buildbot-trouble")).names

    assert names == {1: "", 2: "worker w17", 3: "worker w17", 4: "worker w17", 5: "worker w17"}


def test_the_evidence_says_what_a_verdict_rests_on() -> None:
    found = watched(captured("buildbot-trouble"))

    assert [each.evidence for each in found.verdicts] == [
        ("the worker is of version 4.3.0",),
        ("the worker of connection 2 answered the master's ping in 0.6 ms",),
        (),
        (
            "the worker's last bytes came 11.1 s before",
            (
                "the worker's keepalive came every 5.0 s (keepalive in its buildbot.tac) and stopped: "
                "the last one was 14.1 s before the connection ended"
            ),
            "the worker did not answer the master's keepalive, sent 7.1 s before the connection ended",
        ),
        (
            "the master closed the connection (fin)",
            "command 0 shell 'sleep 60' of builder soak started 18.9 s before",
        ),
        ("the worker is of version 4.3.0", "the master took 6.7 s to answer respond"),
        (
            "the worker closed the connection (fin)",
            "command 1 shell 'sleep 60' of builder soak started 2.1 s before",
        ),
    ]


def test_the_frames_of_a_verdict_are_those_it_speaks_of() -> None:
    found = watched(captured("buildbot-build"))
    methods = {each.number: each.what.method for each in found.dissections if hasattr(each.what, "method")}

    assert [[methods.get(frame, b"") for frame in each.frames] for each in found.verdicts] == [
        [b"respond", b""],
        [b"startCommand", b"complete"],
        [b"startCommand", b""],
        [b"startCommand", b"complete"],
        [b"startCommand", b"complete"],
    ]


def test_of_the_present_it_is_said_what_runs_and_how_the_keepalives_come() -> None:
    found = watched(until(captured("buildbot-build"), 6.0))

    assert [each.line() for each in found.now(6.0)] == [
        (
            "note: connection 1: command 7 shell 'sleep 60' of builder linux has been running for 1.9 s, "
            "and it has sent nothing"
        ),
        "note: connection 1: the worker's keepalive comes every 5.0 s, the last one 49.9 ms ago",
        "note: connection 1: the master's keepalive comes every 4.0 s, the last one 1.1 s ago",
    ]


def test_of_the_present_it_is_said_what_is_amiss() -> None:
    found = watched(until(captured("buildbot-trouble"), 17.75))

    assert [each.line() for each in found.now(20.0, 2)] == [
        (
            "warning: connection 2: the master closes this connection unless worker w17 answers the ping that it was "
            "sent 9.2 s ago, because another worker of that name connected; it has 10 seconds"
        ),
        (
            "note: connection 2: command 0 shell 'sleep 60' of builder soak has been running for 18.1 s, "
            "and its last update came 13.1 s ago"
        ),
        (
            "warning: connection 2: the worker's keepalive came every 5.0 s (keepalive in its buildbot.tac) and "
            "stopped: the last one was 13.2 s ago"
        ),
        "warning: connection 2: the worker did not answer the master's keepalive, sent 6.3 s ago",
    ]
    assert found.now(20.0, 5) == []
    assert [each.line() for each in found.now(25.0, 5)] == [
        (
            "warning: connection 5: worker w17 is not attached after 10.8 s: the master waits for connection 2, "
            "which has that name, to answer a ping; it gives up after 10 seconds"
        )
    ]


@pytest.mark.parametrize("name", ["buildbot-build", "buildbot-trouble"])
def test_a_recording_met_in_its_middle_is_explained_as_far_as_it_goes(name: str) -> None:
    pieces = [piece for piece in captured(name) if piece.at > 2]
    found = watched(pieces)

    assert found.verdicts
    assert all(
        each.unseen for each in found.verdicts if each.kind in ("commands lost", "replaced") and each.connection < 4
    )


def test_the_recordings_hold_no_secret() -> None:
    for name in ("buildbot-build", "buildbot-trouble"):
        found = watched(captured(name))
        assert not [each for each in found.dissections if type(each.what).__name__ == "Undecodable"]
        sent = b"".join(piece.data for piece in captured(name) if isinstance(piece, Chunk))
        assert b"pass17" not in sent
        assert sent.count(b"*" * 16) == 2 * len({piece.connection for piece in captured(name)})


# ------------------------------------------------------------------------------------------- what was not recorded


def texts(found: list[Any]) -> list[str]:
    return [each.text for each in found]


def u(text: str) -> list[Any]:
    return [b"unicode", text.encode()]


def greeted(talk: Talk, name: bytes = b"w1", at: float = 1.0) -> Talk:
    """The worker logs in, and the master greets it."""
    talk.call(WORKER, b"root", b"login", name, at=at)
    talk.answer(MASTER, [b"tuple", b"c" * 16, [b"remote", 1]], at=at)
    talk.call(WORKER, 1, b"respond", b"r" * 16, [b"remote", 1], at=at)
    talk.call(MASTER, 1, b"print", message=u("attached"), at=at)
    talk.answer(WORKER, at=at)
    return talk


def attached(talk: Talk, builders: Any = None, at: float = 1.0) -> Talk:
    """A worker that is attached at *at*, with a builder "linux", which it lends as 2."""
    greeted(talk, at=at)
    talk.call(MASTER, 1, b"setBuilderList", [b"list"], at=at)
    talk.answer(WORKER, builders or [b"dictionary", [u("linux"), [b"remote", 2]]], at=at)
    # The call before was the worker's respond, and the answer to it comes last.
    talk.answer(MASTER, [b"remote", 2], at=at)
    return talk


@pytest.fixture
def talk() -> Talk:
    return Talk(Explainers([Buildbot()], tell=pytest.fail))


def start(talk: Talk, luid: int = 3, number: str = "0", at: float = 2.0, **given: Any) -> None:
    pairs = [[u(key), value] for key, value in given.items()]
    talk.call(
        MASTER,
        2,
        b"startCommand",
        [b"remote", luid],
        u(number),
        u("shell"),
        [b"dictionary", *pairs],
        at=at,
    )


def test_one_builder_is_not_many(talk: Talk) -> None:
    assert texts(attached(talk).verdicts) == ["worker w1 attached after 1.0 s, with 1 builder"]


@pytest.mark.parametrize(
    "builders", [b"nothing", [b"dictionary", [b"linux", 7]], [b"dictionary", [[b"list"], [b"remote", 2]]]]
)
def test_builders_that_are_none_are_none(talk: Talk, builders: Any) -> None:
    assert texts(attached(talk, builders).verdicts) == ["worker w1 attached after 1.0 s, with 0 builders"]


def test_builders_are_bounded(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildbot, "_BUILDERS", 2)
    many = [b"dictionary", *([u(f"b{number}"), [b"remote", number]] for number in range(2, 9))]

    assert texts(attached(talk, many).verdicts) == ["worker w1 attached after 1.0 s, with 2 builders"]


@pytest.mark.parametrize(
    ("say", "step"),
    [
        (lambda talk: None, "the master greeted the worker, and the next one is the worker's"),
        (
            lambda talk: talk.call(MASTER, 1, b"getWorkerInfo"),
            "the master asked what the worker is (getWorkerInfo), and the next one is the worker's",
        ),
        (
            lambda talk: (talk.call(MASTER, 1, b"getWorkerInfo"), talk.answer(WORKER, b"not a dict")),
            "the worker told what it is (getWorkerInfo), and the next one is the master's",
        ),
        (
            lambda talk: (talk.call(MASTER, 1, b"getWorkerInfo"), talk.refuse(WORKER, b"x", b"y")),
            "the master asked what the worker is (getWorkerInfo), and the next one is the worker's",
        ),
        (
            lambda talk: talk.call(MASTER, 1, b"setBuilderList", [b"list"]),
            "the master told the worker its builders (setBuilderList), and the next one is the worker's",
        ),
        (
            lambda talk: (talk.call(MASTER, 1, b"setBuilderList", [b"list"]), talk.answer(WORKER, [b"dictionary"])),
            "the worker took its builders (setBuilderList), and the next one is the master's",
        ),
    ],
)
def test_who_has_to_do_the_next_step_of_attaching_is_said(talk: Talk, say: Any, step: str) -> None:
    say(greeted(talk))

    assert talk.now(9.0) == []
    assert texts(talk.now(12.0)) == [f"worker w1 is not attached after 12.0 s: the last step seen was that {step}"]
    assert texts(talk.happened("closed", at=3.0)) == [
        f"somebody closed the connection before worker w1 was attached: the last step seen was that {step}"
    ]


@pytest.mark.parametrize(
    ("said", "step"), [(0, "gave its name"), (1, "sent its challenge"), (2, "answered the challenge")]
)
def test_a_known_worker_that_does_not_get_through_its_login_is_known(talk: Talk, said: int, step: str) -> None:
    attached(talk)
    again = Talk(talk.explainers, 2)
    steps: list[Callable[[], object]] = [
        lambda: again.call(WORKER, b"root", b"login", b"w1"),
        lambda: again.answer(MASTER, [b"tuple", b"c" * 16, [b"remote", 1]]),
        lambda: again.call(WORKER, 1, b"respond", b"r" * 16, [b"remote", 1]),
    ]
    for each in steps[: said + 1]:
        each()

    (verdict,) = again.happened("closed", MASTER, "reset", at=1.0)
    assert verdict.text.startswith("the master closed the connection (reset) before worker w1 was attached: ")
    assert step in verdict.text


def test_a_wrong_password_is_none_of_its_business(talk: Talk) -> None:
    attached(talk)
    again = Talk(talk.explainers, 2)
    again.call(WORKER, b"root", b"login", b"w1")
    again.answer(MASTER, [b"tuple", b"c" * 16, [b"remote", 1]])
    again.call(WORKER, 1, b"respond", b"r" * 16, [b"remote", 1])

    assert again.refuse(MASTER, b"twisted.cred.error.UnauthorizedLogin", b"") == []
    assert again.happened("closed", WORKER, at=1.0) == []


def test_others_who_log_in_are_no_workers(talk: Talk) -> None:
    talk.call(WORKER, b"root", b"login", b"alice")
    talk.answer(MASTER, [b"tuple", b"c" * 16, [b"remote", 1]])
    talk.call(WORKER, 1, b"respond", b"r" * 16, [b"None"])
    talk.answer(MASTER, [b"remote", 2])
    talk.call(WORKER, 2, b"keepalive")
    talk.call(MASTER, 1, b"print", message=u("hello"))

    assert talk.happened("closed", WORKER, at=99.0) == []
    assert talk.verdicts == []
    assert talk.names == {1: ""}


def test_a_duplicate_of_an_unseen_worker_is_said_with_what_was_not_seen(talk: Talk) -> None:
    talk.call(WORKER, b"root", b"login", b"w1")
    talk.answer(MASTER, [b"tuple", b"c" * 16, [b"remote", 1]])
    talk.call(WORKER, 1, b"respond", b"r" * 16, [b"remote", 1])
    (verdict,) = talk.refuse(MASTER, b"builtins.RuntimeError", b"rejecting duplicate worker")

    assert "because another connection has that name" in verdict.text
    assert verdict.unseen == "the other connection"


def test_a_duplicate_of_a_worker_whose_ping_was_not_seen_has_no_evidence_of_it(talk: Talk) -> None:
    attached(talk)
    again = Talk(talk.explainers, 2)
    again.call(WORKER, b"root", b"login", b"w1")
    again.answer(MASTER, [b"tuple", b"c" * 16, [b"remote", 1]])
    again.call(WORKER, 1, b"respond", b"r" * 16, [b"remote", 1])
    (verdict,) = again.refuse(MASTER, b"builtins.RuntimeError", b"rejecting duplicate worker")

    assert "because connection 1 has that name" in verdict.text
    assert (verdict.evidence, verdict.unseen) == ((), "")


def test_a_worker_may_come_back_on_another_connection(talk: Talk) -> None:
    attached(talk)
    talk.happened("closed", WORKER, "fin", at=2.0)

    assert texts(attached(Talk(talk.explainers, 2)).verdicts) == ["worker w1 attached after 1.0 s, with 1 builder"]


def test_workers_are_bounded(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildbot, "_WORKERS", 1)
    attached(talk)
    other = Talk(talk.explainers, 2)
    greeted(other, b"w2")
    other.answer(MASTER, [b"remote", 2])
    third = Talk(talk.explainers, 3)
    third.call(WORKER, b"root", b"login", b"w1")

    assert third.names == {3: ""}


def test_a_command_that_runs_for_long_and_was_interrupted_is_said_to_run_on(talk: Talk) -> None:
    attached(talk)
    start(talk, at=2.0, command=u("make"))
    talk.answer(WORKER, at=2.0)
    talk.call(WORKER, 3, b"update", [b"list", [b"list", [b"dictionary", [u("stdout"), u("x")]], 0]], at=3.0)
    talk.call(MASTER, 2, b"interruptCommand", u("7"), u("of another"), at=4.0)

    assert texts(talk.now(5.0)) == [
        "command 0 shell 'make' of builder linux has been running for 3.0 s, and its last update came 2.0 s ago"
    ]
    talk.call(MASTER, 2, b"interruptCommand", u("0"), at=6.0)
    assert texts(talk.now(9.0)) == [
        "command 0 shell 'make' of builder linux was interrupted by the master 3.0 s ago and has not ended"
    ]
    (verdict,) = talk.happened("closed", WORKER, "timeout", at=10.0)
    assert verdict.text == "worker w1 went away with 1 command running: command 0 shell 'make' of builder linux"
    assert verdict.evidence == (
        "the worker closed the connection (timeout)",
        "command 0 shell 'make' of builder linux started 8.0 s before, and was interrupted by the master",
    )


def test_an_interruption_without_a_reason_is_said_without(talk: Talk) -> None:
    attached(talk)
    start(talk)
    talk.call(MASTER, 2, b"interruptCommand", at=3.0)
    talk.call(MASTER, 2, b"interruptCommand", u("0"), at=3.0)

    assert texts(talk.call(WORKER, 3, b"complete", [b"None"], at=4.0)) == [
        "command 0 shell of builder linux was interrupted by the master after 1.0 s, and ended 1.0 s later"
    ]


@pytest.mark.parametrize(
    ("reason", "setting", "how"),
    [
        ("timeout", "maxTime", "it ran for more than 60 s (maxTime of the step)"),
        ("max_lines_failure", "max_lines", "it wrote more than 60 lines (max_lines of the step)"),
    ],
)
def test_the_setting_that_ended_a_command_is_named(talk: Talk, reason: str, setting: str, how: str) -> None:
    attached(talk)
    limits: dict[str, Any] = {setting: 60}
    start(talk, **limits)
    talk.call(WORKER, 3, b"update", [b"list", [b"list", [b"dictionary", [u("failure_reason"), u(reason)]], 0]])

    assert texts(talk.call(WORKER, 3, b"complete", [b"None"], at=62.0)) == [
        f"worker w1 killed command 0 shell of builder linux after 60.0 s, because {how}"
    ]


@pytest.mark.parametrize("limit", [10**100, [b"list", b"x"], [b"None"]])
def test_a_setting_that_cannot_be_shown_is_not_shown(talk: Talk, limit: Any) -> None:
    attached(talk)
    start(talk, timeout=limit)
    reason = [b"list", [b"list", [b"dictionary", [u("failure_reason"), u("timeout_without_output")]], 0]]
    talk.call(WORKER, 3, b"update", reason)

    assert "it wrote nothing for ? s (timeout of the step)" in texts(talk.call(WORKER, 3, b"complete", [b"None"]))[0]


def test_an_answer_to_the_update_of_a_cache_is_none_of_its_business(talk: Talk) -> None:
    talk.say(MASTER, [b"cachemessage", 1, 1, b"respond", 1, [b"tuple"], [b"dictionary"]])

    assert talk.say(WORKER, [b"answer", 1, [b"None"]]) == []


def test_many_commands_are_counted_and_few_of_them_named(talk: Talk) -> None:
    attached(talk)
    for number in range(5):
        start(talk, 10 + number, str(number), command=[b"list", b"true", number, 0.5, [b"None"]])

    assert len(talk.now(3.0)) == 3
    (verdict,) = talk.happened("closed", at=3.0)
    assert verdict.text.startswith("somebody closed the connection while worker w1 had 5 commands running: command 0 ")
    assert verdict.text.endswith("command 2 shell 'true 2 0.5 ' of builder linux and 2 more")
    assert len(verdict.frames) == 5


def test_commands_are_bounded(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildbot, "_COMMANDS", 1)
    attached(talk)
    start(talk, 3)
    start(talk, 4)

    assert len(talk.now(3.0)) == 1


def test_a_command_that_another_answer_refuses_runs_on(talk: Talk) -> None:
    attached(talk)
    start(talk, 3, "0")
    talk.answer(WORKER)
    start(talk, 4, "1")

    assert texts(talk.refuse(WORKER, b"builtins.OSError", b"disk full", at=2.0)) == [
        "worker w1 refused command 1 shell of builder linux: builtins.OSError: disk full"
    ]
    assert len(talk.now(3.0)) == 1


def test_a_keepalive_that_stops_is_said_when_the_connection_ends(talk: Talk) -> None:
    attached(talk)
    for at in (6.0, 11.0, 16.0):
        talk.call(WORKER, 2, b"keepalive", at=at)
        talk.answer(MASTER, at=at)

    assert texts(talk.happened("closed", WORKER, at=60.0)) == [
        (
            "the worker's keepalive came every 5.0 s (keepalive in its buildbot.tac) and stopped: "
            "the last one was 44.0 s before the connection ended"
        )
    ]


def test_a_keepalive_without_an_answer_is_said_when_the_connection_ends(talk: Talk) -> None:
    attached(talk)
    talk.call(WORKER, 2, b"keepalive", at=6.0)
    talk.call(WORKER, 2, b"keepalive", at=11.0)

    assert texts(talk.happened("closed", WORKER, "reset", at=12.0)) == [
        "the master did not answer the worker's keepalive, sent 6.0 s before the connection ended"
    ]


def test_in_mid_connection_a_worker_is_known_by_its_masters_keepalive() -> None:
    talk = Talk(Explainers([Buildbot()], tell=pytest.fail), opened=False)
    # The first one is read when the second one shows that it was one.
    for at in (0.0, 10.0, 20.0, 30.0):
        talk.call(MASTER, 1, b"print", message=u("keepalive"), at=at)
        talk.answer(WORKER, at=at)

    (verdict,) = talk.now(31.0)
    assert verdict.text == "the master's keepalive comes every 10.0 s, the last one 1.0 s ago"
    assert verdict.unseen == "some of this connection is not in the capture"
    assert talk.dissector.connections[1].strangers[WORKER][1].label == "worker"
    assert talk.happened("closed", WORKER, at=32.0) == []


def test_a_mind_that_cannot_be_lent_has_no_name(talk: Talk) -> None:
    talk.call(MASTER, [b"list"], b"getWorkerInfo")

    assert [each.kind for each in talk.happened("closed", WORKER, at=1.0)] == ["attaching"]
    assert "worker" not in talk.labels.values()


def test_in_mid_connection_a_command_is_followed_though_nobody_knows_for_whom() -> None:
    talk = Talk(Explainers([Buildbot()], tell=pytest.fail), opened=False)
    # Two in a row are needed to find where to read from.
    talk.say(MASTER, [b"decref", 9])
    talk.say(MASTER, [b"decref", 9])
    start(talk)
    talk.say(MASTER, [b"decref", 9])

    assert texts(talk.now(3.0)) == ["command 0 shell has been running for 1.0 s, and it has sent nothing"]
    assert texts(talk.happened("closed", WORKER, at=3.0)) == [
        "the worker went away with 1 command running: command 0 shell"
    ]


def test_of_a_connection_that_nothing_is_known_of_nothing_is_said() -> None:
    talk = Talk(Explainers([]))
    talk.explainers = Explainers([Buildbot()], tell=pytest.fail)

    assert talk.now(99.0) == []
    assert talk.happened("stalled") == []
    assert talk.now(99.0) == []


LIST: list[Any] = [b"list"]


@pytest.mark.parametrize("raw", [b"", LIST, [b"tuple"], [b"tuple", LIST], [b"tuple", [b"list", 1, LIST, [b"list", 2]]]])
@pytest.mark.parametrize("target", [b"root", 1, 3, LIST])
@pytest.mark.parametrize("method", [method for _, method in buildbot._CALLS])
def test_calls_that_are_not_as_buildbot_makes_them_harm_nothing(
    talk: Talk, method: bytes, target: Any, raw: Any
) -> None:
    attached(talk)
    start(talk)
    for side in Side:
        talk.call(side, target, method, raw=raw)
        talk.answer(side.other, [b"dictionary", [LIST, LIST]])
        talk.say(side, [b"message", 99, target, method, 1, raw, b"no keywords"])
        talk.refuse(side.other, b"", b"")
    talk.now(50.0)
    talk.happened("closed", WORKER, at=60.0)


def test_what_a_peer_says_is_never_obeyed_by_a_terminal(talk: Talk) -> None:
    hostile = u("\x1b]0;owned\x07\n\u202e")
    attached(talk, [b"dictionary", [hostile, [b"remote", 2]]])
    start(talk, command=hostile)
    found = talk.now(9.0) + talk.happened("closed", WORKER, "\x1b[2J", at=10.0)

    assert found
    assert all(text.isprintable() for each in found for text in (each.text, *each.evidence))
    assert all(label.isprintable() for label in talk.labels.values())
