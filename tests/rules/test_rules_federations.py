"""A federation down, or without success in a day: when that fires, and when it must not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from rule_files import THRESHOLDS
from rules.pod import DELETED, FAIR, INCOMPLETE, LIMITED, OUR_BUG, TIMEOUT, Pod, Sky, Watched, Weather
from rules.story import Story, Text, always

from exporter.reasons import Reason
from exporter.target import Journey

DOWN = "PingOneFederationDown emea"
NO_SUCCESS = "PingOneFederationNoSuccess emea"
ABOUT_EMEA = {
    "job": "pingone-flow-exporter",
    "target": "emea",
    "journey": "authorize",
    "auth_host": "auth.pingone.eu",
}
FAST = "PingOneErrorBudgetBurnFast"
LATER = frozenset({"PingOneErrorBudgetBurnSlow"})
"""A ticket that follows any outage for long, where there is so little history; it has stories of its own."""


def emea(weather: Weather, **facts: object) -> Watched:
    return Watched(name="emea", weather=weather, **facts)  # type: ignore[arg-type]  # facts are those of Watched


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"without": LATER, "until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


# --- federation down


def test_a_federation_that_fails_three_times_in_a_row_is_down_until_it_succeeds(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 20: FAIR})])

    firing = always(0, 8) | always(10, 25, DOWN) | always(27, 40)

    tell(tmp_path, pod, firing=firing)


def test_two_failures_in_a_row_do_not_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 7: FAIR, 12: TIMEOUT, 14: FAIR})])

    tell(tmp_path, pod, firing=always(0, 20), without=LATER | {FAST})


def test_three_failures_followed_by_a_success_do_not_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 8: FAIR})])

    tell(tmp_path, pod, firing=always(0, 20), without=LATER | {FAST})


@pytest.mark.parametrize("scrape", [15.0, 30.0, 60.0])
def test_a_page_takes_at_most_five_minutes_from_the_first_failing_request(
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

    Story(pods=[Pod(watched=watched)], until=20, shown=shown, scrape=scrape).verify(tmp_path)


def test_the_last_success_comes_from_prometheus(tmp_path: Path) -> None:
    before = Pod(watched=[emea({})], until=10)
    after = Pod(watched=[emea({0: TIMEOUT})], instance="10.0.0.2:9988", since=11)

    tell(tmp_path, before, after, firing=always(0, 13) | always(16, 20, DOWN))


def test_a_federation_that_never_succeeded_is_a_ticket_not_a_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: DELETED})])

    tell(tmp_path, pod, firing=always(0, 16) | always(20, 60, NO_SUCCESS))


def test_a_federation_that_has_been_down_for_a_day_is_a_ticket_not_a_page(tmp_path: Path) -> None:
    # an hour after the story's begin a day has passed since the last success
    past: dict[float, Sky] = {-23 * 60: FAIR, -1: TIMEOUT, -0.5: TIMEOUT, -0.2: TIMEOUT}
    pod = Pod(watched=[emea({0: TIMEOUT}, past=past)])

    firing = always(5, 59, DOWN) | always(67, 74) | always(78, 120, NO_SUCCESS)

    tell(tmp_path, pod, firing=firing)


def test_an_exporter_restart_does_not_resolve_an_ongoing_failure(tmp_path: Path) -> None:
    before = Pod(watched=[emea({5: TIMEOUT})], until=12)
    after = Pod(watched=[emea({0: TIMEOUT})], instance="10.0.0.2:9988", since=13)

    tell(tmp_path, before, after, firing=always(10, 25, DOWN))


@pytest.mark.parametrize("interval", [300.0, 900.0])
def test_a_restart_resolves_nothing_even_with_a_long_interval(interval: float, tmp_path: Path) -> None:
    watched = Watched(name="emea", weather={10: TIMEOUT, 130: FAIR}, interval=interval)
    before = Pod(watched=[watched], until=60)
    after = Pod(watched=[watched], instance="10.0.0.2:9988", since=61)

    firing = always(55, 130, DOWN) | always(152, 160)

    tell(tmp_path, before, after, firing=firing)


@pytest.mark.parametrize(
    ("then", "firing"),
    [(TIMEOUT, always(25, 70, DOWN)), (FAIR, always(25, 55, DOWN) | always(58, 70))],
    ids=["failing", "recovered"],
)
def test_a_restart_that_holds_the_password_back_resolves_nothing(
    then: Sky, firing: dict[float, set[str]], tmp_path: Path
) -> None:
    """The first two probes of the restarted exporter end before the step that fails."""
    facts: dict[str, object] = {"journey": Journey.FEDERATION, "interval": 300.0}
    before = Pod(watched=[emea({10: TIMEOUT}, **facts)], until=40)
    after = Pod(watched=[emea({0: INCOMPLETE, 50: then}, **facts)], instance="10.0.0.2:9988", since=41)

    tell(tmp_path, before, after, firing=firing)


def test_a_restart_that_forgets_the_source_s_host_is_one_page(tmp_path: Path) -> None:
    """A target that fails before the source answers never shows its host to the new process."""
    facts: dict[str, object] = {"journey": Journey.FEDERATION, "discovered": True}
    down = Sky(reason=Reason.LOCATION_INVALID, step="initiate")
    before = Pod(watched=[emea({10: down}, **facts)], until=30)
    after = Pod(watched=[emea({0: down}, **facts)], instance="10.0.0.2:9988", since=31)
    hosts = 'count(count by (auth_host) (ALERTS{alertname="PingOneFederationDown",alertstate="firing"}))'

    firing = always(15, 60, DOWN)
    tell(tmp_path, before, after, firing=firing, shown={40: (hosts, 1)}, without=LATER | {FAST})


def test_a_success_while_the_egress_check_fails_ends_the_page(tmp_path: Path) -> None:
    """The URL of the check is down for good."""
    pod = Pod(watched=[emea({10: TIMEOUT, 40: FAIR})], egress={0: True, 30: False})
    egress = "PingOneEgressDown 10.0.0.1:9988"

    firing = always(15, 30, DOWN) | always(33, 44, DOWN, egress) | always(47, 60, egress)
    tell(tmp_path, pod, firing=firing, without=LATER | {FAST})


def test_one_failure_after_a_success_does_not_keep_it_firing(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({10: TIMEOUT, 20: FAIR, 23: TIMEOUT, 24: FAIR})])

    tell(tmp_path, pod, firing=always(15, 25, DOWN) | always(26.5, 29))


def test_an_exporter_restart_without_failures_fires_nothing(tmp_path: Path) -> None:
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


def test_a_rollout_without_failures_fires_nothing(tmp_path: Path) -> None:
    before = Pod(watched=[emea({}, labels={"owner": "iam"})], until=16)
    after = Pod(watched=[emea({}, labels={"owner": "sso"})], instance="10.0.0.2:9988", since=11)

    tell(tmp_path, before, after, firing=always(0, 30))


def test_missing_data_does_not_mean_that_a_federation_is_down(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT})], until=7.4)

    tell(tmp_path, pod, firing=always(0, 10) | always(12, 30, "PingOneExporterAbsent"))


def test_rate_limits_and_faults_of_the_exporter_do_not_count_as_failures(tmp_path: Path) -> None:
    limited = Watched(name="limited", host="auth.pingone.asia", weather={5: LIMITED})
    pod = Pod(watched=[limited, emea({5: OUR_BUG})])

    bug = "PingOneExporterInternalErrors 10.0.0.1:9988"

    tell(tmp_path, pod, firing=always(0, 12) | always(25, 30, "PingOneRateLimited limited", bug))


def test_it_pages_even_if_the_owner_is_unknown(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT}, labels={"owner": "iam"})], dropped=("pingone_flow_target_info",))

    tell(tmp_path, pod, firing=always(10, 20, DOWN))


def test_the_number_of_failures_is_a_threshold(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT, 9.5: FAIR, 15: TIMEOUT})])

    firing = always(0, 20) | always(22, 25, DOWN)

    tell(tmp_path, pod, firing=firing, thresholds={"down_failures": 6}, without=LATER | {FAST})


def test_the_thresholds_of_a_second_cluster_silence_nothing(tmp_path: Path) -> None:
    """As in a global ruler, which has the series that the rules of each cluster recorded."""
    others = {
        f'pingone_flow:threshold:{name}{{cluster="{cluster}"}}': value
        for cluster in ("east", "west")
        for name, value in THRESHOLDS.items()
    }
    east = Pod(watched=[emea({5: TIMEOUT, 20: FAIR})], labels={"cluster": "east"})
    west = Pod(
        watched=[
            Watched(name=name, host="w.example", weather={5: TIMEOUT, 20: FAIR}) for name in ("apac", "amer")
        ],
        labels={"cluster": "west"},
    )
    firing = always(0, 6) | always(10, 25, DOWN, "PingOneAuthHostOutage w.example") | always(28, 30)

    tell(tmp_path, east, west, firing=firing, others=others)


def test_the_strictest_threshold_of_several_clusters_applies(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT})])
    others = {'pingone_flow:threshold:down_failures{cluster="west"}': 6.0}

    tell(tmp_path, pod, firing=always(10, 15, DOWN), others=others)


def test_the_page_has_the_target_the_reason_and_a_command(tmp_path: Path) -> None:
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
        description="emea failed 5 times in a row; last failure: timeout, fault provider, "
        "step authorize (source), phase processing; last success: 1970-01-01 00:04:05 UTC. To investigate, "
        "run with the exporter's environment: pingone-flow-exporter probe emea",
    )

    Story(pods=[pod], until=10, texts={10: text}).verify(tmp_path)


def test_in_kubernetes_the_command_uses_kubectl(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: TIMEOUT})], labels={"namespace": "monitoring", "pod": "flows-7d9f-x"})
    text = Text(
        alert="PingOneFederationDown",
        labels={
            "namespace": "monitoring",
            "job": "pingone-flow-exporter",
            "target": "emea",
            "journey": "authorize",
            "auth_host": "auth.pingone.eu",
        },
        description="emea failed 5 times in a row; last failure: timeout, fault provider, "
        "step authorize (source), phase processing; last success: 1970-01-01 00:04:05 UTC. To investigate, "
        "run: kubectl exec -n monitoring flows-7d9f-x -- pingone-flow-exporter probe emea",
    )

    Story(pods=[pod], until=10, texts={10: text}).verify(tmp_path)


@pytest.mark.parametrize("minute", [62, 64])
def test_a_restart_changes_neither_the_failures_nor_the_last_success_on_the_page(
    minute: float, tmp_path: Path
) -> None:
    before = Pod(watched=[emea({5: TIMEOUT})], until=60)
    after = Pod(watched=[emea({5: TIMEOUT})], since=61, instance="10.0.0.2:9988")
    text = Text(
        alert="PingOneFederationDown",
        labels=ABOUT_EMEA,
        description="emea failed 55 times in a row; last failure: timeout, fault provider, step authorize "
        "(source), phase processing; last success: 1970-01-01 00:04:05 UTC. To investigate, run with the "
        "exporter's environment: pingone-flow-exporter probe emea",
    )

    Story(pods=[before, after], until=minute, texts={minute: text}).verify(tmp_path)


def test_a_restart_does_not_delay_a_page(tmp_path: Path) -> None:
    """The third failure was known before; the restarted exporter has seen one."""
    before = Pod(watched=[emea({5: TIMEOUT})], until=8)
    after = Pod(watched=[emea({5: TIMEOUT})], since=9, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(0, 7.5) | always(10, 20, DOWN))


def test_the_page_of_a_target_with_two_replicas_says_everything_once(tmp_path: Path) -> None:
    pods = [Pod(watched=[emea({5: TIMEOUT})], instance=f"10.0.0.{number}:9988") for number in (1, 2)]
    text = Text(
        alert="PingOneFederationDown",
        labels=ABOUT_EMEA,
        description="emea failed 5 times in a row; last failure: timeout, fault provider, "
        "step authorize (source), phase processing; last success: 1970-01-01 00:04:05 UTC. To investigate, "
        "run with the exporter's environment: pingone-flow-exporter probe emea",
    )

    Story(pods=pods, until=10, texts={10: text}).verify(tmp_path)


# --- no success in a day


def test_the_ticket_of_a_federation_without_success_resolves_when_it_succeeds(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: DELETED, 22: FAIR})])

    tell(tmp_path, pod, firing=always(20, 23, NO_SUCCESS) | always(24.5, 80))


def test_a_federation_that_is_only_rate_limited_has_no_success_either(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: LIMITED}, past={-1440: FAIR})])

    tell(tmp_path, pod, firing={20: {NO_SUCCESS, "PingOneRateLimited emea"}})


def test_a_success_24_hours_ago_counts(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: LIMITED}, past={-1400: FAIR})])

    tell(tmp_path, pod, firing={30: {"PingOneRateLimited emea"}})


def test_the_ticket_has_the_reason_and_a_command(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneFederationNoSuccess",
        labels={
            "job": "pingone-flow-exporter",
            "target": "emea",
            "journey": "authorize",
            "auth_host": "auth.pingone.eu",
            "owner": "iam",
        },
        description="emea has not succeeded in 24 hours; last failure: oauth_error, fault configuration, "
        "step authorize, phase transfer. To investigate, run with the exporter's environment: "
        "pingone-flow-exporter probe emea",
    )

    pod = Pod(watched=[emea({0: DELETED}, labels={"owner": "iam"})])

    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)
