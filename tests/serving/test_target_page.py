"""The page of one target as a document."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_checked_step, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_past, a_watched, bad, good, made, slow, views
from serving.html import Document

from exporter.outcome import CHECKS, Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.serving import Egress, Past, Watched
from exporter.serving.runbook import runbooks
from exporter.serving.target_page import WIDTH, advice, bars, target_page

DAY = 86_400.0
HOSTILE = """<script>alert("1")</script>'&"""


def page(*pasts: Past, external_url: str | None = None, egress: Egress | None = None) -> Document:
    text: bytes = made(target_page(pasts, views(external_url=external_url, egress=egress)))
    return Document(text.decode())


def told(*outcomes: Outcome) -> str:
    return page(a_past(*outcomes)).text


# The head


def test_an_expired_certificate_is_not_told_to_be_good_until_then() -> None:
    assert "Certificate expired 14:03 UTC" in page(a_past(a_success(), expiry=NOW - 60)).text
    assert "Certificate good until 14:05 UTC" in page(a_past(a_success(), expiry=NOW + 60)).text


def test_it_is_headed_by_the_name_and_the_verdict_with_whose_fault_it_looks_like() -> None:
    document = page(a_past(a_failure(), a_failure()))
    assert document.texts[0] == "emea · pingone-flow-exporter"
    assert (
        "All federations emea fails failing since 14:00 UTC (3 min ago), 2 probes: connect, no connection; "
        "it looks like the network"
    ) in document.text


def test_while_the_exporter_reaches_nobody_no_provider_is_blamed() -> None:
    unanswered = a_failure(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)
    down = Egress(up=False, since=START)
    assert (
        "it looks like our own network: the egress check gets no answer either since 14:00 UTC As of"
    ) in page(a_past(unanswered), egress=down).text
    answered = a_failure(Reason.SERVER_ERROR, Fault.PROVIDER, steps=(a_step(http_status_code=503),))
    assert "it looks like the provider As of" in page(a_past(answered), egress=down).text


def test_it_tells_how_the_target_is_probed_and_what_the_operator_calls_it() -> None:
    target = a_target(labels=(("owner", "identity"),), interval=90.0, timeout=10.0)
    text = page(a_past(a_success(), target=target)).text
    for fact in (
        "Next run in 12 s",
        "Host auth.pingone.eu",
        "Interval, timeout 1 min 30 s, 10 s",
        "Latency objective 2 s",
        f"Client id {a_target().client_id}",
        "Expected status USERNAME_PASSWORD_REQUIRED",
        "Label owner identity",
    ):
        assert fact in text


def test_what_may_name_a_person_or_hold_a_password_is_not_told() -> None:
    target = a_target(login_hint="jane@example.com", proxy_url="http://user:pass@proxy:3128")
    text = page(a_past(a_success(), target=target)).text
    assert "jane" not in text
    assert "pass@" not in text


def test_a_target_that_was_not_probed_yet_says_so() -> None:
    text = page(a_past()).text
    assert "not probed yet" in text
    assert "None has finished yet." in text
    assert "None since the exporter was started." in text


def test_journeys_of_one_target_are_told_one_after_another() -> None:
    first, second = a_past(a_success()), a_past(a_failure(transaction_id="tx-2"))
    document = page(first, second)
    assert [heading["id"] for heading in document.all("h2") if "id" in heading] == [
        "recent1", "failures1", "recent2", "failures2",
    ]  # fmt: skip
    assert document.open == []


# Its probes


def test_probes_and_failures_each_open_to_their_steps_and_are_closed_at_first() -> None:
    success, failure = a_success(transaction_id="tx-1"), a_failure(transaction_id="tx-2")
    details = page(a_past(failure, success)).all("details")
    assert details == [{"id": "p-tx-1"}, {"id": "p-tx-2"}, {"id": "f-tx-2"}]


def test_a_probe_is_told_by_time_result_status_and_latency() -> None:
    assert "14:00:00 UTC 3 min ago ok 200 USERNAME_PASSWORD_REQUIRED 300 ms" in told(a_success())
    assert "14:00:00 UTC 3 min ago network connect, no connection 300 ms" in told(a_failure())


def test_a_step_is_told_with_all_that_is_known_of_it() -> None:
    step = a_checked_step(
        error_codes=("INVALID_VALUE", "OTHER"), checks=dict.fromkeys(CHECKS, True) | {"id": False}
    )
    text = told(a_success(steps=(step,), retry_after=30.0))
    for fact in (
        "Step 1: authorize",
        "resolve 10 ms connect 20 ms tls 30 ms processing 200 ms transfer 40 ms",
        "HTTP status 200",
        "Flow status USERNAME_PASSWORD_REQUIRED",
        "Error codes INVALID_VALUE, OTHER",
        "Address connected to, or tried last 192.0.2.7",
        "Correlation id corr-1",
        "Flow lifetime 15 min",
        "Provider's clock -0.250 s, ± 0.125 s",
        "TLS TLSv1.3",
        "Cipher TLS_AES_256_GCM_SHA384",
        "Certificate good until 20 Feb 2026 14:00 UTC",
        "id not as documented",
        "lifetime as documented",
        "Transaction id, for PingOne's audit log tx-1",
        "Fault none",
        "Ended in authorize, transfer",
        "Asked to be left alone for 30 s",
    ):
        assert fact in text


def test_what_is_not_known_of_a_step_is_not_told() -> None:
    text = told(a_failure())
    assert "HTTP status no response" in text
    for name in ("Flow status", "Error codes", "Correlation id", "TLS", "Cipher", "Certificate good"):
        assert name not in text
    assert "documented" not in text


def test_a_probe_of_several_steps_opens_to_each() -> None:
    text = told(a_success(steps=(a_step(), a_step(step="callback"))))
    assert "Step 1: authorize" in text
    assert "Step 2: callback" in text


def test_a_probe_without_a_step_says_so() -> None:
    assert "No step was taken." in told(a_failure(steps=()))


def test_where_the_exporter_stood_still_no_duration_is_told_as_if_it_were_true() -> None:
    text = told(a_success(stalled=True))
    assert "no duration here can be believed" in text
    assert "USERNAME_PASSWORD_REQUIRED stalled" in text


def test_hostile_values_stay_text() -> None:
    step = a_step(correlation_id=HOSTILE, address=HOSTILE, flow_status=HOSTILE, error_codes=(HOSTILE,))
    target = a_target(labels=((HOSTILE, HOSTILE),), expected_statuses=(HOSTILE,))
    document = page(a_past(a_success(steps=(step,), transaction_id=HOSTILE), target=target))
    assert len(document.all("script")) == 1
    assert document.texts.count(HOSTILE) >= 6


def test_only_the_canonical_link_is_absolute() -> None:
    document = page(a_past(a_success()), external_url="https://exporter.example")
    assert document.all("link") == [{"rel": "canonical", "href": "https://exporter.example/targets/emea"}]
    assert {str(link["href"])[:3] for link in document.all("a")} == {"#ma", "../"}


@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_make_a_page_of_elements_that_nest(history: list[Outcome]) -> None:
    assert page(a_past(*history)).open == []


# The bars of a step


def test_bars_follow_each_other_in_proportion_to_their_times() -> None:
    step = a_step(phases={Phase.RESOLVE: 0.1, Phase.PROCESSING: 0.3, Phase.TRANSFER: 0.1})
    assert [(bar.phase, bar.begin, bar.width) for bar in bars(step, 0.0)] == [
        (Phase.RESOLVE, 0, 20),
        (Phase.PROCESSING, 20, 60),
        (Phase.TRANSFER, 80, 20),
    ]


def test_the_phase_that_it_ended_in_is_as_long_as_what_is_left_of_the_probe() -> None:
    step = a_step(phase=Phase.PROCESSING, phases={Phase.RESOLVE: 0.5})
    last = bars(step, 1.5)[-1]
    assert (last.phase, last.begin, last.width, last.completed) == (Phase.PROCESSING, 25, 75, False)
    text = told(a_failure(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING, duration=10.06))
    assert "processing 10.00 s, then ended" in text


@given(outcomes(), st.floats(-1, 100))
def test_any_step_has_bars_that_are_seen_within_the_picture(outcome: Outcome, left: float) -> None:
    for record in outcome.steps:
        found = bars(record, left)
        assert {bar.phase for bar in found} == {*record.phases, record.phase}
        assert all(0 <= bar.begin < WIDTH and bar.width > 0 for bar in found)


# Runbooks


def certified(expires: float) -> Watched:
    return a_watched(a_success(), expiry=expires)


@pytest.mark.parametrize(
    ("watched", "alerts"),
    [
        (good(), []),
        (bad(), []),
        (replace(bad(), in_a_row=3), [("PingOneFederationDown", "3 probes in a row failed")]),
        (good(held_until=NOW + 9), [("PingOneRateLimited", "the provider limits our rate")]),
        (slow(), [("PingOneSignOnSlow", "the last probe took longer than its objective")]),
        (certified(NOW + 90 * DAY), []),
        (certified(NOW + 9 * DAY), [("PingOneCertificateExpiresSoon", "the certificate expires in 9 d")]),
        (certified(NOW + 2 * DAY), [("PingOneCertificateExpiresNow", "the certificate expires in 2 d")]),
        (certified(NOW - 2 * DAY), [("PingOneCertificateExpiresNow", "the certificate expired 2 d ago")]),
        (
            a_watched(a_success(steps=(a_step(checks={"id": True, "lifetime": False}),))),
            [("PingOneContractCheckFailing", "not as documented: lifetime")],
        ),
    ],
)
def test_runbooks_are_pointed_to_when_they_help(watched: Watched, alerts: list[tuple[str, str]]) -> None:
    assert [tuple(each) for each in advice(watched, NOW)] == alerts
    assert {name for name, _ in alerts} <= set(runbooks())
    links = [str(link["href"]) for link in page(Past(watched=watched, recent=(), failures=())).all("a")]
    found = [link.removeprefix("../runbooks/") for link in links if "runbooks" in link]
    assert found == [name for name, _ in alerts]


def test_the_first_probe_is_told_to_the_second() -> None:
    assert "Started 14:00:00 UTC" in told(a_success(started_at=START))
