"""What has changed between two captures: calls, arguments, answers; and what does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pbshell.trace import Dissector
from pbshell.trace.capture import open_capture
from pbshell.trace.explainers import Explainers
from pbshell.trace.studies import diff
from pbshell.trace.studies.diff import IGNORABLE, Difference, Recorded, differences
from pbshell.wire.chunk import Awaited, Chunk, Piece, Seed, Side
from tests.trace.recordings import NAMES, chunks
from tests.trace.talking import FOLDER, Talk, captured

CLIENT, SERVER = Side
Script = Callable[["Spoken"], object]


class Spoken(Talk):
    """A conversation that is recorded to be compared."""

    def __init__(self, ignore: tuple[str, ...] = IGNORABLE, most: int = 1000, *, opened: bool = True) -> None:
        self.recorded = Recorded(ignore, most=most)
        super().__init__(Explainers(), opened=opened)

    def feed(self, pieces: Any) -> list[Any]:
        for piece in pieces:
            for found in self.dissector.feed(piece):
                self.recorded.see(found, self.dissector.connections[found.connection])
        return []


def recorded(pieces: list[Piece]) -> Recorded:
    calls, dissector = Recorded(), Dissector(redact="strict")
    for piece in pieces:
        for found in dissector.feed(piece):
            calls.see(found, dissector.connections[found.connection])
    return calls


def compared(a: Script, b: Script, ignore: tuple[str, ...] = IGNORABLE) -> list[Difference]:
    one, other = Spoken(ignore), Spoken(ignore)
    a(one)
    b(other)
    return list(differences(one.recorded, other.recorded, ignore))


def told(found: list[Difference]) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.call, each.before, each.after) for each in found]


def ask(method: bytes, *args: Any, result: Any = 0, took: float = 0.0, caller: Side = CLIENT) -> Script:
    def script(talk: Spoken) -> None:
        talk.call(caller, b"root", method, *args)
        talk.answer(caller.other, result, at=took)

    return script


def in_turn(*scripts: Script) -> Script:
    def script(talk: Spoken) -> None:
        for each in scripts:
            each(talk)

    return script


def fail(text: bytes) -> Script:
    def script(talk: Spoken) -> None:
        talk.call(CLIENT, b"root", b"state")
        talk.refuse(SERVER, b"builtins.ValueError", text)

    return script


def unanswered(talk: Spoken) -> None:
    talk.call(CLIENT, b"root", b"state")


STATE = ask(b"state", result=1)


def test_the_same_calls_with_the_same_answers_are_no_difference() -> None:
    assert compared(in_turn(STATE, ask(b"other"), fail(b"no")), in_turn(STATE, ask(b"other"), fail(b"no"))) == []


@pytest.mark.parametrize(
    ("a", "b", "kind", "before", "after"),
    [
        (STATE, ask(b"state", result=2), "result", "= 1", "= 2"),
        (fail(b"one"), fail(b"two"), "error", "! builtins.ValueError: one", "! builtins.ValueError: two"),
        (STATE, fail(b"no"), "became an error", "= 1", "! builtins.ValueError: no"),
        (fail(b"no"), STATE, "became a result", "! builtins.ValueError: no", "= 1"),
        (STATE, unanswered, "answered in A only", "= 1", "no answer"),
        (unanswered, STATE, "answered in B only", "no answer", "= 1"),
    ],
)
def test_another_outcome_of_the_same_call_is_told(a: Script, b: Script, kind: str, before: str, after: str) -> None:
    assert told(compared(a, b)) == [(kind, "state()", before, after)]


def test_two_calls_without_an_answer_are_the_same() -> None:
    assert compared(unanswered, unanswered) == []


def test_calls_that_only_one_of_them_has_are_told_where_they_stand() -> None:
    a = in_turn(ask(b"first"), ask(b"gone"), ask(b"last"))
    b = in_turn(ask(b"new"), ask(b"first"), ask(b"last"), ask(b"more"))

    found = compared(a, b)

    assert [(each.kind, each.call) for each in found] == [
        ("only in B", "new()"),
        ("only in A", "gone()"),
        ("only in B", "more()"),
    ]
    assert (found[0].before, found[0].after, found[1].before, found[1].after) == ("", "= 0", "= 0", "")


def test_a_call_with_other_arguments_is_laid_beside_the_one_in_its_place() -> None:
    a = in_turn(ask(b"first"), ask(b"add", 1, [b"list", 2, 3]), ask(b"last"))
    b = in_turn(ask(b"first"), ask(b"add", 1, [b"list", 2, 4]), ask(b"last"))

    (found,) = compared(a, b)

    assert (found.kind, found.before, found.after) == ("arguments", "add(1, [2, 3])", "add(1, [2, 4])")
    assert found.where == "args[1][1]: 3 -> 4"


def test_other_arguments_by_name_are_pointed_at() -> None:
    def script(number: int) -> Script:
        return lambda talk: talk.call(CLIENT, b"root", b"add", n=number)

    (found,) = compared(script(1), script(2))

    assert found.where == "kwargs['n']: 1 -> 2"


def test_arguments_that_are_no_list_are_compared_too() -> None:
    def script(number: int) -> Script:
        return lambda talk: talk.call(CLIENT, b"root", b"add", raw=number)

    (found,) = compared(script(1), script(2))

    assert found.where == "args: 1 -> 2"


def test_where_a_long_answer_differs_is_pointed_at() -> None:
    def answer(text: bytes) -> list[Any]:
        return [b"list", 1, [b"dictionary", [[b"unicode", b"log"], [b"unicode", b"x" * 200 + text]]]]

    (found,) = compared(ask(b"state", result=answer(b"one")), ask(b"state", result=answer(b"two")))

    assert found.where.startswith("[1]['log']: ...'xxx")
    assert "one" in found.where
    assert "two" in found.where


def test_what_is_shown_anyway_is_not_pointed_at() -> None:
    (found,) = compared(STATE, ask(b"state", result=2))

    assert found.where == ""


def test_luids_and_requests_do_not_count() -> None:
    def script(luid: int, skipped: int) -> Script:
        def speak(talk: Spoken) -> None:
            talk._requests[CLIENT] += skipped
            talk.call(CLIENT, b"root", b"getBuilder", [b"unicode", b"linux"])
            talk.answer(SERVER, [b"remote", luid])
            talk.call(CLIENT, luid, b"start", [b"local", luid])
            talk.answer(SERVER, [b"remote", luid])

        return speak

    assert compared(script(3, 0), script(8, 5)) == []
    assert {each.kind for each in compared(script(3, 0), script(8, 5), ("time", "luid"))} == {"req"}
    by_luid = compared(script(3, 0), script(8, 0), ("time", "req"))
    assert [each.kind for each in by_luid] == ["result", "only in A", "only in B"]


def test_another_object_is_another_argument() -> None:
    def script(which: int) -> Script:
        def speak(talk: Spoken) -> None:
            for name in (b"one", b"two"):
                talk.call(CLIENT, b"root", name)
                talk.answer(SERVER, [b"remote", len(name) + name[0]])
            talk.call(CLIENT, b"root", b"take", [b"local", 3 + b"ot"[which]])
            talk.answer(SERVER)

        return speak

    (found,) = compared(script(0), script(1))

    assert (found.kind, found.before, found.after) == ("arguments", "take(one())", "take(two())")


def test_an_update_of_a_cached_object_is_a_call_too() -> None:
    def script(value: int) -> Script:
        def speak(talk: Spoken) -> None:
            talk.call(CLIENT, b"root", b"state")
            talk.answer(SERVER, [b"app.State", 4, [b"dictionary"]])
            talk.say(SERVER, [b"cachemessage", 1, 4, b"set", 0, [b"tuple", value], [b"dictionary"]])

        return speak

    (found,) = compared(script(1), script(2))

    assert (found.kind, found.sender, found.before) == ("arguments", SERVER, "State.set(1)")


def test_the_order_of_the_two_sides_does_not_count() -> None:
    first, second = ask(b"one"), ask(b"two", caller=SERVER)

    assert compared(in_turn(first, second), in_turn(second, first)) == []


@pytest.mark.parametrize(("took", "is_told"), [(0.1, False), (0.0505, False), (0.2, True), (0.01, True)])
def test_times_are_told_to_whoever_asks_if_they_are_quite_different(took: float, is_told: bool) -> None:
    a, b = ask(b"state", took=0.1), ask(b"state", took=took)

    assert compared(a, b) == []
    found = told(compared(a, b, ("req", "luid")))
    assert bool(found) is is_told
    assert all(each[:3] == ("time", "state()", "100 ms") for each in found)


def test_calls_without_an_answer_have_no_time() -> None:
    assert compared(unanswered, unanswered, ()) == []


def test_connections_are_compared_in_their_order() -> None:
    def script(number: int) -> list[Piece]:
        pieces: list[Piece] = []
        for connection in range(1, number + 1):
            pieces += [Chunk(each.at, connection, each.sender, each.data) for each in chunks("login_chat")]
        return pieces

    one, two = recorded(script(1)), recorded(script(2))

    assert {(each.kind, each.connection) for each in differences(one, two)} == {("only in B", 2)}
    assert {(each.kind, each.connection) for each in differences(two, one)} == {("only in A", 2)}


def test_an_ended_connection_gives_its_number_to_another_one() -> None:
    talk = Spoken()
    STATE(talk)
    talk.happened("closed", CLIENT, "fin")
    talk.happened("opened", CLIENT, "a to b")

    assert [sum(map(len, each.calls.values())) for each in talk.recorded.connections] == [1, 0]


def test_an_answer_to_a_call_from_before_the_capture_is_no_call() -> None:
    talk = Spoken(opened=False)
    talk.feed([Seed(0.0, 1, b"pb", tuple(Side), (), (Awaited(CLIENT, 1, "old"),))])
    talk.say(SERVER, [b"answer", 1, 0])

    assert talk.recorded.count == 0


def test_calls_beyond_the_most_are_left_out_and_counted() -> None:
    talk = Spoken(most=1)
    in_turn(STATE, STATE, STATE)(talk)

    assert (talk.recorded.count, talk.recorded.left_out) == (1, 2)


def test_a_value_that_is_too_large_to_be_kept_is_compared_all_the_same() -> None:
    def answer(last: bytes) -> list[Any]:
        return [b"list", *([1] * 40_000), last]

    (found,) = compared(ask(b"state", result=answer(b"a")), ask(b"state", result=answer(b"b")))

    assert (found.kind, found.where) == ("result", "too long to be looked into")
    assert found.before.startswith("= [1, 1, ")
    assert compared(ask(b"state", result=answer(b"a")), ask(b"state", result=answer(b"a"))) == []


def test_arguments_that_are_too_large_to_be_kept_are_compared_all_the_same() -> None:
    large = [b"list", *([1] * 40_000)]

    (found,) = compared(ask(b"add", large), ask(b"add", [*large, 2]))

    assert (found.kind, found.where) == ("arguments", "too long to be looked into")


def test_an_error_that_is_too_long_to_be_kept_is_shown_cut() -> None:
    (found,) = compared(fail(b"x" * 70_000 + b"1"), fail(b"y" * 70_000))

    assert found.before.startswith("! builtins.ValueError: xxx")
    assert len(found.before) < 600


def test_calls_in_quite_another_order_are_paired_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "_EDITS", 2)
    names = [b"a", b"b", b"c", b"d", b"e", b"f"]
    a = in_turn(*(ask(name) for name in names), ask(b"add", 1))
    b = in_turn(*(ask(name) for name in reversed(names)), ask(b"add", 2))

    assert [each.kind for each in compared(a, b)] == ["arguments"]


def test_secrets_stay_covered() -> None:
    calls = recorded(captured("buildbot-build"))
    texts = [each.text for connection in calls.connections for side in connection.calls.values() for each in side]

    assert any("respond(***" in text for text in texts)


def test_texts_of_peers_are_harmless() -> None:
    found = compared(ask(b"\x1b[2J", [b"unicode", b"\x07"]), fail(b"\x1b]0;"))

    assert len(found) == 2
    assert all(text.isprintable() for each in found for text in (each.call, each.before, each.after, each.where))


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_the_same_as_itself(name: str) -> None:
    one, other = recorded(list(chunks(name))), recorded(list(chunks(name)))

    assert list(differences(one, other)) == []


def test_two_days_of_buildbot_differ_and_a_day_does_not_differ_from_itself() -> None:
    one, other = recorded(captured("buildbot-build")), recorded(captured("buildbot-trouble"))

    assert list(differences(one, one)) == []
    kinds = {each.kind for each in differences(one, other)}
    assert kinds <= set(Difference.KINDS)
    assert "became an error" in kinds
    with open_capture(FOLDER / "buildbot-build.pbt") as capture:
        assert recorded(list(capture)).count == one.count
