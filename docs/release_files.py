"""The files of a release, each the same whenever and wherever it is built from one commit.

Run as a program by `make dist`: writes wheel, sdist, packaged chart, bill of materials and SHA256SUMS.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import sbom

from exporter import __version__

ROOT = Path(__file__).resolve().parents[1]
NAME = "pingone-flow-exporter"
CHART = ROOT / "helm" / NAME
LEFT_OUT = ("ci", ".helmignore")
"""Of the chart, as in its .helmignore."""
_IMAGE = {"values.yaml": f"\n  repository: {NAME}\n", "Chart.yaml": f"\n      image: {NAME}:{__version__}\n"}
"""Where the chart names its image."""


def write_packages(directory: Path) -> None:
    """Build wheel and sdist."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  no text of a user


def write_chart(directory: Path, repository: str, epoch: int) -> None:
    """Package the chart as `helm package` does, but for the order of files, their dates and owners.

    Args:
        directory: where to.
        repository: of the image; empty for the one in values.yaml, which has no registry.
        epoch: the date of each file.
    """
    stem = f"{NAME}-{__version__}"
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        # Helm writes Chart.yaml first, and reads it fastest there.
        for path in sorted(CHART.rglob("*"), key=lambda path: (path.name != "Chart.yaml", path)):
            inside = path.relative_to(CHART)
            if not path.is_file() or inside.parts[0] in LEFT_OUT:
                continue
            content = path.read_bytes()
            if repository and (line := _IMAGE.get(str(inside))):
                content = _with_repository(content.decode(), line, repository).encode()
            member = tarfile.TarInfo(f"{NAME}/{inside.as_posix()}")
            member.size, member.mtime = len(content), epoch
            archive.addfile(member, io.BytesIO(content))
    (directory / f"{stem}.tgz").write_bytes(gzip.compress(plain.getvalue(), mtime=0))


def _with_repository(text: str, line: str, repository: str) -> str:
    if text.count(line) != 1:
        raise SystemExit(f"the chart has no line {line.strip()!r}, or several")
    return text.replace(line, line.replace(NAME, repository))


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--image", default="", help="repository of the image that the chart installs")
    arguments = parser.parse_args()
    directory: Path = arguments.directory
    directory.mkdir(parents=True, exist_ok=True)
    write_packages(directory.resolve())
    write_chart(directory, arguments.image, int(os.environ["SOURCE_DATE_EPOCH"]))
    (directory / f"{NAME}-{__version__}.cdx.json").write_text(sbom.document(), encoding="utf-8")
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (directory / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
