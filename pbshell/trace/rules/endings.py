"""Why a connection ended: one verdict for each end. Knows the causes and their order; knows no clock.

The order is that of `CAUSES`: what names the culprit stands before what only tells how the link ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from pbshell.trace.dissector import Choice, Conversation, Dissection, Offer, Undecodable, Unseen
from pbshell.trace.explain import duration
from pbshell.trace.forms.wording import counted
from pbshell.trace.notes import Ended
from pbshell.trace.rules.failures import has_parents, is_goodbye
from pbshell.trace.rules.logins import Floods
from pbshell.trace.rules.offences import classes_in, is_handshake, offence
from pbshell.trace.rules.phrases import beginning, call_of, called, fact, unseen, was_said
from pbshell.trace.rules.rule import Rule
from pbshell.trace.rules.story import SOON, Story
from pbshell.trace.values import failure
from pbshell.trace.verdict import Verdict
from pbshell.wire.banana import DIALECTS
from pbshell.wire.chunk import LinkEvent, Side
from pbshell.wire.foreign import recognise
from pbshell.wire.text import visible
from pbshell.wire.verbs import (
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Message,
    Uncache,
    Version,
)

__all__ = ["CAUSES", "End", "Endings"]

#: Seconds after which the silence at the beginning of a connection is worth a word.
_SILENCE = 5.0
#: bytes of an unknown protocol that are shown, and unanswered calls that are listed
_GLIMPSE, _SHOWN = 16, 5
#: how a handshake of TLS begins, and what there is to say when both sides are in one
_TLS = b"\x16\x03"
_BOTH_ENCRYPTED = (
    "both sides speak TLS, and what they say cannot be read between them: trace at one of the two ends, or stand "
    "between them with TLS on either side (pbshell trace proxy --listen ssl:... --to tls:...)"
)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a connection: *by* whom, *how* (fin, reset, timeout or us), *why* in words of the link.

    *dissection* is that of the event, *unanswered* are the calls that wait for ever now.
    """

    dissection: Dissection
    conversation: Conversation
    story: Story
    by: Side | None
    how: str
    why: str
    unanswered: tuple[Dissection, ...]

    @property
    def at(self) -> float:
        """Seconds on the link's clock."""
        return self.dissection.at

    @property
    def who(self) -> str:
        """Who ended it, for the beginning of a sentence."""
        return f"the {self.by.value}" if self.by is not None else "one side"

    @property
    def enders(self) -> tuple[Side, ...]:
        """Who may have ended it."""
        return tuple(Side) if self.by is None else (self.by,)

    @property
    def latest(self) -> Dissection | None:
        """What was said last."""
        last = [each.last for each in (self.story.client, self.story.server) if each.last is not None]
        return max(last, key=lambda said: said.number, default=None)

    def verdict(
        self, kind: str, severity: str, text: str, frames: Iterable[Dissection] = (), *, missing: str = ""
    ) -> Verdict:
        """A verdict on this end, whose evidence are *frames*, and what was said last."""
        shown = [*frames]
        latest = self.latest
        if latest is not None and latest not in shown:
            shown.append(latest)
        facts = [fact(each, self.conversation) for each in shown]
        ended = fact(self.dissection, self.conversation)
        more = (missing,) if missing else ()
        return Verdict(
            self.conversation.number,
            kind,
            severity,
            text,
            (*facts, ended, *_lost(self)),
            unseen(self.conversation, *more),
            (*(each.number for each in shown), self.dissection.number),
        )


class Endings(Rule):
    """Remembers the story of each connection, and says at its end why it ended."""

    of = (
        Message,
        CacheMessage,
        Answer,
        ErrorAnswer,
        Decref,
        Decache,
        Uncache,
        Version,
        DidNotUnderstand,
        Offer,
        Choice,
        Undecodable,
        Unseen,
        LinkEvent,
    )

    def __init__(self) -> None:
        self._stories: dict[int, Story] = {}
        self._floods = Floods()

    def see(self, dissection: Dissection, conversation: Conversation) -> Iterable[Verdict]:
        """Remember; at the end say why."""
        story = self._stories.get(dissection.connection)
        if story is None:
            story = self._stories[dissection.connection] = Story()
        what = dissection.what
        if type(what) is not LinkEvent:
            story.add(dissection, conversation)
        elif what.kind == "closed":
            return self._closed(dissection, what, conversation, story)
        return ()

    def verdicts(self, now: float, conversation: Conversation) -> Iterator[Verdict]:
        """What can be said of the beginning of a connection: another protocol, silence, refused logins."""
        story = self._stories.get(conversation.number)
        if story is not None:
            yield from _begun(now, conversation, story)
            yield from story.logins.standing(conversation)

    def overall(self, now: float) -> Iterator[Verdict]:
        """The floods of refused logins."""
        yield from self._floods.overall()

    def forget(self, number: int) -> None:
        """The connection *number* has ended."""
        self._stories.pop(number, None)

    def _closed(
        self, dissection: Dissection, event: LinkEvent, conversation: Conversation, story: Story
    ) -> tuple[Verdict, ...]:
        how, _, why = event.detail.partition(":")
        unanswered = next((note.unanswered for note in dissection.notes if isinstance(note, Ended)), ())
        end = End(dissection, conversation, story, event.by, how, visible(why.strip(), 200), unanswered)
        verdict = next(verdict for cause in CAUSES for verdict in cause(end))
        if verdict.kind == "login refused":
            return self._floods.add(story.logins.refused, verdict, conversation)
        return (verdict,)


# ------------------------------------------------------------------------------------ how it began


def _begun(now: float, conversation: Conversation, story: Story) -> Iterator[Verdict]:
    """What is wrong with the beginning of an open connection."""
    found = _stranger(story, conversation)
    if found is not None:
        yield Verdict(conversation.number, "foreign protocol", "error", found, unseen=unseen(conversation))
        return
    opened = conversation.opened
    if opened is None or story.choice is not None or now - opened.at < _SILENCE:
        return
    age = duration(now - opened.at)
    if story.offer is None:
        text = (
            f"the server accepted the connection {age} ago and has not said its first word: it is no PB server, it is "
            "stuck, or an exception in its factory left the connection without a protocol"
        )
    else:
        text = f"the client has been connected for {age} and chose no dialect: it is a port check, or no PB client"
    yield Verdict(conversation.number, "no handshake", "warning", text, unseen=unseen(conversation))


def _stranger(story: Story, conversation: Conversation) -> str | None:
    """Which side speaks another protocol, and which, in a sentence; None while both may speak PB."""
    strange = story.strange
    if strange is not None and isinstance(strange.what, (Undecodable, Unseen)) and strange.sender is not None:
        # In the middle of a connection anything may come first.
        certain = isinstance(strange.what, Undecodable)
        if strange.what.data.startswith(_TLS) and _begins_with_tls(story.stranger):
            return _BOTH_ENCRYPTED
        return _foreign_words(strange.sender, strange.what.data, certain=certain)
    for side in Side:
        if story.of(side).last is None and conversation.opened is not None:
            found = _foreign_words(side, conversation.unread(side), certain=False)
            if found is not None:
                return found
    return None


def _begins_with_tls(dissection: Dissection | None) -> bool:
    return dissection is not None and getattr(dissection.what, "data", b"").startswith(_TLS)


def _foreign_words(side: Side, data: bytes, *, certain: bool) -> str | None:
    foreign = recognise(data)
    if foreign is not None:
        return f"the {side.value} does not speak Perspective Broker, what it sent is {foreign}; {foreign.advice}"
    if certain and not is_handshake(side, data):
        shown = visible(repr(data[:_GLIMPSE]))
        return (
            f"the {side.value} does not speak Perspective Broker, and nothing that is known here: it began with {shown}"
        )
    return None


# ------------------------------------------------------------------------------------ the causes


def _foreign(end: End) -> Iterator[Verdict]:
    """Another protocol."""
    found = _stranger(end.story, end.conversation)
    if found is not None:
        yield end.verdict("foreign protocol", "error", found, () if end.story.strange is None else (end.story.strange,))


def _ours(end: End) -> Iterator[Verdict]:
    """Whoever traces ended it, and knows why."""
    if end.how == "us":
        who = "the relay" if end.by is None else f"the {end.by.value}"
        severity = "warning" if end.unanswered or end.story.server.last is None else "note"
        text = f"{who} closed the connection itself ({end.why or 'for a reason that it did not say'}){_pending(end)}"
        yield end.verdict("closed here", severity, text)


def _offended(end: End) -> Iterator[Verdict]:
    """One side said what the other does not take: the first such thing that was not taken."""
    for ender in end.enders:
        taker, giver = end.story.of(ender), ender.other
        for said in (*end.story.of(giver).sins, *(each for each in end.story.half_said if each.sender is giver)):
            found = None if taker.has_taken(said) else offence(said, end.conversation)
            if found is not None:
                probably = "" if end.by is not None and found.certain else "probably "
                text = f"the {ender.value} closed the connection {probably}because {found.cause}: {found.cure}"
                yield end.verdict(found.kind, "error", text, (said,))


def _goodbye(end: End) -> Iterator[Verdict]:
    """One side lends as much as it may, and was asked for more once too often."""
    for ender in end.enders:
        for said in end.story.of(ender).answers:
            what = said.what
            if isinstance(what, ErrorAnswer) and said.call is not None and is_goodbye(what.failure):
                asked = call_of(said.call, short=True)
                text = (
                    f"the {ender.value} closed the connection because it lends 1,024 objects, as many as it may "
                    f"(twisted.spread.pb.MAX_BROKER_REFS), and {asked} asked for more a fourth time: drop references "
                    f"at the {ender.other.value}, or raise the limit at the {ender.value}"
                )
                yield end.verdict("references", "error", text, (said,))


def _handshake(end: End) -> Iterator[Verdict]:
    """They did not come so far as to call each other."""
    story = end.story
    age = duration(end.at - end.conversation.first)
    if end.conversation.partial or end.conversation.seeded or story.client.calls or story.server.calls:
        return
    if story.half_said and story.choice is not None:
        return
    if story.choice is not None:
        yield from _never_called(end, story.choice, age)
    elif story.offer is not None:
        yield from _no_choice(end, story.offer, age)
    elif Side.SERVER in end.enders:
        text = (
            f"{end.who} closed the connection {age} after it was accepted, without a word: an address filter, a limit "
            "on connections, a proxy or port mapping without a server behind it, or an exception in the server's "
            "factory"
        )
        yield end.verdict("closed at once", "error", text, missing=_log_of(Side.SERVER))
    else:
        text = f"the client left after {age}, and the server had not said a word: it is no PB server, or it is stuck"
        yield end.verdict("no handshake", "warning", text)


def _no_choice(end: End, said: Dissection, age: str) -> Iterator[Verdict]:
    assert isinstance(said.what, Offer)
    if b"pb" in said.what.dialects:
        text = f"{end.who} closed the connection after {age}, before the client had said a word: it was a port check"
        yield end.verdict("no handshake", "note", text, (said,))
    else:
        offered = ", ".join(visible(repr(name), 20) for name in said.what.dialects[:8]) or "nothing"
        text = (
            f"{end.who} closed the connection because the server offers no dialect that the client speaks (it offers "
            f"{offered}): Twisted speaks pb and none, unless knownDialects of its Broker says otherwise"
        )
        yield end.verdict("dialect", "error", text, (said,))


def _never_called(end: End, said: Dissection, age: str) -> Iterator[Verdict]:
    assert isinstance(said.what, Choice)
    if said.what.dialect not in DIALECTS:
        text = (
            f"{end.who} closed the connection because the client chose the dialect "
            f"{visible(repr(said.what.dialect), 40)}, which PB does not have: Twisted speaks pb and none"
        )
        yield end.verdict("dialect", "error", text, (said,))
    elif end.by is Side.CLIENT:
        yield end.verdict("closed", "note", f"the client left after {age} and the handshake, without a call", (said,))
    else:
        text = (
            f"{end.who} closed the connection after {age}, behind the handshake and before the first call: its "
            "program did so, or what that does when a client has come raised an exception"
        )
        yield end.verdict("closed at once", "warning", text, (said,), missing=_log_of(Side.SERVER))


def _login(end: End) -> Iterator[Verdict]:
    """Nobody has logged in, though somebody tried."""
    logins = end.story.logins
    for found in (
        *logins.standing(end.conversation),
        *logins.unfinished(end.at, end.who, end.unanswered, end.conversation),
    ):
        ended = end.verdict("", "note", "")
        evidence = tuple(dict.fromkeys((*found.evidence, *ended.evidence)))
        yield replace(found, evidence=evidence, frames=(*found.frames, end.dissection.number))


def _after_a_call(end: End) -> Iterator[Verdict]:
    """The last thing that reached the side that closed was a call, which it has not answered."""
    for ender in end.enders if end.how in ("fin", "reset") else ():
        call = end.story.of(ender.other).called
        if call is None or not _is_pending(end, call) or end.at - call.at > SOON:
            continue
        others = sum(each.sender is ender.other for each in end.unanswered) - 1
        more = f", and {counted(others, 'call')} before it" if others else ""
        text = (
            f"the {ender.value} {_probably(end)}closed the connection over {call_of(call)}, "
            f"{duration(end.at - call.at)} after it and without an answer to it{more}: either the method closes it "
            "or ends its process, or its result cannot be sent (a string or an error text beyond 655,360 bytes) and "
            f"the {ender.value}'s log has a BananaError"
        )
        yield end.verdict("closed in a call", "error", text, (call,), missing=_log_of(ender))


def _after_an_answer(end: End) -> Iterator[Verdict]:
    """The last thing that reached the side that closed was an answer that it may not be able to read."""
    for ender in end.enders if end.how in ("fin", "reset") else ():
        taker, giver = end.story.of(ender), end.story.of(ender.other)
        for said in giver.answers:
            # Whoever cannot read an answer says nothing behind it. A call that came later is the likelier reason.
            spoke = taker.last is not None and taker.last.number > said.number
            called_later = (
                giver.called is not None and giver.called.number > said.number and _is_pending(end, giver.called)
            )
            if not spoke and not called_later and end.at - said.at <= SOON:
                yield from _unreadable(end, said, ender)


def _unreadable(end: End, said: Dissection, ender: Side) -> Iterator[Verdict]:
    """Why the side that closed could not read the answer *said*."""
    what = said.what
    assert isinstance(what, (Answer, ErrorAnswer))
    if isinstance(what, ErrorAnswer) and not has_parents(what.failure):
        text = (
            f"the {ender.value} {_probably(end)}closed the connection because {was_said(said)} has no text key "
            "'parents', which Twisted on Python 3 cannot read (KeyError): a peer on Python 2 writes its keys as "
            "bytes; put both on Python 3"
        )
        yield end.verdict("unreadable answer", "error", text, (said,))
    value = what.result if isinstance(what, Answer) else what.failure
    classes = classes_in(value) if end.story.of(ender.other).is_first(said) else []
    if classes:
        # Who has a call under way was not done.
        busy = ender is Side.SERVER or any(call.sender is ender for call in end.unanswered)
        text = _unregistered(end, said, ender, classes[0], busy=busy)
        severity = "error" if busy else "warning"
        yield end.verdict("unreadable answer", severity, text, (said,), missing=_log_of(ender))


def _unregistered(end: End, said: Dissection, ender: Side, name: str, *, busy: bool) -> str:
    took = duration(end.at - said.at)
    how = f"the {ender.value} closed the connection {took} after {was_said(said)}, which carries an instance of {name}"
    line = f"pb.setUnjellyableForClass({name!r}, ...) at the {ender.value}"
    if busy:
        return (
            f"{how}, probably because no class is registered there under that name: in Twisted the call that it "
            f"answers never ends; add {line}"
        )
    return (
        f"{how}: it was done, or no class is registered there under that name (then its log says InsecureJelly, in "
        f"Twisted the call that it answers never ends, and what is missing is {line})"
    )


def _cut_off(end: End) -> Iterator[Verdict]:
    """The connection broke while somebody spoke."""
    for said in end.story.half_said:
        assert said.sender is not None
        if end.how != "fin" or said.sender in end.enders:
            whose = beginning(said.sender, end.conversation)
            text = f"{_broken(end)} in the middle of {whose}, of which {said.size:,} bytes had come{_pending(end)}"
            yield end.verdict("cut off", "error", text, (said,))


def _plain(end: End) -> Iterator[Verdict]:
    """Nothing stands out but how the link ended."""
    age = duration(end.at - end.conversation.first)
    number = end.story.client.calls + end.story.server.calls
    calls = f" and {counted(number, 'call')}" if number else ""
    after = f"after {age}{calls}"
    if end.how == "timeout":
        text = f"{_broken(end)} {after}: {_host_of(end)}, or the network to it, is gone{_pending(end)}"
        yield end.verdict("timeout", "error", text)
    elif end.how == "reset":
        text = (
            f"{_broken(end)} {after}{_pending(end)}: its process was killed, or it gave the connection up with bytes "
            "unread, or a firewall forgot it"
        )
        yield end.verdict("reset", "error" if end.unanswered else "warning", text, missing=_log_of(end.by))
    elif not end.unanswered:
        none = ", none of them unanswered" if number else ""
        text = f"{end.who} closed the connection in good order {after}{none}{_behind(end)}"
        yield end.verdict("closed", "note", text)
    elif all(call.sender is end.by for call in end.unanswered):
        text = f"{end.who} closed the connection in good order {after} and gave up {_waiting(end)}{_lost_answers(end)}"
        # What is in a gap may well have been the answers.
        yield end.verdict("closed", "note" if end.conversation.gaps else "warning", text)
    else:
        text = (
            f"{end.who} closed the connection in good order {after}{_pending(end)}{_behind(end)}: it was stopped or "
            "restarted, or its program closed it"
        )
        yield end.verdict("closed", "warning", text, missing=_log_of(end.by))


#: The causes, the most specific first: of an end the first that has something to say is the verdict.
CAUSES: tuple[Callable[[End], Iterator[Verdict]], ...] = (
    _foreign,
    _ours,
    _offended,
    _goodbye,
    _handshake,
    _login,
    _after_an_answer,
    _after_a_call,
    _cut_off,
    _plain,
)


# ------------------------------------------------------------------------------------ words


def _is_pending(end: End, call: Dissection) -> bool:
    return any(each is call for each in end.unanswered)


def _probably(end: End) -> str:
    return "" if end.by is not None else "probably "


def _log_of(side: Side | None) -> str:
    return "" if side is None else f"the reason, which is in the {side.value}'s log and never on the wire"


def _broken(end: End) -> str:
    if end.how == "timeout":
        return f"the connection timed out{f' ({end.why})' if end.why else ''}"
    if end.how == "reset":
        return f"{end.who} reset the connection{f' ({end.why})' if end.why else ''}"
    return f"{end.who} closed the connection"


def _host_of(end: End) -> str:
    return "one host" if end.by is None else f"the {end.by.value}'s host"


def _behind(end: End) -> str:
    """The error that was said last, if that was right before the end: it may be why."""
    last = end.latest
    if last is None or not isinstance(last.what, ErrorAnswer) or end.at - last.at > SOON or last.call is None:
        return ""
    assert last.sender is not None
    words = failure(last.what.failure, last.sender, 80)
    return f", {duration(end.at - last.at)} behind the {last.sender.value}'s error to {called(last.call)} ({words})"


def _waiting(end: End) -> str:
    """How many calls are unanswered, and the oldest of them."""
    oldest = end.unanswered[0]
    whose = "" if oldest.sender is None else f" of the {oldest.sender.value}"
    count = len(end.unanswered)
    which = f"the oldest {called(oldest)}{whose}" if count > 1 else f"{called(oldest)}{whose}"
    return f"{counted(count, 'call')} without an answer, {which} after {duration(end.at - oldest.at)}"


def _pending(end: End) -> str:
    return f", with {_waiting(end)}" if end.unanswered else ""


def _lost_answers(end: End) -> str:
    """What may have become of an answer, where later calls had theirs."""
    oldest = end.unanswered[0]
    if oldest.sender is None or end.story.of(oldest.sender.other).read <= oldest.number:
        return ""
    other = oldest.sender.other.value
    hint = "see its log for a BananaError"
    return f": later calls had theirs, and a result that the {other} cannot send never comes ({hint})"


def _lost(end: End) -> Iterator[str]:
    """What was lost with the connection, a line each."""
    for call in end.unanswered[:_SHOWN]:
        yield f"#{call.number} {call_of(call)} was unanswered for {duration(end.at - call.at)}"
    if len(end.unanswered) > _SHOWN:
        yield f"{len(end.unanswered) - _SHOWN:,} more calls were unanswered"
