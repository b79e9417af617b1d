"""Every query of every panel, asked of a real Prometheus that lived through fair and foul weather.

    simulator <- exporter (two pods) <- Prometheus, with the rules
                                          ^ every query, at a moment of each weather

Prometheus remembers: the weather changes first, then all is asked.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from dashboards import DIRECTORY
from e2e.simulated import Simulated
from harness import grafana
from harness.daemon import Daemon
from harness.prometheus import Prometheus, need_tool
from harness.waiting import poll
from rules.story import DOCUMENTS

from exporter.simulator import Kind, plain_world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.prometheus import Vector

pytestmark = pytest.mark.e2e

FOUL: Mapping[str, Mapping[str, Any]] = {
    "steady": {"weather": Kind.HEALTHY},
    "crawling": {"weather": Kind.SLOW, "ms": 400},
    "limited": {"weather": Kind.RATE_LIMITED, "retry_after": 300},
    "broken": {"weather": Kind.ERROR_JSON},
    "unplugged": {"weather": Kind.REFUSED},
    "expired": {"weather": Kind.TLS_EXPIRED},
    "edited": {"weather": Kind.POLICY_CHANGED},
    "deleted": {"weather": Kind.CLIENT_DELETED},
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
WINDOW = "5s"
"""What Grafana would make of $__rate_interval: a few scrapes, and a few probes."""

FAIR_DAY, FOUL_DAY, NIGHT = "fair", "foul", "night"
"""Moments: all is well; all that can go wrong has; the exporter is gone."""

SILENT: Mapping[str, tuple[frozenset[str], str]] = {
    "overview/Is anything wrong?/A": (frozenset({FAIR_DAY}), "the sentence that all is well"),
    "overview/Is anything wrong?/B": (frozenset({FOUL_DAY}), "the sentences about what is not well"),
    "overview/Is anything wrong?/C": (frozenset({FOUL_DAY}), "the sentence about our own connectivity"),
    "overview/Is anything wrong?/D": (frozenset({NIGHT}), "the sentence about a pod that is gone"),
    "overview/Is anything wrong?/E": (frozenset({NIGHT}), "the sentence about no pod at all"),
    "overview/Firing alerts/A": (frozenset({FOUL_DAY}), "nothing fires in fair weather"),
    "overview/Stale probes/C": (frozenset({FOUL_DAY}), "nobody is held back in fair weather"),
    "target/Error codes/A": (frozenset({FOUL_DAY}), "no errors in fair weather"),
    "target/Flow statuses/A": (frozenset({FAIR_DAY}), "an application that is deleted gets no flow"),
    "target/Contract checks/A": (frozenset({FAIR_DAY}), "no flow, nothing to check"),
    **{f"target/Clock skew/{ref}": (frozenset({FAIR_DAY}), "no flow, no time stamp in it") for ref in "ABC"},
    "target/Flow lifetime/A": (frozenset({FAIR_DAY}), "no flow, no lifetime"),
    "target/Latency quantiles/A": (frozenset({FAIR_DAY}), "successes only"),
    "target/Latency quantiles/B": (frozenset({FAIR_DAY}), "successes only"),
}
"""Queries that have nothing to say in some weather: when they have, and what they are about. All others
answer in fair and foul weather; what they say at night is nobody's business but Prometheus'."""

ABOUT_FAILURES = {
    *(f"overview/Is anything wrong?/{ref}" for ref in "ABC"),
    "overview/State of every federation/A",
    "overview/Firing alerts/A",
    "overview/Error budget left/A",
    "overview/Burn rate of the error budget/A",
    "overview/Slow successes/A",
    "overview/Probes by result/A",
    "overview/Flow statuses/A",
    "overview/Reasons by fault/A",
    "overview/Reasons by fault/B",
    "overview/Stale probes/C",
    "target/State/A",
    "target/Failures in a row/A",
    "target/Error budget left/A",
    "target/Last probe/A",
    "target/Last probe/B",
    "target/State over time/A",
    "target/Probes by result/A",
    "target/HTTP status codes/A",
    "target/Flow statuses/A",
    "target/Error codes/A",
    "target/Contract checks/A",
    "exporter/Own connectivity/A",
    "exporter/Skipped probes/A",
}
"""What must not look alike in fair and foul weather."""

SETTLED = 2 * SCRAPE
"""Seconds after which all that was scraped or recorded at a moment can be asked for."""

_LAST = "pingone_flow_probe_last_result_info"
_SECONDS = "max by (target) (sum by (target, instance) (pingone_flow_step_last_duration_seconds))"
_NO_SUCCESS = f'{_LAST}{{target=~"{"|".join(FAILING)}",fault=~"provider|network|configuration"}}'
_SUCCESSES = f"sum by (target) (increase(pingone_flow_probe_duration_seconds_count[{WINDOW}]))"
FAIR_SIGNS: Mapping[str, float] = {
    f'count(count by (target) ({_LAST}{{reason="ok"}}))': len(FOUL),
    f'count({_LAST}{{reason!="ok"}}) or vector(0)': 0,
    f"count({_SECONDS} < 0.3)": len(FOUL),
    f"count({_SUCCESSES} > 3)": len(FOUL),
    "count(target:pingone_flow_probes_bad:ratio1h)": len(FOUL),
    "min(pingone_flow_exporter_egress_up)": 1,
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
    f'sum(increase(pingone_flow_exporter_probes_skipped_total{{cause="backoff"}}[{WINDOW}])) > bool 3': 1,
    'count(count by (target) (ALERTS{alertname="PingOneFederationDown"}))': len(FAILING),
    "min(pingone_flow_exporter_egress_up)": 0,
}
NIGHT_SIGNS: Mapping[str, float] = {'count(up{job="pingone-flow-exporter"} == 0)': 2}

DASHBOARDS = grafana.dashboards(DIRECTORY)
QUERIES = [asked for name, dashboard in DASHBOARDS.items() for asked in grafana.queries(name, dashboard)]
VARIABLES = [
    (name, variable)
    for name, dashboard in DASHBOARDS.items()
    for variable in grafana.variables(dashboard).values()
    if variable["type"] == "query"
]
OF_NAMES = {str(asked): asked for asked in QUERIES}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time to look at.

    Args:
        at: seconds since the epoch.
        since: when its weather began, where the time range of the dashboard does.
    """

    at: float
    since: float


@dataclass(frozen=True, slots=True)
class Day:
    """What Prometheus remembers."""

    prometheus: Prometheus
    moments: Mapping[str, Moment]

    def seen(self, asked: grafana.Asked, moment: str, **chosen: str) -> Vector:
        """Return what a query shows at a moment."""
        return self.prometheus.query(self._text(asked, moment, chosen), self.moments[moment].at)

    def along(self, asked: grafana.Asked, moment: str) -> list[float]:
        """Return all values that a query shows up to a moment, of whatever series."""
        when = self.moments[moment]
        return self.prometheus.values(self._text(asked, moment, {}), start=when.since, end=when.at, step=1)

    def _text(self, asked: grafana.Asked, moment: str, chosen: Mapping[str, str]) -> str:
        when = self.moments[moment]
        values = {
            "__rate_interval": WINDOW,
            "__range": f"{max(1, when.at - when.since):.0f}s",
            "target": IN_DEPTH,
            **grafana.everything(DASHBOARDS[asked.dashboard]),
            **chosen,
        }
        return grafana.substituted(asked.expr, values)


def rules(directory: Path) -> list[str]:
    """Write the rules with shorter intervals, and alerts that do not wait; return their paths."""
    written = []
    for name, document in DOCUMENTS.items():
        groups = [
            {
                **group,
                "interval": "1s",
                "rules": [rule | {"for": "0s"} if "alert" in rule else rule for rule in group["rules"]],
            }
            for group in document["groups"]
        ]
        path = directory / name
        path.write_text(json.dumps({"groups": groups}), encoding="utf-8")  # JSON is YAML
        written.append(str(path))
    return written


def configuration(directory: Path, *pods: Daemon) -> dict[str, Any]:
    """Scrape the pods as an operator's Prometheus would, and something else that is down."""
    place = {"cluster": "east", "namespace": "monitoring"}
    jobs = {"pingone-flow-exporter": [pod.address for pod in pods], "somebody-elses": ["127.0.0.1:1"]}
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
    return PACE | {name: value for name, value in variables.items() if name.startswith(prefixes)}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    need_tool("prometheus")
    directory = tmp_path_factory.mktemp("dashboards")
    names = [*FOUL, CANARY]
    world = [
        replace(environment, name=name, https=name in SECURE)
        for name, environment in zip(names, plain_world(len(names)), strict=True)
    ]
    with Simulated(world, directory) as simulated:
        canary = simulated.variables[f"FLOW_EXPORTER_TARGETS__{CANARY.upper()}__AUTH_URL"]
        first = Daemon(
            settings_of(simulated.variables, *FOUL), directory=directory / "a", logs=directory / "a-logs"
        )
        second = Daemon(
            settings_of(simulated.variables, *OF_BOTH_PODS) | {"FLOW_EXPORTER_EGRESS_CHECK_URL": canary},
            directory=directory / "b",
            logs=directory / "b-logs",
        )
        with first, second:
            prometheus = Prometheus(
                directory=directory / "prometheus", configuration=configuration(directory, first, second)
            )
            with prometheus:
                yield lived(prometheus, simulated, first, second)


def lived(prometheus: Prometheus, simulated: Simulated, first: Daemon, second: Daemon) -> Day:
    """Let the weather change, and return when what belongs to each has been seen."""
    fair = moment_of(prometheus, FAIR_SIGNS)
    for name, weather in FOUL.items():
        simulated.put(name, weather)
    simulated.put(CANARY, {"weather": Kind.REFUSED})
    foul = moment_of(prometheus, FOUL_SIGNS)
    first.stop()
    second.stop()
    night = moment_of(prometheus, NIGHT_SIGNS)
    return Day(prometheus, {FAIR_DAY: fair, FOUL_DAY: foul, NIGHT: night})


def moment_of(prometheus: Prometheus, signs: Mapping[str, float]) -> Moment:
    """Wait for a moment at which every expression has its value, and which nothing will change any more."""
    since = time.time()

    def look() -> tuple[float, dict[str, list[float]]]:
        at = time.time() - SETTLED
        return at, {sign: [value for _, value in prometheus.query(sign, at)] for sign in signs}

    def accept(seen: tuple[float, dict[str, list[float]]]) -> bool:
        at, values = seen
        return at > since and all(values[sign] == [value] for sign, value in signs.items())

    at, _ = poll(look, accept, timeout=90, what="the weather to show")
    return Moment(at, since)


def legends(day: Day, name: str, moment: str, **chosen: str) -> dict[str, float]:
    """Return what a panel shows at a moment: values by their legends."""
    asked = OF_NAMES[name]
    return {asked.legend(labels): value for labels, value in day.seen(asked, moment, **chosen)}


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_a_query_returns_numbers_whenever_it_has_something_to_say(day: Day, asked: grafana.Asked) -> None:
    speaks, _ = SILENT.get(str(asked), (frozenset({FAIR_DAY, FOUL_DAY}), ""))
    for moment in (FAIR_DAY, FOUL_DAY, NIGHT):
        seen = day.seen(asked, moment)
        assert all(math.isfinite(value) for _, value in seen), moment
        if moment != NIGHT or moment in speaks:
            assert bool(seen) is (moment in speaks), moment


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_a_query_along_the_time_returns_numbers_at_every_step(day: Day, asked: grafana.Asked) -> None:
    for moment in (FAIR_DAY, FOUL_DAY, NIGHT):
        assert all(math.isfinite(value) for value in day.along(asked, moment)), moment


@pytest.mark.parametrize("target", FOUL)
def test_every_federation_can_be_looked_at_in_depth(day: Day, target: str) -> None:
    for asked in grafana.queries("target", DASHBOARDS["target"]):
        for moment in (FAIR_DAY, FOUL_DAY):
            seen = day.seen(asked, moment, target=target)
            assert all(math.isfinite(value) for _, value in seen), f"{asked} {moment}"


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_no_two_series_have_the_same_name_although_two_pods_watch_the_same(
    day: Day, asked: grafana.Asked
) -> None:
    for moment in (FAIR_DAY, FOUL_DAY):
        names = Counter(asked.legend(labels) for labels, _ in day.seen(asked, moment))
        assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize("name", sorted(ABOUT_FAILURES))
def test_a_query_about_failures_tells_foul_weather_from_fair(day: Day, name: str) -> None:
    fair, foul = (
        {legend: round(value, 1) for legend, value in legends(day, name, weather).items()}
        for weather in (FAIR_DAY, FOUL_DAY)
    )
    assert fair != foul


def sentences(day: Day, moment: str, **chosen: str) -> set[str]:
    return {
        sentence
        for name in OF_NAMES
        if name.startswith("overview/Is anything wrong?")
        for sentence in legends(day, name, moment, **chosen)
    }


def test_the_sentences_say_what_is_wrong_and_whose_fault_it_looks_like(day: Day) -> None:
    assert sentences(day, FAIR_DAY) == {"All 8 federations succeed"}
    assert sentences(day, FOUL_DAY) == {
        "2 of 8 federations fail: it looks like PingOne",
        "1 of 8 federations fail: it looks like the network between",
        "2 of 8 federations fail: it looks like a change of configuration",
        "1 of 8 federations are refused as too many: probe less often",
        "1 of 8 federations succeed, but slower than their latency objective",
        "1 exporter pods reach nobody at all: blame no provider",
    }
    assert sentences(day, NIGHT) == {
        "2 exporter pods are not scraped any more",
        "No exporter is scraped: nothing is known",
    }


def test_who_chooses_some_federations_sees_no_others(day: Day) -> None:
    assert sentences(day, FOUL_DAY, target="(steady|broken)", namespace="monitoring") == {
        "1 of 2 federations fail: it looks like PingOne",
        "1 exporter pods reach nobody at all: blame no provider",
    }
    for asked in QUERIES:
        if asked.dashboard == "overview":
            seen = day.seen(asked, FOUL_DAY, target="(steady|broken)", job="pingone-flow-exporter")
            assert {labels.get("target") for labels, _ in seen} <= {
                None,
                "steady",
                "broken",
            } or "ALERTS" in asked.expr


def test_a_state_is_whose_fault_it_is(day: Day) -> None:
    states = legends(day, "overview/State of every federation/A", FOUL_DAY)

    assert states == {
        "steady east": 0,
        "crawling east": 1,
        "limited east": 2,
        "edited east": 5,
        "deleted east": 5,
        "unplugged east": 6,
        "expired east": 7,
        "broken east": 7,
    }


def test_the_budget_is_spent_by_failures_alone(day: Day) -> None:
    name = "overview/Error budget left/A"
    foul = legends(day, name, FOUL_DAY)

    spent = {legend for legend, left in foul.items() if left < 0}
    assert spent == {f"{target} east" for target in FAILING}
    assert min(legends(day, name, FAIR_DAY).values()) > max(foul[legend] for legend in spent)


def test_the_overview_works_without_the_rules(day: Day) -> None:
    for asked in QUERIES:
        if "target:" not in asked.expr and "threshold:" not in asked.expr:
            continue
        unrecorded = replace(
            asked,
            target={
                **asked.target,
                "expr": asked.expr.replace("target:", "nobody:").replace("threshold:", "nothing:"),
            },
        )
        for moment in (FAIR_DAY, FOUL_DAY):
            names, without = (
                {asked.legend(labels) for labels, _ in day.seen(query, moment)}
                for query in (asked, unrecorded)
            )
            # who is held back has no probe in the time range that could be judged
            assert without | {"limited east"} >= names


@pytest.mark.parametrize(
    ("name", "variable"), VARIABLES, ids=[f"{name}/{v['name']}" for name, v in VARIABLES]
)
def test_a_variable_offers_what_there_is(day: Day, name: str, variable: dict[str, Any]) -> None:
    match = grafana.LABEL_VALUES.fullmatch(variable["definition"])
    assert match is not None
    values = grafana.everything(DASHBOARDS[name])

    offered = day.prometheus.label_values(match["label"], grafana.substituted(match["selector"], values))

    expected = {"cluster": {"east"}, "namespace": {"monitoring"}, "job": {"pingone-flow-exporter"}}
    expected |= {"target": set(FOUL), "journey": {"authorize"}}
    assert match["label"] == variable["name"]
    assert set(offered) == expected.get(match["label"], set(offered))
    assert offered


def test_the_tables_of_exceptions_name_queries_that_there_are() -> None:
    assert SILENT.keys() | ABOUT_FAILURES <= OF_NAMES.keys()
