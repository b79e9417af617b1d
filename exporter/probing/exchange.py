"""One request under one deadline: an answer, or the exception, with its marks.

httpx's transport is used without its client: no cookies, no redirects, no proxies or netrc from the
environment, no log of URLs, no trouble with a malformed `Location`. Each exchange makes a transport
of its own, and so a new connection, since name, TCP and TLS are part of what breaks.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import httpx

from exporter.probing.answer import Answer
from exporter.probing.body import Body
from exporter.probing.failure import DeadlineError
from exporter.probing.timeline import (
    BODY_COMPLETE,
    CONNECT_COMPLETE,
    RESOLVE_COMPLETE,
    RESOLVE_STARTED,
    Mark,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    import httpcore

    from exporter.probing.step import Request


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """What happened.

    Args:
        marks: events with their times, in order.
        ended: when the answer was complete or the exchange failed; monotonic clock.
        answer: the response; its head alone if the body failed; None if there was none.
        error: what was raised, or None if the answer is complete.
        address: the address connected to, or last tried.
    """

    marks: tuple[Mark, ...]
    ended: float
    answer: Answer | None = None
    error: Exception | None = None
    address: str | None = None


class Exchanger:
    """Makes exchanges.

    Args:
        resolve: name to addresses; raises ResolutionError.
        clock: monotonic seconds, the event loop's own clock, since deadlines are given to the loop.
    """

    def __init__(
        self,
        resolve: Callable[[str], Awaitable[tuple[str, ...]]],
        clock: Callable[[], float],
    ) -> None:
        self._resolve = resolve
        self._clock = clock

    async def __call__(
        self,
        request: Request,
        headers: Sequence[tuple[str, str]],
        *,
        tls: ssl.SSLContext,
        deadline: float,
    ) -> Exchange:
        """Send `request` and read its answer; a failure is part of what is returned.

        Args:
            request: what to ask.
            headers: all headers but `Host`.
            tls: whom to trust.
            deadline: monotonic time at which the exchange is given up, whatever it is doing.
        """
        conversation = _Conversation(self._clock)
        transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False)
        error = None
        try:
            async with asyncio.timeout_at(deadline) as limit:
                response = await self._reach(conversation, transport, request, headers, deadline)
                await conversation.read(response)
            ended = conversation.ended
        except Exception as raised:  # noqa: BLE001  the failure is the finding; failure.py reads it
            ended = self._clock()
            error = DeadlineError() if limit.expired() else raised
        finally:
            # Outside the deadline and after the last mark: closing is nobody's latency.
            await conversation.hang_up()
            await transport.aclose()
        return Exchange(
            marks=tuple(conversation.marks),
            ended=ended,
            answer=conversation.answer,
            error=error,
            address=conversation.address,
        )

    async def _reach(
        self,
        conversation: _Conversation,
        transport: httpx.AsyncHTTPTransport,
        request: Request,
        headers: Sequence[tuple[str, str]],
        deadline: float,
    ) -> httpx.Response:
        """Try the addresses in turn, each with an equal share of what is left of the deadline."""
        url = httpx.URL(request.url)
        # As in the Host header. `url.host` is decoded; IDNA 2003 in getaddrinfo would make it another name.
        host = url.raw_host.decode("ascii")
        conversation.mark(RESOLVE_STARTED)
        addresses = await self._resolve(host)
        conversation.mark(RESOLVE_COMPLETE)
        for left in range(len(addresses), 0, -1):
            conversation.address = address = addresses[-left]
            now = self._clock()
            share = None if left == 1 else now + (deadline - now) / left
            try:
                async with asyncio.timeout_at(share) as turn:
                    return await transport.handle_async_request(
                        httpx.Request(
                            request.method,
                            url.copy_with(host=address),
                            headers=[("Host", url.netloc.decode("ascii")), *headers],
                            extensions=conversation.extensions(turn, host, address),
                        ),
                    )
            except (httpx.ConnectError, httpx.ConnectTimeout, TimeoutError):
                if left == 1 or conversation.connected:
                    raise
        raise OSError("the name resolved to no address")


class _Conversation:
    """The running record of one exchange: timestamps only, interpreted later."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.marks: list[Mark] = []
        self.address: str | None = None
        self.answer: Answer | None = None
        self._connection: httpcore.AsyncNetworkStream | None = None
        self._clock = clock

    @property
    def connected(self) -> bool:
        return self._connection is not None

    async def hang_up(self) -> None:
        # httpcore forgets a connection whose handshake was cancelled, and leaves its socket open.
        if self._connection is not None:
            await self._connection.aclose()

    def mark(self, event: str) -> None:
        self.marks.append(Mark(event, self._clock()))

    def extensions(self, turn: asyncio.Timeout, host: str, address: str) -> dict[str, Any]:
        async def trace(event: str, info: dict[str, Any]) -> None:
            self.mark(event)
            if event == CONNECT_COMPLETE:
                # The share was for reaching the address; from here on only the deadline counts.
                self._connection = info["return_value"]
                turn.reschedule(None)

        extensions: dict[str, Any] = {"trace": trace}
        if host != address:
            extensions["sni_hostname"] = host
        return extensions

    @property
    def ended(self) -> float:
        """When the body was complete; what httpcore does after that is nobody's latency."""
        complete = (mark.at for mark in reversed(self.marks) if mark.event == BODY_COMPLETE)
        return next(complete, self._clock())

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
                body.feed(chunk)
                if body.too_large:
                    break
        self.answer = replace(head, body=body.content(), too_large=body.too_large)


def _first(headers: httpx.Headers, name: str) -> str | None:
    values = headers.get_list(name)
    return values[0] if values else None
