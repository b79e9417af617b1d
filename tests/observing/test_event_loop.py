"""How late the event loop is, in a loop with time that the test controls."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from exporter.observing import LoopWatch, Yielder

INTERVAL = 0.01
"""Seconds between two samples."""

EARLY = 5e-10
"""Seconds by which waiting ends too soon; asyncio fires timers that much before they are due."""


class Clockwork(asyncio.SelectorEventLoop):
    """A loop with time that advances only by what it would wait for, and by what a test adds."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now = 1000.0
        self._select, self._selector.select = self._selector.select, self._pass  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now

    def _pass(self, timeout: float | None = None) -> Any:  # noqa: ANN401  what selectors return
        self.now += max(0.0, (timeout or 0.0) - EARLY)
        return self._select(0)


class Scene:
    """A watch in a clockwork loop: a test awaits each sample, and stalls the loop at will."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop
        self.samples: asyncio.Queue[float] = asyncio.Queue()
        self.watch = LoopWatch(loop.time, self.samples.put_nowait)

    async def sampled(self, count: int) -> list[float]:
        return [await self.samples.get() for _ in range(count)]

    def stall(self, seconds: float) -> None:
        self.loop.now += seconds


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    """Play a story in a watched loop."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clockwork)
        scene = Scene(loop)
        task = asyncio.create_task(scene.watch.run())
        await asyncio.sleep(0)
        await story(scene)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())


def test_an_idle_loop_is_not_late() -> None:
    async def story(scene: Scene) -> None:
        begun = scene.loop.time()
        samples = await scene.sampled(3)
        assert samples == [pytest.approx(0.0, abs=1e-6)] * 3
        assert min(samples) >= 0, "which would take away from the histogram's sum"
        assert not scene.watch.stalls(begun)

    play(story)


def test_a_held_loop_is_late_by_what_the_sleep_did_not_cover() -> None:
    async def story(scene: Scene) -> None:
        scene.stall(0.5)
        assert await scene.sampled(1) == [pytest.approx(0.5 - INTERVAL)]
        scene.stall(INTERVAL / 2)
        assert await scene.sampled(1) == [pytest.approx(0.0, abs=1e-6)]

    play(story)


def test_a_stall_counts_for_a_probe_that_started_before_its_end() -> None:
    async def story(scene: Scene) -> None:
        begun = scene.loop.time()
        scene.stall(0.2)
        late = scene.loop.time()
        await scene.sampled(3)
        assert scene.watch.stalls(begun)
        assert scene.watch.stalls(begun + 0.1)
        assert not scene.watch.stalls(late - 0.04), "at most 40 ms of it were left"
        assert not scene.watch.stalls(late)

    play(story)


def test_a_stall_is_known_before_the_next_sample() -> None:
    async def story(scene: Scene) -> None:
        begun = scene.loop.time()
        scene.stall(0.2)
        assert scene.watch.stalls(begun)

    play(story)


@pytest.mark.parametrize(("waited", "stalled"), [(INTERVAL * 0.1, False), (INTERVAL * 0.9, True)])
def test_the_answer_before_the_next_sample_is_the_one_after_it(
    waited: float,
    stalled: bool,  # noqa: FBT001  a row of the table
) -> None:
    """Of 55 ms right after a sample the watch only knows that about 45 were not slept."""

    async def story(scene: Scene) -> None:
        await asyncio.sleep(waited)
        begun = scene.loop.time()
        scene.stall(0.055)
        before = bool(scene.watch.stalls(begun))
        await scene.sampled(1)
        assert (before, bool(scene.watch.stalls(begun))) == (stalled, stalled)

    play(story)


def test_a_stall_does_not_count_for_a_probe_that_started_after_it() -> None:
    async def story(scene: Scene) -> None:
        scene.stall(0.5)
        assert not scene.watch.stalls(scene.loop.time() - 0.04)
        assert scene.watch.stalls(scene.loop.time() - 0.06)

    play(story)


@pytest.mark.parametrize(("held", "stalled"), [(0.05, False), (0.1, True)])
def test_fifty_milliseconds_are_not_a_stall(held: float, stalled: bool) -> None:  # noqa: FBT001  a row of the table
    async def story(scene: Scene) -> None:
        begun = scene.loop.time()
        scene.stall(held)
        await scene.sampled(2)
        assert bool(scene.watch.stalls(begun)) is stalled

    play(story)


def test_time_before_the_watch_started_does_not_count() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clockwork)
        scene = Scene(loop)
        scene.stall(60.0)
        begun = loop.time()
        task = asyncio.create_task(scene.watch.run())
        assert await scene.sampled(1) == [pytest.approx(0.0, abs=1e-6)]
        assert not scene.watch.stalls(begun - 1.0)
        task.cancel()

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(run())


def test_the_kept_stalls_are_bounded() -> None:
    async def story(scene: Scene) -> None:
        begun = scene.loop.time()
        for _ in range(1000):
            scene.stall(0.2)
            await scene.sampled(1)
        assert 0 < len(scene.watch.stalls(begun)) <= 256

    play(story)


@pytest.mark.parametrize(("elapsed", "longest"), [(0.0, 0.005), (1.5, 0.02)])
def test_long_work_yields_and_less_often_on_a_busy_loop(elapsed: float, longest: float) -> None:
    async def run() -> list[float]:
        now = 100.0
        yielder, ran = Yielder(lambda: now), [now + elapsed]

        def note() -> None:
            ran.append(now)

        now += elapsed
        await yielder.yield_if_due()
        for _ in range(100):
            asyncio.get_running_loop().call_soon(note)
            now += 0.001
            await yielder.yield_if_due()
        assert yielder.elapsed == pytest.approx(elapsed + 0.1)
        return list(ran)

    ran = sorted(set(asyncio.run(run())))
    gaps = [after - before for before, after in itertools.pairwise(ran)]
    assert longest < max(gaps) < longest + 0.0015
