"""Raise the limit of our own delay, so that a slow test machine does not look like a slow exporter."""

from __future__ import annotations

import pytest

from exporter.probing import findings

OF_THE_LIMIT_ITSELF = "test_findings.py"


@pytest.fixture(autouse=True)
def _unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.path.name != OF_THE_LIMIT_ITSELF:
        monkeypatch.setattr(findings, "MAX_OWN_DELAY_SECONDS", 20.0)
