"""One scripted HTTP server on a real socket: sends exactly the bytes of its script, records what it receives.

    with HttpServer(json_answer({"a": 1})) as server:           # in a thread and an event loop of its own
        httpx.get(server.base_url)
        server.then(Answer(status=503))                         # the next request only
        server.always(drip(raw, every=0.1))                     # from now on
        (request, *_) = server.wait_for_requests(1)             # method, target, headers, body, times

    async with HttpServer(behavior=sends(b"garbage")) as server:    # in the running loop
        ...
        await server.until_disconnected(2)                      # both connections have ended

A script answers requests, a behavior handles a whole connection: see `harness.http_messages`. `with` is for
tests that block (in a subprocess, a synchronous client, a poll), `async with` for those that share the loop
and its clock. No framework, since one adds headers, refuses what is malformed and hides when things happened;
those are what the tests are about.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Self

from harness.http_messages import Behavior, Connection, Request, Script, answers, json_answer
from harness.ports import held_port
from harness.seed import seed_flow
from harness.waiting import PATIENCE

BACKLOG = 1024
"""More than any test opens at once, so that the kernel never drops a connection."""

MAX_HEAD_BYTES = 64 * 1024

FILLERS = 8
"""One connection fills a backlog of 0; the others keep it full should the kernel round up."""


class HttpServer:
    """Answers by a script, which may be changed while it runs.

    Args:
        script: answers every request; by default each request gets a fresh flow of the environment that its
            path begins with, as from PingOne.
        behavior: handles each connection; by default HTTP, answered by the script.
        tls: a server's context makes it HTTPS; see `harness.certificates`.
        host: address to listen on; a colon means IPv6.
        port: 0 means any free one.
        name: host in `base_url`; the address by default.

    Attributes:
        behavior: may be changed while it runs.
        port: 0 until the first start; later starts listen on the same one again, which no other program gets
            in between.
        connections: accepted so far, over all starts.
        server_names: what TLS clients sent as SNI, in order.
        failures: what went wrong in a script; a client that disconnects does not count. Leaving the block
            raises when there is one, or an error in a script would look like the exporter's.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        behavior: Behavior | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        name: str | None = None,
    ) -> None:
        self.behavior = behavior or answers(self._answer)
        self.host = host
        self.port = port
        self.connections = 0
        self.server_names: list[str | None] = []
        self.failures: list[BaseException] = []
        self._tls = tls
        self._name = name or (f"[{host}]" if ":" in host else host)
        self._changed = threading.Condition()
        self._script: Script = script or self.answer_flow
        self._queue: deque[Script] = deque()
        self._requests: list[Request] = []
        self._chosen: dict[int, tuple[int, Script]] = {}
        self._tasks: dict[asyncio.Task[None], socket.socket] = {}
        self._held: socket.socket | None = None
        self._listening: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without a trailing slash; known after the first start."""
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}"

    # What came in

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests so far, in the order of arrival."""
        with self._changed:
            return tuple(self._requests)

    def wait_for_requests(self, count: int, *, timeout: float = PATIENCE) -> tuple[Request, ...]:
        """Return all requests as soon as there are `count` of them.

        Raises:
            AssertionError: there were fewer within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                raise AssertionError(f"{len(self._requests)} requests came in {timeout} s, not {count}")
            return tuple(self._requests)

    async def until_disconnected(self, connections: int) -> None:
        """Wait until there were `connections` of them and all have ended; only within `async with`.

        Raises:
            TimeoutError: one is missing or still open.
        """
        async with asyncio.timeout(PATIENCE):
            while self.connections < connections:  # noqa: ASYNC110  accepted in the next rounds of the loop
                await asyncio.sleep(0)
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # What goes out

    def always(self, script: Script) -> None:
        """Answer by `script` from now on; what was queued is dropped."""
        with self._changed:
            self._queue.clear()
            self._script = script

    def then(self, *scripts: Script) -> None:
        """Answer the next requests by these, one each, before the lasting script continues."""
        with self._changed:
            self._queue.extend(scripts)

    def seed_flow(self, environment_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  seed_flow's own
        """Return a fresh flow with links that lead here; `fields` are those of `harness.seed.seed_flow`."""
        return seed_flow(environment_id, base_url=self.base_url, **fields)

    async def answer_flow(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer with a fresh flow of the environment that the path begins with; a `Script`."""
        answer = json_answer(self.seed_flow(request.path.split("/")[1]))
        await answer(request, writer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        index, script = self._chosen.pop(id(request))
        await script(request, writer)
        if not writer.is_closing():
            await writer.drain()
        with self._changed:
            self._requests[index] = replace(request, answered_at=time.monotonic())

    # Start and stop

    def start(self) -> None:
        """Listen, served by a thread. Connections are accepted from the moment this returns.

        Raises:
            RuntimeError: it listens already.
        """
        if self._listening is not None:
            raise RuntimeError(f"already listening on port {self.port}")
        self._listening = self._bind()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=f"port {self.port}")
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close the port and every connection; later connection attempts are refused."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop.

        Raises:
            AssertionError: something went wrong in a script.
        """
        self.stop()
        self._leave()

    async def __aenter__(self) -> Self:
        """Start in the running loop."""
        self._listening = self._bind()
        self._begin(self._listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; raises as `__exit__` does."""
        await self._end()
        self._leave()

    def _leave(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
        if self.failures:
            raise AssertionError(f"the server failed: {self.failures!r}") from self.failures[0]

    def _bind(self) -> socket.socket:
        if self._held is None:
            self._held = held_port(self.host, self.port)
            self.port = self._held.getsockname()[1]
        listening = socket.create_server((self.host, self.port), family=self._held.family, backlog=BACKLOG)
        listening.setblocking(False)  # noqa: FBT003  the standard library's signature
        return listening

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._note_unhandled)
        self._stopping = asyncio.Event()
        if self._listening is not None:
            self._begin(self._listening)
        ready.set()
        await self._stopping.wait()
        await self._end()

    # Accepted by hand: asyncio's own server handles a connection outside of any task, and only after the TLS
    # handshake, so that it can neither count nor cancel those that are under way.

    def _begin(self, listening: socket.socket) -> None:
        if self._tls is not None:
            self._tls.sni_callback = lambda _, name, __: self.server_names.append(name)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def _end(self) -> None:
        if self._listening is None:
            return
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()  # before the connections have ended: refusing begins at once
        self._listening = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # the client was faster
            return
        accepted.setblocking(False)  # noqa: FBT003  the standard library's signature
        self.connections += 1
        task = asyncio.ensure_future(self._handle(accepted, self.connections))
        self._tasks[task] = accepted
        # Closed here rather than in the task: a task that is cancelled before its first step runs nothing.
        task.add_done_callback(partial(self._ended, accepted))

    async def _handle(self, accepted: socket.socket, number: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, accepted, ssl=self._tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self.behavior(Connection(reader, writer, number, self._record))
            writer.close()
            with suppress(OSError):  # the client disconnected first
                await writer.wait_closed()
        finally:
            transport.abort()
            await asyncio.sleep(0)  # the transport closes the socket in the next round

    def _record(self, request: Request) -> None:
        with self._changed:
            # Chosen at once: a script that a test queues upon this request is for the next one.
            script = self._queue.popleft() if self._queue else self._script
            self._chosen[id(request)] = len(self._requests), script
            self._requests.append(request)
            self._changed.notify_all()

    def _ended(self, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        accepted.close()
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._note(error)

    def _note_unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._note(context.get("exception") or RuntimeError(context["message"]))

    def _note(self, error: BaseException) -> None:
        if not isinstance(error, OSError):  # TLS refused, reset, timed out: caused by the client
            self.failures.append(error)


class FullBacklog:
    """Listens and never accepts, with its backlog full: a connection attempt neither succeeds nor is refused.

    Linux only: there, a full backlog drops the SYN.
    """

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self._sockets: list[socket.socket] = []

    def start(self) -> None:
        """Listen, and fill the backlog."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.create_server((self.host, 0), family=family, backlog=0)
        self._sockets.append(listening)
        self.port = listening.getsockname()[1]
        for _ in range(FILLERS):
            filler = socket.socket(family)
            self._sockets.append(filler)
            filler.setblocking(False)  # noqa: FBT003  the standard library's signature
            filler.connect_ex((self.host, self.port))

    def stop(self) -> None:
        """Close the port; pending connection attempts are refused at their next try."""
        while self._sockets:
            self._sockets.pop().close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
