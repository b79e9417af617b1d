"""No provider takes the event loop from the others, whatever it sends and however fast."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from probing.examples import EXPECTATION, SOURCE_URL, STATUS, a_flow
from probing.loopback import Talk, answer, listening, no_tls, resolving, run, says
from probing.visit import visit

from exporter.outcome import Phase, TransportStats
from exporter.probing.connection import MAX_HEAD_BYTES, READ_BYTES
from exporter.probing.contract import check_contract
from exporter.probing.messages import Request
from exporter.probing.timing import Deadline
from exporter.probing.transport import Network, ProbeTransport

if TYPE_CHECKING:
    from harness.certificates import Authority

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HINT = b"HTTP/1.1 103 \r\n\r\n"


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_between_two_turns_of_the_others_little_is_read(*, secure: bool, authority: Authority) -> None:
    body = 100_000
    tls = ssl.create_default_context(cafile=authority.ca_file) if secure else no_tls()

    async def main() -> int:
        turns_of_others = 0

        async def others() -> None:
            nonlocal turns_of_others
            while True:
                turns_of_others += 1
                await asyncio.sleep(0)

        async def behave(talk: Talk) -> None:
            nonlocal turns_of_others
            await talk.hear()
            await talk.say(answer(b"x" * body))
            turns_of_others = 0

        certificate = authority.issue("127.0.0.1").tls if secure else None
        async with listening(behave, tls=certificate) as peer:
            task = asyncio.create_task(others())
            deadline = Deadline(60.0)
            transport = ProbeTransport(
                Network(resolving("127.0.0.1"), TransportStats(), lambda _: ()), deadline, tls
            )
            scheme = "https" if secure else "http"
            exchange = await transport.exchange(Request("GET", f"{scheme}://127.0.0.1:{peer.port}/"))
            seen = turns_of_others
            task.cancel()
            transport.close()
            deadline.close()
            await peer.left_alone()
            assert exchange.answer is not None
            assert len(exchange.answer.body) == body
            return seen

    assert run(main()) >= body // READ_BYTES // 2


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "raw",
    [
        HINT * (MAX_HEAD_BYTES // len(HINT) + 1) + answer(b"{}"),
        HEAD + b"X: y\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["informational responses", "10,000 headers", "one long header"],
)
def test_a_head_that_takes_no_end_is_a_protocol_error(
    raw: bytes, *, secure: bool, authority: Authority
) -> None:
    visited = visit(says(raw), authority=authority if secure else None)
    assert visited.finding == ("protocol", "provider", "processing")
    assert visited.step.http_status_code is None


def test_trailers_without_end_are_a_protocol_error() -> None:
    visited = visit(says(CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X:\r\n" * MAX_HEAD_BYTES))
    assert visited.finding == ("protocol", "provider", "transfer")
    assert visited.step.http_status_code == 200


def test_chunks_of_one_byte_are_too_many_before_they_are_too_large() -> None:
    visited = visit(says(CHUNKED + b"1\r\n \r\n" * 2_001))
    assert visited.finding == ("too_large", "provider", "transfer")


def test_a_body_in_small_chunks_is_read() -> None:
    visited = visit(says(CHUNKED + b"1\r\n \r\n" * 1_900 + b"2\r\n{}\r\n0\r\n\r\n"))
    assert visited.finding == ("not_a_flow", "provider", "transfer")


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_long_head_and_a_long_body_within_the_bounds_are_read(
    *, secure: bool, authority: Authority
) -> None:
    headers = [f"X-{number}: {'y' * 1000}" for number in range(30)]
    visited = visit(
        says(HINT * 50 + answer(b"{}".rjust(250_000), *headers)), authority=authority if secure else None
    )
    assert visited.finding == ("not_a_flow", "provider", "transfer")
    assert Phase.TRANSFER in visited.step.phases


def test_a_link_beyond_ascii_is_not_a_link_and_not_normalized() -> None:
    """Normalising a run of combining marks takes time that grows with its square: 11 s for 240 KB."""
    link = f"{SOURCE_URL}/as/resume?flowId=a\u0300\u0316"
    flow = a_flow(resumeUrl=link)
    assert check_contract(flow, STATUS, EXPECTATION, None)["resume_url"] is False
    assert check_contract(flow | {"resumeUrl": link[:-2]}, STATUS, EXPECTATION, None)["resume_url"] is True
