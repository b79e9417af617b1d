"""Expressions that panels share.

    series()            a metric, filtered by the dashboard's variables
      └─ per_minute(), quantile(), mean(), worst() ...     expressions of it

Aggregations are by KEY and never by instance: two pods of a rollout, or of a restart, are one federation.
Comparisons drop NaN (a division by zero, a quantile of nothing), so that a panel has a gap there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from metrics_reference import FAMILIES
from rule_files import THRESHOLDS

KEY = "cluster, namespace, job, target"
"""What makes a federation, here as in the rules; journeys are folded, and may be chosen by the variable."""

POD = "cluster, namespace, job, instance"

SUFFIXES = {"histogram": ("", "_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
LABELS = {
    family.name + suffix: family.labels for family in FAMILIES for suffix in SUFFIXES.get(family.kind, ("",))
}
"""Every series of the catalogue, and its labels; a histogram without a suffix is a native one."""

_RECORDED = "target:pingone_flow_probe"
_SCOPE = ("cluster", "namespace", "job")

RATE = "$__rate_interval"
RANGE = "$__range"
SLOW_WINDOW = "30m"
"""As in the rules, like the next: a share of fewer probes would be noisy."""
SHARE_WINDOW = "15m"
BAD = 'fault=~"network|provider|configuration"'
JUDGED = 'fault=~"none|network|provider|configuration"'

OBJECTIVE = f"scalar(max(pingone_flow:threshold:objective) or vector({THRESHOLDS['objective']:g}))"
"""The objective: from the alert rules, else their default."""


def series(name: str, *matchers: str) -> str:
    """Select a series by the variables of the overview and the target's dashboard.

    Raises:
        KeyError: if there is no such series.
    """
    labels = ("target", "journey") if name.startswith(_RECORDED) else LABELS[name]
    own = [label for label in ("target", "journey") if label in labels]
    return _select(name, [*_SCOPE, *own], matchers)


def of_pods(name: str, *matchers: str) -> str:
    """Select a series by the variables of the exporter's dashboard."""
    return _select(name, [*_SCOPE, "instance"], matchers)


def in_scope(name: str, *matchers: str) -> str:
    """Select a series by cluster, namespace and job."""
    return _select(name, _SCOPE, matchers)


def _select(name: str, variables: Sequence[str], matchers: Sequence[str]) -> str:
    chosen = [f'{label}=~"${label}"' for label in variables]
    return f"{name}{{{', '.join([*matchers, *chosen])}}}"


def per_minute(by: str, selected: str) -> str:
    """Return a rate per minute, because 1 per minute is easier to read than 0.0167 per second."""
    return f"60 * sum by ({by}) (rate({selected}[{RATE}]))"


def quantile(share: float, select: Callable[[str], str], name: str, by: str = "") -> str:
    """Return a quantile of a histogram, classic or converted to native; no value without observations."""
    labels = f"le, {by}" if by else "le"
    classic = f"histogram_quantile({share:g}, sum by ({labels}) (rate({select(f'{name}_bucket')}[{RATE}])))"
    native = f"histogram_quantile({share:g}, sum by ({by}) (rate({select(name)}[{RATE}])))"
    return f"({classic} or {native}) >= 0"


def mean(by: str, total: str, count: str) -> str:
    """Return the mean of a summary; no value without observations."""
    return f"sum by ({by}) (rate({total}[{RATE}])) / (sum by ({by}) (rate({count}[{RATE}])) > 0)"


def phase_means() -> str:
    """Return the mean seconds of each phase."""
    name = "pingone_flow_step_duration_seconds"
    return mean("phase", series(f"{name}_sum"), series(f"{name}_count"))


def cells(select: Callable[[str], str], name: str) -> str:
    """Return the increase per bucket of a histogram, classic or converted to native, for a heatmap."""
    classic, native = (f"increase({select(form)}[{RATE}])" for form in (f"{name}_bucket", name))
    return f"sum by (le) ({classic}) or sum({native})"


def worst(selected: str, by: str = KEY) -> str:
    """Return the highest value of all pods."""
    return f"max by ({by}) ({selected})"


def age(name: str, by: str = KEY) -> str:
    """Return the seconds since the latest timestamp of all pods."""
    return f"time() - {worst(series(name), by)}"


def since_success(by: str) -> str:
    """Return the seconds since the last success: by the rules, or by the exporter since it started."""
    name = "pingone_flow_probe_last_success_timestamp_seconds"
    kept, known = (f"max by ({by}) ({series(each)})" for each in (f"target:{name}:max1d", name))
    return f"time() - ({kept} or {known})"


def failing_without_success() -> str:
    """Return the seconds since the last success of a federation that fails."""
    of = "target, journey, namespace, cluster"
    return f"0 * ({failing_since()}) + on ({of}) group_left () ({since_success(of)})"


def failing_since() -> str:
    """Return the seconds since a federation began to fail, by step, fault and reason of its last probe."""
    last = series("pingone_flow_probe_last_result_info", 'fault!~"none|quota|exporter|account"')
    since = series("pingone_flow_probe_state_change_timestamp_seconds")
    join = f"- on ({KEY}, instance, journey) group_left () {since}"
    labels = "target, journey, step, fault, reason, namespace, cluster"
    return f"max by ({labels}) ((time() * {last}) {join})"


def with_host(value: str, by: str) -> str:
    """Join a series per target with its auth host, and take the lowest value."""
    info = series("pingone_flow_target_info")
    join = "* on (cluster, namespace, job, instance, target) group_left (auth_host)"
    return f"min by ({by}) (({value}) {join} {info})"


def scraped(up: str, build: str) -> str:
    """Keep the `up` series of exporters: those seen within a day, as in the rules."""
    return f"{up} and on ({POD}) present_over_time({build}[1d])"


def certificate_days(by: str) -> str:
    """Return the days until certificates expire."""
    expiry = series("pingone_flow_tls_certificate_expiry_timestamp_seconds")
    return with_host(f"({expiry} - time()) / 86400", by)


def expires_next() -> str:
    """Return the days until anything expires: by what it is, and host or federation."""
    leaf, chain = (f"pingone_flow_tls_{what}_expiry_timestamp_seconds" for what in ("certificate", "chain"))
    secret = "pingone_flow_secret_expiry_timestamp_seconds"  # noqa: S105  a metric
    keys = "pingone_flow_signing_key_certificate_expiry_timestamp_seconds"
    earlier = f"< {series(leaf)}"
    found = {
        "certificate": _days_of_hosts(leaf, ""),
        "chain": _days_of_hosts(chain, earlier),
        "client secret": f"min by ({KEY}) ({_days(series(secret))})",
        "signing keys": f"min by ({KEY}) ({_days(series(keys))})",
    }
    return " or ".join(
        f'label_replace({days}, "what", "{what}", "job", ".*")' for what, days in found.items()
    )


def _days(timestamp: str) -> str:
    return f"(({timestamp}) - time()) / 86400"


def _days_of_hosts(name: str, condition: str) -> str:
    """Return the lowest days per host: the source's for its steps, else the destination's."""
    info, found = series("pingone_flow_target_info"), []
    for operator, host in (("!~", "auth_host"), ("=~", "destination_auth_host")):
        selected = series(name, f'step{operator}"destination_.+|initiate|callback|token"')
        join = f"* on (cluster, namespace, job, instance, target) group_left ({host})"
        days = f"({_days(f'{selected} {condition}')}) {join} {info}"
        found.append(f"min by (cluster, namespace, job, {host}) ({days})")
    return f"({' or '.join(found)})"


def _probes(recorded: str, fault: str, window: str) -> str:
    """Count probes in a window: as recorded by the rules, else as counted by the exporter."""
    kept = series(f"{_RECORDED}s_{recorded}:increase30s")
    counted = series("pingone_flow_probes_total", fault)
    return (
        f"(sum by ({KEY}) (sum_over_time({kept}[{window}]))"
        f" or sum by ({KEY}) (increase({counted}[{window}])))"
    )


def bad_share(window: str) -> str:
    """Return the share of bad probes."""
    return f"{_probes('bad', BAD, window)} / ({_probes('judged', JUDGED, window)} > 0)"


def budget_left(window: str) -> str:
    """Return the share of the error budget that is left after a window; negative if overspent."""
    return f"1 - {bad_share(window)} / (1 - {OBJECTIVE})"


def burn_rate(window: str) -> str:
    """Return the burn rate of the error budget; 1 uses it up exactly."""
    return f"{bad_share(window)} / (1 - {OBJECTIVE})"


def slow_share(by: str) -> str:
    """Return the share of successful probes over the latency objective."""
    slow = series("pingone_flow_probes_slow_total")
    good = series("pingone_flow_probes_total", 'reason="ok"')
    return share(by, slow, good, SLOW_WINDOW)


def share(by: str, part: str, whole: str, window: str) -> str:
    """Return the ratio of two counters' increases; no value if the second did not increase."""
    some, every = (f"sum by ({by}) (increase({counter}[{window}]))" for counter in (part, whole))
    return f"{some} / ({every} > 0)"


def firing(by: str) -> str:
    """Return how long alerts have been firing; an alert about several owners' targets has no owner."""
    mine = ('alertname=~"PingOne.+"', 'job=~"$job|"', 'owner=~"$owner|"', 'tier=~"$tier|"')
    held = f"time() - {_select('ALERTS_FOR_STATE', _SCOPE[:2], mine)}"
    now = _select("ALERTS", _SCOPE[:2], ('alertstate="firing"', *mine))
    return f"max by ({by}) ({held} and ignoring (alertstate) {now})"
