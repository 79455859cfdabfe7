"""The books of a connection: what each side lends, and the names of it. Knows verbs and counts; no bytes, no clock."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pbshell.trace.notes import Cached, Decached, Ended, Exported, Lent, Note, Odd, Released, Tombstone, Uncached
from pbshell.trace.places import Place, lends, places, text_of
from pbshell.trace.streams import Streams
from pbshell.trace.values import arguments
from pbshell.wire.banana import Expression
from pbshell.wire.chunk import Seed, Side
from pbshell.wire.ledger import Ledger
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import (
    Answer,
    CacheMessage,
    Decache,
    Decref,
    DidNotUnderstand,
    ErrorAnswer,
    Luid,
    Message,
    Request,
    Uncache,
    Verb,
    Version,
    is_luid,
)

if TYPE_CHECKING:
    from pbshell.trace.dissector import Dissection

__all__ = ["Books"]

#: objects of which it is remembered that they were lent, for each side
_TOMBS = 256
#: objects met in mid-connection, and logins under way, that are remembered for each side
_STRANGERS, _LOGINS = 16_384, 64
#: characters of a name, and of the arguments in it
_NAME, _ARGUMENTS = 120, 40


class Books:
    """The books of both sides, for what is said in *streams*; see `Conversation`, whose they are, for what is in them.

    *seeded* is whether they began with those of a Broker.
    """

    def __init__(self, streams: Streams) -> None:
        self.user = ""
        self.seeded = False
        self.ledgers: dict[Side, Ledger[Lent, Dissection]] = {side: Ledger() for side in Side}
        self.tombs: dict[Side, OrderedDict[Luid, Tombstone]] = {side: OrderedDict() for side in Side}
        self.strangers: dict[Side, dict[Luid, Lent]] = {side: {} for side in Side}
        self._streams = streams
        self._last_request: dict[Side, int | None] = dict.fromkeys(Side, 0)  # None: nobody knows
        self._users: OrderedDict[tuple[Side, Luid], str] = OrderedDict()  # of challengers, until they are answered
        for side in Side:
            self.ledgers[side].exports.pin(b"root", Lent(side, b"root", "root", "root"))

    def lent(self, owner: Side, luid: Luid) -> Lent | None:
        """The object that *owner* lends under *luid*, if it is known."""
        ledger = self.ledgers[owner]
        entry = ledger.exports.get(luid) or ledger.caches.get(luid)
        return entry.thing if entry is not None else self.strangers[owner].get(luid)

    def plant(self, seed: Seed) -> None:
        """Begin with what the books of the Broker said."""
        self.seeded = True
        if seed.dialect is not None:
            self._last_request = dict.fromkeys(Side)
        for each in seed.lent:
            ledger = self.ledgers[each.owner]
            what = visible(each.what, 80)
            lent = Lent(each.owner, each.luid, type=what, label=what.rpartition(".")[2], cache=each.cache)
            lent.at = seed.at
            table = ledger.caches if each.cache else ledger.exports
            if each.luid not in table:
                table.lend(each.luid, lent).count = each.count

    def missed(self, side: Side) -> None:
        """Something that *side* said is not here: perhaps calls."""
        self._last_request[side] = None

    def book(
        self, number: int, at: float, side: Side, verb: Verb, call: Dissection | None
    ) -> tuple[Lent | None, tuple[Note, ...]]:
        """The target of *verb*, and what it changes in the books. A call is entered later, when it is a dissection."""
        if isinstance(verb, (Message, CacheMessage)):
            return self._book_call(number, at, side, verb)
        if isinstance(verb, (Answer, ErrorAnswer)):
            return None, self._book_answer(number, at, side, verb, call)
        if isinstance(verb, (Version, DidNotUnderstand)):
            return None, ()
        notes = self._book_return(number, at, side, verb)
        return next((note.lent for note in notes if isinstance(note, (Released, Decached, Uncached))), None), notes

    def end(self) -> Ended:
        """The connection is gone: all that is lent is free, and no call will be answered."""
        unanswered = [call for ledger in self.ledgers.values() for call in ledger.pending.values()]
        references = sum(not entry.pinned for ledger in self.ledgers.values() for entry in ledger.exports.values())
        caches = sum(len(ledger.caches) for ledger in self.ledgers.values())
        unanswered.sort(key=lambda call: call.number)
        return Ended(tuple(unanswered), references, caches)

    # ------------------------------------------------------------------------------------ booking

    def _known(self, owner: Side, luid: Expression) -> Lent | None:
        return self.lent(owner, luid) if is_luid(luid) else None

    def _book_call(
        self, number: int, at: float, side: Side, verb: Message | CacheMessage
    ) -> tuple[Lent | None, tuple[Note, ...]]:
        owner, luid = (side, verb.cache) if isinstance(verb, CacheMessage) else (side.other, verb.object)
        odd = self._requested(side, verb.request)
        lent = self._known(owner, luid)
        if lent is None:
            odd += self._stranger(owner, luid, at, cache=isinstance(verb, CacheMessage))
            lent = self._known(owner, luid)
        if lent is not None:
            lent.used += 1
            lent.used_at = at
            lent.method = visible(verb.method, 60)
            lent.touched.append(number)
        if not lends((verb.args, verb.kwargs)):
            return lent, odd
        name, label = self._name_of_call(side, lent, verb, short=True)
        user = self._users.get((owner, luid), "") if is_luid(luid) else ""
        found = itertools.chain(places(verb.args, " args"), _of_keywords(verb.kwargs))
        return lent, odd + tuple(self._lend_all(number, at, side, found, name, label, user))

    def _book_answer(
        self, number: int, at: float, side: Side, verb: Answer | ErrorAnswer, call: Dissection | None
    ) -> tuple[Note, ...]:
        odd: tuple[Note, ...] = ()
        if call is None and not self._streams.partial:
            odd = (Odd("answer without call", f"no call {brief(verb.request)} waits for an answer"),)
        value = verb.result if isinstance(verb, Answer) else verb.failure
        name = label = self._logged_in(side, verb, call)
        if not lends((value,)):
            return odd
        if not name and call is not None and isinstance(call.what, (Message, CacheMessage)):
            name, label = self._name_of_call(side.other, call.target, call.what)
        notes = tuple(self._lend_all(number, at, side, places(value), name, label))
        self._begin_login(side, call, value)
        return odd + notes

    def _lend_all(
        self,
        number: int,
        at: float,
        side: Side,
        found: Iterable[Place],
        name: str,
        label: str,
        user: str = "",
    ) -> Iterator[Note]:
        """Book each loan in *found*, which *side* has sent in what is called *name*, the login of *user* perhaps."""
        for loan, place, item in found:
            if loan.kind in (b"local", b"lcache"):
                home = self.lent(side.other, loan.luid)
                if home is not None:
                    home.touched.append(number)
                continue
            cache = loan.kind == b"cached"
            table = self.ledgers[side].caches if cache else self.ledgers[side].exports
            entry = table.get(loan.luid)
            if entry is not None and entry.pinned:
                continue
            lent = entry.thing if entry is not None else self._newly_lent(number, at, side, loan.luid, cache=cache)
            if loan.first:
                lent.type = visible(item[0], 80)
            if not lent.name and name:
                self._christen(lent, name, label, place, user)
            count = table.lend(loan.luid, lent).count
            lent.touched.append(number)
            yield Cached(lent, count, loan.first) if cache else Exported(lent, count)

    def _christen(self, lent: Lent, name: str, label: str, place: str, user: str) -> None:
        if user and place == " args[1]":
            lent.name, lent.label = f"{user}.mind", "mind"
            return
        lent.name = _cut(name + place)
        # A cached object is known by its class, as soon as that was sent.
        lent.label = lent.type.rpartition(".")[2] or _cut(label + place)

    def _newly_lent(self, number: int, at: float, side: Side, luid: Luid, *, cache: bool) -> Lent:
        self.tombs[side].pop(luid, None)
        stranger = self.strangers[side].pop(luid, None)
        if stranger is not None and stranger.cache == cache:
            return stranger
        return Lent(side, luid, cache=cache, born=number, at=at)

    def _book_return(self, number: int, at: float, side: Side, verb: Decref | Decache | Uncache) -> tuple[Note, ...]:
        if isinstance(verb, Uncache):
            tomb = self.tombs[side].get(verb.cache) if is_luid(verb.cache) else None
            if tomb is not None:
                tomb.lent.touched.append(number)
                return (Uncached(tomb.lent),)
            if self._streams.partial or self.seeded:
                return ()
            return (Odd("surplus uncache", f"uncache of {brief(verb.cache)}, which was not given back"),)
        cache = isinstance(verb, Decache)
        owner, luid = side.other, verb.cache if isinstance(verb, Decache) else verb.object
        table = self.ledgers[owner].caches if cache else self.ledgers[owner].exports
        entry = table.give_back(luid) if is_luid(luid) else None
        if entry is None:
            stranger = self.strangers[owner].pop(luid, None) if is_luid(luid) else None
            if stranger is not None:
                return (Released(stranger, 0),)
            if self._streams.partial:
                return ()
            word, state = ("decache", "cached") if cache else ("decref", "lent")
            return (Odd(f"surplus {word}", f"{word} of {self._shown(owner, luid)}, which is not {state}"),)
        lent = entry.thing
        lent.touched.append(number)
        if not entry.count:
            self._bury(Tombstone(lent, at, number, "its holder dropped it"))
        return (Decached(lent, entry.count) if cache else Released(lent, entry.count),)

    def _bury(self, tomb: Tombstone) -> None:
        tombs = self.tombs[tomb.lent.owner]
        tombs[tomb.lent.luid] = tomb
        if len(tombs) > _TOMBS:
            tombs.popitem(last=False)

    def _requested(self, side: Side, request: Request) -> tuple[Note, ...]:
        """What is odd about the number of a call: PB counts from 1, and leaves out what it could not send."""
        last = self._last_request[side]
        self._last_request[side] = request if type(request) is int else None
        if type(request) is not int:
            return ()
        if request in self.ledgers[side].pending:
            return (Odd("request used twice", f"call {request} waits for an answer already"),)
        if last is None or request <= last + 1 or request - last > 1_000:
            return ()
        which = f"request {last + 1}" if request == last + 2 else f"requests {last + 1} to {request - 1}"
        return (Odd("request never sent", f"{which} {'was' if request == last + 2 else 'were'} never sent"),)

    def _stranger(self, owner: Side, luid: Expression, at: float, *, cache: bool) -> tuple[Note, ...]:
        """Nobody has seen *luid* being lent."""
        if not self._streams.partial:
            text = f"{self._shown(owner, luid)} is not lent"
            tomb = self.tombs[owner].get(luid) if is_luid(luid) else None
            if tomb is not None:
                text = f"{text} any more: {tomb.reason} (#{tomb.number})"
            return (Odd("unknown luid", text),)
        if is_luid(luid) and len(self.strangers[owner]) < _STRANGERS:
            self.strangers[owner][luid] = Lent(owner, luid, cache=cache, at=at)
        return ()

    def _shown(self, owner: Side, luid: Expression) -> str:
        if isinstance(luid, bytes):
            return brief(luid)
        return f"{'c' if owner is Side.CLIENT else 's'}{brief(luid)}"

    # ------------------------------------------------------------------------------------ names

    def _name_of_call(
        self, caller: Side, target: Lent | None, verb: Message | CacheMessage, *, short: bool = False
    ) -> tuple[str, str]:
        """What is called as a name, behind the name of its target, and alone. *short*: without the arguments."""
        inside = "" if short else arguments(verb.args, verb.kwargs, caller, _ARGUMENTS)
        label = f"{visible(verb.method, 60)}({inside})"
        before = "" if target is None or target.luid == b"root" else target.name
        return (f"{before}.{label}" if before else label), label

    def _begin_login(self, side: Side, call: Dissection | None, value: Expression) -> None:
        """An answer to ``root.login(name)`` lends a challenger, whose ``respond`` ends the login."""
        what = call.what if call is not None else None
        if not isinstance(what, Message) or what.object != b"root" or what.method != b"login":
            return
        user = _user_of(what.args)
        for loan, _, _ in places(value):
            if loan.kind == b"remote":
                self._users[side, loan.luid] = user
                if len(self._users) > _LOGINS:
                    self._users.popitem(last=False)

    def _logged_in(self, side: Side, verb: Answer | ErrorAnswer, call: Dissection | None) -> str:
        """Who is logged in by this answer, or nobody."""
        what = call.what if call is not None else None
        if not isinstance(what, Message) or not isinstance(verb, Answer):
            return ""
        user = ""
        if what.method == b"respond" and is_luid(what.object):
            user = self._users.pop((side, what.object), "")
        elif what.object == b"root" and what.method == b"loginAnonymous":
            user = "anonymous"
        if user:
            self.user = user
        return user


def _of_keywords(kwargs: Expression) -> Iterator[Place]:
    """The loans in keyword arguments; the place is the name of the argument."""
    if type(kwargs) is not list or kwargs[:1] != [b"dictionary"]:
        yield from places(kwargs, " kwargs")
        return
    for pair in kwargs[1:]:
        if type(pair) is list:
            for position, part in enumerate(pair):
                yield from places(part, f" {visible(text_of(pair[0]), 20)}=" if position else " kwargs")


def _user_of(args: Expression) -> str:
    """The name that a login is for."""
    name = text_of(args[1]) if type(args) is list and len(args) > 1 else b""
    return visible(name, 40) or "somebody"


def _cut(name: str) -> str:
    """*name* with its middle left out, if it is too long."""
    return name if len(name) <= _NAME else f"{name[: _NAME // 2]}..{name[-_NAME // 2 + 2 :]}"
