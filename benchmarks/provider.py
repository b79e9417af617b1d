"""Run a provider over TLS that knows how long it took to answer each request.

The bench compares what an exporter reports with what this process measured. It takes the time at which a
request arrived from the kernel (SO_TIMESTAMPNS), and it is cheap, so that it is not what is measured. It
answers every request with a healthy flow after a fixed wait.

It prints its port, then reads commands from standard input, one a line, and answers each with one line of
JSON: `count` (requests answered so far) and `records` (see `Record`, by probe; forgotten afterwards).
"""

from __future__ import annotations

import argparse
import gc
import heapq
import json
import re
import select
import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

ENVIRONMENT = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
HOSTS = tuple(f"127.0.0.{number}" for number in range(1, 6))
"""Where it listens: five hosts, because an exporter spaces the first probes of one host."""

_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("qq")
_MAX_READ_BYTES = 16 * 1024
_FLOW_ID = "03cf5c5a-eb10-4a99-9626-ad7b50f17c80"
_HOST = re.compile(rb"\r\nhost: *(\S+)", re.IGNORECASE)
_PROBE_ID = re.compile(rb"x-ping-external-transaction-id: *(\S+)|[?&]probe=([\w-]+)", re.IGNORECASE)


class Record(NamedTuple):
    """What the provider knows about one request.

    Args:
        arrived: when the kernel received its last byte, seconds since the epoch.
        seconds: from then until just before the response was sent.
    """

    arrived: float
    seconds: float


class Connection:
    """One TLS connection, without an event loop between the kernel and the time that is taken."""

    __slots__ = (
        "_incoming",
        "_outgoing",
        "_request",
        "_shaken",
        "_tls",
        "arrived",
        "host",
        "probe",
        "socket",
    )

    def __init__(self, accepted: socket.socket, context: ssl.SSLContext) -> None:
        self.socket = accepted
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False
        self._request = b""
        self.arrived = 0
        self.host = self.probe = ""

    def receive(self) -> bool:
        """Read what has arrived; return whether a request is complete. Raises OSError at the end."""
        data, ancillary, _, _ = self.socket.recvmsg(_MAX_READ_BYTES, 64)
        if not data:
            raise ConnectionResetError
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _STAMP.unpack(value)
                self.arrived = seconds * 1_000_000_000 + nanoseconds
        self._incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            self._request += self._tls.read(_MAX_READ_BYTES)
        if self._outgoing.pending:
            self.socket.send(self._outgoing.read())
        if not self._request.endswith(b"\r\n\r\n"):
            return False
        found = _PROBE_ID.search(self._request)
        self.probe = "" if found is None else (found[1] or found[2]).decode()
        host = _HOST.search(self._request)
        self.host = "" if host is None else host[1].decode()
        self._request = b""
        return True

    def send(self) -> Record:
        """Send the response and return how long it took until then."""
        self._tls.write(response(self.host))
        encrypted = self._outgoing.read()
        before = time.time_ns()
        self.socket.send(encrypted)
        return Record(self.arrived / 1e9, (before - self.arrived) / 1e9)


class Server:
    """An event loop over epoll that does nothing else.

    Args:
        listeners: sockets that listen.
        context: with the certificate.
        wait: seconds between a request and its response.
    """

    def __init__(self, listeners: list[socket.socket], context: ssl.SSLContext, wait: float) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._context = context
        self._wait = wait
        self._connections: dict[int, Connection] = {}
        self._due: list[tuple[float, int, Connection]] = []
        self._records: dict[str, Record] = {}
        self._answered = 0
        self._epoll = select.epoll()

    def serve(self) -> None:
        """Serve until standard input ends."""
        for descriptor in (*self._listeners, sys.stdin.fileno()):
            self._epoll.register(descriptor, select.EPOLLIN)
        while True:
            timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1
            for descriptor, _ in self._epoll.poll(timeout):
                if descriptor in self._listeners:
                    self._accept(self._listeners[descriptor])
                elif descriptor in self._connections:
                    self._receive(self._connections[descriptor])
                elif not self._command(sys.stdin.readline().strip()):
                    return
            while self._due and self._due[0][0] <= time.monotonic():
                self._answer(heapq.heappop(self._due)[2])

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                accepted, _ = listener.accept()
                accepted.settimeout(0)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[accepted.fileno()] = Connection(accepted, self._context)
                self._epoll.register(accepted.fileno(), select.EPOLLIN)

    def _receive(self, connection: Connection) -> None:
        try:
            if connection.receive():
                due = time.monotonic() + self._wait
                heapq.heappush(self._due, (due, connection.socket.fileno(), connection))
        except OSError:
            del self._connections[connection.socket.fileno()]
            connection.socket.close()

    def _answer(self, connection: Connection) -> None:
        with suppress(OSError):  # the client gave up
            self._records[connection.probe] = connection.send()
            self._answered += 1

    def _command(self, command: str) -> bool:
        if command == "count":
            print(self._answered, flush=True)
        elif command == "records":
            print(json.dumps(self._records), flush=True)
            self._records.clear()
        return bool(command)


@lru_cache
def response(host: str) -> bytes:
    """Return a healthy flow of this host, shaped like PingOne's."""
    base = f"https://{host}/{ENVIRONMENT}"
    links = ("usernamePassword.check", "password.forgot", "self")
    body = json.dumps(
        {
            "_links": {name: {"href": f"{base}/flows/{_FLOW_ID}"} for name in links},
            "_embedded": {"application": {"name": "SourceApp_1776714341"}},
            "id": _FLOW_ID,
            "environment": {"id": ENVIRONMENT},
            "resumeUrl": f"{base}/as/resume?flowId={_FLOW_ID}",
            "status": "USERNAME_PASSWORD_REQUIRED",
            "createdAt": "2026-04-20T19:54:09.271Z",
            "expiresAt": "2026-04-20T20:09:09.271Z",
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def listen() -> list[socket.socket]:
    """Listen on the same free port of every host, with timestamps that accepted sockets inherit."""
    listeners: list[socket.socket] = []
    for host in HOSTS:
        port = listeners[0].getsockname()[1] if listeners else 0
        listener = socket.create_server((host, port), backlog=4096)
        listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        listener.settimeout(0)
        listeners.append(listener)
    return listeners


def main() -> None:
    """Print the port and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--wait", type=float, default=0.02)
    arguments = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate)
    context.num_tickets = 0
    listeners = listen()
    print(listeners[0].getsockname()[1], flush=True)
    gc.disable()  # records are bounded by the run
    Server(listeners, context, arguments.wait).serve()


if __name__ == "__main__":
    main()
