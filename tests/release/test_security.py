"""SECURITY.md: each promise has its tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
PROMISES, PROOFS = re.split(r"^## .*$", TEXT, flags=re.MULTILINE)[2:4]
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", TEXT)))


def test_each_promise_is_in_the_table_of_tests() -> None:
    promised = re.findall(r"^\*\*(.*?)\.\*\*", PROMISES, re.MULTILINE)
    assert len(promised) >= 7
    assert re.findall(r"^\| \*\*(.*?)\*\* \|.*`tests/", PROOFS, re.MULTILINE) == promised


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_exists(named: str) -> None:
    path, _, function = named.partition("::")
    assert (ROOT / path).exists()
    if function:
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


def test_every_dependency_is_pinned_by_hash() -> None:
    for name in ("requirements.txt", "requirements-build.txt", "requirements-dev.txt"):
        text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        lines = text.replace("\\\n", "").splitlines()
        assert [
            line[:40] for line in lines if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
        ] == []
    installs = re.findall(
        r"pip .* install .*", (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    )
    assert len(installs) >= 3
    for line in installs:
        assert "--require-hashes" in line or "--no-index" in line
