"""HTTP/1.1 over real sockets as clients speak it, and the two misdeeds."""

from __future__ import annotations

import asyncio
import logging

import pytest
from simulator.desk import exchange
from simulator.line import CLOSE, GET, Recorder, listening, talk

from exporter.simulator.message import Misdeed, Reply, Request, text_reply
from exporter.simulator.wire import BODY_LIMIT

# HTTP


def test_requests_follow_each_other_on_one_connection_also_when_sent_at_once() -> None:
    recorder = Recorder()
    received = talk(recorder, GET + GET + CLOSE)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert [(each.path, each.query) for each in recorder.requests] == [("/a", "b=c")] * 2 + [("/last", "")]
    assert received.endswith(b"Content-Length: 9\r\nConnection: close\r\n\r\nGET /last")


def test_a_request_may_arrive_byte_by_byte() -> None:
    recorder = Recorder()
    assert talk(recorder, *(CLOSE[i : i + 1] for i in range(len(CLOSE)))).endswith(b"GET /last")


def test_the_answer_to_head_has_the_length_and_no_body() -> None:
    received = talk(Recorder(), CLOSE.replace(b"GET", b"HEAD"))
    assert b"Content-Length: 10\r\n" in received
    assert received.endswith(b"\r\n\r\n")


def test_the_absolute_form_of_a_target_is_read_like_the_usual_one() -> None:
    recorder = Recorder()
    talk(recorder, b"GET http://host:1/a/b?c=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (recorder.requests[0].path, recorder.requests[0].query) == ("/a/b", "c=d")


def test_a_body_is_handed_on_whole_and_headers_in_lower_case() -> None:
    recorder = Recorder()
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nX-Thing: Value\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
    talk(recorder, head, b"he", b"llo")
    assert (recorder.requests[0].body, recorder.requests[0].whole) == (b"hello", True)
    assert recorder.requests[0].header("x-thing") == "Value"


def test_a_body_in_chunks_is_put_together() -> None:
    recorder = Recorder()
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    talk(recorder, head, b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
    assert recorder.requests[0].body == b"hello"


def test_a_client_that_waits_for_leave_to_send_its_body_is_given_it() -> None:
    head = (
        b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    )

    async def scenario() -> tuple[bytes, bytes]:
        async with listening(Recorder()) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(head)
            leave = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"x")
            received = await reader.read()
            writer.close()
            await writer.wait_closed()
            return leave, received

    leave, received = asyncio.run(scenario())
    assert leave.startswith(b"HTTP/1.1 100 ")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("extra", "whole"), [(0, True), (1, False)])
def test_a_body_over_the_limit_is_read_but_not_kept(extra: int, whole: bool) -> None:  # noqa: FBT001  a case
    recorder = Recorder()
    length = BODY_LIMIT + extra
    head = f"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n".encode()
    assert b" 200 OK" in talk(recorder, head + b"x" * length)
    assert (len(recorder.requests[0].body), recorder.requests[0].whole) == (BODY_LIMIT, whole)


def test_a_body_without_end_is_answered_before_it_ends() -> None:
    recorder = Recorder()
    head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"

    async def scenario() -> bytes:
        async with listening(recorder) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(head + b"x" * (1024 * 1024 + 1))
            status = await reader.readline()
            writer.transport.abort()
            return status

    assert asyncio.run(scenario()) == b"HTTP/1.1 200 OK\r\n"
    assert not recorder.requests[0].whole


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000, 431),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n", 501),
    ],
)
def test_what_is_no_http_is_told_so_and_nobody_is_asked(sent: bytes, status: int) -> None:
    recorder = Recorder()
    assert talk(recorder, sent, half_close=True).startswith(f"HTTP/1.1 {status} ".encode())
    assert recorder.requests == []


def test_a_code_that_nobody_has_registered_is_sent_all_the_same() -> None:
    async def respond(_: Request) -> Reply:
        return Reply(status=599)

    assert talk(respond, CLOSE).startswith(b"HTTP/1.1 599 Unknown\r\n")


def test_a_client_that_leaves_without_a_word_or_in_the_middle_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> list[Request]:
        recorder = Recorder()
        async with listening(recorder) as listener:
            for sent in (b"", b"GET / HT", b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"):
                await exchange(listener.port, sent, half_close=True)
            await exchange(listener.port, CLOSE)
            assert listener.accepted == 4
        return recorder.requests

    assert [request.path for request in asyncio.run(scenario())] == ["/last"]
    assert caplog.records == []


def test_a_client_that_takes_too_long_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.simulator.wire.IDLE_SECONDS", 0.01)
    assert talk(Recorder(), b"GET / HTTP/1.1\r\n") == b""


# Misdeeds


def test_reset_comes_after_the_request_was_read_and_before_any_answer() -> None:
    recorder = Recorder(Misdeed.RESET)
    with pytest.raises(ConnectionResetError):
        talk(recorder, GET)
    assert len(recorder.requests) == 1


def test_silence_lasts_until_the_client_gives_up() -> None:
    async def scenario() -> tuple[int, bytes]:
        recorder = Recorder(Misdeed.SILENCE)
        async with listening(recorder) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(GET + GET)
            await recorder.asked.wait()
            assert await exchange(listener.port, CLOSE)  # others are answered meanwhile
            writer.write(GET)
            writer.write_eof()
            received = await reader.read()
            writer.close()
            await writer.wait_closed()
        return len(recorder.requests), received

    assert asyncio.run(scenario()) == (2, b"")


def test_a_bug_in_an_answer_is_logged_with_its_traceback_and_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def respond(request: Request) -> Reply:
        if request.path == "/a":
            raise ZeroDivisionError
        await asyncio.sleep(0)
        return text_reply(200, "fine")

    async def scenario() -> tuple[bytes, bytes]:
        async with listening(respond) as listener:
            return await exchange(listener.port, GET), await exchange(listener.port, CLOSE)

    with caplog.at_level(logging.ERROR):
        broken, fine = asyncio.run(scenario())
    assert (broken, fine.endswith(b"fine")) == (b"", True)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]
