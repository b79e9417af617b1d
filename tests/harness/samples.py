"""A metrics page, read by prometheus_client's own parser and asked for values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample


class Samples:
    """What one scrape returned.

    Args:
        text: the page.
        openmetrics: whether it is OpenMetrics rather than the text format 0.0.4.
    """

    def __init__(self, text: str, *, openmetrics: bool = False) -> None:
        self.text = text
        self.families: tuple[Metric, ...] = tuple((parse_openmetrics if openmetrics else parse_text)(text))
        self._samples: dict[str, list[Sample]] = {}
        # By target too: with hundreds of them, looking through all of a name's series takes most of a test.
        self._of_target: dict[tuple[str, str], list[Sample]] = {}
        for family in self.families:
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(sample)
                self._of_target.setdefault((sample.name, sample.labels.get("target", "")), []).append(sample)

    def family(self, name: str, /) -> Metric | None:
        """Return a family by the name of its TYPE line; a counter is found with and without `_total`."""
        names = {name, name.removesuffix("_total")}
        found = [family for family in self.families if family.name in names]
        if len(found) > 1:
            raise LookupError(f"{name} occurs as {len(found)} families")
        return found[0] if found else None

    def series(self, name: str, /, **labels: str) -> list[tuple[dict[str, str], float]]:
        """Return all series called `name` that have these labels among theirs: their labels and value."""
        found = self._samples.get(name, ())
        if "target" in labels:
            found = self._of_target.get((name, labels["target"]), ())
        return [
            (dict(sample.labels), float(sample.value))
            for sample in found
            if labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, /, **labels: str) -> float | None:
        """Return the value of the one series called `name` with these labels among its own, None if absent.

        Raises:
            LookupError: several series are meant, so the answer would be chance.
        """
        found = self.series(name, **labels)
        if len(found) > 1:
            raise LookupError(f"{len(found)} series are {name}{labels}: {found}")
        return found[0][1] if found else None

    def has(self, name: str, /, **labels: str) -> bool:
        """Return whether there is at least one such series."""
        return bool(self.series(name, **labels))

    def total(self, name: str, /, **labels: str) -> float:
        """Return the sum over all such series; 0 when there is none."""
        return sum(value for _, value in self.series(name, **labels))

    def digest(self, prefix: str = "pingone_flow_", lines: int = 80) -> str:
        """Return the telling part of the page for the text of a failure: no comments, zeros or buckets."""
        telling = [
            line
            for line in self.text.splitlines()
            if line.startswith(prefix) and "_bucket{" not in line and not line.endswith((" 0.0", " 0"))
        ]
        rest = [f"… and {len(telling) - lines} lines more"] if len(telling) > lines else []
        return "\n".join([*telling[:lines], *rest])
