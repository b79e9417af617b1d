"""The page: rendered once per change, joined on scrape, and never holding the event loop for long."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from harness.samples import Samples
from observing.examples import BUCKETS, a_success, a_target
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from exporter.observing import FLOW, exposition, slices
from exporter.observing.exposition import Page
from exporter.observing.samples import samples
from exporter.observing.series import Series
from exporter.target import Journey

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

NOTHING = CollectorRegistry()
FORMATS = pytest.mark.parametrize("openmetrics", [False, True])


def many(count: int) -> tuple[Series, ...]:
    return tuple(Series(a_target(name=f"t{number}"), Journey.AUTHORIZE, BUCKETS) for number in range(count))


def render(page: Page, series: Sequence[Series]) -> str:
    return asyncio.run(page.render(series, NOTHING)).decode()


class Renderings:
    """Counts, per target, how often its samples were asked for; each time takes `seconds` of `now`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> None:
        self.now = 0.0
        self.of: Counter[str] = Counter()
        self._seconds = seconds
        self._samples = samples
        monkeypatch.setattr(exposition, "samples", self._count)
        monkeypatch.setattr(slices, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def _count(self, series: Series) -> Any:  # noqa: ANN401  as it came
        self.of[series.target.name] += 1
        self.now += self._seconds
        return self._samples(series)


# Form


@FORMATS
def test_without_any_target_every_family_has_its_help_and_type(*, openmetrics: bool) -> None:
    text = render(Page(openmetrics=openmetrics), ())
    for family in FLOW:
        name = family.name.removesuffix("_total") if openmetrics else family.name
        assert text.count(f"# HELP {name} {family.help}\n") == 1
        assert text.count(f"# TYPE {name} {family.kind}\n") == 1
    assert text.count("\n") == 2 * len(FLOW) + openmetrics


@FORMATS
def test_a_family_of_many_targets_has_one_header_with_all_its_samples_below(*, openmetrics: bool) -> None:
    series = many(3)
    text = render(Page(openmetrics=openmetrics), series)
    assert text.count("# HELP ") == text.count("# TYPE ") == len(FLOW)
    page = Samples(text, openmetrics=openmetrics)
    assert [labels["target"] for labels, _ in page.series("pingone_flow_target_info")] == ["t0", "t1", "t2"]


def test_openmetrics_ends_with_its_end_once_and_text_has_none() -> None:
    registry = CollectorRegistry()
    Gauge("of_the_daemon", "One.", registry=registry)
    page = asyncio.run(Page(openmetrics=True).render(many(2), registry))
    assert page.endswith(b"\nof_the_daemon 0.0\n# EOF\n")
    assert page.count(b"# EOF") == 1
    assert b"EOF" not in asyncio.run(Page(openmetrics=False).render(many(2), registry))


@FORMATS
def test_labels_come_back_whatever_the_operator_wrote(*, openmetrics: bool) -> None:
    first = (("owner", 'the "identity" team\\ops\nline two'), ("note", "# EOF"), ("place", "Zürich ☃"))
    second = (("tier", "\\n"),)
    series = [
        Series(a_target(name=name, labels=labels), Journey.AUTHORIZE, BUCKETS)
        for name, labels in (("a", first), ("b", second), ("c", ()))
    ]
    page = Samples(render(Page(openmetrics=openmetrics), series), openmetrics=openmetrics)
    own = [
        {name: value for name, value in labels.items() if name in {"owner", "note", "place", "tier"}}
        for labels, _ in page.series("pingone_flow_target_info")
    ]
    assert own == [dict(first), dict(second), {}]


# What is not rendered again


@FORMATS
def test_what_did_not_change_is_not_rendered_again(
    monkeypatch: pytest.MonkeyPatch, *, openmetrics: bool
) -> None:
    renderings, page, series = Renderings(monkeypatch), Page(openmetrics=openmetrics), many(3)
    first = render(page, series)
    second = render(page, series)
    assert renderings.of == {"t0": 1, "t1": 1, "t2": 1}
    assert second == first


def test_what_changed_is_rendered_again_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings, page, series = Renderings(monkeypatch), Page(openmetrics=False), many(3)
    render(page, series)
    series[1].observe(a_success(target="t1"))
    text = render(page, series)
    assert renderings.of == {"t0": 1, "t1": 2, "t2": 1}
    assert Samples(text).value("pingone_flow_probe_success", target="t1") == 1
    assert Samples(text).value("pingone_flow_probe_success", target="t0") is None


def test_a_forgotten_series_is_no_longer_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings, page, (stays, goes) = Renderings(monkeypatch), Page(openmetrics=False), many(2)
    render(page, (stays, goes))
    page.forget(goes)
    page.forget(goes)
    assert 't1"' not in render(page, (stays,))
    render(page, (stays, goes))
    assert renderings.of == {"t0": 1, "t1": 2}


# The event loop


class Neighbour:
    """Another task of the same loop; notes the time at each of its turns."""

    def __init__(self, clock: Callable[[], float], act: Callable[[], None] = lambda: None) -> None:
        self.turns: list[float] = []
        self._clock, self._act, self._over = clock, act, False

    async def live(self) -> None:
        while not self._over:
            self.turns.append(self._clock())
            self._act()
            await asyncio.sleep(0)

    async def beside(self, page: Page, series: Sequence[Series]) -> bytes:
        task = asyncio.create_task(self.live())
        try:
            return await page.render(series, NOTHING)
        finally:
            self._over = True
            await task


def test_others_get_their_turn_at_least_every_5_ms_of_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings, series = Renderings(monkeypatch, seconds=0.001), many(300)
    neighbour = Neighbour(lambda: renderings.now)
    asyncio.run(neighbour.beside(Page(openmetrics=False), series))
    gaps = [after - before for before, after in zip(neighbour.turns, neighbour.turns[1:], strict=False)]
    assert neighbour.turns[-1] == pytest.approx(0.3)
    assert max(gaps) <= 0.005


def test_not_even_one_series_is_rendered_without_a_turn_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    page, renderings = Page(openmetrics=False), Renderings(monkeypatch)

    def slow(family: Collector) -> bytes:
        renderings.now += 0.001
        return generate_latest(family)

    monkeypatch.setattr(exposition, "render_text", slow)
    neighbour = Neighbour(lambda: renderings.now)
    asyncio.run(neighbour.beside(page, many(1)))
    assert renderings.now == pytest.approx(0.001 * (len(FLOW) + 1))
    gaps = [after - before for before, after in zip([0.0, *neighbour.turns], neighbour.turns, strict=False)]
    assert max(gaps) <= 0.002


def test_on_a_busy_loop_a_page_still_comes_in_time_and_others_still_get_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renderings, series = Renderings(monkeypatch, seconds=0.001), many(300)

    def be_busy() -> None:
        # Not while the thread at the end joins the page: how many turns that takes is the machine's affair.
        if renderings.of.total() < len(series):
            renderings.now += 0.01

    neighbour = Neighbour(lambda: renderings.now, be_busy)
    asyncio.run(neighbour.beside(Page(openmetrics=False), series))
    # With five turns of 10 ms after each millisecond it would be some 15 s.
    assert renderings.now < 8
    assert len(neighbour.turns) > 100


def test_an_answer_that_came_meanwhile_is_taken_within_one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings, series, over = Renderings(monkeypatch, seconds=0.001), many(50), asyncio.Event()
    lasted = []

    async def take() -> None:
        while not over.is_set():
            begun = renderings.now
            for _ in range(4):  # the socket, its protocol, a future, the task
                await asyncio.sleep(0)
            lasted.append(renderings.now - begun)

    async def scrape() -> None:
        taking = asyncio.create_task(take())
        await Page(openmetrics=False).render(series, NOTHING)
        over.set()
        await taking

    asyncio.run(scrape())
    assert 0 < max(lasted) <= 0.0011


def test_a_quick_scrape_does_not_queue_behind_others(monkeypatch: pytest.MonkeyPatch) -> None:
    renderings, series, page = Renderings(monkeypatch, seconds=0.001), many(300), Page(openmetrics=False)
    render(page, series)
    renderings.now = 0.0
    neighbour = Neighbour(lambda: 0.0)
    states: list[int] = []
    monkeypatch.setattr(asyncio, "to_thread", lambda *_: _noted(states, neighbour))
    asyncio.run(neighbour.beside(page, series))
    assert states == [0], "it let go though it had held the loop for no time"


async def _noted(states: list[int], neighbour: Neighbour) -> bytes:
    states.append(len(neighbour.turns))
    return b""


def test_the_whole_page_is_copied_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scrape() -> tuple[bytes, list[asyncio.Future[Any]]]:
        loop = asyncio.get_running_loop()
        jobs: list[asyncio.Future[Any]] = []
        submit = loop.run_in_executor

        def noted(*arguments: Any) -> Any:  # noqa: ANN401  passed on
            job = submit(*arguments)
            jobs.append(job)
            return job

        monkeypatch.setattr(loop, "run_in_executor", noted)
        return await Page(openmetrics=False).render(many(3), NOTHING), jobs

    page, (job,) = asyncio.run(scrape())
    assert job.result() is page


def test_each_series_is_as_it_was_at_one_moment_while_outcomes_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renderings, series, page = Renderings(monkeypatch, seconds=0.001), many(50), Page(openmetrics=False)

    def probe_all() -> None:
        for one in series:
            one.observe(a_success(target=one.target.name))

    for _ in range(2):
        neighbour = Neighbour(lambda: renderings.now, probe_all)
        found = Samples(asyncio.run(neighbour.beside(page, series)).decode())
        counts: list[float | None] = []
        for one in series:
            name = one.target.name
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
