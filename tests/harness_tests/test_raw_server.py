"""Each way of breaking the rules below HTTP looks to a client as it is meant to."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from harness import raw_server as raw

if TYPE_CHECKING:
    from harness.factory import Factory

REQUEST = b"GET / HTTP/1.1\r\n\r\n"
A_MOMENT = 0.05
"""Seconds that a client listens for what must not come; too short a one only weakens the test."""


def connect(server: raw.RawServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def test_close_at_once_ends_the_stream(raw_server: Factory[..., raw.RawServer]) -> None:
    with connect(raw_server(raw.close_at_once)) as client:
        assert client.recv(1) == b""


def test_reset_at_once_resets(raw_server: Factory[..., raw.RawServer]) -> None:
    server = raw_server(raw.reset_at_once)
    # The reset may overtake the client at any of the three calls.
    with pytest.raises(ConnectionResetError), connect(server) as client:
        client.recv(1)


def test_close_after_request_waits_for_the_request(raw_server: Factory[..., raw.RawServer]) -> None:
    with connect(raw_server(raw.close_after_request)) as client:
        client.settimeout(A_MOMENT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        client.sendall(REQUEST)
        assert client.recv(1) == b""


def test_reset_after_request_waits_for_the_request(raw_server: Factory[..., raw.RawServer]) -> None:
    with connect(raw_server(raw.reset_after_request)) as client:
        client.settimeout(A_MOMENT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        client.sendall(REQUEST)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.parametrize("behaviour", [raw.silent, raw.mute])
def test_silence_lasts_until_the_server_stops(
    behaviour: raw.Behaviour, raw_server: Factory[..., raw.RawServer]
) -> None:
    server = raw_server(behaviour)
    with connect(server) as client:
        client.sendall(REQUEST)
        client.settimeout(A_MOMENT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            connect(server)


def test_a_mute_server_never_ends_a_handshake(raw_server: Factory[..., raw.RawServer]) -> None:
    with connect(raw_server(raw.mute)) as client:
        client.settimeout(A_MOMENT)
        with pytest.raises(TimeoutError, match="handshake"):
            ssl.create_default_context().wrap_socket(client, server_hostname="localhost")


def test_garbage_is_sent_whole_before_the_connection_closes(raw_server: Factory[..., raw.RawServer]) -> None:
    server = raw_server(raw.says(b"\x00\xff" * 100_000, after_request=False))
    with connect(server) as client:
        client.sendall(REQUEST)
        assert b"".join(iter(lambda: client.recv(65536), b"")) == b"\x00\xff" * 100_000


def test_a_behaviour_can_be_changed_while_the_server_runs(raw_server: Factory[..., raw.RawServer]) -> None:
    server = raw_server(raw.close_at_once)
    server.behaviour = raw.says(b"hello", after_request=False)
    with connect(server) as client:
        assert client.recv(5) == b"hello"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE"),
        (raw.HANDSHAKE_FAILURE, "HANDSHAKE_FAILURE"),
    ],
)
def test_a_tls_client_recognises_plaintext_and_refusal(
    said: bytes, found: str, raw_server: Factory[..., raw.RawServer]
) -> None:
    with connect(raw_server(raw.says(said))) as client, pytest.raises(ssl.SSLError, match=found):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")


def test_a_full_backlog_neither_accepts_nor_refuses(full_backlog: raw.FullBacklog) -> None:
    with pytest.raises(TimeoutError):
        socket.create_connection((full_backlog.host, full_backlog.port), timeout=A_MOMENT)
    full_backlog.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((full_backlog.host, full_backlog.port), timeout=10)


def test_connections_that_come_while_stopping_are_closed(raw_server: Factory[..., raw.RawServer]) -> None:
    server = raw_server(raw.silent)
    clients = [connect(server) for _ in range(50)]
    server.stop()  # some of them are not accepted yet; a socket lost here would be a ResourceWarning
    for client in clients:
        client.close()
    assert server.failures == []
