"""What a person reads and what a script reads of one walk per target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_failure, a_step, a_success, a_target

from exporter.once.report import Walk, sentence, tally, to_json, to_text, words
from exporter.outcome import Outcome, Phase, TlsFacts, as_json
from exporter.reasons import FAULTS, Fault, Reason
from exporter.target import Journey

LONG = "a_very_long_name_" * 3 + "x"


def a_walk(outcome: Outcome | None, name: str = "emea", **target: Any) -> Walk:  # noqa: ANN401  any field of a target
    return Walk(a_target(name=name, **target), Journey.AUTHORIZE, outcome)


def rendered(*walks: Walk, width: int | None = None, colors: bool = False) -> str:
    return to_text(walks, room=width, colors=colors)


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
            phases={Phase.RESOLVE: 0.0004, Phase.CONNECT: 0.0201, Phase.TLS: 1.2345},
        ),
    ),
)
"""An answer that came after a long handshake."""


TABLE = (
    "target  result        status                      code  "
    "resolve  connect     tls  processing  transfer   total  address\n"
    "apac    ok            USERNAME_PASSWORD_REQUIRED   200  "
    "  10 ms    20 ms   30 ms      200 ms     40 ms  300 ms  192.0.2.7\n"
    "emea    server error                               503  "
    " 0.4 ms    20 ms  1.23 s                        300 ms  192.0.2.7\n"
    """
emea: server error
  reason          server_error
  fault           provider
  step            authorize
  phase           transfer
  code            503
  error codes     UNEXPECTED_ERROR, OTHER
  address         192.0.2.7
  correlation id  corr-1
  transaction id  tx-1
  started at      2025-11-22T14:00:00.000Z

1 of 2 ok, 1 failed"""
)


def test_the_table_has_a_row_per_walk_then_more_of_each_failure_and_what_it_comes_to() -> None:
    assert rendered(a_walk(a_success(), "apac"), a_walk(REFUSED)) == TABLE


def test_a_column_that_nothing_is_known_for_is_left_out() -> None:
    heading = rendered(a_walk(a_failure(phase=Phase.CONNECT)))
    assert heading.splitlines()[0].split() == ["target", "result", "resolve", "total", "address"]


@pytest.mark.parametrize(
    ("not_after", "told"),
    [
        (START - 0.001, "  certificate     expired 2025-11-22T13:59:59.999Z\n"),
        (START, "  certificate     good until 2025-11-22T14:00:00.000Z\n"),
    ],
)
def test_a_failure_over_tls_says_until_when_the_certificate_is_good(not_after: float, told: str) -> None:
    tls = TlsFacts(version="TLSv1.3", cipher=None, not_after=not_after)
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=tls)
    text = rendered(a_walk(a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, steps=(step,))))
    assert told in text


def test_a_certificate_that_was_not_seen_is_not_spoken_of() -> None:
    step = a_step(reason=Reason.TLS, phase=Phase.TLS, tls=TlsFacts(version=None, cipher=None, not_after=None))
    text = rendered(a_walk(a_failure(Reason.TLS, Fault.NETWORK, Phase.TLS, steps=(step,))))
    assert "certificate " not in text


def test_a_failure_before_the_first_step_has_what_is_known() -> None:
    text = rendered(a_walk(a_failure(Reason.INTERNAL, Fault.EXPORTER, Phase.RESOLVE, steps=())))
    assert "emea: exporter's own fault\n  reason          internal\n  fault           exporter\n" in text
    assert "  transaction id  tx-1\n" in text
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
def test_a_narrow_terminal_gets_fewer_columns_and_no_line_is_broken(width: int, headings: str) -> None:
    walks = a_walk(a_success(), "apac"), a_walk(a_success(duration=1.5))
    lines = rendered(*walks, width=width).splitlines()
    assert lines[0].split() == headings.split()
    assert len(lines) == 5
    assert all(len(line) <= width for line in lines)


def test_where_not_even_a_name_has_room_it_is_folded_and_nothing_is_lost() -> None:
    text = rendered(a_walk(a_success(), LONG), width=40)
    assert "".join(line.split("  ")[0].strip() for line in text.splitlines()[1:4]).startswith(LONG)


@pytest.mark.parametrize(
    ("reason", "fault"), [(reason, fault) for reason, faults in FAULTS.items() for fault in faults]
)
def test_every_result_is_said_in_words(reason: Reason, fault: Fault) -> None:
    said = words(a_walk(a_failure(reason, fault)))
    assert said
    assert "_" not in said
    assert len(said) <= 24


def test_where_a_reason_has_two_faults_the_words_tell_them_apart() -> None:
    for reason, faults in FAULTS.items():
        said = {words(a_walk(a_failure(reason, fault))) for fault in faults}
        assert len(said) == len(faults) or reason is Reason.PROTOCOL, reason


def test_a_success_over_its_objective_is_called_slow() -> None:
    assert words(a_walk(a_success(duration=1.0), latency_objective=1.0)) == "ok"
    assert words(a_walk(a_success(duration=1.001), latency_objective=1.0)) == "ok, slow"


def test_durations_that_cannot_be_believed_are_not_shown() -> None:
    text = rendered(a_walk(a_success(duration=9.0, stalled=True)))
    assert text.splitlines()[0].split() == ["target", "result", "status", "code", "address"]
    assert "ok, not timed" in text
    assert " s " not in text


def test_what_was_not_over_when_told_to_stop_is_said_to_be_so() -> None:
    walks = [a_walk(a_success(), "apac"), a_walk(None)]
    lines = rendered(*walks).splitlines()
    assert lines[2].split() == ["emea", "not", "finished"]
    assert lines[-1] == "1 of 2 ok, 1 not finished when told to stop"
    assert len(lines) == 5


def test_when_nothing_was_over_there_is_a_table_all_the_same() -> None:
    assert rendered(a_walk(None)).splitlines()[0].split() == ["target", "result"]


@pytest.mark.parametrize(
    ("walks", "said"),
    [
        ([a_walk(a_success())] * 3, "3 of 3 ok"),
        ([a_walk(a_success()), a_walk(a_failure())], "1 of 2 ok, 1 failed"),
        ([a_walk(a_failure()), a_walk(None)], "0 of 2 ok, 1 failed, 1 not finished when told to stop"),
    ],
)
def test_a_sentence_says_what_it_comes_to(walks: list[Walk], said: str) -> None:
    assert sentence(walks) == said


def test_the_tally_counts_what_is_over_and_what_failed() -> None:
    assert tally([a_walk(a_success()), a_walk(a_failure()), a_walk(None)]) == (3, 2, 1)


def test_only_a_terminal_gets_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in rendered(a_walk(REFUSED), colors=True)
    assert "\x1b" not in rendered(a_walk(REFUSED))


def test_json_holds_what_is_known_in_the_shape_of_the_api() -> None:
    walks = [a_walk(a_success()), a_walk(None, "apac"), a_walk(REFUSED)]
    assert json.loads(to_json(walks)) == {"outcomes": [as_json(a_success()), as_json(REFUSED)]}


@given(
    st.floats(0, 100_000),
    st.lists(st.sampled_from(list(Phase)), unique=True),
    st.integers(20, 300),
)
def test_any_duration_any_phases_and_any_width_make_a_table(
    duration: float, phases: list[Phase], width: int
) -> None:
    step = a_step(phases=dict.fromkeys(phases, duration))
    text = rendered(a_walk(a_success(duration=duration, steps=(step,))), width=width)
    assert text.endswith("\n\n1 of 1 ok")
    assert "..." not in text
    assert "…" not in text
