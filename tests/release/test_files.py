"""The files of a release: the same at every build, and they install and run where nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import helm_python
import pytest
from harness.daemon import run_command

from exporter import __version__

pytestmark = [pytest.mark.release, pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
WHEEL = f"pingone_flow_exporter-{__version__}-py3-none-any.whl"
SDIST = f"pingone_flow_exporter-{__version__}.tar.gz"
CHART = f"pingone-flow-exporter-{__version__}.tgz"
SBOM = f"pingone-flow-exporter-{__version__}.cdx.json"
IMAGE = "registry.example/team/pingone-flow-exporter"


def run(*command: str | Path, cwd: Path, umask: int = 0o022) -> None:
    done = subprocess.run(
        command, cwd=cwd, umask=umask, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def environment() -> dict[str, str]:
    epoch = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout.strip()
    return {**os.environ, "SOURCE_DATE_EPOCH": epoch}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files, built twice from what is committed: elsewhere, later, and with another umask."""
    both = []
    for name, umask in (("first", 0o022), ("other-and-longer", 0o077)):
        directory = tmp_path_factory.mktemp(name)
        run("git", "-C", ROOT, "archive", "--output", directory / "tree.tar", "HEAD", cwd=directory)
        (directory / "tree").mkdir()
        run("tar", "-xf", "../tree.tar", cwd=directory / "tree", umask=umask)
        program = ("docs/release_files.py", "--image", IMAGE, directory / "dist")
        run("env", "PYTHONPATH=.", sys.executable, *program, cwd=directory / "tree", umask=umask)
        both.append(directory / "dist")
    first, second = both
    return first, second


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_two_builds_are_the_same_byte_for_byte(built: tuple[Path, Path]) -> None:
    first, second = map(contents, built)
    assert first.keys() == second.keys() == {WHEEL, SDIST, CHART, SBOM, "SHA256SUMS"}
    assert [name for name in first if first[name] != second[name]] == []


def test_the_checksums_are_those_of_the_files(built: tuple[Path, Path]) -> None:
    run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=built[0])
    assert len((built[0] / "SHA256SUMS").read_text(encoding="ascii").splitlines()) == 4


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the pinned dependencies alone."""
    directory = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", directory / "venv", cwd=directory)
    pinned = ("--require-hashes", "--only-binary", ":all:")
    requirements = ("-r", ROOT / "requirements.txt", "-r", ROOT / "requirements-build.txt")
    pip(directory / "venv", *pinned, *requirements)
    return directory / "venv"


def pip(venv: Path, *arguments: str | Path) -> None:
    run(venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *arguments, cwd=venv)


@pytest.mark.parametrize("name", [WHEEL, SDIST])
def test_it_installs_into_an_empty_environment_and_shows_the_demo(
    name: str, built: tuple[Path, Path], empty: Path, tmp_path: Path
) -> None:
    pip(empty, "--no-index", "--no-deps", "--no-build-isolation", "--force-reinstall", built[0] / name)
    command = (str(empty / "bin" / "pingone-flow-exporter"),)
    assert run_command("--version", cwd=tmp_path, command=command).stdout.split()[-1] == __version__
    shown = run_command("demo", "--duration", "2s", cwd=tmp_path, command=command)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "emea_workforce: " in shown.stdout


def test_the_wheel_of_the_sdist_is_the_wheel(built: tuple[Path, Path], empty: Path, tmp_path: Path) -> None:
    command = (empty / "bin" / "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run(*command, "--wheel-dir", tmp_path, built[0] / SDIST, cwd=tmp_path)
    assert (tmp_path / WHEEL).read_bytes() == (built[0] / WHEEL).read_bytes()


def test_the_packaged_chart_is_the_chart_with_the_image_of_the_release(built: tuple[Path, Path]) -> None:
    packaged = helm_python.Chart.load_archive((built[0] / CHART).read_bytes())
    source = helm_python.Chart.load(ROOT / "helm" / "pingone-flow-exporter")
    assert (packaged.version, packaged.metadata["appVersion"]) == (__version__, __version__)
    values = {
        "targets": {"emea": dict.fromkeys(("sourceEnvironmentId", "destinationEnvironmentId"), ID) | CLIENT}
    }
    assert packaged.render(values, name="a") == source.render(
        values | {"image": {"repository": IMAGE}}, name="a"
    )
    assert f"{IMAGE}:{__version__}" in packaged.metadata["annotations"]["artifacthub.io/images"]


ID = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
CLIENT = {"clientId": "client"}
