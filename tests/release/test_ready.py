"""What is committed may be released: nothing is left out, the version is new, and the changelog knows it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from exporter import __version__

pytestmark = pytest.mark.release

ROOT = Path(__file__).resolve().parents[2]
TAG = f"v{__version__}"


def git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    ).stdout.strip()


def test_everything_is_committed() -> None:
    assert git("status", "--porcelain") == ""


def test_the_version_is_not_that_of_another_commit() -> None:
    assert git("rev-parse", "--verify", "--quiet", f"{TAG}^{{commit}}") in {"", git("rev-parse", "HEAD")}


def test_the_changelog_says_when() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased, section = re.split(r"^## .*$", changelog, flags=re.MULTILINE)[1:3]
    assert re.search(r"^- ", section, re.MULTILINE)
    if f"## {__version__} (unreleased)" in changelog and TAG not in git("tag", "--points-at", "HEAD").split():
        pytest.skip(f"{__version__} has no date in CHANGELOG.md yet: set it before you tag the commit")
    assert f"## {__version__} (unreleased)" not in changelog
    assert unreleased.strip() == "", "these entries belong to the release"
