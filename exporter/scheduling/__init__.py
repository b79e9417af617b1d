"""Scheduling: when to ask for a probe of a target. The only room that knows APScheduler."""

from exporter.scheduling.chore import PeriodicJob
from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.offsets import first_delays
from exporter.scheduling.plan import ScheduledProbe
from exporter.scheduling.schedule import Schedule, ScheduleListener

__all__ = ["PeriodicJob", "Schedule", "ScheduleListener", "ScheduledProbe", "SteadyClock", "first_delays"]
