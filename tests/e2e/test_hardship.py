"""What a machine does to a daemon: stops it for seconds, or leaves its log unread."""

from __future__ import annotations

import fcntl
import io
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from harness.daemon import COMMAND, LISTENING
from harness.process import clean_environment
from harness.samples import Samples
from harness.variables import target_variables
from harness.waiting import PATIENCE, poll

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_server import HttpServer

pytestmark = pytest.mark.e2e

INTERVAL = 0.2
STOPPED_FOR = 3.0
GRACE = 1.0
"""Seconds after which a slot is missed: max(1 s, half the interval)."""
SKIPPED = "pingone_flow_exporter_probes_skipped_total"


class Look(NamedTuple):
    """A page, and the monotonic times before and after it was fetched."""

    page: Samples
    before: float
    after: float

    @property
    def accounted(self) -> float:
        """How many due runs the page knows of: finished, skipped or under way."""
        page = self.page
        return (
            page.total("pingone_flow_probes_total")
            + page.total(SKIPPED)
            + page.total("pingone_flow_exporter_probes_in_flight")
        )


def look(daemon: Daemon) -> Look:
    before = time.monotonic()
    page = daemon.metrics()
    return Look(page, before, time.monotonic())


def test_runs_due_during_a_stop_are_accounted_for(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    running = daemon(target_variables("emea", server.base_url, interval="200ms", timeout="190ms"))
    running.wait_until(lambda page: page.total("pingone_flow_probes_total") >= 3, what="three probes")
    first = look(running)
    running.signal(signal.SIGSTOP)
    stopped_at = time.monotonic()
    poll(time.monotonic, lambda now: now > stopped_at + STOPPED_FOR, what="time to pass")
    running.signal(signal.SIGCONT)
    done = first.page.total("pingone_flow_probes_total")
    running.wait_until(
        lambda page: page.total("pingone_flow_probes_total") >= done + 5, what="probes to go on"
    )
    last = look(running)

    counted = last.accounted - first.accounted
    # Two slots at the edges: one that was due as a page was made, and one that fell before it was.
    assert (last.before - first.after) / INTERVAL - 2 <= counted <= (last.after - first.before) / INTERVAL + 2
    missed = last.page.total(SKIPPED, cause="missed")
    assert missed >= (STOPPED_FOR - GRACE) / INTERVAL - 2
    running.wait_until(lambda page: page.value("pingone_flow_probe_success") == 1.0, what="a success")
    assert running.get("/-/healthy").status_code == 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A daemon with standard output and error to a pipe that is no longer read.

    Args:
        process: the daemon.
        url: where it listens.
        reader: the end of the pipe that we could read.
        writer: the end it writes to, for us to see whether there is room.
    """

    process: subprocess.Popen[bytes]
    url: str
    reader: io.FileIO
    writer: io.FileIO

    def has_room(self) -> bool:
        """Whether a write would not wait."""
        return bool(select.select([], [self.writer], [], 0)[1])


@contextmanager
def unread(directory: Path, environment: dict[str, str]) -> Iterator[Unread]:
    """Start a daemon at debug level, and read its log up to where it says that it listens."""
    ends = os.pipe()
    with io.FileIO(ends[0], "r") as reader, io.FileIO(ends[1], "w") as writer:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)  # the smallest there is
        settings = {"FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0", "FLOW_EXPORTER_LOG__LEVEL": "debug"}
        process = subprocess.Popen(
            COMMAND,
            cwd=directory,
            env=clean_environment(directory, settings | environment),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
        )
        try:
            line = b""
            while (match := LISTENING.match(line.decode())) is None:
                line = b""
                while not line.endswith(b"\n"):
                    assert process.poll() is None
                    line += reader.read(1)
            url = f"http://{match['host']}:{match['port']}"
            yield Unread(process=process, url=url, reader=reader, writer=writer)
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("gone", [False, True], ids=["stuck", "gone"])
def test_an_unread_log_delays_neither_probes_nor_scrapes_nor_shutdown(
    tmp_path: Path, http_server: Factory[..., HttpServer], *, gone: bool
) -> None:
    server = http_server()
    environment: dict[str, str] = {}
    for number in range(10):
        environment |= target_variables(f"t{number}", server.base_url, interval="100ms", timeout="90ms")
    with unread(tmp_path, environment) as daemon:
        if gone:
            daemon.reader.close()
            daemon.writer.close()
        else:
            poll(daemon.has_room, lambda room: not room, what="a full pipe")
        server.wait_for_requests(len(server.requests) + 200)
        assert gone or not daemon.has_room()
        page = Samples(httpx.get(f"{daemon.url}/metrics", trust_env=False, timeout=PATIENCE).text)
        assert page.total("pingone_flow_probes_total") >= 100
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=PATIENCE) == 0
