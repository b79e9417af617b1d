"""Ways to read the samples of a series in tests."""

from __future__ import annotations

from exporter.observing.samples import samples
from exporter.observing.series import Series

KEY = {"target": "emea", "journey": "authorize"}
STEP = {**KEY, "step": "authorize"}


def shown(series: Series, family: str) -> list[tuple[dict[str, str], float]]:
    """Return labels and values of a family, named without its prefix."""
    return [
        (dict(sample.labels), sample.value) for sample in samples(series).get(f"pingone_flow_{family}", ())
    ]
