"""Programs of npm, installed as their lock file says, outside the tree: once for all runs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.prometheus import need_tool

MIN_NODE = 20
INSTALL_SECONDS = 240


def installed(source: Path) -> Path:
    """Return a copy of `source` with its packages; if that cannot be, the test is skipped, or fails in CI.

    Args:
        source: a directory with `package.json`, `package-lock.json` and a program.
    """
    need_tool("npm")
    version = subprocess.run(
        [need_tool("node"), "--version"], check=True, capture_output=True, text=True
    ).stdout
    if int(re.findall(r"\d+", version)[0]) < MIN_NODE:
        _give_up(f"node is {version.strip()}: oidc-provider needs {MIN_NODE} or newer")
    files = sorted(path for path in source.iterdir() if path.is_file())
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pingone-flow-exporter"
    directory = cache / f"{source.name}-{digest}"
    if not directory.is_dir():
        unfinished = cache / f"{source.name}-{digest}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        for path in files:
            shutil.copy(path, unfinished)
        try:
            _install(unfinished)
            unfinished.rename(directory)
        except OSError:
            if not directory.is_dir():  # else another run was faster
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return directory


def _install(directory: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command, cwd=directory, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.TimeoutExpired:
        _give_up("npm did not install oidc-provider in time")
        return
    if done.returncode:
        first = next(
            (line for line in done.stderr.splitlines() if line.startswith("npm error")), "npm failed"
        )
        _give_up(f"npm cannot install oidc-provider: {first}")


def _give_up(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
