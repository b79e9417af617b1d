"""Scheduling: starts each target's probes when they are due. The only package that uses APScheduler."""

from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.job import (
    FIRST_PROBE_SPACING,
    PeriodicJob,
    first_delays,
    interval_offset,
)
from exporter.scheduling.schedule import Schedule

__all__ = [
    "FIRST_PROBE_SPACING",
    "PeriodicJob",
    "Schedule",
    "SteadyClock",
    "first_delays",
    "interval_offset",
]
