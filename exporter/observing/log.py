"""The log: one line per probe at debug, one per change of a target's reason at info or warning."""

from __future__ import annotations

import logging

from exporter.outcome import Outcome, as_json
from exporter.reasons import Reason
from exporter.target import Journey

_log = logging.getLogger(__name__)


class LogObserver:
    """Writes outcomes to the log."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, Journey], Reason] = {}

    def observe(self, outcome: Outcome, /) -> None:
        """Log a change of reason for everybody, and each probe for those who debug."""
        key = outcome.target, outcome.journey
        before = self._last.get(key)
        self._last[key] = outcome.reason
        if outcome.reason is before:
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("probe ended", extra=as_json(outcome))
            return
        level = logging.INFO if outcome.success else logging.WARNING
        facts = as_json(outcome)
        if before is not None:
            facts["previous_reason"] = before.value
        _log.log(level, "target succeeds" if outcome.success else "target fails", extra=facts)

    def forget(self, target: str, journey: Journey) -> None:
        """Forget a target that is no longer probed."""
        self._last.pop((target, journey), None)
