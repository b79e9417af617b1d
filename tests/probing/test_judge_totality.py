"""Nothing that a provider can send breaks the judge, or makes it say what no metric knows."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from probing.examples import EXPECTATION, SOURCE, SOURCE_AT, STATUS, a_flow

from exporter.probing.errors import KNOWN_CODES, OTHER
from exporter.probing.judge import judge
from exporter.probing.messages import Answer, Expectation
from exporter.reasons import FAULTS, Reason

OTHER_ENVIRONMENT = "00000000-0000-4000-8000-000000000000"


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from([*sorted(KNOWN_CODES), "FAILED", STATUS, SOURCE, OTHER_ENVIRONMENT])
FIELDS = ("status", "environment", "error", "code", "details", "interactionId", "id", "_links")
ERRORS = st.fixed_dictionaries(
    {}, optional={"code": WORDS | JSON, "details": JSON | st.lists(st.dictionaries(st.just("code"), WORDS))}
)
DOCUMENTS = st.dictionaries(
    st.sampled_from(FIELDS), JSON | WORDS | ERRORS | st.fixed_dictionaries({"id": WORDS})
)
# Surrogates included: that is how a header that is not UTF-8 may come to be decoded.
ANY_TEXT = st.text(st.characters())
LOCATIONS = (
    st.none() | ANY_TEXT | st.builds("{}?error={}".format, ANY_TEXT, ANY_TEXT | DOCUMENTS.map(json.dumps))
)
BODIES = st.binary() | DOCUMENTS.map(encoded) | JSON.map(encoded)


@given(
    code=st.integers(0, 999),
    body=BODIES,
    too_large=st.booleans(),
    location=LOCATIONS,
    expected=st.lists(WORDS | st.just("DAVINCI")).map(tuple),
)
def test_whatever_is_sent_is_judged_with_a_reason_and_fault_that_the_metrics_know(
    code: int,
    body: bytes,
    too_large: bool,  # noqa: FBT001  hypothesis passes by keyword
    location: str | None,
    expected: tuple[str, ...],
) -> None:
    headers = {} if location is None else {"location": location}
    answer = Answer(code, body, headers, too_large=too_large)
    verdict = judge(answer, Expectation(SOURCE_AT, expected))
    assert verdict.fault in FAULTS[verdict.reason]
    assert set(verdict.error_codes) <= KNOWN_CODES | {OTHER}
    assert len(set(verdict.error_codes)) == len(verdict.error_codes)
    assert (verdict.reason is Reason.OK) <= (200 <= code <= 299)


@given(extra=st.dictionaries(st.text() | st.sampled_from(["code", "details", "interactionId", "id"]), JSON))
def test_a_healthy_flow_stays_ok_whatever_else_the_vendor_adds_to_it(extra: dict[str, Any]) -> None:
    flow = a_flow() | {
        key: value for key, value in extra.items() if key not in {"status", "environment", "error"}
    }
    # allow_nan is what json.dumps does by default and what no JSON parser has to take
    body = json.dumps(flow).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0")
    verdict = judge(Answer(200, body.encode()), EXPECTATION)
    assert verdict.reason is Reason.OK
