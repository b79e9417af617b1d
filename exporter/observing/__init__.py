"""Observing: what becomes of outcomes. The only room that knows prometheus-client and the log's looks.

metrics.py       observer and watcher; the daemon's own families
series.py        the state of one target and journey
samples.py       that state as samples
catalogue.py     every family's name, type, meaning and labels
exposition.py    samples as text, kept and joined; slices.py lets others have their turns meanwhile
history.py       outcomes for people; state.py says since when, packing.py keeps them small
log.py           outcomes as log lines; log_output.py says how lines look and leave
loop_lag.py      how late our own event loop is
reference.py     the catalogue told in words, for docs/
"""

from exporter.observing.catalogue import DAEMON, FLOW, Family
from exporter.observing.history import History
from exporter.observing.log import LogObserver
from exporter.observing.log_output import log_to, set_log_level
from exporter.observing.loop_lag import LoopWatch
from exporter.observing.metrics import Metrics
from exporter.observing.reference import reference
from exporter.observing.slices import Yielder

__all__ = [
    "DAEMON",
    "FLOW",
    "Family",
    "History",
    "LogObserver",
    "LoopWatch",
    "Metrics",
    "Yielder",
    "log_to",
    "reference",
    "set_log_level",
]
