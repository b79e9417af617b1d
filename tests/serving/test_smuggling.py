"""No request is hidden in the body of another one, however a proxy in front may have read it.

Where a proxy finds another end of a request than the exporter, it forwards one request and the exporter would
answer two: the second past the proxy's rules, its response to another client. So the connection ends with
every request that has, or may have, a body.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from serving.examples import web_app
from serving.wire import connected, local, run

from exporter.serving import serve

HIDDEN = b"POST /-/reload HTTP/1.1\r\nHost: exporter\r\nContent-Length: 0\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(HIDDEN)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"\r\n0\r\n\r\n"
FRAMINGS = {
    "length": LENGTH + b"\r\n",
    "length of a GET": LENGTH + b"\r\n",
    "length and coding": b"Content-Length: 4\r\n" + CHUNKED + END,
    "coding and length": CHUNKED + LENGTH + END,
    "two lengths": b"Content-Length: 0\r\n" + LENGTH + b"\r\n",
    "a list of lengths": b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN),
    "two equal lengths": LENGTH + LENGTH + b"\r\n",
    "a signed length": b"Content-Length: +0\r\n\r\n",
    "an octal length": b"Content-Length: 00\r\n\r\n",
    "a length with a space": b"Content-Length : 0\r\n\r\n",
    "a folded coding": LENGTH + b"Transfer-Encoding:\r\n chunked\r\n" + END,
    "a folded length": b"X: y\r\n Content-Length: 0\r\n" + LENGTH + b"\r\n",
    "a coding after a bare LF": LENGTH + b"X: y\n" + CHUNKED + END,
    "a length after a bare LF": b"X: y\n" + LENGTH + b"\r\n",
    "a length after a bare CR": b"X: y\r" + LENGTH + b"\r\n",
    "a length after a NUL": b"X: y\0" + LENGTH + b"\r\n",
    "another coding": b"Transfer-Encoding: xchunked\r\n" + LENGTH + END,
    "a list of codings": b"Transfer-Encoding: gzip, chunked\r\n" + END,
    "two codings": CHUNKED + CHUNKED + END,
    "no coding": b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\n",
    "a coding after a tab": b"Transfer-Encoding: \x0bchunked\r\n" + LENGTH + END,
    "a coding with a space": b"Transfer-Encoding : chunked\r\n" + LENGTH + END,
    "chunks that end with LF": CHUNKED + b"\r\n0\n\n",
    "an extension with LF": CHUNKED + b"\r\n0;a\nb\r\n\r\n",
    "a chunk size with a sign": CHUNKED + b"\r\n+0\r\n\r\n",
    "a chunk size with a prefix": CHUNKED + b"\r\n0x0\r\n\r\n",
    "a trailer": CHUNKED + b"\r\n0\r\n" + LENGTH + b"\r\n",
}


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged, but for asyncio's remarks about a busy machine."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_request_in_the_body_of_another_one_is_never_answered(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    reloads = 0

    async def reload() -> tuple[bool, str]:
        nonlocal reloads
        reloads += 1
        return True, "reloaded"

    async def scenario() -> None:
        sockets = local()
        async with serve(web_app(reload=reload), sockets):
            method = b"GET" if "GET" in name else b"POST"
            head = method + b" /-/ready HTTP/1.1\r\nHost: exporter\r\n"
            async with connected(sockets) as client:
                client.writer.write(head + FRAMINGS[name] + HIDDEN + HIDDEN)
                received = await client.reader.read()  # to the end: the server closes
            assert received.count(b"HTTP/1.1 ") == 1

    run(scenario())
    assert reloads == 0
    assert logged(caplog) == []


def test_an_invalid_body_that_comes_late_ends_nothing_but_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The response is being sent by then, so that there can be no 400 any more."""

    async def scenario() -> None:
        sockets = local()

        async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
            client.writer.write(b"nonsense" + END + HIDDEN)
            await client.writer.drain()
            return [b"up 1\n"] * 100_000

        async with serve(web_app(metrics=metrics), sockets), connected(sockets) as client:
            client.writer.write(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n" + CHUNKED + b"\r\n")
            received = await client.reader.read()
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")
            assert received.endswith(b"up 1\n" * 100_000)
            assert received.count(b"HTTP/1.1 ") == 1

    run(scenario())
    assert logged(caplog) == []
