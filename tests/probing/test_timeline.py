"""Marks into phases: never negative, never more than the time that passed, never invented."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.outcome import Phase
from exporter.probing.timeline import (
    BODY_COMPLETE,
    CONNECT_COMPLETE,
    CONNECT_STARTED,
    HEADERS_COMPLETE,
    RESOLVE_COMPLETE,
    RESOLVE_STARTED,
    SEND_COMPLETE,
    SEND_STARTED,
    TLS_COMPLETE,
    TLS_STARTED,
    Mark,
    phases,
    provider_span,
    reached,
)

CONNECT_FAILED = "connection.connect_tcp.failed"
RESOLVE = [RESOLVE_STARTED, RESOLVE_COMPLETE]
CONNECT = [CONNECT_STARTED, CONNECT_COMPLETE]
TLS = [TLS_STARTED, TLS_COMPLETE]
EXCHANGE = [
    SEND_STARTED, "http11.send_request_headers.complete", "http11.send_request_body.started", SEND_COMPLETE,
    "http11.receive_response_headers.started", HEADERS_COMPLETE,
    "http11.receive_response_body.started", BODY_COMPLETE,
    "http11.response_closed.started", "http11.response_closed.complete",
]  # fmt: skip
HTTPS = RESOLVE + CONNECT + TLS + EXCHANGE
ENDS = {
    Phase.RESOLVE: RESOLVE_COMPLETE,
    Phase.CONNECT: CONNECT_COMPLETE,
    Phase.TLS: TLS_COMPLETE,
    Phase.PROCESSING: HEADERS_COMPLETE,
    Phase.TRANSFER: BODY_COMPLETE,
}


def marks(*events: str) -> list[Mark]:
    """Return the events a second apart."""
    return [Mark(event, float(second)) for second, event in enumerate(events)]


def test_each_phase_lasts_from_its_own_start_to_its_own_end() -> None:
    found = phases(
        [
            Mark(RESOLVE_STARTED, 100.0),
            Mark(RESOLVE_COMPLETE, 100.5),
            Mark(CONNECT_STARTED, 100.75),
            Mark(CONNECT_COMPLETE, 102.0),
            Mark(TLS_STARTED, 102.0),
            Mark(TLS_COMPLETE, 105.0),
            Mark(SEND_STARTED, 105.0),
            Mark(SEND_COMPLETE, 105.25),
            Mark(HEADERS_COMPLETE, 109.25),
            Mark(BODY_COMPLETE, 117.25),
        ]
    )
    assert found == {
        Phase.RESOLVE: 0.5,
        Phase.CONNECT: 1.25,
        Phase.TLS: 3.0,
        Phase.PROCESSING: 4.0,
        Phase.TRANSFER: 8.0,
    }
    assert list(found) == list(Phase), "in the order of time"


def test_without_tls_there_is_no_tls_phase() -> None:
    assert set(phases(marks(*RESOLVE, *CONNECT, *EXCHANGE))) == set(Phase) - {Phase.TLS}


def test_falling_back_between_addresses_is_part_of_connecting() -> None:
    found = phases(
        marks(*RESOLVE, CONNECT_STARTED, CONNECT_FAILED, CONNECT_STARTED, CONNECT_FAILED, *CONNECT)
    )
    assert found[Phase.CONNECT] == 5.0


def test_addresses_that_all_fail_leave_no_connect_phase() -> None:
    found = phases(marks(*RESOLVE, CONNECT_STARTED, CONNECT_FAILED, CONNECT_STARTED, CONNECT_FAILED))
    assert set(found) == {Phase.RESOLVE}


def test_an_answer_before_the_whole_request_was_sent_is_counted_from_the_start_of_sending() -> None:
    found = phases(
        marks(*RESOLVE, *CONNECT, SEND_STARTED, "http11.send_request_headers.failed", HEADERS_COMPLETE)
    )
    assert found[Phase.PROCESSING] == 2.0


def test_the_provider_may_have_written_its_answer_from_the_first_byte_sent_to_the_last_of_the_head() -> None:
    assert provider_span(marks(*HTTPS)) == (6.0, 11.0)
    assert provider_span(marks(*HTTPS[:7])) is None
    assert provider_span(marks(HEADERS_COMPLETE)) is None


def test_nothing_is_known_before_anything_happened() -> None:
    assert phases([]) == {}
    assert reached([]) is Phase.RESOLVE


def test_phases_cannot_be_changed_by_who_reads_them() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        cast("dict[Phase, float]", phases(marks(*HTTPS)))[Phase.TLS] = 1.0


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([RESOLVE_STARTED], Phase.RESOLVE),
        (RESOLVE, Phase.RESOLVE),
        ([*RESOLVE, CONNECT_STARTED], Phase.CONNECT),
        ([*RESOLVE, CONNECT_STARTED, CONNECT_FAILED], Phase.CONNECT),
        ([*RESOLVE, *CONNECT], Phase.CONNECT),
        ([*RESOLVE, *CONNECT, TLS_STARTED], Phase.TLS),
        ([*RESOLVE, *CONNECT, *TLS], Phase.TLS),
        ([*RESOLVE, *CONNECT, *TLS, SEND_STARTED], Phase.PROCESSING),
        ([*RESOLVE, *CONNECT, SEND_STARTED], Phase.PROCESSING),
        ([*RESOLVE, *CONNECT, *EXCHANGE[:5]], Phase.PROCESSING),
        ([*RESOLVE, *CONNECT, *EXCHANGE[:6]], Phase.TRANSFER),
        (HTTPS, Phase.TRANSFER),
    ],
)
def test_the_phase_reached_is_the_last_one_that_began(events: list[str], phase: Phase) -> None:
    assert reached(marks(*events)) is phase


@given(
    fallbacks=st.integers(0, 3),
    tls=st.booleans(),
    length=st.integers(0, 30),
    start=st.floats(0, 1e9),
    gaps=st.lists(st.floats(0, 1e3), min_size=30, max_size=30),
)
def test_wherever_an_exchange_stops_its_phases_are_true_to_its_marks(
    fallbacks: int,
    tls: bool,  # noqa: FBT001  hypothesis passes by keyword
    length: int,
    start: float,
    gaps: list[float],
) -> None:
    whole = [
        *RESOLVE,
        *[CONNECT_STARTED, CONNECT_FAILED] * fallbacks,
        *CONNECT,
        *(TLS if tls else []),
        *EXCHANGE,
    ]
    events = whole[:length]
    times = [start]
    for gap in gaps:
        times.append(times[-1] + gap)
    taken = [Mark(event, at) for event, at in zip(events, times, strict=False)]
    found = phases(taken)
    assert all(seconds >= 0 for seconds in found.values())
    assert set(found) == {phase for phase, end in ENDS.items() if end in events}
    elapsed = taken[-1].at - taken[0].at if taken else 0.0
    assert sum(found.values()) <= elapsed + 1e-5, "beyond the rounding of floats at 1e9"
    assert all(phase in (*found, reached(taken)) for phase in found)
    assert list(Phase).index(reached(taken)) >= max((list(Phase).index(phase) for phase in found), default=0)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(set(HTTPS))), st.floats(-1e9, 1e9)).map(lambda pair: Mark(*pair))
    )
)
def test_even_marks_in_no_sensible_order_make_no_negative_phase(taken: list[Mark]) -> None:
    assert all(seconds >= 0 for seconds in phases(taken).values())
    assert reached(taken) in Phase
