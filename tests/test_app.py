"""The rooms are joined in the right order, and left in it whatever happens inside."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.http_messages import Answer
from harness.variables import target_variables

from exporter.app import lifespan, run, stop_signals
from exporter.observing import log_to
from exporter.outcome import Outcome
from exporter.reasons import Reason
from exporter.serving import ListenError, bind
from exporter.settings import Config, load

if TYPE_CHECKING:
    from harness.factory import Factory
    from harness.http_server import HttpServer


LATER = 30.0


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """The daemon freezes what it made; here there is a life after it."""
    yield
    gc.unfreeze()


class Watching:
    """An observer that says when there was an outcome."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.first = asyncio.Event()

    def observe(self, outcome: Outcome, /) -> None:
        self.outcomes.append(outcome)
        self.first.set()


def settings_for(server: HttpServer, directory: Path, **more: str) -> Config:
    variables = target_variables("emea", server.base_url, interval="60s", timeout="50s")
    return load(
        variables | {f"FLOW_EXPORTER_{name.upper()}": value for name, value in more.items()}, directory
    )


def listening(host: str = "127.0.0.1") -> tuple[list[socket.socket], str]:
    sockets = bind([(host, 0)])
    port = sockets[0].getsockname()[1]
    return sockets, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


def test_outcomes_reach_metrics_pages_api_and_whoever_else_observes(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    sockets, url = listening()
    settings = settings_for(http_server(), tmp_path, web__external_url="https://exporter.example/prefix")

    async def watch() -> tuple[Outcome, list[str]]:
        watching = Watching()
        async with lifespan(settings, sockets, observers=[watching]):
            await asyncio.wait_for(watching.first.wait(), LATER)
            return watching.outcomes[0], [(await get(f"{url}{path}")).text for path in paths]

    paths = ("/metrics", "/", "/targets/emea", "/api/v1/targets", "/api/v1/targets/emea")
    outcome, (metrics, overview, *others) = asyncio.run(watch())
    assert (outcome.target, outcome.reason) == ("emea", Reason.OK)
    assert 'pingone_flow_probe_success{journey="authorize",target="emea"} 1.0\n' in metrics
    assert "1 of 1 federations healthy." in overview
    assert '<link rel="canonical" href="https://exporter.example/prefix/">' in overview
    for page in others:
        assert outcome.transaction_id in page


def test_before_the_first_outcome_the_overview_says_that_there_is_none(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    sockets, url = listening()
    settings = settings_for(http_server(Answer(delay=3600.0)), tmp_path, shutdown_grace="0s")

    async def look() -> str:
        async with lifespan(settings, sockets):
            return (await get(url)).text

    assert "not probed yet" in asyncio.run(look())


def test_what_is_raised_inside_ends_probes_and_listening_and_is_raised_again(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    sockets, url = listening()
    server = http_server(Answer(delay=3600.0))
    settings = settings_for(server, tmp_path, shutdown_grace="0s")

    async def fail() -> None:
        async with lifespan(settings, sockets):
            await asyncio.to_thread(server.wait_for_requests, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert [sock.fileno() for sock in sockets] == [-1]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_nothing_is_left_in_the_loop(http_server: Factory[..., HttpServer], tmp_path: Path) -> None:
    sockets, _ = listening()
    settings = settings_for(http_server(), tmp_path)

    async def count() -> int:
        async with lifespan(settings, sockets):
            pass
        await asyncio.sleep(0)  # a cancelled task ends in its next step
        return len(asyncio.all_tasks())

    assert asyncio.run(count()) == 1


def test_an_ipv6_address_is_told_in_brackets(http_server: Factory[..., HttpServer], tmp_path: Path) -> None:
    written = io.StringIO()
    sockets, url = listening("::1")
    settings = settings_for(http_server(), tmp_path)

    async def start() -> None:
        async with lifespan(settings, sockets):
            assert (await get(f"{url}/-/ready")).status_code == 200

    with log_to(written, level="info", style="logfmt"):
        asyncio.run(start())
    assert f"msg=listening address={url.removeprefix('http://')}" in written.getvalue().splitlines()[0]


def test_a_shard_that_got_no_target_is_ready_and_healthy_and_says_why(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    written = io.StringIO()
    sockets, url = listening()
    server = http_server()
    settings = settings_for(server, tmp_path, shard__index="1", shard__count="3")

    async def look() -> list[int]:
        async with lifespan(settings, sockets):
            return [
                (await get(f"{url}{path}")).status_code
                for path in ("/-/ready", "/-/healthy", "/metrics", "/")
            ]

    with log_to(written, level="info", style="logfmt"):
        assert asyncio.run(look()) == [200, 200, 200, 200]
    assert server.connections == 0
    last = written.getvalue().splitlines()[-1]
    assert 'level=info msg="no target falls to this shard" shard=1 shards=3 elsewhere=1' in last


def test_the_daemon_runs_until_a_signal_and_says_so(
    http_server: Factory[..., HttpServer], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = http_server()
    settings = settings_for(server, tmp_path, web__listen_address="127.0.0.1:0", log__format="json")

    def ask_to_end() -> None:
        server.wait_for_requests(1)
        os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as other:
        asked = other.submit(ask_to_end)
        run(settings)
        asked.result()
    said = [json.loads(line)["msg"] for line in capfd.readouterr().err.splitlines()]
    assert said[:2] == ["listening", "started"]
    assert said[-1] == "stopped"


def test_a_port_in_use_is_known_before_anything_is_started(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    server = http_server()
    settings = settings_for(server, tmp_path, web__listen_address=f"127.0.0.1:{server.port}")
    with pytest.raises(ListenError, match="already in use"):
        run(settings)
    assert server.connections == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_first_signal_asks_and_the_second_one_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, first: signal.Signals, second: signal.Signals
) -> None:
    ended: list[int] = []

    async def live() -> bool:
        async with stop_signals() as stopping:
            assert not stopping.is_set()
            os.kill(os.getpid(), first)
            await asyncio.wait_for(stopping.wait(), LATER)
            killed = asyncio.Event()

            def note(status: int) -> None:
                ended.append(status)
                killed.set()

            monkeypatch.setattr(os, "_exit", note)
            os.kill(os.getpid(), second)
            await asyncio.wait_for(killed.wait(), LATER)
            return stopping.is_set()

    assert asyncio.run(live())
    assert ended == [1]


def test_signals_are_given_back_at_the_end() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    async def live() -> None:
        async with stop_signals():
            pass

    with asyncio.Runner() as runner:
        runner.run(live())
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_what_nobody_caught_is_logged_by_its_type_without_its_words() -> None:
    written = io.StringIO()

    async def lose() -> None:
        loop = asyncio.get_running_loop()
        async with stop_signals():
            loop.call_exception_handler(
                {"message": "about https://x/?state=planted", "exception": ValueError("nonce=planted")}
            )
            loop.call_exception_handler({"message": "about https://x/?state=planted"})

    with log_to(written, level="info", style="logfmt"):
        asyncio.run(lose())
    lines = written.getvalue().splitlines()
    assert all('level=error msg="unhandled in the event loop"' in line for line in lines)
    assert "ValueError" in lines[0]
    assert "planted" not in written.getvalue()
