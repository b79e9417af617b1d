"""What is remembered of outcomes for people: the last one of each target and journey."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.outcome import Outcome
    from exporter.target import Journey


class History:
    """Remembers outcomes; bounded by the number of targets."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, Journey], Outcome] = {}

    def observe(self, outcome: Outcome, /) -> None:
        """Remember an outcome in place of the one before."""
        self._last[outcome.target, outcome.journey] = outcome

    def forget(self, target: str, journey: Journey) -> None:
        """Forget a target that is no longer probed."""
        self._last.pop((target, journey), None)

    def last(self, target: str, journey: Journey) -> Outcome | None:
        """Return the last outcome, or None before the first."""
        return self._last.get((target, journey))
