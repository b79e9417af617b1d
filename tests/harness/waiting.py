"""Waiting for what happens in another process: look, compare, look again, until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 240.0
"""Seconds after which a test fails rather than hangs. What is waited for takes a small part of it on an idle
machine; a busy one, with several programs on each core, has taken a minute and more."""

BETWEEN_LOOKS = 0.05
"""Seconds. Short beside what is waited for."""

REST = 4
"""A look is followed by a rest of so many times its length: a page of hundreds of targets, asked for without
a pause, would be the load that makes a program late."""


def poll(
    look: Callable[[], T],
    accept: Callable[[T], object],
    *,
    timeout: float = PATIENCE,
    what: str,
    describe: Callable[[T], str] = repr,
) -> T:
    """Return the first thing seen that `accept` finds good.

    Args:
        look: what is called again and again; whatever it raises ends the wait.
        accept: truthy when it is good.
        timeout: seconds; there is always one look after they have passed.
        what: what is waited for, as it completes "waited 30 s for …".
        describe: describes the last value in the error.

    Raises:
        AssertionError: none was good in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        over = began >= deadline
        seen = look()
        if accept(seen):
            return seen
        if over:
            raise AssertionError(f"waited {timeout} s for {what}; last seen:\n{describe(seen)}")
        time.sleep(max(BETWEEN_LOOKS, REST * (time.monotonic() - began)))
