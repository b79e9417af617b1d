"""The families of a target, in the form in which their text is written fastest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from exporter.observing.histogram import LabelValues, TracedProbe

Exemplars: TypeAlias = Mapping[LabelValues, TracedProbe]


def known_values(value: float | None) -> dict[LabelValues, float]:
    """Return the one value of a family without further labels; none if it is unknown."""
    return {} if value is None else {(): value}


class SeriesFamily(Metric):
    """A family of one target that makes samples only if they are asked for.

    The text is written from `key` and `values`: prometheus-client's samples take most of the time otherwise.
    It checks nothing, for our names are valid.

    Args:
        name: of each series; a counter's ends with `_total`.
        documentation: its HELP text.
        kind: gauge or counter; a histogram or a summary has several series names, `name` and a suffix.
        labels: names of all labels; those of `key` come first, and that of the target before all others.
        key: values of the labels that all series have in common.
        values: values of the further labels -> value of the series; for a histogram or a summary the suffix
            of the series' name comes first.
        exemplars: likewise -> the probe behind the series.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        kind: str,
        labels: tuple[str, ...],
        key: LabelValues,
        values: Mapping[LabelValues, float],
        exemplars: Exemplars | None = None,
    ) -> None:
        self.series_name = name
        self.name = name.removesuffix("_total")
        self.documentation = documentation
        self.type = kind
        self.unit = ""
        self.labels = labels
        self.key = key
        self.values = values
        self.exemplars = exemplars or {}

    def describe(self, further: LabelValues) -> tuple[str, dict[str, str]]:
        """Return the name and the labels of the series with these further values."""
        name = self.series_name
        if self.type in _SUFFIXED:
            name, further = name + further[0], further[1:]
        return name, dict(zip(self.labels, (*self.key, *further), strict=False))

    @property
    def samples(self) -> list[Sample]:
        """The samples."""
        samples = []
        for further, value in self.values.items():
            probe = self.exemplars.get(further)
            exemplar = None if probe is None else probe.exemplar()
            samples.append(Sample(*self.describe(further), value, exemplar=exemplar))
        return samples

    @samples.setter
    def samples(self, samples: list[Sample]) -> None:
        raise NotImplementedError


_SUFFIXED = frozenset({"histogram", "summary"})


def target_gauge(target: str, name: str, documentation: str, value: float | None) -> SeriesFamily:
    """Return a gauge with the label `target` alone; without a series if the value is unknown."""
    return SeriesFamily(name, documentation, "gauge", ("target",), (target,), known_values(value))
