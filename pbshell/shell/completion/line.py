"""What Tab offers for a line, whatever stands in it. Knows which part of the line means what; looks nothing up."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from pbshell.shell.completion import remote
from pbshell.shell.completion.kinds import Place, files, matching, offers, wants_argument
from pbshell.shell.completion.names import names_behind
from pbshell.shell.completion.usage import is_kind, next_words
from pbshell.workbench.commands import COMMANDS
from pbshell.workbench.workbench import Workbench

__all__ = ["LineCompleter"]

_log = logging.getLogger(__name__)
_DOTTED = re.compile(r"(?:^|[^\w.\"'])((?:[^\W\d]\w*\.)*)((?:[^\W\d]\w*)?)$")
#: a line of 1 MB is not read again at each key: what is completed stands within the last characters
_NEAR = 2000
_REDIRECTED = re.compile(r"\s>>?\s*(\S*)$")
_PIPED = re.compile(r"\s\|\s*([a-z]*)$")
_VERBS = (
    ("grep", "only the rows that match RE"),
    ("sort", "by a column"),
    ("json", "an object on each line"),
)


class LineCompleter(Completer):
    """Completes what is typed at the prompt of *bench*."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        try:
            if text.lstrip().startswith(":"):
                return list(self._command(text.lstrip()[1:]))
            return list(self._python(text[-_NEAR:]))
        except Exception:  # noqa: BLE001 (a key that is pressed ends nothing: what is looked at may be anybody's)
            _log.debug("nothing is offered, because looking for it failed", exc_info=True)
            return []

    def _python(self, text: str) -> Iterator[Completion]:
        called = remote.method_at(text)
        if called is not None:
            yield from remote.methods(called[1], remote.known_of(self._bench, called[0]))
            return
        among = remote.arguments_at(text)
        if among is not None:
            reference, method, begun = among
            yield from remote.keywords(begun, method, remote.known_of(self._bench, reference))
        dotted = _DOTTED.search(text)
        if dotted is not None and dotted[0]:
            names = names_behind(self._bench.namespace, dotted[1])
            yield from matching(dotted[2], ((name, "") for name in names))

    def _command(self, text: str) -> Iterator[Completion]:
        """The names of commands; behind one, the words that it takes, the verbs of a pipe, and files."""
        name, blank, rest = text.partition(" ")
        if not blank:
            for command in COMMANDS.values():
                if command.name.startswith(name):
                    # With the blank that its words need in front of them.
                    text = f"{command.name} " if command.usage else command.name
                    yield Completion(text, -len(name), display=command.name, display_meta=command.summary)
            return
        if name not in COMMANDS:
            return
        *words, begun = rest.split(" ")
        words = [word for word in words if word]
        into = _REDIRECTED.search(f" {rest}")
        if into is not None and (not words or words[-1] not in ("~t", "~z")):
            yield from files(Place(self._bench, into[1]))
            return
        piped = _PIPED.search(f" {rest}")
        if piped is not None:
            yield from matching(piped[1], _VERBS)
        place = Place(self._bench, begun, words)
        usual = next_words(COMMANDS[name].usage, words)
        for word in ["FILTER"] if "FILTER" in usual and wants_argument(words) else usual:
            if not is_kind(word):
                yield from matching(begun, [(word, "")])
            elif word == "METHOD":
                yield from remote.methods(begun, remote.known_of_word(self._bench, words[-1] if words else ""))
            else:
                yield from offers(word, place)
