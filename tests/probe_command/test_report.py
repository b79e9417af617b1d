"""The table that a person reads, and the JSON that a script reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_checked_step, a_failure, a_step, a_success, a_target
from observing.federation import STEPS, a_federation, a_federation_step, a_sign_on

from exporter.outcome import Outcome, Phase, TlsFacts, as_json
from exporter.probe_command.report import ProbeRun, result, summary, to_json, to_text
from exporter.reasons import FAULTS, Fault, Reason, reason_text
from exporter.target import Journey

ALL_COLUMNS = "target result status code resolve connect tls processing transfer total address"
LONG = "a_very_long_name_" * 3 + "x"


def a_run(outcome: Outcome | None, name: str = "emea", **target: Any) -> ProbeRun:  # noqa: ANN401  any field of a target
    return ProbeRun(a_target(name=name, **target), Journey.AUTHORIZE, outcome)


def rendered(*runs: ProbeRun, width: int | None = None, colors: bool = False) -> str:
    return to_text(runs, width=width, colors=colors)


REFUSED = a_failure(
    Reason.SERVER_ERROR,
    Fault.PROVIDER,
    Phase.TRANSFER,
    steps=(
        a_step(
            reason=Reason.SERVER_ERROR,
            http_status_code=503,
            flow_status=None,
            error_codes=("UNEXPECTED_ERROR", "OTHER"),
            host="auth.pingone.eu:443",
            detail="503 with error UNEXPECTED_ERROR, OTHER from auth.pingone.eu:443",
            phases={Phase.RESOLVE: 0.0004, Phase.CONNECT: 0.0201, Phase.TLS: 1.2345},
        ),
    ),
)
"""A response after a long handshake."""

UNREACHED = "phases that no probe completed: processing, transfer"


TABLE = (
    "target  result        status                      code  "
    "resolve  connect     tls  processing  transfer   total  address\n"
    "apac    ok            USERNAME_PASSWORD_REQUIRED   200  "
    "  10 ms    20 ms   30 ms      200 ms     40 ms  300 ms  192.0.2.7\n"
    "emea    server error                               503  "
    " 0.4 ms    20 ms  1.23 s                        300 ms  192.0.2.7\n"
    """
emea: server error
  detail          503 with error UNEXPECTED_ERROR, OTHER from auth.pingone.eu:443
  reason          server_error
  fault           provider
  who acts        PingOne support, or the team that runs the identity provider
  step            authorize
  phase           transfer
  code            503
  error codes     UNEXPECTED_ERROR, OTHER
  host            auth.pingone.eu:443
  address         192.0.2.7
  correlation ID  corr-1
  transaction ID  tx-1
  started at      2025-11-22T14:00:00.000Z

1 of 2 ok, 1 failed"""
)


def test_the_table_is_followed_by_details_of_failures_and_a_summary() -> None:
    assert rendered(a_run(a_success(), "apac"), a_run(REFUSED)) == TABLE


def test_an_empty_column_is_left_out() -> None:
    heading = rendered(a_run(a_failure(phase=Phase.CONNECT)))
    assert heading.splitlines()[0].split() == ["target", "result", "resolve", "total", "address"]


@pytest.mark.parametrize(
    ("not_after", "line"),
    [
        (START - 0.001, "  certificate     expired 2025-11-22T13:59:59.999Z\n"),
        (START, "  certificate     expires 2025-11-22T14:00:00.000Z\n"),
    ],
)
def test_a_failure_over_tls_shows_when_the_certificate_expires(not_after: float, line: str) -> None:
    tls = TlsFacts(version="TLSv1.3", cipher=None, not_after=not_after)
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=tls)
    text = rendered(a_run(a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(step,))))
    assert line in text


def test_a_certificate_that_was_not_seen_is_not_shown() -> None:
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=TlsFacts(version=None, cipher=None, not_after=None))
    text = rendered(a_run(a_failure(Reason.TLS, Fault.NETWORK, Phase.TLS, steps=(step,))))
    assert "certificate " not in text


def test_a_failure_before_the_first_step_shows_what_is_known() -> None:
    text = rendered(a_run(a_failure(Reason.INTERNAL, Fault.EXPORTER, Phase.RESOLVE, steps=())))
    assert "emea: inconclusive: exporter stalled or failed\n  reason          internal\n" in text
    assert "  transaction ID  tx-1\n" in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (114, "target result status code resolve connect tls processing transfer total address"),
        (113, "target result status code resolve connect tls processing transfer total"),
        (102, "target result code resolve connect tls processing transfer total"),
        (74, "target result resolve connect tls processing transfer total"),
        (68, "target result total"),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns(width: int, headings: str) -> None:
    runs = a_run(a_success(), "apac"), a_run(a_success(duration=1.5))
    lines = rendered(*runs, width=width).splitlines()
    assert lines[0].split() == headings.split()
    assert len(lines) == (5 if "address" in headings else 7)
    assert all(len(line) <= width for line in lines[:3])
    hidden = [name for name in ALL_COLUMNS.split() if name not in headings.split()]
    note = f"columns left out, the terminal is too narrow: {', '.join(hidden)}; --json has everything"
    assert lines[4:-2] == ([note] if hidden else [])


def test_the_reason_for_missing_times_and_contract_checks_that_fail_are_shown() -> None:
    step = a_checked_step(checks={"id": True, "lifetime": False, "resume_url": False})
    text = rendered(a_run(a_success(steps=(step,))), a_run(a_success(stalled=True), "apac"))
    assert text.endswith(
        "\n\nprobes without times: this machine or the exporter stalled, so they are not exact\n"
        "emea authorize: contract checks failed: lifetime (authorize), resume_url (authorize)\n\n2 of 2 ok"
    )


def test_many_failures_take_two_lines_per_cause() -> None:
    other = a_run(a_failure(Reason.DNS, Fault.NETWORK, Phase.RESOLVE, steps=()), "other")
    text = rendered(*(a_run(REFUSED, f"t{number}") for number in range(13)), other)
    assert text.split("\n\n")[1:] == [
        f"t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 3 more: server error\n  {REFUSED.detail}",
        "other: host name did not resolve\n  tx-1",
        UNREACHED,
        "0 of 14 ok, 14 failed",
    ]


def test_a_brief_report_has_two_lines_of_a_single_failure() -> None:
    text = to_text([a_run(REFUSED)], width=None, colors=False, brief=True)
    assert text.split("\n\n")[1:] == [
        f"emea: server error\n  {REFUSED.detail}",
        UNREACHED,
        "0 of 1 ok, 1 failed",
    ]


def test_a_short_table_leaves_out_many_probes_that_are_ok() -> None:
    runs = [a_run(a_success(), f"t{number:02}") for number in range(40)]
    assert to_text(runs, width=None, colors=False, full=False) == rendered(*runs)
    runs.append(a_run(REFUSED))
    table, _, rest = to_text(runs, width=None, colors=False, full=False).partition("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == ["target", "emea"]
    note = "left out of the table: 40 ok; --full shows every probe"
    assert rest.endswith(f"\n\n{note}\n{UNREACHED}\n\n40 of 41 ok, 1 failed")
    runs[-1] = a_run(a_success())
    text = to_text(runs, width=None, colors=False, full=False)
    assert text == "left out of the table: 41 ok; --full shows every probe\n\n41 of 41 ok"


def test_a_name_wider_than_the_terminal_is_folded() -> None:
    text = rendered(a_run(a_success(), LONG), width=40)
    assert "".join(line.split("  ")[0].strip() for line in text.splitlines()[1:4]).startswith(LONG)


@pytest.mark.parametrize(
    ("reason", "fault"), [(reason, fault) for reason, faults in FAULTS.items() for fault in faults]
)
def test_a_failure_has_the_text_of_its_reason(reason: Reason, fault: Fault) -> None:
    assert result(a_run(a_failure(reason, fault))) == reason_text(reason, fault)


def test_a_success_over_its_objective_is_slow() -> None:
    assert result(a_run(a_success(duration=1.0), latency_objective=1.0)) == "ok"
    assert result(a_run(a_success(duration=1.001), latency_objective=1.0)) == "ok, slow"


def test_durations_of_a_stalled_probe_are_not_shown() -> None:
    text = rendered(a_run(a_success(duration=9.0, stalled=True)))
    assert text.splitlines()[0].split() == ["target", "result", "status", "code", "address"]
    assert "ok, not timed" in text
    assert " s " not in text


def test_a_probe_that_did_not_sign_on_says_so() -> None:
    run = a_run(a_success(incomplete=True))
    assert result(run) == "ok, no sign-on"
    assert summary([run, a_run(a_success())]) == "1 of 2 ok, 1 without sign-on"


def test_an_unfinished_probe_is_shown() -> None:
    runs = [a_run(a_success(), "apac"), a_run(None)]
    lines = rendered(*runs).splitlines()
    assert lines[2].split() == ["emea", "not", "finished"]
    assert lines[-1] == "1 of 2 ok, 1 not finished"
    assert len(lines) == 5


def test_without_any_outcome_there_is_still_a_table() -> None:
    assert rendered(a_run(None)).splitlines()[0].split() == ["target", "result"]


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([a_run(a_success())] * 3, "3 of 3 ok"),
        ([a_run(a_success()), a_run(a_failure())], "1 of 2 ok, 1 failed"),
        ([a_run(a_failure()), a_run(None)], "0 of 2 ok, 1 failed, 1 not finished"),
    ],
)
def test_the_summary_counts_successes_failures_and_unfinished_probes(runs: list[ProbeRun], text: str) -> None:
    assert summary(runs) == text


def test_only_a_terminal_gets_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in rendered(a_run(REFUSED), colors=True)
    assert "\x1b" not in rendered(a_run(REFUSED))


def test_json_has_the_outcomes_in_the_shape_of_the_api() -> None:
    runs = [a_run(a_success()), a_run(None, "apac"), a_run(REFUSED)]
    assert json.loads(to_json(runs)) == {"outcomes": [as_json(a_success()), as_json(REFUSED)]}


@given(
    st.floats(0, 100_000),
    st.lists(st.sampled_from(list(Phase)), unique=True),
    st.integers(20, 300),
)
def test_any_duration_any_phases_and_any_width_make_a_table(
    duration: float, phases: list[Phase], width: int
) -> None:
    step = a_step(phases=dict.fromkeys(phases, duration))
    text = rendered(a_run(a_success(duration=duration, steps=(step,))), width=width)
    assert text.endswith("\n\n1 of 1 ok")
    assert "..." not in text
    assert "…" not in text


# Federations


def test_each_journey_is_a_row_with_the_step_it_ended_in() -> None:
    steps = (*(a_federation_step(step) for step in STEPS[:6]), a_federation_step("callback"))
    rejected = a_sign_on(7, reason=Reason.EXCHANGE_REJECTED, fault=Fault.CONFIGURATION, steps=steps)
    target = a_federation(journeys=(Journey.AUTHORIZE, Journey.FEDERATION))
    text = rendered(
        ProbeRun(target, Journey.AUTHORIZE, a_success()), ProbeRun(target, Journey.FEDERATION, rejected)
    )
    table, _, details = text.partition("\n\n")
    header, authorize, federation = (line.split() for line in table.splitlines())
    assert header[:4] == ["target", "journey", "result", "step"]
    assert authorize[:4] == ["emea", "authorize", "ok", "USERNAME_PASSWORD_REQUIRED"]
    assert federation[:2] == ["emea", "federation"]
    assert "callback" in federation
    assert details.startswith("emea federation: destination rejected the provider's response\n")
    assert "  side            destination\n" in details
    assert (
        "  steps           destination_authorize 300 ms, destination_lookup 300 ms, initiate 300 ms,\n"
        "                  source_authorize 300 ms, "
    ) in details
