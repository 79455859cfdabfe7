"""``pbshell trace``: what two programs say to each other, as it happens between them, or out of a capture."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pbshell.cli.reading import add_capture_options
from pbshell.cli.tracing import (
    add_display_options,
    add_file_options,
    bounds_of,
    coloured,
    ended,
    formatter_of,
    is_screen,
    json_of,
    show_verdicts,
    tell,
    tell_verdicts,
    watch,
    words_width,
    writer_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pbshell.cli.output import Frames
    from pbshell.net.apart import ApartRelay
    from pbshell.trace.capture import CaptureWriter
    from pbshell.wire.chunk import Piece
    from pbshell.workbench.traffic.tracer import Tracer


def add_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """The options of `trace proxy` and `trace read`."""
    ways = parser.add_subparsers(dest="way", metavar="proxy|read", required=True)
    proxy = ways.add_parser("proxy", help="stand between two programs, which need not know", allow_abbrev=False)
    proxy.add_argument("--listen", metavar="ENDPOINT", required=True, help="where the clients come to: tcp:PORT, ...")
    proxy.add_argument(
        "--to", metavar="TARGET", required=True, help="the server: HOST:PORT, tls:HOST:PORT, unix:PATH, @PROFILE"
    )
    proxy.add_argument("--port-file", metavar="FILE", help="write the port here when it is open")
    read = ways.add_parser("read", help="explain a capture: of pbshell, tcpdump or Wireshark", allow_abbrev=False)
    read.add_argument("file", metavar="FILE", help="the capture; - for stdin, which may be a pipe from tcpdump -U -w -")
    add_capture_options(read)
    when = "at a moment, #FRAME, +SECONDS or a time of day, or what changed between two: FIRST..SECOND"
    read.add_argument("--refs", metavar="MOMENT", help=f"what was lent {when}")
    read.add_argument("--cached", metavar="MOMENT", help=f"what was cached {when}")
    for each in (proxy, read):
        each.add_argument("--why", action="store_true", help="only why connections have ended and calls hang")
        add_display_options(each)
        add_file_options(each)
        each.add_argument("-v", "--verbose", action="count", default=0, help="log more; twice for everything")


def run(options: argparse.Namespace) -> int:
    """Show it, until it ends or somebody ends it."""
    from pbshell.cli.output import log_to_stderr
    from pbshell.errors import UsageError
    from pbshell.wire.text import visible

    log_to_stderr(options.verbose)
    try:
        if options.way == "read":
            return _read(options)
        import asyncio

        return asyncio.run(_proxy(options))
    except UsageError as error:
        tell(visible(str(error), 500))
        return 2


# ------------------------------------------------------------------------------------------------ between two programs


async def _proxy(options: argparse.Namespace) -> int:
    import asyncio
    from datetime import UTC, datetime
    from pathlib import Path

    from pbshell.cli.output import Frames
    from pbshell.net.apart import relay_apart
    from pbshell.net.endpoints import parse_listen
    from pbshell.workbench.problems import reason_of
    from pbshell.workbench.reaching.targets import profile_of

    listen, to = parse_listen(options.listen), profile_of(options.to, {}).endpoint()
    began, clock = datetime.now(UTC), asyncio.get_running_loop().time()
    frames = Frames()
    tracer = _tracer(options, began.timestamp() - clock, frames, live=True)
    file = Path(options.port_file) if options.port_file is not None else None
    try:
        relay = await relay_apart(listen, to, tap=tracer.tap, tell=lambda text: _tell_once(options, tracer, text))
    except OSError as error:
        tell(f"cannot listen at {listen}: {reason_of(error)}")
        return 3
    if sys.platform != "win32":
        # Who looks on comes after those who are looked at; the relay's own process is not meant.
        os.nice(10)
    writer = None
    try:
        try:
            # Not before: where nothing can be relayed, no file is left behind.
            writer = writer_of(options, began, clock)
            tracer.record = writer.write if writer is not None else None
            if not _announced(options, relay, file):
                return 3
            _head(tracer, frames)
            await _watch(tracer, writer, frames, relay)
            code = 0 if relay.is_alive else 6
        finally:
            relay.close()
            await relay.wait_closed()
        tracer.finish()
        _tell_unshown(tracer)
        _conclude(options, tracer, frames)
        await _written(frames)
    finally:
        ended(writer)
        if file is not None:
            file.unlink(missing_ok=True)
    return code


def _tell_once(options: argparse.Namespace, tracer: Tracer, text: str) -> None:
    """Tell what the relay says, but for the end of a connection that has its line in the trace."""
    shown = tracer.on and options.filter is None and options.output in ("calls", "frames", "full", "json")
    if not (shown and text.startswith("connection ")):
        tell(text)


async def _written(frames: Frames) -> None:
    """Write the rest. Whoever does not read it within a second does not want it."""
    import asyncio

    try:
        async with asyncio.timeout(1):
            while not frames.write():  # noqa: ASYNC110 (nothing tells when a pipe takes more)
                await asyncio.sleep(0.02)
    except TimeoutError:
        tell("nobody reads what is shown, so its end is left out")


def _announced(options: argparse.Namespace, relay: ApartRelay, file: Path | None) -> bool:
    """Say where it listens, and write the port file: behind that it can be reached. Whether that was possible."""
    from pbshell.cli.serve import write_port
    from pbshell.wire.text import visible

    for endpoint in relay.endpoints:
        tell(f"relaying {endpoint} to {visible(options.to, 100)}; Ctrl-C ends it")
    try:
        if file is not None:
            write_port(file, relay.port, relay.endpoints[0])
    except OSError as error:
        tell(f"the port file {visible(str(file), 100)} cannot be written: {error.strerror}")
        return False
    return True


async def _watch(tracer: Tracer, writer: CaptureWriter | None, frames: Frames, relay: ApartRelay) -> None:
    """Show what comes, until SIGINT or SIGTERM, or behind a bound until the last connection has ended.

    Who looks on must not matter to those who are looked at, so it is a bound, too, that nobody looks any more.
    """
    enough: list[str] = []

    def stopped(why: str) -> None:
        enough.append(why)
        tell(f"{why}; the relay goes on until its last connection has ended")

    tracer.stopped = stopped
    try:
        await frames.until(_until_ended(tracer, writer, relay, enough))
    except BrokenPipeError:
        if tracer.on and tracer.open:
            tracer.stop("nobody reads what is shown")
        tracer.on = False
        if enough:
            await _until_ended(tracer, writer, relay, enough)


async def _until_ended(tracer: Tracer, writer: CaptureWriter | None, relay: ApartRelay, enough: Sequence[str]) -> None:
    import asyncio
    import signal

    from pbshell.cli.output import say

    loop = asyncio.get_running_loop()
    watching = loop.create_task(watch(tracer, writer, lambda: not relay.is_alive or (bool(enough) and not tracer.open)))

    def interrupted() -> None:
        watching.cancel()
        if is_screen(sys.stderr):
            say("")  # behind the ^C

    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGINT, interrupted)
        loop.add_signal_handler(signal.SIGTERM, watching.cancel)
        loop.add_signal_handler(signal.SIGHUP, watching.cancel)
    try:
        await asyncio.wait({watching})
    finally:
        watching.cancel()
    if not watching.cancelled():
        watching.result()


def _tracer(options: argparse.Namespace, zero: float | None, show: Callable[[str], None], *, live: bool) -> Tracer:
    from pbshell.trace.explainers import Explainers
    from pbshell.workbench.traffic.tracer import Tracer

    paint = coloured(options)
    tracer = Tracer(
        lambda line: show(paint(line)),
        say=tell,
        formatter=formatter_of(options, zero),
        select=options.filter,
        redact=options.redact or "auth",
        explainers=Explainers.load(tell=tell),
        bounds=bounds_of(options, live=live),
    )
    tracer.on = not options.why
    return tracer


def _head(tracer: Tracer, show: Callable[[str], None]) -> None:
    """The names of the columns, where a person looks on."""
    header = tracer.formatter.header()
    if header and tracer.on and is_screen(sys.stdout):
        show(header)


def _tell_unshown(tracer: Tracer) -> None:
    """What came behind a bound, while others went on or it was saved."""
    from pbshell.trace.forms.wording import counted

    if tracer.unshown:
        are = "is" if tracer.unshown == 1 else "are"
        tell(f"{counted(tracer.unshown, 'message')} came after that, and {are} not shown")


def _conclude(options: argparse.Namespace, tracer: Tracer, show: Callable[[str], None]) -> None:
    """Why it ended, and what hangs: asked for it is data, and at the end of every trace a word to whoever is there."""
    if not options.why:
        tell_verdicts(tracer, options.width)
        return
    verdicts = tracer.why()
    if options.output == "json":
        for verdict in verdicts:
            show(json_of(verdict))
        return
    show_verdicts(verdicts, show, words_width(sys.stdout, options.width))
    if not verdicts:
        tell("there is nothing to explain: no connection has ended, and no call waits for long")


# ------------------------------------------------------------------------------------------------ out of a capture


#: seconds since 1970 until the year 3000: what packets tell of later times is no time that could be written
_AGES = 32_503_680_000


def _read(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from pbshell.cli.tables import moment_of, show_table
    from pbshell.errors import CaptureError
    from pbshell.shell.progress import progress
    from pbshell.workbench.traffic.captures import opened

    is_table = moment_of(options) is not None
    if options.file == "-" and sys.stdin is None:
        tell("stdin is closed: there is no capture to read")
        return 8
    writer = None
    is_shown = is_screen(sys.stdout) and not options.why and not is_table
    try:
        with (
            progress(options.file, None if is_shown else sys.stderr) as told,
            opened(
                sys.stdin.buffer if options.file == "-" else options.file, ports=options.port, progress=told
            ) as capture,
        ):
            # Of a file of packets the first of them tells when it began, so that has to be read first.
            pieces = _named(capture, options.file)
            first = next(pieces, None)
            zero = capture.began if 0 < capture.began < _AGES else None
            began = zero + first.at if zero is not None and first is not None else None
            if first is not None and not is_table:
                writer = writer_of(options, datetime.fromtimestamp(began or 0.0, UTC), first.at)
            every = _with(first, pieces)
            code = show_table(options, every, began) if is_table else _show(options, every, zero, writer)
            if first is None:
                tell("there is nothing in it that could be explained")
            for note in (*capture.notes, capture.truncated):
                if note:
                    tell(note)
            return code
    except CaptureError as error:
        tell(str(error))
        return 8
    finally:
        ended(writer)


def _show(
    options: argparse.Namespace, pieces: Iterable[Piece], zero: float | None, writer: CaptureWriter | None
) -> int:
    """Explain all *pieces*. What is damaged is told when all before it has been shown."""
    from pbshell.cli.output import say, show
    from pbshell.errors import CaptureError

    # What comes through a pipe may come as it happens.
    tracer = _tracer(options, zero, show, live=options.file == "-")
    tracer.record = writer.write if writer is not None else None
    enough: list[str] = []

    def stopped(why: str) -> None:
        enough.append(why)
        tell(why)

    tracer.stopped = stopped
    _head(tracer, show)
    damage, code = "", 0
    try:
        for piece in pieces:
            tracer.tap(piece)
            if enough and writer is None:
                break
    except CaptureError as error:
        damage, code = str(error), 8
    except KeyboardInterrupt:
        # The end of a pipe that has no other.
        if options.file != "-":
            raise
        code = 130
        if is_screen(sys.stderr):
            say("")  # behind the ^C
    tracer.finish()
    if writer is not None:
        _tell_unshown(tracer)
    _conclude(options, tracer, show)
    if damage:
        tell(damage)
    return code


def _named(pieces: Iterable[Piece], name: str) -> Iterator[Piece]:
    """*pieces*, and what is wrong with them is told with the *name* of their file."""
    from pbshell.errors import CaptureError
    from pbshell.wire.text import visible

    try:
        yield from pieces
    except CaptureError as error:
        raise CaptureError(f"{'stdin' if name == '-' else visible(name, 200)}, {visible(str(error), 500)}") from None


def _with(first: Piece | None, pieces: Iterable[Piece]) -> Iterator[Piece]:
    if first is not None:
        yield first
    yield from pieces
