"""An exporter's day in fair and foul weather, as a real Prometheus remembers it.

    simulator <- exporter (two pods) <- Prometheus, with the rules

Prometheus remembers: the weather changes first, then questions are asked of any moment of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.daemon import Daemon
from harness.prometheus import Prometheus, need_tool
from harness.simulated import Simulated
from harness.waiting import poll
from rules.story import DOCUMENTS

from exporter.outcome import Phase
from exporter.simulator import demo_environments, plain_environments

FOUL: Mapping[str, Mapping[str, Any]] = {
    "steady": {"weather": "healthy"},
    "crawling": {"weather": "slow", "ms": 400},
    "limited": {"weather": "rate_limited", "retry_after": 300},
    "broken": {"weather": "error_json"},
    "unplugged": {"weather": "refused"},
    "expired": {"weather": "tls_expired"},
    "edited": {"weather": "policy_changed"},
    "deleted": {"weather": "client_deleted"},
}
"""The federations, named after what becomes of them."""

OF_BOTH_PODS = ("steady", "broken")
CANARY = "canary"
"""Where the second pod's check of its own connectivity leads."""

FAILING = ("broken", "unplugged", "expired", "edited", "deleted")
SECURE = ("expired", "deleted")
IN_DEPTH = "deleted"
"""The federation that the target's dashboard looks at."""

SCRAPE = 0.5
PACE = {
    "FLOW_EXPORTER_DEFAULTS__INTERVAL": "1s",
    "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "950ms",
    "FLOW_EXPORTER_DEFAULTS__LATENCY_OBJECTIVE": "300ms",
    "FLOW_EXPORTER_DEFAULTS__LABELS__OWNER": "identity",
}
DISCOVERY = {
    f"FLOW_EXPORTER_TARGETS__{IN_DEPTH.upper()}__JOURNEYS": "authorize,discovery",
    f"FLOW_EXPORTER_TARGETS__{IN_DEPTH.upper()}__DISCOVERY_INTERVAL": "1s",
    f"FLOW_EXPORTER_TARGETS__{IN_DEPTH.upper()}__DISCOVERY_TIMEOUT": "950ms",
}
LABELS = {
    "FLOW_EXPORTER_TARGETS__STEADY__LABELS__OWNER": "payments",
    "FLOW_EXPORTER_TARGETS__BROKEN__LABELS__TIER": "gold",
}
UNWATCHED = {"FLOW_EXPORTER_DESTINATIONS__HUB__EXCLUDE": "."}
"""A destination that lists seven providers; none of them becomes a federation of this day."""
WINDOW = "5s"
"""What Grafana would make of $__rate_interval: a few scrapes, and a few probes."""

FAIR_DAY, FOUL_DAY, NIGHT = "fair", "foul", "night"
"""Moments: all is well; all that can go wrong has; the exporter is gone."""

ALERTS = ("PingOneFederationDown", "PingOneCertificateExpiresNow", "PingOneEgressDown")
"""Those that a slow machine cannot bring about."""

SETTLED = 2 * SCRAPE
"""Seconds after which all that was scraped or recorded at a moment can be asked for."""

_AUTHORIZE = f'target="{IN_DEPTH}",step="authorize"'
_LAST = "pingone_flow_probe_last_result_info"
_SECONDS = "max by (target) (sum by (target, instance) (pingone_flow_step_last_duration_seconds))"
_NO_SUCCESS = f'{_LAST}{{target=~"{"|".join(FAILING)}",fault=~"provider|network|configuration"}}'
_SUCCESSES = f"sum by (target) (increase(pingone_flow_probe_duration_seconds_count[{WINDOW}]))"
FAIR_SIGNS: Mapping[str, float] = {
    f'count(count by (target) ({_LAST}{{reason="ok"}}))': len(FOUL),
    f'count({_LAST}{{reason!="ok"}}) or vector(0)': 0,
    f"count({_SECONDS} < 0.3)": len(FOUL),
    f"count({_SUCCESSES} > 3)": len(FOUL),
    f"count(increase(pingone_flow_probes_slow_total[{WINDOW}]) > 0) or vector(0)": 0,
    "count(count by (target) (target:pingone_flow_probes_bad:ratio1h))": len(FOUL),
    "min(pingone_flow_exporter_egress_up)": 1,
    "count(time() - pingone_flow_probe_last_run_timestamp_seconds > 2.5) or vector(0)": 0,
    "count(ALERTS) or vector(0)": 0,
}
"""Expressions and the value of each; none of them is a panel's."""

FOUL_SIGNS: Mapping[str, float] = {
    "count(max by (target) (pingone_flow_probe_consecutive_failures) >= 6)": len(FAILING),
    f"count({_NO_SUCCESS})": len(FAILING) + 1,  # one of them is watched by both pods
    f'count({_LAST}{{target=~"steady|crawling",reason="ok"}})': 3,
    f'count({_LAST}{{reason="rate_limited"}})': 1,
    f'count({_SECONDS} > 0.3 and on (target) {_LAST}{{target="crawling"}})': 1,
    f'count({_SECONDS} < 0.3 and on (target) {_LAST}{{target="steady"}})': 1,
    'sum(pingone_flow_probes_slow_total{target="crawling"}) > bool 5': 1,
    f'count(increase(pingone_flow_probes_slow_total{{target="steady"}}[{WINDOW}]) > 0) or vector(0)': 0,
    # the exporter's own stalls leave no durations
    f"count(pingone_flow_step_last_duration_seconds{{{_AUTHORIZE}}})": len(Phase),
    f"count(rate(pingone_flow_step_duration_seconds_count{{{_AUTHORIZE}}}[{WINDOW}]) > 0)": len(Phase),
    f'sum(increase(pingone_flow_exporter_probes_skipped_total{{cause="backoff"}}[{WINDOW}])) > bool 3': 1,
    'count(count by (target) (ALERTS{alertname="PingOneFederationDown"}))': len(FAILING),
    'count(time() - pingone_flow_probe_last_run_timestamp_seconds{target!="limited"} > 2.5) or vector(0)': 0,
    "min(pingone_flow_exporter_egress_up)": 0,
}
NIGHT_SIGNS: Mapping[str, float] = {'count(up{job="pingone-flow-exporter"} == 0)': 2}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to look at.

    Args:
        at: seconds since the epoch.
        since: before its weather began, where the time range of the dashboard does.
    """

    at: float
    since: float


@dataclass(frozen=True, slots=True)
class Day:
    """What Prometheus remembers, and when it was how."""

    prometheus: Prometheus
    moments: Mapping[str, Moment]


def rules(directory: Path) -> list[str]:
    """Write the rules, with shorter intervals and few alerts, which wait for nothing; return the paths."""
    written = []
    for name, document in DOCUMENTS.items():
        groups = [
            {**group, "interval": "1s", "rules": list(_hasty(group["rules"]))} for group in document["groups"]
        ]
        path = directory / name
        path.write_text(json.dumps({"groups": groups}), encoding="utf-8")  # JSON is YAML
        written.append(str(path))
    return written


def _hasty(rules: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for rule in rules:
        if rule.get("alert", ALERTS[0]) in ALERTS:
            yield {name: value for name, value in rule.items() if name not in {"for", "keep_firing_for"}}


def configuration(directory: Path, *pods: Daemon) -> dict[str, Any]:
    """Scrape the pods as an operator's Prometheus would, and something else that is down."""
    place = {"cluster": "east", "namespace": "monitoring"}
    jobs = {"pingone-flow-exporter": [pod.address for pod in pods], "another-job": ["127.0.0.1:1"]}
    return {
        "global": {"scrape_interval": f"{SCRAPE * 1000:.0f}ms", "scrape_timeout": f"{SCRAPE * 1000:.0f}ms"},
        "rule_files": rules(directory),
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": addresses, "labels": place}]}
            for job, addresses in jobs.items()
        ],
    }


def settings_of(variables: Mapping[str, str], *targets: str) -> dict[str, str]:
    """Return the variables of these targets alone."""
    prefixes = tuple(f"FLOW_EXPORTER_TARGETS__{target.upper()}__" for target in targets)
    return PACE | {
        name: value
        for name, value in {**variables, **LABELS, **DISCOVERY}.items()
        if name.startswith(prefixes)
    }


@contextmanager
def lived(directory: Path) -> Iterator[Day]:
    """Let the weather change, and return when what belongs to each has been seen."""
    need_tool("prometheus")
    names = [*FOUL, CANARY]
    hub = [each for each in demo_environments() if "hub" in {each.name, each.port_of}]
    world = hub + [
        replace(environment, name=name, https=name in SECURE)
        for name, environment in zip(names, plain_environments(len(names)), strict=True)
    ]
    with ExitStack() as stack:
        simulated = stack.enter_context(Simulated(world, directory))
        pods = [stack.enter_context(pod) for pod in _pods(simulated, directory)]
        prometheus = stack.enter_context(
            Prometheus(directory=directory / "prometheus", configuration=configuration(directory, *pods))
        )
        fair = _moment(prometheus, FAIR_SIGNS)
        for name, weather in FOUL.items():
            simulated.put(name, weather)
        simulated.put(CANARY, {"weather": "refused"})
        foul = _moment(prometheus, FOUL_SIGNS, since=fair.at - SETTLED)
        for pod in pods:
            pod.stop()
        night = _moment(prometheus, NIGHT_SIGNS)
        yield Day(prometheus, {FAIR_DAY: fair, FOUL_DAY: foul, NIGHT: night})


def _pods(simulated: Simulated, directory: Path) -> list[Daemon]:
    canary = simulated.variables[f"FLOW_EXPORTER_TARGETS__{CANARY.upper()}__AUTH_URL"]
    others = {
        name: value
        for name, value in {**simulated.variables, **UNWATCHED}.items()
        if name.startswith(("FLOW_EXPORTER_STATUS_PAGE__", "FLOW_EXPORTER_DESTINATIONS__"))
    }
    return [
        Daemon(variables, directory=directory / name, logs=directory / f"{name}-logs")
        for name, variables in (
            ("first", settings_of(simulated.variables, *FOUL) | others),
            (
                "second",
                settings_of(simulated.variables, *OF_BOTH_PODS) | {"FLOW_EXPORTER_EGRESS_CHECK_URL": canary},
            ),
        )
    ]


def _moment(prometheus: Prometheus, signs: Mapping[str, float], *, since: float | None = None) -> Moment:
    """Wait for a later moment at which every expression has its value, and which nothing will change."""
    now = time.time()

    def look() -> tuple[float, dict[str, list[float]]]:
        at = time.time() - SETTLED
        return at, {sign: [value for _, value in prometheus.query(sign, at)] for sign in signs}

    def accept(seen: tuple[float, dict[str, list[float]]]) -> bool:
        at, values = seen
        return at > now and all(values[sign] == [value] for sign, value in signs.items())

    at, _ = poll(look, accept, what="the weather to show")
    return Moment(at, now if since is None else since)
