"""How many probes may run at once: places that are taken and given back, and whose number may change.

asyncio's semaphore would do, were its number not fixed: a reload may bring targets that need more places,
or an operator who grants fewer.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Places:
    """Hands places to whoever came first.

    Args:
        size: how many there are, at least one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a place. Whoever is cancelled meanwhile has none."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was handed a place in the same turn of the loop
                self.give_back()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Leave a place to the next one."""
        self._taken -= 1
        self._hand_out()

    def resize(self, size: int) -> None:
        """Have so many from now on. Where there are fewer, nobody is sent away: fewer are let in."""
        self._size = size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._taken < self._size:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
