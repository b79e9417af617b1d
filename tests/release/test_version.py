"""The version is set in `exporter/__init__.py`; whatever else names it agrees."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from exporter import __version__

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(
    r"(?:pingone[-_]flow[-_]exporter[:-]|refs/tags/v|^ARG VERSION=|targetRevision: |--version "
    r"|^(?:appV|v)ersion: \"?)"
    r"(\d+\.\d+\.\d+)",
    re.MULTILINE,
)
TIMES = {
    "Dockerfile": 1,
    "README.md": 2,
    "SECURITY.md": 5,
    "docs/kubernetes.md": 3,
    "helm/pingone-flow-exporter/Chart.yaml": 3,
}
"""How often a file names it."""


@pytest.mark.parametrize(("name", "times"), TIMES.items())
def test_a_file_that_names_the_version_names_the_current_one(name: str, times: int) -> None:
    named = NAMED.findall((ROOT / name).read_text(encoding="utf-8"))
    assert named == [__version__] * times


def test_no_other_text_names_the_version() -> None:
    """A new one is added to the list above, so that the next release does not forget it."""
    pattern = rf"pingone[-_]flow[-_]exporter[:-]{re.escape(__version__)}"
    done = subprocess.run(
        ["git", "grep", "--files-with-matches", "-E", pattern],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert set(done.stdout.split()) <= set(TIMES)


def test_the_changelog_has_a_section_for_the_version_below_an_unreleased_one() -> None:
    titles = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)} \((unreleased|\d{{4}}-\d{{2}}-\d{{2}})\)", titles[1])
