"""A scripted HTTP or HTTPS server on a real socket, which answers exactly the bytes it was told.

Written over asyncio streams, since a framework adds headers, refuses what is malformed and hides when things
happened; those are what the tests are about.
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
from typing import Any

from harness.http_messages import Request, Script, json_answer
from harness.listener import Listener
from harness.seed import seed_flow

LONGEST_HEAD = 64 * 1024


class HttpServer(Listener):
    """Answers by a script that may be changed while it runs.

    Args:
        script: answers every request; when not given, each request gets a fresh flow of the environment its
            path begins with, as PingOne does.
        tls: a server's context makes it HTTPS; see `harness.certificates`.
        host: address to listen on.
        name: what stands for the host in `base_url`; the address when not given.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        name: str | None = None,
    ) -> None:
        super().__init__(self._converse, host=host)
        self._tls = tls
        self._name = name or (f"[{host}]" if ":" in host else host)
        self._changed = threading.Condition()
        self._standing: Script = script or self.answer_flow
        self._queue: deque[Script] = deque()
        self._requests: list[Request] = []

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without a trailing slash; known after the first start."""
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """What was asked so far, in the order of arrival."""
        with self._changed:
            return tuple(self._requests)

    def always(self, script: Script) -> None:
        """Answer with `script` from now on; what was queued is forgotten."""
        with self._changed:
            self._queue.clear()
            self._standing = script

    def then(self, *scripts: Script) -> None:
        """Answer the next requests with these, one each, before the standing script has its turn again."""
        with self._changed:
            self._queue.extend(scripts)

    def wait_for_requests(self, count: int, *, timeout: float = 30.0) -> tuple[Request, ...]:
        """Return all requests as soon as there are `count` of them.

        Raises:
            AssertionError: there were not, within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                raise AssertionError(f"{len(self._requests)} requests came in {timeout} s, not {count}")
            return tuple(self._requests)

    def seed_flow(self, environment_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  seed_flow's own
        """Return a fresh flow whose links lead here; `fields` are those of `harness.seed.seed_flow`."""
        return seed_flow(environment_id, base_url=self.base_url, **fields)

    async def answer_flow(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Answer with a fresh flow of the environment that the path begins with; a `Script`."""
        answer = json_answer(self.seed_flow(request.path.split("/")[1]))
        await answer(request, writer)

    async def _converse(self, connection: socket.socket, number: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LONGEST_HEAD, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            while not writer.is_closing() and (request := await _read(reader, number)):
                await self._answer(request, writer)
            writer.close()
            with suppress(OSError):  # the client hung up first
                await writer.wait_closed()
        finally:
            transport.abort()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            index = len(self._requests)
            self._requests.append(request)
            script = self._queue.popleft() if self._queue else self._standing
            self._changed.notify_all()
        await script(request, writer)
        if not writer.is_closing():
            await writer.drain()
        with self._changed:
            self._requests[index] = replace(request, answered_at=time.monotonic())


async def _read(reader: asyncio.StreamReader, connection: int) -> Request | None:
    """Return the next request, or None when the client hung up."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = [line.partition(":") for line in lines]
        headers = tuple((name, value.strip(" \t")) for name, _, value in pairs)
        length = next((value for name, value in headers if name.lower() == "content-length"), "0")
        body = await reader.readexactly(int(length))
    except asyncio.IncompleteReadError:
        return None
    return Request(
        method=method,
        target=target,
        headers=headers,
        body=body,
        connection=connection,
        received_at=time.monotonic(),
    )
