"""Places: none is lost, none is there twice, whoever is cancelled and however their number changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.scheduling.places import Places

TURNS = 100
"""Of the loop, in which everybody has got as far as they get: who is told to leave before they sit down hands
on their place a turn or two later, one after the other."""


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Guests:
    """Take places one after the other, and keep them until told."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.seated: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._leaving: dict[int, asyncio.Event] = {}

    def come(self) -> int:
        number = len(self.tasks)
        self._leaving[number] = asyncio.Event()
        self.tasks.append(asyncio.create_task(self._stay(number)))
        return number

    async def _stay(self, number: int) -> None:
        await self.places.take()
        self.seated.append(number)
        try:
            await self._leaving[number].wait()
        finally:
            self.seated.remove(number)
            self.places.give_back()

    def leave(self, number: int) -> None:
        self._leaving[number].set()

    async def go(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def party(size: int, scene: Callable[[Guests], Awaitable[None]]) -> None:
    async def main() -> None:
        guests = Guests(Places(size))
        await scene(guests)
        await guests.go()

    asyncio.run(main())


def test_there_are_no_more_than_there_are_and_first_come_is_first_served() -> None:
    async def scene(guests: Guests) -> None:
        for _ in range(5):
            guests.come()
        await turns()
        assert guests.seated == [0, 1]
        guests.leave(0)
        await turns()
        assert guests.seated == [1, 2]

    party(2, scene)


def test_more_places_let_in_who_waits_at_once() -> None:
    async def scene(guests: Guests) -> None:
        for _ in range(5):
            guests.come()
        await turns()
        guests.places.resize(4)
        await turns()
        assert guests.seated == [0, 1, 2, 3]

    party(1, scene)


def test_fewer_places_send_nobody_away_and_let_in_fewer() -> None:
    async def scene(guests: Guests) -> None:
        for _ in range(5):
            guests.come()
        await turns()
        guests.places.resize(1)
        await turns()
        assert guests.seated == [0, 1, 2]
        guests.leave(0)
        guests.leave(1)
        await turns()
        assert guests.seated == [2]
        guests.leave(2)
        await turns()
        assert guests.seated == [3]

    party(3, scene)


def test_who_is_cancelled_in_the_turn_in_which_it_gets_a_place_passes_it_on() -> None:
    async def scene(guests: Guests) -> None:
        for _ in range(3):
            guests.come()
        await turns()
        guests.places.resize(2)
        guests.tasks[1].cancel()
        await turns()
        assert guests.seated == [0, 2]

    party(1, scene)


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_who_gives_up_waiting_takes_nothing_along(*, cancelled_first: bool) -> None:
    async def scene(guests: Guests) -> None:
        for _ in range(3):
            guests.come()
        await turns()
        if cancelled_first:
            guests.tasks[1].cancel()
            guests.leave(0)
        else:
            guests.leave(0)
            await asyncio.sleep(0)
            guests.tasks[1].cancel()
        await turns()
        assert guests.seated == [2]

    party(1, scene)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["come", "leave", "cancel", "resize", "turn"]), st.integers(0, 9))),
)
def test_whatever_happens_places_are_all_taken_while_somebody_waits_and_never_twice(
    size: int, events: list[tuple[str, int]]
) -> None:
    async def scene(guests: Guests) -> None:
        now = size
        for event, number in events:
            if event == "come":
                guests.come()
            elif event == "resize":
                now = 1 + number % 4
                guests.places.resize(now)
            elif event == "turn":
                await asyncio.sleep(0)
            elif number < len(guests.tasks):
                guests.tasks[number].cancel() if event == "cancel" else guests.leave(number)
        await turns()
        await turns()
        waiting = sum(not task.done() for task in guests.tasks) - len(guests.seated)
        assert len(guests.seated) >= now or waiting == 0
        while guests.seated:
            guests.leave(guests.seated[0])
            await turns()
            assert len(guests.seated) <= max(now, 4)
        assert all(task.done() for task in guests.tasks)
        for _ in range(now + 1):
            guests.come()
        await turns()
        assert len(guests.seated) == now  # not one more, not one less

    party(size, scene)
