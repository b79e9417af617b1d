"""However many ask, it is made once; whoever asks later gets a later one."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from exporter.serving.turns import Turns


class Maker:
    """Makes 1, 2, 3, … when it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = 0, asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.let_go.wait()
        return number


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(10):
            await scenario
        assert asyncio.all_tasks() == {asyncio.current_task()}  # nothing is left behind

    asyncio.run(whole())


async def yield_if_due() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_all_who_ask_until_it_begins_get_the_same_and_all_who_ask_later_the_next() -> None:
    async def scenario() -> None:
        make = Maker()
        turns = Turns(make)
        early = [asyncio.create_task(turns()) for _ in range(3)]
        await yield_if_due()
        late = [asyncio.create_task(turns()) for _ in range(3)]
        await yield_if_due()
        assert make.begun == 1  # one at a time

        make.let_go.set()

        assert await asyncio.gather(*early, *late) == [1, 1, 1, 2, 2, 2]

    run(scenario())


def test_the_next_is_not_begun_before_everybody_has_the_last() -> None:
    """Else each that is made while others are still handed out would be in memory as well."""

    async def scenario() -> None:
        make = Maker()
        make.let_go.set()
        turns = Turns(make)
        begun = list[int]()

        async def ask() -> None:
            await turns()
            begun.append(make.begun)

        asked = [asyncio.create_task(ask()) for _ in range(100)]
        await asked[0]
        await asyncio.gather(*asked, turns())
        assert begun == [1] * 100
        await yield_if_due()

    run(scenario())


def test_no_two_get_it_in_one_turn_of_the_loop() -> None:
    async def scenario() -> None:
        make = Maker()
        turns = Turns(make)
        turn, got = 0, list[int]()

        async def ask() -> None:
            await turns()
            got.append(turn)

        asked = [asyncio.create_task(ask()) for _ in range(20)]
        await yield_if_due()
        make.let_go.set()
        while not all(one.done() for one in asked):
            turn += 1
            await asyncio.sleep(0)
        assert len(set(got)) == 20
        await yield_if_due()

    run(scenario())


def test_whoever_leaves_takes_it_from_nobody_and_holds_nobody_up() -> None:
    async def scenario() -> None:
        make = Maker()
        turns = Turns(make)
        leaves, stays = asyncio.create_task(turns()), asyncio.create_task(turns())
        await yield_if_due()
        leaves.cancel()
        make.let_go.set()

        assert await stays == 1
        assert await turns() == 2
        await yield_if_due()

    run(scenario())


def test_when_all_have_left_the_next_one_is_made_all_the_same() -> None:
    async def scenario() -> None:
        make = Maker()
        turns = Turns(make)
        leaves = asyncio.create_task(turns())
        await yield_if_due()
        leaves.cancel()
        await yield_if_due()
        make.let_go.set()

        assert await turns() == 2
        await yield_if_due()

    run(scenario())


def test_a_failure_is_told_to_all_who_waited_for_it_and_to_nobody_else() -> None:
    async def scenario() -> None:
        made = 0

        async def make() -> int:
            nonlocal made
            made += 1
            if made == 1:
                raise ValueError("once")
            return made

        turns = Turns(make)
        for one in [asyncio.create_task(turns()) for _ in range(2)]:
            with pytest.raises(ValueError, match="once"):
                await one
        assert await turns() == 2
        await yield_if_due()

    run(scenario())
