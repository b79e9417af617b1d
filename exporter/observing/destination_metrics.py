"""Metrics of the destinations that list their identity providers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from exporter.status import DestinationStatus


def destination_families(destinations: Iterable[DestinationStatus]) -> Iterator[Metric]:
    """Yield the families about destinations; what was not observed yet is absent."""
    providers = GaugeMetricFamily(
        "pingone_flow_destination_providers",
        "Identity providers that the destination lists, by what the exporter does about them.",
        labels=("destination", "state"),
    )
    success = GaugeMetricFamily(
        "pingone_flow_destination_refresh_success",
        "Whether the last listing of the destination's identity providers succeeded: 1 or 0.",
        labels=("destination",),
    )
    last_success = GaugeMetricFamily(
        "pingone_flow_destination_last_refresh_success_timestamp_seconds",
        "Unix time of the last successful listing of the destination's identity providers.",
        labels=("destination",),
    )
    for destination in destinations:
        if destination.refresh_ok is not None:
            success.add_metric((destination.name,), destination.refresh_ok)
        if destination.last_success is not None:
            last_success.add_metric((destination.name,), destination.last_success)
            for state, count in destination.counts.items():
                providers.add_metric((destination.name, state.value), count)
    yield from (providers, success, last_success)
