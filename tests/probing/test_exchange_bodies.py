"""What HTTP allows is read, and no more of it than may count."""

from __future__ import annotations

import gzip
import json
import random
from typing import TYPE_CHECKING

import pytest
from probing.examples import a_flow
from probing.loopback import Talk, answer, says
from probing.visit import visit

from exporter.outcome import Phase
from exporter.probing.messages import MAX_BODY_BYTES

if TYPE_CHECKING:
    from harness.certificates import Authority

FLOW = json.dumps(a_flow()).encode()
GOOD = answer(FLOW)
OK = ("ok", "none", "transfer")
BROKEN_BODY = ("protocol", "provider", "transfer")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 20 + GOOD,
        b"HTTP/1.0 200 OK\r\n\r\n" + FLOW,
        b"HTTP/1.1 200\r\n\r\n" + FLOW,
        CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(FLOW), FLOW),
        answer(gzip.compress(FLOW), "Content-Encoding: gzip"),
        answer(FLOW, "Content-Encoding: identity", "Content-Type: text/html; charset=nonsense", "X: \xff"),
    ],
    ids=["100", "103s", "HTTP/1.0", "no phrase", "chunked", "gzip", "odd headers"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_all_that_http_allows_is_read(raw: bytes, *, secure: bool, authority: Authority) -> None:
    visited = visit(says(raw, then="close"), authority=authority if secure else None)
    assert visited.finding == OK
    assert set(visited.step.phases) == set(Phase) - (set() if secure else {Phase.TLS})
    assert all(seconds >= 0 for seconds in visited.step.phases.values())


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (FLOW, "gzip"),
        (FLOW, "br"),
        (gzip.compress(FLOW)[:-1], "gzip"),
        (gzip.compress(gzip.compress(FLOW)), "gzip, gzip"),
    ],
    ids=["not gzip", "br", "cut short", "twice"],
)
def test_a_body_that_cannot_be_decoded_is_a_protocol_error_with_its_code(body: bytes, encoding: str) -> None:
    visited = visit(says(answer(body, f"Content-Encoding: {encoding}", status="403 Forbidden")))
    assert visited.finding == BROKEN_BODY
    assert visited.step.http_status_code == 403


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    written = 0

    async def flood(talk: Talk) -> None:
        nonlocal written
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await talk.say(b" " * 65536)
            written += 65536

    visited = visit(flood)
    assert visited.finding == ("too_large", "provider", "transfer")
    assert visited.step.http_status_code == 200
    assert written >= MAX_BODY_BYTES


@pytest.mark.parametrize(("excess", "reason"), [(0, "ok"), (1, "too_large")])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_limit_of_a_body_is_256_kib_decoded(excess: int, reason: str, encoding: str) -> None:
    filling = random.Random(1).randbytes(MAX_BODY_BYTES // 2).hex()
    empty = json.dumps(a_flow(filling="")).encode()
    body = json.dumps(a_flow(filling=filling[len(empty) :] + "x" * excess)).encode()
    assert len(body) == MAX_BODY_BYTES + excess
    raw = gzip.compress(body) if encoding == "gzip" else body
    assert visit(says(answer(raw, f"Content-Encoding: {encoding}"))).outcome.reason == reason
