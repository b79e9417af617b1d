"""The scripted server does what it was told, and tells what it saw."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.http_messages import Answer, Request, drip, flood, json_answer
from harness.http_server import HttpServer

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.factory import Factory

ENVIRONMENT = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"


def exchange(server: HttpServer, sent: bytes) -> bytes:
    """Send raw bytes and return all that comes back until the server closes."""
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_an_answer_is_exactly_the_bytes_it_was_told(http_server: Factory[..., HttpServer]) -> None:
    answer = Answer(status=599, headers=(("A", "1"), ("A", "2")), body=b"\x00\xff", close=True)
    server = http_server(answer)
    assert (
        exchange(server, b"GET / HTTP/1.1\r\n\r\n") == b"HTTP/1.1 599 Unknown\r\nA: 1\r\nA: 2\r\n\r\n\x00\xff"
    )
    server.always(Answer(raw=b"anything", close=True))
    assert exchange(server, b"GET / HTTP/1.1\r\n\r\n") == b"anything"


def test_head_and_body_arrive_apart_when_there_is_a_pause(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(Answer(headers=(("Content-Length", "2"),), body=b"{}", pause=3600.0))
    with httpx.Client(trust_env=False) as client, client.stream("GET", server.base_url) as response:
        assert response.status_code == 200  # the head alone; the body would come in an hour


def test_a_request_is_recorded_as_it_was_sent(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(Answer(close=True))
    before = time.monotonic()
    exchange(
        server, b"POST /a%2Fb?x=1&x=%20 HTTP/1.1\r\nHost: h\r\nb: 2\r\nB:3 \r\ncontent-length: 3\r\n\r\nxyz"
    )
    (request,) = server.requests
    assert (request.method, request.target, request.path) == ("POST", "/a%2Fb?x=1&x=%20", "/a%2Fb")
    assert request.query == (("x", "1"), ("x", " "))
    assert request.headers == (("Host", "h"), ("b", "2"), ("B", "3"), ("content-length", "3"))
    assert request.body == b"xyz"
    assert request.header("host") == "h"
    assert request.header("absent") is None
    with pytest.raises(LookupError, match="sent 2 times"):
        request.header("b")
    assert request.answered_at is not None
    assert before <= request.received_at <= request.answered_at <= time.monotonic()


def test_connections_are_told_apart(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(json_answer({}))
    with httpx.Client(trust_env=False) as kept:
        kept.get(server.base_url)
        kept.get(server.base_url)
        httpx.get(server.base_url, trust_env=False)
    assert [request.connection for request in server.requests] == [1, 1, 2]
    assert server.connections == 2


def test_queued_scripts_are_used_once_and_then_the_standing_one(
    http_server: Factory[..., HttpServer],
) -> None:
    server = http_server(json_answer({}, status=200))
    server.then(json_answer({}, status=500), json_answer({}, status=503))
    with httpx.Client(trust_env=False) as client:
        assert [client.get(server.base_url).status_code for _ in range(4)] == [500, 503, 200, 200]
        server.then(json_answer({}, status=500))
        server.always(json_answer({}, status=204))
        assert client.get(server.base_url).status_code == 204


def test_without_a_script_the_server_answers_with_a_fresh_flow_of_the_environment_asked(
    http_server: Factory[..., HttpServer],
) -> None:
    server = http_server()
    flows = [httpx.get(f"{server.base_url}/{ENVIRONMENT}/as/authorize", trust_env=False).json() for _ in "ab"]
    assert flows[0]["environment"]["id"] == ENVIRONMENT
    assert flows[0]["_links"]["self"]["href"] == f"{server.base_url}/{ENVIRONMENT}/flows/{flows[0]['id']}"
    assert flows[0]["id"] != flows[1]["id"]


def test_a_stopped_server_refuses_and_a_started_one_has_the_same_port(
    http_server: Factory[..., HttpServer],
) -> None:
    server = http_server(json_answer({}))
    port = server.port
    with socket.create_connection((server.host, port), timeout=10) as kept:
        server.stop()
        with suppress(ConnectionResetError):
            assert kept.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, port), timeout=10)
    server.start()
    assert server.port == port
    assert httpx.get(server.base_url, trust_env=False).status_code == 200
    with pytest.raises(RuntimeError, match=f"already listening on port {port}"):
        server.start()


def test_stopping_does_not_wait_for_answers_under_way(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(Answer(delay=3600.0))
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        (request,) = server.wait_for_requests(1)
        server.stop()
    assert request.answered_at is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("port ")]


def test_waiting_for_requests_that_do_not_come_says_how_many_came(
    http_server: Factory[..., HttpServer],
) -> None:
    server = http_server(json_answer({}))
    httpx.get(server.base_url, trust_env=False)
    with pytest.raises(AssertionError, match=r"1 requests came in 0\.01 s, not 2"):
        server.wait_for_requests(2, timeout=0.01)


def test_a_dripped_answer_is_whole_in_the_end(http_server: Factory[..., HttpServer]) -> None:
    answer = json_answer({"a": 1})
    server = http_server(drip(answer.head() + answer.body, every=0.0, at_once=10))
    assert httpx.get(server.base_url, trust_env=False).json() == {"a": 1}


def test_a_flood_goes_on_until_the_client_hangs_up(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(flood(b"HTTP/1.1 103 Early Hints\r\n\r\n", first=b"HTTP/1.1 100 Continue\r\n\r\n"))
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        seen = 0
        while seen < 1_000_000:
            seen += len(client.recv(65536))
    assert server.requests[0].answered_at is None


def test_a_broken_script_is_no_silent_hang_up() -> None:
    async def broken(_: Request, __: asyncio.StreamWriter) -> None:
        raise ValueError("a mistake in the test")

    server = HttpServer(broken)
    server.start()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.base_url, trust_env=False)
    with pytest.raises(AssertionError, match="a mistake in the test"):
        server.__exit__(None, None, None)


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_a_request_that_is_not_http_is_a_failure(sent: bytes) -> None:
    server = HttpServer()
    server.start()
    assert exchange(server, sent) == b""
    with pytest.raises(AssertionError, match="ValueError"):
        server.__exit__(None, None, None)


def test_a_client_that_leaves_in_the_middle_is_no_failure(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(Answer(body=b"x" * 10_000_000))
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHo")
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        server.wait_for_requests(1)
    server.stop()
    assert server.failures == []


def test_https_is_spoken_with_a_certificate(
    http_server: Factory[..., HttpServer], authority: Authority
) -> None:
    server = http_server(tls=authority.good().tls, name="localhost")
    assert server.base_url.startswith("https://localhost:")
    trust = ssl.create_default_context(cafile=authority.ca_file)
    with httpx.Client(verify=trust, trust_env=False) as client:
        response = client.get(f"{server.base_url}/{ENVIRONMENT}/as/authorize")
    assert response.json()["status"] == "USERNAME_PASSWORD_REQUIRED"


def test_a_handshake_under_way_does_not_keep_the_server_from_stopping(
    http_server: Factory[..., HttpServer], authority: Authority
) -> None:
    server = http_server(tls=authority.good().tls)
    with socket.create_connection((server.host, server.port), timeout=10) as client:
        client.sendall(b"\x16\x03\x01")  # the start of a hello
        while server.connections == 0:
            time.sleep(0.01)
        server.stop()
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_ipv6_is_listened_on(http_server: Factory[..., HttpServer]) -> None:
    server = http_server(json_answer({}), host="::1")
    assert server.base_url == f"http://[::1]:{server.port}"
    assert httpx.get(server.base_url, trust_env=False).status_code == 200
