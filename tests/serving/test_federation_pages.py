"""Pages and API of the journey `federation`: which step failed, where the time goes, what to do."""

from __future__ import annotations

from dataclasses import replace

from observing.examples import START, a_success, a_target
from observing.federation import STEPS, a_federation, a_federation_step, a_sign_on
from serving.examples import NOW, a_source, a_status, api, ask, headline, overview, web_app
from serving.html import Document

from exporter.outcome import Outcome
from exporter.reasons import Fault, Reason
from exporter.serving import StatusSource
from exporter.status import TargetHistory, TargetStatus
from exporter.target import Journey

DAY = 86_400.0
BOTH = (Journey.AUTHORIZE, Journey.FEDERATION)


def at_callback() -> Outcome:
    failed = a_federation_step(
        "callback", reason=Reason.EXCHANGE_REJECTED, detail="302 with error invalid_client from host:443"
    )
    steps = (*(a_federation_step(step) for step in STEPS[:6]), failed)
    return a_sign_on(7, reason=Reason.EXCHANGE_REJECTED, fault=Fault.CONFIGURATION, steps=steps)


def locked() -> Outcome:
    return a_sign_on(5, reason=Reason.ACCOUNT_LOCKED, fault=Fault.ACCOUNT)


def a_federation_status(*outcomes: Outcome, **target: object) -> TargetStatus:
    return a_status(*outcomes, target=a_federation(**target), journey=Journey.FEDERATION)


def page_of(*statuses: TargetStatus, source: StatusSource | None = None) -> str:
    histories = [
        TargetHistory(status=status, recent=(status.last,) if status.last else (), failures=())
        for status in statuses
    ]
    known = source or a_source(histories=histories)
    return Document(ask(web_app(known), "/targets/emea").text).text


def suspending(*statuses: TargetStatus) -> StatusSource:
    histories = [TargetHistory(status=status, recent=(), failures=()) for status in statuses]
    source = a_source(*statuses, histories=histories)
    return StatusSource(
        **{name: getattr(source, name) for name in source.__slots__ if name != "suspended"},
        suspended=lambda target: Reason.ACCOUNT_LOCKED if target.user else None,
    )


def test_the_page_shows_each_journey_of_a_target() -> None:
    target = a_federation(journeys=BOTH)
    text = page_of(
        a_status(a_success(), target=target), a_status(a_sign_on(), target=target, journey=Journey.FEDERATION)
    )
    assert "Interval, timeout 1m, 10s" in text
    assert "Interval, timeout 5m, 30s" in text
    assert "Last step token" in text
    assert "Destination host sso.example.com:8443" in text


def test_a_failed_federation_names_the_step_and_its_side() -> None:
    text = page_of(a_federation_status(at_callback()))
    rejected = (
        "destination rejected the provider's response (step callback at the destination): "
        "302 with error invalid_client from host:443"
    )
    assert f"failing since 14:00 UTC (3 min ago), 1 probe: {rejected}" in text
    assert "callback 300 ms, destination - failed here" in text
    assert "sign_on 300 ms, source" in text
    assert "Side destination" in text
    assert "callback - failed here" in text


def test_a_suspended_sign_on_says_what_to_do() -> None:
    status = a_federation_status(a_sign_on(), locked())
    text = page_of(status, source=suspending(status))
    assert (
        "Runbook PingOneSignOnSuspended: sign-on is suspended (account_locked) so that the test account "
        "is not locked out: fix the account, then change PASSWORD or reload"
    ) in text
    assert "PingOneSignOnSuspended" not in page_of(status)
    suspended = replace(
        locked(), steps=(replace(locked().steps[-1], http_status_code=None, flow_status=None),)
    )
    text = page_of(a_federation_status(suspended))
    assert "sign-on suspended, password not sent" not in text
    assert "No request: sign-on is suspended, and the password was not sent." in text
    assert "Last step and phase sign_on, no request" in text
    assert "PingOneTestAccountFailing" in page_of(status)


def test_a_client_secret_that_expires_has_its_runbook() -> None:
    for days, runbook in ((29, "PingOneClientSecretExpiresSoon"), (6, "PingOneClientSecretExpiresNow")):
        assert runbook in page_of(a_federation_status(a_sign_on(), secret_expires=NOW + days * DAY))
    assert "ClientSecret" not in page_of(a_federation_status(a_sign_on(), secret_expires=NOW + 31 * DAY))


def test_a_failing_test_account_is_neither_a_failure_nor_healthy() -> None:
    status = a_federation_status(a_sign_on(), locked())
    assert headline(status) == "0 of 1 federations healthy, 1 with a failing test account."
    assert "account locked (step sign_on at the source); last ok at 14:00 UTC" in overview(status).text
    assert api(status)["targets"][0]["standing"] == "account"


def test_the_headline_counts_a_rejecting_destination_as_configuration() -> None:
    failing = [
        a_status(at_callback(), target=a_federation(name=name), journey=Journey.FEDERATION)
        for name in ("emea", "apac")
    ]
    healthy = a_status(a_success(), target=a_target(name="amer"))
    assert headline(*failing, healthy) == (
        "2 of 3 federations failing since 14:00 UTC; likely cause: configuration."
    )


def test_the_api_has_each_journey_and_a_suspended_sign_on() -> None:
    target = a_federation(journeys=BOTH)
    statuses = (
        a_status(a_success(), target=target),
        a_status(locked(), target=target, journey=Journey.FEDERATION),
    )
    source = suspending(*statuses)
    found = ask(web_app(source), "/api/v1/targets/emea").json()["journeys"]
    assert [(one["journey"], one.get("sign_on_suspended")) for one in found] == [
        ("authorize", None),
        ("federation", "account_locked"),
    ]
    assert START < NOW
