"""Outcomes as wild as a provider can make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from observing.examples import PHASES, START, a_certificate, a_step, a_success

from exporter.outcome import CHECKS, KNOWN_STATUSES, Outcome, Phase
from exporter.probing.errors import KNOWN_CODES, OTHER
from exporter.reasons import pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

statuses = (
    st.none() | st.sampled_from(sorted(KNOWN_STATUSES)) | st.from_regex(r"[A-Z_]{1,40}", fullmatch=True)
)
codes = st.none() | st.sampled_from((200, 302, 503)) | st.integers(100, 999)
seconds = st.sampled_from((0.0, 0.001, 0.1, 0.5, 2.0, 2.5, 60.0))
phases = st.sampled_from([dict(list(PHASES.items())[:count]) for count in range(len(PHASES) + 1)])
error_codes = st.lists(st.sampled_from((*sorted(KNOWN_CODES), OTHER)), unique=True, max_size=4).map(tuple)
checks = st.dictionaries(st.sampled_from(CHECKS), st.booleans())
stamps = st.none() | st.floats(-1e6, 1e6)
certificates = st.none() | st.builds(a_certificate, st.none() | st.floats(0, 1e11))


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Any outcome of the target `emea`, with or without a step."""
    reason, fault = draw(st.sampled_from(pairs_of(Journey.AUTHORIZE)))
    ended_in = draw(st.sampled_from(list(Phase)))
    step = a_step(
        reason=reason,
        phase=ended_in,
        phases=draw(phases),
        http_status_code=draw(codes),
        flow_status=draw(statuses),
        error_codes=draw(error_codes),
        checks=draw(checks),
        lifetime=draw(stamps),
        clock_skew=draw(stamps),
        clock_skew_error=draw(stamps),
        tls=draw(certificates),
    )
    return a_success(
        reason=reason,
        fault=fault,
        phase=ended_in,
        ended_at=START + draw(st.integers(0, 1000)),
        duration=draw(seconds),
        transaction_id=str(draw(st.uuids())),
        steps=(step,) if draw(st.booleans()) else (),
        stalled=draw(st.booleans()),
    )


sequences: SearchStrategy[list[Outcome]] = st.lists(outcomes(), max_size=10)
