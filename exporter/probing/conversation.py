"""The running record of one exchange: timestamps and facts, interpreted later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from exporter.outcome import TlsFacts
from exporter.probing.answer import Answer
from exporter.probing.body import Body
from exporter.probing.certificate import Handshake
from exporter.probing.pace import Pace
from exporter.probing.route import Trace
from exporter.probing.timeline import (
    BODY_COMPLETE,
    CONNECT_COMPLETE,
    HEADERS_COMPLETE,
    TLS_COMPLETE,
    TLS_STARTED,
    Mark,
)

if TYPE_CHECKING:
    import httpx


_TLS_IN_TUNNEL = "proxy.start_tls."
_TLS = "connection.start_tls."


class Conversation:
    """What was seen of an exchange so far.

    Args:
        clock: monotonic seconds.
        tunnelled: whether a proxy is asked for a tunnel before the request is sent.
    """

    def __init__(self, clock: Callable[[], float], *, tunnelled: bool) -> None:
        self.marks: list[Mark] = []
        self.address: str | None = None
        self.answer: Answer | None = None
        self._handshake: Handshake | None = None
        self._connection: Pace | None = None
        self._clock = clock
        self._tunnelling = tunnelled

    @property
    def connected(self) -> bool:
        """Whether the address was reached."""
        return self._connection is not None

    @property
    def ended(self) -> float:
        """When the body was complete; what httpcore does after that is nobody's latency."""
        complete = (mark.at for mark in reversed(self.marks) if mark.event == BODY_COMPLETE)
        return next(complete, self._clock())

    def mark(self, event: str) -> None:
        """Take the time of an event."""
        self.marks.append(Mark(event, self._clock()))

    def trace(self, turn: asyncio.Timeout) -> Trace:
        """Return what httpcore tells its events.

        Args:
            turn: the share of the deadline that reaching this address has.
        """

        async def trace(event: str, info: dict[str, Any]) -> None:
            if event == CONNECT_COMPLETE:
                # The share was for reaching the address; from here on only the deadline counts.
                self._connection = info["return_value"]
                turn.reschedule(None)
            if self._tunnelling:
                event = self._through_tunnel(event)
            self.mark(event)
            if event == TLS_COMPLETE:
                self._connection = info["return_value"]
                self._handshake = Handshake.of(info["return_value"].get_extra_info("ssl_object"))
            elif event == HEADERS_COMPLETE:
                self._went_on()

        return trace

    def _through_tunnel(self, event: str) -> str:
        """Keep apart what is said to the proxy: to the provider we are connected once the tunnel is there."""
        if event.startswith(_TLS_IN_TUNNEL):
            event = event.replace(_TLS_IN_TUNNEL, _TLS)
            if event == TLS_STARTED:
                self.mark(CONNECT_COMPLETE)
            self._tunnelling = event != TLS_COMPLETE
            return event
        return f"proxy.{event}" if event == CONNECT_COMPLETE or event.startswith("http11.") else event

    async def read(self, response: httpx.Response) -> None:
        """Take note of the head at once, and then of the body as far as it may count."""
        headers = response.headers
        self.answer = head = Answer(
            status_code=response.status_code,
            location=_first(headers, "Location"),
            retry_after=_first(headers, "Retry-After"),
            date=_first(headers, "Date"),
            correlation_id=_first(headers, "Correlation-Id"),
        )
        body = Body(headers.get("Content-Encoding"))
        stream = cast("AsyncGenerator[bytes, None]", aiter(cast("httpx.AsyncByteStream", response.stream)))
        async with aclosing(stream):
            async for chunk in stream:
                self._went_on()
                body.feed(chunk)
                if body.too_large:
                    break
        self.answer = replace(head, body=body.content(), too_large=body.too_large)

    def _went_on(self) -> None:
        if self._connection is not None:
            self._connection.went_on()

    def tls_facts(self) -> TlsFacts | None:
        """Return what is known of the TLS connection; to be asked once the times are taken."""
        return None if self._handshake is None else self._handshake.facts()

    async def hang_up(self) -> None:
        """Close the connection; httpcore forgets one whose handshake was cancelled, and leaves it open."""
        if self._connection is not None:
            await self._connection.aclose()


def _first(headers: httpx.Headers, name: str) -> str | None:
    values = headers.get_list(name)
    return values[0] if values else None
