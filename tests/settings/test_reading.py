"""Names of variables: folded, compared, found in the schema, or guessed; never their values."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.settings.reading import read
from exporter.settings.written import Leaf, Place

P = "FLOW_EXPORTER_"
T = "FLOW_EXPORTER_TARGETS__"
BARE = "is a group, not one setting;"


def told(*variables: tuple[str, str], file: str = "") -> list[str]:
    return [str(mistake) for mistake in read(variables, file=file).mistakes]


def test_a_variable_becomes_a_leaf_that_knows_its_place() -> None:
    reading = read(
        [("Flow_Exporter_Targets__EMEA__Labels__Tier", "gold"), (f"{P}LOG__LEVEL", "info")], file=".env"
    )
    place = Place("Flow_Exporter_Targets__EMEA__Labels__Tier", file=".env")
    assert reading.tree == {
        "targets": {"emea": {"labels": {"tier": Leaf("gold", place)}}},
        "log": {"level": Leaf("info", Place(f"{P}LOG__LEVEL", file=".env"))},
    }
    assert reading.places == {"emea": Place("Flow_Exporter_Targets__EMEA", file=".env")}
    assert reading.mistakes == []


def test_a_target_in_json_and_in_variables_is_placed_in_the_json() -> None:
    reading = read([(f"{T}EMEA__SCOPE", "openid"), (f"{P}TARGETS", '{"Emea": {}}')])
    assert reading.places == {"emea": Place(f"{P}TARGETS", ("Emea",))}
    assert reading.mistakes == []


def test_two_spellings_of_one_variable_are_a_mistake() -> None:
    assert told((f"{P}LOG__LEVEL", "info"), (f"{P}log__level", "info")) == [
        "FLOW_EXPORTER_log__level: is the same as FLOW_EXPORTER_LOG__LEVEL; keep one of them"
    ]


def test_one_variable_written_twice_is_a_mistake() -> None:
    assert told((f"{P}LOG__LEVEL", "info"), (f"{P}LOG__LEVEL", "info"), file=".env") == [
        "FLOW_EXPORTER_LOG__LEVEL in .env: is set twice; keep one of them"
    ]


def test_the_json_variable_written_twice_is_a_mistake_too() -> None:
    assert told((f"{P}TARGETS", "{}"), (f"{P}Targets", "{}")) == [
        "FLOW_EXPORTER_Targets: is the same as FLOW_EXPORTER_TARGETS; keep one of them"
    ]


def test_each_further_spelling_of_a_target_is_told_once() -> None:
    assert told(
        (f"{T}EMEA__SCOPE", ""), (f"{T}Emea__PKCE", ""), (f"{T}Emea__PROMPT", ""), (f"{T}EMEA__REGION", "")
    ) == [f"{T}Emea__PKCE: spells its target in another way than {T}EMEA__SCOPE; spell it in one way"]


def test_the_prefix_may_be_spelt_in_many_ways() -> None:
    assert told((f"{T}EMEA__SCOPE", ""), ("flow_exporter_targets__EMEA__PKCE", "")) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (f"{T}EMEA__CLINT_ID", f"{T}EMEA__CLIENT_ID"),
        (f"{T}EMEA__CLIENT", f"{T}EMEA__CLIENT_ID"),
        (f"{T}Emea__SOURCE_ENV_ID", f"{T}Emea__SOURCE_ENVIRONMENT_ID"),
        ("flow_exporter_targets__emea__intervall", "flow_exporter_targets__emea__interval"),
        (f"{P}TARGET__EMEA__CLIENT_ID", f"{T}EMEA__CLIENT_ID"),
        (f"{P}TRAGETS__EMEA__CLEINT_ID", f"{T}EMEA__CLIENT_ID"),
        (f"{P}TARGETS_EMEA_CLIENT_ID", f"{T}EMEA__CLIENT_ID"),
        (f"{P}TARGETS_EMEA_DESTINATION_REGION", f"{T}EMEA__DESTINATION_REGION"),
        (f"{T}EMEA__LABEL__TIER", f"{T}EMEA__LABELS__TIER"),
        (f"{T}EMEA__LABELS_TIER", f"{T}EMEA__LABELS__TIER"),
        (f"{P}LOG_LEVEL", f"{P}LOG__LEVEL"),
        (f"{P}WEB__LISTEN_ADDRESSES", f"{P}WEB__LISTEN_ADDRESS"),
        (f"{P}DEFAULT__TIMEOUT", f"{P}DEFAULTS__TIMEOUT"),
        (f"{P}TIMEOUT", f"{P}DEFAULTS__TIMEOUT"),
        (f"{P}SHUTDOWN_GRACE_", f"{P}SHUTDOWN_GRACE"),
    ],
)
def test_an_unknown_variable_is_asked_what_was_meant(name: str, meant: str) -> None:
    assert told((name, "value")) == [f"{name}: is unknown; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name",
    [
        P,
        f"{P}NONSENSE",
        f"{P}NONSENSE__X",
        f"{T}EMEA__NONSENSE",
        f"{T}EMEA__SCOPE__X",
        f"{T}EMEA__LABELS__A__B",
        f"{P}TARGETS_a-b_CLIENT_ID",
        f"{P}LOG__LEVEL__",
    ],
)
def test_what_is_close_to_nothing_is_just_unknown(name: str) -> None:
    assert told((name, "value")) == [f"{name}: is unknown"]


@pytest.mark.parametrize("name", [f"{T}__SCOPE", f"{T}A-B__SCOPE", f"{T}_A__SCOPE", f"{T}{'X' * 64}__SCOPE"])
def test_a_wrong_target_name_is_told_what_a_right_one_is(name: str) -> None:
    assert told((name, "value")) == [
        (
            f"{name}: has no right target name; write letters and digits, in groups joined by one "
            "underscore, at most 63 characters"
        )
    ]


def test_a_label_name_is_checked_in_variables_and_defaults() -> None:
    reserved = "is a label that Prometheus or the exporter sets itself; choose another name"
    assert told((f"{T}A__LABELS__JOB", "x"), (f"{P}DEFAULTS__LABELS__Target", "x")) == [
        f"{T}A__LABELS__JOB: {reserved}",
        f"{P}DEFAULTS__LABELS__Target: {reserved}",
    ]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        (f"{P}WEB", f"write for example {P}WEB__LISTEN_ADDRESS"),
        (f"{P}DEFAULTS", f"write for example {P}DEFAULTS__SOURCE_ENVIRONMENT_ID"),
        (f"{T}EMEA", f"write for example {T}EMEA__SOURCE_ENVIRONMENT_ID"),
        (f"{T}EMEA__LABELS", f"write for example {T}EMEA__LABELS__OWNER"),
        (f"{T}EMEA_CLIENT_ID", f"did you mean {T}EMEA__CLIENT_ID?"),
    ],
)
def test_a_bare_group_is_told_what_is_missing(name: str, advice: str) -> None:
    assert told((name, "value")) == [f"{name}: {BARE} {advice}"]


def test_a_name_beyond_ascii_is_shown_escaped_and_is_no_other_name() -> None:
    kelvin = f"{T}EMEA__P\u212aCE"
    assert told((kelvin, "true")) == [f"{T}EMEA__P\\u212aCE: is unknown"]


def test_a_name_of_any_bytes_and_length_is_shown_safely() -> None:
    (line,) = told((f"{P}\udc80\x1b[2J{'x' * 100_000}", "value"))
    assert line.startswith(f"{P}\\udc80\\x1b[2Jxxx")
    assert line.endswith("xxx...: is unknown")
    assert len(line) < 230


def test_no_value_is_in_a_repr() -> None:
    reading: Any = read([(f"{T}EMEA__LOGIN_HINT", "s3cr3t")])
    assert "s3cr3t" not in repr(reading)
