"""Writes the generated pages of this directory, the table in the chart's README, and its dashboards.

Run by `make docs`; compared by tests/test_docs.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import chart_values
import dashboards

from exporter.observing import reference as metrics_reference
from exporter.settings import reference as settings_reference
from exporter.simulator.reference import reference as simulator_reference

DOCS = Path(__file__).resolve().parent

# The table of faults is data of the tests, which are no package and import each other from their own folder.
sys.path.insert(0, str(DOCS.parent / "tests"))
from faults.table import reference as faults_reference  # noqa: E402  found by the line above only

PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "settings.md": settings_reference,
    DOCS / "metrics.md": metrics_reference,
    DOCS / "simulator.md": simulator_reference,
    DOCS / "faults.md": faults_reference,
    chart_values.CHART / "README.md": chart_values.readme,
    **dashboards.FILES,
}
"""Every generated file, and the function that returns its whole text."""


def main() -> None:
    """Write every one anew."""
    for path, text in PAGES.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
