"""No provider takes the event loop from the others, whatever it sends and however fast."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from probing.examples import EXPECTATION, SOURCE_URL, STATUS, a_flow
from probing.loopback import answer, run, says
from probing.visit import visit

from exporter.outcome import Phase
from exporter.probing.contract import check_contract
from exporter.probing.pace import LONGEST_WAIT, READ_SIZE, Pace

if TYPE_CHECKING:
    from harness.certificates import Authority

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HINT = b"HTTP/1.1 103 \r\n\r\n"


class Full(httpcore.AsyncNetworkStream):
    """Has everything at hand, and so never gives anybody else a turn."""

    def __init__(self, data: bytes) -> None:
        self.left = deque(data)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109  httpcore's signature
        return bytes(self.left.popleft() for _ in range(min(max_bytes, len(self.left))))

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002  httpcore's signature
        server_hostname: str | None = None,  # noqa: ARG002  likewise
        timeout: float | None = None,  # noqa: ARG002, ASYNC109  likewise
    ) -> Full:
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  httpcore's signature
        return info


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_between_two_turns_of_the_others_little_is_read(*, secure: bool) -> None:
    async def main() -> None:
        pace = Pace(Full(b"x" * LONGEST_WAIT))
        if secure:
            pace = await pace.start_tls(ssl.create_default_context())
        read = 0
        seen: list[int] = []

        async def others() -> None:
            while True:
                seen.append(read)
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        while data := await pace.read(64 * 1024):
            read += len(data)
        task.cancel()
        assert read == LONGEST_WAIT
        assert seen == [*range(0, LONGEST_WAIT, READ_SIZE)]

    run(main())


def test_a_usual_answer_waits_for_nobody() -> None:
    async def main() -> None:
        turns: list[None] = []
        asyncio.get_running_loop().call_soon(turns.append, None)
        assert await Pace(Full(b"x" * 900)).read(64 * 1024) == b"x" * 900
        assert turns == []

    run(main())


def test_what_goes_on_may_go_on() -> None:
    async def main() -> None:
        pace = Pace(Full(b"x" * (2 * LONGEST_WAIT + 1)))
        for _ in range(2 * LONGEST_WAIT // READ_SIZE):
            assert await pace.read(READ_SIZE)
            pace.went_on()
        assert await pace.read(READ_SIZE) == b"x"

    run(main())


def test_httpcore_is_told_what_it_asks_of_a_connection() -> None:
    assert Pace(Full(b"")).get_extra_info("ssl_object") == "ssl_object"


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "raw",
    [
        HINT * (LONGEST_WAIT // len(HINT) + 1) + answer(b"{}"),
        HEAD + b"X: y\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
        HEAD + b"X: " + b"y" * LONGEST_WAIT + b"\r\nContent-Length: 2\r\n\r\n{}",
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
    visited = visit(says(CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X:\r\n" * LONGEST_WAIT))
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


def test_a_link_beyond_ascii_is_no_link_and_is_not_normalised() -> None:
    """Normalising a run of combining marks takes time that grows with its square: 11 s for 240 KB."""
    link = f"{SOURCE_URL}/as/resume?flowId=a\u0300\u0316"
    flow = a_flow(resumeUrl=link)
    assert check_contract(flow, STATUS, EXPECTATION)["resume_url"] is False
    assert check_contract(flow | {"resumeUrl": link[:-2]}, STATUS, EXPECTATION)["resume_url"] is True
