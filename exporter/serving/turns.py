"""One thing at a time, made once for all who ask until it begins, and handed to one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Makes a thing for whoever asks.

    Who asks while one is being made, or handed out, gets the next one, together with all others who ask until
    that begins. So whatever was so before somebody asked is in it, and however many ask, two are in memory.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self._hand = asyncio.Lock()
        self._next: _Turn[T] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self) -> T:
        """Return one that was begun no earlier than now."""
        turn = self._next
        if turn is None:
            self._next = turn = _Turn()
            task = asyncio.create_task(self._take(turn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        turn.waiting += 1
        try:
            made = await asyncio.shield(turn.made)  # whoever leaves takes it from nobody
            # Each in a turn of the loop of its own: to send megabytes takes milliseconds, and hundreds who
            # wait would hold the loop for seconds.
            async with self._hand:
                await asyncio.sleep(0)
            return made
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                turn.over.set()

    async def _take(self, turn: _Turn[T]) -> None:
        async with self._lock:
            self._next = None
            try:
                turn.made.set_result(await self._make())
            except Exception as error:  # noqa: BLE001  whoever asked is told
                turn.made.set_exception(error)
                turn.made.exception()  # also when all of them have left
            if turn.waiting:
                await turn.over.wait()


class _Turn(Generic[T]):
    """One that is made.

    Attributes:
        made: it, when it is.
        waiting: how many have still to get it.
        over: when nobody has.
    """

    def __init__(self) -> None:
        self.made: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self.over = asyncio.Event()
