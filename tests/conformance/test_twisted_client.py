"""Twisted's client against our server: it must not be able to tell us from Twisted's own server.

Each visit of peers/twisted_visits.py is made twice, to the laboratory on Twisted and to the same laboratory on pbshell,
and the client's notes are compared. Where they differ on purpose, BETTER says what ours are.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pbshell import pb
from tests.conformance import lab
from tests.conformance.peers.processes import Peer
from tests.conformance.scenarios import SERVERS as SCENARIOS
from tests.conformance.values import sessions
from tests.conformance.worlds import LoopWorld

#: Where a visit goes, if not to the laboratory.
SERVERS = {
    "password": "gate/both",
    "refused": "gate/passwords",
    "anonymous": "gate/anonymous",
    "no_password": "gate/anonymous",
}
VISITS = [
    *("values", "calls", "failures", "references", "copies", "caches", "views", "pages", "large", "flight"),
    *("password", "refused", "anonymous", "no_password", "left_alone", "leaving", "cycle_of_two"),
]

#: Steps at which our server does better than Twisted's, and what the client notes there.
BETTER: dict[str, dict[str, Any]] = {
    # Twisted's decoder leaves a placeholder in one of two copies that point at each other.
    "copies": {"circle": {"t": "bool", "v": True}},
}

both_dialects = pytest.mark.parametrize("dialect", ["pb", "none"])


def by_label(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The client's notes by their labels."""
    return {step["step"]: step.get("observed", step.get("result", step.get("raised"))) for step in steps}


async def visit(
    twisted: Peer, what: str, dialect: str, server: str | None = None, events: lab.Events | None = None, **settings: Any
) -> list[dict[str, Any]]:
    """What a Twisted client notes when it visits our server."""
    root = lab.root_or_portal(server or SERVERS.get(what, "lab"), events or lab.Events())
    async with pb.serve(root, "tcp:0", security=lab.known_classes(), **settings) as running:
        steps = await twisted.ask_meanwhile("visit", what=what, port=running.port, dialect=dialect)
        assert isinstance(steps, list)
    return steps


@both_dialects
@pytest.mark.parametrize("what", VISITS)
async def test_twisteds_client_cannot_tell_our_server_from_twisteds(twisted: Peer, what: str, dialect: str) -> None:
    port = twisted.port(SERVERS.get(what, "lab"), dialect)
    expected = twisted.ask("visit", what=what, port=port, dialect=dialect)
    steps = await visit(twisted, what, dialect)
    better = BETTER.get(what, {})
    assert [step["step"] for step in steps] == [step["step"] for step in expected]
    for ours, theirs in zip(steps, expected, strict=True):
        if ours["step"] in better:
            assert by_label([ours])[ours["step"]] == better[ours["step"]]
        else:
            assert ours == theirs


@both_dialects
async def test_twisteds_client_gets_its_own_object_back_when_it_is_echoed(twisted: Peer, dialect: str) -> None:
    """Twisted's own server gives it None."""
    notes = by_label(await visit(twisted, "echo", dialect))
    assert notes == {
        "echo": True,
        "echo inside": [True, True],
        "echoLater": True,
        "echoLater inside": [True, True],
        "what I lend": 0,
    }


@both_dialects
async def test_twisteds_client_traps_our_exceptions_by_its_own_classes(twisted: Peer, dialect: str) -> None:
    notes = by_label(await visit(twisted, "failures", dialect))
    for when in ("", "deferred ", "later ", "async "):
        assert notes[f"{when}pb.Error trapped"][0] == "Error"
        assert notes[f"{when}Quieter trapped"][:2] == ["Error", "Quiet"]
        assert notes[f"{when}ValueError trapped"] == [None, None, "builtins.ValueError", None, "builtins.Exception"]
        assert notes[f"{when}KeyError trapped"][3] == "LookupError"
        assert notes[f"{when}Spill itself"] == ["SpillCopy", "on the floor"]


@both_dialects
async def test_results_that_cannot_be_sent_are_errors_for_twisteds_client(twisted: Peer, dialect: str) -> None:
    """Twisted's server drops the connection for the first, and never answers the second."""
    notes = by_label(await visit(twisted, "too_much", dialect))
    for how in ("now", "later"):
        text = notes[how]["error"]["value"]["v"]
        assert "700,000" in text
        assert "655,360" in text
        assert notes[f"after {how}"] == {"t": "str", "v": how}


async def test_a_command_that_no_pb_knows_is_answered_politely(twisted: Peer, caplog: pytest.LogCaptureFixture) -> None:
    """Twisted's client logs our didNotUnderstand and goes on; its own server would have dropped the connection."""
    twisted.ask("log")
    notes = by_label(await visit(twisted, "command_unknown", "pb"))
    assert notes["echo"] == {"t": "int", "v": "1"}
    assert "Didn't understand command: b'frobnicate'" in [line["text"] for line in twisted.ask("log")]


async def test_a_guesser_is_shown_the_door_after_six_attempts(twisted: Peer) -> None:
    notes = by_label(await visit(twisted, "guessing", "pb", "gate/passwords"))
    assert notes["attempts"] == 6
    types = [notes[f"attempt {number}"]["error"]["type"] for number in range(7)]
    assert [each.get("hex", "") for each in types[:6]] == [b"twisted.cred.error.UnauthorizedLogin".hex()] * 6
    assert "PBConnectionLost" in str(types[6])


@both_dialects
async def test_each_login_of_twisteds_client_ends_in_one_logout(twisted: Peer, dialect: str) -> None:
    events = lab.Events()
    await visit(twisted, "password", dialect, events=events)
    await events.when("logout bob")
    assert sorted(events.texts) == ["login ada", "login bob", "logout ada", "logout bob"]
    # She was logged out when her avatar was dropped, he when the connection ended.
    assert events.texts.index("logout ada") < events.texts.index("logout bob")


async def test_an_answer_that_comes_after_twisteds_client_left_goes_nowhere(
    twisted: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """Twisted's server logs a traceback about an attribute of None."""
    caplog.set_level(logging.DEBUG)
    rooms: list[lab.Lab] = []

    class Watched(lab.Lab):
        def rootObject(self, broker: Any) -> lab.Lab:
            rooms.append(super().rootObject(broker))
            return rooms[-1]

    async with pb.serve(Watched(), "tcp:0") as running:
        steps = await twisted.ask_meanwhile("visit", what="leaving", port=running.port, dialect="pb")
        assert by_label(steps)["trapped"] == "PBConnectionLost"
        (room,) = rooms
        running.close()
        await running.wait_closed()
        assert room.remote_atLast("too late") == 1
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


SESSIONS = sessions()


@both_dialects
@pytest.mark.parametrize("name", SESSIONS)
async def test_twisteds_recorded_client_sees_what_it_saw_then(twisted: Peer, name: str, dialect: str) -> None:
    """The very programs of the recordings, with our server in place of Twisted's."""
    world = LoopWorld()
    async with pb.serve(SCENARIOS[name](world), "tcp:0") as running:
        steps = await twisted.ask_meanwhile("visit", what=f"recorded/{name}", port=running.port, dialect=dialect)
    assert steps == SESSIONS[name]["notes"]["client_observed"]
