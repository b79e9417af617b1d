"""A listening socket whose connections are served in a thread and an event loop of their own.

Of its own, because the tests that use it block: in `subprocess`, in a synchronous client, in a poll.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self

BACKLOG = 1024
"""More than any test opens at once, so that the kernel never drops a connection unasked."""


class Listener:
    """Accepts connections and hands each to `serve`.

    Args:
        serve: is given the connected, non-blocking socket and the connection's number, counted from 1. The
            socket is closed when it returns.
        host: address to listen on; IPv6 is chosen by its colons.

    Attributes:
        port: 0 until the first start; later starts listen on the same one again.
        connections: how many were accepted, over all starts.
        failures: what went wrong in the server itself; a client that hangs up is no failure. Leaving the
            `with` block raises when there is one, or an error in a script would look like the exporter's.
    """

    def __init__(
        self, serve: Callable[[socket.socket, int], Awaitable[None]], *, host: str = "127.0.0.1"
    ) -> None:
        self.host = host
        self.port = 0
        self.connections = 0
        self.failures: list[BaseException] = []
        self._serve = serve
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._open: dict[asyncio.Task[None], socket.socket] = {}

    def start(self) -> None:
        """Listen. Connections are accepted from the moment this returns.

        Raises:
            RuntimeError: it listens already.
            OSError: the port was taken by somebody else since the last stop.
        """
        if self._thread is not None:
            raise RuntimeError(f"already listening on port {self.port}")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        listening.setblocking(False)  # noqa: FBT003  the standard library's signature
        self.port = listening.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening, ready), name=f"port {self.port}")
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close the port and every connection; a connection attempt after this is refused."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        self._thread = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop.

        Raises:
            AssertionError: something went wrong in the server itself.
        """
        self.stop()
        if self.failures:
            raise AssertionError(f"the server failed: {self.failures!r}") from self.failures[0]

    def _run(self, listening: socket.socket, ready: threading.Event) -> None:
        with listening, asyncio.Runner() as runner:
            runner.run(self._listen(listening, ready))

    async def _listen(self, listening: socket.socket, ready: threading.Event) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        loop.set_exception_handler(self._note_unhandled)
        # Not loop.sock_accept: cancelled at the wrong moment, it loses a socket that was just accepted.
        loop.add_reader(listening, self._accept, listening)
        ready.set()
        await self._stopping.wait()
        loop.remove_reader(listening)
        listening.close()  # before the connections have ended: refusing is to begin at once
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # the client was gone before we looked
            return
        connection.setblocking(False)  # noqa: FBT003  the standard library's signature
        self.connections += 1
        task = asyncio.ensure_future(self._serve(connection, self.connections))
        self._open[task] = connection
        # Closed here rather than in the task: a task that is cancelled before its first step runs nothing.
        task.add_done_callback(partial(self._ended, connection))

    def _ended(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        connection.close()
        del self._open[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._note(error)

    def _note_unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._note(context.get("exception") or RuntimeError(context["message"]))

    def _note(self, error: BaseException) -> None:
        if not isinstance(error, OSError):  # TLS refused, reset, timed out: the client's doing
            self.failures.append(error)
