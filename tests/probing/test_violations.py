"""What a response breaks of HTTP is named as h11 finds it: a new h11 may word it otherwise."""

from __future__ import annotations

import gzip

import pytest
from probing.loopback import says
from probing.visit import visit

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = OK + b"Content-Encoding: gzip\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "violation"),
    [
        (b"nonsense\r\n\r\n", "invalid status line"),
        (b"HTTP/1.1 99 x\r\n\r\n", "invalid status line"),
        (b"\x16\x03\x01\r\n\r\n", "invalid status line"),
        (b"\r\n\r\n\r\n", "blank lines"),
        (b"HTTP/1.1 000 x\r\n\r\n", "invalid status code"),
        (OK + b"no colon\r\n\r\n", "invalid header line"),
        (OK + b"X: a\0b\r\n\r\n", "invalid header line"),
        (OK + b" folded\r\n\r\n", "invalid header line"),
        (OK + b"Content-Length: x\r\n\r\n", "invalid Content-Length"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "several values of Content-Length"),
        (
            OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding other than chunked",
        ),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding other than chunked"),
        (CHUNKED + b"xyz\r\n", "invalid chunk"),
        (CHUNKED + b"1\r\nabc\r\n", "invalid chunk"),
        (
            b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            "101 Switching Protocols, not requested",
        ),
        (OK + b"X: " + b"x" * 70_000, "more than 32 KiB of status line, headers, chunk headers or trailers"),
        (OK + b"Content-Encoding: br\r\n\r\nabc", "Content-Encoding that was not requested"),
        (GZIP + b"abc", "gzip stream broken"),
        (GZIP + gzip.compress(b"{}", mtime=0)[:-9], "gzip stream ended early"),
    ],
)
def test_a_response_that_is_not_http_is_named_by_what_it_breaks(raw: bytes, violation: str) -> None:
    visited = visit(says(raw, then="close"))
    assert visited.finding[:2] == ("protocol", "provider")
    host = f"idp.example:{visited.peer.port}"
    assert visited.outcome.detail == f"response is not valid HTTP: {violation} ({host})"


@pytest.mark.parametrize(
    ("raw", "where"),
    [(b"HTTP/1.1 200 OK\r\nDate", "headers"), (OK + b"Content-Length: 9\r\n\r\nabc", "the body")],
)
def test_a_connection_that_ends_within_a_response_is_named_by_where(raw: bytes, where: str) -> None:
    visited = visit(says(raw, then="close"))
    assert visited.outcome.detail == (
        f"closed by peer while reading {where} (idp.example:{visited.peer.port})"
    )
