"""Mistakes: sorted, each once, on one line each."""

from __future__ import annotations

from exporter.settings.mistake import ConfigurationError, InvalidSetting


def test_mistakes_are_sorted_and_each_is_told_once() -> None:
    error = ConfigurationError(
        [
            InvalidSetting("B", "x"),
            InvalidSetting("A", "y"),
            InvalidSetting("B", "x"),
            InvalidSetting("A", "x"),
        ]
    )
    assert error.errors == (InvalidSetting("A", "x"), InvalidSetting("A", "y"), InvalidSetting("B", "x"))
    assert str(error) == "A: x\nA: y\nB: x"
