"""The daemon starts, reloads and stops in the right order."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.http_messages import Answer, json_answer
from harness.samples import Samples
from harness.targets import changed
from harness.variables import target_variables
from harness.waiting import PATIENCE
from observing import logfmt
from observing.logs import written
from scheduling.virtual_time import virtual_time

import exporter.daemon
from exporter.config_files import ReloadResult
from exporter.daemon import MAX_REPORTED_ERRORS, Daemon, run
from exporter.destinations import Destination
from exporter.observing import Metrics, log_to
from exporter.outcome import Outcome
from exporter.probing import Listing, Prober, SSLContexts
from exporter.reasons import Reason
from exporter.serving import ListenError, bind
from exporter.settings import Config, ConfigurationError, InvalidSetting, ShardSettings, load
from exporter.status import EgressStatus

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.factory import Factory
    from harness.http_server import HttpServer


LATER = 30.0


@pytest.fixture(autouse=True, scope="module")
def thawed() -> Iterator[None]:
    """The daemon freezes what it created. Unfreeze it at the end, so that leaks raise ResourceWarning."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Observing:
    """An observer that knows when there was an outcome."""

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
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        return await client.get(url)


def test_outcomes_reach_metrics_pages_api_and_further_observers(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    sockets, url = listening()
    settings = settings_for(http_server(), tmp_path, web__external_url="https://exporter.example/prefix")

    async def scrape() -> tuple[Outcome, list[str]]:
        observing = Observing()
        async with Daemon(settings, observers=[observing]).running(sockets):
            await asyncio.wait_for(observing.first.wait(), LATER)
            return observing.outcomes[0], [(await get(f"{url}{path}")).text for path in paths]

    paths = ("/metrics", "/", "/targets/emea", "/api/v1/targets", "/api/v1/targets/emea")
    outcome, (metrics, overview, *others) = asyncio.run(scrape())
    assert (outcome.target, outcome.reason) == ("emea", Reason.OK)
    assert 'pingone_flow_probe_success{journey="authorize",target="emea"} 1.0\n' in metrics
    assert "1 of 1 federations healthy." in overview
    assert '<link rel="canonical" href="https://exporter.example/prefix/">' in overview
    for page in others:
        assert outcome.transaction_id in page


def test_before_the_first_outcome_the_overview_shows_that_there_is_none(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    sockets, url = listening()
    settings = settings_for(http_server(Answer(delay=3600.0)), tmp_path, shutdown_grace="0s")

    async def look() -> str:
        async with Daemon(settings).running(sockets):
            return (await get(url)).text

    assert "not probed yet" in asyncio.run(look())


def test_an_exception_inside_ends_probes_and_listening_and_is_raised_again(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    sockets, url = listening()
    server = http_server(Answer(delay=3600.0))
    settings = settings_for(server, tmp_path, shutdown_grace="0s")

    async def fail() -> None:
        async with Daemon(settings).running(sockets):
            await asyncio.to_thread(server.wait_for_requests, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert [sock.fileno() for sock in sockets] == [-1]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False, timeout=PATIENCE)


def test_nothing_is_left_in_the_loop(http_server: Factory[..., HttpServer], tmp_path: Path) -> None:
    sockets, _ = listening()
    settings = settings_for(http_server(), tmp_path)

    async def count() -> int:
        async with Daemon(settings).running(sockets):
            pass
        await asyncio.sleep(0)  # a cancelled task ends in its next step
        return len(asyncio.all_tasks())

    assert asyncio.run(count()) == 1


def test_an_ipv6_address_is_logged_in_brackets(http_server: Factory[..., HttpServer], tmp_path: Path) -> None:
    written = io.StringIO()
    sockets, url = listening("::1")
    settings = settings_for(http_server(), tmp_path)

    async def start() -> None:
        async with Daemon(settings).running(sockets):
            assert (await get(f"{url}/-/ready")).status_code == 200

    with log_to(written, level="info", style="logfmt"):
        asyncio.run(start())
    assert f"msg=listening address={url.removeprefix('http://')}" in written.getvalue().splitlines()[0]


def test_a_shard_without_targets_is_ready_and_healthy_and_logs_why(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    written = io.StringIO()
    sockets, url = listening()
    server = http_server()
    settings = settings_for(server, tmp_path, shard__index="1", shard__count="3")

    async def look() -> list[int]:
        async with Daemon(settings).running(sockets):
            return [
                (await get(f"{url}{path}")).status_code
                for path in ("/-/ready", "/-/healthy", "/metrics", "/")
            ]

    with log_to(written, level="info", style="logfmt"):
        assert asyncio.run(look()) == [200, 200, 200, 200]
    assert server.connections == 0
    last = written.getvalue().splitlines()[-1]
    assert 'level=info msg="this shard has no targets" shard=1 shards=3 elsewhere=1' in last


def test_a_port_in_use_is_known_before_anything_is_started(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    server = http_server()
    settings = settings_for(server, tmp_path, web__listen_address=f"127.0.0.1:{server.port}")
    with pytest.raises(ListenError, match="already in use"):
        run(settings)
    assert server.connections == 0


# Reload


def config(directory: Path, *names: str, interval: str = "60s", **more: str) -> Config:
    """Return a configuration of the named targets, which are nowhere."""
    variables = {f"FLOW_EXPORTER_{name.upper()}": value for name, value in more.items()}
    for name in names or ("emea",):
        variables |= target_variables(name, "http://127.0.0.1:1", interval=interval)
    return load(variables, directory)


def invalid(*messages: str) -> ConfigurationError:
    return ConfigurationError([InvalidSetting(f"FLOW_EXPORTER_{text.upper()}", text) for text in messages])


class Loading:
    """What `load` returns or raises, call by call; the last one again and again."""

    def __init__(self, *found: Config | Exception) -> None:
        self.calls = 0
        self.running = 0
        self.most_running = 0
        self.started = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self._found = list(found)

    def __call__(self) -> Config:
        assert threading.current_thread() is not threading.main_thread()
        self.calls += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.started.set()
        self.may_end.wait(LATER)
        self.running -= 1
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(found, Exception):
            raise found
        return found


def reloaded(before: Config, *found: Config | Exception) -> tuple[list[ReloadResult], list[dict[str, str]]]:
    """Reload once for each of these configurations; return the results and the log."""
    results: list[ReloadResult] = []

    async def main() -> None:
        daemon = Daemon(before, load=Loading(*found))
        for _ in found:
            results.append(await daemon.reload("SIGHUP"))
            assert daemon.config is (found[len(results) - 1] if results[-1].good else before)

    lines = written(lambda: asyncio.run(main()))
    return results, [logfmt.read(line) for line in lines]


def test_a_reload_puts_the_configuration_in_force_and_reports_the_changes(tmp_path: Path) -> None:
    before = config(tmp_path, "gone", "same", "other")
    after = config(tmp_path, "same", "new", "newer")
    after = replace(after, targets=(*after.targets, changed(before.targets[1], interval=30.0)))
    (result,), lines = reloaded(before, after)
    assert result == (True, "reloaded: 2 added, 1 removed, 1 changed, 1 unchanged")
    assert [{name: line[name] for name in line if name != "ts"} for line in lines] == [
        {
            "level": "info", "msg": "reloaded", "trigger": "SIGHUP",
            "added": "2", "removed": "1", "changed": "1", "unchanged": "1",
        }
    ]  # fmt: skip


def test_an_invalid_configuration_changes_nothing_and_reports_each_error(tmp_path: Path) -> None:
    (result,), lines = reloaded(config(tmp_path), invalid("b is wrong", "a is unknown"))
    assert not result.good
    assert result.text.splitlines() == [
        "reload failed, keeping the running configuration:",
        "FLOW_EXPORTER_A IS UNKNOWN: a is unknown",
        "FLOW_EXPORTER_B IS WRONG: b is wrong",
    ]
    assert [(line["level"], line["msg"], line.get("error"), line.get("errors")) for line in lines] == [
        ("error", "reload failed, keeping the running configuration", None, "2"),
        ("error", "invalid configuration", "a is unknown", None),
        ("error", "invalid configuration", "b is wrong", None),
    ]


def test_a_tls_file_that_has_gone_since_the_settings_were_read_changes_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    before = config(tmp_path)
    target = replace(before.targets[0], ca_file=tmp_path / "gone.pem")
    ((result,), _) = reloaded(before, replace(before, targets=(target,)))
    assert result.text.splitlines()[1] == (
        "FLOW_EXPORTER_TARGETS: cannot load a TLS file of a target any more (FileNotFoundError); reload again"
    )
    good = replace(before, targets=(replace(target, ca_file=authority.ca_file),))
    assert reloaded(before, good)[0][0].good


def test_at_most_a_hundred_errors_are_reported(tmp_path: Path) -> None:
    many = invalid(*(f"v{number:05}" for number in range(MAX_REPORTED_ERRORS + 7)))
    (result,), lines = reloaded(config(tmp_path), many)
    assert len(lines) == 1 + MAX_REPORTED_ERRORS
    assert lines[0]["errors"] == str(MAX_REPORTED_ERRORS + 7)
    assert len(result.text.splitlines()) == 2 + MAX_REPORTED_ERRORS
    assert result.text.endswith("\nand 7 more")


def test_the_same_errors_are_logged_again_after_ten_seconds_and_returned_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of the port may request ten reloads a second, with a hundred errors each."""
    found = [invalid("a", "b"), invalid("a", "b"), invalid("c"), invalid("a", "b")]
    results, lines = reloaded(config(tmp_path), *found)
    failed = "reload failed, keeping the running configuration"
    assert [line.get("error", line["msg"]) for line in lines] == [
        *(failed, "a", "b"),
        *(failed,),
        *(failed, "c"),
        *(failed, "a", "b"),
    ]
    assert results[0] == results[1] == results[3]
    monkeypatch.setattr(exporter.daemon, "REPEAT_SECONDS", 0.0)
    assert len(reloaded(config(tmp_path), *found[:2])[1]) == 6


@pytest.mark.parametrize("where", ["load", "prepare", "apply"])
def test_a_bug_in_a_reload_is_logged_without_its_text_and_the_next_reload_succeeds(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = config(tmp_path)
    bug = ValueError("https://x/?state=planted")
    calls = {"prepare": (SSLContexts, "renewed"), "apply": (Metrics, "reconfigure")}
    if where in calls:
        owner, name = calls[where]
        usual, bugs = getattr(owner, name), [bug]

        def fail_once(*given: object) -> object:
            if bugs:
                raise bugs.pop()
            return usual(*given)

        monkeypatch.setattr(owner, name, fail_once)
    results, lines = reloaded(before, bug if where == "load" else before, before)
    assert results[0] == (False, "reload failed: a bug in the exporter; see its log")
    assert (lines[0]["level"], lines[0]["msg"]) == ("error", "reload failed: a bug in the exporter")
    assert "planted" not in json.dumps(lines)
    assert results[1].good


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLOW_EXPORTER_WEB__LISTEN_ADDRESS", ":1"),
        ("FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS", ":2"),
        ("FLOW_EXPORTER_DURATION_BUCKETS", "1,2"),
        ("FLOW_EXPORTER_LOG__FORMAT", "json"),
    ],
)
def test_what_takes_effect_after_a_restart_is_reported_until_then(
    tmp_path: Path, variable: str, value: str
) -> None:
    before = config(tmp_path)
    after = config(tmp_path, **{variable.removeprefix("FLOW_EXPORTER_"): value})
    results, lines = reloaded(before, after, after, before)
    unchanged = "reloaded: 0 added, 0 removed, 0 changed, 1 unchanged"
    warning = f"{unchanged}\n{variable}: the change takes effect after a restart"
    assert [result.text for result in results] == [warning, warning, unchanged]
    warnings = [line for line in lines if line["level"] == "warning"]
    assert [(line["msg"], line["variable"]) for line in warnings] == [
        ("change takes effect after a restart", variable)
    ] * 2


def while_reloading(
    before: Config, loading: Loading, scene: Callable[[Daemon, asyncio.Task[ReloadResult]], Awaitable[None]]
) -> None:
    """Start a reload, and play the scene while it reads."""
    loading.may_end.clear()

    async def main() -> None:
        daemon = Daemon(before, load=loading)
        first = asyncio.create_task(daemon.reload("first"))
        await asyncio.to_thread(loading.started.wait, LATER)
        try:
            await scene(daemon, first)
        finally:
            loading.may_end.set()

    asyncio.run(main())


def test_requests_while_a_reload_reads_share_the_next_one(tmp_path: Path) -> None:
    """The one that reads may have read what was there before."""
    before, later = config(tmp_path), config(tmp_path, "later")
    loading = Loading(before, later)

    async def scene(daemon: Daemon, first: asyncio.Task[ReloadResult]) -> None:
        others = [asyncio.create_task(daemon.reload("other")) for _ in range(50)]
        daemon.reload_soon("SIGHUP")
        await asyncio.to_thread(lambda: None)
        assert loading.calls == 1
        loading.may_end.set()
        assert (await first).text == "reloaded: 0 added, 0 removed, 0 changed, 1 unchanged"
        texts = {(await other).text for other in others}
        assert texts == {"reloaded: 1 added, 1 removed, 0 changed, 0 unchanged"}

    while_reloading(before, loading, scene)
    assert (loading.calls, loading.most_running) == (2, 1)


def test_a_client_that_leaves_ends_no_reload(tmp_path: Path) -> None:
    loading = Loading(config(tmp_path))

    async def scene(daemon: Daemon, first: asyncio.Task[ReloadResult]) -> None:
        second, third = (asyncio.create_task(daemon.reload("other")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        loading.may_end.set()
        assert (await third).good

    while_reloading(config(tmp_path), loading, scene)
    assert loading.calls == 2


def test_a_reload_that_reads_while_the_daemon_stops_is_not_applied(tmp_path: Path) -> None:
    before, loading = config(tmp_path), Loading(config(tmp_path, "later"))
    loading.may_end.clear()

    async def main() -> None:
        sockets, _ = listening()
        daemon = Daemon(before, load=loading)
        async with daemon.running(sockets):
            reloads = [asyncio.create_task(daemon.reload(trigger)) for trigger in ("first", "second")]
            await asyncio.to_thread(loading.started.wait, LATER)
        loading.may_end.set()
        for reload in reloads:
            with pytest.raises(asyncio.CancelledError):
                await reload
        assert await daemon.reload("late") == (
            False,
            "stopping: the configuration is not reloaded any more",
        )
        daemon.reload_soon("late")
        assert daemon.config is before

    asyncio.run(main())
    assert loading.calls == 1


def test_after_a_reload_the_next_one_waits_for_half_a_second(
    tmp_path: Path,
) -> None:
    """Otherwise requests without end would take the CPU from running probes."""
    before = config(tmp_path)
    durations = iter([0.1, 3.0, 0.0])
    started: list[float] = []

    with virtual_time() as time:

        async def main() -> None:
            daemon = Daemon(before, load=lambda: before)

            async def run(call: Callable[[], object]) -> object:
                started.append(time())
                await asyncio.sleep(next(durations))
                return call()

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(exporter.daemon, "run_in_thread", run)
                await daemon.reload("first")
                await asyncio.gather(*(daemon.reload("again") for _ in range(5)))
                await daemon.reload("last")

        time.run(main())
    assert started == pytest.approx([0.0, 0.1 + 0.5, 0.6 + 3.0 + 0.5])


def test_a_reload_reaches_every_part_and_drops_what_is_removed(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    server, egress = http_server(), http_server()
    observing = Observing()

    def targets(*names: str, **more: str) -> Config:
        variables: dict[str, str] = {f"FLOW_EXPORTER_{name.upper()}": value for name, value in more.items()}
        for name in names:
            variables |= target_variables(name, server.base_url)
        return load(variables, tmp_path)

    before = targets("goes", "stays")
    after = targets(
        "stays", "comes", egress_check_url=egress.base_url, web__external_url="https://new.example"
    )
    after = replace(after, shard=ShardSettings(index="1", count=2))
    own = logging.getLogger("exporter")

    async def main() -> list[str]:
        sockets, url = listening()
        daemon = Daemon(
            before, load=Loading(after, replace(before, targets=before.targets[1:])), observers=[observing]
        )
        pages: list[str] = []
        async with daemon.running(sockets):
            await asyncio.wait_for(observing.first.wait(), LATER)
            for _ in range(2):
                assert (await daemon.reload("test")).good
                pages.append((await get(f"{url}/metrics")).text + (await get(f"{url}/")).text)
        return pages

    level = own.level
    try:
        first, second = asyncio.run(main())
    finally:
        own.setLevel(level)
    assert 'target="goes"' not in first
    assert 'target="comes"' in first
    assert 'pingone_flow_exporter_shards{shard="1"} 2.0' in first
    assert "https://new.example" in first
    assert 'target="comes"' not in second
    assert 'target="stays"' in second
    assert "pingone_flow_exporter_egress_up" not in second


def test_an_egress_check_that_a_reload_replaces_is_not_shown_any_more_and_its_successor_runs_at_once(
    http_server: Factory[..., HttpServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Check:
        INTERVAL = 600.0
        running, may_end = asyncio.Event(), asyncio.Event()

        def __init__(self, url: str, *_: object, **__: object) -> None:
            self.up = url.endswith("/up")
            self.status: EgressStatus | None = None

        async def __call__(self) -> None:
            if not self.up:
                self.running.set()
                await self.may_end.wait()
            self.status = EgressStatus(up=self.up, since=0.0)

    monkeypatch.setattr(exporter.daemon, "EgressCheck", Check)
    server = http_server()
    before = settings_for(server, tmp_path, egress_check_url=f"{server.base_url}/down")
    after = settings_for(server, tmp_path, egress_check_url=f"{server.base_url}/up")

    async def main() -> list[float]:
        sockets, url = listening()
        daemon, shown = Daemon(before, load=Loading(after)), list[float]()
        async with daemon.running(sockets), asyncio.timeout(LATER):
            await Check.running.wait()
            assert (await daemon.reload("test")).good
            Check.may_end.set()
            while not shown:
                page = Samples((await get(f"{url}/metrics")).text)
                shown = [value for _, value in page.series("pingone_flow_exporter_egress_up")]
            return shown

    assert asyncio.run(main()) == [1.0]


def summary(status: str) -> dict[str, object]:
    return {"page": {}, "components": [{"id": "sso", "name": "SSO", "status": status}]}


def test_the_status_page_is_read_at_the_start_and_again_when_a_reload_names_another(
    http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    server = http_server()
    pages = [http_server(json_answer(summary(status))) for status in ("partial_outage", "operational")]
    urls = [f"{page.base_url}/api/v2/summary.json" for page in pages]
    before, after, other_shard = (
        settings_for(server, tmp_path, status_page__url=url, status_page__components="sso")
        for url in (*urls, urls[0])
    )
    other_shard = replace(other_shard, shard=ShardSettings(index="1", count=2))
    without = settings_for(server, tmp_path)

    async def shown(url: str, status: str, page: HttpServer) -> str:
        line = f'component="sso",page="127.0.0.1:{page.port}",status="{status}"}} 1.0\n'
        async with asyncio.timeout(LATER):
            while True:
                text = (await get(f"{url}/metrics")).text
                if line in text:
                    return text

    async def main() -> list[str]:
        sockets, url = listening()
        daemon = Daemon(before, load=Loading(after, other_shard, without))
        async with daemon.running(sockets):
            first = await shown(url, "partial_outage", pages[0])
            assert (await daemon.reload("test")).good
            second = await shown(url, "operational", pages[1])
            texts = [first, second]
            for _ in range(2):
                assert (await daemon.reload("test")).good
                texts.append((await get(f"{url}/metrics")).text)
            return texts

    first, second, *absent = asyncio.run(main())
    assert 'pingone_status_fetch_success{page="127.0.0.1' in first
    assert f'page="127.0.0.1:{pages[0].port}"' not in second
    for text in absent:
        assert "pingone_status_" not in text
    assert [len(page.requests) for page in pages] == [1, 1]


def a_destination(hub: HttpServer, client_id: str) -> dict[str, str]:
    """Return the settings of a destination."""
    values = {
        "environment_id": "3f6f0d5c-2a5b-4c8e-9f5e-0c1f3a1b2c3d",
        "client_id": client_id,
        "redirect_uri": "https://app.example/callback",
        "auth_url": hub.base_url,
        "refresh_interval": "1h",
    }
    return {f"destinations__hub__{name}": value for name, value in values.items()}


def test_a_destination_that_was_never_listed_is_listed_again_before_its_interval_has_passed(
    http_server: Factory[..., HttpServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a listing it has no targets, and a failure at the start would last for an hour."""
    monkeypatch.setattr(exporter.daemon, "MAX_LISTING_RETRY_SECONDS", 0.01)
    hub = http_server(Answer(status=503, body=b"{}", close=True))
    config = settings_for(http_server(), tmp_path, **a_destination(hub, "client"))

    async def main() -> None:
        sockets, _ = listening()
        async with Daemon(config).running(sockets), asyncio.timeout(LATER):
            while len(hub.requests) < 3:  # noqa: ASYNC110  nothing to await
                await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.parametrize("moves", [True, False], ids=["another host", "another redirect URI"])
def test_a_reload_ends_the_retries_for_the_former_application_of_a_destination(
    http_server: Factory[..., HttpServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, moves: bool
) -> None:
    """Else each reload during an outage would add one more client; but the new one is listed at once."""
    monkeypatch.setattr(exporter.daemon, "MAX_LISTING_RETRY_SECONDS", 0.01)
    former, hub = (http_server(Answer(status=503, body=b"{}", close=True)) for _ in range(2))
    corrected = {"destinations__hub__redirect_uri": "https://app.example/corrected"}
    changed = a_destination(hub, "client") if moves else a_destination(former, "client") | corrected
    before, after = (
        settings_for(http_server(), tmp_path, **values)
        for values in (a_destination(former, "client"), changed)
    )
    runs: list[str] = []

    list_providers = Prober.list_providers

    async def counted(prober: Prober, destination: Destination) -> Listing:
        task = asyncio.current_task()
        runs.append("" if task is None else task.get_name())
        return await list_providers(prober, destination)

    monkeypatch.setattr(Prober, "list_providers", counted)

    async def main() -> list[str]:
        sockets, _ = listening()
        daemon = Daemon(before, load=Loading(after))
        async with daemon.running(sockets), asyncio.timeout(LATER):
            while not former.requests:  # noqa: ASYNC110  nothing to await
                await asyncio.sleep(0.01)
            assert (await daemon.reload("test")).good
            since = len(runs)
            while len(runs) < since + 10:  # noqa: ASYNC110  nothing to await
                await asyncio.sleep(0.01)
            return runs[since:]

    # What was under way when the reload ended may still be counted once.
    assert len(set(asyncio.run(main())[2:])) == 1
