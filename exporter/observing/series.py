"""Gauges and counters of a target, in the form in which they are written fastest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Sample

LabelValues: TypeAlias = tuple[str, ...]


class SeriesFamily(Metric):
    """A gauge or counter of one target that makes samples only if they are asked for.

    The text is written from `key` and `values`: prometheus-client's samples take most of the time otherwise.
    It checks nothing, for our names are valid.

    Args:
        name: of each series; a counter's ends with `_total`.
        documentation: its HELP text.
        kind: gauge or counter.
        labels: names of all labels.
        series: `key` and `values`.
        exemplars: values of the further labels -> exemplar of the series.

    Attributes:
        key: values of the labels that all series have in common; these labels come first.
        values: values of the further labels -> value of the series.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        kind: str,
        labels: tuple[str, ...],
        series: tuple[LabelValues, Mapping[LabelValues, float]],
        exemplars: Mapping[LabelValues, Exemplar] | None = None,
    ) -> None:
        self.series_name = name
        self.name = name.removesuffix("_total")
        self.documentation = documentation
        self.type = kind
        self.unit = ""
        self.labels = labels
        self.key, self.values = series
        self.exemplars = exemplars or {}

    @property
    def samples(self) -> list[Sample]:
        """The samples."""
        return [
            Sample(
                self.series_name,
                dict(zip(self.labels, (*self.key, *further), strict=True)),
                value,
                exemplar=self.exemplars.get(further),
            )
            for further, value in self.values.items()
        ]

    @samples.setter
    def samples(self, samples: list[Sample]) -> None:
        raise NotImplementedError
