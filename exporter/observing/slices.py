"""Long work in slices: the event loop that renders pages is the one that takes the times of probes."""

from __future__ import annotations

import asyncio
import time

_SLICE = 0.0005
"""Seconds after which a page lets go of the loop; what is done between two looks comes on top."""

_TURNS = 5
"""Turns of the loop that others have between two slices. An answer that arrived needs several until its
time is taken: from its socket through a future to its task. With a slice between each two of them it would
be reported as that many slices late."""

_PATIENCE = 2.0
"""Seconds. On a busy loop each turn takes long, and a page that comes after the scraper's timeout is none:
from then on slices are longer, and others have one turn between them."""

_HURRIED_SLICE = 0.003


class Yielder:
    """Lets go of the event loop once it was held for long enough."""

    def __init__(self) -> None:
        self._begun = self._since = time.perf_counter()

    async def yield_if_due(self) -> None:
        """Give others their turns, if it is time."""
        now = time.perf_counter()
        hurried = now - self._begun > _PATIENCE
        if now - self._since > (_HURRIED_SLICE if hurried else _SLICE):
            for _ in range(1 if hurried else _TURNS):
                await asyncio.sleep(0)
            self._since = time.perf_counter()
