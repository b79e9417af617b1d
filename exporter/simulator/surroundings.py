"""Time and chance, as arguments."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the simulator takes from the world around it.

    Args:
        clock: seconds since the epoch; flows and the `Date` header follow it.
        monotonic: seconds from any point; the script follows it.
        sleep: waits for that many seconds.
        random: decides about the share of `flaky` and the jitter of `slow`.
    """

    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Random = field(default_factory=Random)
