"""The scripted server sends the bytes of its script, and records what it received."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.http_messages import Answer, Request, json_answer, resets, sends
from harness.http_server import HttpServer
from harness.waiting import PATIENCE

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.factory import Factory

REQUEST = b"GET / HTTP/1.1\r\n\r\n"


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def exchange(server: HttpServer, sent: bytes) -> bytes:
    """Send raw bytes and return everything until the server closes."""
    with connect(server) as client:
        client.sendall(sent)
        return read_all(client)


def test_an_answer_is_exactly_its_bytes(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(Answer(status=599, headers=(("A", "1"), ("A", "2")), body=b"\x00\xff", close=True))
    assert exchange(server, REQUEST) == b"HTTP/1.1 599 Unknown\r\nA: 1\r\nA: 2\r\n\r\n\x00\xff"
    server.always(Answer(raw=b"anything", close=True))
    assert exchange(server, REQUEST) == b"anything"
    server.always(resets(b""))
    with pytest.raises(ConnectionResetError):
        exchange(server, REQUEST)


def test_a_request_is_recorded_as_it_was_sent(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(Answer(close=True))
    head = b"POST /a%2Fb?x=1&x=%20 HTTP/1.1\r\nHost: h\r\nb: 2\r\nB:3 \r\ncontent-length: 3\r\n\r\n"
    before = time.monotonic()
    exchange(server, head + b"xyz")
    (request,) = server.requests
    assert (request.head, request.body, request.connection) == (head, b"xyz", 1)
    assert (request.method, request.target, request.path) == ("POST", "/a%2Fb?x=1&x=%20", "/a%2Fb")
    assert request.query == (("x", "1"), ("x", " "))
    assert request.headers == (("Host", "h"), ("b", "2"), ("B", "3"), ("content-length", "3"))
    assert (request.header("host"), request.header("absent")) == ("h", None)
    with pytest.raises(LookupError, match="sent 2 times"):
        request.header("b")
    assert request.answered_at is not None
    assert before <= request.received_at <= request.answered_at <= time.monotonic()


def test_queued_scripts_are_used_once_and_connections_are_numbered(
    http_server: Factory[..., HttpServer],
) -> None:
    server = http_server(json_answer({}))
    server.then(json_answer({}, status=500), json_answer({}, status=503))
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        assert [client.get(server.base_url).status_code for _ in range(4)] == [500, 503, 200, 200]
        server.then(json_answer({}, status=500))
        server.always(json_answer({}, status=204))
        assert client.get(server.base_url).status_code == 204
        httpx.get(server.base_url, trust_env=False, timeout=PATIENCE)
    assert [request.connection for request in server.requests] == [1, 1, 1, 1, 1, 2]
    assert server.connections == 2


def test_a_stopped_server_refuses_and_a_started_one_has_the_same_port(
    http_server: Factory[..., HttpServer],
) -> None:
    server = http_server(json_answer({}))
    port = server.port
    with connect(server) as kept:
        server.stop()
        with suppress(ConnectionResetError):
            assert kept.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(server)
    server.start()
    assert server.port == port
    assert httpx.get(server.base_url, trust_env=False, timeout=PATIENCE).status_code == 200
    with pytest.raises(RuntimeError, match=f"already listening on port {port}"):
        server.start()


def test_stopping_waits_neither_for_answers_nor_for_handshakes(
    http_server: Factory[..., HttpServer], authority: Authority
) -> None:
    slow, tls = http_server(Answer(delay=3600.0)), http_server(tls=authority.good().tls)
    clients = [connect(slow), connect(tls), *(connect(slow) for _ in range(50))]
    clients[0].sendall(REQUEST)
    clients[1].sendall(b"\x16\x03\x01")  # the start of a hello
    (request,) = slow.wait_for_requests(1)
    slow.stop()  # some connections are not accepted yet; a lost socket would be a ResourceWarning
    tls.stop()
    for client in clients:
        client.close()
    assert request.answered_at is None
    assert not slow.failures + tls.failures
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("port ")]


def test_waiting_for_requests_in_vain_reports_how_many_came(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(json_answer({}))
    httpx.get(server.base_url, trust_env=False, timeout=PATIENCE)
    with pytest.raises(AssertionError, match=r"1 requests came in 0\.01 s, not 2"):
        server.wait_for_requests(2, timeout=0.01)


async def broken(_: Request, __: asyncio.StreamWriter) -> None:
    raise ValueError("an error in the test")


@pytest.mark.parametrize(
    ("sent", "failure"),
    [
        (REQUEST, "an error in the test"),
        (b"nonsense\r\n\r\n", "ValueError"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "ValueError"),
    ],
)
def test_a_broken_script_or_request_is_reported_at_the_end(sent: bytes, failure: str) -> None:
    server = HttpServer(broken)
    server.start()
    assert exchange(server, sent) == b""
    with pytest.raises(AssertionError, match=failure):
        server.__exit__(None, None, None)


def test_it_runs_in_the_test_s_own_loop_and_knows_when_its_clients_have_left() -> None:
    async def main() -> None:
        async with HttpServer(json_answer({"a": 1})) as server:
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                assert (await client.get(server.base_url)).json() == {"a": 1}
            await server.until_disconnected(1)
            assert len(server.requests) == 1

    asyncio.run(main())


def test_garbage_is_sent_whole_and_a_behavior_can_be_changed(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(behavior=sends(b"\x00\xff" * 100_000, after_request=False))
    assert exchange(server, REQUEST) == b"\x00\xff" * 100_000
    server.behavior = sends(b"hello")
    assert exchange(server, REQUEST) == b"hello"


def test_its_port_is_its_own_until_the_block_ends() -> None:
    with HttpServer() as server:
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", server.port))
        server.start()
        connect(server).close()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", server.port))
        other.listen()
