"""docs/metrics.md, made from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.observing.catalogue import DAEMON, FLOW, Family

_INTRODUCTION = """\
# Metrics

<!-- Generated from exporter/observing/catalogue.py by `make docs`. -->

Served at `/metrics`, as text 0.0.4 or OpenMetrics 1.0.0, whichever is asked for. What has not been observed
is absent, never 0 or -1; counters over a closed set start at 0. How many series there are is bounded by the
configuration, whatever a provider sends.
"""

_NONE = "\N{EN DASH}"

_OF_TARGETS = """
## About targets

`pingone_flow_target_info` also carries the target's own labels.

"""

_OF_THE_DAEMON = """
## About the daemon

"""

_OF_THE_PROCESS = """
Besides, prometheus-client tells about the process (`process_cpu_seconds_total`, `process_max_fds`,
`process_open_fds`, `process_resident_memory_bytes`, `process_start_time_seconds`,
`process_virtual_memory_bytes`; on Linux only) and about Python (`python_info`).
"""


def reference() -> str:
    """Return the page of all metric families, in the order of the catalogue."""
    return "".join(
        (_INTRODUCTION, _OF_TARGETS, *_table(FLOW), _OF_THE_DAEMON, *_table(DAEMON), _OF_THE_PROCESS)
    )


def _table(families: Iterable[Family]) -> Iterable[str]:
    yield "| family | type | labels | meaning |\n|---|---|---|---|\n"
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels) or _NONE
        yield f"| `{family.name}` | {family.kind} | {labels} | {family.help} |\n"
