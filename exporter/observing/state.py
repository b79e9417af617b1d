"""Whether a target succeeds or fails, since when, and how many probes in a row: one rule for all."""

from __future__ import annotations

from exporter.outcome import Outcome


class State:
    """The state of one target and journey.

    Outcomes that say nothing of the target (faults `quota` and `exporter`) leave it as it is.
    """

    __slots__ = ("failing", "in_a_row", "since")

    def __init__(self) -> None:
        self.failing: bool | None = None
        """None before the first outcome that says anything."""
        self.since: float | None = None
        """End of the first probe of the row; wall clock."""
        self.in_a_row = 0
        """Probes since then, that one included."""

    def fold(self, outcome: Outcome) -> None:
        """Take a finished probe into account."""
        if not outcome.counts:
            return
        failing = not outcome.success
        if failing is not self.failing:
            self.failing, self.since, self.in_a_row = failing, outcome.ended_at, 0
        self.in_a_row += 1
