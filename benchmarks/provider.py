"""A provider that knows how long it took: the truth that what an exporter reports is held against.

    python benchmarks/provider.py [--least 0.02] [--most 0.08]

A process of its own on loopback, which prints its port. It answers each request with a flow after a random
wait, and notes how long it took: from when the request's last byte had been read until just before the
response's first byte was written. A probe is known by its `X-Ping-External-Transaction-Id`, or else by
`probe` in its query. `/records` hands out what was noted, and forgets it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from benchmarks.bench import answer, fetch, flow

_ID = re.compile(rb"x-ping-external-transaction-id: *(\S+)|[?&]probe=([\w-]+)", re.IGNORECASE)


class Truth(NamedTuple):
    """What the provider knows of a request: when it came, on the monotonic clock, and the seconds it took."""

    at: float
    seconds: float


class Provider(asyncio.Protocol):
    """One connection."""

    least = most = 0.0
    response = b""
    records: dict[str, Truth]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checker
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer once the request's head is there."""
        received = time.monotonic()
        self.buffer += data
        if not self.buffer.endswith(b"\r\n\r\n"):
            return
        head, self.buffer = self.buffer, b""
        if head.startswith(b"GET /records "):
            self.transport.write(answer(json.dumps(self.records).encode()))
            self.records.clear()
        else:
            found = _ID.search(head)
            probe = b"" if found is None else found[1] or found[2]
            wait = random.uniform(self.least, self.most)
            asyncio.get_running_loop().call_later(wait, self.answer, probe.decode(), received)

    def answer(self, probe: str, received: float) -> None:
        """Send the flow."""
        if not self.transport.is_closing():
            took = time.monotonic() - received
            self.transport.write(self.response)
            self.records[probe] = Truth(received, took)


async def serve(least: float, most: float) -> None:
    """Serve until killed."""
    Provider.least, Provider.most, Provider.records = least, most, {}
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    Provider.response = answer(flow(port))
    print(port, flush=True)
    # What it notes is bounded by the run; looking for garbage among it would only blur the truth.
    gc.disable()
    async with server:
        await server.serve_forever()


@asynccontextmanager
async def provider(*options: str) -> AsyncIterator[int]:
    """Run one in a process of its own while the block runs; yield its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101  for the type checker
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def truths(port: int) -> dict[str, Truth]:
    """Return what the provider on a port noted since it was last asked, by probe."""
    noted = json.loads(await fetch(f"127.0.0.1:{port}", "/records"))
    return {probe: Truth(*truth) for probe, truth in noted.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--least", type=float, default=0.02)
    parser.add_argument("--most", type=float, default=0.08)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.least, arguments.most))
