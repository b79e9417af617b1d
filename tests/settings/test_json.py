"""The JSON of FLOW_EXPORTER_TARGETS: equal to single variables, and every error with its path."""

from __future__ import annotations

import pytest
from settings.example import DESTINATION, NOWHERE, SOURCE, P, errors

from exporter.settings import load

NAME = f"{P}TARGETS"
EXAMPLE = 'use e.g. {"emea": {"client_id": "..."}}'
TARGET_NAME = "invalid name; use letters and digits in groups joined by single underscores"


def test_names_are_folded() -> None:
    document = f"""{{"EMEA": {{"Source_Environment_Id": "{SOURCE}", "CLIENT_ID": "c", "pkce": true,
        "destination_environment_id": "{DESTINATION}", "Labels": {{"Tier": "x"}}}}}}"""
    (target,) = load({NAME: document}, NOWHERE).targets
    assert (target.name, target.client_id, target.pkce, target.labels) == (
        "emea",
        "c",
        True,
        (("tier", "x"),),
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "invalid JSON (line 1, column 1)"),
        ('{"emea": {\n  "scope": s3cr3t}}', "invalid JSON (line 2, column 12)"),
        ('{"emea": {"scope": "a\nb"}}', "invalid JSON (line 1, column 22)"),
        ('{"emea": {"max_age": NaN}}', "invalid JSON"),
        ('{"emea": {"max_age": ' + "1" * 5000 + "}}", "invalid JSON"),
        ("[" * 100_000, "invalid JSON"),
        ("[]", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ("5", "expected a JSON object"),
    ],
)
def test_anything_but_a_json_object_is_reported_without_showing_it(document: str, message: str) -> None:
    assert errors({NAME: document}) == [f"{NAME}: {message}; {EXAMPLE}"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ('{"emea": {}, "emea": {}}', " (emea): set twice; keep one of them"),
        (
            '{"EMEA": {}, "emea": {}}',
            " (emea): same setting as FLOW_EXPORTER_TARGETS (EMEA); keep one of them",
        ),
        (
            '{"EMEA": 1, "emea": {}}',
            " (emea): same setting as FLOW_EXPORTER_TARGETS (EMEA); keep one of them",
        ),
        ('{"a": {"scope": "x", "scope": "y"}}', " (a.scope): set twice; keep one of them"),
        (
            '{"a": {"labels": {"t": "x", "T": "y"}}}',
            " (a.labels.T): same setting as FLOW_EXPORTER_TARGETS (a.labels.t); keep one of them",
        ),
        ('{"a": {"intervall": "1s"}}', " (a.intervall): unknown setting; did you mean a.interval?"),
        ('{"a": {"labels_tier": "1s"}}', " (a.labels_tier): unknown setting; did you mean a.labels.tier?"),
        ('{"a": {"label": {"tier": "x"}}}', " (a.label): unknown setting; did you mean a.labels?"),
        ('{"a": {"nonsense": "1s"}}', " (a.nonsense): unknown setting"),
        ('{"a": {"scope": {"x": 1}}}', " (a.scope): expected a single value"),
        ('{"a": {"labels": "x"}}', " (a.labels): expected a JSON object"),
        ('{"a": []}', " (a): expected a JSON object"),
        ('{"a b\\u0000": {}}', f" (a b\\x00): {TARGET_NAME}"),
        ('{"a": ' * 30 + "1" + "}" * 30, f" ({'.'.join('a' * 20)}): nested deeper than 20 levels"),
    ],
)
def test_an_error_inside_is_reported_with_its_path(document: str, error: str) -> None:
    assert f"{NAME}{error}" in errors({NAME: document})


def test_an_error_inside_hides_no_other() -> None:
    document = '{"a-b": {}, "a": {"x": 1, "labels": {"le": "1"}}, "b": 1}'
    assert [line for line in errors({NAME: document}) if "missing" not in line] == [
        f"{NAME} (a-b): {TARGET_NAME}",
        f"{NAME} (a.labels.le): reserved label; Prometheus or the exporter sets it",
        f"{NAME} (a.x): unknown setting",
        f"{NAME} (b): expected a JSON object",
    ]
