"""The HTTP transport of a probe: h11 over a stream with times from the kernel.

The prober calls `exchange`; `httpx.AsyncClient(transport=ProbeTransport(…))` works, too.

    direct                 name -> addresses -> connection; TLS for the URL's host
    proxy, http URL        connection to the proxy, which gets the absolute URL (RFC 9112, 3.2.2)
    proxy, https URL       connection to the proxy, CONNECT, then TLS through the tunnel (RFC 9110, 9.3.6)

Proxies are never taken from ambient variables.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http import HTTPStatus

import h11
import httpx

from exporter.outcome import Phase, TlsFacts, TransportStats
from exporter.probing.certificate import tls_facts
from exporter.probing.connection import HttpConnection
from exporter.probing.links import Link, parse_link
from exporter.probing.messages import MAX_BODY_BYTES, Answer, Request
from exporter.probing.resolver import Resolve, Resolver
from exporter.probing.stream import Dialer, TcpStream
from exporter.probing.timing import Deadline, DeadlineError
from exporter.probing.tls_stream import TlsStream
from exporter.target import IpFamily

MAX_EXACT_BYTES = 64 * 1024
"""A longer answer fills the receive window while the event loop is stalled, which slows the sender."""

MAX_DROPPING_ORIGINS = 10_000  # remembered; a provider that is not PingOne can name any

MAX_CROSSING_SECONDS = 0.1  # and two round trips; a connection that ends later is the server's own failure

Admits = Callable[[str], bool]  # whether a connection to an address may carry the request

Stalls = Sequence[tuple[float, float]]
StallsSince = Callable[[float], Stalls]
"""Start and end of each stall of the event loop since a time of its clock."""


class ProxyError(Exception):
    """Our own proxy refused the tunnel; the argument is the code of its answer."""


class AddressNotAllowedError(Exception):
    """The host resolved to addresses that must not be connected to."""


@dataclass(slots=True, repr=False)
class Exchange:
    """What happened in one request and its response."""

    link: Link | None = None  # the request's URL; None if that is invalid
    peer: tuple[str, int] | None = None  # host and port connected to: those of the URL, or of the proxy
    proxied: bool = False  # whether it goes through a proxy of ours
    tunneling: bool = False  # whether the proxy was asked for a tunnel and has not granted it
    phase: Phase = Phase.RESOLVE  # the phase that was reached
    phases: dict[Phase, float] = field(default_factory=dict)  # seconds of each completed one, in order
    headers: Sequence[tuple[bytes, bytes]] = ()  # of the response, names in lower case
    answer: Answer | None = None  # the response; its head alone if the body failed; None if there was none
    error: Exception | None = None  # the exception that ended it; None if the answer is complete
    address: str | None = None  # connected to, or tried last; the proxy's where there is one
    addresses_tried: tuple[str, ...] = ()  # addresses that a connection was attempted to, in order
    tls: TlsFacts | None = None  # of the connection, once its handshake was over
    sent: float | None = None  # when the request was sent, by the event loop's clock
    received: float | None = None  # when the head of the answer was complete; likewise
    unacknowledged: bool = False  # whether the peer's system acknowledged nothing of what was sent last
    closed_by_peer: bool = False  # whether the peer closed or reset the connection
    own_delay: float = 0.0  # the longest time that the peer had to wait for us in it, in seconds
    timed_by_loop: bool = False  # whether the event loop took a time that the kernel did not report
    stalled: bool = False  # whether a stall of our own made a phase inexact


class ExchangeError(httpx.TransportError):
    """An exchange without a complete answer."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__("the exchange failed")
        self.exchange = exchange


@dataclass(frozen=True, slots=True)
class Network:
    """What all probes share to reach their targets."""

    resolve: Resolve = field(default_factory=Resolver)
    stats: TransportStats = field(default_factory=TransportStats)
    stalls: StallsSince = lambda _since: ()
    drops_idle: set[tuple[str, str, int]] = field(default_factory=set)
    """Origins that closed an idle connection as a request was sent; unrepeatable ones then open a new one."""


class ProbeTransport(httpx.AsyncBaseTransport):
    """Sends the requests of one probe; a connection serves several of them if the server keeps it open.

    `proxy_url` is `http://[user:password@]host:port` of a forward proxy, or None. `absolute_hosts` are
    resolved without search domains.
    """

    def __init__(
        self,
        network: Network,
        deadline: Deadline,
        tls: ssl.SSLContext,
        family: IpFamily = IpFamily.ANY,
        proxy_url: str | None = None,
        absolute_hosts: Collection[str] = (),
    ) -> None:
        self._network = network
        self._deadline = deadline
        self._tls = tls
        self._family = family
        self._absolute_hosts = absolute_hosts
        self._proxy = None if proxy_url is None else _parse_proxy(proxy_url)
        self._now = asyncio.get_running_loop().time
        self._idle: dict[tuple[str, str, int], HttpConnection] = {}
        self._open: list[TcpStream | TlsStream] = []

    async def exchange(self, request: Request, admits: Admits | None = None) -> Exchange:
        """Send `request` and read its answer; a failure is part of what is returned.

        `admits` decides which addresses may be connected to, the proxy's where there is one; None for all.
        """
        link, connection, reused = parse_link(request.url), None, None
        exchange = Exchange(link, proxied=self._proxy is not None)
        if link is None:
            exchange.error = ValueError("not an http or https URL")
            return exchange
        proxy, opened, self._deadline.own_delay = self._proxy, len(self._open), 0.0
        exchange.peer = (link.host, link.port) if proxy is None else (proxy.host, proxy.port)
        try:
            if request.may_be_repeated or link.origin not in self._network.drops_idle:
                reused = self._reused(link, exchange, admits)
            connection = reused or await self._connection(link, exchange, admits)
            await self._send_and_receive(connection, request, link, exchange)
            if connection.prepare_reuse():
                self._idle[link.origin] = connection
        except Exception as error:  # noqa: BLE001  the failure is the finding; failure.py reads it
            exchange.error = error
        streams = self._open[opened:] if connection is None else [connection.stream]
        tcp = streams[-1].tcp if streams else None
        if exchange.error is not None:
            lost = self._stop_peer_time(exchange, tcp)
            if reused is not None and self._dropped(reused, exchange, lost) and request.may_be_repeated:
                again = await self.exchange(request, admits)
                again.stalled |= exchange.stalled
                if Phase.PROCESSING in again.phases:  # which began when the request was first sent
                    again.phases[Phase.PROCESSING] += lost
                return again
        if tcp is not None:
            self._note_end(exchange, tcp)
        return exchange

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx; the record of the exchange is in the response's extensions.

        Raises:
            ExchangeError: if there is no complete answer.
        """
        raw = [header for header in request.headers.raw if header[0].lower() not in _OWN_HEADERS]
        headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in raw)
        body, limit = await request.aread(), request.extensions.get("max_body_bytes", MAX_BODY_BYTES)
        exchange = await self.exchange(Request(request.method, str(request.url), headers, body, limit))
        if exchange.error is not None or exchange.answer is None:
            raise ExchangeError(exchange) from exchange.error
        return httpx.Response(
            exchange.answer.status_code,
            headers=[item for item in exchange.headers if item[0] not in _DECODED_HEADERS],
            content=exchange.answer.body,
            extensions={"exchange": exchange},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for stream in self._open:
            stream.close()
        self._open.clear()
        self._idle.clear()

    def _reused(self, link: Link, exchange: Exchange, admits: Admits | None) -> HttpConnection | None:
        connection = self._idle.pop(link.origin, None)
        if connection is None or not connection.stream.is_open():
            return None
        if admits is not None and not (connection.address and admits(connection.address)):
            return None
        exchange.address, exchange.tls = connection.address, connection.tls
        return connection

    def _stop_peer_time(self, exchange: Exchange, tcp: TcpStream | None) -> float:
        """Stop the peer's time with what ended the exchange; return the seconds of the phase that it ended.

        A reset or a refusal has no time of arrival: it may have come before a stall of our own.
        """
        error, since, latest = exchange.error, self._deadline.peer_since, self._deadline.times_out_at
        if isinstance(error, DeadlineError):
            ended = latest
        elif tcp is not None and (isinstance(error, ssl.SSLError) or not isinstance(error, OSError)):
            ended = tcp.arrived
        else:
            stalls = self._network.stalls(since)
            exchange.stalled |= bool(stalls)
            ended = self._now() - sum(end - start for start, end in stalls)
        return self._deadline.stop_peer_time(min(ended, latest))

    def _dropped(self, reused: HttpConnection, exchange: Exchange, lost: float) -> bool:
        """Return whether the server may have closed a kept connection while the request was on its way.

        The request may then be sent again (RFC 9110, 9.2.2). The origin is remembered.
        """
        is_closed = isinstance(exchange.error, ConnectionError | ssl.SSLEOFError | h11.RemoteProtocolError)
        is_unanswered, info = exchange.answer is None and reused.is_unanswered(), reused.tcp.info()
        is_soon = lost < MAX_CROSSING_SECONDS + 2 * (0.0 if info is None else info.rtt)
        is_dropped = is_closed and is_unanswered and is_soon
        if is_dropped and exchange.link and len(self._network.drops_idle) < MAX_DROPPING_ORIGINS:
            self._network.drops_idle.add(exchange.link.origin)
        return is_dropped

    async def _connection(self, link: Link, exchange: Exchange, admits: Admits | None) -> HttpConnection:
        proxy, (host, port) = self._proxy, exchange.peer or (link.host, link.port)
        absolute = proxy is None and host in self._absolute_hosts
        addresses = await self._resolve(f"{host}." if absolute else host, exchange)
        if admits is not None:
            resolved, addresses = addresses, [address for address in addresses if admits(address)]
            if resolved and not addresses:
                raise AddressNotAllowedError("the host has no address that may be connected to")
        tcp = await self._connect(addresses, port, exchange)
        stream: TcpStream | TlsStream = tcp
        if link.scheme == "https":
            if proxy is not None:
                await self._tunnel(tcp, proxy, link, exchange)
            exchange.phase = Phase.TLS
            self._open[-1] = stream = TlsStream(tcp, self._tls, link.host)
            exchange.phases[Phase.TLS] = await stream.handshake(self._deadline)
            exchange.tls = tls_facts(stream.session)
        return HttpConnection(stream, exchange.address, exchange.tls)

    async def _resolve(self, host: str, exchange: Exchange) -> Sequence[str]:
        asked = self._now()
        self._deadline.start_peer_time(asked)
        resolution = await self._deadline.wait(self._network.resolve(host, self._family))
        exchange.phases[Phase.RESOLVE] = self._deadline.stop_peer_time(asked + resolution.seconds)
        exchange.stalled = bool(self._network.stalls(asked))  # the thread that resolves was held up as well
        return resolution.addresses

    async def _connect(self, addresses: Sequence[str], port: int, exchange: Exchange) -> TcpStream:
        started = self._now()
        self._deadline.start_peer_time(started)
        dialer = Dialer(self._deadline)
        if addresses:
            exchange.phase = Phase.CONNECT
        try:
            tcp = await dialer.connect(addresses, port)
        finally:
            exchange.address, exchange.addresses_tried = dialer.address, tuple(dialer.tried)
        self._open.append(tcp)
        self._deadline.own_delay = 0.0  # this peer has not waited for us yet
        exchange.phases[Phase.CONNECT] = self._deadline.stop_peer_time(tcp.arrived)
        if tcp.timed_by_loop or exchange.address != exchange.addresses_tried[0]:
            exchange.stalled |= bool(self._network.stalls(started))
        return tcp

    async def _tunnel(self, tcp: TcpStream, proxy: _Proxy, link: Link, exchange: Exchange) -> None:
        """Ask the proxy for a tunnel; the time that it takes is part of connecting."""
        connecting = exchange.phases.pop(Phase.CONNECT)  # not complete without the tunnel
        exchange.tunneling = True
        connection = HttpConnection(tcp)
        headers = (("Host", link.endpoint), ("Accept", "*/*"), *proxy.headers)
        await connection.send("CONNECT", link.endpoint, headers)
        response = await connection.read_head()
        if not HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
            raise ProxyError(response.status_code)
        exchange.tunneling = False
        exchange.phases[Phase.CONNECT] = connecting + self._deadline.stop_peer_time(tcp.arrived)

    async def _send_and_receive(
        self, connection: HttpConnection, request: Request, link: Link, exchange: Exchange
    ) -> None:
        """Send the request and read its answer."""
        tcp, exchange.phase = connection.tcp, Phase.PROCESSING
        request_target, headers = link.target, (("Host", link.authority), *request.headers)
        if self._proxy is not None and link.scheme == "http":
            request_target = f"http://{link.authority}{link.target}"
            headers = (*headers, *self._proxy.headers)
        info, received_before = tcp.info(), tcp.received
        with suppress(ConnectionError):  # the peer may have answered before it closed
            await connection.send(request.method, request_target, headers, request.body)
        exchange.sent = sent = self._deadline.peer_since
        response = await connection.read_head()
        exchange.received = tcp.arrived
        exchange.headers = tuple(response.headers)
        exchange.answer = _head(response.status_code, exchange.headers)
        exchange.phases[Phase.PROCESSING] = self._deadline.stop_peer_time(tcp.arrived)
        after = tcp.info()
        is_one_segment = info and after and after.data_segs_in - info.data_segs_in <= 1
        merged = bool(self._network.stalls(sent)) and not is_one_segment
        self._deadline.start_peer_time(max(sent, tcp.arrived))
        await self._read_body(connection, request.max_body_bytes, exchange, merged=merged)
        if merged or tcp.timed_by_loop or tcp.received - received_before > MAX_EXACT_BYTES:
            exchange.stalled |= bool(self._network.stalls(sent))

    async def _read_body(
        self, connection: HttpConnection, limit: int, exchange: Exchange, *, merged: bool
    ) -> None:
        """Read the body, and complete the answer; if `merged`, its head may have come long before."""
        tcp, exchange.phase = connection.tcp, Phase.TRANSFER
        assert exchange.answer is not None  # noqa: S101  its head was read
        body = await connection.read_body(exchange.answer.headers.get("content-encoding"), limit)
        transfer = self._deadline.stop_peer_time(tcp.arrived)
        if merged:
            exchange.phases[Phase.PROCESSING] += transfer  # only the sum is exact
        elif not body.too_large:
            exchange.phases[Phase.TRANSFER] = transfer
        exchange.answer = replace(exchange.answer, body=body.content(), too_large=body.too_large)

    def _note_end(self, exchange: Exchange, tcp: TcpStream) -> None:
        exchange.own_delay = self._deadline.own_delay
        exchange.closed_by_peer = tcp.ended
        exchange.timed_by_loop, tcp.timed_by_loop = tcp.timed_by_loop, False  # the next one has its own
        info = None if exchange.error is None else tcp.info()
        exchange.unacknowledged = info is not None and info.unacked > 0
        if tcp.received:
            self._network.stats.kernel_timestamps = tcp.has_timestamps
            self._network.stats.loop_timed_exchanges += exchange.timed_by_loop


_OWN_HEADERS = frozenset({b"host", b"content-length", b"transfer-encoding"})
_DECODED_HEADERS = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})

_READ_HEADERS = frozenset({
    b"location", b"retry-after", b"date", b"correlation-id", b"content-encoding",
    b"x-amzn-waf-action", b"x-amzn-errortype", b"cf-mitigated",
})  # fmt: skip
_NOT_OF_URLS = re.compile(r"[ \x80-\xff]")


def _head(status_code: int, headers: Sequence[tuple[bytes, bytes]]) -> Answer:
    """Return what of the head is read; of several headers of one name the first counts."""
    known = [(name, value) for name, value in reversed(headers) if name in _READ_HEADERS]
    read = {name.decode("ascii"): value.decode("latin-1") for name, value in known}
    if "location" in read:  # which browsers encode
        read["location"] = _NOT_OF_URLS.sub(lambda found: f"%{ord(found[0]):02X}", read["location"])
    return Answer(status_code, headers=read)


@dataclass(frozen=True, slots=True)
class _Proxy:
    """A forward proxy; without its URL, which may hold a password."""

    host: str
    port: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)


@lru_cache(maxsize=64)
def _parse_proxy(url: str) -> _Proxy:
    parts = httpx.URL(url)
    headers: tuple[tuple[str, str], ...] = ()
    if parts.username or parts.password:
        token = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode("ascii")
        headers = (("Proxy-Authorization", f"Basic {token}"),)
    return _Proxy(parts.raw_host.decode("ascii"), parts.port or 80, headers)
