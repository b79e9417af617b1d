"""What expires beside a host's own certificate: its chain, signing keys. And the vendor's status page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rules.pod import MINUTE, Pod, Sky, Watched
from rules.story import Story, Text, always

from exporter.outcome import Phase
from exporter.reasons import Reason
from exporter.status import StatusComponent, StatusPageReport
from exporter.target import Journey

HOST = "auth.pingone.eu"
CHAIN_SOON, CHAIN_NOW = (f"PingOneCertificateChainExpires{when} {HOST}" for when in ("Soon", "Now"))
KEYS_SOON, KEYS_NOW = (f"PingOneSigningKeysExpire{when} emea" for when in ("Soon", "Now"))
VENDOR = "PingOneVendorReportsProblem"
UNREADABLE = "PingOneStatusPageUnreadable"
PAGE = "status.example.com"
JOB = {"job": "pingone-flow-exporter"}


def emea(sky: Sky, **facts: Any) -> Watched:  # noqa: ANN401  any field of Watched
    return Watched(name="emea", weather={0: sky}, **facts)


def verify(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: Any) -> None:  # noqa: ANN401
    Story(pods=pods, firing=firing, **{"until": max(firing)} | facts).verify(directory)


# --- the chain


@pytest.mark.parametrize(
    ("days", "alerts"), [(30.2, set()), (29.9, {CHAIN_SOON}), (6.9, {CHAIN_SOON, CHAIN_NOW})]
)
def test_a_chain_that_expires_before_its_leaf_is_a_ticket_at_30_days_and_a_page_at_7(
    days: float, alerts: set[str], tmp_path: Path
) -> None:
    pod = Pod(watched=[emea(Sky(certificate_days=90, chain_days=days))])
    verify(tmp_path, pod, firing={10: set(), 70: alerts}, scrape=60, evaluation=60)


def test_a_chain_in_which_the_leaf_expires_first_has_no_alert_of_its_own(tmp_path: Path) -> None:
    pod = Pod(watched=[emea(Sky(certificate_days=20, chain_days=20))])
    soon = {f"PingOneCertificateExpiresSoon {HOST}"}
    verify(tmp_path, pod, firing={70: soon}, scrape=60, evaluation=60)


def test_a_renewed_chain_ends_the_page_at_once(tmp_path: Path) -> None:
    weather = {0.0: Sky(certificate_days=90, chain_days=3), 30.0: Sky(certificate_days=90, chain_days=90)}
    pod = Pod(watched=[Watched(name="emea", weather=weather)])
    verify(tmp_path, pod, firing=always(0, 14) | always(17, 30, CHAIN_NOW) | always(32, 40))


def test_a_destination_s_chain_names_the_destination_and_targets_share_one_ticket(tmp_path: Path) -> None:
    short = Sky(reason=Reason.EXCHANGE_REJECTED, step="callback", certificate_days=90, chain_days=3)
    watched = [
        Watched(
            name=name,
            host=f"{name}.example",
            destination="hub.example.com",
            journey=Journey.FEDERATION,
            weather={0: short},
            past={-30: Sky()},
        )
        for name in ("emea", "apac")
    ]
    expected = {"PingOneCertificateChainExpiresNow hub.example.com"}
    without = frozenset(
        f"PingOne{alert}"
        for alert in ("DestinationOutage", "FederationDown", "ErrorBudgetBurnFast", "ErrorBudgetBurnSlow")
    )
    verify(tmp_path, Pod(watched=watched), firing={20: expected}, without=without)


def test_the_ticket_of_a_chain_names_host_targets_and_time_left(tmp_path: Path) -> None:
    pod = Pod(watched=[emea(Sky(certificate_days=90, chain_days=5), labels={"owner": "iam"})])
    text = Text(
        alert="PingOneCertificateChainExpiresNow",
        labels={**JOB, "auth_host": HOST, "owner": "iam"},
        description=f"A certificate in the chain of {HOST} expires in 4d 23h 40m 0s, before the host's own; "
        "it is used by emea. To investigate, run: curl -s http://10.0.0.1:9988/metrics | grep "
        "tls_chain_expiry",
    )
    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)


# --- signing keys


@pytest.mark.parametrize(
    ("days", "alerts"),
    [(None, set()), (30.2, set()), (29.9, {KEYS_SOON}), (6.9, {KEYS_SOON, KEYS_NOW})],
)
def test_signing_keys_are_a_ticket_at_30_days_and_a_page_at_7(
    days: float | None, alerts: set[str], tmp_path: Path
) -> None:
    pod = Pod(watched=[emea(Sky(keys_days=days), journey=Journey.DISCOVERY)])
    verify(tmp_path, pod, firing={10: set(), 70: alerts}, scrape=60, evaluation=60)


def test_a_restart_does_not_restart_the_page_of_signing_keys(tmp_path: Path) -> None:
    watched = [emea(Sky(keys_days=5), journey=Journey.DISCOVERY)]
    before = Pod(watched=watched, until=25)
    after = Pod(watched=watched, since=26, instance="10.0.0.2:9988")
    verify(tmp_path, before, after, firing=always(18, 40, KEYS_NOW))


def test_the_page_of_signing_keys_names_the_target_and_the_number_of_keys(tmp_path: Path) -> None:
    pod = Pod(watched=[emea(Sky(keys_days=5), journey=Journey.DISCOVERY)])
    text = Text(
        alert="PingOneSigningKeysExpireNow",
        labels={**JOB, "auth_host": HOST, "target": "emea"},
        description="The last certificate of the signing keys of emea's source expires in 4d 23h 40m 0s; "
        "usable keys: 2. To investigate, run: curl -s http://10.0.0.1:9988/metrics | grep "
        "'signing_key.*target=\"emea\"'",
    )
    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)


# --- the vendor's status page


def page(*, fetched_ok: bool = True, **statuses: str) -> StatusPageReport:
    components = tuple(StatusComponent(name, status) for name, status in statuses.items())
    return StatusPageReport(page=PAGE, fetched_ok=fetched_ok, last_success=0.0, components=components)


def test_a_problem_on_the_status_page_is_shown_while_it_is_there_and_can_be_read(tmp_path: Path) -> None:
    pages: dict[float, StatusPageReport] = {
        0: page(sso="operational"),
        10: page(sso="degraded_performance"),
        15: page(sso="major_outage"),
        20: page(sso="major_outage", fetched_ok=False),
        30: page(sso="major_outage"),
        40: page(sso="operational"),
    }
    pod = Pod(watched=[emea(Sky())], pages=pages)
    shown = f"{VENDOR} sso"
    firing = always(0, 10) | always(12, 24, shown) | always(26, 30) | always(32, 44, shown) | always(46, 50)
    verify(tmp_path, pod, firing=firing)


def test_the_text_says_what_the_page_shows_and_what_the_probes_find(tmp_path: Path) -> None:
    failing = Sky(reason=Reason.TIMEOUT, phase=Phase.PROCESSING)
    watched = [emea(failing), Watched(name="apac", host="auth.pingone.ca")]
    text = Text(
        alert=VENDOR,
        labels={**JOB, "page": PAGE, "component": "sso"},
        description=f"The status page {PAGE} shows sso as partial_outage; failing probes here: 1. To "
        "investigate, run: curl -s http://10.0.0.1:9988/metrics | grep pingone_status",
    )
    pod = Pod(watched=watched, pages={0: page(sso="partial_outage")})
    Story(pods=[pod], until=5, texts={5: text}).verify(tmp_path)


def test_a_page_that_cannot_be_read_for_an_hour_is_a_ticket(tmp_path: Path) -> None:
    pages: dict[float, StatusPageReport] = {0: page(fetched_ok=False), 30: page(), 40: page(fetched_ok=False)}
    pod = Pod(watched=[emea(Sky())], pages=pages)
    firing: dict[float, set[str]] = {70: set(), 98: set(), 105: {f"{UNREADABLE} {PAGE}"}}
    verify(tmp_path, pod, firing=firing, scrape=MINUTE, evaluation=MINUTE)


def test_a_component_that_the_page_does_not_have_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea(Sky())], pages={0: page(sso="unknown", other="operational")})
    firing: dict[float, set[str]] = {10: set(), 65: {f"{UNREADABLE} sso"}}
    verify(tmp_path, pod, firing=firing, scrape=MINUTE, evaluation=MINUTE)


def test_the_page_of_an_outage_says_what_the_vendor_says(tmp_path: Path) -> None:
    down = {5.0: Sky(reason=Reason.TIMEOUT, phase=Phase.PROCESSING)}
    watched = [Watched(name=name, weather=down, phase=5 + 20 * n) for n, name in enumerate(("emea", "apac"))]
    text = Text(
        alert="PingOneAuthHostOutage",
        labels={**JOB, "auth_host": HOST},
        description=f"100% of the targets on {HOST} failed; 2 with timeout, fault network, phase processing; "
        "the vendor's status page shows sso as major_outage; last success of any of them: "
        "1970-01-01 00:04:25 UTC. To investigate, run with the exporter's environment: pingone-flow-exporter "
        "probe emea apac",
    )
    pod = Pod(watched=watched, pages={0: page(sso="major_outage", other="operational", gone="unknown")})
    Story(pods=[pod], until=10, texts={10: text}).verify(tmp_path)


def test_a_missed_scrape_does_not_start_the_hour_of_an_unreadable_page_again(tmp_path: Path) -> None:
    pod = Pod(watched=[emea(Sky())], pages={0: page(fetched_ok=False)}, missed=(30, 80))
    verify(tmp_path, pod, firing=always(62, 100, f"{UNREADABLE} {PAGE}"))
