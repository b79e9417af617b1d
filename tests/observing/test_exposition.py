"""The text: rendered once per change, joined on scrape; never holds the event loop for long."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from harness.samples import Samples
from metrics_reference import FAMILIES
from observing.examples import BUCKETS, START, a_failure, a_success, a_target, joined, text_of
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.observing import Metrics
from exporter.reasons import Fault, Reason
from exporter.status import LiveFacts
from exporter.target import Target

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

FORMATS = pytest.mark.parametrize("openmetrics", [False, True])
OF_TARGETS = [family for family in FAMILIES if "target" in family.labels]


class Rendering:
    """Targets that count their renderings, each of which takes `seconds` of a clock."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.now = 100.0
        self.count: Counter[str] = Counter()
        self.seconds = seconds

    def targets(self, count: int, **changes: Any) -> list[Target]:  # noqa: ANN401  any field of a target
        names = [f"t{number}" for number in range(count)]
        return [a_target(name=name, labels=self._labels(name), **changes) for name in names]

    def metrics(self, count: int, **changes: Any) -> Metrics:  # noqa: ANN401  any field of a target
        targets = self.targets(count, **changes)
        return Metrics(targets, buckets=BUCKETS, wall=lambda: START, clock=lambda: self.now)

    def _labels(self, name: str) -> Any:  # noqa: ANN401  a tuple that counts how often it is read
        rendering = self

        class Labels(tuple[tuple[str, str], ...]):
            __slots__ = ()

            def __iter__(self) -> Iterator[tuple[str, str]]:
                rendering.count[name] += 1
                rendering.now += rendering.seconds
                return super().__iter__()

        return Labels((("owner", name),))


def names_in(text: str) -> list[str]:
    return [labels["target"] for labels, _ in Samples(text).series("pingone_flow_target_info")]


# Form


@FORMATS
@pytest.mark.parametrize("count", [0, 3])
def test_each_family_has_one_header_however_many_targets_there_are(count: int, *, openmetrics: bool) -> None:
    text = text_of(Rendering().metrics(count), openmetrics=openmetrics)
    for family in OF_TARGETS:
        name = family.name.removesuffix("_total") if openmetrics else family.name
        assert text.count(f"# HELP {name} {family.help}\n") == 1
        assert text.count(f"# TYPE {name} {family.kind}\n") == 1
    page = Samples(text, openmetrics=openmetrics)
    assert [labels["target"] for labels, _ in page.series("pingone_flow_target_info")] == [
        f"t{number}" for number in range(count)
    ]


class Parsed(Collector):
    """The families of a page, for prometheus-client to render."""

    def __init__(self, samples: Samples) -> None:
        self.families = samples.families

    def collect(self) -> Iterator[Metric]:
        yield from self.families


@FORMATS
def test_samples_are_written_as_prometheus_client_writes_them(*, openmetrics: bool) -> None:
    target = a_target(labels=(("owner", 'a "b" \\ c\nd'), ("team", "identität")))
    metrics = Metrics([target], buckets=BUCKETS, wall=lambda: START)
    for outcome in (a_success(), a_failure(Reason.CONNECT, Fault.NETWORK)):
        metrics.observe(outcome)
    text = text_of(metrics, openmetrics=openmetrics)
    parsed = Parsed(Samples(text, openmetrics=openmetrics))
    rendered: bytes = (generate_openmetrics if openmetrics else generate_text)(parsed)
    assert sample_lines(text) == sample_lines(rendered.decode())
    assert (" # {transaction_id=" in text) is openmetrics


def sample_lines(text: str) -> list[str]:
    """Return the samples, without the time of exemplars: its parser keeps more digits than were written."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [re.sub(r"( # \{.*\} \S+) \S+$", r"\1", line) for line in lines]


def test_openmetrics_ends_with_one_eof_and_text_has_none() -> None:
    metrics = Rendering().metrics(2)
    text = text_of(metrics, openmetrics=True)
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    assert "EOF" not in text_of(metrics)


@FORMATS
def test_any_value_of_a_label_is_read_back_as_it_was_written(*, openmetrics: bool) -> None:
    first = (("owner", 'the "identity" team\\ops\nline two'), ("note", "# EOF"), ("place", "Zürich ☃"))
    second = (("tier", "\\n"), ("note", "\n# HELP pingone_flow_target_info x"))
    labels = [dict(first), dict(second), {}]
    targets = [a_target(name=f"t{n}", labels=tuple(own.items())) for n, own in enumerate(labels)]
    page = Samples(
        text_of(Metrics(targets, buckets=BUCKETS, clock=lambda: 0.0), openmetrics=openmetrics),
        openmetrics=openmetrics,
    )
    shown = [labels for labels, _ in page.series("pingone_flow_target_info")]
    own_names = {"owner", "note", "place", "tier"}
    assert [{name: one[name] for name in one.keys() & own_names} for one in shown] == labels


# What is not rendered again


@FORMATS
def test_a_target_that_did_not_change_is_not_rendered_again(*, openmetrics: bool) -> None:
    rendering = Rendering()
    metrics = rendering.metrics(3)
    first = text_of(metrics, openmetrics=openmetrics)
    assert set(rendering.count.values()) == {1}
    assert _of_targets(text_of(metrics, openmetrics=openmetrics)) == _of_targets(first)
    assert set(rendering.count.values()) == {1}


def test_a_target_that_changed_is_rendered_again() -> None:
    rendering = Rendering()
    metrics = rendering.metrics(3)
    text_of(metrics)
    metrics.observe(a_success(target="t1"))
    page = Samples(text_of(metrics))
    assert rendering.count == {"t0": 1, "t1": 2, "t2": 1}
    assert page.value("pingone_flow_probe_success", target="t1") == 1
    assert page.value("pingone_flow_probe_success", target="t0") is None


def test_both_formats_are_made_of_one_rendering() -> None:
    rendering = Rendering()
    metrics = rendering.metrics(1)
    metrics.observe(a_success(target="t0"))
    text, openmetrics = text_of(metrics), text_of(metrics, openmetrics=True)
    assert rendering.count["t0"] == 1
    without = re.sub(r" # \{transaction_id=.*", "", openmetrics)
    assert openmetrics != without
    assert _of_targets(without) == _of_targets(text)


def test_a_target_probed_less_often_than_scraped_is_rendered_before_the_scrape() -> None:
    rendering = Rendering()
    metrics = rendering.metrics(1, interval=60.0)
    for _ in range(3):
        metrics.observe(a_success(target="t0"))
    assert rendering.count["t0"] == 0, "it may never be scraped"
    text_of(metrics)
    metrics.observe(a_success(target="t0"))
    assert rendering.count["t0"] == 2
    assert Samples(text_of(metrics)).total("pingone_flow_probes_total") == 4
    assert rendering.count["t0"] == 2
    for _ in range(3):
        metrics.observe(a_success(target="t0"))
    assert rendering.count["t0"] == 3, "only the first of several probes between two scrapes"


def test_a_target_probed_more_often_than_scraped_is_rendered_by_the_scrape() -> None:
    rendering = Rendering()
    metrics = rendering.metrics(1, interval=5.0, timeout=2.0)
    text_of(metrics)
    metrics.observe(a_success(target="t0"))
    assert rendering.count["t0"] == 1
    assert Samples(text_of(metrics)).total("pingone_flow_probes_total") == 1


# The event loop


class Neighbour:
    """Another task of the same loop; notes the time whenever it runs."""

    def __init__(self, clock: Callable[[], float], act: Callable[[], None] = lambda: None) -> None:
        self.times: list[float] = []
        self._clock, self._act, self._stopping = clock, act, False

    async def run(self) -> None:
        while not self._stopping:
            self.times.append(self._clock())
            self._act()
            await asyncio.sleep(0)

    async def beside(self, metrics: Metrics) -> str:
        task = asyncio.create_task(self.run())
        try:
            return joined(await metrics.render(False))  # noqa: FBT003  as the web server calls it
        finally:
            self._stopping = True
            await task


def test_other_tasks_run_at_least_every_6_ms() -> None:
    rendering = Rendering(seconds=0.001)
    neighbour = Neighbour(lambda: rendering.now)
    asyncio.run(neighbour.beside(rendering.metrics(300)))
    gaps = [after - before for before, after in itertools.pairwise(neighbour.times)]
    assert neighbour.times[-1] - neighbour.times[0] > 0.29
    assert max(gaps) <= 0.0061


def test_a_scrape_without_changes_does_not_queue_behind_other_tasks() -> None:
    metrics = Rendering(seconds=0.001).metrics(300)
    text_of(metrics)
    neighbour = Neighbour(lambda: 0.0)
    asyncio.run(neighbour.beside(metrics))
    assert len(neighbour.times) <= 1


def test_other_tasks_run_while_a_scrape_reads_what_is_known_elsewhere() -> None:
    now = 100.0

    def slow(*_: object) -> None:
        nonlocal now
        now += 0.001

    targets = [a_target(name=f"t{number}") for number in range(300)]
    metrics = Metrics(targets, buckets=BUCKETS, clock=lambda: now, live=LiveFacts(backoff_until=slow))
    neighbour = Neighbour(lambda: now)
    asyncio.run(neighbour.beside(metrics))
    gaps = [after - before for before, after in itertools.pairwise(neighbour.times)]
    assert neighbour.times[-1] - neighbour.times[0] > 0.29
    assert max(gaps) <= 0.0061


def test_on_a_busy_loop_a_scrape_ends_in_time_without_holding_it_for_long() -> None:
    rendering = Rendering(seconds=0.001)
    metrics = rendering.metrics(300)

    def be_busy() -> None:
        rendering.now += 0.05

    neighbour = Neighbour(lambda: rendering.now, be_busy)
    started = rendering.now
    asyncio.run(neighbour.beside(metrics))
    gaps = [after - before for before, after in itertools.pairwise(neighbour.times)]
    assert rendering.now - started < 2.2
    assert max(gaps) <= 0.05 + 0.022


def test_on_an_overloaded_loop_scrapes_are_answered_with_older_text_and_catch_up_in_turn() -> None:
    rendering = Rendering(seconds=0.001)
    metrics = rendering.metrics(200, interval=1.0, timeout=0.5)

    def overload() -> None:
        rendering.now += 0.5

    def scrape(*, overloaded: bool) -> Samples:
        started = rendering.now
        neighbour = Neighbour(lambda: rendering.now, overload if overloaded else lambda: None)
        text = asyncio.run(neighbour.beside(metrics))
        assert rendering.now - started < 3.1
        return Samples(text)

    shown = [len(names_in(scrape(overloaded=True).text)) for _ in range(3)]
    assert 0 < shown[0] < shown[1] < shown[2] < 200, "those that were never rendered come first"
    assert len(names_in(scrape(overloaded=False).text)) == 200
    for number in range(200):
        metrics.observe(a_success(target=f"t{number}"))
    totals = [scrape(overloaded=True).total("pingone_flow_probes_total") for _ in range(3)]
    assert 0 < totals[0] < totals[1] < totals[2] < 200, "those rendered longest ago come first"
    page = scrape(overloaded=False)
    assert page.total("pingone_flow_probes_total") == 200
    assert names_in(page.text) == [f"t{number}" for number in range(200)]


def test_each_target_is_as_it_was_at_one_moment_while_outcomes_arrive() -> None:
    rendering = Rendering(seconds=0.001)
    names = [f"t{number}" for number in range(50)]
    metrics = rendering.metrics(50)

    def probe_all() -> None:
        for name in names:
            metrics.observe(a_success(target=name))

    for _ in range(2):
        neighbour = Neighbour(lambda: rendering.now, probe_all)
        found = Samples(asyncio.run(neighbour.beside(metrics)))
        counts: list[float | None] = []
        for name in names:
            of_target = {
                found.total("pingone_flow_probes_total", target=name),
                found.value("pingone_flow_probe_duration_seconds_count", target=name),
                found.total("pingone_flow_http_responses_total", target=name),
                found.value("pingone_flow_statuses_total", target=name, status="USERNAME_PASSWORD_REQUIRED"),
                found.value("pingone_flow_step_duration_seconds_count", target=name, phase="tls") or 0,
            }
            assert len(of_target) == 1
            counts += of_target
        assert len(set(counts)) > 1, "no outcome arrived in between"


def _of_targets(text: str) -> list[str]:
    return [line for line in text.splitlines() if 'target="' in line]
