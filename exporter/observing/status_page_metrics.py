"""The vendor's status page as metrics: one-hot over closed sets, so that no text of the page is a label.

What was never read is absent; what was read stays, with the time of the last success, while requests fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from exporter.status import COMPONENT_STATUSES, INCIDENT_IMPACTS, MAINTENANCE_STATES, StatusPageReport


def status_page_families(report: StatusPageReport) -> Iterator[Metric]:
    """Yield what is known of the status page."""
    page, read = report.page, report.last_success is not None
    statuses: dict[tuple[str, ...], float] = {
        (component.name, status): component.status == status
        for component in report.components
        for status in COMPONENT_STATUSES
    }
    yield _gauge(
        "component",
        "Whether a component has this status on the vendor's status page: 1 or 0; unknown if not found.",
        page,
        statuses,
        *("component", "status"),
    )
    impacts = Counter(incident.impact for incident in report.incidents)
    yield _gauge(
        "incidents",
        "Open incidents on the vendor's status page, by impact.",
        page,
        {(impact,): impacts[impact] for impact in INCIDENT_IMPACTS if read},
        "impact",
    )
    states = Counter(maintenance.state for maintenance in report.maintenances)
    yield _gauge(
        "maintenances",
        "Scheduled and current maintenances on the vendor's status page, by state.",
        page,
        {(state,): states[state] for state in MAINTENANCE_STATES if read},
        "state",
    )
    yield _gauge(
        "page_updated_timestamp_seconds",
        "Unix time at which the vendor's status page last changed, by the page.",
        page,
        {} if report.updated is None else {(): report.updated},
    )
    yield _gauge(
        "fetch_success",
        "Whether the last request for the vendor's status page returned a summary: 1 or 0.",
        page,
        {(): report.fetched_ok},
    )
    yield _gauge(
        "last_success_timestamp_seconds",
        "Unix time at which the vendor's status page was last read.",
        page,
        {} if report.last_success is None else {(): report.last_success},
    )


def _gauge(
    name: str, documentation: str, page: str, values: Mapping[tuple[str, ...], float], *labels: str
) -> Metric:
    family = GaugeMetricFamily(f"pingone_status_{name}", documentation, labels=("page", *labels))
    for further, value in values.items():
        family.add_metric((page, *further), value)
    return family
