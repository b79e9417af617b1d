"""Code, docs and chart are in plain English: words that give away a translation are not used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = (
    "exporter",
    "docs",
    "helm",
    "benchmarks",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
TEXT = {
    ".py",
    ".md",
    ".yaml",
    ".yml",
    ".json",
    ".tpl",
    ".txt",
    ".toml",
    ".service",
    ".example",
    ".html",
    ".css",
}
AVOIDED = re.compile(
    r"\b(?i:whoever|nobody|anybody|somebody|whose|told|tells|hardly|mistakes?)\b"
    r"|\b(?:MOST|LARGEST|LONGEST)_"
    r"|\bis no [^.;\n]*;"
)
"""From the style guide: name the subject; write error, return, report or log; MAX_ for a limit."""


def found(*places: str) -> Iterator[str]:
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*") if path.is_dir() else [path]):
            if file.suffix in TEXT and file.is_file() and file != Path(__file__).resolve():
                for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                    for match in AVOIDED.finditer(line):
                        yield f"{file.relative_to(ROOT)}:{number}: {match[0]}"


@pytest.mark.parametrize("places", [PRODUCT, ("tests",)], ids=["product", "tests"])
def test_words_that_give_away_a_translation_are_not_used(places: tuple[str, ...]) -> None:
    if words := list(found(*places)):
        pytest.fail("\n".join(["", *words]), pytrace=False)
