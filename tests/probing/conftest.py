"""Delays of this machine are not to be taken for the exporter's."""

from __future__ import annotations

import pytest

from exporter.probing import findings


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that ends is the provider's doing, unless the exporter kept it waiting for very long."""
    monkeypatch.setattr(findings, "MAX_OWN_DELAY_SECONDS", 20.0)
