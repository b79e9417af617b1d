"""Scheduling: starts each target's probes when they are due. The only package that uses APScheduler."""

from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.job import (
    FIRST_PROBE_SPACING,
    PeriodicJob,
    ScheduledProbe,
    first_delays,
    phase_offset,
)
from exporter.scheduling.load_estimate import ENVIRONMENT_RATE, IP_SHARE, Load, loads
from exporter.scheduling.schedule import Schedule

__all__ = [
    "ENVIRONMENT_RATE",
    "FIRST_PROBE_SPACING",
    "IP_SHARE",
    "Load",
    "PeriodicJob",
    "Schedule",
    "ScheduledProbe",
    "SteadyClock",
    "first_delays",
    "loads",
    "phase_offset",
]
