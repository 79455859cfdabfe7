"""Explainers: who they are, what becomes of what they say, and that a bad one harms nobody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pbshell.trace import Dissection
from pbshell.trace.capture import CaptureWriter
from pbshell.trace.dissector import Conversation
from pbshell.trace.explainers import Explainer, Explainers, Name
from pbshell.trace.verdict import Verdict
from pbshell.wire.chunk import Side
from pbshell.wire.verbs import Message
from tests.trace.recordings import chunks
from tests.trace.talking import Talk

ROOT = Path(__file__).parent.parent.parent

VERDICT = Verdict(1, "greeting", "note", "the client greets")


class Greeter(Explainer):
    """Says the same whenever somebody says hello."""

    name = "greeter"

    def __init__(self, *said: Any) -> None:
        self.said = said

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Name | Verdict]:
        if isinstance(dissection.what, Message) and dissection.what.method == b"hello":
            yield from self.said


def greeted(*said: Any, told: list[str] | None = None) -> Talk:
    """A connection on which the client says hello and lends its object 1."""
    told = [] if told is None else told
    talk = Talk(Explainers([Greeter(*said)], tell=told.append))
    talk.call(Side.CLIENT, b"root", b"hello", [b"remote", 1])
    return talk


def test_a_name_without_an_object_is_the_connections() -> None:
    assert greeted(Name(1, "worker w17")).names == {1: "worker w17"}


def test_a_name_with_an_object_becomes_its_label_and_leaves_its_birth() -> None:
    talk = greeted(Name(1, "the caller", Side.CLIENT, 1))

    lent = talk.dissector.connections[1].lent(Side.CLIENT, 1)
    assert lent is not None
    assert (lent.label, lent.name) == ("the caller", "hello() args[0]")


def test_what_was_given_back_in_the_same_chunk_is_named_too() -> None:
    talk = greeted(Name(1, "the caller", Side.CLIENT, 1))
    talk.say(Side.SERVER, [b"decref", 1])
    talk.explainers = Explainers([Greeter(Name(1, "who called", Side.CLIENT, 1))])
    talk.call(Side.CLIENT, b"root", b"hello")

    assert talk.dissector.connections[1].tombs[Side.CLIENT][1].lent.label == "who called"


@pytest.mark.parametrize("luid", [None, 99, [1]])
def test_a_name_for_what_is_not_lent_names_nothing(luid: Any) -> None:
    told: list[str] = []
    talk = greeted(Name(1, "nothing", Side.CLIENT, luid), told=told)

    assert (talk.names, told) == ({1: ""}, [])
    assert "nothing" not in talk.labels.values()


def test_verdicts_come_back_in_order() -> None:
    second = replace(VERDICT, text="and waits", frames=(4,))

    assert greeted(VERDICT, Name(1, "x"), second).verdicts == [VERDICT, second]


def test_nothing_that_an_explainer_says_is_obeyed_by_a_terminal() -> None:
    hostile = "\x1b]0;owned\x07\n\u202e"
    talk = greeted(
        Name(1, hostile), Name(1, hostile, Side.CLIENT, 1), Verdict(1, hostile, "note", hostile, (hostile,), hostile)
    )

    (verdict,) = talk.verdicts
    assert talk.names[1].isprintable()
    assert talk.labels[1, Side.CLIENT, 1].isprintable()
    assert all(text.isprintable() for text in (verdict.kind, verdict.text, *verdict.evidence, verdict.unseen))


def test_everything_that_an_explainer_says_is_bounded() -> None:
    big = "x" * 10_000
    talk = greeted(Name(1, big), *[Verdict(1, big, "note", big, (big,) * 99, big, tuple(range(99)))] * 99)

    verdict = talk.verdicts[0]
    assert len(talk.verdicts) == 63  # and a name
    assert len(talk.names[1]) < 120
    assert max(map(len, (verdict.kind, verdict.text, *verdict.evidence, verdict.unseen))) < 550
    assert (len(verdict.evidence), len(verdict.frames)) == (16, 64)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("hello", "TypeError: it says a str, which is neither a Name nor a Verdict"),
        (Name(2, "other"), "ValueError: it names connection 2 when asked about 1"),
        (
            replace(VERDICT, severity="fatal"),
            "ValueError: its verdict is 'fatal', which is none of error, warning, note",
        ),
        (replace(VERDICT, text=None), "TypeError: "),  # type: ignore[arg-type]
        (replace(VERDICT, frames=("x",)), "ValueError: "),  # type: ignore[arg-type]
    ],
)
def test_an_explainer_that_says_nonsense_is_dropped_with_one_line(said: Any, why: str) -> None:
    told: list[str] = []
    talk = greeted(VERDICT, said, told=told)

    assert talk.verdicts == []
    assert len(told) == 1
    assert told[0].startswith(f"the explainer greeter is dropped: {why}")
    assert talk.explainers.names == ()


class Failing(Explainer):
    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Name | Verdict]:
        raise RuntimeError("boom\x1b[2J\n")


def test_one_that_fails_is_dropped_and_the_others_go_on() -> None:
    told: list[str] = []
    talk = Talk(Explainers([Failing(), Greeter(VERDICT)], tell=told.append))

    assert talk.call(Side.CLIENT, b"root", b"hello") == [VERDICT]
    assert told == ["the explainer Failing is dropped: RuntimeError: boom\\x1b[2J\\n"]
    assert talk.explainers.names == ("greeter",)


def test_nothing_is_said_of_the_present_unless_an_explainer_wants_to() -> None:
    assert greeted(VERDICT).now(9.0) == []


class Patient(Greeter):
    def now(self, conversation: Conversation, at: float) -> Iterator[Verdict]:
        yield Verdict(conversation.number, "waiting", "note", f"it is {at:.0f} s past")


def test_of_the_present_an_explainer_may_have_verdicts() -> None:
    talk = Talk(Explainers([Patient()]))

    assert [each.text for each in talk.now(9.0)] == ["it is 9 s past"]


# ------------------------------------------------------------------------------------------ the one in the documents


PAGE = ROOT / "docs/howto/write-an-explainer.md"


def test_the_explainer_of_the_how_to_says_what_is_shown_there(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, source in re.findall(r"<!-- file: (.*?) -->\n```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(source, encoding="utf-8")
    with CaptureWriter(tmp_path / "chat.pbt", began=datetime.now(UTC), clock=0.0, redaction="auth") as writer:
        for chunk in chunks("login_chat"):
            writer.write(chunk)

    ran = subprocess.run(
        [sys.executable, "-W", "error", "try_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"```text\n{ran.stdout}```" in text


# ------------------------------------------------------------------------------------------ those that are installed


Install = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a distribution with entry points ``name=target``, and the module ``stranger_explains`` for them."""

    def install(source: str, **points: str) -> None:
        (tmp_path / "stranger_explains.py").write_text(source, encoding="utf-8")
        info = tmp_path / "stranger-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
        lines = [f"{name} = {target}\n" for name, target in points.items()]
        (info / "entry_points.txt").write_text("[pbshell.explainers]\n" + "".join(lines))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "stranger_explains", raising=False)

    return install


STRANGER = """
from pbshell.trace.explainers import Explainer

class Mine(Explainer):
    name = "mine"
    def see(self, dissection, conversation):
        return ()
"""


def test_the_bundled_one_is_there() -> None:
    assert "buildbot" in Explainers.load().names


def test_a_strangers_explainer_is_found_by_its_entry_point(installed: Install) -> None:
    installed(STRANGER, mine="stranger_explains:Mine")

    assert {"buildbot", "mine"} <= set(Explainers.load().names)


def test_a_stranger_does_not_take_the_place_of_a_bundled_one(installed: Install) -> None:
    installed(STRANGER, buildbot="stranger_explains:Mine")

    assert "mine" not in Explainers.load().names


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("raise SystemExit(3)", "stranger_explains:Mine", "SystemExit: 3"),
        ("import no_such_module", "stranger_explains:Mine", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("", "stranger_explains:Mine", "AttributeError: module 'stranger_explains' has no attribute 'Mine'"),
        ("Mine = 7", "stranger_explains:Mine", "TypeError: 'int' object is not callable"),
    ],
)
def test_one_that_cannot_be_had_is_left_out_with_one_line(
    installed: Install, source: str, target: str, why: str
) -> None:
    installed(source, mine=target)
    told: list[str] = []

    assert "buildbot" in Explainers.load(tell=told.append).names
    assert told == [f"the explainer mine is left out: {why}"]


def test_nothing_is_looked_for_or_imported_before_it_is_needed() -> None:
    program = (
        "import sys, pbshell.trace.explainers as e;"
        "assert not {'pbshell.trace.buildbot', 'importlib.metadata'} & set(sys.modules);"
        "e.Explainers.load(); assert 'pbshell.trace.buildbot' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
