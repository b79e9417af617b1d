"""Where two places must agree, a test names the one that is out of date."""

from __future__ import annotations

import ast
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from exporter import target
from exporter.settings import Config, LogSettings, ShardSettings, StatusPageSettings, WebSettings
from exporter.target import Journey, NetworkRoute, Target

EXPORTER = Path(target.__file__).parent


SHOW_SETTINGS = {"settings", "check_config"}
"""They show every setting, so they do not count as its users."""


NOT_USED = {"WebSettings.config_file"}
"""Only settings read it."""


@cache
def _attributes_read() -> set[str]:
    return {
        node.attr
        for path in EXPORTER.rglob("*.py")
        if path.relative_to(EXPORTER).parts[0].removesuffix(".py") not in SHOW_SETTINGS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


@pytest.mark.parametrize("journey", Journey)
def test_a_journey_yields_exactly_the_steps_that_its_metrics_know(journey: Journey) -> None:
    tree = ast.parse((EXPORTER / "probing" / "journeys" / f"{journey}.py").read_text(encoding="utf-8"))
    names = {
        value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Step"
        for value in (*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "name"))
        if isinstance(value, ast.Constant)
    }

    assert names == set(journey.steps)


@pytest.mark.parametrize(
    "setting",
    [
        *(
            f"{kind.__name__}.{field.name}"
            for kind in (Target, Config, NetworkRoute)
            for field in fields(kind)
        ),
        *(
            f"{kind.__name__}.{name}"
            for kind in (WebSettings, LogSettings, ShardSettings, StatusPageSettings)
            for name in kind.model_fields
        ),
    ],
)
def test_every_setting_is_used(setting: str) -> None:
    assert setting.partition(".")[2] in _attributes_read() or setting in NOT_USED
