"""Callers share one computation that starts after they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from exporter.single_flight import SingleFlight


class Computing:
    """Returns 1, 2, 3, … as soon as it may.

    Args:
        fails: whether it raises instead.
    """

    def __init__(self, *, fails: bool = False) -> None:
        self.started = 0
        self.may_end = asyncio.Event()
        self._fails = fails

    async def __call__(self) -> int:
        self.started += 1
        number = self.started
        await self.may_end.wait()
        if self._fails:
            raise ValueError("a bug")
        return number


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await scenario
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_callers_share_a_computation_and_later_callers_share_the_next() -> None:
    async def scenario() -> None:
        compute = Computing()
        flight = SingleFlight(compute)
        early = [asyncio.create_task(flight()) for _ in range(3)]
        await settle()
        late = [asyncio.create_task(flight()) for _ in range(3)]
        await settle()
        assert compute.started == 1

        compute.may_end.set()

        assert await asyncio.gather(*early, *late) == [1, 1, 1, 2, 2, 2]

    run(scenario())


def test_those_who_share_a_computation_get_the_one_with_the_arguments_of_the_first() -> None:
    async def echo(text: str) -> str:
        return text

    async def scenario() -> None:
        flight = SingleFlight(echo)
        assert await asyncio.gather(*map(flight, "ab")) == ["a", "a"]
        assert await flight("c") == "c"

    run(scenario())


def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    async def scenario() -> None:
        compute = Computing()
        flight = SingleFlight(compute)
        leaves, stays = asyncio.create_task(flight()), asyncio.create_task(flight())
        await settle()

        leaves.cancel()
        await settle()
        compute.may_end.set()

        assert await stays == 1
        assert leaves.cancelled()

    run(scenario())


def test_an_exception_reaches_every_caller_and_the_next_call_starts_over() -> None:
    async def scenario() -> None:
        compute = Computing(fails=True)
        compute.may_end.set()
        flight = SingleFlight(compute)
        found = await asyncio.gather(flight(), flight(), return_exceptions=True)
        assert [type(error) for error in found] == [ValueError, ValueError]

        with pytest.raises(ValueError, match="a bug"):
            await flight()
        assert compute.started == 2

    run(scenario())


def test_it_can_be_started_without_waiting_for_it() -> None:
    async def scenario() -> None:
        compute = Computing()
        compute.may_end.set()
        flight = SingleFlight(compute)
        assert flight.start() is flight.start()
        await settle()
        assert compute.started == 1

    run(scenario())


def test_a_cancellation_ends_what_is_under_way_and_what_waits() -> None:
    async def scenario() -> None:
        compute = Computing()
        flight = SingleFlight(compute)
        callers = [asyncio.create_task(flight())]
        await settle()
        callers.append(asyncio.create_task(flight()))
        await settle()

        await flight.cancel()
        await settle()

        assert [caller.cancelled() for caller in callers] == [True, True]
        assert compute.started == 1
        compute.may_end.set()
        assert await flight() == 2

    run(scenario())
