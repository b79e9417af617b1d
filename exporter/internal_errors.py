"""Internal errors, i.e. bugs and exhausted resources: counted by part, and logged with the traceback.

A bug that affects one target must not affect the others, so the caller of each part catches its exceptions
here and continues. A bug may occur in every probe of a thousand targets, so each is logged once, and then
once an hour while it lasts.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from traceback import walk_tb

REPEAT_SECONDS = 3600.0  # a recurring bug is logged again after this time
MAX_REMEMBERED = 256  # Bugs by kind and place. Beyond that they are forgotten, and logged again.

_log = logging.getLogger(__name__)

_NO_THREAD = "can't start new thread"  # Python's text; there is no type for it


def is_resource_exhaustion(error: BaseException) -> bool:
    """Return True if memory or threads ran out, which is not a bug."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)


class Part(StrEnum):
    """Where a bug was noticed; the values of a label."""

    PROBE = "probe"  # journey, transport or judge; the probe's reason is `internal`
    OBSERVER = "observer"  # what receives outcomes and events of the schedule: metrics, history, log
    METRICS = "metrics"  # the text of the metrics
    PAGE = "page"  # pages, API, health, and connections to the port
    RELOAD = "reload"
    JOB = "job"  # a periodic job other than a probe


@dataclass(frozen=True, slots=True)
class _Catching:
    report: Callable[[Exception], None]

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        if isinstance(error, Exception):
            self.report(error)
        return isinstance(error, Exception)


class InternalErrors:
    """Counts and logs internal errors; `clock` is monotonic seconds, `counts` are by part."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts = dict.fromkeys(Part, 0)
        self._clock = clock
        self._logged: dict[tuple[object, ...], tuple[float, int]] = {}
        """Bug -> when it was last logged, and how often it has occurred since."""

    def catching(self, part: Part, message: str, **facts: str) -> _Catching:
        """Return a context manager that passes an exception of its block to `report` and suppresses it."""
        return _Catching(lambda error: self.report(part, message, error, **facts))

    def report(self, part: Part, message: str, error: BaseException, **facts: str) -> None:
        """Count a bug, and log it with further facts unless that was done within the hour.

        `message` names what failed, e.g. `reload failed`. The error's text is left out: it may quote a URL.
        """
        self.counts[part] += 1
        places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
        bug, now = (part, type(error), *places[-1:]), self._clock()
        logged_at, since = self._logged.get(bug, (None, 0))
        if logged_at is not None and now - logged_at < REPEAT_SECONDS:
            self._logged[bug] = logged_at, since + 1
            return
        if len(self._logged) >= MAX_REMEMBERED:
            self._logged.clear()
        self._logged[bug] = now, 0
        repeated = {"repeated": since} if since else {}
        cause = "resource exhausted" if is_resource_exhaustion(error) else "a bug in the exporter"
        _log.error(f"{message}: {cause}", exc_info=error, extra={"part": part.value, **facts, **repeated})
