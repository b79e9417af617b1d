"""One client's connection, bounded in time.

uvicorn limits the time between requests alone. A client that sends no request, sends one drop by drop,
or does not read its answer would otherwise keep its connection, and its file, for ever.

    connected ── request's head ── answer ── first byte ── request's head ── answer ── …
    └──── REQUEST_DEADLINE ───┘        └ keep-alive ┘└─ REQUEST_DEADLINE ─┘

A request that was sent ahead, before the last answer was taken, waits until it is: it would be at work, which
nothing ends, for as long as its client likes.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.serving.seats import Seats

REQUEST_DEADLINE = 10.0
"""Seconds within which a request's head must be there once the connection, or the request, is begun."""

MOST_UNREAD = 64 * 1024 * 1024
"""Bytes of answers that clients have yet to take, all together; a page of 1,000 targets has a tenth. Whoever
asks for page after page and reads none would otherwise have each of them kept in memory."""


class Connection(H11Protocol):
    """A connection that cannot be held open by doing nothing."""

    seats: Seats
    """Where it sits; set right after it is made."""
    below: asyncio.Transport | None = None
    """The transport that has the seat; under TLS, which has seated it before, not the one it writes to."""
    _deadline: asyncio.TimerHandle | None = None
    _ahead: bool = False
    """Whether a request may have been sent ahead."""
    _answered_at = 0.0

    @property
    def unread(self) -> int:
        """Bytes of its answers that its client has yet to take."""
        own = self.transport.get_write_buffer_size()
        if self.below is None or self.below is self.transport:
            return own
        return own + self.below.get_write_buffer_size()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin waiting for the first request."""
        super().connection_made(transport)
        if self.below is None:
            self.below = transport
            self.seats.take(transport)
        self._deadline = self.loop.call_later(REQUEST_DEADLINE, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request's head must be complete in time."""
        super().data_received(data)
        self._received()

    def handle_events(self) -> None:
        """Go on with what was received, unless an answer waits for its client."""
        if self.flow.write_paused:
            self._ahead = True
            self.flow.pause_reading()
        else:
            super().handle_events()

    def resume_writing(self) -> None:
        """Note that the answer is taken, once it has left both transports."""
        if self.below is not None:
            low, _ = self.below.get_write_buffer_limits()
            if self.below.get_write_buffer_size() > low:
                return  # only TLS has got rid of it
        super().resume_writing()
        if self._ahead and not self.transport.is_closing():
            self._ahead = False
            self.flow.resume_reading()
            self.handle_events()
            self._received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._settle()
        if self.below is not None:
            self.seats.leave(self.below)
        self._unset_keepalive_if_required()  # which uvicorn forgets after a reset

    def on_response_complete(self) -> None:
        """Begin waiting for the next request, or, after the last answer, for the client to take it."""
        # No route takes a body. Whoever goes on sending one after the answer would never be done.
        unread = self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        self._tell_the_seats()
        self._answered_at = self.loop.time()
        if self.unread:
            self._relieve_memory()
        if unread and not self.transport.is_closing():
            self.transport.close()
        if self.transport.is_closing():
            self._deadline = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def shutdown(self) -> None:
        """End as soon as there is nothing to answer; not twice, or a TLS transport forgets what it is."""
        if not self.transport.is_closing():
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also when its last answer was never read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def _received(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._settle()
            self._tell_the_seats()
        elif self._deadline is None and self.timeout_keep_alive_task is None:
            self._deadline = self.loop.call_later(REQUEST_DEADLINE, self.transport.abort)

    def _tell_the_seats(self) -> None:
        if self.below is None or self.cycle is None:
            return
        if self.cycle.response_complete:
            self.seats.rest(self.below)
        else:
            self.seats.work(self.below)

    def _relieve_memory(self) -> None:
        """Drop the answers that have waited longest, while all together take up too much."""
        waiting = [one for one in self.connections if isinstance(one, Connection) and one.unread]
        held = sum(one.unread for one in waiting)
        for one in sorted(waiting, key=lambda one: one._answered_at):  # noqa: SLF001  of its own kind
            if held <= MOST_UNREAD:
                return
            held -= one.unread
            one.transport.abort()

    def _settle(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
