"""The JSON of FLOW_EXPORTER_TARGETS: the same leaves as variables make, and every mistake with its path."""

from __future__ import annotations

import pytest

from exporter.settings.reading import read
from exporter.settings.written import Leaf, Place

NAME = "FLOW_EXPORTER_TARGETS"
EXAMPLE = 'write for example {"emea": {"client_id": "..."}}'


def told(document: str) -> list[str]:
    return [str(mistake) for mistake in read([(NAME, document)]).mistakes]


def test_keys_are_folded_and_the_path_keeps_the_operators_spelling() -> None:
    reading = read([(NAME, '{"EMEA": {"Labels": {"Tier": "x"}, "pkce": true}}')])
    assert reading.tree == {
        "targets": {
            "emea": {
                "labels": {"tier": Leaf("x", Place(NAME, ("EMEA", "Labels", "Tier")))},
                "pkce": Leaf(value=True, place=Place(NAME, ("EMEA", "pkce"))),
            }
        }
    }
    assert reading.places == {"emea": Place(NAME, ("EMEA",))}


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ("", "is no JSON (line 1, column 1)"),
        ('{"emea": {\n  "scope": s3cr3t}}', "is no JSON (line 2, column 12)"),
        ('{"emea": {"scope": "a\nb"}}', "is no JSON (line 1, column 22)"),
        ('{"emea": {"max_age": NaN}}', "is no JSON that can be read"),
        ('{"emea": {"max_age": ' + "1" * 5000 + "}}", "is no JSON that can be read"),
        ("[" * 100_000, "is no JSON that can be read"),
        ("[]", "is no JSON object"),
        ("null", "is no JSON object"),
        ('"emea"', "is no JSON object"),
    ],
)
def test_what_is_no_json_object_is_told_where_but_not_shown(document: str, wrong: str) -> None:
    assert told(document) == [f"{NAME}: {wrong}; {EXAMPLE}"]


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ('{"emea": {}, "emea": {}}', " (emea): is set twice; keep one of them"),
        ('{"EMEA": {}, "emea": {}}', " (emea): is the same as EMEA; keep one of them"),
        ('{"EMEA": 1, "emea": {}}', " (emea): is the same as EMEA; keep one of them"),
        ('{"a": {"scope": "x", "scope": "y"}}', " (a.scope): is set twice; keep one of them"),
        ('{"a": {"labels": {"t": "x", "T": "y"}}}', " (a.labels.T): is the same as t; keep one of them"),
        ('{"a": {"intervall": "1s"}}', " (a.intervall): is unknown; did you mean a.interval?"),
        ('{"a": {"labels_tier": "1s"}}', " (a.labels_tier): is unknown; did you mean a.labels.tier?"),
        ('{"a": {"label": {"tier": "x"}}}', " (a.label): is unknown; did you mean a.labels?"),
        ('{"a": {"nonsense": "1s"}}', " (a.nonsense): is unknown"),
        (
            '{"a": {"scope": {"x": 1}}}',
            " (a.scope): is one setting, not a group; write a value, not a JSON object",
        ),
        ('{"a": {"labels": "x"}}', " (a.labels): is a group, not one setting; write a JSON object"),
        ('{"a": null}', " (a): is a group, not one setting; write a JSON object"),
        (
            '{"a b\\u0000": {}}',
            (
                " (a b\\x00): has no right target name; write letters and digits, in groups joined by one "
                "underscore, at most 63 characters"
            ),
        ),
    ],
)
def test_a_mistake_inside_is_told_with_its_path(document: str, wrong: str) -> None:
    lines = [line for line in told(document) if line.startswith(f"{NAME} (")]
    assert f"{NAME}{wrong}" in lines


def test_one_mistake_inside_hides_no_other() -> None:
    assert told('{"a-b": {}, "a": {"x": 1, "labels": {"le": "1"}}, "b": 1}') == [
        (
            f"{NAME} (a-b): has no right target name; write letters and digits, in groups joined by one "
            "underscore, at most 63 characters"
        ),
        f"{NAME} (a.x): is unknown",
        f"{NAME} (a.labels.le): is a label that Prometheus or the exporter sets itself; choose another name",
        f"{NAME} (b): is a group, not one setting; write a JSON object",
    ]
