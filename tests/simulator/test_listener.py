"""A port over real sockets: opened, closed, opened again, and stopped amid connections."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket

import pytest
from simulator.desk import descriptors, exchange
from simulator.line import CLOSE, GET, Recorder, listening

from exporter.simulator import listener as module
from exporter.simulator.listener import Listener
from exporter.simulator.message import Misdeed, Reply, Request, text_reply


def test_a_refusing_port_is_closed_still_ours_and_can_be_opened_again() -> None:
    async def scenario() -> None:
        async with listening(Recorder()) as listener:
            port = listener.port
            listener.refuse()
            listener.refuse()
            with pytest.raises(ConnectionRefusedError):
                await exchange(port, CLOSE)
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
            listener.listen()
            listener.listen()
            assert listener.port == port
            assert await exchange(port, CLOSE)

    asyncio.run(scenario())


def test_a_port_that_was_never_opened_refuses() -> None:
    async def scenario() -> None:
        listener = Listener("127.0.0.1", 0, Recorder())
        listener.refuse()
        with pytest.raises(ConnectionRefusedError):
            await exchange(listener.port, CLOSE)
        await listener.stop()

    asyncio.run(scenario())


def test_closing_the_port_ends_idle_connections_and_lets_busy_ones_finish() -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()
        arrived = asyncio.Event()

        async def respond(request: Request) -> Reply:
            if request.path == "/slow":
                arrived.set()
                await go_on.wait()
            return text_reply(200, "done")

        async with listening(respond) as listener:
            idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", listener.port)
            idle_writer.write(GET)
            assert b"done" in await idle_reader.readuntil(b"done")
            busy = asyncio.create_task(exchange(listener.port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
            await arrived.wait()
            listener.refuse()
            assert await idle_reader.read() == b""
            go_on.set()
            answer = await busy
            assert b"Connection: close" in answer
            assert answer.endswith(b"done")
            idle_writer.close()
            await idle_writer.wait_closed()

    asyncio.run(scenario())


def test_a_port_in_use_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError) as caught:  # noqa: PT011  errno below
        Listener("127.0.0.1", taken.getsockname()[1], Recorder())
    assert caught.value.errno == errno.EADDRINUSE


def test_a_port_taken_while_it_was_closed_is_an_error_and_can_be_had_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with listening(Recorder()) as listener:
            bind = module._bound  # noqa: SLF001  the moment between close and bind cannot be met otherwise

            def taken(family: int, address: tuple[str, int]) -> socket.socket:
                raise OSError(errno.EADDRINUSE, f"{family} {address}")

            monkeypatch.setattr(module, "_bound", taken)
            for change in (listener.refuse, listener.listen):
                with pytest.raises(OSError, match="127"):
                    change()
            monkeypatch.setattr(module, "_bound", bind)
            listener.listen()
            assert await exchange(listener.port, CLOSE)

    asyncio.run(scenario())


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
def test_an_ipv6_address_is_listened_on_alone() -> None:
    async def scenario() -> None:
        listener = Listener("::1", 0, Recorder())
        listener.listen()
        try:
            _, writer = await asyncio.open_connection("::1", listener.port)
            writer.close()
            await writer.wait_closed()
            with pytest.raises(ConnectionRefusedError):
                await exchange(listener.port, CLOSE)
        finally:
            await listener.stop()

    asyncio.run(scenario())


def test_when_descriptors_run_out_accepting_pauses_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Exhausted:
        """A listening socket that has no descriptor for the first connection."""

        def __init__(self, real: socket.socket) -> None:
            self._real = real
            self.refusals = 1

        def accept(self) -> tuple[socket.socket, object]:
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return self._real.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    async def scenario() -> bytes:
        async with listening(Recorder()) as listener:
            monkeypatch.setattr(listener, "_socket", Exhausted(listener._socket))  # noqa: SLF001  no other way in
            return await exchange(listener.port, CLOSE)

    monkeypatch.setattr(module, "_PAUSE", 0.01)
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(scenario()).endswith(b"GET /last")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Too many open files" in caplog.text


def test_a_stop_during_such_a_pause_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        """A listening socket that accepts nothing."""

        def __init__(self, real: socket.socket) -> None:
            self._real = real
            self.tried = asyncio.Event()

        def accept(self) -> tuple[socket.socket, object]:
            self.tried.set()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

    async def scenario() -> None:
        listener = Listener("127.0.0.1", 0, Recorder())
        listener.listen()
        broken = Broken(listener._socket)  # noqa: SLF001  no other way in
        monkeypatch.setattr(listener, "_socket", broken)
        _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        await broken.tried.wait()
        await listener.stop()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await exchange(listener.port, CLOSE)

    asyncio.run(scenario())


def test_stopping_ends_silent_busy_and_just_accepted_connections_and_closes_every_socket() -> None:
    async def scenario() -> None:
        before = descriptors()
        recorder = Recorder(Misdeed.SILENCE)
        listener = Listener("127.0.0.1", 0, recorder)
        listener.listen()
        clients = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(3)]
        clients[0][1].write(GET)
        await recorder.asked.wait()
        with socket.create_connection(("127.0.0.1", listener.port)):
            while listener.accepted < 4:  # noqa: ASYNC110  a listener tells nobody that it accepted
                await asyncio.sleep(0)
            await listener.stop()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        for reader, writer in clients:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert descriptors() == before

    asyncio.run(scenario())
