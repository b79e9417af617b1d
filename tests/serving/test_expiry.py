"""What expires next is in the order of time, and what several targets share is there once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from observing.discovery import FACTS, a_discovery
from observing.examples import START, a_certificate, a_failure, a_step, a_success, a_target
from observing.federation import a_federation, a_federation_step, a_sign_on

from exporter.observing import History
from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.serving.expiry import Expiring, Expiry, expiries_of, soonest_first
from exporter.status import TargetStatus
from exporter.target import Journey, Side, Target, side_of

DAY = 86_400.0
HOST = "auth.pingone.eu"


def status_after(*outcomes: Outcome, target: Target | None = None) -> TargetStatus:
    history = History([target or a_target(journeys=(outcomes[-1].journey,))])
    for outcome in outcomes:
        history.observe(outcome)
    return next(status for status in history.statuses() if status.journey is outcomes[-1].journey)


def expiries(statuses: Iterable[TargetStatus]) -> tuple[Expiry, ...]:
    return soonest_first(expiry for status in statuses for expiry in expiries_of(status))


def certificate(target: str, step: str, days: float, host: str = HOST, **more: int) -> Expiry:
    at = START + days * DAY
    return Expiry(target=target, what=Expiring.CERTIFICATE, step=step, at=at, host=host, **more)


def seen(days: float, chain_days: float | None = None, **changes: str) -> Outcome:
    chain = None if chain_days is None else START + chain_days * DAY
    tls = replace(a_certificate(START + days * DAY), chain_not_after=chain)
    return a_success(steps=(a_step(tls=tls),), **changes)


def test_a_federation_shows_its_secret_and_the_certificates_of_both_sides() -> None:
    records = (
        a_federation_step("destination_authorize", tls=a_certificate(START + 50 * DAY)),
        a_federation_step("source_authorize", tls=a_certificate(START + 20 * DAY)),
    )
    target = a_federation(secret_expires=START + 30 * DAY)
    assert expiries([status_after(a_sign_on(4, steps=records), target=target)]) == (
        certificate("emea", "source_authorize", 20),
        Expiry(target="emea", what=Expiring.CLIENT_SECRET, step=None, at=START + 30 * DAY),
        certificate("emea", "destination_authorize", 50, "sso.example.com:8443"),
    )


def test_a_secret_is_shown_once_for_all_journeys_of_a_target() -> None:
    target = a_target(journeys=(Journey.AUTHORIZE, Journey.FEDERATION), secret_expires=START)
    statuses = [TargetStatus(target=target, journey=journey) for journey in target.journeys]
    assert expiries(statuses) == (Expiry(target="emea", what=Expiring.CLIENT_SECRET, step=None, at=START),)


def test_the_chain_is_shown_if_it_expires_before_the_certificate_of_the_server() -> None:
    assert expiries([status_after(seen(90, 90))]) == (certificate("emea", "authorize", 90),)
    first, second = expiries([status_after(seen(90, 20))])
    assert (first.what, first.at, second.what) == (Expiring.CHAIN, START + 20 * DAY, Expiring.CERTIFICATE)
    status = status_after(seen(90, 20))
    assert (status.certificate_expiry, status.chain_expiry) == (START + 90 * DAY, START + 20 * DAY)


def test_what_targets_of_one_host_share_is_shown_once() -> None:
    names = "emea", "apac", "latam"
    statuses = [status_after(seen(9, target=name), target=a_target(name=name)) for name in names]
    assert expiries(statuses) == (certificate("apac", "authorize", 9, others=2),)
    elsewhere = a_target(source_url="https://auth.pingone.com/x")
    assert len(expiries([*statuses, status_after(seen(9), target=elsewhere)])) == 2


def test_secrets_that_expire_on_the_same_day_are_not_the_same() -> None:
    statuses = [
        TargetStatus(target=a_target(name=name, secret_expires=START), journey=Journey.AUTHORIZE)
        for name in ("emea", "apac")
    ]
    assert [expiry.target for expiry in expiries(statuses)] == ["apac", "emea"]


def test_signing_keys_expire_at_the_host_of_the_issuer() -> None:
    target = a_target(issuer="https://idp.example.com/as", journeys=(Journey.DISCOVERY,))
    status = status_after(a_discovery(), a_failure(journey=Journey.DISCOVERY), target=target)
    assert status.discovery == FACTS, "a failed probe forgets nothing"
    assert expiries([status])[0] == Expiry(
        target="emea", what=Expiring.SIGNING_KEY, step="jwks", at=START + DAY, host="idp.example.com"
    )


def test_a_refused_certificate_that_was_not_seen_ends_nothing_that_was_known() -> None:
    refused = a_federation_step("source_authorize", reason=Reason.TLS, phase=Phase.TLS, tls=None)
    failed = a_failure(
        Reason.TLS,
        Fault.PROVIDER,
        Phase.TLS,
        journey=Journey.FEDERATION,
        step="source_authorize",
        steps=(refused,),
    )
    status = status_after(a_sign_on(4), failed, target=a_federation())
    assert {side_of(step) for step, _ in status.leaf_expiries} == set(Side)
