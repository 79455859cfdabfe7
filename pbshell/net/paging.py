"""Paging: what is too long for one message, sent page by page as fast as the peer takes it.

Knows pages and their collector; does not know what is in them. Source: docs/reference/wire.md#paging.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterator
from typing import IO, Any

from pbshell.broker.flavors import Referenceable
from pbshell.broker.references import RemoteReference
from pbshell.defer import Deferred, Failure
from pbshell.errors import ConnectionGone, PBConnectionLost, PeerError, UsageError
from pbshell.wire.text import visible

__all__ = ["CallbackPageCollector", "FilePager", "Pager", "StringPager", "getAllPages"]

log = logging.getLogger("pbshell.net")

#: Bytes of a page of a file.
FILE_PAGE = 16 * 1024


class Pager:
    """Sends pages to *collector*, a reference to the peer's object that has ``gotPage`` and ``endedPaging``.

    Subclasses define `nextPage`. *callback* is called with *args* and *kwargs* when all is sent. Pages go out one per
    turn of the loop, and none while the peer does not read. When the connection goes, so does the rest.
    """

    def __init__(
        self, collector: RemoteReference, callback: Callable[..., object] | None = None, *args: Any, **kwargs: Any
    ) -> None:
        self.collector: RemoteReference | None = collector
        self._callback = callback
        self._args, self._kwargs = args, kwargs
        self._still_paging = True
        self._begin()
        if self._still_paging:
            going_on = collector.broker.link.start(self._go_on(), contextvars.copy_context())
            going_on.addErrback(lambda failure: failure.trap(asyncio.CancelledError))

    def nextPage(self) -> Any:
        """The next page; `stopPaging` is to be called when there is none behind it."""
        raise NotImplementedError(f"{type(self).__name__} does not define nextPage")

    def stillPaging(self) -> bool:
        """Whether there are pages left."""
        return self._still_paging

    def stopPaging(self) -> None:
        """Nothing comes behind the page that was asked for last."""
        self._still_paging = False

    def sendNextPage(self) -> None:
        """Send a page, and the end directly behind the last one."""
        page = self.nextPage()
        self._send("gotPage", page)
        if not self._still_paging:
            self._finish()

    def _begin(self) -> None:
        """What is done before the answer of the method that made this pager."""

    def _send(self, method: str, *args: Any) -> None:
        if self.collector is not None:
            self.collector.callRemote(method, *args, pbanswer=False)

    def _finish(self) -> None:
        self._still_paging = False
        self._send("endedPaging")
        self.collector = None  # gives it back
        callback, self._callback = self._callback, None
        if callback is not None:
            callback(*self._args, **self._kwargs)

    def _abandon(self) -> None:
        """Let go of everything: the connection is gone."""
        self._still_paging = False
        self.collector = None
        self._callback = None

    async def _go_on(self) -> None:
        try:
            while self._still_paging and self.collector is not None:
                await _room(self.collector.broker.link)
                if self._still_paging:
                    self.sendNextPage()
        except ConnectionGone as error:
            log.debug("paging ended with the connection: %s", error)
        except Exception:
            log.exception("paging ended early")
        finally:
            self._abandon()


async def _room(link: Any) -> None:
    """Wait for the next turn of the loop, and as long as the peer does not read. Raises ConnectionGone."""
    if hasattr(link, "drain"):
        await link.drain()
    else:
        await asyncio.sleep(0)


class StringPager(Pager):
    """Sends *data*, bytes, in pages of *chunkSize* bytes. The first goes out at once; nothing is sent as one page."""

    def __init__(
        self,
        collector: RemoteReference,
        data: bytes,
        chunkSize: int = 8192,
        callback: Callable[..., object] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if chunkSize < 1:
            raise UsageError(f"a page has at least one byte, so chunkSize={chunkSize} cannot be")
        self._pages = _slices(data, chunkSize)
        self._ahead = next(self._pages)
        super().__init__(collector, callback, *args, **kwargs)

    def _begin(self) -> None:
        self.sendNextPage()

    def nextPage(self) -> bytes:
        page = self._ahead
        ahead = next(self._pages, None)
        if ahead is None:
            self.stopPaging()
        else:
            self._ahead = ahead
        return page


def _slices(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, max(len(data), 1), size):
        yield data[start : start + size]


class FilePager(Pager):
    """Sends what is in *file*, opened for bytes, and closes it. Nothing in it is sent as no page at all."""

    def __init__(
        self,
        collector: RemoteReference,
        file: IO[bytes],
        callback: Callable[..., object] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self._file = file
        self._ahead: bytes | None = None
        super().__init__(collector, callback, *args, **kwargs)

    def nextPage(self) -> bytes:
        page = self._file.read(FILE_PAGE) if self._ahead is None else self._ahead
        # The end is sent directly behind the last page, so it has to be known then.
        self._ahead = self._file.read(FILE_PAGE) if page else b""
        if not self._ahead:
            self.stopPaging()
        return page

    def sendNextPage(self) -> None:
        page = self.nextPage()
        if page:
            self._send("gotPage", page)
        if not self._still_paging:
            self._finish()

    def _finish(self) -> None:
        self._file.close()
        super()._finish()

    def _abandon(self) -> None:
        self._file.close()
        super()._abandon()


class CallbackPageCollector(Referenceable):
    """Collects pages, and gives *callback* the list of them when all have come."""

    def __init__(self, callback: Callable[[list[Any]], object]) -> None:
        self.pages: list[Any] = []
        self.callback = callback

    def remote_gotPage(self, page: Any) -> None:
        self.pages.append(page)

    def remote_endedPaging(self) -> None:
        self.callback(self.pages)


def getAllPages(reference: RemoteReference, method: str, *args: Any, **kwargs: Any) -> Deferred[list[Any]]:
    """Call *method* with a collector before *args*: fires with the list of pages that the peer sends to it.

    What the method returns is ignored. Fails with what the method raised, PBConnectionLost when the connection goes
    before the last page, PeerError when the peer gives the collector back without having ended.
    Raises DeadReferenceError when the connection has gone already.
    """
    broker = reference.broker
    pages: Deferred[list[Any]] = Deferred()
    collector = CallbackPageCollector(lambda found: None if pages.called else pages.callback(found))
    state = {"answered": False, "freed": False}

    def failed(failure: Failure) -> None:
        if not pages.called:
            pages.errback(failure)

    def happened(what: str) -> None:
        # Twisted gives the collector back before it sends the error that tells why: so wait for both.
        state[what] = True
        if pages.called:
            return
        if broker.lost is not None:
            pages.errback(PBConnectionLost(broker.lost, 0))
        elif all(state.values()):
            pages.errback(PeerError(f"the method {visible(method, 60)} gave the collector back before the last page"))

    reference.callRemote(method, collector, *args, **kwargs).addCallbacks(lambda _: happened("answered"), failed)
    if not pages.called:
        broker.whenFreed(collector, lambda: happened("freed"))
    return pages
