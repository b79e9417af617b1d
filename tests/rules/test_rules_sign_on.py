"""The journey `federation`: one page per outage, the side that failed, test account and client secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rules.pod import DAY, FAIR, INCOMPLETE, JOB, MINUTE, TIMEOUT, Pod, Sky, Watched, Weather
from rules.story import Story, Text, always

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason
from exporter.target import DestinationApplication, Journey, SyntheticUser

LATER = frozenset({"PingOneErrorBudgetBurnSlow", "PingOneErrorBudgetBurnFast"})
HUB = "hub.example.com"
APPLICATION = DestinationApplication(client_id="a", redirect_uri="https://a", client_secret="s")
FULL: Mapping[str, Any] = {"application": APPLICATION, "user": SyntheticUser(username="u", password="p")}
REJECTED = Sky(reason=Reason.EXCHANGE_REJECTED, duration=2.0)
SOURCE_ERROR = Sky(reason=Reason.SERVER_ERROR, step="source_authorize")
AT_DESTINATION = Sky(
    reason=Reason.TIMEOUT, fault=Fault.PROVIDER, phase=Phase.PROCESSING, step="destination_authorize"
)
LOCKED = Sky(reason=Reason.ACCOUNT_LOCKED, step="sign_on", suspends=True)
REFUSED = Sky(reason=Reason.TOKEN_REFUSED, step="token")
DOWN = "PingOneFederationDown emea"
OUTAGE = f"PingOneDestinationOutage {HUB}"


def a_federation(name: str = "emea", weather: Weather | None = None, **facts: Any) -> Watched:  # noqa: ANN401
    """Return a federation that is probed every minute, so that stories stay short."""
    known: dict[str, Any] = {
        "host": f"{name}.example",
        "destination": HUB,
        "settings": FULL,
        "journey": Journey.FEDERATION,
    }
    return Watched(name=name, weather=weather or {}, **known | facts)


def an_authorize(name: str = "emea", weather: Weather | None = None, **facts: Any) -> Watched:  # noqa: ANN401
    return Watched(name=name, weather=weather or {}, **{"host": f"{name}.example"} | facts)


def verify(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: Any) -> None:  # noqa: ANN401
    known: dict[str, Any] = {"without": LATER, "until": max(firing)}
    Story(pods=pods, firing=firing, **known | facts).verify(directory)


def test_a_federation_that_breaks_at_callback_pages_alone(tmp_path: Path) -> None:
    pod = Pod(watched=[an_authorize(), a_federation(weather={5: REJECTED, 20: FAIR}, phase=9)])
    verify(tmp_path, pod, firing=always(0, 8) | always(10, 25, DOWN) | always(28, 32))


@pytest.mark.parametrize("first", [Journey.AUTHORIZE, Journey.FEDERATION])
def test_one_outage_of_a_target_is_one_page(first: Journey, tmp_path: Path) -> None:
    """Whichever journey notices it first."""
    early = first is Journey.AUTHORIZE
    authorize: Weather = {5 if early else 5.5: TIMEOUT}
    federation: Weather = {5.5 if early else 5: SOURCE_ERROR}
    pod = Pod(watched=[an_authorize(weather=authorize), a_federation(weather=federation, phase=35)])
    verify(tmp_path, pod, firing=always(11, 40, DOWN))


@pytest.mark.parametrize("end", [33, 58, 70])
def test_an_authorize_with_a_long_interval_delays_no_page_and_starts_none_afterwards(
    end: float, tmp_path: Path
) -> None:
    """It finds the outage at minutes 21, 36, 51 and 66, and its end up to a quarter of an hour late."""
    authorize = an_authorize(weather={20: TIMEOUT, end: FAIR}, interval=900.0, phase=6 * MINUTE)
    federation = a_federation(weather={20: SOURCE_ERROR, end: FAIR}, phase=35)
    firing = always(0, 22) | always(25, end + 5, DOWN) | always(end + 8, end + 25)
    verify(tmp_path, Pod(watched=[authorize, federation]), firing=firing)


@pytest.mark.parametrize("failing", [Journey.AUTHORIZE, Journey.FEDERATION])
def test_one_journey_pages_alone_whichever_has_the_longer_interval(failing: Journey, tmp_path: Path) -> None:
    once = failing is Journey.FEDERATION  # one failure of `authorize` must not end the page of `federation`
    authorize: Weather = {20: TIMEOUT, **({30: FAIR} if once else {})}
    federation: Weather = {5: REJECTED} if once else {}
    slow = an_authorize(weather=authorize, interval=600.0, phase=MINUTE)
    pod, begin = Pod(watched=[slow, a_federation(weather=federation)]), 10 if once else 44
    verify(tmp_path, pod, firing=always(0, begin - 4) | always(begin, begin + 30, DOWN))


def test_federation_pages_if_authorize_has_not_worked_for_a_day(tmp_path: Path) -> None:
    pod = Pod(watched=[an_authorize(weather={0: TIMEOUT}), a_federation(weather={5: REJECTED}, phase=35)])
    firing = always(11, 15, DOWN) | always(21, 25, DOWN, "PingOneFederationNoSuccess emea")
    verify(tmp_path, pod, firing=firing)


def test_an_outage_of_the_destination_names_the_destination(tmp_path: Path) -> None:
    watched = [
        watched
        for number, name in enumerate(("emea", "apac", "amer"))
        for watched in (
            an_authorize(name),
            a_federation(name, {5: REJECTED, 20: FAIR}, phase=10 + 13 * number),
        )
    ]
    ever = 'count(present_over_time(ALERTS{alertname="PingOneFederationDown",alertstate="firing"}[1h]))'
    firing = always(0, 6) | always(10, 25, OUTAGE) | always(28, 32)
    verify(tmp_path, Pod(watched=watched), firing=firing, shown={32: (ever, None)})


@pytest.mark.parametrize("interval", [60.0, 300.0])
def test_an_outage_of_the_destination_does_not_page_again_by_the_error_budget(
    interval: float, tmp_path: Path
) -> None:
    weather: Weather = {60: REJECTED, 85: FAIR}
    watched = [
        a_federation(name, weather, phase=10 + 13 * number, interval=interval)
        for number, name in enumerate(("emea", "apac", "amer"))
    ]
    without = LATER - {"PingOneErrorBudgetBurnFast"}
    firing = always(73, 85, OUTAGE) | always(95, 140)
    facts = {"thresholds": {"objective": 0.999}, "without": without}
    verify(tmp_path, Pod(watched=watched), firing=firing, **facts)


def test_an_outage_of_a_source_names_the_source(tmp_path: Path) -> None:
    watched = [
        a_federation(name, {5: SOURCE_ERROR}, phase=10 + 13 * number, host="idp.example")
        for number, name in enumerate(("emea", "apac"))
    ]
    verify(tmp_path, Pod(watched=watched), firing=always(10, 20, "PingOneAuthHostOutage idp.example"))


def test_an_outage_of_a_shared_host_is_one_page(tmp_path: Path) -> None:
    watched = [
        watched
        for number, name in enumerate(("emea", "apac"))
        for watched in (
            Watched(name=name, weather={5: TIMEOUT}, host=HUB, phase=3 + number),
            a_federation(name, {5: AT_DESTINATION}, phase=30 + number, host=HUB),
        )
    ]
    verify(tmp_path, Pod(watched=watched), firing=always(10, 40, f"PingOneAuthHostOutage {HUB}"))


def test_environments_that_share_a_host_are_different_destinations(tmp_path: Path) -> None:
    """PingOne's own hosts are shared: all federations of one environment may be a fifth of a host's."""
    other = "5d1f4f2c-9c4c-4f0a-8a52-0e0f3d1c7b11"
    broken = [
        a_federation(name, {5: REJECTED}, phase=10 + 13 * number, destination_environment=other)
        for number, name in enumerate(("emea", "apac"))
    ]
    healthy = [a_federation(f"fine{number}", phase=40) for number in range(8)]
    text = Text(
        alert="PingOneDestinationOutage",
        labels={"job": JOB, "destination_auth_host": HUB, "destination_environment_id": other},
        description=f"100% of the targets with destination {HUB}, environment {other}, failed at a step of "
        "the destination; 2 at step callback with exchange_rejected, fault configuration; last success of "
        "any of them: 1970-01-01 00:04:23 UTC. To investigate, run with the exporter's environment: "
        "pingone-flow-exporter probe emea apac",
    )
    pod = Pod(watched=[*broken, *healthy])
    verify(tmp_path, pod, firing=always(0, 6) | always(10, 15, OUTAGE), texts={15: text})


def test_half_of_the_federations_of_a_destination_are_not_an_outage(tmp_path: Path) -> None:
    watched = [
        a_federation("emea", {5: REJECTED}),
        *(a_federation(name, phase=20) for name in ("apac", "amer")),
    ]
    verify(tmp_path, Pod(watched=watched), firing=always(0, 8) | always(10, 20, DOWN))


def test_a_suspended_sign_on_is_a_ticket_and_never_a_page(tmp_path: Path) -> None:
    pod = Pod(watched=[an_authorize(), a_federation(weather={5: LOCKED, 30: FAIR}, phase=20)])
    firing = always(0, 10) | always(11.5, 34, "PingOneSignOnSuspended emea") | always(37, 40)
    verify(tmp_path, pod, firing=firing, without=frozenset())


def test_a_sign_on_suspended_by_one_blocked_request_is_a_ticket_and_never_a_page(tmp_path: Path) -> None:
    blocked = Sky(reason=Reason.BLOCKED, step="sign_on", suspends=True)
    weather: Weather = {5: blocked, 6: replace(blocked, fault=Fault.ACCOUNT), 30: FAIR}
    pod = Pod(watched=[an_authorize(), a_federation(weather=weather, phase=20)])
    firing = always(0, 10) | always(11.5, 34, "PingOneSignOnSuspended emea") | always(37, 40)
    verify(tmp_path, pod, firing=firing, without=frozenset())


def test_a_refused_test_application_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[an_authorize(), a_federation(weather={5: REFUSED, 40: FAIR}, phase=20)])
    firing = always(0, 20) | always(21.5, 44, "PingOneTestAccountFailing emea") | always(47, 50)
    verify(tmp_path, pod, firing=firing, without=frozenset())


@pytest.mark.parametrize("found", [LOCKED, REFUSED], ids=["suspended", "refused"])
@pytest.mark.parametrize("interval", [60.0, 300.0, 900.0])
def test_a_restart_that_holds_the_password_back_ends_no_ticket_of_the_test_account(
    interval: float, found: Sky, tmp_path: Path
) -> None:
    known = 41 + 2 * interval / MINUTE
    before = Pod(watched=[a_federation(weather={0: found}, interval=interval)], until=40)
    weather: Weather = {0: INCOMPLETE, known: found, known + 20: FAIR}
    watched = [a_federation(weather=weather, interval=interval)]
    after = Pod(watched=watched, since=41, instance="10.0.0.2:9988")
    ticket = "PingOneSignOnSuspended" if found.suspends else "PingOneTestAccountFailing"
    firing = always(22, known + 20, f"{ticket} emea") | {known + 27 + interval / MINUTE: set()}
    verify(tmp_path, before, after, firing=firing)


def test_a_journey_that_becomes_shorter_is_a_ticket(tmp_path: Path) -> None:
    before = Pod(watched=[a_federation()], until=10)
    after = Pod(
        watched=[a_federation(settings={"application": APPLICATION})], instance="10.0.0.2:9988", since=10
    )
    verify(tmp_path, before, after, firing=always(0, 19) | always(26, 40, "PingOneJourneyShortened emea"))


def test_a_journey_that_becomes_longer_fires_nothing(tmp_path: Path) -> None:
    before = Pod(watched=[a_federation(settings={"application": APPLICATION})], until=10)
    after = Pod(watched=[a_federation()], instance="10.0.0.2:9988", since=10)
    verify(tmp_path, before, after, firing=always(0, 40))


def test_a_target_that_no_longer_runs_federation_is_a_ticket_and_one_that_is_gone_is_none(
    tmp_path: Path,
) -> None:
    before = Pod(
        watched=[an_authorize(), a_federation(), an_authorize("apac"), a_federation("apac")], until=10
    )
    after = Pod(watched=[an_authorize()], instance="10.0.0.2:9988", since=10)
    text = Text(
        alert="PingOneJourneyShortened",
        labels={"job": JOB, "auth_host": "emea.example", "target": "emea", "journey": "federation"},
        description="The probes of emea end at an earlier step than yesterday; the journey federation does "
        "not run any more. A setting is missing, such as PASSWORD, DESTINATION_CLIENT_SECRET or a "
        "journey in JOURNEYS. To investigate, run with the exporter's environment: pingone-flow-exporter "
        "check-config",
    )
    firing = always(0, 19) | always(27, 40, "PingOneJourneyShortened emea")
    verify(tmp_path, before, after, firing=firing, texts={30: text})


def test_the_clock_of_a_destination_names_the_destination(tmp_path: Path) -> None:
    pod = Pod(
        watched=[a_federation(weather={0: Sky(skew=60)}), a_federation("apac", destination="x.example")]
    )
    verify(tmp_path, pod, firing={20: {f"PingOneClockSkew {HUB}"}})


def test_the_certificate_of_a_destination_names_the_targets_behind_it(tmp_path: Path) -> None:
    expiring = [a_federation(name, weather={0: Sky(certificate_days=5)}) for name in ("emea", "apac")]
    text = Text(
        alert="PingOneCertificateExpiresNow",
        labels={"job": "pingone-flow-exporter", "auth_host": HUB},
        description=f"The certificate of {HUB} expires in 4d 23h 40m 0s; it is used by apac, emea. To "
        "investigate, run: curl -s http://10.0.0.1:9988/metrics | grep tls_certificate_expiry",
    )
    pod = Pod(watched=expiring)
    verify(tmp_path, pod, firing={20: {f"PingOneCertificateExpiresNow {HUB}"}}, texts={20: text})


@pytest.mark.parametrize(
    ("days", "alerts"),
    [
        (31, set()),
        (29, {"PingOneClientSecretExpiresSoon emea"}),
        (6, {"PingOneClientSecretExpiresSoon emea", "PingOneClientSecretExpiresNow emea"}),
        (-1, {"PingOneClientSecretExpiresSoon emea", "PingOneClientSecretExpiresNow emea"}),
    ],
)
def test_a_client_secret_that_expires_is_a_ticket_and_then_a_page(
    days: float, alerts: set[str], tmp_path: Path
) -> None:
    settings = {**FULL, "secret_expires": days * DAY}
    pod = Pod(watched=[a_federation(settings=settings)])
    verify(tmp_path, pod, firing={10: set(), 65: alerts}, scrape=MINUTE)


def test_neither_a_restart_nor_a_missed_scrape_restarts_the_page_of_a_client_secret(tmp_path: Path) -> None:
    watched = [a_federation(settings={**FULL, "secret_expires": 5 * DAY})]
    before = Pod(watched=watched, until=25, missed=(20,))
    after = Pod(watched=watched, since=26, instance="10.0.0.2:9988")
    firing = always(18, 40, "PingOneClientSecretExpiresNow emea")
    verify(tmp_path, before, after, firing=firing)


def test_a_federation_every_five_minutes_burns_its_budget_in_the_long_windows(tmp_path: Path) -> None:
    rejected: Weather = {
        minute: sky for start in (60, 90, 120) for minute, sky in ((start, REJECTED), (start + 5, FAIR))
    }
    pod = Pod(watched=[a_federation(weather=rejected, interval=300.0)])
    firing = {59.0: set[str](), 125.0: {"PingOneErrorBudgetBurnFast emea"}, 180.0: set[str]()}
    verify(tmp_path, pod, firing=firing, without=frozenset({"PingOneErrorBudgetBurnSlow"}))


@pytest.mark.parametrize("interval", [60.0, 300.0, 900.0])
def test_a_restart_does_not_end_the_page_of_a_destinations_outage(interval: float, tmp_path: Path) -> None:
    watched = [
        a_federation(name, {5: REJECTED}, interval=interval, phase=phase)
        for name, phase in (("emea", 30.0), ("apac", 45.0))
    ]
    past: Weather = {-60: FAIR}
    before = Pod(watched=[replace(each, past=past) for each in watched], until=70)
    after = Pod(watched=watched, since=71, instance="10.0.0.2:9988")
    verify(tmp_path, before, after, firing=always(50, 100, OUTAGE))


def test_what_a_longer_journey_found_during_an_outage_is_no_page_after_it(tmp_path: Path) -> None:
    pod = Pod(
        watched=[
            an_authorize(weather={5: TIMEOUT, 30: FAIR}),
            a_federation(weather={5: SOURCE_ERROR, 30: FAIR}, interval=300.0, phase=290),
        ]
    )
    verify(tmp_path, pod, firing=always(11, 35, DOWN) | always(37, 45))


def test_a_restart_after_an_outage_starts_no_page_of_a_longer_journey(tmp_path: Path) -> None:
    """The restarted exporter holds passwords back, so all that is known of the journey is its failure."""
    before = Pod(
        watched=[
            an_authorize(weather={5: TIMEOUT, 30: FAIR}),
            a_federation(weather={5: SOURCE_ERROR}, interval=300.0, phase=290),
        ],
        until=31,
    )
    held = a_federation(weather={0: INCOMPLETE, 37: FAIR}, interval=300.0)
    after = Pod(watched=[an_authorize(), held], since=32, instance="10.0.0.2:9988")

    verify(tmp_path, before, after, firing=always(11, 35, DOWN) | always(38, 60))


def test_a_restart_after_the_outage_of_a_host_starts_no_page_of_a_single_target(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"host": "idp.example"}
    both = [an_authorize(name, weather={5: TIMEOUT, 30: FAIR}, **facts) for name in ("emea", "apac")]
    longer = a_federation(weather={5: SOURCE_ERROR}, interval=300.0, phase=290, **facts)
    held = a_federation(weather={0: INCOMPLETE, 37: FAIR}, interval=300.0, **facts)
    well = [an_authorize(name, **facts) for name in ("emea", "apac")]
    before = Pod(watched=[*both, longer], until=31)
    after = Pod(watched=[*well, held], since=32, instance="10.0.0.2:9988")
    outage = "PingOneAuthHostOutage idp.example"

    verify(tmp_path, before, after, firing=always(9, 35, outage) | always(40, 60))


@pytest.mark.parametrize(
    ("found", "alerts"), [(FAIR, set()), (REJECTED, {DOWN})], ids=["recovered", "still down"]
)
def test_a_restart_after_the_outage_of_a_destination_pages_for_what_it_finds(
    found: Sky, alerts: set[str], tmp_path: Path
) -> None:
    """What was known of the slower target before is neither a page nor forgotten."""
    slow: dict[str, Any] = {"interval": 300.0, "phase": 20}
    before = Pod(
        watched=[a_federation(weather={5: REJECTED}, **slow), a_federation("apac", {5: REJECTED, 30: FAIR})],
        until=31,
    )
    held = a_federation(weather={0: INCOMPLETE, 37: found}, interval=300.0)
    quick = a_federation("apac", {0: INCOMPLETE, 33: FAIR})
    after = Pod(watched=[held, quick], since=32, instance="10.0.0.2:9988")

    firing = always(19, 35, OUTAGE) | always(42, 60, *alerts)

    verify(tmp_path, before, after, firing=firing)


def test_a_restart_during_the_outage_of_a_destination_does_not_end_its_page(tmp_path: Path) -> None:
    """Although `authorize` was down in the hour before it, for a shorter time."""
    names = ("emea", "apac")
    rejected = [a_federation(name, {5: REJECTED}, interval=300.0, phase=20) for name in names]
    source = [an_authorize(name, {5: TIMEOUT, 11: FAIR}, destination=HUB) for name in names]
    held = [a_federation(name, {0: INCOMPLETE, 43: REJECTED}, interval=300.0) for name in names]
    well = [an_authorize(name, destination=HUB) for name in names]
    before = Pod(watched=[*rejected, *source], until=31)
    after = Pod(watched=[*held, *well], since=32, instance="10.0.0.2:9988")

    verify(tmp_path, before, after, firing=always(20, 60, OUTAGE))


def test_an_outage_of_a_host_that_is_source_and_destination_is_one_page(tmp_path: Path) -> None:
    sources = [
        Watched(name=name, host=HUB, weather={5: TIMEOUT}, phase=phase)
        for name, phase in (("emea", 3.0), ("apac", 20.0))
    ]
    others = [a_federation(name, {5: AT_DESTINATION}, phase=30) for name in ("asia", "com")]
    pod = Pod(watched=[*sources, *others])
    verify(tmp_path, pod, firing=always(12, 40, f"PingOneAuthHostOutage {HUB}"))


def test_an_exporter_without_network_access_does_not_name_the_wrong_side(tmp_path: Path) -> None:
    cut_off = Sky(reason=Reason.CONNECT, phase=Phase.CONNECT, step="destination_authorize")
    there = Pod(
        watched=[a_federation(name, {5: cut_off}, host="source.example") for name in ("emea", "apac")],
        egress={0: True, 4.5: False},
        instance="10.0.0.2:9988",
    )
    here = Pod(
        watched=[a_federation(name, {5: SOURCE_ERROR}, host="source.example") for name in ("emea", "apac")],
        egress={0: True},
    )
    firing = always(12, 30, "PingOneAuthHostOutage source.example", "PingOneEgressDown 10.0.0.2:9988")
    verify(tmp_path, here, there, firing=firing)
