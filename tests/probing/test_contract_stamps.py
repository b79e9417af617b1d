"""Times as a provider writes them: which are read, how exact they are, and that nothing raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import EXPECTATION, a_flow

from exporter.probing.contract import is_uuid, parse_timestamp
from exporter.probing.judge import judge_flow

CREATED = "2026-04-20T19:54:09.271Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
BEFORE_THE_LAST_DAY = datetime(9999, 12, 31, tzinfo=UTC).replace(tzinfo=None)
MOMENTS = st.builds(
    "{}T{}{}".format,
    st.sampled_from(["2026-04-20", "0001-01-01", "9999-12-31", "2026-W17-1", "20260420"]),
    st.sampled_from(["00:00:00", "23:59:59.9999999", "24:00:00", "19:54:09,5", "195409", ""]),
    st.sampled_from(["Z", "+23:59", "-23:59", "+00:00:00.5", "-24:00", ""]),
)


@pytest.mark.parametrize(
    ("written", "at", "resolution"),
    [
        ("1970-01-01T00:00:00Z", 0.0, 1.0),
        ("1970-01-01T00:00:00.5Z", 0.5, 0.1),
        ("1970-01-01T00:00:00.271Z", 0.271, 0.001),
        ("1970-01-01T00:00:00.000000Z", 0.0, 0.000001),
        ("1970-01-01T00:00:00.123456789Z", 0.123456, 0.000001),
        ("1970-01-01T02:00:00+02:00", 0.0, 1.0),
        ("1970-01-01T00:00:00.5-00:00", 0.5, 0.1),
        ("1969-12-31T23:59:59.750Z", -0.25, 0.001),
    ],
)
def test_a_stamp_is_its_moment_and_as_exact_as_it_was_written(
    written: str, at: float, resolution: float
) -> None:
    found = parse_timestamp(written)
    assert found is not None
    assert found.at == pytest.approx(at, abs=1e-6)
    assert found.resolution == pytest.approx(resolution)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 7, 7.5, [], {}, [CREATED], "", " ", "Z", "now", "2026-04-20", "2026-04-20Z", "19:54:09Z",
        "2026-04-20T19:54:09.271", "2026-04-20T19:54:60Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-04-20T19:54Z", "2026-04-20T19Z", "2026-04-20T1954Z", "0000-01-01T00:00:00Z",
        "2026-04-20T19:54:09.Z", "2026-04-20T19:54:09.271 Z", "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999999Z", CREATED + "\n", "\ud800", "x" * 100_000,
    ],
)  # fmt: skip
def test_a_timestamp_needs_second_and_zone(value: object) -> None:
    assert parse_timestamp(value) is None


@given(moment=st.datetimes(max_value=BEFORE_THE_LAST_DAY, timezones=st.just(UTC)), digits=st.integers(0, 6))
def test_a_truncated_stamp_never_lies_after_its_moment_and_less_than_its_resolution_before(
    moment: datetime, digits: int
) -> None:
    whole, fraction = moment.strftime("%S.%f").split(".")
    date = moment.isoformat(timespec="minutes")[:16]
    seconds = f"{whole}.{fraction[:digits]}" if digits else whole
    found = parse_timestamp(f"{date}:{seconds}Z")
    assert found is not None
    # A float of today's epoch seconds is exact to a quarter of a microsecond; of the year 9999's, to 30.
    rounding = 1e-6 + abs(moment.timestamp()) * 2e-16
    assert -rounding <= moment.timestamp() - found.at < found.resolution + rounding


def test_a_lifetime_needs_both_ends() -> None:
    def lifetime(**times: str | None) -> float | None:
        return judge_flow(a_flow(**times), EXPECTATION).lifetime

    assert lifetime() == 900.0
    assert lifetime(expiresAt=None) is None
    assert lifetime(createdAt=None) is None
    assert lifetime(createdAt=CREATED, expiresAt="2026-04-20T19:54:08.271Z") == -1.0


@given(value=JSON | MOMENTS)
def test_any_json_is_a_finite_stamp_or_none(value: object) -> None:
    found = parse_timestamp(value)
    if found is not None:
        assert 1 <= datetime.fromtimestamp(found.at, UTC).year <= 9999
        assert 0 < found.resolution <= 1
    assert is_uuid(value) in {True, False}
