"""All verdicts of a capture, each once: the doctor's by their kinds, those of explainers by what they say."""

from __future__ import annotations

import re
from pathlib import Path

from pbshell.trace.dissector import Conversation, Dissection
from pbshell.trace.explainers import Explainer, Explainers
from pbshell.trace.verdict import Verdict
from pbshell.workbench.traffic.tracer import Tracer
from pbshell.workbench.traffic.verdicts import Verdicts, as_object
from tests.trace.recordings import chunks

PAGE = Path(__file__).parents[3] / "docs/reference/trace-json.md"


class Counting(Explainer):
    """Says of every dissection whether its number is even."""

    name = "counting"

    def see(self, dissection: Dissection, conversation: Conversation) -> list[Verdict]:
        return [Verdict(conversation.number, "number", "note", "odd" if dissection.number % 2 else "even")]

    def now(self, conversation: Conversation, at: float) -> list[Verdict]:
        return [Verdict(conversation.number, "age", "note", f"{at:g} s")]


def texts(verdicts: list[Verdict]) -> list[str]:
    return [each.text for each in verdicts if each.kind in ("number", "age")]


def test_what_an_explainer_says_again_is_one_verdict_and_what_is_new_is_another() -> None:
    tracer = Tracer(explainers=Explainers([Counting()]))
    for piece in chunks("login_chat"):
        tracer.tap(piece)
    alive = list(tracer.dissector.connections.values())

    assert texts(tracer.verdicts.at(3.0, alive)) == ["odd", "even", "3 s"]
    # How it stands is asked each time, and not kept.
    assert texts(tracer.verdicts.at(4.0, alive)) == ["odd", "even", "4 s"]
    assert texts(tracer.verdicts.at(4.0, [])) == ["odd", "even"]
    tracer.verdicts.clear()
    assert texts(tracer.verdicts.at(4.0, [])) == []


def test_no_more_are_kept_than_are_asked_for() -> None:
    verdicts = Verdicts(Explainers([Counting()]), 1)
    tracer = Tracer()
    tracer.watchers.append(verdicts.see)
    for piece in chunks("login_chat"):
        tracer.tap(piece)

    assert len(verdicts.at(0.0, [])) == 1


def test_the_members_of_a_verdict_are_documented() -> None:
    _, _, below = PAGE.read_text(encoding="utf-8").partition("\n## Verdicts\n")
    documented = re.findall(r"^\| `(\w+)` \|", below.partition("\n## ")[0], re.MULTILINE)

    assert documented == ["v", *as_object(Verdict(1, "kind", "note", "text"))]
