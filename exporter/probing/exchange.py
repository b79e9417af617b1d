"""One request under one deadline: an answer, or the exception, with its marks.

httpx's transport is used without its client: no cookies, no redirects, no proxies or netrc from the
environment, no log of URLs, no trouble with a malformed `Location`. Each exchange makes a transport
of its own, and so a new connection, since name, TCP and TLS are part of what breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from exporter.outcome import TlsFacts
from exporter.probing.answer import Answer
from exporter.probing.conversation import Conversation
from exporter.probing.failure import DeadlineError
from exporter.probing.route import Route
from exporter.probing.step import Request
from exporter.probing.timeline import RESOLVE_COMPLETE, RESOLVE_STARTED, Mark
from exporter.target import IpFamily

Resolve = Callable[[str, IpFamily], Awaitable[tuple[str, ...]]]


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """What happened.

    Args:
        marks: events with their times, in order.
        ended: when the answer was complete or the exchange failed; monotonic clock.
        answer: the response; its head alone if the body failed; None if there was none.
        error: what was raised, or None if the answer is complete.
        address: the address connected to, or last tried; the proxy's where there is one.
        tls: of the connection, once its handshake was over.
    """

    marks: tuple[Mark, ...]
    ended: float
    answer: Answer | None = None
    error: Exception | None = None
    address: str | None = None
    tls: TlsFacts | None = None


class Exchanger:
    """Makes exchanges.

    Args:
        resolve: name and family to addresses; raises ResolutionError.
        clock: monotonic seconds, the event loop's own clock, since deadlines are given to the loop.
    """

    def __init__(self, resolve: Resolve, clock: Callable[[], float]) -> None:
        self._resolve = resolve
        self._clock = clock

    async def __call__(
        self,
        request: Request,
        headers: Sequence[tuple[str, str]],
        *,
        route: Route,
        deadline: float,
    ) -> Exchange:
        """Send `request` and read its answer; a failure is part of what is returned.

        Args:
            request: what to ask.
            headers: all headers but `Host`.
            route: how to get there, and whom to trust.
            deadline: monotonic time at which the exchange is given up, whatever it is doing.
        """
        conversation = Conversation(self._clock, tunnelled=route.tunnels(httpx.URL(request.url)))
        error = tls = None
        async with AsyncExitStack() as connections:
            try:
                async with asyncio.timeout_at(deadline) as limit:
                    response = await self._reach(conversation, connections, route, request, headers, deadline)
                    await conversation.read(response)
                ended = conversation.ended
            except Exception as raised:  # noqa: BLE001  the failure is the finding; failure.py reads it
                ended = self._clock()
                error = DeadlineError() if limit.expired() else raised
            finally:
                # Outside the deadline and after the last mark: what follows is nobody's latency.
                tls = conversation.tls_facts()
                await conversation.hang_up()
        return Exchange(
            marks=tuple(conversation.marks),
            ended=ended,
            answer=conversation.answer,
            error=error,
            address=conversation.address,
            tls=tls,
        )

    async def _reach(
        self,
        conversation: Conversation,
        connections: AsyncExitStack,
        route: Route,
        request: Request,
        headers: Sequence[tuple[str, str]],
        deadline: float,
    ) -> httpx.Response:
        """Try the addresses in turn, each with an equal share of what is left of the deadline."""
        conversation.mark(RESOLVE_STARTED)
        # The name as it is sent and asked for: an international one in its ASCII form.
        host = route.host_to_resolve(httpx.URL(request.url))
        addresses = await self._resolve(host, route.family)
        conversation.mark(RESOLVE_COMPLETE)
        for left in range(len(addresses), 0, -1):
            conversation.address = address = addresses[-left]
            transport = route.transport(address)
            connections.push_async_callback(transport.aclose)
            now = self._clock()
            share = None if left == 1 else now + (deadline - now) / left
            try:
                async with asyncio.timeout_at(share) as turn:
                    return await transport.handle_async_request(
                        route.request(request, headers, address, conversation.trace(turn)),
                    )
            except (httpx.ConnectError, httpx.ConnectTimeout, TimeoutError):
                if left == 1 or conversation.connected:
                    raise
        raise OSError("the name resolved to no address")
