"""Observing: outcomes and events of the schedule become metrics, history and log.

families.py        all metric families: name, labels, HELP text
metrics.py         observer of outcomes, listener of the schedule; metrics about the exporter
target_metrics.py  the metrics of one target and journey, and the state behind them
exposition.py      metrics as text: kept per target, joined on scrape
history.py         recent outcomes for pages and API
log.py             outcomes as log lines; how log lines look and leave the process
event_loop.py      how late our event loop is; long work yields to it
"""

from exporter.observing.event_loop import LoopWatch, Yielder
from exporter.observing.history import History
from exporter.observing.log import LogObserver, log_to, set_log_level
from exporter.observing.metrics import Metrics

__all__ = ["History", "LogObserver", "LoopWatch", "Metrics", "Yielder", "log_to", "set_log_level"]
