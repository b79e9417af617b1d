"""Grafana dashboards, made by code, so that panels share what they ask and how they look.

    overview.py, target.py, exporter.py     what is on each dashboard
    frame.py                                uid, variables, links, rows
    panels.py, tables.py, looks.py          kinds of panels
    promql.py, states.py                    what they ask

`make docs` writes them into the chart; tests/dashboards/ asks a real Prometheus every query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dashboards import exporter, overview, target
from dashboards.frame import written

DIRECTORY = Path(__file__).resolve().parents[2] / "helm" / "pingone-flow-exporter" / "files" / "dashboards"

FILES: Mapping[Path, Callable[[], str]] = {
    DIRECTORY / "overview.json": lambda: written(overview.overview()),
    DIRECTORY / "target.json": lambda: written(target.target()),
    DIRECTORY / "exporter.json": lambda: written(exporter.exporter()),
}
"""Every dashboard's file, and the function that returns its whole text."""

__all__ = ["DIRECTORY", "FILES"]
