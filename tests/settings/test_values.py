"""Single values: what each kind takes, and what it says about the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.settings import values
from exporter.target import IpFamily, Journey

DURATION = "invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"
STATUSES = "is no list of flow statuses; write for example USERNAME_PASSWORD_REQUIRED,OTP_REQUIRED"
BUCKETS = "is no list of 1 to 50 numbers; write seconds, comma-separated, for example .1,.5,1,5"
LABEL = "is no label value; write a text of at most 256 characters"
LABEL_NAME = (
    "has no right label name; write a letter, then letters, digits and single underscores, "
    "at most 63 characters"
)
TARGET_NAME = (
    "has no right target name; write letters and digits, in groups joined by one underscore, "
    "at most 63 characters"
)
RESERVED = "is a label that Prometheus or the exporter sets itself; choose another name"
TEXT = "is no text of at most 1024 characters; write one, or nothing to send none"
UUID = "is no UUID; write for example 94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
CLIENT_ID = "is no client id; write 1 to 256 printable ASCII characters without spaces"
MAX_AGE = "is no whole number from 0 to 999999999; write seconds, for example 300"
SLOTS = "is no whole number from 1 to 999999999; write probes, for example 100"
BOOLEAN = "is neither true nor false; write true or false"
SCOPE = "is no scope; write for example openid or openid profile"
IP_FAMILY = "is no IP family; write any, 4 or 6"
LEVEL = values.choice("log level", "debug", "info", "warning", "error")


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (
            values.environment_id,
            "94E3268D-847D-47AA-A45E-1EF8DD8F4DF0",
            "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        ),
        (values.client_id, "~" * 256, "~" * 256),
        (values.scope, "openid  p1:read:user", "openid p1:read:user"),
        (values.optional_text, "", None),
        (values.optional_text, None, None),
        (values.optional_text, "é" * 1024, "é" * 1024),
        (values.max_age, "", None),
        (values.max_age, "007", 7),
        (values.max_age, 0, 0),
        (values.concurrent_probes, "999999999", 999999999),
        (values.boolean, True, True),
        (values.boolean, "OFF", False),
        (values.boolean, "1", True),
        (values.expected_statuses, "A", ("A",)),
        (values.expected_statuses, "B,A , B", ("B", "A")),
        (values.expected_statuses, ["A", "A"], ("A",)),
        (values.expected_statuses, [f"S{n}" for n in range(20)] * 2, tuple(f"S{n}" for n in range(20))),
        (values.journey, "AUTHORIZE", Journey.AUTHORIZE),
        (values.ip_family, "Any", IpFamily.ANY),
        (values.ip_family, "4", IpFamily.V4),
        (values.ip_family, 6, IpFamily.V6),
        (values.interval, "100ms", 0.1),
        (values.interval, "1d", 86400.0),
        (values.shutdown_grace, "0", 0.0),
        (values.shutdown_grace, "10m", 600.0),
        (values.positive, "1ms", 0.001),
        (values.duration_buckets, "1", (1.0,)),
        (values.duration_buckets, ".5, 1., 1.5e1", (0.5, 1.0, 15.0)),
        (values.label_value, "", ""),
        (values.label_value, "x" * 256, "x" * 256),
        (LEVEL, "Warning", "warning"),
    ],
)
def test_a_right_value_is_read(read: Callable[[object], object], value: object, result: object) -> None:
    assert read(value) == result


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (values.environment_id, "", UUID),
        (values.environment_id, "94e3268d847d47aaa45e1ef8dd8f4df0", UUID),
        (values.environment_id, "{94e3268d-847d-47aa-a45e-1ef8dd8f4df0}", UUID),
        (values.environment_id, "94e3268d-847d-47aa-a45e-1ef8dd8f4dfg", UUID),
        (values.environment_id, 7, UUID),
        (values.client_id, "", CLIENT_ID),
        (values.client_id, "a b", CLIENT_ID),
        (values.client_id, "é", CLIENT_ID),
        (values.client_id, "~" * 257, CLIENT_ID),
        (values.scope, "", SCOPE),
        (values.scope, 'open"id', SCOPE),
        (values.scope, "x" * 1025, SCOPE),
        (values.optional_text, "x" * 1025, TEXT),
        (values.optional_text, 5, TEXT),
        (values.max_age, "-1", MAX_AGE),
        (values.max_age, -1, MAX_AGE),
        (values.max_age, "5m", MAX_AGE),
        (values.max_age, "1.0", MAX_AGE),
        (values.max_age, 1.0, MAX_AGE),
        (values.max_age, True, MAX_AGE),
        (values.max_age, "٣", MAX_AGE),
        (values.max_age, "1" * 5000, MAX_AGE),
        (values.concurrent_probes, "0", SLOTS),
        (values.concurrent_probes, "", SLOTS),
        (values.concurrent_probes, 10**9, SLOTS),
        (values.boolean, "", BOOLEAN),
        (values.boolean, "maybe", BOOLEAN),
        (values.boolean, 1, BOOLEAN),
        (values.expected_statuses, "", STATUSES),
        (values.expected_statuses, "A,", STATUSES),
        (values.expected_statuses, "otp_required", STATUSES),
        (values.expected_statuses, "A" * 65, STATUSES),
        (values.expected_statuses, [], STATUSES),
        (values.expected_statuses, ["A", 1], STATUSES),
        (values.expected_statuses, None, STATUSES),
        (
            values.expected_statuses,
            [f"S{n}" for n in range(21)],
            "has more than 20 flow statuses; write fewer",
        ),
        (
            values.expected_statuses,
            "A,FAILED",
            "holds FAILED, which can never be a success (its reason is always flow_failed); remove it",
        ),
        (
            values.expected_statuses,
            "UNKNOWN",
            (
                "holds UNKNOWN, which is no status but stands for all outside the known list; "
                "write the status that PingOne returns"
            ),
        ),
        (values.journey, "federation", "is no journey; write authorize"),
        (values.journey, "authorize,authorize", "is no journey; write authorize"),
        (values.ip_family, "", IP_FAMILY),
        (values.ip_family, "IPv6", IP_FAMILY),
        (values.ip_family, "04", IP_FAMILY),
        (values.ip_family, 5, IP_FAMILY),
        (values.ip_family, 4.0, IP_FAMILY),
        (values.ip_family, True, IP_FAMILY),
        (values.ip_family, None, IP_FAMILY),
        (values.ip_family, ["4"], IP_FAMILY),
        (values.interval, "", DURATION),
        (values.interval, 30, DURATION),
        (values.interval, "0", "must be between 100ms and 1d"),
        (values.interval, "99ms", "must be between 100ms and 1d"),
        (values.interval, "1d1ms", "must be between 100ms and 1d"),
        (values.shutdown_grace, "10m1ms", "must be between 0s and 10m"),
        (values.positive, "0", "must be longer than 0s"),
        (values.positive, "0ms", "must be longer than 0s"),
        (values.duration_buckets, "", BUCKETS),
        (values.duration_buckets, "1,", BUCKETS),
        (values.duration_buckets, "1,+Inf", BUCKETS),
        (values.duration_buckets, "nan", BUCKETS),
        (values.duration_buckets, "1e999", BUCKETS),
        (values.duration_buckets, "1_0", BUCKETS),
        (values.duration_buckets, "10ms", BUCKETS),
        (values.duration_buckets, [1, 2], BUCKETS),
        (values.duration_buckets, ",".join(map(str, range(1, 52))), BUCKETS),
        (values.duration_buckets, "0,1", "must be positive and increasing; write for example .1,.5,1,5"),
        (values.duration_buckets, "1,1", "must be positive and increasing; write for example .1,.5,1,5"),
        (values.duration_buckets, "2,1", "must be positive and increasing; write for example .1,.5,1,5"),
        (values.label_value, "x" * 257, LABEL),
        (values.label_value, 5, LABEL),
        (LEVEL, "trace", "is no log level; write debug, info, warning or error"),
        (LEVEL, None, "is no log level; write debug, info, warning or error"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(
    read: Callable[[object], object], value: object, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        read(value)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["a", "0", "emea_1", "a_b_c", "x" * 63])
def test_a_target_name_is_groups_of_letters_and_digits(name: str) -> None:
    values.target_name(name)


@pytest.mark.parametrize("name", ["", "_", "_a", "a_", "a__b", "a-b", "é", "A", "a\n", "x" * 64])
def test_any_other_target_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        values.target_name(name)
    assert str(caught.value) == TARGET_NAME


@pytest.mark.parametrize("name", ["a", "team_1", "a_", "x" * 63])
def test_a_label_name_is_one_that_prometheus_takes(name: str) -> None:
    values.label_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, LABEL_NAME) for name in ("", "_a", "1a", "a__b", "a-b", "é", "a\n", "x" * 64)),
        *((name, RESERVED) for name in sorted(values.RESERVED_LABELS)),
    ],
)
def test_any_other_label_name_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
        values.label_name(name)
    assert str(caught.value) == message


def test_the_labels_of_our_own_families_are_reserved() -> None:
    expected = {"target", "journey", "auth_host", "le", "quantile", "job", "instance"}
    assert expected <= values.RESERVED_LABELS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\x00b", "holds a control character, such as a line break; write it without"),
        ("a\nb", "holds a control character, such as a line break; write it without"),
        ("a\x7f", "holds a control character, such as a line break; write it without"),
        ("\x85a", "holds a control character, such as a line break; write it without"),
        ("a\udc80b", "is not encoded in UTF-8; write it in UTF-8"),
        ("\ud800", "is not encoded in UTF-8; write it in UTF-8"),
    ],
)
def test_no_text_holds_control_characters_or_bytes_beyond_utf_8(text: str, message: str) -> None:
    for value in (text, ["fine", text]):
        with pytest.raises(ValueError) as caught:  # noqa: PT011  the whole text is compared below
            values.clean(value)
        assert str(caught.value) == message


def test_white_space_around_a_text_is_stripped_unless_it_matters() -> None:
    assert values.clean(" \ta b\r\n") == "a b"
    assert values.clean([" a ", 1]) == ["a", 1]
    assert values.clean(" a ", strip=False) == " a "
    assert values.clean(5) == 5


def test_a_reader_of_texts_takes_anything_else_for_an_empty_one() -> None:
    assert values.text(str.upper)("a") == "A"
    assert values.text(str.upper)(5) == ""


def test_an_optional_text_may_be_empty_or_null_and_nothing_else_is_none() -> None:
    read = values.optional(lambda text: f"<{text}>")
    assert read("a") == "<a>"
    assert read("") is None
    assert read(None) is None
    others: list[object] = [0, False, [], 5]
    assert [read(value) for value in others] == ["<>"] * 4
