"""Whatever bytes a client sends to the web port, they get 4xx at worst, and the next client is served."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from serving.examples import web_app
from serving.wire import connected, local, run

from exporter.serving import serve

if TYPE_CHECKING:
    import pytest

PATHS = st.sampled_from([
    b"/", b"/metrics", b"/api/v1/targets", b"/api/v1/targets/%ff", b"/targets/x", b"/-/ready", b"/-/reload",
    b"/static/../x", b"/runbooks/../x", b"/runbooks/%2e%2e%2fx", b"//", b"*", b"http://evil.example/",
    b"/?state=%", b"/?%00=\xff", b"",
])  # fmt: skip
LINES = st.sampled_from([
    b"Host: exporter", b"Host: a\0", b"Host:", b"Accept: */*;q=x", b"Accept: " + b"a/b;q=0.1," * 500,
    b"Accept-Encoding: gzip;q=nan", b"Authorization: Basic \xff", b"Authorization: Basic OjpkZA==",
    b"Content-Length: 1", b"Content-Length: -1", b"Content-Length: 1e9", b"Transfer-Encoding: chunked",
    b"Connection: upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x", b"Expect: 100-continue",
    b"If-None-Match: *", b"Origin: https://evil.example", b"X: " + b"x" * 70_000, b" folded",
    b": x", b"\xff: \xff",
])  # fmt: skip
HEADS = st.builds(
    lambda method, path, version, lines: b" ".join((method, path, version)) + b"\r\n" + lines + b"\r\n",
    st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"PRI", b"\xff"]),
    PATHS | st.binary(max_size=12),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b""]),
    st.lists(LINES.map(lambda line: line + b"\r\n"), max_size=5).map(b"".join),
)
REQUESTS = st.lists(HEADS | st.binary(max_size=40), min_size=1, max_size=3).map(b"".join)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=20)
@given(raw=REQUESTS)
@example(raw=b"GET /targets/%ff HTTP/1.1\r\nHost: exporter\r\n\r\n")
def test_any_bytes_get_4xx_at_worst_and_the_next_client_is_served(
    raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()

    async def scenario() -> None:
        sockets = local()
        async with serve(web_app(), sockets):
            async with connected(sockets) as client:
                client.writer.write(raw)
                client.writer.write_eof()
                try:
                    received = await client.reader.read()
                except ConnectionResetError:  # it closed with bytes of ours unread
                    received = b""
            for code in re.findall(rb"^HTTP/1\.1 (\d+)", received):
                assert int(code) < 500, received[:200]
            async with connected(sockets) as client:
                assert (await client.ask(path="/-/ready")).status == 200

    run(scenario())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
