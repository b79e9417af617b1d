"""The commands `demo` and `simulate`: the whole product without a PingOne tenant.

stage.py        the demo: simulator and exporter in one event loop
board.py        what it shows: a live table on a terminal, plain lines elsewhere
prometheus.py   a Prometheus that scrapes it, if one is installed
simulation.py   the simulator alone
"""

from exporter.demo.simulation import DemoError, UnavailableError, simulate
from exporter.demo.stage import demo

__all__ = ["DemoError", "UnavailableError", "demo", "simulate"]
