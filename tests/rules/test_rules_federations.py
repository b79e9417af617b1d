"""Outage of a host, federation down, no success in a day: when they fire, and when they must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rules.pod import CUT_OFF, DELETED, FAIR, LIMITED, OUR_BUG, TIMEOUT, Pod, Sky, Watched, Weather
from rules.story import Story, Text, always

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DOWN = "PingOneFederationDown emea"
OUTAGE = "PingOneAuthHostOutage auth.pingone.eu"
NO_SUCCESS = "PingOneFederationNoSuccess emea"
EGRESS = "PingOneEgressDown 10.0.0.1:9988"
FAST = "PingOneErrorBudgetBurnFast"
LATER = frozenset({"PingOneErrorBudgetBurnSlow"})
"""A ticket that follows any outage for long, where there is so little history; it has stories of its own."""


def emea(weather: Weather, **facts: object) -> Watched:
    return Watched(name="emea", weather=weather, **facts)  # type: ignore[arg-type]  # facts are those of Watched


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"without": LATER, "until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).told(directory)  # type: ignore[arg-type]  # facts are those of Story


# --- federation down


def test_a_federation_that_fails_three_times_in_a_row_is_down_until_it_succeeds(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 20: FAIR})])

    firing = always(0, 8) | always(10, 25, DOWN) | always(27, 40)

    tell(tmp_path, pod, firing=firing)


def test_two_failures_in_a_row_are_none_too_many(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 7: FAIR, 12: TIMEOUT, 14: FAIR})])

    tell(tmp_path, pod, firing=always(0, 20), without=LATER | {FAST})


def test_three_failures_that_a_success_follows_at_once_page_nobody(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 8: FAIR})])

    tell(tmp_path, pod, firing=always(0, 20), without=LATER | {FAST})


@pytest.mark.parametrize("scrape", [15.0, 30.0, 60.0])
def test_from_the_first_failing_request_to_the_page_are_at_most_five_minutes(
    scrape: float, tmp_path: Path
) -> None:
    phases = (1, 15, 29, 31, 45, 59)
    watched = [
        Watched(name=f"at{phase}", host=f"{phase}.example", weather={10: TIMEOUT}, phase=phase)
        for phase in phases
    ]
    firing = 'count(ALERTS{alertname="PingOneFederationDown",alertstate="firing",target=~"%s"})'
    shown = {
        15 + phase / 60: (firing % "|".join(f"at{other}" for other in phases[: number + 1]), number + 1)
        for number, phase in enumerate(phases)
    }

    Story(pods=[Pod(watched=watched)], until=20, shown=shown, scrape=scrape).told(tmp_path)


def test_it_is_prometheus_that_remembers_the_last_success(tmp_path: Path) -> None:
    before = Pod(watched=[emea({})], until=10)
    after = Pod(watched=[emea({0: TIMEOUT})], instance="10.0.0.2:9988", since=11)

    tell(tmp_path, before, after, firing=always(0, 13) | always(16, 20, DOWN))


def test_a_federation_that_never_succeeded_is_a_ticket_and_no_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: DELETED})])

    tell(tmp_path, pod, firing=always(0, 16) | always(20, 25, NO_SUCCESS), without=LATER | {FAST})


def test_a_federation_that_has_been_down_for_a_day_is_a_ticket_and_no_page(tmp_path: Path) -> None:
    # an hour after the story's begin a day has passed since the last success
    past: dict[float, Sky] = {-23 * 60: FAIR, -1: TIMEOUT, -0.5: TIMEOUT, -0.2: TIMEOUT}
    pod = Pod(watched=[emea({0: TIMEOUT}, past=past)])

    firing = always(5, 59, DOWN) | always(67, 74) | always(78, 80, NO_SUCCESS)

    tell(tmp_path, pod, firing=firing, without=LATER | {FAST})


def test_a_restart_of_the_exporter_does_not_resolve_what_goes_on(tmp_path: Path) -> None:
    before = Pod(watched=[emea({5: TIMEOUT})], until=12)
    after = Pod(watched=[emea({0: TIMEOUT})], instance="10.0.0.2:9988", since=13)

    tell(tmp_path, before, after, firing=always(10, 25, DOWN))


def test_a_restart_of_the_exporter_in_fair_weather_tells_nobody_anything(tmp_path: Path) -> None:
    before = Pod(watched=[emea({})], until=10)
    after = Pod(watched=[emea({})], instance="10.0.0.2:9988", since=11)

    tell(tmp_path, before, after, firing=always(0, 30))


@pytest.mark.parametrize("owners", [("iam", "iam"), ("iam", "sso"), ("iam", None)])
def test_a_rollout_with_two_pods_at_once_is_one_page(owners: tuple[str, str | None], tmp_path: Path) -> None:
    old, new = ({"owner": owner} if owner else {} for owner in owners)
    before = Pod(watched=[emea({5: TIMEOUT}, labels=old)], until=16)
    after = Pod(watched=[emea({0: TIMEOUT}, labels=new)], instance="10.0.0.2:9988", since=11)

    # where the owner changed, that of the page does five minutes after the old pod is gone
    firing = always(10, 20.5, DOWN) | always(27, 30, DOWN)

    tell(tmp_path, before, after, firing=firing)


def test_a_rollout_in_fair_weather_tells_nobody_anything(tmp_path: Path) -> None:
    before = Pod(watched=[emea({}, labels={"owner": "iam"})], until=16)
    after = Pod(watched=[emea({}, labels={"owner": "sso"})], instance="10.0.0.2:9988", since=11)

    tell(tmp_path, before, after, firing=always(0, 30))


def test_no_data_is_no_federation_that_is_down(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT})], until=7.4)

    tell(tmp_path, pod, firing=always(0, 10) | always(12, 30, "PingOneExporterAbsent"))


def test_rate_limits_and_our_own_faults_are_no_failures_of_a_federation(tmp_path: Path) -> None:
    limited = Watched(name="limited", host="auth.pingone.asia", weather={5: LIMITED})
    pod = Pod(watched=[limited, emea({5: OUR_BUG})])

    tell(tmp_path, pod, firing=always(0, 13) | always(25, 30, "PingOneRateLimited limited"))


def test_the_page_goes_out_though_nobody_knows_whose_the_federation_is(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT}, labels={"owner": "iam"})], dropped=("pingone_flow_target_info",))

    tell(tmp_path, pod, firing=always(10, 20, DOWN))


def test_how_many_failures_are_too_many_is_a_threshold(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 9.5: FAIR, 15: TIMEOUT})])

    firing = always(0, 20) | always(22, 25, DOWN)

    tell(tmp_path, pod, firing=firing, thresholds={"down_failures": 6}, without=LATER | {FAST})


def test_the_page_says_who_why_and_how_to_look_closer(tmp_path: Path) -> None:
    pod = Pod(
        watched=[emea({5: TIMEOUT}, labels={"owner": "iam", "tier": "gold", "site": "berlin"})],
        labels={"namespace": "monitoring"},
    )
    text = Text(
        alert="PingOneFederationDown",
        labels={
            "namespace": "monitoring",
            "job": "pingone-flow-exporter",
            "target": "emea",
            "journey": "authorize",
            "auth_host": "auth.pingone.eu",
            "owner": "iam",
            "tier": "gold",
        },
        description="emea failed 5 times in a row, last with timeout, fault provider, in step authorize, phase "
        "processing. Look closer: curl -s http://10.0.0.1:9988/metrics | grep 'target=\"emea\"'",
    )

    Story(pods=[pod], until=10, texts={10: text}).told(tmp_path)


# --- outage of a host


def on_one_host(*names: str, weather: Weather, apart: float = 13.0) -> list[Watched]:
    """Targets that are probed one after another within their minute."""
    return [
        Watched(name=name, weather=weather, phase=(2 + number * apart) % 60)
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize("scrape", [15.0, 30.0, 60.0])
def test_targets_that_fail_behind_one_host_are_one_page_and_never_two(scrape: float, tmp_path: Path) -> None:
    seconds = (0.5, 13.0, 29.0, 57.0)
    watched = [
        Watched(
            name=f"{name}{apart:.0f}",
            host=f"{apart:.0f}.example",
            weather={5: TIMEOUT, 20: FAIR},
            phase=2 + apart * number,
        )
        for apart in seconds
        for number, name in enumerate(("emea", "apac"))
    ]
    outages = [f"PingOneAuthHostOutage {apart:.0f}.example" for apart in seconds]

    firing = always(0, 6.5) | always(10, 25, *outages) | always(28, 40)

    ever = 'count(present_over_time(ALERTS{alertname="PingOneFederationDown",alertstate="firing"}[1h]))'

    tell(tmp_path, Pod(watched=watched), firing=firing, shown={40: (ever, None)}, scrape=scrape)


def test_from_the_first_failing_request_to_the_page_of_an_outage_are_at_most_five_minutes(
    tmp_path: Path,
) -> None:
    watched = [
        Watched(name=f"{name}{phase}", host=f"{phase}.example", weather={10: TIMEOUT}, phase=moment)
        for phase in (1, 30, 59)
        for name, moment in (("early", 1), ("late", phase))
    ]

    firing = {15: {f"PingOneAuthHostOutage {phase}.example" for phase in (1, 30, 59)}}

    tell(tmp_path, Pod(watched=watched), firing=firing, scrape=60)


def test_half_of_the_targets_are_not_most_of_them(tmp_path: Path) -> None:
    pod = Pod(
        watched=[
            *on_one_host("emea", "apac", weather={5: TIMEOUT}),
            *on_one_host("amer", "anz", weather={}),
        ]
    )

    tell(tmp_path, pod, firing=always(0, 6) | always(10, 20, DOWN, "PingOneFederationDown apac"))


def test_most_of_the_targets_are_an_outage(tmp_path: Path) -> None:
    pod = Pod(watched=[*on_one_host("emea", "apac", weather={5: TIMEOUT}), *on_one_host("anz", weather={})])

    tell(tmp_path, pod, firing=always(0, 6) | always(10, 20, OUTAGE))


def test_one_target_alone_makes_no_outage(tmp_path: Path) -> None:
    other = Watched(name="other", host="auth.pingone.ca")

    tell(tmp_path, Pod(watched=[emea({5: TIMEOUT}), other]), firing=always(10, 20, DOWN))


def test_two_hosts_with_a_failing_target_each_have_no_outage(tmp_path: Path) -> None:
    other = Watched(name="other", host="auth.pingone.ca", weather={5: TIMEOUT})

    firing = always(10, 20, DOWN, "PingOneFederationDown other")

    tell(tmp_path, Pod(watched=[emea({5: TIMEOUT}), other]), firing=firing)


def test_targets_of_several_shards_make_one_outage(tmp_path: Path) -> None:
    shards = [
        Pod(watched=on_one_host(name, weather={5: TIMEOUT}), instance=f"10.0.0.{number}:9988")
        for number, name in enumerate(("emea", "apac", "anz"))
    ]

    tell(tmp_path, *shards, firing=always(0, 6) | always(10, 20, OUTAGE))


def test_a_host_that_fails_for_a_minute_pages_nobody(tmp_path: Path) -> None:
    pod = Pod(watched=on_one_host("emea", "apac", weather={5: TIMEOUT, 6: FAIR}))

    tell(tmp_path, pod, firing=always(0, 15))


def test_a_restart_of_the_exporter_does_not_resolve_an_outage(tmp_path: Path) -> None:
    before = Pod(watched=on_one_host("emea", "apac", weather={5: TIMEOUT}), until=12)
    after = Pod(
        watched=on_one_host("emea", "apac", weather={0: TIMEOUT}), instance="10.0.0.2:9988", since=12.5
    )

    tell(tmp_path, before, after, firing=always(10, 25, OUTAGE))


def test_single_targets_page_where_the_outage_is_switched_off(tmp_path: Path) -> None:
    pod = Pod(watched=on_one_host("emea", "apac", weather={5: TIMEOUT}))

    firing = always(10, 20, DOWN, "PingOneFederationDown apac")

    tell(tmp_path, pod, firing=firing, without=LATER | {"PingOneAuthHostOutage"})


def test_what_a_host_is_called_is_unknown_and_so_single_targets_page(tmp_path: Path) -> None:
    pod = Pod(
        watched=on_one_host("emea", "apac", weather={5: TIMEOUT}), dropped=("pingone_flow_target_info",)
    )

    tell(tmp_path, pod, firing=always(10, 20, DOWN, "PingOneFederationDown apac"))


def test_the_page_of_an_outage_says_why_and_how_to_look_closer(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: DELETED}), *on_one_host("amer", "apac", weather={5: TIMEOUT})])
    text = Text(
        alert="PingOneAuthHostOutage",
        labels={"job": "pingone-flow-exporter", "auth_host": "auth.pingone.eu"},
        description="100% of the targets on auth.pingone.eu fail"
        "; 2 of them with timeout, fault provider, in phase processing"
        "; 1 of them with oauth_error, fault configuration, in phase transfer"
        ". Look closer: curl -s http://10.0.0.1:9988/metrics | grep pingone_flow_probe_last_result_info",
    )

    Story(pods=[pod], until=10, texts={10: text}).told(tmp_path)


# --- our own egress


@pytest.mark.parametrize("back", [20, 21.2, 22.6])
def test_who_reaches_nobody_blames_no_provider_neither_then_nor_later(back: float, tmp_path: Path) -> None:
    weather = {5: CUT_OFF, back: FAIR}
    watched = [
        Watched(
            name=f"{name}{interval}",
            host=f"{interval}.example",
            weather=weather,
            phase=phase,
            interval=interval,
        )
        for name, phase in (("emea", 5), ("apac", 40))
        for interval in (60, 300)
    ]
    pod = Pod(watched=watched, egress={0: True, 5.1: False, back + 0.1: True})

    tell(tmp_path, pod, firing=always(0, 6.5) | always(8.5, back - 0.5, EGRESS) | always(back + 1.5, 40))


def test_a_provider_that_fails_once_egress_is_back_is_blamed(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: CUT_OFF, 15: TIMEOUT})], egress={0: True, 5.1: False, 15: True})

    tell(tmp_path, pod, firing=always(9, 14, EGRESS) | always(19.5, 30, DOWN))


def test_another_exporter_that_reaches_nobody_excuses_no_provider(tmp_path: Path) -> None:
    here = Pod(watched=[emea({5: TIMEOUT})], instance="10.0.0.2:9988", egress={0: True})
    there = Pod(watched=[Watched(name="apac", weather={5: CUT_OFF})], egress={0: True, 5: False})

    tell(tmp_path, here, there, firing=always(10, 20, DOWN, EGRESS))


# --- no success in a day


def test_the_ticket_of_a_federation_without_success_goes_when_it_succeeds(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: DELETED, 22: FAIR})])

    tell(tmp_path, pod, firing=always(20, 22, NO_SUCCESS) | always(23.5, 30), without=LATER | {FAST})


def test_a_federation_that_is_only_rate_limited_has_no_success_either(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: LIMITED}, past={-1440: FAIR})])

    tell(tmp_path, pod, firing={20: {NO_SUCCESS, "PingOneRateLimited emea"}})


def test_a_success_yesterday_at_this_time_is_one_within_the_day(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: LIMITED}, past={-1400: FAIR})])

    tell(tmp_path, pod, firing={30: {"PingOneRateLimited emea"}})


def test_the_ticket_says_why_and_how_to_look_closer(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneFederationNoSuccess",
        labels={
            "job": "pingone-flow-exporter",
            "target": "emea",
            "journey": "authorize",
            "auth_host": "auth.pingone.eu",
            "owner": "iam",
        },
        description="emea has had no success in 24 hours; last probe: oauth_error, fault configuration, in step "
        "authorize, phase transfer. Look closer: curl -s http://10.0.0.1:9988/metrics | grep 'target=\"emea\"'",
    )

    pod = Pod(watched=[emea({0: DELETED}, labels={"owner": "iam"})])

    Story(pods=[pod], until=20, texts={20: text}).told(tmp_path)
