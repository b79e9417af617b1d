"""Expressions that panels share.

    series()            a family of the catalogue, narrowed down by the dashboard's variables
      └─ per_minute(), quantile(), mean(), worst() ...     what panels ask of it

Sums and extremes are by KEY and never by instance: two pods of a rollout, or of a restart, are one
federation. NaN is no number: what would divide by nothing, or ask for the quantile of nothing, is dropped
by a comparison, so that a panel has a gap where nothing was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.observing.catalogue import DAEMON, FLOW

KEY = "cluster, namespace, job, target"
"""What makes a federation, here as in the rules; journeys are folded, and may be chosen by the variable."""

POD = "cluster, namespace, job, instance"

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
LABELS = {
    family.name + suffix: family.labels
    for family in (*FLOW, *DAEMON)
    for suffix in SUFFIXES.get(family.kind, ("",))
}
"""Every series of the catalogue, and its labels."""

_RECORDED = "target:pingone_flow_probes_"
_PLACE = ("cluster", "namespace", "job")

RATE = "$__rate_interval"
RANGE = "$__range"
SLOW_WINDOW = "30m"
"""As in the rules, like the next: a share of fewer probes would jump."""
SHARE_WINDOW = "15m"
BAD = 'fault=~"network|provider|configuration"'
JUDGED = 'fault=~"none|network|provider|configuration"'

OBJECTIVE = "scalar(max(pingone_flow:threshold:objective) or vector(0.995))"
"""The share of good probes that was promised: as the rules say, else their default."""


def series(name: str, *matchers: str) -> str:
    """Select a series by as many variables of the overview and the target's dashboard as it has labels for.

    Raises:
        KeyError: the catalogue has no such series.
    """
    labels = ("target", "journey") if name.startswith(_RECORDED) else LABELS[name]
    own = [label for label in ("target", "journey") if label in labels]
    return _select(name, [*_PLACE, *own], matchers)


def of_pods(name: str, *matchers: str) -> str:
    """Select a series by the variables of the exporter's dashboard."""
    return _select(name, [*_PLACE, "instance"], matchers)


def of_place(name: str, *matchers: str) -> str:
    """Select a series by cluster, namespace and job alone."""
    return _select(name, _PLACE, matchers)


def _select(name: str, variables: Sequence[str], matchers: Sequence[str]) -> str:
    chosen = [f'{label}=~"${label}"' for label in variables]
    return f"{name}{{{', '.join([*matchers, *chosen])}}}"


def per_minute(by: str, selected: str) -> str:
    """Count per minute: probes come once a minute, and hardly anybody reads 0.0167 a second."""
    return f"60 * sum by ({by}) (rate({selected}[{RATE}]))"


def quantile(share: float, selected: str, by: str = "") -> str:
    """Quantile of a histogram's buckets; nothing where nothing was observed."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({selected}[{RATE}]))) >= 0"


def mean(by: str, total: str, count: str) -> str:
    """Mean of a summary; nothing where nothing was observed."""
    return f"sum by ({by}) (rate({total}[{RATE}])) / (sum by ({by}) (rate({count}[{RATE}])) > 0)"


def phase_means() -> str:
    """Mean seconds of each phase."""
    name = "pingone_flow_step_duration_seconds"
    return mean("phase", series(f"{name}_sum"), series(f"{name}_count"))


def cells(selected: str) -> str:
    """Count per bucket, as a heatmap wants it."""
    return f"sum by (le) (increase({selected}[{RATE}]))"


def worst(selected: str, by: str = KEY) -> str:
    """Take the highest of several pods."""
    return f"max by ({by}) ({selected})"


def age(name: str, by: str = KEY) -> str:
    """Seconds since the latest of several pods' timestamps."""
    return f"time() - {worst(series(name), by)}"


def with_host(value: str, by: str) -> str:
    """Give a series per target the auth host that the same pod tells of it, and take the lowest."""
    info = series("pingone_flow_target_info")
    join = "* on (cluster, namespace, job, instance, target) group_left (auth_host)"
    return f"min by ({by}) (({value}) {join} {info})"


def scraped(up: str, build: str) -> str:
    """Keep the exporters of all that is scraped: those that were here within a day, as in the rules."""
    return f"{up} and on ({POD}) present_over_time({build}[1d])"


def certificate_days(by: str) -> str:
    """Days until the certificates expire that users meet."""
    expiry = series("pingone_flow_tls_certificate_expiry_timestamp_seconds")
    return with_host(f"({expiry} - time()) / 86400", by)


def _probes(recorded: str, fault: str, window: str) -> str:
    """Probes in a window: as recorded by the rules, without times of no egress; else as counted."""
    kept = series(f"{_RECORDED}{recorded}:increase30s")
    counted = series("pingone_flow_probes_total", fault)
    return (
        f"(sum by ({KEY}) (sum_over_time({kept}[{window}]))"
        f" or sum by ({KEY}) (increase({counted}[{window}])))"
    )


def bad_share(window: str) -> str:
    """Share of probes that were bad, of those that are judged."""
    return f"{_probes('bad', BAD, window)} / ({_probes('judged', JUDGED, window)} > 0)"


def budget_left(window: str) -> str:
    """Share of the error budget that is left after such a window; below 0 it is overspent."""
    return f"1 - {bad_share(window)} / (1 - {OBJECTIVE})"


def burn_rate(window: str) -> str:
    """How many times too fast the error budget is used up."""
    return f"{bad_share(window)} / (1 - {OBJECTIVE})"


def slow_share(by: str) -> str:
    """Share of successes over the latency objective."""
    slow = series("pingone_flow_probes_slow_total")
    good = series("pingone_flow_probe_duration_seconds_count")
    return share(by, slow, good, SLOW_WINDOW)


def share(by: str, part: str, whole: str, window: str) -> str:
    """Return how much of a whole is a part of it, of two counters; nothing where there is no whole."""
    some, every = (f"sum by ({by}) (increase({counter}[{window}]))" for counter in (part, whole))
    return f"{some} / ({every} > 0)"


def firing(by: str) -> str:
    """Seconds for which alerts have held that fire now; without a job: that there is no exporter at all."""
    mine = ('alertname=~"PingOne.+"', 'job=~"$job|"')
    held = f"time() - {_select('ALERTS_FOR_STATE', _PLACE[:2], mine)}"
    now = _select("ALERTS", _PLACE[:2], ('alertstate="firing"', *mine))
    return f"max by ({by}) ({held} and ignoring (alertstate) {now})"
