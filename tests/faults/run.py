"""Runs one daemon over the whole table beside a healthy target."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from faults.table import CASES
from harness.daemon import TEXT_FORMAT, Daemon, run_command
from harness.http_server import HttpServer
from harness.samples import Samples
from harness.variables import target_variables
from harness.waiting import poll

from exporter.outcome import Phase
from exporter.reasons import Reason

if TYPE_CHECKING:
    from faults.stage import Stage

FOUND = pytest.StashKey[list[Samples]]()
"""What daemons said, for the table at the end of the run."""

HEALTHY = "healthy"
ENOUGH = 5
MAX_TRIES = 5
TARGET = re.compile(r'\btarget"?[=:] ?"?([a-z0-9_]+)')
DURATION_COUNT = "pingone_flow_step_duration_seconds_count"
LAST_RESULT = "pingone_flow_probe_last_result_info"
TELLING = ("pingone_flow_probes_total{", f"{DURATION_COUNT}{{", f"{LAST_RESULT}{{")
UNTIMED = {case.name for case in CASES if case.found.phase is Phase.RESOLVE}
"""Those that complete no phase."""

LARGE = {case.name for case in CASES if case.found.reason is Reason.TOO_LARGE} | {
    *("deep_arrays", "deep_objects", "status_long", "large_enough", "many_numbers", "link_of_marks"),
    *("trailers_10000", "chunk_extension_endless"),
}
"""Those with more than 64 KB of answer: where the machine is busy, each stall makes their times inexact."""


class Scraped(NamedTuple):
    """One page of a daemon that probes all cases.

    Args:
        samples: the page.
        before: how many requests the healthy target's server had answered before the scrape.
        after: how many it had been asked after it.
        log: what the daemon had written by then.
        steps: the last step of each target's last probe, as the API shows it.
    """

    samples: Samples
    before: int
    after: int
    log: str
    steps: dict[str, dict[str, Any]]


def variables(stage: Stage, credentials: str = "") -> dict[str, str]:
    """Set up every case on a stage, and return the settings of a daemon that probes them all.

    Args:
        stage: where they are played.
        credentials: `user:password@` for proxies.
    """
    environment = {
        "FLOW_EXPORTER_DEFAULTS__INTERVAL": "30s",  # hundreds of targets are load enough
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
            HEALTHY, healthy.base_url, interval="6s", timeout="5900ms"
        )
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as daemon:
            healthy.wait_for_requests(ENOUGH)
            wait_for_good_measure(daemon, {HEALTHY, *(case.name for case in CASES)})
            before = sum(request.answered_at is not None for request in healthy.requests)
            samples = daemon.metrics()
            after, api = len(healthy.requests), json.loads(daemon.get("/api/v1/targets").text)
            steps = {each["target"]: each["last"]["steps"][-1] for each in api["targets"] if "last" in each}
            yield Scraped(samples, before, after, daemon.log(), steps)


def probed_again(outcomes: Sequence[dict[str, Any]], **where: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401  as `run_command` takes them
    """Return outcomes by target; probe those again that a stall of the machine has spoilt."""
    found = {outcome["target"]: outcome for outcome in outcomes}
    for _ in range(MAX_TRIES):
        internal = [each for each in found.values() if each["reason"] == Reason.INTERNAL]
        spoilt = [each["target"] for each in internal if each.get("stalled")]
        if not spoilt:
            break
        again = json.loads(run_command("probe", "--json", *spoilt, **where).stdout)["outcomes"]
        found |= {outcome["target"]: outcome for outcome in again}
    return found


def wait_for_all(daemon: Daemon, targets: AbstractSet[str]) -> None:
    """Return as soon as there is a probe of each of `targets`.

    By the log, which must be at level debug: a page of hundreds of targets is work for the daemon, more for
    its reader, and to ask for it again and again would itself be the stall.
    """
    poll(
        lambda: targets - set(TARGET.findall(daemon.log())),
        operator.not_,
        what="a probe of every target",
    )


def wait_for_good_measure(daemon: Daemon, targets: AbstractSet[str]) -> None:
    """Return as soon as there is a probe of each of `targets` that no stall of our own has spoilt."""
    wait_for_all(daemon, targets)
    poll(lambda: targets - _unspoilt(daemon), operator.not_, what="one without a stall")


def _unspoilt(daemon: Daemon) -> set[str]:
    lines = daemon.get("/metrics", {"Accept": TEXT_FORMAT}).text.splitlines()
    page = Samples(
        "\n".join(line for line in lines if line.startswith(TELLING) and not line.endswith(" 0.0"))
    )
    timed = {labels["target"] for labels, _ in page.series(DURATION_COUNT)}
    judged = {
        labels["target"]
        for labels, _ in page.series("pingone_flow_probes_total")
        if labels["reason"] != Reason.INTERNAL
    }
    late = {labels["target"] for labels, _ in page.series(LAST_RESULT, reason=Reason.TIMEOUT)} & LARGE
    return (judged & (timed | UNTIMED | LARGE)) - late
