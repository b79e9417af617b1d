"""The image as `make image` builds it, on a base that this machine makes itself; run without a daemon.

    debootstrap ──> base ── make image ──> image ──> container, in which commands run

The base is what a registry's would be: Debian with Python. What the machine needs to reach a package index
(authorities of its own, a mirror, a proxy) goes into it, for the build happens inside.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from harness.process import Process
from harness.prometheus import need_tool
from harness.waiting import PATIENCE, poll

ROOT = Path(__file__).resolve().parents[2]
BASE = "localhost/base:test"
TAG = "localhost/pingone-flow-exporter:test"
INCLUDED = "python3,python3-venv,python3-pip,ca-certificates"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILD_TIMEOUT = 600.0
MAX_TRIES = 3
BUILDAH_EXIT_LINE = re.compile(r"^.*exit(ed with)? status \d+.*\n", re.MULTILINE)
"""What buildah adds when a program fails."""
ROOM = 2**30
"""Bytes; a base has a third of it."""

_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")


def need_builder() -> None:
    """Skip the test, or fail it in CI, where images cannot be built."""
    need_tool("buildah")
    need_tool("debootstrap")
    if os.geteuid() == 0:
        return
    reason = "images are built as root: run the tests as root, or leave out tests/image"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Builder:
    """buildah with a storage of its own, which is gone with the directory.

    Args:
        directory: for images and containers.
    """

    def __init__(self, directory: Path) -> None:
        configuration = directory / "storage.conf"
        own = {"CONTAINERS_STORAGE_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}
        self.environment = {**os.environ, **own}
        for driver in ("overlay", "vfs"):  # the other one works everywhere, and copies every layer
            text = f'driver = "{driver}"\ngraphroot = "{directory}/images"\nrunroot = "{directory}/run"\n'
            configuration.write_text(f"[storage]\n{text}", encoding="utf-8")
            if not subprocess.run(
                ["buildah", "info"], env=self.environment, capture_output=True, check=False
            ).returncode:
                break

    def run(self, *command: str, timeout: float = BUILD_TIMEOUT) -> str:
        """Run a command to its end, and return its output.

        Raises:
            AssertionError: it failed; the text has its last words.
        """
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, (
            f"{command}: {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
        return done.stdout

    def make_base(self) -> None:
        """Make the base image."""
        with TemporaryDirectory(prefix="base-", dir=_quick_place()) as directory:
            root = Path(directory) / "root"
            suite, mirror, proxy = _apt()
            command = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", suite, str(root), mirror]
            self.run("env", *([f"http_proxy={proxy}"] if proxy else []), *command)
            for archive in (root / "var" / "cache" / "apt" / "archives").glob("*.deb"):
                archive.unlink()
            if AUTHORITIES.exists():
                shutil.copyfile(AUTHORITIES, root / AUTHORITIES.relative_to("/"))
            (root / "etc" / "pip.conf").write_text(_pip_configuration(), encoding="utf-8")
            container = self.run("buildah", "from", "scratch").strip()
            self.run("buildah", "add", "--quiet", container, str(root), "/")
            self.run("buildah", "commit", "--quiet", "--rm", container, BASE)

    def make_image(self, tag: str = TAG, *, epoch: int | None = None) -> None:
        """Build the image with `make image`.

        Args:
            tag: its name.
            epoch: the date of everything in it; None for today's, and layers that exist already.
        """
        dated = [] if epoch is None else [f"SOURCE_DATE_EPOCH={epoch}"]
        self.run("make", "image", f"BASE={BASE}", f"TAG={tag}", *dated)

    def inspect(self, tag: str = TAG) -> dict[str, Any]:
        """Return the image's configuration in the words of OCI, with the ids of its layers."""
        document: dict[str, Any] = json.loads(self.run("buildah", "inspect", "--type", "image", tag))["OCIv1"]
        return document

    def clear(self) -> None:
        """Remove all, mounts above all."""
        self.run("buildah", "rm", "--all")
        self.run("buildah", "rmi", "--all", "--force")


@contextmanager
def built() -> Iterator[Builder]:
    """Build the image; it is gone at the end."""
    with TemporaryDirectory(prefix="image-", ignore_cleanup_errors=True) as directory:
        builder = Builder(Path(directory))
        try:
            builder.make_base()
            builder.make_image()
            yield builder
        finally:
            builder.clear()
            # buildah mounts its storage on itself, and leaves that so
            subprocess.run(["umount", "--quiet", "--lazy", f"{directory}/images/overlay"], check=False)


class Container:
    """A container of the image, in which commands run as the user that the image names.

    Args:
        builder: who built the image.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._configuration = builder.inspect()["config"]
        self.name = builder.run("buildah", "from", TAG).strip()

    def command(self, *arguments: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """Return what runs the image's entry point with these arguments."""
        return self.other(*self._configuration["Entrypoint"], *arguments, environment=environment)

    def other(self, *command: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """Return what runs another program."""
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        return ["buildah", "run", *variables, self.name, "--", *command]

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Run the entry point to its end, and return its exit code and what it wrote."""
        return self._run(self.command(*arguments, environment=environment))

    def run_other(self, *command: str) -> tuple[int, str, str]:
        """Run another program to its end, and return its exit code and what it wrote."""
        return self._run(self.other(*command))

    def written(self, user: int) -> list[str]:
        """Return the files in the container that belong to a user, as those would that it wrote."""
        root = self._builder.run("buildah", "mount", self.name).strip()
        found = self._builder.run("find", root, "-xdev", "-uid", str(user))
        return sorted(line.removeprefix(root) for line in found.splitlines())

    def start(self, *arguments: str, logs: Path, environment: Mapping[str, str] | None = None) -> Contained:
        """Return what runs the entry point as a process, inside its `with` block."""
        command = self.command(*arguments, environment=environment)
        return Contained(command, directory=ROOT, logs=logs, environment=self._builder.environment)

    def _run(self, command: Sequence[str]) -> tuple[int, str, str]:
        for _ in range(MAX_TRIES):  # now and then buildah 1.28 loses all output of a program
            done = subprocess.run(
                command,
                env=self._builder.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                timeout=PATIENCE,
                check=False,
            )
            said = done.stdout + BUILDAH_EXIT_LINE.sub("", done.stderr)
            if said or done.returncode not in {0, 1}:
                break
        return done.returncode, done.stdout, done.stderr


class Contained(Process):
    """A process in a container. Signals go to it, not to those that hold the container around it."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(poll(self._innermost, bool, what="the process in the container"), number)

    def _innermost(self) -> int:
        number = self.pid
        while children := _children(number):
            number = children[0]
        return number if number != self.pid else 0


def _children(number: int) -> list[int]:
    # a thread knows its own children alone
    lists = [path.read_text(encoding="ascii") for path in Path(f"/proc/{number}/task").glob("*/children")]
    return [int(child) for text in lists for child in text.split()]


def _quick_place() -> Path | None:
    """Return memory, if there is enough of it: a base is ten thousand files, and dpkg syncs each."""
    memory = Path("/dev/shm")  # noqa: S108  a directory of our own is made in it
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 2 * ROOM else None


def _apt() -> tuple[str, str, str]:
    """Return this machine's own Debian: its suite, the mirror that apt asks for it, and the proxy if any."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    asked = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    listed = subprocess.run(asked, capture_output=True, encoding="utf-8", check=True).stdout
    mirrors = [
        mirror for codename, mirror in (line.split() for line in listed.splitlines()) if codename == suite
    ]
    assert mirrors, f"apt asks no mirror for {suite}"
    command = ["apt-config", "shell", "proxy", "Acquire::http::Proxy"]
    proxy = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    return suite, mirrors[0], proxy.strip().removeprefix("proxy=").strip("'")


def _pip_configuration() -> str:
    """Return how pip reaches its index here, as a configuration file."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, encoding="utf-8", check=True
    )
    lines = ["[global]"]
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        if (key := name.rpartition(".")[2]) in _PIP_SETTINGS:
            lines.append(f"{key} = {value.strip(chr(39))}")
    return "\n".join([*lines, ""])
