"""Fixtures of the end-to-end tests: servers, the command, Prometheus. Each is ended when its test is.

Each factory has the name of the class that it starts; annotate it as `Factory[..., HttpServer]`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import hypothesis
import pytest
from harness.certificates import Authority
from harness.daemon import COMMAND, Daemon
from harness.factory import Factory
from harness.http_server import FullBacklog, HttpServer
from harness.prometheus import Prometheus

# No deadline: how long an example takes is the machine's doing. In CI the same examples each time: a red
# build is then the change's doing.
hypothesis.settings.register_profile(
    "project", deadline=None, derandomize=os.environ.get("CI") == "true", print_blob=True
)
hypothesis.settings.load_profile("project")


LONG = ("image", "faults", "drill", "dashboards", "pages", "e2e", "rules", "test_seams.py", "test_daemon.py")
"""Slow files, and directories with such, the slowest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: of several workers, none is then left alone with it at the end."""
    items.sort(
        key=lambda item: next(
            (place for place, name in enumerate(LONG) if name in item.path.parts), len(LONG)
        )
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Exclude what was collected from garbage collection: looking through it takes 0.1 s each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def http_server() -> Iterator[Factory[..., HttpServer]]:
    """Starts scripted HTTP servers; called like `HttpServer`."""
    with Factory(HttpServer) as factory:
        yield factory


@pytest.fixture
def full_backlog() -> Iterator[FullBacklog]:
    """A port that neither accepts nor refuses."""
    with FullBacklog() as listening:
        yield listening


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority; `authority.ca_file` is for those who shall trust it."""
    return Authority(tmp_path)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Factory[..., Daemon]]:
    """Starts the command as a daemon, each in an empty directory of its own by default."""
    numbers = count(1)

    def make(
        environment: Mapping[str, str],
        *,
        directory: Path | None = None,
        arguments: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> Daemon:
        number = next(numbers)
        return Daemon(
            environment,
            directory=directory or tmp_path / f"daemon-{number}",
            logs=tmp_path / f"daemon-{number}-logs",
            arguments=arguments,
            command=command,
        )

    with Factory(make) as factory:
        yield factory


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Factory[..., Prometheus]]:
    """Starts Prometheus servers: `prometheus(daemon.address)`."""
    numbers = count(1)

    def make(*targets: str, scrape_interval: str = "1s") -> Prometheus:
        directory = tmp_path / f"prometheus-{next(numbers)}"
        return Prometheus(targets, directory=directory, scrape_interval=scrape_interval)

    with Factory(make) as factory:
        yield factory
