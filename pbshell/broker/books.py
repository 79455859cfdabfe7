"""The two live ledgers of a connection: luids, undoing, giving back, what has departed.

Knows what is lent and owed, and tells objects when they are freed; writes no messages. Only the Broker calls it.
"""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbshell.broker.flavors import Cacheable, Referenceable
from pbshell.broker.references import RemoteCache, RemoteCacheObserver
from pbshell.errors import CannotEncode, LimitExceeded, PBConnectionLost, UsageError, dotted_name
from pbshell.wire.ledger import Entry, Ledger
from pbshell.wire.verbs import Luid

if TYPE_CHECKING:
    from pbshell.broker.broker import Broker
    from pbshell.broker.calls import Call, Running

__all__ = ["Books", "Cached"]

log = logging.getLogger("pbshell.broker")

#: How many luids that were just given back can still come home.
DEPARTED = 64


@dataclass(slots=True)
class Cached:
    """*object* is cached by the peer; *perspective* is that of its first transmission, and sticks."""

    object: Cacheable
    perspective: Any


class Books:
    """What we lend (*ours*), what the peer lends us (*theirs*), and the calls that both await."""

    __slots__ = (
        "_broker",
        "_cache_luids",
        "_departed",
        "_luids",
        "_next_luid",
        "_parting",
        "_refused",
        "_uniques",
        "_watched",
        "copies",
        "handles",
        "ours",
        "theirs",
    )

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.ours: Ledger[Any, Call] = Ledger()
        self.theirs: Ledger[Any, Running] = Ledger()
        self._next_luid = 1
        # What is lent is found by its id when it is lent again; when it is freed, the id may have changed.
        self._luids: dict[Hashable, Luid] = {}
        self._uniques: dict[Luid, Hashable] = {}
        self._cache_luids: dict[int, Luid] = {}
        self._departed: OrderedDict[Luid, weakref.ref[Any]] | None = None
        self._watched: dict[Hashable, tuple[Any, list[Callable[[], object]]]] | None = None
        #: shared state of cached copies, until the owner agrees that none is left; and the handles that are alive
        self.copies: dict[Luid, RemoteCache] = {}
        self.handles: weakref.WeakValueDictionary[Luid, RemoteCache] | None = None
        self._parting: set[Luid] = set()
        self._refused = 0  # cached objects that went back without ever having had a copy here

    # ------------------------------------------------------------------------------------ what we lend

    def lend(self, thing: Referenceable) -> Entry[Any]:
        """One more receipt of *thing*. Raises CannotEncode at the limit, PBConnectionLost when a hook ended it all."""
        self._refuse_the_lost()
        exports = self.ours.exports
        unique = thing.processUniqueID()
        luid = self._luids.get(unique)
        if luid is None:
            self._refuse_above("exports", len(self._luids), "objects are lent", exports.lent)
            luid = self._luids[unique] = self._take_luid()
            self._uniques[luid] = unique
        return exports.lend(luid, thing)

    def take_back(self, entry: Entry[Any]) -> None:
        """Undo one `lend`: the peer never heard of it."""
        if self.returned(entry.luid):
            self.ours.exports.lent -= 1
            self.ours.exports.returned -= 1

    def returned(self, luid: Luid) -> bool:
        """One receipt of our object came back. False when nothing was lent under *luid*."""
        entry = self.ours.exports.give_back(luid)
        if entry is None:
            return False
        if not entry.count:
            unique = self._uniques.pop(luid)
            del self._luids[unique]
            self._depart(luid, entry.thing)
            if self._watched is not None and unique in self._watched:
                self._freed(self._watched.pop(unique)[1])
        return True

    def home(self, luid: Luid) -> Any:
        """Our object that comes home under *luid*; None when it is not there any more."""
        entry = self.ours.exports.get(luid)
        if entry is not None:
            return entry.thing
        gone = self._departed.get(luid) if self._departed is not None else None
        return None if gone is None else gone()

    def when_freed(self, thing: Referenceable, callback: Callable[[], object]) -> None:
        """Call *callback* once, when no receipt of *thing* is out any more or the connection is lost."""
        if self._broker.lost is not None:
            self._freed([callback])
            return
        if self._watched is None:
            self._watched = {}
        self._watched.setdefault(thing.processUniqueID(), (thing, []))[1].append(callback)

    def _depart(self, luid: Luid, thing: Any) -> None:
        # The peer may have sent `[local luid]` behind its last decref: a reference that is echoed does.
        try:
            reference = weakref.ref(thing)
        except TypeError:  # __slots__ without __weakref__
            return
        if self._departed is None:
            self._departed = OrderedDict()
        self._departed[luid] = reference
        if len(self._departed) > DEPARTED:
            self._departed.popitem(last=False)

    def _refuse_the_lost(self) -> None:
        if self._broker.lost is not None:
            raise PBConnectionLost(self._broker.lost)

    def _take_luid(self) -> int:
        luid = self._next_luid
        self._next_luid += 1
        return luid

    def _refuse_above(self, limit: str, size: int, what: str, total: int) -> None:
        most = getattr(self._broker.limits, limit)
        if size >= most:
            raise CannotEncode(
                f"{size:,} {what} on this connection, and Limits({limit}={most}) grants no more "
                f"({total:,} since it opened): drop references on the other side, or raise the limit",
                size=size + 1,
                limit=limit,
                value=most,
            )

    # ------------------------------------------------------------------------------------ what is cached of ours

    def lend_cache(self, thing: Cacheable, perspective: Any) -> tuple[Entry[Any], RemoteCacheObserver | None]:
        """One more receipt of *thing*; an observer with the first of them. Raises as `lend` does."""
        self._refuse_the_lost()
        caches = self.ours.caches
        luid = self._cache_luids.get(id(thing))
        if luid in caches:  # while its last copy is being given up, it has a luid and no entry
            assert luid is not None
            return caches.lend(luid, None), None
        self._refuse_above("caches", len(caches), "objects are cached", caches.lent)
        luid = self._cache_luids[id(thing)] = self._take_luid()
        entry = caches.lend(luid, Cached(thing, perspective))
        return entry, RemoteCacheObserver(self._broker, thing, perspective)

    def take_back_cache(self, entry: Entry[Any]) -> None:
        """Undo one `lend_cache`."""
        caches = self.ours.caches
        if caches.give_back(entry.luid) is not None:
            caches.lent -= 1
            caches.returned -= 1
            if not entry.count:
                del self._cache_luids[id(entry.thing.object)]

    def take_back_observer(self, thing: Cacheable, perspective: Any, observer: RemoteCacheObserver) -> None:
        """Undo the first transmission of *thing*: nobody observes it, as the connection's end may have told it."""
        if id(thing) in self._cache_luids:
            self.stop_observing(thing, perspective, observer)

    def cache_returned(self, luid: Luid) -> Entry[Any] | None:
        """One receipt of a cached object came back; at count 0 nobody observes it any more.

        Returns the entry, or None when nothing was lent under *luid*.
        """
        entry = self.ours.caches.give_back(luid)
        if entry is not None and not entry.count:
            self._forget_cache(entry)
        return entry

    def _forget_cache(self, entry: Entry[Any]) -> None:
        cached = entry.thing
        observer = RemoteCacheObserver(self._broker, cached.object, cached.perspective)
        self.stop_observing(cached.object, cached.perspective, observer)
        # Unless the object has lent itself anew just now.
        if self._cache_luids.get(id(cached.object)) == entry.luid:
            del self._cache_luids[id(cached.object)]

    def stop_observing(self, thing: Cacheable, perspective: Any, observer: RemoteCacheObserver) -> None:
        """Tell *thing* that *observer* is gone; what it raises is logged."""
        try:
            thing.stoppedObserving(perspective, observer)
        except Exception:
            log.exception("stoppedObserving of %s raised", dotted_name(type(thing)))

    def luid_of_cache(self, thing: Any) -> Luid:
        """The luid under which the peer caches *thing*. Raises UsageError when nobody does."""
        luid = self._cache_luids.get(id(thing))
        if luid is None:
            raise UsageError(f"nobody observes this {dotted_name(type(thing))} here: its last copy has been dropped")
        return luid

    # ------------------------------------------------------------------------------------ what the peer lends

    def receive(self, luid: Luid) -> None:
        """One more receipt of the peer's object *luid*. Raises LimitExceeded."""
        exports = self.theirs.exports
        exports.lend(luid, None)
        self._refuse_receipt("imports", len(exports))

    def receive_cache(self, luid: Luid) -> None:
        """One more receipt of the peer's cached object *luid*. Raises LimitExceeded."""
        self.theirs.caches.lend(luid, None)
        self._parting.discard(luid)
        self._refuse_receipt("caches", len(self.theirs.caches) + len(self._parting))

    def _refuse_receipt(self, limit: str, size: int) -> None:
        most = getattr(self._broker.limits, limit)
        if size > most:
            raise LimitExceeded(f"the peer lent {size:,} objects at the same time", limit=limit, value=most)

    def handle(self, luid: Luid) -> RemoteCache | None:
        """The object that stands for cached *luid* and is alive."""
        return None if self.handles is None else self.handles.get(luid)

    def keep_handle(self, luid: Luid, handle: RemoteCache) -> None:
        """Remember the object that stands for cached *luid*, as long as somebody else does."""
        if self.handles is None:
            self.handles = weakref.WeakValueDictionary()
        self.handles[luid] = handle

    def gave_back(self, verb: bytes, luid: Luid) -> bool:
        """One receipt goes back to the peer by *verb* (decref, decache). False when none is out."""
        if verb == b"decref":
            return self.theirs.exports.give_back(luid) is not None
        entry = self.theirs.caches.give_back(luid)
        if entry is not None and not entry.count:
            if luid in self.copies:
                self._parting.add(luid)
            else:
                self._refused += 1  # there is no copy whose end the owner could tell
        return entry is not None

    def uncached(self, luid: Luid) -> bool:
        """The owner agrees that no copy of *luid* is left. False when it was not asked."""
        self.copies.pop(luid, None)
        if luid in self._parting:
            self._parting.discard(luid)
            return True
        if self._refused:
            self._refused -= 1
            return True
        return False

    # ------------------------------------------------------------------------------------ the end

    def close(self) -> None:
        """The connection is lost: nobody observes, everything lent is free, all tables are empty."""
        for entry in list(self.ours.caches.values()):
            self._forget_cache(entry)
        watched, self._watched = self._watched, None
        for _, callbacks in (watched or {}).values():
            self._freed(callbacks)
        for ledger in (self.ours, self.theirs):
            ledger.exports.clear()
            ledger.caches.clear()
            ledger.pending.clear()
        self._luids.clear()
        self._uniques.clear()
        self._cache_luids.clear()
        self._departed = None
        self.copies.clear()
        self.handles = None
        self._parting.clear()

    def _freed(self, callbacks: list[Callable[[], object]]) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception:
                log.exception("a callback for an object that was freed raised")
