"""What the schedule tells of a target: when it is probed next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.target import Journey, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan for one target and journey; times by the wall clock, seconds since the epoch.

    Args:
        target: what is probed.
        journey: what is walked.
        next_run: when it is due; None when nothing more is started.
        held_until: until when it is held back because the provider asked for it; None when it is not.
    """

    target: Target
    journey: Journey
    next_run: float | None
    held_until: float | None
