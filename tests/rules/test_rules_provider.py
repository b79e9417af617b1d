"""Rate limits, certificates, clocks and contracts: when they are tickets, and when not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from observing.discovery import DISCOVERY_CHECKS
from rules.pod import DELETED, FAIR, LIMITED, TIMEOUT, Pod, Sky, Watched, now_and_then
from rules.story import Story, Text, always

from exporter.reasons import Reason
from exporter.target import Journey

if TYPE_CHECKING:
    from rules.pod import Weather

JOB = {"job": "pingone-flow-exporter"}
HOST = {**JOB, "auth_host": "auth.pingone.eu"}
LIMIT = "PingOneRateLimited emea"
SOON = "PingOneCertificateExpiresSoon auth.pingone.eu"
NOW = "PingOneCertificateExpiresNow auth.pingone.eu"
SKEW = "PingOneClockSkew auth.pingone.eu"
CONTRACT = "PingOneContractCheckFailing emea"
KEYS = "PingOneSigningKeysChanged emea"
LATER = frozenset({"PingOneErrorBudgetBurnSlow", "PingOneErrorBudgetBurnFast"})


def emea(weather: Weather, **facts: object) -> Watched:
    return Watched(name="emea", weather=weather, **facts)  # type: ignore[arg-type]  # facts are those of Watched


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"until": max(firing), "without": LATER} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


# --- rate limits


def test_three_rejections_in_30_minutes_are_a_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({10: LIMITED, 18: FAIR})])

    tell(tmp_path, pod, firing=always(0, 16) | always(23, 37, LIMIT) | always(44, 50))


def test_two_rejections_in_30_minutes_make_no_ticket(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({10: LIMITED, 14: FAIR})]), firing=always(0, 30))


def test_every_second_probe_rejected_with_a_long_interval(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: LIMITED, 20: FAIR}, interval=600.0)])

    tell(tmp_path, pod, firing=always(0, 50))


@pytest.mark.parametrize(
    ("interval", "window"), [(480, "30 minutes"), (600, "two hours"), (900, "two hours")]
)
def test_three_rejections_with_a_long_interval_are_a_ticket(
    interval: float, window: str, tmp_path: Path
) -> None:
    third = 2 * interval / 60
    pod = Pod(watched=[emea({0: LIMITED, third + 1: FAIR}, interval=interval, phase=1.0)])
    text = Text(
        alert="PingOneRateLimited",
        labels={**HOST, "target": "emea", "journey": "authorize"},
        description=f"3 probes of emea were rate-limited in the last {window}; it is probed "
        f"every {interval / 60:g}m 0s. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep -E 'backoff|rate_limited|code=\"429\"'",
    )

    firing = always(0, third + 5) | always(third + 6.5, third + 10, LIMIT) | {third + 130: set()}

    tell(tmp_path, pod, firing=firing, texts={third + 10: text})


@pytest.mark.parametrize("interval", [3600.0, 7200.0])
def test_rejections_once_an_hour_or_less_often_are_a_ticket(interval: float, tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: LIMITED}, interval=interval)])
    third = 2 * interval / 60

    tell(
        tmp_path,
        pod,
        firing=always(0, third + 4) | always(third + 8, third + 20, LIMIT),
        scrape=60,
        without=LATER | {"PingOneFederationNoSuccess"},
    )


def test_a_restart_does_not_resolve_the_ticket_of_a_rate_limit(tmp_path: Path) -> None:
    before = Pod(watched=[emea({10: LIMITED})], until=15)
    after = Pod(watched=[emea({0: LIMITED})], since=16, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(0, 16) | always(27, 30, LIMIT))


def test_the_ticket_of_a_rate_limit_has_the_number_and_the_time_left(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneRateLimited",
        labels={**HOST, "target": "emea", "journey": "authorize", "tier": "gold"},
        description="6 probes of emea were rate-limited in the last 30 minutes; it is "
        "paused for another 1m 5s; it is probed every 1m 0s. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep -E 'backoff|rate_limited|code=\"429\"'",
    )
    pod = Pod(watched=[emea({10: LIMITED}, labels={"tier": "gold"})])

    Story(pods=[pod], until=21, texts={21: text}).verify(tmp_path)


# --- certificates


@pytest.mark.parametrize(
    ("days", "alerts"),
    [(21.2, set()), (20.9, {SOON}), (7.2, {SOON}), (6.9, {SOON, NOW}), (-0.5, {SOON, NOW})],
)
def test_a_certificate_is_a_ticket_at_21_days_and_a_page_at_7(
    days: float, alerts: set[str], tmp_path: Path
) -> None:
    pod = Pod(watched=[emea({0: Sky(certificate_days=days)})])

    tell(tmp_path, pod, firing=always(70, 70, *alerts), scrape=60, evaluation=60)


def test_the_page_of_a_certificate_resolves_when_it_is_renewed(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: Sky(certificate_days=3), 30: Sky(certificate_days=90)})])

    tell(tmp_path, pod, firing=always(0, 14) | always(17, 30, NOW) | always(32, 40))


@pytest.mark.parametrize("gap", [1.0, -1.0], ids=["restart", "rollout"])
def test_a_removed_pod_does_not_keep_the_page_of_a_renewed_certificate_firing(
    gap: float, tmp_path: Path
) -> None:
    before = Pod(watched=[emea({0: Sky(certificate_days=5)})], until=90)
    after = Pod(watched=[emea({0: Sky(certificate_days=90)})], since=90 + gap, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(70, 89, NOW, SOON) | always(92, 100))


def test_many_targets_behind_a_host_are_one_ticket_per_owner(tmp_path: Path) -> None:
    short = {0.0: Sky(certificate_days=3)}
    pod = Pod(watched=[Watched(name=name, weather=short) for name in ("emea", "apac", "anz")])

    tell(tmp_path, pod, firing={20: {NOW}})


def test_a_rejected_certificate_still_expires(tmp_path: Path) -> None:
    expired = Sky(reason=DELETED.reason, certificate_days=-1)

    firing = always(20, 20, NOW, "PingOneFederationNoSuccess emea")

    tell(tmp_path, Pod(watched=[emea({0: expired})]), firing=firing)


@pytest.mark.parametrize("overlap", [0, 2])
def test_neither_a_restart_nor_a_rollout_restarts_the_ticket_of_a_certificate(
    overlap: float, tmp_path: Path
) -> None:
    short = {0.0: Sky(certificate_days=20)}
    before = Pod(watched=[emea(short)], until=65)
    after = Pod(watched=[emea(short)], since=66 - overlap, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(62, 80, SOON))


def test_without_tls_no_certificate_expires(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({0: Sky(certificate_days=None)})]), firing={70: set()}, evaluation=60)


def test_a_certificate_alert_fires_even_if_the_host_is_unknown(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: Sky(certificate_days=3)})], dropped=("pingone_flow_target_info",))

    tell(tmp_path, pod, firing={20: {"PingOneCertificateExpiresNow emea"}})


def test_an_unknown_host_hides_no_other_one(tmp_path: Path) -> None:
    """The settings do not name the source of a discovered target."""
    weather: Mapping[str, Weather] = {
        "first": {0: Sky(certificate_days=3, skew=60)},
        "second": {0: Sky(certificate_days=4, skew=40), 40: FAIR},
        "third": {0: FAIR},
    }
    pod = Pod(watched=[Watched(name=name, weather=found, host="") for name, found in weather.items()])
    first, second = (
        {f"PingOne{alert} {name}" for alert in ("CertificateExpiresNow", "ClockSkew")}
        for name in ("first", "second")
    )
    clock = Text(
        alert="PingOneClockSkew",
        labels={**JOB, "target": "first"},
        description="The clocks of an auth host and of the exporter differ by at least 59.5s; affected: 1 of "
        "3 hosts (if all are affected, the exporter's own clock is wrong). To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep clock_skew",
    )
    certificate = Text(
        alert="PingOneCertificateExpiresNow",
        labels={**JOB, "target": "first"},
        description="The certificate of an auth host expires in 2d 23h 9m 0s; it is used by first. To "
        "investigate, run: curl -s http://10.0.0.1:9988/metrics | grep tls_certificate_expiry",
    )

    firing: dict[float, set[str]] = {30: first | second, 50: first}

    tell(tmp_path, pod, firing=firing, texts={50: clock, 51: certificate}, until=51)


@pytest.mark.parametrize(
    ("alert", "days", "minute", "left"),
    [
        ("PingOneCertificateExpiresSoon", 20, 70, "expires in 19d 22h 50m 0s"),
        ("PingOneCertificateExpiresNow", 5, 20, "expires in 4d 23h 40m 0s"),
        ("PingOneCertificateExpiresNow", -5, 20, "has expired"),
    ],
)
def test_a_certificate_alert_names_host_targets_and_time_left(
    alert: str, days: float, minute: float, left: str, tmp_path: Path
) -> None:
    weather = {0.0: Sky(certificate_days=days)}
    pod = Pod(watched=[emea(weather, labels={"owner": "iam"})])
    text = Text(
        alert=alert,
        labels={**HOST, "owner": "iam"},
        description=f"The certificate of auth.pingone.eu {left}; it is used by emea. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep tls_certificate_expiry",
    )

    Story(pods=[pod], until=minute, texts={minute: text}).verify(tmp_path)


def test_a_certificate_alert_without_a_host_has_no_gap_in_the_text(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: Sky(certificate_days=-5)})], dropped=("pingone_flow_target_info",))
    text = Text(
        alert="PingOneCertificateExpiresNow",
        labels={**JOB, "target": "emea"},
        description="The certificate of an auth host has expired; it is used by emea. To investigate, run: "
        "curl -s http://pingone-flow-exporter:9988/metrics | grep tls_certificate_expiry",
    )

    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)


# --- clocks


@pytest.mark.parametrize(("skew", "alerts"), [(30.4, set()), (31.0, {SKEW}), (-31.0, {SKEW})])
def test_a_skew_that_is_certainly_over_30_seconds_is_a_ticket(
    skew: float, alerts: set[str], tmp_path: Path
) -> None:
    pod = Pod(watched=[emea({2: Sky(skew=skew)})])

    tell(tmp_path, pod, firing=always(0, 11) | {15: alerts, 20: alerts})


def test_a_corrected_clock_resolves_the_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: Sky(skew=60), 20: FAIR})])

    tell(tmp_path, pod, firing=always(12, 20, SKEW) | always(22, 30))


def test_the_skew_of_a_single_probe_makes_no_ticket(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea(now_and_then(Sky(skew=60), 5, 15))]), firing=always(0, 30))


def test_failures_say_nothing_about_clocks(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: FAIR, 5: Sky(reason=TIMEOUT.reason, skew=60)})])

    tell(tmp_path, pod, firing=always(12, 20, "PingOneFederationDown emea"))


def test_a_restart_does_not_restart_the_ticket_of_a_clock(tmp_path: Path) -> None:
    before = Pod(watched=[emea({0: Sky(skew=60)})], until=15)
    after = Pod(watched=[emea({0: Sky(skew=60)})], since=16, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(12, 25, SKEW))


def test_the_ticket_of_a_clock_has_the_number_of_affected_hosts(tmp_path: Path) -> None:
    other = Watched(name="other", host="auth.pingone.ca")
    text = Text(
        alert="PingOneClockSkew",
        labels=HOST,
        description="The clocks of auth.pingone.eu and of the exporter differ by at least 59.5s; affected: "
        "1 of 2 hosts (if all are affected, the exporter's own clock is wrong). To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep clock_skew",
    )

    Story(pods=[Pod(watched=[emea({0: Sky(skew=60)}), other])], until=15, texts={15: text}).verify(tmp_path)


def test_the_ticket_of_a_clock_does_not_change_when_a_probe_fails(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneClockSkew",
        labels=HOST,
        description="The clocks of auth.pingone.eu and of the exporter differ by at least 59.5s; affected: "
        "1 of 1 hosts (if all are affected, the exporter's own clock is wrong). To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep clock_skew",
    )
    pod = Pod(watched=[emea({0: Sky(skew=60), 14: TIMEOUT})])

    Story(pods=[pod], until=15, texts={15: text}).verify(tmp_path)


# --- contracts


def test_a_check_that_keeps_failing_is_a_ticket_until_it_passes(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: Sky(failed_checks=("lifetime",)), 30: FAIR})])

    tell(tmp_path, pod, firing=always(0, 14) | always(17, 30, CONTRACT) | always(32, 40))


def test_several_failing_checks_are_one_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: Sky(failed_checks=("lifetime", "id"))})])

    tell(tmp_path, pod, firing={20: {CONTRACT}})


def test_a_check_that_fails_now_and_then_makes_no_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea(now_and_then(Sky(failed_checks=("id",)), 5, 15, 25))])

    tell(tmp_path, pod, firing=always(0, 40))


def test_a_federation_without_flows_fails_no_checks(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({5: TIMEOUT})]), firing={25: {"PingOneFederationDown emea"}})


def test_a_rollout_does_not_restart_the_ticket(tmp_path: Path) -> None:
    failing = Sky(failed_checks=("id",))
    before = Pod(watched=[emea({0: failing})], until=14)
    after = Pod(watched=[emea({0: failing})], since=10, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(17, 25, CONTRACT))


def test_the_ticket_names_the_failing_checks(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneContractCheckFailing",
        labels={**HOST, "target": "emea", "journey": "authorize", "owner": "iam"},
        description="In the last ten minutes emea failed check lifetime (step authorize). To "
        "investigate, run: curl -s http://10.0.0.1:9988/metrics | grep 'contract_check.*target=\"emea\"'",
    )
    pod = Pod(watched=[emea({0: Sky(failed_checks=("lifetime",))}, labels={"owner": "iam"})])

    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)


def test_the_ticket_names_the_failing_checks_even_if_the_last_probe_got_no_flow(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneContractCheckFailing",
        labels={**HOST, "target": "emea", "journey": "authorize"},
        description="In the last ten minutes emea failed check lifetime (step authorize). To "
        "investigate, run: curl -s http://10.0.0.1:9988/metrics | grep 'contract_check.*target=\"emea\"'",
    )
    pod = Pod(watched=[emea({0: Sky(failed_checks=("lifetime",)), 19: TIMEOUT})])

    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)


# --- signing keys

OTHER_KEYS = Sky(failed_checks=("key_overlap",))


def discovery(weather: Weather, **facts: object) -> Watched:
    return emea(weather, journey=Journey.DISCOVERY, **facts)


def test_keys_that_all_changed_at_once_are_a_ticket_for_an_hour(tmp_path: Path) -> None:
    pod = Pod(watched=[discovery({10: OTHER_KEYS, 11: FAIR})])

    tell(tmp_path, pod, firing=always(0, 10) | always(13, 69, KEYS) | always(73, 76))


def test_keys_that_changed_are_not_a_failing_check_whatever_the_interval(tmp_path: Path) -> None:
    pod = Pod(watched=[discovery({10: OTHER_KEYS, 40: FAIR}, interval=1800.0)])

    tell(tmp_path, pod, firing=always(0, 29) | always(34, 55, KEYS))


def test_other_checks_of_the_keys_are_a_ticket_like_those_of_flows(tmp_path: Path) -> None:
    failed = tuple(check for check in DISCOVERY_CHECKS if check != "key_overlap")
    pod = Pod(watched=[discovery({0: Sky(failed_checks=failed)})])

    tell(tmp_path, pod, firing=always(0, 14) | always(17, 20, CONTRACT))


def test_the_ticket_of_changed_keys_names_the_target_and_where_to_look(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneSigningKeysChanged",
        labels={**HOST, "target": "emea", "owner": "iam"},
        description="All signing keys of the source of emea changed at once in the last hour; destinations "
        "that keep copies of the old ones reject its tokens; keys now: 2. To investigate, run: "
        "curl -s http://10.0.0.1:9988/metrics | grep 'signing_key.*target=\"emea\"'",
    )
    pod = Pod(watched=[discovery({0: OTHER_KEYS}, labels={"owner": "iam"})])

    Story(pods=[pod], until=20, texts={10: text}).verify(tmp_path)


def test_unusable_keys_page_unless_the_target_fails_anyway(tmp_path: Path) -> None:
    weak = Sky(reason=Reason.KEYS_INVALID, step="jwks")
    alone = Pod(watched=[discovery({5: weak})])
    both = Pod(watched=[emea({5: DELETED}), discovery({5: weak})])

    tell(tmp_path, alone, firing={20: {"PingOneFederationDown emea"}})
    tell(tmp_path, both, firing={20: {"PingOneFederationDown emea"}})
