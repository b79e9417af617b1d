"""JSON from the outside: what counts as an object, and that nothing raises."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probing.errors import parse_object


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"{}", {}),
        (b' \r\n{"a": 1}\t', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "\u00e4"}', {"a": "\u00e4"}),
        ('{"a": "\u00e4"}'.encode(), {"a": "\u00e4"}),
        (b'{"a": "\\ud83d\\ude00 \\\\ud800"}', {"a": "\U0001f600 \\ud800"}),
        # A lone surrogate cannot be encoded, and breaks whatever writes it.
        (b'{"a": "\\ud800", "b": 1e999}', {"a": "\ufffd", "b": math.inf}),
        (b'{"a": [{"\\uDFff": "x\\uDBffy"}]}', {"a": [{"\ufffd": "x\ufffdy"}]}),
        (b'{"a": "\\ud83d\\ud83d\\ude00\\ude00"}', {"a": "\ufffd\U0001f600\ufffd"}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": -12, "b": 1.5e3}', {"a": -12, "b": 1500.0}),
    ],
)
def test_a_json_object_is_read(body: bytes | str, document: dict[str, Any]) -> None:
    assert parse_object(body) == document


@pytest.mark.parametrize(
    "body",
    [
        b"", "", b" ", b"null", b"1", b"[]", b'"{}"', b"{", b"{}{}", b"{'a': 1}", b'{"a": 1,}', b"\xff{}",
        b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', "\ufeff{}", b"{\x00}", '{"\ud800',
        "{}".encode("utf-16"), "{}".encode("utf-32"),
    ],
)  # fmt: skip
def test_anything_else_is_not_a_document(body: bytes | str) -> None:
    assert parse_object(body) is None


@pytest.mark.parametrize("opening", [b'{"a":', b"["])
def test_endless_nesting_is_not_a_document(opening: bytes) -> None:
    assert parse_object(opening * 50_000) is None


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_too_long_to_convert_is_read_as_what_a_float_makes_of_it(sign: str) -> None:
    document = parse_object(f'{{"a": {sign}{"9" * 100_000}}}')
    assert document == {"a": float(f"{sign}inf")}
    assert document is not None
    assert math.isinf(document["a"])


def test_an_integer_of_400_digits_is_read_exactly_and_one_of_401_as_a_float() -> None:
    assert parse_object(f'{{"a": {"9" * 400}}}') == {"a": 10**400 - 1}
    assert parse_object(f'{{"a": {"9" * 401}}}') == {"a": math.inf}


ESCAPES = st.lists(st.sampled_from(["\\", "ud83d", "\\uDE00", "\\ud800", "\\", "a"]))


@given(ESCAPES.map(lambda parts: f'{{"a": "{"".join(parts)}"}}'))
def test_what_is_read_can_be_encoded(body: str) -> None:
    document = json.dumps(parse_object(body), ensure_ascii=False)
    assert json.loads(document.encode()) == parse_object(body.encode())


@given(st.binary() | st.text(st.characters()))
def test_no_bytes_and_no_text_raise(body: bytes | str) -> None:
    document = parse_object(body)
    assert document is None or isinstance(document, dict)


# Bounds on sizes alone: what a short one is read as, a long one is, and making them took most of the time.
NAMES = st.text(max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_what_was_written_as_json_is_read_back_the_same(document: dict[str, Any]) -> None:
    assert parse_object(json.dumps(document)) == document
    assert parse_object(json.dumps(document, ensure_ascii=False).encode()) == document
