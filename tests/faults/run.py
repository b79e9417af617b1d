"""Runs one daemon over the whole table beside a healthy target."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from faults.table import CASES
from harness.daemon import Daemon
from harness.http_server import HttpServer
from harness.variables import target_variables

from exporter.outcome import Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from faults.stage import Stage
    from harness.samples import Samples

FOUND = pytest.StashKey[list["Samples"]]()
"""What daemons said, for the table at the end of the run."""

HEALTHY = "healthy"
ENOUGH = 10
DURATION_COUNT = "pingone_flow_step_duration_seconds_count"


class Scraped(NamedTuple):
    """One page of a daemon that probes all cases.

    Args:
        samples: the page.
        before: how many requests the healthy target's server had answered before the scrape.
        after: how many it had been asked after it.
        log: what the daemon had written by then.
    """

    samples: Samples
    before: int
    after: int
    log: str


def variables(stage: Stage, credentials: str = "") -> dict[str, str]:
    """Set up every case on a stage, and return the settings of a daemon that probes them all.

    Args:
        stage: where they are played.
        credentials: `user:password@` for proxies.
    """
    environment = {
        "FLOW_EXPORTER_DEFAULTS__INTERVAL": "10s",
        "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "9900ms",
        "FLOW_EXPORTER_DEFAULTS__CA_FILE": str(stage.authority.ca_file),
        "FLOW_EXPORTER_LOG__LEVEL": "debug",
        # Where there is no name server, glibc would ask on for longer than the deadline (resolv.conf(5)).
        "RES_OPTIONS": "timeout:1 attempts:1",
    }
    for case in CASES:
        proxy = {}
        if case.proxy is not None:
            proxy["proxy_url"] = case.proxy(stage).replace("://", f"://{credentials}")
        environment |= target_variables(case.name, case.scene(stage), **{**case.fields, **proxy})
    return environment


@contextmanager
def running(stage: Stage, directory: Path) -> Iterator[Scraped]:
    """Probe every case at least once, and yield what is then said."""
    with HttpServer() as healthy:
        environment = variables(stage) | target_variables(
            HEALTHY, healthy.base_url, interval="1s", timeout="900ms"
        )
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as daemon:
            # A page of hundreds of targets takes a second to parse: not before there is a chance.
            healthy.wait_for_requests(ENOUGH)
            daemon.wait_until(all_seen, timeout=90.0, what="a probe of every target")
            before = sum(request.answered_at is not None for request in healthy.requests)
            samples = daemon.metrics()
            yield Scraped(samples, before, len(healthy.requests), daemon.log())


def all_seen(samples: Samples) -> bool:
    """Whether there is a probe of each target that was not spoilt by a stall of our own."""
    judged = {
        labels["target"]
        for labels, value in samples.series("pingone_flow_probes_total")
        if value and labels["reason"] != Reason.INTERNAL
    }
    timed = {labels["target"] for labels, _ in samples.series(DURATION_COUNT)}
    return samples.total("pingone_flow_probes_total", target=HEALTHY) >= ENOUGH and all(
        case.name in judged and (case.found.phase is Phase.RESOLVE or case.name in timed) for case in CASES
    )
