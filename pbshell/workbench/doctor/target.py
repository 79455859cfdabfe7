"""The doctor for a server: the way to it step by step, until one fails. Knows the steps; shows nothing.

Safe on a machine in production: nothing is called on the server but the login that was asked for, and what is sent
beside it is PB's handshake. A server that says nothing gets a TLS hello, unless the kernel says that it is blocked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pbshell.errors import ConnectionGone, PeerError
from pbshell.net.certificates import BadCertificate, parse
from pbshell.net.client import connect
from pbshell.net.connection import Connection
from pbshell.net.endpoints import ConnectEndpoint, ConnectTLS, ConnectUnix, parse_connect
from pbshell.trace.forms.wording import duration
from pbshell.wire.foreign import Foreign, recognise
from pbshell.wire.text import brief, visible
from pbshell.wire.verbs import PB_VERSION
from pbshell.workbench.doctor import papers
from pbshell.workbench.doctor.hearing import Heard, is_offer
from pbshell.workbench.doctor.port import why_silent
from pbshell.workbench.doctor.probes import Hello, first_words, hello
from pbshell.workbench.doctor.reaching import Failure, Place, dial, look_up, reach, reach_unix
from pbshell.workbench.doctor.steps import FAILED, OK, SKIPPED, WARNING, Checkup, Step, Told
from pbshell.workbench.exitcodes import ExitCode
from pbshell.workbench.problems import cannot_connect, reason_of

__all__ = ["examine"]

#: seconds after which a server that says nothing is looked into; days before a certificate ends that are worth a word
_PATIENCE, _DAYS = 2.0, 14


async def examine(
    target: str | ConnectEndpoint,
    *,
    credentials: Any = None,
    user: str = "",
    timeout: float = 10.0,
    tls_name: str = "",
    patience: float = _PATIENCE,
    told: Told | None = None,
) -> Checkup:
    """Go the way to *target*; *told* is told each step when it is done.

    A login is made, as *user*, if there are *credentials*. *timeout* (seconds) is for each step. *tls_name* is the
    name that the certificate must have, if not the host's. A server that has said nothing after *patience* (seconds)
    is looked into. Raises UsageError for a target that is none.
    """
    endpoint = parse_connect(target) if isinstance(target, str) else target
    return await _Visit(endpoint, credentials, user, timeout, tls_name, patience, told).make()


class _Visit:
    """One examination."""

    def __init__(
        self,
        endpoint: ConnectEndpoint,
        credentials: Any,
        user: str,
        timeout: float,
        tls_name: str,
        patience: float,
        told: Told | None,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._user = user
        self._timeout = timeout
        self._tls_name = tls_name
        self._patience = min(patience, timeout / 4)
        #: seconds for a second connection that only looks
        self._glance = min(_PATIENCE, timeout / 4)
        self._told = told
        self._steps: list[Step] = []
        self._heard = Heard()
        self._place: Place = (0, None)
        self._names: tuple[object, object] = (None, None)
        self._connected: float | None = None  # seconds that TCP took
        self._connection: Connection | None = None
        #: what was found out about a server that says nothing: text and hint
        self._silence: tuple[str, str] | None = None
        #: what it is called in a sentence
        self._target = _called(endpoint)

    async def make(self) -> Checkup:
        """All steps, and what follows from them."""
        try:
            await self._walk()
        except Failure as failure:
            self._tell(failure.step)
            for name in self._missing():
                self._tell(Step(name, SKIPPED, ""))
            return self._checkup(failure.text, failure.hint, failure.code)
        finally:
            if self._connection is not None:
                self._connection.close()
                await self._connection.wait_closed()
        doubts = [step for step in self._steps if step.state == WARNING]
        user = " and lets you in" if self._credentials is not None else ""
        text = f"{self._target} speaks PB{user}" + (f"; but see {doubts[0].name}" if doubts else "")
        return self._checkup(text, doubts[0].hint if doubts else "", ExitCode.OK)

    def _checkup(self, text: str, hint: str, code: ExitCode) -> Checkup:
        return Checkup(self._target, tuple(self._steps), text, hint, code)

    def _missing(self) -> Sequence[str]:
        way = ["path"] if isinstance(self._endpoint, ConnectUnix) else ["dns", "tcp"]
        names = [*way, "tls", "dialect", "version", "round trip", "root", "login"]
        done = {step.name for step in self._steps}
        return [name for name in names if name not in done]

    def _tell(self, step: Step) -> None:
        self._steps.append(step)
        if self._told is not None:
            self._told(step)

    # ------------------------------------------------------------------------------------ the steps

    async def _walk(self) -> None:
        sock = await self._reach()
        if not self._is_tls():
            why = "not on a unix socket" if isinstance(self._endpoint, ConnectUnix) else "not asked for: cleartext"
            self._tell(Step("tls", SKIPPED, why))
        began = asyncio.get_running_loop().time()
        connection = self._connection = await self._open(sock)
        heard = self._heard
        if self._is_tls():
            self._tell(self._trusted(connection, heard.opened - began if heard.opened is not None else None))
        self._tell(self._dialect(connection))
        await self._version(connection)
        self._tell(self._round_trip())
        await connection.getRootObject()
        self._tell(Step("root", OK, "it is there; PB does not tell what can be called on it"))
        await self._login(connection)

    async def _reach(self) -> socket.socket:
        endpoint = self._endpoint
        if isinstance(endpoint, ConnectUnix):
            step, sock, self._place = await reach_unix(endpoint.path, self._timeout)
        else:
            found, places = await look_up(endpoint.host, endpoint.port, self._timeout)
            self._tell(found)
            step, sock, self._place = await reach(places, self._timeout)
            self._names = sock.getsockname()[:2], sock.getpeername()[:2]
        self._connected = step.seconds
        self._tell(step)
        return sock

    async def _open(self, sock: socket.socket) -> Connection:
        """The connection, when the server has offered its dialects. Raises Failure."""
        opening = asyncio.ensure_future(self._connect(sock))
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout
        try:
            done, _ = await asyncio.wait({opening}, timeout=self._patience)
            if not done:
                await self._look_into_silence()
                done, _ = await asyncio.wait({opening}, timeout=max(until - loop.time(), 0.0))
            if not done:
                raise self._silent()
        finally:
            if not opening.done():
                opening.cancel()
                await asyncio.wait({opening})
        try:
            return opening.result()
        except ssl.SSLCertVerificationError as error:
            raise await self._untrusted(error) from None
        except OSError as error:
            # Before TLS was there, it is TLS that has failed.
            raise (
                await self._no_tls(error) if self._is_tls() and self._heard.opened is None else self._gone(error)
            ) from None
        except (PeerError, ConnectionGone) as error:
            raise self._gone(error) from None

    async def _connect(self, sock: socket.socket) -> Connection:
        options: dict[str, object] = {}
        if self._is_tls():
            loop = asyncio.get_running_loop()
            try:
                options["tls"] = await loop.run_in_executor(None, connect(self._endpoint).context)
            except OSError as error:
                sock.close()
                step = Step("tls", FAILED, "its files cannot be used")
                why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
                raise Failure(step, f"there can be no TLS: {visible(why, 300)}", "", ExitCode.USAGE) from None
            options["tls_name"] = self._host()
        return await connect(None, sock=sock, open_timeout=None, tap=self._heard.tap, **options)  # type: ignore[arg-type]

    def _is_tls(self) -> bool:
        return isinstance(self._endpoint, ConnectTLS)

    def _host(self) -> str:
        """The host that the certificate must be for."""
        return self._tls_name or (self._endpoint.host if isinstance(self._endpoint, ConnectTLS) else "")

    # ------------------------------------------------------------------------------------ TLS

    def _trusted(self, connection: Connection, seconds: float | None) -> Step:
        speaker: ssl.SSLObject | None = connection.get_extra_info("ssl_object")
        version = (speaker.version() if speaker is not None else None) or "TLS"
        der = speaker.getpeercert(binary_form=True) if speaker is not None else None
        try:
            certificate = parse(der or b"")
        except BadCertificate:
            return Step("tls", OK, f"{version}, and the certificate is trusted", seconds)
        now = datetime.now(UTC)
        text = f"{version}, certificate {papers.told(certificate, now)}, trusted for {visible(self._host(), 100)}"
        if papers.days_left(certificate, now) < _DAYS:
            return Step("tls", WARNING, text, seconds, "renew the certificate before it ends")
        return Step("tls", OK, text, seconds)

    async def _untrusted(self, error: ssl.SSLCertVerificationError) -> Failure:
        heard = await self._hello()
        text, hint = papers.mistrust(error, heard.certificate, self._host())
        shown = papers.told(heard.certificate, datetime.now(UTC)) if heard.certificate else "it cannot be read"
        step = Step("tls", FAILED, f"{heard.version or 'TLS'}, certificate {shown}")
        return Failure(step, f"{self._target} is not trusted: {text}", hint)

    async def _no_tls(self, error: OSError) -> Failure:
        """TLS was asked for, and there is none: find out what is there."""
        reason = visible(str(getattr(error, "reason", None) or error.strerror or error), 200).replace("_", " ").lower()
        words = await self._first_words() or (await self._hello()).words
        plain = self._target.removeprefix("tls:")
        step = Step("tls", FAILED, reason)
        if is_offer(words):
            return Failure(step, f"there is a PB server, and it speaks no TLS: {reason}", f"pbshell doctor {plain}")
        foreign = recognise(words)
        if foreign is not None:
            return Failure(step, f"the port speaks something else: it begins with {foreign}", foreign.advice)
        return Failure(
            step, f"there is no TLS at {self._target}: {reason}", f"does it speak without? pbshell doctor {plain}"
        )

    # ------------------------------------------------------------------------------------ PB's handshake

    def _dialect(self, connection: Connection) -> Step:
        heard = self._heard
        offered = " and ".join(visible(each, 20) for each in heard.dialects[:4]) or "nothing"
        spoken = connection.broker.dialect
        name = spoken.name.decode() if spoken is not None else "none"
        seconds = None if heard.offered is None or heard.opened is None else heard.offered - heard.opened
        return Step("dialect", OK, f"{name}, of {offered}", seconds)

    async def _version(self, connection: Connection) -> None:
        heard = self._heard
        try:
            async with asyncio.timeout(self._timeout):
                while heard.answered is None and not connection.closed:
                    heard.news.clear()
                    await heard.news.wait()
        except TimeoutError:
            step = Step("version", FAILED, f"none within {self._timeout:g} s")
            text = f"{self._target} has offered its dialects and then said no more"
            raise Failure(
                step, text, "it was blocked just then: try again, then look what it does", ExitCode.TIMEOUT
            ) from None
        if heard.version is not None and heard.version != PB_VERSION:
            step = Step("version", FAILED, brief(heard.version))
            raise Failure(step, f"the server speaks version {brief(heard.version)} of PB, and pbshell {PB_VERSION}")
        if connection.closed:
            raise self._gone(connection.reason or ConnectionGone("closed"), "version")
        self._tell(Step("version", OK, f"PB {PB_VERSION}"))

    def _round_trip(self) -> Step:
        heard = self._heard
        if heard.answered is None or heard.chosen is None:
            return Step("round trip", SKIPPED, "not seen")
        seconds = heard.answered - heard.chosen
        # A unix socket has no way to go, so what it took says nothing.
        alone = self._connected if self._names[0] is not None else None
        tcp = f"; TCP alone {duration(alone)}" if alone is not None else ""
        return Step("round trip", OK, f"our version and the server's{tcp}; nothing was called", seconds)

    async def _login(self, connection: Connection) -> None:
        if self._credentials is None:
            self._tell(Step("login", SKIPPED, "not asked for: --user NAME or --anonymous tries one"))
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        who = visible(self._user, 60) or "you"
        try:
            async with asyncio.timeout(self._timeout):
                await connection.login(self._credentials)
        except TimeoutError:
            step = Step("login", FAILED, f"no answer within {self._timeout:g} s", loop.time() - began)
            text = f"{self._target} does not answer the login of {who}"
            hint = "its checker or realm waits for something: see the server's log"
            raise Failure(step, text, hint, ExitCode.TIMEOUT) from None
        except Exception as error:  # noqa: BLE001 (whatever it is, it is why there is no login)
            problem = cannot_connect(error, self._target)
            step = Step("login", FAILED, f"{who} is not let in", loop.time() - began)
            code = problem.code if problem.code == ExitCode.NO_LOGIN else ExitCode.NO_CONNECTION
            raise Failure(step, problem.text, problem.hint, code) from None
        self._tell(Step("login", OK, f"{who} is let in", loop.time() - began))

    # ------------------------------------------------------------------------------------ when it is no PB

    def _gone(self, error: BaseException, name: str = "dialect") -> Failure:
        """It speaks something else, or has hung up."""
        words = self._heard.words
        foreign = None if is_offer(words) else recognise(words)
        if foreign is not None:
            return _foreign(self._target, foreign)
        reason = reason_of(error)
        if words and not is_offer(words):
            step = Step(name, FAILED, f"it begins with {visible(repr(words[:24]))}")
            return Failure(step, f"{self._target} does not speak PB: {reason}", "is that the port of the PB server?")
        step = Step(name, FAILED, reason)
        if "certificate required" in reason.lower().replace("_", " "):
            text = f"{self._target} asks for a certificate of yours"
            return Failure(step, text, "show one: --tls-cert FILE --tls-key FILE")
        said = "in mid-handshake" if words else "without a word"
        hint = "the server's log says why: a limit on connections, or addresses that it refuses"
        if isinstance(self._endpoint, ConnectTLS) and self._endpoint.cert is None and not words:
            # Not every server says so before it hangs up.
            hint = "does it ask for a certificate of yours? --tls-cert FILE --tls-key FILE; its log says why"
        return Failure(step, f"{self._target} has hung up {said}: {reason}", hint)

    async def _look_into_silence(self) -> None:
        """The server has said nothing yet: why? Raises Failure when that is certain."""
        if self._heard.words:
            return
        if isinstance(self._names[0], tuple) and isinstance(self._names[1], tuple):
            loop = asyncio.get_running_loop()
            self._silence = await loop.run_in_executor(None, why_silent, self._names[0], self._names[1])
        if self._silence is not None or self._is_tls():
            return
        heard = await self._hello()
        if heard.version:
            shown = f", certificate {papers.told(heard.certificate, datetime.now(UTC))}" if heard.certificate else ""
            step = Step("tls", FAILED, f"the port speaks {heard.version}{shown}")
            place = self._target
            hint = "" if place.startswith("unix:") else f"pbshell doctor tls:{place}"
            raise Failure(step, f"{place} expects TLS: to anything else it says nothing", hint)
        foreign = recognise(heard.words)
        if foreign is not None:
            raise _foreign(self._target, foreign)
        if heard.words and not is_offer(heard.words):
            step = Step("dialect", FAILED, f"to a TLS hello it says {visible(repr(heard.words[:24]))}")
            text = f"{self._target} does not speak PB: a PB server speaks first"
            raise Failure(step, text, "is that the port of the PB server?")

    def _silent(self) -> Failure:
        """Connected, and nothing came within the time."""
        if self._heard.words:
            step = Step("dialect", FAILED, f"half of an offer within {self._timeout:g} s")
            return Failure(step, f"{self._target} stopped in mid-handshake", "is it blocked?", ExitCode.TIMEOUT)
        name = "tls" if self._is_tls() and self._heard.opened is None else "dialect"
        step = Step(name, FAILED, f"nothing was said within {self._timeout:g} s")
        if self._silence is not None:
            text, hint = self._silence
            return Failure(step, f"{self._target} says nothing: {text}", hint, ExitCode.TIMEOUT)
        hello_said = "" if self._is_tls() else ", not even to a TLS hello"
        text = f"{self._target} accepts connections and says nothing{hello_said}"
        where = self._endpoint.port if not isinstance(self._endpoint, ConnectUnix) else ""
        more = f"; on its machine: pbshell doctor :{where}" if where else ""
        hint = f"it is no PB server, which speaks first, or it is blocked{more}"
        return Failure(step, text, hint, ExitCode.TIMEOUT)

    async def _hello(self) -> Hello:
        try:
            async with asyncio.timeout(self._glance):
                sock = await dial(self._place)
        except OSError:
            return Hello()
        return await hello(sock, self._glance, self._host() or getattr(self._endpoint, "host", ""))

    async def _first_words(self) -> bytes:
        try:
            async with asyncio.timeout(self._glance):
                sock = await dial(self._place)
        except OSError:
            return b""
        return await first_words(sock, self._glance)


def _called(endpoint: ConnectEndpoint) -> str:
    """What a server is called in a sentence, and where it is to be written again."""
    if isinstance(endpoint, ConnectTLS):
        endpoint = ConnectTLS(endpoint.host, endpoint.port)
    return visible(str(endpoint).removeprefix("tcp:"), 200)


def _foreign(target: str, foreign: Foreign) -> Failure:
    step = Step("dialect", FAILED, f"this is {foreign}")
    return Failure(step, f"{target} does not speak PB: this is {foreign}", foreign.advice)
