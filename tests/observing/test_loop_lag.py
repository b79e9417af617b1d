"""How late the event loop is, by a loop whose time is ours."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import pytest

from exporter.observing import watch_loop_lag
from exporter.observing.loop_lag import SAMPLE_EVERY

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


def reports(spent: list[float]) -> list[float]:
    """Return what is reported while something holds the loop, for so many seconds in each sample."""
    found: list[float] = []

    async def watched() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Clockwork)
        reported: asyncio.Queue[float] = asyncio.Queue()
        task = asyncio.create_task(watch_loop_lag(reported.put_nowait))
        await asyncio.sleep(0)
        for seconds in spent:
            loop.now += seconds
            found.append(await reported.get())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        runner.run(watched())
    return found


def test_a_loop_that_nobody_holds_is_not_late() -> None:
    assert reports([0.0, 0.0, 0.0]) == [pytest.approx(0.0, abs=1e-6)] * 3


def test_a_loop_that_stood_still_is_late_by_what_the_sleep_did_not_cover() -> None:
    assert reports([0.0, 0.5, SAMPLE_EVERY / 2]) == [
        pytest.approx(0.0, abs=1e-6),
        pytest.approx(0.5 - SAMPLE_EVERY),
        pytest.approx(0.0, abs=1e-6),
    ]


def test_a_timer_that_fires_early_is_no_lag_below_zero() -> None:
    assert reports([0.0] * 3) == [0.0] * 3
