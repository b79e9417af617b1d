"""The whole job without a tenant: the simulator alone, or with the exporter that watches it.

    stage.py        starts both in one event loop, and says where everything is
    board.py        what a person sees of it: a live table on a terminal, plain lines elsewhere
    scraper.py      a Prometheus beside it, if there is one
    simulation.py   the simulator alone
    mistake.py      what is said when one of them cannot be

It stands on app.py, which joins the rooms, and adds the simulator and a view.
"""

from exporter.demo.mistake import DemoError, UnavailableError
from exporter.demo.simulation import simulate
from exporter.demo.stage import demo

__all__ = ["DemoError", "UnavailableError", "demo", "simulate"]
