"""The whole job without a tenant: the simulator alone, or with the exporter that watches it.

    stage.py     starts both in one event loop, and says where everything is
    board.py     what a person sees of it: a live table on a terminal, plain lines elsewhere
    scraper.py   a Prometheus beside it, if there is one

It stands on app.py, which joins the rooms, and adds the simulator and a view.
"""

from exporter.demo.stage import DemoError, demo, simulate

__all__ = ["DemoError", "demo", "simulate"]
