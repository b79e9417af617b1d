"""What new settings mean to each room."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.http_messages import Answer
from harness.variables import target_variables
from observing.examples import BUCKETS, a_success, a_target, page

from exporter.observing import History, LoopWatch, Metrics
from exporter.outcome import Outcome
from exporter.parts import CurrentEgress, CurrentSSLContexts, parts, securing
from exporter.scheduling import Schedule
from exporter.serving import PortSecurity
from exporter.settings import Config, ConfigurationError, EgressConfig, load
from exporter.status import EgressStatus
from exporter.target import IpFamily, Journey, Target
from exporter.tls import TlsFileError, WebSecurity

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.factory import Factory
    from harness.http_messages import Request
    from harness.http_server import HttpServer
    from harness.samples import Samples


EGRESS = "pingone_flow_exporter_egress_up"


def settings(directory: Path, *names: str, **fields: str) -> Config:
    variables: dict[str, str] = {}
    for name in names or ("emea",):
        variables |= target_variables(name, "https://127.0.0.1:1", **fields)
    return load(variables, directory)


def egress(
    metrics: Metrics, check: EgressConfig | None, *, wall: Callable[[], float] = time.time
) -> CurrentEgress:
    watch = LoopWatch(asyncio.get_running_loop().time, lambda _: None)
    return CurrentEgress(check, metrics, watch, wall=wall)


def check_of(server: HttpServer) -> EgressConfig:
    return EgressConfig(url=server.base_url, proxy_url=None, ip_family=IpFamily.ANY)


# Trust


def test_authorities_are_those_that_the_file_holds_now_once_it_is_put_in_force(
    tmp_path: Path, authority: Authority
) -> None:
    now = settings(tmp_path, ca_file=str(authority.ca_file))
    trust = CurrentSSLContexts(now.targets)
    before = trust(now.targets[0])
    apply = trust.prepare(now)
    assert trust(now.targets[0]) is before
    apply()
    assert trust(now.targets[0]) is not before


def test_a_file_that_is_gone_since_the_settings_were_read_is_a_mistake(
    tmp_path: Path, authority: Authority
) -> None:
    now = settings(tmp_path, ca_file=str(authority.ca_file))
    trust = CurrentSSLContexts(now.targets)
    before = trust(now.targets[0])
    authority.ca_file.unlink()
    with pytest.raises(ConfigurationError) as caught:
        trust.prepare(now)
    assert str(caught.value) == (
        "FLOW_EXPORTER_TARGETS: a file that they name cannot be loaded any more (FileNotFoundError); "
        "reload again"
    )
    assert caught.value.files == now.files
    assert trust(now.targets[0]) is before


def test_that_the_system_trusts_nobody_is_told_of_new_targets_too(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    trust = CurrentSSLContexts(settings(tmp_path, ca_file=str(authority.ca_file)).targets)
    assert caplog.messages == []
    trust.prepare(settings(tmp_path))
    assert caplog.messages == [
        "the system has no certificates of authorities: install ca-certificates or set CA_FILE"
    ]


# The own-connectivity check


def test_a_check_comes_changes_and_goes(tmp_path: Path, http_server: Factory[..., HttpServer]) -> None:
    first, second = http_server(), http_server()
    now = settings(tmp_path)
    metrics = Metrics(now.targets, buckets=BUCKETS)
    shown: list[float | None] = []
    asked: list[tuple[int, int]] = []

    async def main() -> None:
        current = egress(metrics, None)
        for check in (None, check_of(first), check_of(first), check_of(second), None):
            apply = await asyncio.to_thread(current.prepare, replace(now, egress_check=check))
            apply()
            await current()
            asked.append((len(first.requests), len(second.requests)))
            shown.append((await scrape(metrics)).value(EGRESS))
            assert (None if current.found is None else float(current.found.up)) == shown[-1]

    asyncio.run(main())
    assert asked == [(0, 0), (1, 0), (2, 0), (2, 1), (2, 1)]
    assert shown == [None, 1.0, 1.0, 1.0, None]


async def scrape(metrics: Metrics) -> Samples:
    return await asyncio.to_thread(page, metrics)


def test_what_a_check_finds_that_was_ended_meanwhile_is_not_shown(
    tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    released = threading.Event()

    async def answer_when_released(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(released.wait)
        await Answer(headers=(("Content-Length", "0"),))(request, writer)

    server = http_server(answer_when_released)
    now = settings(tmp_path)
    metrics = Metrics(now.targets, buckets=BUCKETS)

    async def main() -> None:
        current = egress(metrics, check_of(server))
        checking = asyncio.create_task(current())
        try:
            await asyncio.to_thread(server.wait_for_requests, 1)
            apply = await asyncio.to_thread(current.prepare, now)
            apply()
        finally:
            released.set()
        await checking

    asyncio.run(main())
    assert page(metrics).value(EGRESS) is None


def test_since_when_there_is_no_way_out_is_when_it_was_found_first(
    tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    metrics = Metrics(settings(tmp_path).targets, buckets=BUCKETS)
    moments = iter((10.0, 20.0))

    async def main() -> list[EgressStatus | None]:
        current = egress(metrics, check_of(server), wall=lambda: next(moments))
        found = [current.found]
        for _ in range(2):
            await current()
            found.append(current.found)
        server.always(Answer(raw=b"", close=True))
        for _ in range(2):
            await current()
            found.append(current.found)
        return found

    up, down = EgressStatus(up=True, since=10.0), EgressStatus(up=False, since=20.0)
    assert asyncio.run(main()) == [None, up, up, down, down]


# All of them


def test_all_parts_follow_and_forget_who_is_gone(tmp_path: Path) -> None:
    before, after = settings(tmp_path, "stays", "goes"), settings(tmp_path, "stays", "comes")
    after = replace(after, log=replace(after.log, level="error"), max_concurrent_probes=7)
    after = replace(after, shard=replace(after.shard, index=1, count=2))
    again = replace(after, targets=after.targets[1:])
    came = asyncio.Event()
    own = logging.getLogger("exporter")
    level = own.level

    async def probe(target: Target, journey: Journey) -> Outcome:
        if target.name == "comes":
            came.set()
        return a_success(target=target.name, journey=journey)

    async def main() -> tuple[Metrics, History]:
        metrics, history = Metrics(before.targets, buckets=BUCKETS), History()
        schedule = Schedule(
            before.targets, probe, observers=(metrics, history), listener=metrics, max_concurrent_probes=10
        )
        schedule.start()
        security = PortSecurity()
        for name in ("stays", "goes"):
            history.observe(a_success(target=name))
        followers = parts(
            CurrentSSLContexts(before.targets),
            egress(metrics, None),
            metrics=metrics,
            schedule=schedule,
            security=security,
            forgetful=(history,),
            targets=before.targets,
        )
        for apply in [part(after) for part in followers]:
            under_way = apply()
            if under_way is not None:
                await under_way
        await asyncio.wait_for(came.wait(), 30.0)
        history.observe(a_success(target="comes"))
        for apply in [part(again) for part in followers]:
            under_way = apply()
            if under_way is not None:
                await under_way
        await schedule.stop(grace=30.0)
        return metrics, history

    try:
        metrics, history = asyncio.run(main())
        assert own.level == logging.ERROR
    finally:
        own.setLevel(level)
    names = {labels["target"] for labels, _ in page(metrics).series("pingone_flow_probes_total")}
    assert names == {"stays"}
    assert page(metrics).series("pingone_flow_exporter_shards") == [({"shard": "1"}, 2)]
    for name, known in (("goes", False), ("comes", False), ("stays", True)):
        assert (history.status(a_target(name=name), Journey.AUTHORIZE).last is not None) is known


def test_a_certificate_that_went_away_since_the_check_fails_the_reload_with_the_variable(
    tmp_path: Path,
) -> None:
    def prepare(_: WebSecurity | None) -> Callable[[], None]:
        raise TlsFileError("certificate", "names a file that does not exist")

    with pytest.raises(ConfigurationError) as raised:
        securing(prepare)(settings(tmp_path))

    assert str(raised.value) == (
        "FLOW_EXPORTER_WEB__CONFIG_FILE: the certificate that it asks for cannot be loaded any more; "
        "reload again"
    )
