"""Error budget and latency: when they page or make a ticket, and when they must not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rules.pod import CUT_OFF, FAIR, LIMITED, OUR_BUG, SLOW, TIMEOUT, Pod, Sky, Watched, now_and_then
from rules.story import Story, Text, always, by_promtool

from exporter.target import Journey

if TYPE_CHECKING:
    from rules.pod import Weather

FAST = "PingOneErrorBudgetBurnFast emea"
GRADUAL = "PingOneErrorBudgetBurnSlow emea"
SLUGGISH = "PingOneSignOnSlow emea"
NO_TICKET = frozenset({"PingOneErrorBudgetBurnSlow"})
KEY = {
    "job": "pingone-flow-exporter",
    "target": "emea",
    "journey": "authorize",
    "auth_host": "auth.pingone.eu",
    "owner": "iam",
}


def watching(weather: Weather, **facts: object) -> Pod:
    return Pod(watched=[Watched(name="emea", weather=weather, labels={"owner": "iam"}, **facts)])  # type: ignore[arg-type]  # facts are those of Watched


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


# --- a page: 1h and 5m, 6h and 30m


def test_five_of_sixty_probes_page_and_four_do_not(tmp_path: Path) -> None:
    four, five = (240, 255, 270, 285), (320, 332, 344, 356, 368, 380)
    pod = watching(now_and_then(TIMEOUT, *four, *five))

    firing = always(230, 371) | always(384, 384.5, FAST) | always(390, 395)

    tell(tmp_path, pod, firing=firing, scrape=60, without=NO_TICKET)


def test_one_probe_in_twenty_five_pages_once_there_were_three(tmp_path: Path) -> None:
    pod = watching(now_and_then(TIMEOUT, 10, 35, 60))

    tell(tmp_path, pod, firing=always(30, 60) | always(67, 80, FAST) | always(97, 100), without=NO_TICKET)


def test_one_probe_in_forty_does_not_page(tmp_path: Path) -> None:
    pod = watching(now_and_then(TIMEOUT, 40, 80, 120, 160))

    tell(tmp_path, pod, firing=always(0, 170), scrape=60, without=NO_TICKET)


def test_two_bad_probes_with_a_long_interval_do_not_page(tmp_path: Path) -> None:
    pod = watching({60: TIMEOUT, 70: FAIR, 80: TIMEOUT, 90: FAIR}, interval=600.0)

    tell(tmp_path, pod, firing=always(0, 130))


def test_windows_that_hold_one_probe_are_not_used(tmp_path: Path) -> None:
    # three of twelve within the hour: with 6h and 30m it pages for half an hour, with 5m it would stop and go
    weather: Weather = {60: TIMEOUT, 64: FAIR, 70: TIMEOUT, 74: FAIR, 80: TIMEOUT, 84: FAIR}
    pod = watching(weather, interval=300.0)

    tell(tmp_path, pod, firing=always(40, 79) | always(85, 108, FAST) | always(115, 120), without=NO_TICKET)


def test_the_guard_and_the_objective_are_thresholds(tmp_path: Path) -> None:
    pod = watching(now_and_then(TIMEOUT, 10, 35, 60))

    tell(tmp_path, pod, firing=always(64, 80), thresholds={"burn_bad_probes": 4}, without=NO_TICKET)
    tell(tmp_path, pod, firing=always(64, 80), thresholds={"objective": 0.99}, without=NO_TICKET)


@pytest.mark.parametrize("sky", [LIMITED, OUR_BUG])
def test_quota_and_exporter_faults_do_not_use_up_the_budget(sky: Sky, tmp_path: Path) -> None:
    # 30 of 60 probes say nothing, 3 of the other 30 are bad
    weather: dict[float, Sky] = {}
    for minute in range(0, 60, 2):
        weather |= {minute: sky, minute + 1: TIMEOUT if minute in {10, 30, 50} else FAIR}
    if sky is LIMITED:  # which is held back for two intervals: every third probe is done
        expected = ("round(max(target:pingone_flow_probes_bad:increase30s * 0))", 0.0)
    else:
        expected = ("round(max(target:pingone_flow_probes_bad:ratio1h), 0.01)", 0.1)

    Story(pods=[watching(weather)], until=60, shown={60: expected}).verify(tmp_path)


def test_rate_limits_burn_no_budget(tmp_path: Path) -> None:
    tell(tmp_path, watching({10: LIMITED}), firing=always(30, 60, "PingOneRateLimited emea"))


def test_times_without_network_access_do_not_count(tmp_path: Path) -> None:
    pod = Pod(
        watched=[Watched(name="emea", weather={20: CUT_OFF, 50: FAIR})],
        egress={0: True, 20.1: False, 50.1: True},
    )

    firing = always(23, 49, "PingOneEgressDown 10.0.0.1:9988") | always(52, 90)

    tell(tmp_path, pod, firing=firing)


def test_a_federation_down_does_not_page_twice(tmp_path: Path) -> None:
    pod = watching({60: TIMEOUT, 70: FAIR})

    firing = always(65, 75, "PingOneFederationDown emea") | always(77, 110)

    tell(tmp_path, pod, firing=firing, without=NO_TICKET)


def test_it_pages_if_federation_down_is_disabled(tmp_path: Path) -> None:
    pod = watching({60: TIMEOUT, 70: FAIR})

    without = NO_TICKET | {"PingOneFederationDown"}

    tell(tmp_path, pod, firing={70: {FAST}}, without=without)


def test_a_restart_neither_adds_nor_removes_bad_probes(tmp_path: Path) -> None:
    first = watching(now_and_then(TIMEOUT, 10, 35))
    second = watching(now_and_then(TIMEOUT, 62))
    first.until, second.since, second.instance = 50, 51, "10.0.0.2:9988"

    tell(tmp_path, first, second, firing=always(30, 61) | always(67, 80, FAST), without=NO_TICKET)


def test_a_rollout_with_two_pods_is_one_page(tmp_path: Path) -> None:
    first, second = watching(now_and_then(TIMEOUT, 10, 35, 60)), watching(now_and_then(TIMEOUT, 60))
    first.until, second.since, second.instance = 75, 55, "10.0.0.2:9988"

    tell(tmp_path, first, second, firing=always(30, 59) | always(66, 80, FAST), without=NO_TICKET)


def test_a_removed_target_burns_no_budget(tmp_path: Path) -> None:
    first = watching(now_and_then(TIMEOUT, 10, 35, 60))
    other = Pod(watched=[Watched(name="other")], instance="10.0.0.2:9988", since=66)
    first.until = 66

    tell(tmp_path, first, other, firing={65: {FAST}} | always(73, 80), without=NO_TICKET)


@pytest.mark.parametrize(
    ("minutes", "begin"), [((10, 35, 60), 67), (range(40, 65, 4), 60)], ids=["6h and 30m", "1h and 5m, too"]
)
def test_two_journeys_that_burn_their_budgets_are_one_page(
    minutes: Iterable[int], begin: int, tmp_path: Path
) -> None:
    journeys = [
        Watched(name="emea", weather=now_and_then(TIMEOUT, *minutes), journey=journey, phase=phase)
        for journey, phase in ((Journey.AUTHORIZE, 5.0), (Journey.FEDERATION, 20.0))
    ]

    tell(tmp_path, Pod(watched=journeys), firing=always(begin, 80, FAST), without=NO_TICKET)


def test_the_page_has_the_share_the_reasons_and_a_command(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneErrorBudgetBurnFast",
        labels=KEY,
        description=f"emea failed {by_promtool('4.967%', '4.846%')} of its probes in the last hour, "
        f"{by_promtool('4.839%', '4.689%')} in the last six hours; in the last hour: "
        "3 with timeout, fault provider. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep 'target=\"emea\"'",
    )

    weather = now_and_then(TIMEOUT, 10, 30, 50)

    Story(pods=[watching(weather)], until=64, texts={64: text}).verify(tmp_path)


def test_of_several_reasons_the_most_frequent_comes_first(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneErrorBudgetBurnFast",
        labels=KEY,
        description=f"emea failed {by_promtool('6.623%', '6.36%')} of its probes in the last hour, "
        f"{by_promtool('6.452%', '6.154%')} in the last six hours; in the last hour: "
        "3 with timeout, fault provider, 1 with connect, fault network. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep 'target=\"emea\"'",
    )

    weather = now_and_then(TIMEOUT, 10, 30, 50) | now_and_then(CUT_OFF, 54)

    Story(pods=[watching(weather)], until=64, texts={64: text}).verify(tmp_path)


# --- a ticket: 1d and 2h, 3d and 6h


def test_one_probe_in_fifty_makes_a_ticket_once_there_were_three(tmp_path: Path) -> None:
    pod = watching(now_and_then(TIMEOUT, 50, 100, 150))
    share = by_promtool("1.661%", "1.605%")
    text = Text(
        alert="PingOneErrorBudgetBurnSlow",
        labels=KEY,
        description=f"emea failed {share} of its probes in the last day, {share} in the last three days; "
        "in the last day: 3 with timeout, fault provider. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep 'target=\"emea\"'",
    )

    firing = always(40, 150) | always(170, 180, GRADUAL)

    tell(tmp_path, pod, firing=firing, texts={180: text}, scrape=60)


def test_one_probe_in_seventy_five_makes_a_ticket_by_the_longest_windows(tmp_path: Path) -> None:
    pod = watching(now_and_then(TIMEOUT, 75, 150, 225))

    tell(tmp_path, pod, firing=always(70, 225) | always(246, 250, GRADUAL), scrape=60)


def test_two_bad_probes_make_no_ticket(tmp_path: Path) -> None:
    pod = watching(now_and_then(TIMEOUT, 50, 90))

    tell(tmp_path, pod, firing=always(40, 130), scrape=60)


# --- slow


def test_eight_slow_successes_of_thirty_exceed_a_quarter_and_seven_do_not(tmp_path: Path) -> None:
    eight = watching({40: SLOW, 48: FAIR})
    seven = Pod(watched=[Watched(name="apac", host="auth.pingone.asia", weather={40: SLOW, 47: FAIR})])
    seven.instance = "10.0.0.2:9988"

    tell(tmp_path, eight, seven, firing=always(0, 50) | always(55, 69, SLUGGISH) | always(72, 80))


def test_two_slow_probes_with_a_long_interval_make_no_ticket(tmp_path: Path) -> None:
    tell(tmp_path, watching({60: SLOW, 80: FAIR}, interval=600.0), firing=always(0, 110))


def test_slow_probes_during_a_stall_are_not_blamed_on_the_provider(tmp_path: Path) -> None:
    stalled = Sky(duration=3.0, stalled=True)

    tell(tmp_path, watching({10: stalled}), firing=always(20, 40, "PingOneProbesStalled 10.0.0.1:9988"))


def test_a_restart_does_not_resolve_the_ticket_of_a_slow_target(tmp_path: Path) -> None:
    first, second = watching({0: SLOW}), watching({0: SLOW})
    first.until, second.since, second.instance = 30, 31, "10.0.0.2:9988"

    tell(tmp_path, first, second, firing=always(12, 45, SLUGGISH))


def test_the_ticket_has_the_slowest_phase_and_a_command(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneSignOnSlow",
        labels=KEY,
        description="100% of the successful probes of emea in the last 30 minutes exceeded the latency "
        "objective of 2s; the slowest part was phase processing of step authorize with 3s. To investigate, "
        "run with the exporter's environment: pingone-flow-exporter probe emea",
    )

    Story(pods=[watching({0: SLOW})], until=20, texts={20: text}).verify(tmp_path)
