"""Scheduling: when to ask for a probe of a target. The only room that knows APScheduler."""

from exporter.scheduling.chore import Chore
from exporter.scheduling.clock import SteadyClock
from exporter.scheduling.offsets import first_delays
from exporter.scheduling.plan import Plan
from exporter.scheduling.schedule import Schedule, Watcher

__all__ = ["Chore", "Plan", "Schedule", "SteadyClock", "Watcher", "first_delays"]
