"""HTTP/1.1 over real sockets, as clients speak it well or badly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from simulator.examples import CONNECTIONS, ENVIRONMENT_ID, REQUESTS, connect, exchange

if TYPE_CHECKING:
    from simulator.conftest import Client

JWKS = f"/{ENVIRONMENT_ID}/as/jwks"
GET = f"GET {JWKS} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
CLOSE = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
OK = b"HTTP/1.1 200 OK\r\n"
POST = f"POST /{ENVIRONMENT_ID}/flows/{ENVIRONMENT_ID} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\n"
"""The answer to that flow, once the whole request was read."""


def test_requests_follow_each_other_on_one_connection_even_when_sent_at_once(client: Client) -> None:
    assert exchange(client.environment.port, GET + GET + CLOSE).count(OK) == 3


def test_a_request_may_arrive_byte_by_byte(client: Client) -> None:
    received = exchange(client.environment.port, *(CLOSE[i : i + 1] for i in range(len(CLOSE))))
    assert received.startswith(OK)


def test_the_response_to_head_has_the_length_and_no_body(client: Client) -> None:
    received = exchange(client.environment.port, CLOSE.replace(b"GET", b"HEAD"))
    length = len(client.get("/as/jwks").content)
    assert f"content-length: {length}\r\n".encode() in received
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("framing", "parts"),
    [
        (b"Content-Length: 5", (b"he", b"llo")),
        (b"Transfer-Encoding: chunked", (b"2\r\nhe\r\n3\r\nllo\r\n", b"0\r\n\r\n")),
        (b"Content-Length: 65536", (b"x" * 65_536,)),
    ],
)
def test_a_body_is_read_whole(client: Client, framing: bytes, parts: tuple[bytes, ...]) -> None:
    assert exchange(client.environment.port, POST + framing + b"\r\n\r\n", *parts).startswith(NOT_FOUND)


def test_a_body_over_the_limit_is_rejected_and_an_endless_one_before_its_end(client: Client) -> None:
    received = exchange(client.environment.port, POST + b"Content-Length: 65537\r\n\r\n", b"x" * 65_537)
    assert received.startswith(b"HTTP/1.1 413 ")
    with connect(client.environment.port) as endless:
        endless.sendall(POST + b"Content-Length: 1000000000\r\n\r\n" + b"x" * (1024 * 1024 + 1))
        assert endless.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_waits_for_100_continue_gets_it(client: Client) -> None:
    with connect(client.environment.port) as waiting:
        waiting.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        assert waiting.recv(65536).startswith(b"HTTP/1.1 100 ")
        waiting.sendall(b"x")
        assert waiting.recv(65536).startswith(NOT_FOUND)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000, 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n", 400),
    ],
)
def test_anything_but_http_is_rejected_and_not_a_request(client: Client, sent: bytes, status: int) -> None:
    before = REQUESTS[client.environment]
    with connect(client.environment.port) as speaker:
        speaker.sendall(sent)
        assert speaker.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())
    assert REQUESTS[client.environment] == before


def test_a_client_that_disconnects_at_any_point_disturbs_no_other(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    before = CONNECTIONS[client.environment.port]
    for sent in (b"", b"GET / HT", POST + b"Content-Length: 9\r\n\r\nhalf"):
        exchange(client.environment.port, sent, half_close=True)
    assert exchange(client.environment.port, CLOSE).startswith(OK)
    assert CONNECTIONS[client.environment.port] == before + 4
    assert caplog.records == []


def test_a_bug_in_an_answer_is_logged_and_ends_its_request_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("exporter.simulator.provider.Provider.answer", broken)
    assert exchange(client.environment.port, CLOSE).startswith(b"HTTP/1.1 500 ")
    monkeypatch.undo()
    assert exchange(client.environment.port, CLOSE).startswith(OK)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
