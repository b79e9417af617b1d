"""A bug of ours at any seam is counted and logged once, and the other targets go on.

Each bug shows with one of two targets, or in one part of the daemon, for as long as the daemon runs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from harness.samples import Samples
from harness.targets import changed
from harness.variables import target_variables
from harness.waiting import PATIENCE
from observing import logfmt
from observing.logs import written
from prometheus_client import ProcessCollector

import exporter.daemon
import exporter.probing.probe
import exporter.probing.transport
import exporter.serving.api
import exporter.serving.overview
import exporter.serving.target_filter
from exporter.daemon import Daemon
from exporter.internal_errors import Part
from exporter.observing import History, Metrics
from exporter.observing.target_metrics import TargetMetrics
from exporter.outcome import Outcome
from exporter.probing import Prober
from exporter.probing.journeys import JOURNEYS
from exporter.scheduling import Schedule
from exporter.serving import bind
from exporter.settings import Config, load
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from harness.factory import Factory
    from harness.http_server import HttpServer

SECRET = "state=planted-3f9a"
PROBES = "pingone_flow_probes_total"
ERRORS = "pingone_flow_exporter_internal_errors_total"
BROKEN, GOOD = "broken", "good"
BROKEN_ID, GOOD_ID = (str(uuid.UUID(int=number)) for number in (1, 2))
"""The source environments, which are in the URLs."""
ENOUGH = 4
"""Successes of the good target, before and after its pages are asked for."""


@pytest.fixture(autouse=True, scope="module")
def thawed() -> Iterator[None]:
    """The daemon freezes what it created. Unfreeze it at the end, so that leaks raise ResourceWarning."""
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def is_about(given: tuple[object, ...]) -> bool:
    """Return whether a call is about the broken target."""
    urls = [getattr(getattr(one, "request", None), "url", "") for one in given]
    text = repr([(one, getattr(one, "target", None)) for one in given])
    return repr(BROKEN) in text or BROKEN_ID in f"{text}{urls}"


def breaking(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:  # noqa: ANN401  any part
    """Have calls of a part fail that are about the broken target, and leave the others as they are."""
    usual = getattr(owner, name)

    def call(*given: Any, **named: Any) -> Any:  # noqa: ANN401  any part's
        if is_about(given):
            raise ValueError(SECRET)
        return usual(*given, **named)

    monkeypatch.setattr(owner, name, call)


def always(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:  # noqa: ANN401  any part
    """Have each call of a part fail."""

    def call(*_: object, **_named: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(owner, name, call)


@dataclass(slots=True)
class Watching:
    """An observer that counts the outcomes of each target."""

    seen: dict[str, list[Outcome]] = field(default_factory=lambda: {BROKEN: [], GOOD: []})
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, outcome: Outcome, /) -> None:
        self.seen[outcome.target].append(outcome)
        self.changed.set()

    def successes(self, target: str) -> int:
        return sum(outcome.success for outcome in self.seen[target])

    async def more(self, count: int) -> None:
        """Wait for so many more successes of the good target."""
        wanted = self.successes(GOOD) + count
        await self.until(lambda: self.successes(GOOD) >= wanted)

    async def until(self, is_seen: Callable[[], object]) -> None:
        async with asyncio.timeout(120.0):
            while not is_seen():
                self.changed.clear()
                await self.changed.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a daemon with a bug has shown.

    Args:
        watching: its outcomes.
        metrics: its last page.
        statuses: the status codes of other pages.
        texts: their texts.
        bugs: its log lines about bugs.
        log: its whole log.
    """

    watching: Watching
    metrics: Samples
    statuses: dict[str, int]
    texts: dict[str, str]
    bugs: list[dict[str, str]]
    log: str


@pytest.fixture
def settings(http_server: Factory[..., HttpServer], tmp_path: Path) -> Config:
    server, variables = http_server(), dict[str, str]()
    for name in (BROKEN, GOOD):
        source = BROKEN_ID if name == BROKEN else GOOD_ID
        variables |= target_variables(name, server.base_url, source=source, interval="200ms", timeout="190ms")
    return load(variables, tmp_path)


@pytest.fixture
def unhurried(settings: Config) -> Config:
    """The same with so much time that no probe fails because this machine stands still."""
    targets = tuple(changed(target, interval=2.5, timeout=2.4) for target in settings.targets)
    return replace(settings, targets=targets)


def ran(
    settings: Config, *pages: str, reload: bool = False, wait_for: Part | None = None, once: bool = False
) -> Run:
    """Run a daemon; ask for pages once the good target was probed several times, and wait for more probes.

    If `once`, one probe of each target is enough, and no more are waited for: it is the pages that count.
    """
    found: dict[str, Any] = {}

    async def main() -> None:
        sockets, watching = bind([("127.0.0.1", 0)]), Watching()
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        daemon = Daemon(settings, observers=[watching])
        async with (
            daemon.running(sockets),
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client,
        ):
            await (watching.until(lambda: all(watching.seen.values())) if once else watching.more(ENOUGH))
            responses = {page: await client.get(page) for page in pages}
            found["statuses"] = {page: response.status_code for page, response in responses.items()}
            found["texts"] = {page: response.text for page, response in responses.items()}
            if reload:
                found["statuses"]["reload"] = (await client.post("/-/reload")).status_code
            if not once:
                await watching.more(ENOUGH)
            async with asyncio.timeout(120.0):
                while True:
                    page = await client.get("/metrics")
                    assert page.status_code == 200
                    found["metrics"] = Samples(page.text)
                    if wait_for is None or found["metrics"].total(ERRORS, part=wait_for):
                        break
        found["watching"] = watching

    lines = written(lambda: asyncio.run(main()))
    read = [logfmt.read(line) for line in lines]
    bugs = [line for line in read if line["level"] == "error"]
    run = Run(bugs=bugs, log="\n".join(lines), **found)
    assert SECRET not in run.log + run.metrics.text
    return run


def in_the_journey(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = JOURNEYS[Journey.AUTHORIZE]

    def steps(target: Target, token: Callable[[], str]) -> Any:  # noqa: ANN401  the journey's own
        if target.name == BROKEN:
            raise ValueError(SECRET)
        return usual(target, token)

    monkeypatch.setitem(JOURNEYS, Journey.AUTHORIZE, steps)


def in_the_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, exporter.probing.transport, "parse_link")


def in_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, exporter.probing.probe, "evaluate")


def in_the_prober_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    breaking(monkeypatch, Prober, "_run_steps")


@pytest.mark.parametrize(
    "bug",
    [in_the_journey, in_the_judge, in_the_transport, in_the_prober_itself],
    ids=lambda bug: bug.__name__,
)
def test_a_bug_in_a_probe_is_an_internal_outcome_of_its_target_alone(
    settings: Config, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None]
) -> None:
    bug(monkeypatch)
    run = ran(settings)
    outcomes = run.watching.seen[BROKEN]
    assert {(outcome.reason, outcome.fault) for outcome in outcomes} == {("internal", "exporter")}
    counted = run.metrics.total(PROBES, target=BROKEN, reason="internal", fault="exporter")
    assert counted == run.metrics.total(PROBES, target=BROKEN) > 1
    assert run.metrics.total(ERRORS, part=Part.PROBE) >= counted
    (line,) = run.bugs
    assert line["exception"].startswith("ValueError at ")
    assert line["target"] == BROKEN


@pytest.mark.parametrize(
    ("owner", "name"), [(Metrics, "observe"), (History, "observe"), (Metrics, "probe_started")]
)
def test_a_bug_in_an_observer_costs_no_other_observer_the_outcome(
    settings: Config, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    if name == "observe":
        breaking(monkeypatch, owner, name)
    else:
        always(monkeypatch, owner, name)
    run = ran(settings)
    assert run.watching.successes(BROKEN) > 1
    assert run.metrics.total(ERRORS, part=Part.OBSERVER) > 1
    assert run.metrics.total(PROBES, target=GOOD, reason="ok") >= ENOUGH
    assert [line["part"] for line in run.bugs] == ["observer"]


def test_a_target_whose_metrics_cannot_be_rendered_costs_the_others_none(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, TargetMetrics, "collect")
    run = ran(settings)
    assert not run.metrics.has(PROBES, target=BROKEN)
    assert run.metrics.total(PROBES, target=GOOD, reason="ok") >= ENOUGH
    assert run.metrics.total(ERRORS, part=Part.METRICS) >= 1
    assert [(line["part"], line["target"]) for line in run.bugs] == [("metrics", BROKEN)]


def test_a_collector_of_the_exporter_that_fails_costs_its_own_families_alone(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, ProcessCollector, "collect")
    run = ran(settings)
    assert not run.metrics.has("process_open_fds")
    assert run.metrics.has("pingone_flow_exporter_build_info")
    assert run.metrics.total(PROBES, target=GOOD, reason="ok") >= ENOUGH
    assert run.metrics.total(ERRORS, part=Part.METRICS) >= 1
    assert [line["part"] for line in run.bugs] == ["metrics"]


def test_a_page_that_fails_is_an_error_of_that_page_alone(
    settings: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, History, "histories")
    pages = [f"/targets/{BROKEN}", f"/targets/{BROKEN}?{SECRET}", f"/targets/{GOOD}", "/", "/-/healthy"]
    run = ran(settings, *pages)
    assert list(run.statuses.values()) == [500, 500, 200, 200, 200]
    assert run.metrics.total(ERRORS, part=Part.PAGE) == 2.0
    assert [(line["part"], line["path"]) for line in run.bugs] == [("page", f"/targets/{BROKEN}")]


@pytest.mark.parametrize("part", ["health", "expiries_of", "warnings"])
def test_a_line_of_the_overview_that_fails_is_the_name_of_its_target_alone(
    unhurried: Config, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """One part decides where the line is, the other is shown in it."""
    breaking(monkeypatch, exporter.serving.overview, part)
    run = ran(unhurried, "/", "/?q=name:o", f"/targets/{BROKEN}", once=True)
    assert list(run.statuses.values()) == [200, 200, 200]
    for page in ("/", "/?q=name:o"):
        assert f'<a href="targets/{BROKEN}">' in run.texts[page]
        assert f'<a href="targets/{GOOD}">' in run.texts[page]
    if part == "warnings":
        for page in ("/", "/?q=name:o"):
            assert run.texts[page].count("could not be rendered: a bug in the exporter; see its log") == 1
    else:
        assert "1 of 2 federations healthy, 1 inconclusive because of the exporter itself." in run.texts["/"]
    assert run.metrics.total(ERRORS, part=Part.PAGE) == 2.0
    assert [(line["part"], line["target"]) for line in run.bugs] == [("page", BROKEN)]


def test_a_target_that_fails_in_the_api_is_its_name_and_journey_alone(
    unhurried: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, exporter.serving.api, "as_json")
    run = ran(unhurried, "/api/v1/targets", f"/api/v1/targets/{GOOD}", once=True)
    assert list(run.statuses.values()) == [200, 200]
    found = {one["target"]: one for one in json.loads(run.texts["/api/v1/targets"])["targets"]}
    assert found[BROKEN] == {"target": BROKEN, "journey": "authorize"}
    assert found[GOOD]["standing"] == "good"
    assert run.metrics.total(ERRORS, part=Part.PAGE) == 1.0
    assert [(line["part"], line["target"]) for line in run.bugs] == [("page", BROKEN)]


def test_a_target_that_the_filter_fails_on_is_found_by_every_filter(
    unhurried: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, exporter.serving.target_filter, "_fields")
    run = ran(unhurried, "/?q=no-such-target", "/api/v1/targets?q=no-such-target", once=True)
    assert list(run.statuses.values()) == [200, 200]
    page, document = run.texts.values()
    assert f'<a href="targets/{BROKEN}">' in page
    assert f'<a href="targets/{GOOD}">' not in page
    assert [one["target"] for one in json.loads(document)["targets"]] == [BROKEN]
    assert run.metrics.total(ERRORS, part=Part.PAGE) == 2.0
    assert [(line["part"], line["target"]) for line in run.bugs] == [("page", BROKEN)]


def test_a_reload_that_fails_stops_no_probe(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, Schedule, "reconfigure")
    run = ran(settings, reload=True)
    assert run.statuses == {"reload": 500}
    assert run.metrics.value("pingone_flow_exporter_config_last_reload_successful") == 0.0
    assert run.metrics.total(ERRORS, part=Part.RELOAD) == 1.0
    assert [line["part"] for line in run.bugs] == ["reload"]


def test_a_periodic_job_that_fails_stops_no_probe(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter.daemon, "FILE_WATCH_INTERVAL", 0.2)
    always(monkeypatch, Daemon, "_watch_files")
    run = ran(settings, wait_for=Part.JOB)
    assert [(line["part"], line["job"]) for line in run.bugs] == [("job", "file watch")]
