"""The README's table says what each value is, and no value is left without a word."""

from __future__ import annotations

import chart_values
import pytest

VALUES = """\
# A text.
a: x

# A group.
g:
  # One
  # thing | another.
  b: [1, 2]
  c:
    # Deep.
    d: null
"""


def test_a_row_has_the_path_the_default_and_the_comment() -> None:
    assert chart_values.table(VALUES).splitlines()[2:] == [
        '| `a` | `"x"` | A text. |',
        "| `g` |  | A group. |",
        "| `g.b` | `[1, 2]` | One thing \\| another. |",
        "| `g.c.d` | `null` | Deep. |",
    ]


def test_a_separate_comment_belongs_to_no_value() -> None:
    with pytest.raises(chart_values.CommentMissingError, match=r"^a$"):
        chart_values.table("# About the file.\n\na: 1\n")


def test_the_readme_keeps_its_handwritten_parts() -> None:
    text = chart_values.readme()
    assert text.startswith("# pingone-flow-exporter\n")
    assert "| `targets` | `{}` |" in text
    assert text.count("<!-- End of values. -->") == 1
