"""Single values: what each setting accepts, and what it reports otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from settings.example import EMEA, NOWHERE, SOURCE, D, P, T, errors, only_target

from exporter.settings import MAX_NAME_LENGTH, RESERVED_LABELS, load
from exporter.target import IpFamily, Journey

DURATION = "invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"
STATUS = "invalid flow status; use e.g. USERNAME_PASSWORD_REQUIRED,OTP_REQUIRED"
UNSUCCESSFUL = "FAILED and UNKNOWN can never be a success"
STATUSES = "expected 1 to 20 flow statuses"
BUCKET = "invalid number; use seconds, comma-separated, e.g. .1,.5,1,5"
INCREASING = "must be positive and increasing; use e.g. .1,.5,1,5"
UUID = "invalid UUID; use e.g. 94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
CLIENT_ID = "invalid client ID; use 1 to 256 printable ASCII characters without spaces"
SCOPE = "invalid scope; use e.g. openid or openid profile"
WHOLE = "expected a whole number"
BOOLEAN = "expected true or false"
STRING = "expected a string"
IP_FAMILY = "expected any, 4 or 6"
JOURNEY = "unknown journey; use authorize, federation, discovery, comma-separated"
MOMENT = "invalid date; use e.g. 2027-03-31 or 2027-03-31T12:00:00Z"
INTERVAL = "must be between 100ms and 1d"
CONTROL = "contains a control character, such as a line break"
TARGET_NAME = "invalid name; use letters and digits in groups joined by single underscores"
LABEL_NAME = "invalid label name; use a letter, then letters, digits and single underscores"
TOO_LONG = "must have at most 63 characters"


def variables(name: str, value: object) -> dict[str, str]:
    """Return the example with a setting of its target as a variable, or in JSON if it is not a string."""
    if isinstance(value, str):
        return EMEA | {f"{T}{name}": value}
    others = {variable: text for variable, text in EMEA.items() if variable != f"{T}{name}"}
    return others | {f"{P}TARGETS": json.dumps({"emea": {name.lower(): value}})}


def message(environ: dict[str, str]) -> str:
    (line,) = errors(environ)
    return line.partition(": ")[2]


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("SOURCE_ENVIRONMENT_ID", SOURCE.upper(), SOURCE),
        ("CLIENT_ID", "~" * 256, "~" * 256),
        ("SCOPE", "openid  p1:read:user", "openid p1:read:user"),
        ("PROMPT", "", None),
        ("PROMPT", None, None),
        ("PROMPT", "é" * 1024, "é" * 1024),
        ("MAX_AGE", "", None),
        ("MAX_AGE", "007", 7),
        ("MAX_AGE", 0, 0),
        ("MAX_AGE", "999999999", 999999999),
        ("PKCE", True, True),
        ("PKCE", "OFF", False),
        ("PKCE", "1", True),
        ("EXPECTED_STATUSES", "A", ("A",)),
        ("EXPECTED_STATUSES", "B,A , B", ("B", "A")),
        ("EXPECTED_STATUSES", ["A", "A"], ("A",)),
        ("EXPECTED_STATUSES", [f"S{n}" for n in range(20)] * 2, tuple(f"S{n}" for n in range(20))),
        ("IP_FAMILY", "Any", IpFamily.ANY),
        ("IP_FAMILY", "4", IpFamily.V4),
        ("IP_FAMILY", 6, IpFamily.V6),
    ],
)
def test_a_valid_value_reaches_the_target(name: str, value: object, result: object) -> None:
    (target,) = load(variables(name, value), NOWHERE).targets
    assert getattr(target, name.lower()) == result


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("INTERVAL", "100ms", 0.1),
        ("INTERVAL", "1d", 86400.0),
        ("LATENCY_OBJECTIVE", "1ms", 0.001),
        ("TIMEOUT", None, 10.0),
    ],
)
def test_a_valid_value_reaches_the_timing_of_the_target(name: str, value: object, result: float) -> None:
    (target,) = load(variables(name, value), NOWHERE).targets
    assert getattr(target.authorize, name.lower()) == result


def test_a_journey_is_named_in_any_case() -> None:
    assert only_target({f"{T}JOURNEY": "AUTHORIZE"}).journeys == (Journey.AUTHORIZE,)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-03-31", 1_806_451_200.0),
        ("2027-03-31T00:00:00Z", 1_806_451_200.0),
        ("2027-03-31t02:30:00.5+02:30", 1_806_451_200.5),
        (" 2027-03-31 00:00:00z ", 1_806_451_200.0),
        ("", None),
    ],
)
def test_a_secret_expires_at_a_date_or_time(text: str, moment: float | None) -> None:
    assert only_target({f"{T}SECRET_EXPIRES": text}).secret_expires == moment


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("SHUTDOWN_GRACE", "0", 0.0),
        ("SHUTDOWN_GRACE", "10m", 600.0),
        ("DURATION_BUCKETS", "1", (1.0,)),
        ("DURATION_BUCKETS", ".5, 1., 1.5e1", (0.5, 1.0, 15.0)),
        ("MAX_CONCURRENT_PROBES", "999999999", 999999999),
    ],
)
def test_a_valid_value_reaches_the_configuration(name: str, value: str, result: object) -> None:
    assert getattr(load(EMEA | {f"{P}{name}": value}, NOWHERE), name.lower()) == result


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("SOURCE_ENVIRONMENT_ID", "", UUID),
        ("SOURCE_ENVIRONMENT_ID", "94e3268d847d47aaa45e1ef8dd8f4df0", UUID),
        ("SOURCE_ENVIRONMENT_ID", f"{{{SOURCE}}}", UUID),
        ("SOURCE_ENVIRONMENT_ID", f"{SOURCE[:-1]}g", UUID),
        ("SOURCE_ENVIRONMENT_ID", 7, STRING),
        ("CLIENT_ID", "", CLIENT_ID),
        ("CLIENT_ID", "a b", CLIENT_ID),
        ("CLIENT_ID", "é", CLIENT_ID),
        ("CLIENT_ID", "~" * 257, CLIENT_ID),
        ("SCOPE", "", SCOPE),
        ("SCOPE", 'open"id', SCOPE),
        ("SCOPE", "x" * 1025, SCOPE),
        ("PROMPT", "x" * 1025, "must have at most 1024 characters"),
        ("PROMPT", 5, STRING),
        ("MAX_AGE", "-1", WHOLE),
        ("MAX_AGE", -1, "must be at least 0"),
        ("MAX_AGE", "5m", WHOLE),
        ("MAX_AGE", "1.0", WHOLE),
        ("MAX_AGE", 1.0, WHOLE),
        ("MAX_AGE", True, WHOLE),
        ("MAX_AGE", "٣", WHOLE),
        ("MAX_AGE", "1" * 5000, WHOLE),
        ("MAX_AGE", 10**9, "must be at most 999999999"),
        ("PKCE", "", BOOLEAN),
        ("PKCE", "maybe", BOOLEAN),
        ("PKCE", None, BOOLEAN),
        ("EXPECTED_STATUSES", "", STATUS),
        ("EXPECTED_STATUSES", "A,", STATUS),
        ("EXPECTED_STATUSES", "otp_required", STATUS),
        ("EXPECTED_STATUSES", "A" * 65, STATUS),
        ("EXPECTED_STATUSES", [], STATUSES),
        ("EXPECTED_STATUSES", ["A", 1], STRING),
        ("EXPECTED_STATUSES", None, "expected a list"),
        ("EXPECTED_STATUSES", [f"S{n}" for n in range(21)], STATUSES),
        ("EXPECTED_STATUSES", "A,FAILED", UNSUCCESSFUL),
        ("EXPECTED_STATUSES", "UNKNOWN", UNSUCCESSFUL),
        ("JOURNEYS", "discover", JOURNEY),
        ("JOURNEYS", "authorize,", JOURNEY),
        ("JOURNEY", ["federate"], JOURNEY),
        (
            "JOURNEYS",
            [],
            "expected at least one journey; use authorize, federation, discovery, comma-separated",
        ),
        ("JOURNEYS", 1, "expected a list"),
        ("DESTINATION_CLIENT_AUTH", "jwt", "expected basic, post or none"),
        ("DESTINATION_CLIENT_ID", "a b", CLIENT_ID),
        ("FEDERATION_INTERVAL", "2d", INTERVAL),
        ("SECRET_EXPIRES", "31.3.2027", MOMENT),
        ("SECRET_EXPIRES", "2027-02-30", MOMENT),
        ("SECRET_EXPIRES", "9999-12-31T23:59:59-00:01", MOMENT),
        ("SECRET_EXPIRES", "2027-03-31T12:00:00", MOMENT),
        ("SECRET_EXPIRES", "2027-03-31T25:00:00Z", MOMENT),
        ("IP_FAMILY", "", IP_FAMILY),
        ("IP_FAMILY", "IPv6", IP_FAMILY),
        ("IP_FAMILY", "04", IP_FAMILY),
        ("IP_FAMILY", 5, IP_FAMILY),
        ("IP_FAMILY", 4.0, IP_FAMILY),
        ("IP_FAMILY", True, IP_FAMILY),
        ("IP_FAMILY", None, IP_FAMILY),
        ("IP_FAMILY", ["4"], IP_FAMILY),
        ("INTERVAL", "", DURATION),
        ("INTERVAL", 30, DURATION),
        ("INTERVAL", "0", INTERVAL),
        ("INTERVAL", "99ms", INTERVAL),
        ("INTERVAL", "1d1ms", INTERVAL),
        ("LATENCY_OBJECTIVE", "0", "must be longer than 0s"),
        ("LATENCY_OBJECTIVE", "0ms", "must be longer than 0s"),
        ("PROMPT", "a\x00b", CONTROL),
        ("PROMPT", "a\nb", CONTROL),
        ("CLIENT_ID", "a\x7f", CONTROL),
        ("SCOPE", "\x85a", CONTROL),
        ("ACR_VALUES", "a\udc80b", "not encoded in UTF-8"),
        ("LOGIN_HINT", "\ud800", "not encoded in UTF-8"),
        ("EXPECTED_STATUSES", ["FINE", "A\nB"], CONTROL),
    ],
)
def test_an_invalid_value_is_reported_with_what_is_valid(name: str, value: object, text: str) -> None:
    assert message(variables(name, value)) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("MAX_CONCURRENT_PROBES", "0", "must be at least 1"),
        ("MAX_CONCURRENT_PROBES", "", WHOLE),
        ("SHUTDOWN_GRACE", "10m1ms", "must be between 0s and 10m"),
        ("DURATION_BUCKETS", "", BUCKET),
        ("DURATION_BUCKETS", "1,", BUCKET),
        ("DURATION_BUCKETS", "1,+Inf", BUCKET),
        ("DURATION_BUCKETS", "nan", BUCKET),
        ("DURATION_BUCKETS", "1e999", BUCKET),
        ("DURATION_BUCKETS", "1_0", BUCKET),
        ("DURATION_BUCKETS", "10ms", BUCKET),
        ("DURATION_BUCKETS", ",".join(map(str, range(1, 52))), "expected 1 to 50 numbers"),
        ("DURATION_BUCKETS", "0,1", INCREASING),
        ("DURATION_BUCKETS", "1,1", INCREASING),
        ("DURATION_BUCKETS", "2,1", INCREASING),
        ("LOG__LEVEL", "trace", "expected debug, info, warning or error"),
        ("LOG__FORMAT", "", "expected logfmt or json"),
        ("DEFAULTS__CA_FILE", "", "expected the path of a file"),
        ("DEFAULTS__CA_FILE", "-----BEGIN PRIVATE KEY----- s3cr3t", "expected the path of a file"),
        ("CONFIG_FILE", "https://user:s3cr3t@a.example/flows.yml", "expected the path of a file"),
        ("SECRETS_DIR", "a\nb", CONTROL),
    ],
)
def test_an_invalid_setting_of_the_exporter_is_reported(name: str, value: str, text: str) -> None:
    assert message(EMEA | {f"{P}{name}": value}) == text


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PROMPT", " \ta b\r\n", "a b"),
        ("CLIENT_ID", " client\n", "client"),
        ("EXPECTED_STATUSES", " A ,\tB\n", ("A", "B")),
    ],
)
def test_white_space_around_a_value_is_removed(name: str, text: str, value: object) -> None:
    assert getattr(only_target({f"{T}{name}": text}), name.lower()) == value


@pytest.mark.parametrize("name", ["a", "0", "emea_1", "a_b_c", "x" * 63])
def test_a_target_name_consists_of_groups_of_letters_and_digits(name: str) -> None:
    environ = {variable.replace("EMEA", name): value for variable, value in EMEA.items()}
    assert load(environ, NOWHERE).targets[0].name == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, TARGET_NAME) for name in ("", "_", "_a", "a_", "a__b", "a-b", "é", "a\n")),
        ("x" * 64, TOO_LONG),
    ],
)
def test_any_other_target_name_is_rejected(name: str, text: str) -> None:
    assert message({f"{P}TARGETS": json.dumps({name: {}})}) == text


@pytest.mark.parametrize("name", ["a", "team_1", "a_", "x" * 63])
def test_a_label_name_is_one_that_prometheus_accepts(name: str) -> None:
    assert only_target({f"{D}LABELS__{name}": "x"}).labels == ((name, "x"),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, LABEL_NAME) for name in ("", "_a", "1a", "a__b", "a-b", "é", "a\n")),
        ("x" * 64, TOO_LONG),
        *((name, "reserved label; Prometheus or the exporter sets it") for name in sorted(RESERVED_LABELS)),
    ],
)
def test_any_other_label_name_is_rejected(name: str, text: str) -> None:
    assert message(variables("LABELS", {name: "x"})) == text


def test_the_labels_of_our_own_metrics_are_reserved() -> None:
    expected = {"target", "journey", "auth_host", "le", "quantile", "job", "instance"}
    assert expected <= RESERVED_LABELS
    assert MAX_NAME_LENGTH == 63


@pytest.mark.parametrize(
    ("value", "text"), [("x" * 257, "must have at most 256 characters"), (5, STRING), ([], STRING)]
)
def test_a_label_value_is_a_short_string(value: object, text: str) -> None:
    assert message(variables("LABELS", {"owner": value})) == text


def test_an_empty_label_is_none(tmp_path: Path) -> None:
    assert only_target({f"{T}LABELS__OWNER": "", f"{T}LABELS__TIER": "x" * 256}, tmp_path).labels == (
        ("tier", "x" * 256),
    )
