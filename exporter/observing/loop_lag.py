"""How late our own event loop is: the one lie that every latency of ours could tell."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE_EVERY = 0.1
"""Seconds between two samples."""


async def watch_loop_lag(report: Callable[[float], None]) -> None:
    """Report, ten times a second, by how many seconds the loop woke us late. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE_EVERY
        await asyncio.sleep(SAMPLE_EVERY)
        report(max(0.0, loop.time() - due))
