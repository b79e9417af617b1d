"""Journeys: what a probe does, step by step, one file each. None of them does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.probing.journeys.authorize import authorize
from exporter.target import Journey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.probing.step import Walk
    from exporter.target import Target

JOURNEYS: Mapping[Journey, Callable[[Target, Callable[[], str]], Walk]] = {
    Journey.AUTHORIZE: authorize,
}
