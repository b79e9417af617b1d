"""Write the generated pages: docs, the tables in both READMEs, and the dashboards.

Run by `make docs`; tests/test_docs.py checks that the files are up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import chart_values
import dashboards
import metrics_reference
import reasons_table
import rule_files
import settings_reference
import simulator_reference

DOCS = Path(__file__).resolve().parent

# The table of faults is test data; tests import each other from their own directory.
sys.path.insert(0, str(DOCS.parent / "tests"))
from faults.table import reference as faults_reference  # noqa: E402  found by the line above only

PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "settings.md": settings_reference.reference,
    DOCS / "metrics.md": metrics_reference.reference,
    DOCS / "simulator.md": simulator_reference.reference,
    DOCS / "faults.md": faults_reference,
    chart_values.CHART / "README.md": chart_values.readme,
    chart_values.CHART / "values.schema.json": chart_values.schema,
    rule_files.RULES / "thresholds.yaml": rule_files.thresholds_file,
    rule_files.INDEX: rule_files.index,
    reasons_table.README: reasons_table.readme,
    **dashboards.FILES,
}
"""Every generated file, and the function that returns its text."""


def main() -> None:
    """Write all of them."""
    for path, text in PAGES.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
