"""Helm finds nothing to say about the chart, and a `helm` on PATH renders what the tests look at."""

from __future__ import annotations

import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from chart.rendering import CHART, CI, NAMESPACE, ONE, RELEASE, lint, render, values_of

from exporter import __version__

HELM = shutil.which("helm")
FILES = pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)


@FILES
@pytest.mark.parametrize("kube_version", ["v1.25.0", "v1.37.0"])
def test_strict_lint_finds_nothing(path: Path, kube_version: str) -> None:
    assert lint(values_of(path), kube_version=kube_version) == []


def test_lint_reports_errors() -> None:
    assert "additional properties 'shard' not allowed" in " ".join(lint({"shard": 3}, kube_version="v1.37.0"))


def test_the_defaults_alone_pass_the_lint() -> None:
    """Lint must pass without targets, as an editor runs it."""
    assert lint({}, kube_version="v1.37.0") == []


def test_the_chart_installs_the_exporter_of_this_repository() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__
    assert chart["kubeVersion"] == ">=1.25.0-0"
    assert chart["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    assert chart["version"] == __version__


def test_the_package_has_its_license_an_icon_and_the_image_for_a_registry_of_charts() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (CHART / "LICENSE").read_bytes() == (CHART.parents[1] / "LICENSE").read_bytes()
    assert b64decode(chart["icon"].removeprefix("data:image/svg+xml;base64,")).startswith(b"<svg ")
    (image,) = yaml.safe_load(chart["annotations"]["artifacthub.io/images"])
    assert image["image"] == render(ONE).pods[0]["containers"][0]["image"]
    assert chart["maintainers"]


@pytest.mark.skipif(HELM is None, reason="there is no helm on PATH")
@FILES
def test_a_helm_on_path_renders_the_same(path: Path) -> None:
    assert HELM is not None
    subprocess.run([HELM, "lint", "--strict", CHART, "--values", path], check=True, capture_output=True)
    command = [HELM, "template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    def key(manifest: dict[str, str]) -> str:
        return yaml.safe_dump(manifest)

    rendered = sorted(filter(None, yaml.safe_load_all(done.stdout)), key=key)
    assert rendered == sorted(render(values_of(path)).manifests, key=key)
