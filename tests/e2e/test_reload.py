"""Reload: unchanged targets are not affected, removed ones stop, and an error changes nothing."""

from __future__ import annotations

import asyncio
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise, zip_longest
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest
from harness.certificates import Authority
from harness.mount import Mount
from harness.variables import target_variables
from harness.waiting import poll

from exporter.scheduling import interval_offset
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_messages import Request
    from harness.http_server import HttpServer
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

PROBES = "pingone_flow_probes_total"
SKIPPED = "pingone_flow_exporter_probes_skipped_total"
IN_FLIGHT = "pingone_flow_exporter_probes_in_flight"
GOOD = "pingone_flow_exporter_config_last_reload_successful"
EXPIRY = "pingone_flow_tls_certificate_expiry_timestamp_seconds"
WRITTEN_AT = "pingone_flow_exporter_config_last_reload_success_timestamp_seconds"
INTERVAL = 2.0
PACE = {"interval": "2s", "timeout": "900ms"}
OPEN_FILES, MEMORY = "process_open_fds", "process_resident_memory_bytes"


def source(name: str) -> str:
    """Return a source environment of a target's own, which distinguishes its requests."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def targets(names: Iterable[str], server: HttpServer, **fields: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for name in names:
        settings |= target_variables(name, server.base_url, source=source(name), **{**PACE, **fields})
    return settings


def write(file: Path, settings: Mapping[str, str]) -> None:
    """Write settings as `.env`, all at once, as a careful program does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name("new")
    new.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    new.replace(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The daemon's `.env`."""
    return tmp_path / "work" / ".env"


@pytest.fixture
def started(daemon: Factory[..., Daemon], file: Path) -> Callable[[Mapping[str, str]], Daemon]:
    """Starts the daemon with settings in `.env`."""

    def start(settings: Mapping[str, str]) -> Daemon:
        write(file, settings)
        return daemon({}, directory=file.parent)

    return start


def reload(running: Daemon) -> str:
    response = running.request("POST", "/-/reload")
    assert response.status_code == 200, response.text
    return response.text.removesuffix("\n")


@pytest.mark.parametrize(
    "reloads", [100, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_many_reloads_under_load_neither_lose_nor_double_a_probe(
    started: Callable[[Mapping[str, str]], Daemon],
    file: Path,
    http_server: Factory[..., HttpServer],
    reloads: int,
) -> None:
    server = http_server()
    cut = tuple(f"/{source(f'changing_{number}')}/" for number in range(5))

    async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
        # Of those that a reload cancels, longer than until the next reload.
        await asyncio.sleep(0.8 if request.path.startswith(cut) else 0.1)
        await server.answer_flow(request, writer)

    server.always(slowly)
    steady = [f"steady_{number}" for number in range(20)]
    changing = [f"changing_{number}" for number in range(5)]
    coming = [f"coming_{number}" for number in range(5)]
    always = targets(steady, server)

    def round_of(number: int) -> dict[str, str]:
        interval = f"{1800 + number % 2}ms"
        return {
            **always,
            **targets(changing, server, interval=interval),
            **targets(coming if number % 2 else [], server),
            **targets(["labelled"], server, labels__round=f"r{number}"),
            "FLOW_EXPORTER_SHUTDOWN_GRACE": "60s",
        }

    running = started(round_of(0))
    halfway = running.metrics()
    for number in range(1, reloads + 1):
        write(file, round_of(number))
        reload(running)
        page = running.metrics()
        shown = [name for name in coming if page.has(PROBES, target=name)]
        assert shown == (coming if number % 2 else [])
        assert page.has("pingone_flow_target_info", target="labelled", round=f"r{number}")
        halfway = page if number == reloads // 2 else halfway
    assert page.total(OPEN_FILES) < halfway.total(OPEN_FILES) + 40, "reloads leave files open"
    assert page.total(MEMORY) < halfway.total(MEMORY) + 10e6, "reloads leave memory behind"

    before, page, requests = at_rest(running, server, file, round_of(reloads))
    asked = {name: of_target(name, requests) for name in (*steady, *changing, "labelled")}
    cancelled = 0.0
    for name in (*steady, "labelled"):
        assert before.total(SKIPPED, target=name, cause="cancelled") == 0.0
        assert page.total(PROBES, target=name) == len(asked[name])
        first, *regular = slots_of(name, asked[name])
        gaps = [after - before for before, after in pairwise(regular)]
        assert 0 not in gaps, f"{name} was probed twice in one slot"
        assert first <= regular[0]
        assert sum(gap - 1 for gap in gaps) <= page.total(SKIPPED, target=name)
        assert median(phases_of(name, asked[name])[1:]) < INTERVAL / 8
    for name in changing:
        probes, skipped = page.total(PROBES, target=name), page.total(SKIPPED, target=name, cause="cancelled")
        assert probes <= len(asked[name]) <= probes + skipped
        cancelled += skipped
    assert cancelled > 0.0
    assert page.total("pingone_flow_probes_total", reason="internal") == 0.0
    assert "Traceback" not in running.log()
    assert "level=error" not in running.log()


def at_rest(
    running: Daemon, server: HttpServer, file: Path, settings: Mapping[str, str]
) -> tuple[Samples, Samples, tuple[Request, ...]]:
    """Return a page from before the end, one of a moment in which no probe was running, and all requests.

    A daemon that stops starts no probe, but serves metrics until its last one has ended: that one is held.
    """
    held = source("held")

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if held in request.path:
            await asyncio.Event().wait()  # until the server stops
        await server.answer_flow(request, writer)

    server.always(answer)
    write(file, {**settings, **targets(["held"], server, interval="2m", timeout="60s")})
    reload(running)
    poll(lambda: of_target("held", server.requests), bool, what="the held probe")
    before = running.metrics()
    running.signal(signal.SIGTERM)
    page = running.wait_until(lambda page: page.value(IN_FLIGHT) == 1.0, what="the end of the other probes")
    counted = [labels["target"] for labels, _ in page.series(PROBES, reason="ok")]
    requests = poll(
        lambda: server.requests,
        lambda found: all(len(of_target(name, found)) >= page.total(PROBES, target=name) for name in counted),
        what="a record of each request",
    )
    server.stop()
    assert running.wait() == 0
    assert len(of_target("held", requests)) == 1
    return before, page, requests


def of_target(name: str, requests: Iterable[Request]) -> list[Request]:
    return [request for request in requests if request.path.startswith(f"/{source(name)}/")]


def since_slots_began(name: str, requests: Iterable[Request]) -> list[float]:
    """Return when requests came, in seconds since a regular slot of `name` long ago."""
    to_wall = time.time() - time.monotonic()
    shift = interval_offset(name, Journey.AUTHORIZE, INTERVAL)
    return [request.received_at + to_wall - shift for request in requests]


def slots_of(name: str, requests: Iterable[Request]) -> list[int]:
    """Return the number of each request's regular slot.

    On a busy machine a request may come in the slot after its own: the first of two in one slot belongs to
    the slot before, if that had none.
    """
    came = [int(at // INTERVAL) for at in since_slots_began(name, requests)]
    slots: list[int] = []
    for slot, following in zip_longest(came, came[1:]):
        is_late = slot == following and (not slots or slots[-1] < slot - 1)
        slots.append(slot - is_late)
    return slots


def phases_of(name: str, requests: Iterable[Request]) -> list[float]:
    """Return how long after its slot each request came."""
    return [at % INTERVAL for at in since_slots_began(name, requests)]


def test_a_removed_target_disappears_and_is_not_probed_again(
    started: Callable[[Mapping[str, str]], Daemon], file: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    running = started(targets(["stays", "goes"], server))
    running.wait_until(
        lambda page: all(page.total(PROBES, target=name) for name in ("stays", "goes")), what="probes"
    )
    write(file, targets(["stays", "new"], server, labels__owner="a"))
    assert reload(running) == "reloaded: 1 added, 1 removed, 1 changed, 0 unchanged"
    page = running.metrics()
    assert 'target="goes"' not in page.text
    assert page.total(PROBES, target="stays") >= 1.0
    assert page.has(PROBES, target="new", reason="ok", fault="none")
    asked = len(of_target("goes", server.requests))
    running.wait_until(
        lambda now: now.total(PROBES, target="stays") >= page.total(PROBES, target="stays") + 2,
        what="the other to go on",
    )
    assert len(of_target("goes", server.requests)) == asked
    assert "added=1 removed=1 changed=1 unchanged=0" in running.log()


def test_an_error_changes_nothing_and_is_reported_in_response_log_and_metric(
    started: Callable[[Mapping[str, str]], Daemon], file: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    good = targets(["emea"], server)
    running = started(good)
    before = running.metrics()
    planted = "planted-secret"
    wrong = {"FLOW_EXPORTER_TARGETS__EMEA__INTERVAL": planted, "FLOW_EXPORTER_TARGETS__EMEA__SCPE": planted}
    write(file, targets(["other"], server) | good | wrong)
    response = running.request("POST", "/-/reload")
    assert response.status_code == 500
    first, *errors = response.text.splitlines()
    assert first == "reload failed, keeping the running configuration:"
    assert [error.partition(" in .env: ")[0] for error in errors] == sorted(wrong)
    page = running.wait_until(
        lambda page: page.total(PROBES, target="emea") > before.total(PROBES, target="emea"), what="a probe"
    )
    assert page.value(GOOD) == 0.0
    assert page.value(WRITTEN_AT) == before.value(WRITTEN_AT)
    assert not page.has(PROBES, target="other")
    log = running.log()
    # The daemon looks at the file by itself, too.
    failed = [line for line in log.splitlines() if "reload failed, keeping the running configuration" in line]
    assert sum('trigger="POST /-/reload"' in line for line in failed) == 1
    assert len(failed) <= 2
    assert log.count('msg="invalid configuration"') == len(errors)
    assert planted not in log + response.text

    write(file, good)
    reload(running)
    assert running.metrics().value(GOOD) == 1.0


def test_sighup_reloads(
    started: Callable[[Mapping[str, str]], Daemon], file: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    running = started(targets(["emea"], server))
    running.wait_until(lambda page: page.total(PROBES), what="a probe")
    write(file, targets(["apac"], server))
    running.signal(signal.SIGHUP)
    running.wait_for_log(re.compile("msg=reloaded trigger=SIGHUP"), what="a reload")
    page = running.metrics()
    assert page.has(PROBES, target="apac")
    assert not page.has(PROBES, target="emea")
    assert running.stop() == 0


def test_what_cannot_change_is_reported_and_the_rest_takes_effect(
    started: Callable[[Mapping[str, str]], Daemon], file: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    running = started(targets(["emea"], server))
    fixed = {"FLOW_EXPORTER_LOG__FORMAT": "json", "FLOW_EXPORTER_DURATION_BUCKETS": "1,2"}
    write(file, targets(["emea", "apac"], server) | fixed | {"FLOW_EXPORTER_LOG__LEVEL": "debug"})
    for added in (1, 0):  # reported again, because it still holds
        assert reload(running).splitlines() == [
            f"reloaded: {added} added, 0 removed, 0 changed, {2 - added} unchanged",
            "FLOW_EXPORTER_DURATION_BUCKETS: the change takes effect after a restart",
            "FLOW_EXPORTER_LOG__FORMAT: the change takes effect after a restart",
        ]
    running.wait_for_log(
        re.compile(
            'level=warning msg="change takes effect after a restart" variable=FLOW_EXPORTER_LOG__FORMAT'
        ),
        what="the warning",
    )
    running.wait_for_log(re.compile('level=debug msg="probe completed"'), what="a line at debug")


def test_a_swapped_kubernetes_mount_is_reloaded(
    daemon: Factory[..., Daemon], tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    """The file is a link to one below a link that is swapped: nothing changes where the file itself is."""
    server = http_server()
    mount = Mount(tmp_path / "mount")
    mount.put({"flows.yaml": yaml(["emea"], server)})
    running = daemon({"FLOW_EXPORTER_CONFIG_FILE": str(mount.directory / "flows.yaml")})
    assert running.metrics().has(PROBES, target="emea")
    mount.put({"flows.yaml": yaml(["emea", "apac"], server)})
    running.wait_until(lambda page: page.has(PROBES, target="apac"), what="the new target")
    reloaded = 'msg=reloaded trigger="change on disk" added=1 removed=0 changed=0 unchanged=1'
    running.wait_for_log(re.compile(reloaded), what="the reload")
    mount.put({"flows.yaml": "no_such: 1\n"})
    running.wait_until(lambda page: page.value(GOOD) == 0.0, what="the error")
    mount.put({"flows.yaml": yaml(["emea"], server)})
    running.wait_until(lambda page: page.value(GOOD) == 1.0, what="the way back")
    assert running.log().count('msg="reload failed, keeping the running configuration"') == 1


def test_a_renewed_mounted_secret_is_reloaded(
    daemon: Factory[..., Daemon], tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    mount = Mount(tmp_path / "secrets")
    name = "FLOW_EXPORTER_TARGETS__EMEA__CLIENT_ID"
    mount.put({name: "before"})
    environment = targets(["emea"], server)
    del environment[name]
    running = daemon({**environment, "FLOW_EXPORTER_SECRETS_DIR": str(mount.directory)})
    running.wait_until(lambda page: page.total(PROBES, reason="ok"), what="a probe")
    mount.put({name: "after"})
    poll(
        lambda: {dict(request.query)["client_id"] for request in server.requests},
        lambda seen: seen == {"before", "after"},
        what="the new client",
    )
    assert running.metrics().total(PROBES, reason="ok") >= 1.0  # its counters were kept


def yaml(names: Iterable[str], server: HttpServer) -> str:
    """Return a configuration file of targets."""
    lines = [f"defaults: {{interval: 2s, timeout: 900ms, auth_url: '{server.base_url}'}}", "targets:"]
    for name in names:
        ids = f"source_environment_id: {source(name)}, destination_environment_id: {source(name)}"
        lines.append(f"  {name}: {{{ids}, client_id: c}}")
    return "\n".join([*lines, ""])


def test_a_renewed_authority_file_is_reloaded(
    started: Callable[[Mapping[str, str]], Daemon], http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for directory in (before, after):
        directory.mkdir()
    old, new = Authority(before), Authority(after)
    server = http_server(tls=new.issue("127.0.0.1").tls)
    running = started(targets(["emea"], server, ca_file=str(old.ca_file)))
    running.wait_until(lambda page: page.total(PROBES, reason="tls"), what="a refusal")
    new.ca_file.replace(old.ca_file)
    page = running.wait_until(lambda page: page.total(PROBES, reason="ok"), what="a probe that trusts it")
    assert page.total(PROBES, reason="internal") == 0.0
    assert running.log().count("msg=reloaded") == 1


def test_a_rejected_certificate_is_that_of_the_current_host(
    started: Callable[[Mapping[str, str]], Daemon],
    file: Path,
    http_server: Factory[..., HttpServer],
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    certificates = authority.expired(), authority.not_yet_valid()
    here, there = (http_server(tls=certificate.tls) for certificate in certificates)
    ends = [certificate.not_after.timestamp() for certificate in certificates]
    # A certificate that could not be fetched is not fetched again for an hour.
    times = {"interval": "60s", "timeout": "30s"}
    running = started(targets(["moves", "returns"], here, **times))

    def seen(page: Samples) -> list[float | None]:
        names = [name for name in ("moves", "returns") if page.has(EXPIRY, target=name)]
        return [page.value(EXPIRY, target=name) for name in names]

    running.wait_until(lambda page: seen(page) == [ends[0]] * 2, what="both to be looked at")
    write(file, targets(["moves"], there, **times))
    reload(running)
    running.wait_until(lambda page: seen(page) == [ends[1]], what="a look at the other host")
    write(file, targets(["moves"], there, **times) | targets(["returns"], here, **times))
    reload(running)
    running.wait_until(lambda page: seen(page) == [ends[1], ends[0]], what="a look at what came back")


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}],
    ids=["by_fetch_metadata", "by_origin", "by_an_opaque_origin"],
)
def test_another_site_cannot_trigger_a_reload(
    started: Callable[[Mapping[str, str]], Daemon],
    file: Path,
    http_server: Factory[..., HttpServer],
    headers: dict[str, str],
) -> None:
    server = http_server()
    running = started(targets(["emea"], server))
    write(file, targets(["apac"], server))
    assert running.request("POST", "/-/reload", headers).status_code == 403
    assert running.request("GET", "/-/reload").status_code == 405
    assert running.metrics().has(PROBES, target="emea")
    assert "msg=reloaded" not in running.log()


def test_a_shard_that_has_no_target_gets_some_and_loses_them_again(
    started: Callable[[Mapping[str, str]], Daemon], file: Path, http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    all_targets = targets([f"t{number}" for number in range(8)], server)
    alone = targets(["t0"], server)
    shards = {"FLOW_EXPORTER_SHARD__COUNT": "2"}
    by_index = [shards | {"FLOW_EXPORTER_SHARD__INDEX": str(index)} for index in (0, 1)]
    running = started(alone | by_index[0])
    if running.metrics().has("pingone_flow_target_info"):
        write(file, alone | by_index[1])
        reload(running)
    assert not running.metrics().has("pingone_flow_target_info")
    assert running.get("/-/healthy").status_code == 200
    write(file, all_targets)
    assert reload(running) == "reloaded: 8 added, 0 removed, 0 changed, 0 unchanged"
    running.wait_until(lambda page: page.total(PROBES, reason="ok") >= 8, what="probes of all")
