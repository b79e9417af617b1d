"""The provider's clock against ours: whatever it is, it lies within the bound that is given."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probing.clock_skew import ClockSkew, clock_skew, date_timestamp
from exporter.probing.contract import parse_timestamp
from exporter.probing.messages import Timestamp

NOW = 1776714849.0
DATE = "Mon, 20 Apr 2026 19:54:09 GMT"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROUNDING = 2e-6
"""Floats of today's epoch seconds are exact to a quarter of a microsecond, Python's stamps to a whole one."""


def test_a_timestamp_within_its_exchange_is_not_skew() -> None:
    assert clock_skew([Timestamp(NOW + 0.5, 0.0)], sent=NOW, received=NOW + 1) == ClockSkew(0.0, 0.5)


@pytest.mark.parametrize("skew", [-3600.0, -0.25, 0.25, 86400.0])
def test_a_clock_ahead_is_a_positive_skew_and_one_behind_a_negative(skew: float) -> None:
    found = clock_skew([Timestamp(NOW + 0.5 + skew, 0.0)], sent=NOW, received=NOW + 1)
    assert found == ClockSkew(skew, 0.5)


def test_the_error_is_half_the_exchange_and_half_the_resolution() -> None:
    found = clock_skew([Timestamp(NOW, 1.0)], sent=NOW, received=NOW + 0.5)
    assert found == ClockSkew(0.25, 0.75)


def test_of_two_stamps_the_more_exact_one_is_believed_in_whatever_order() -> None:
    coarse, fine = Timestamp(NOW - 40, 1.0), Timestamp(NOW, 0.001)
    for stamps in ([coarse, fine], [fine, coarse], [None, fine, None, coarse]):
        found = clock_skew(stamps, sent=NOW, received=NOW)
        assert found is not None
        assert found == pytest.approx((0.0005, 0.0005), abs=ROUNDING)


def test_without_a_stamp_nothing_is_known() -> None:
    assert clock_skew([], sent=NOW, received=NOW) is None
    assert clock_skew([None, None], sent=NOW, received=NOW) is None


SKEWS = st.floats(-1e6, 1e6)
SPANS = st.floats(0, 60)
SHARES = st.floats(0, 1)


@given(skew=SKEWS, sent=st.floats(1.7e9, 2e9), span=SPANS, share=SHARES, digits=st.integers(0, 6))
def test_the_true_skew_lies_within_the_bound_whenever_the_stamp_was_made_and_however_it_was_cut(
    skew: float, sent: float, span: float, share: float, digits: int
) -> None:
    truth = EPOCH + timedelta(seconds=sent + span * share + skew)
    whole, fraction = truth.strftime("%Y-%m-%dT%H:%M:%S %f").split()
    written = parse_timestamp(f"{whole}.{fraction[:digits]}Z" if digits else f"{whole}Z")
    assert written is not None
    found = clock_skew([written], sent=sent, received=sent + span)
    assert found is not None
    assert abs(found.seconds - skew) <= found.error + ROUNDING
    assert found.error == pytest.approx((span + 10.0**-digits) / 2, abs=ROUNDING)


@given(skew=SKEWS, sent=st.floats(1.7e9, 2e9), span=SPANS, made=SHARES, dated=SHARES)
def test_the_true_skew_lies_within_the_bound_when_both_stamps_are_there(
    skew: float, sent: float, span: float, made: float, dated: float
) -> None:
    created = sent + span * made + skew
    date = sent + span * dated + skew
    stamps = [Timestamp(math.floor(created * 1000) / 1000, 0.001), Timestamp(math.floor(date), 1.0)]
    found = clock_skew(stamps, sent=sent, received=sent + span)
    assert found is not None
    assert abs(found.seconds - skew) <= found.error + ROUNDING
    assert found.error < (span + 1) / 2


@pytest.mark.parametrize(
    "date",
    [DATE, "Monday, 20-Apr-26 19:54:09 GMT", "Mon Apr 20 19:54:09 2026", "20 Apr 2026 21:54:09 +0200"],
)
def test_a_date_is_a_stamp_of_one_second_in_each_form_that_http_allows(date: str) -> None:
    assert date_timestamp(date) == Timestamp(NOW, 1.0)


@pytest.mark.parametrize(
    "date",
    [None, "", "now", "1776714849", "2026-04-20T19:54:09Z", "Mon, 20 Apr 2026 19:54 GMT", "Mon, 20 Apr 2026"],
)
def test_a_date_needs_seconds_to_be_a_timestamp(date: str | None) -> None:
    assert date_timestamp(date) is None


@given(st.text(st.characters()) | st.text("0123456789: ,-+JanGMT", max_size=40))
def test_any_text_is_a_finite_stamp_or_none(date: str) -> None:
    found = date_timestamp(date)
    assert found is None or math.isfinite(found.at)
