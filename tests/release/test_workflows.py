"""Workflows: none may do more than it needs, and only the one of a release publishes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TRUSTED = ("actions/", "pypa/gh-action-pypi-publish", "sigstore/cosign-installer")
BY_NAME = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    # "on" is a boolean in YAML 1.1
    workflow: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    return workflow


@BY_NAME
def test_only_a_release_may_write(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] in ({"contents": "read"}, {})
    for name, job in workflow["jobs"].items():
        writes = {scope for scope, access in job.get("permissions", {}).items() if access != "read"}
        assert path.stem == "release" or writes == set(), name
    assert "pull_request_target" not in workflow["on"]


@BY_NAME
def test_few_are_trusted_with_a_step_and_each_by_its_commit(path: Path) -> None:
    """A tag can be moved to other code; the version behind the hash is for people and Dependabot."""
    for used in re.findall(r"uses: (.+)", path.read_text(encoding="utf-8")):
        name, _, version = used.partition("@")
        assert name.startswith(TRUSTED), used
        assert re.fullmatch(r"[0-9a-f]{40}  # v\d+\.\d+\.\d+", version), used


def test_a_release_is_proven_before_anything_is_published() -> None:
    workflow = read(ROOT / ".github" / "workflows" / "release.yaml")
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    jobs = workflow["jobs"]
    commands = [step.get("run", "") for step in jobs["files"]["steps"]]
    assert commands.index(".ci/run") < commands.index("make release-check")
    for name, job in jobs.items():
        if "write" in job.get("permissions", {}).values():
            assert "files" in job["needs"], name


def test_what_a_release_publishes_is_signed() -> None:
    jobs = read(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]
    for name, signs in (("publish-image", True), ("publish-chart", True), ("publish-packages", False)):
        steps = jobs[name]["steps"]
        assert any(step.get("uses", "").startswith("actions/attest-build-provenance@") for step in steps)
        assert any("cosign sign --yes" in step.get("run", "") for step in steps) is signs
    architectures = [row["architecture"] for row in jobs["image"]["strategy"]["matrix"]["include"]]
    assert architectures == ["amd64", "arm64"]
