"""How late the event loop is, by a loop whose time is ours."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from exporter.observing import LoopWatch
from exporter.observing.loop_lag import BEAT

EARLY = 5e-10
"""Seconds by which waiting ends too soon; asyncio lets timers fire so much before they are due."""


class Clockwork(asyncio.SelectorEventLoop):
    """A loop in which no time passes but what it would wait for, and what a test spends."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self.now = 1000.0
        self._select, self._selector.select = self._selector.select, self._pass  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now

    def _pass(self, timeout: float | None = None) -> Any:  # noqa: ANN401  what selectors return
        self.now += max(0.0, (timeout or 0.0) - EARLY)
        return self._select(0)


class Watched:
    """A watch that runs in a clockwork loop; each sample is awaited, and time is spent at will."""

    def __init__(self, loop: Clockwork) -> None:
        self.loop = loop
        self.samples: asyncio.Queue[float] = asyncio.Queue()
        self.watch = LoopWatch(loop.time, self.samples.put_nowait)

    async def beats(self, count: int) -> list[float]:
        return [await self.samples.get() for _ in range(count)]

    def stand_still(self, seconds: float) -> None:
        self.loop.now += seconds


def watched(story: Callable[[Watched], Awaitable[None]]) -> None:
    """Play a story in a loop that is watched."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clockwork)
        scene = Watched(loop)
        task = asyncio.create_task(scene.watch.run())
        await asyncio.sleep(0)
        await story(scene)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(play())


def test_a_loop_that_nobody_holds_is_not_late() -> None:
    async def story(scene: Watched) -> None:
        begun = scene.loop.time()
        samples = await scene.beats(3)
        assert samples == [pytest.approx(0.0, abs=1e-6)] * 3
        assert min(samples) >= 0, "which would take away from the histogram's sum"
        assert not scene.watch.stalls(begun)

    watched(story)


def test_a_loop_that_was_held_is_late_by_what_the_sleep_did_not_cover() -> None:
    async def story(scene: Watched) -> None:
        scene.stand_still(0.5)
        assert await scene.beats(1) == [pytest.approx(0.5 - BEAT)]
        scene.stand_still(BEAT / 2)
        assert await scene.beats(1) == [pytest.approx(0.0, abs=1e-6)]

    watched(story)


def test_it_stood_still_for_whoever_began_before_the_end_of_it() -> None:
    async def story(scene: Watched) -> None:
        begun = scene.loop.time()
        scene.stand_still(0.2)
        late = scene.loop.time()
        await scene.beats(3)
        assert scene.watch.stalls(begun)
        assert scene.watch.stalls(begun + 0.1)
        assert not scene.watch.stalls(late - 0.04), "of which no more than 40 ms were left"
        assert not scene.watch.stalls(late)

    watched(story)


def test_it_is_known_before_the_watch_itself_was_woken() -> None:
    async def story(scene: Watched) -> None:
        begun = scene.loop.time()
        scene.stand_still(0.2)
        assert scene.watch.stalls(begun)

    watched(story)


@pytest.mark.parametrize(("waited", "still"), [(BEAT * 0.1, False), (BEAT * 0.9, True)])
def test_whoever_asks_before_the_watch_was_woken_is_told_what_it_will_say_then(
    waited: float,
    still: bool,  # noqa: FBT001  a row of the table
) -> None:
    """Of 55 ms right behind a beat the watch knows no more than that some 45 were not slept."""

    async def story(scene: Watched) -> None:
        await asyncio.sleep(waited)
        begun = scene.loop.time()
        scene.stand_still(0.055)
        before = bool(scene.watch.stalls(begun))
        await scene.beats(1)
        assert (before, bool(scene.watch.stalls(begun))) == (still, still)

    watched(story)


def test_a_probe_that_began_after_it_is_not_told_of_it_though_the_watch_was_not_woken() -> None:
    async def story(scene: Watched) -> None:
        scene.stand_still(0.5)
        assert not scene.watch.stalls(scene.loop.time() - 0.04)
        assert scene.watch.stalls(scene.loop.time() - 0.06)

    watched(story)


@pytest.mark.parametrize(("held", "still"), [(0.05, False), (0.1, True)])
def test_fifty_milliseconds_are_let_pass(held: float, still: bool) -> None:  # noqa: FBT001  a row of the table
    async def story(scene: Watched) -> None:
        begun = scene.loop.time()
        scene.stand_still(held)
        await scene.beats(2)
        assert bool(scene.watch.stalls(begun)) is still

    watched(story)


def test_nobody_was_late_before_the_watch_began() -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clockwork)
        scene = Watched(loop)
        scene.stand_still(60.0)
        begun = loop.time()
        task = asyncio.create_task(scene.watch.run())
        assert await scene.beats(1) == [pytest.approx(0.0, abs=1e-6)]
        assert not scene.watch.stalls(begun - 1.0)
        task.cancel()

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(play())


def test_what_is_remembered_is_bounded() -> None:
    async def story(scene: Watched) -> None:
        begun = scene.loop.time()
        for _ in range(1000):
            scene.stand_still(0.2)
            await scene.beats(1)
        assert scene.watch.stalls(begun)
        assert len(scene.watch._stalls) <= 256  # noqa: SLF001  the bound itself

    watched(story)
