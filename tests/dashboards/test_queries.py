"""Every query of every panel, run against a real Prometheus that recorded healthy and failing targets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from dashboards import DIRECTORY
from dashboards.states import SLOW_WINDOW
from e2e.observed_day import FAILING, FAIR_DAY, FOUL, FOUL_DAY, IN_DEPTH, NIGHT, WINDOW, Day, lived
from harness import grafana

if TYPE_CHECKING:
    from harness.prometheus import Vector

pytestmark = pytest.mark.e2e

SILENT: Mapping[str, tuple[frozenset[str], str]] = {
    "overview/Is anything wrong?/A": (frozenset({NIGHT}), "the sentence about no pod at all"),
    "overview/Is anything wrong?/B": (frozenset({NIGHT}), "the sentence about a pod that is gone"),
    "overview/Is anything wrong?/C": (frozenset({FOUL_DAY}), "the sentence about network access"),
    "overview/Is anything wrong?/D": (frozenset({FAIR_DAY}), "the sentence that all is well"),
    "overview/Is anything wrong?/E": (frozenset({FOUL_DAY}), "the sentences about what is not well"),
    "overview/Is anything wrong?/F": (frozenset(), "the sentence about shards, of which there are none"),
    **{
        f"overview/What fails, and since when/{ref}": (
            frozenset({FOUL_DAY}),
            "nothing fails in fair weather",
        )
        for ref in "AB"
    },
    "overview/Firing alerts/A": (frozenset({FOUL_DAY}), "nothing fires in fair weather"),
    "overview/Stale probes/C": (frozenset({FOUL_DAY}), "no target is paused in fair weather"),
    "target/Error codes/A": (frozenset({FOUL_DAY}), "no errors in fair weather"),
    "target/Flow statuses/A": (frozenset({FAIR_DAY}), "an application that is deleted gets no flow"),
    **{f"target/Clock skew/{ref}": (frozenset({FAIR_DAY}), "no flow, no time stamp in it") for ref in "ABC"},
    "target/Metadata and signing keys/D": (frozenset(), "simulated keys have no certificates"),
    "target/Flow lifetime/A": (frozenset({FAIR_DAY}), "no flow, no lifetime"),
}
"""Queries that have nothing to say in some weather: when they have, and what they are about. All others
answer in fair and foul weather; what they return at night does not matter."""

ABOUT_FAILURES = {
    *(f"overview/Is anything wrong?/{ref}" for ref in "CDE"),
    *(f"overview/What fails, and since when/{ref}" for ref in "AB"),
    "overview/State of every federation/A",
    "overview/Firing alerts/A",
    "overview/Error budget left/A",
    "overview/Error budget burn rate/A",
    "overview/Slow successes/A",
    "overview/Probes by result/A",
    "overview/Flow statuses/A",
    "overview/Reasons by fault/A",
    "overview/Reasons by fault/B",
    "overview/Stale probes/C",
    "target/State/A",
    "target/Consecutive failures/A",
    "target/Error budget left/A",
    "target/Last probe/A",
    "target/Last probe/B",
    "target/State over time/A",
    "target/Probes by result/A",
    "target/HTTP status codes/A",
    "target/Flow statuses/A",
    "target/Error codes/A",
    "target/Contract checks/A",
    "exporter/Network access/A",
    "exporter/Skipped probes/A",
}
"""What must not look alike in fair and foul weather."""

DASHBOARDS = grafana.dashboards(DIRECTORY)
QUERIES = [asked for name, dashboard in DASHBOARDS.items() for asked in grafana.queries(name, dashboard)]
VARIABLES = [
    (name, variable)
    for name, dashboard in DASHBOARDS.items()
    for variable in grafana.variables(dashboard).values()
    if variable["type"] == "query"
]
LAST_SUCCESS = "pingone_flow_probe_last_success_timestamp_seconds"
OF_NAMES = {str(asked): asked for asked in QUERIES}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with lived(tmp_path_factory.mktemp("dashboards")) as day:
        yield day


def seen(day: Day, asked: grafana.Asked, moment: str, **chosen: str) -> Vector:
    """Return what a query shows at a moment."""
    return day.prometheus.query(text(day, asked, moment, chosen), day.moments[moment].at)


def text(day: Day, asked: grafana.Asked, moment: str, chosen: Mapping[str, str]) -> str:
    """Return the query as Grafana would send it, with all that can be chosen, but for what is."""
    when = day.moments[moment]
    values = {
        "__rate_interval": WINDOW,
        "__range": f"{max(1, when.at - when.since):.0f}s",
        "target": IN_DEPTH if asked.dashboard == "target" else "|".join(FOUL),
        **grafana.everything(DASHBOARDS[asked.dashboard]),
        **chosen,
    }
    # The test day lasts a minute; a window of five would include earlier weather.
    return grafana.substituted(asked.expr.replace(f"[{SLOW_WINDOW}]", f"[{WINDOW}]"), values)


def legends(day: Day, name: str, moment: str, **chosen: str) -> dict[str, float]:
    """Return what a panel shows at a moment: values by their legends."""
    asked = OF_NAMES[name]
    return {asked.legend(labels): value for labels, value in seen(day, asked, moment, **chosen)}


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_a_query_returns_numbers_whenever_it_has_something_to_say(day: Day, asked: grafana.Asked) -> None:
    speaks, _ = SILENT.get(str(asked), (frozenset({FAIR_DAY, FOUL_DAY}), ""))
    for moment in (FAIR_DAY, FOUL_DAY, NIGHT):
        found = seen(day, asked, moment)
        assert all(math.isfinite(value) for _, value in found), moment
        if moment != NIGHT or moment in speaks:
            assert bool(found) is (moment in speaks), moment


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_a_query_along_the_time_returns_numbers_at_every_step(day: Day, asked: grafana.Asked) -> None:
    for moment, when in day.moments.items():
        query = text(day, asked, moment, {})
        values = day.prometheus.values(query, start=when.since, end=when.at, step=1)
        assert all(math.isfinite(value) for value in values), moment


@pytest.mark.parametrize("target", FOUL)
def test_every_federation_can_be_shown_in_depth(day: Day, target: str) -> None:
    for asked in grafana.queries("target", DASHBOARDS["target"]):
        for moment in (FAIR_DAY, FOUL_DAY):
            found = seen(day, asked, moment, target=target)
            assert all(math.isfinite(value) for _, value in found), f"{asked} {moment}"


@pytest.mark.parametrize("asked", QUERIES, ids=str)
def test_two_pods_that_watch_the_same_are_one_federation(day: Day, asked: grafana.Asked) -> None:
    of_pods = asked.dashboard == "exporter" or "instance" in asked.shown
    for moment in (FAIR_DAY, FOUL_DAY):
        found = seen(day, asked, moment)
        names = Counter(asked.legend(labels) for labels, _ in found)
        assert [name for name, times in names.items() if times > 1] == []
        assert of_pods or not any("instance" in labels for labels, _ in found)


@pytest.mark.parametrize("name", sorted(ABOUT_FAILURES))
def test_a_query_about_failures_differs_in_fair_and_foul_weather(day: Day, name: str) -> None:
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


def test_the_sentences_say_what_is_wrong_and_the_likely_cause(day: Day) -> None:
    assert sentences(day, FAIR_DAY) == {"All 8 federations: healthy"}
    assert sentences(day, FOUL_DAY) == {
        "2 of 8 federations: failing, likely cause: provider",
        "1 of 8 federations: failing, likely cause: network",
        "2 of 8 federations: failing, likely cause: configuration",
        "1 of 8 federations: rate-limited, so probe less often",
        "1 of 8 federations: slower than the latency objective",
        "1 of the exporter's pods: no network access, so ignore its failures",
    }
    assert sentences(day, NIGHT) == {
        "2 of the exporter's pods: no longer scraped",
        "No exporter is being scraped: the state is unknown",
    }


def test_selecting_some_federations_hides_the_others(day: Day) -> None:
    assert sentences(day, FOUL_DAY, target="(steady|broken)", namespace="monitoring") == {
        "1 of 2 federations: failing, likely cause: provider",
        "1 of the exporter's pods: no network access, so ignore its failures",
    }
    for asked in QUERIES:
        if asked.dashboard == "overview":
            found = seen(day, asked, FOUL_DAY, target="(steady|broken)", job="pingone-flow-exporter")
            assert {labels.get("target") for labels, _ in found} <= {
                None,
                "steady",
                "broken",
            } or "ALERTS" in asked.expr


def test_what_fails_is_listed_with_step_reason_and_fault_since_its_first_failure(day: Day) -> None:
    found = legends(day, "overview/What fails, and since when/A", FOUL_DAY)
    foul = day.moments[FOUL_DAY]

    assert {row.split(" | ")[0]: row.split(" | ")[1:5] for row in found} == {
        "broken": ["provider", "server_error", "authorize", "authorize"],
        "deleted": ["configuration", "oauth_error", "authorize", "authorize"],
        "edited": ["configuration", "unexpected_status", "authorize", "authorize"],
        "expired": ["provider", "tls", "authorize", "authorize"],
        "unplugged": ["network", "connect", "authorize", "authorize"],
    }
    last = day.prometheus.query(f"min by (target) ({LAST_SUCCESS})", foul.at)
    successes = {labels["target"]: value for labels, value in last}
    for row, seconds in found.items():
        assert 0 < seconds <= foul.at - foul.since
        assert seconds < foul.at - successes[row.split(" | ")[0]]


def test_an_owner_sees_the_own_federations_only(day: Day) -> None:
    (variable,) = (found for name, found in VARIABLES if (name, found["name"]) == ("overview", "target"))
    match = grafana.LABEL_VALUES.fullmatch(variable["definition"])
    assert match is not None

    def offered(**chosen: str) -> set[str]:
        values = grafana.everything(DASHBOARDS["overview"]) | chosen
        return set(
            day.prometheus.label_values(match["label"], grafana.substituted(match["selector"], values))
        )

    assert offered(owner="payments") == {"steady"}
    assert offered(owner="identity") == set(FOUL) - {"steady"}
    assert offered(tier="gold") == {"broken"}


def test_the_providers_of_a_destination_are_counted_by_state(day: Day) -> None:
    for moment in (FAIR_DAY, FOUL_DAY):
        assert legends(day, "overview/Providers of destinations/A", moment) == {"hub | filtered | east": 7}
        (listed,) = legends(day, "overview/Providers of destinations/B", moment).values()
        assert 0 <= listed < 3600


def test_a_state_shows_the_fault(day: Day) -> None:
    states = legends(day, "overview/State of every federation/A", FOUL_DAY)

    assert states == {
        "steady east": 0,
        "crawling east": 1,
        "limited east": 2,
        "edited east": 7,
        "deleted east": 7,
        "unplugged east": 8,
        "expired east": 9,
        "broken east": 9,
    }


def test_only_failures_spend_the_budget(day: Day) -> None:
    name = "overview/Error budget left/A"
    foul = legends(day, name, FOUL_DAY)

    spent = [foul[f"{target} east"] for target in FAILING]
    assert max(spent) < 0
    assert min(foul["steady east"], *legends(day, name, FAIR_DAY).values()) > max(spent)


def test_a_budget_is_the_same_with_the_rules_and_without(day: Day) -> None:
    for asked in QUERIES:
        if "target:pingone_flow_probes_" not in asked.expr and "threshold:" not in asked.expr:
            continue
        unrecorded = replace(
            asked,
            target={
                **asked.target,
                "expr": asked.expr.replace("target:", "none:").replace("threshold:", "nothing:"),
            },
        )
        with_rules, without = (
            {asked.legend(labels): value > 0 for labels, value in seen(day, query, FOUL_DAY)}
            for query in (asked, unrecorded)
        )
        # a figure of the target's dashboard is named by its place alone, and some have no name
        failing = with_rules.keys() & {*(f"{target} east" for target in FAILING), "east monitoring"} or {""}
        assert {name: with_rules[name] for name in failing} == {name: without[name] for name in failing}
        assert seen(day, unrecorded, FAIR_DAY)


@pytest.mark.parametrize(
    ("name", "variable"), VARIABLES, ids=[f"{name}/{v['name']}" for name, v in VARIABLES]
)
def test_a_variable_offers_the_existing_values(day: Day, name: str, variable: dict[str, Any]) -> None:
    match = grafana.LABEL_VALUES.fullmatch(variable["definition"])
    assert match is not None
    values = grafana.everything(DASHBOARDS[name])

    offered = day.prometheus.label_values(match["label"], grafana.substituted(match["selector"], values))

    expected = {"cluster": {"east"}, "namespace": {"monitoring"}, "job": {"pingone-flow-exporter"}}
    expected |= {"target": set(FOUL), "journey": {"authorize", "discovery"}}
    expected |= {"owner": {"identity", "payments"}, "tier": {"gold"}}
    assert match["label"] == variable["name"]
    assert set(offered) == expected.get(match["label"], set(offered))
    assert offered


def test_the_tables_of_exceptions_name_existing_queries() -> None:
    assert SILENT.keys() | ABOUT_FAILURES <= OF_NAMES.keys()
