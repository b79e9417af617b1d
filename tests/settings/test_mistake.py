"""Mistakes: sorted, each once, on one line each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.mistake import ConfigurationError, InvalidSetting, printable


def test_mistakes_are_sorted_and_each_is_told_once() -> None:
    error = ConfigurationError(
        [
            InvalidSetting("B", "x"),
            InvalidSetting("A", "y"),
            InvalidSetting("B", "x"),
            InvalidSetting("A", "x"),
        ]
    )
    assert error.mistakes == (InvalidSetting("A", "x"), InvalidSetting("A", "y"), InvalidSetting("B", "x"))
    assert str(error) == "A: x\nA: y\nB: x"


@given(st.text(st.characters()))
def test_any_name_is_shown_in_printable_ascii_of_bounded_length(name: str) -> None:
    shown = printable(name)
    assert shown.isascii()
    assert shown == "" or shown.isprintable()
    assert len(shown) <= 203


def test_a_name_of_the_longest_length_is_shown_whole() -> None:
    assert printable("X" * 200) == "X" * 200
    assert printable("X" * 201) == "X" * 200 + "..."
