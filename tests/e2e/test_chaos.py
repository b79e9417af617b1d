"""What a machine may do to a daemon: no descriptors, no memory, no disk, no streams, no names, no port."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from faults.name_server import ZONE, NameServer, asking
from harness.cgroup import cgroup
from harness.daemon import COMMAND, run_command
from harness.http_messages import Answer
from harness.ports import held_port
from harness.process import clean_environment
from harness.samples import Samples
from harness.variables import target_variables
from harness.waiting import PATIENCE, poll

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_server import HttpServer

pytestmark = pytest.mark.e2e

PROBES = "pingone_flow_probes_total"
PACE = {"interval": "1s", "timeout": "900ms"}
PLENTY = 3
"""Probes after which a daemon counts as one that goes on."""
LIMIT_BYTES = 256 * 1024 * 1024
"""What the chart's values recommend for 100 targets."""


def successes(page: Samples, target: str) -> float:
    return page.total(PROBES, target=target, reason="ok")


def more_successes(running: Daemon, target: str, what: str) -> Samples:
    """Wait for more successes of a target."""
    before = successes(running.metrics(), target)
    return running.wait_until(lambda page: successes(page, target) >= before + PLENTY, what=what)


@contextmanager
def shell(streams: str, directory: Path, environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Run a daemon with other standard streams; yield its process id and its URL."""
    with held_port() as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        settings = {"FLOW_EXPORTER_WEB__LISTEN_ADDRESS": address, "FLOW_EXPORTER_LOG__LEVEL": "debug"}
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", *COMMAND],
            cwd=directory,
            env=clean_environment(directory, settings | environment),
        )
        try:
            yield process.pid, f"http://{address}"
            process.terminate()
            assert process.wait() == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    "streams", [">/dev/full 2>/dev/full", "<&- >&- 2>&-"], ids=["full_disk", "closed_streams"]
)
def test_a_log_that_cannot_be_written_costs_neither_probes_nor_scrapes_nor_the_exit(
    tmp_path: Path, http_server: Factory[..., HttpServer], streams: str
) -> None:
    environment = target_variables("emea", http_server().base_url, interval="100ms", timeout="90ms")
    with shell(streams, tmp_path, environment) as (pid, url):

        def look() -> Samples | None:
            try:
                return Samples(httpx.get(f"{url}/metrics", trust_env=False, timeout=PATIENCE).text)
            except httpx.ConnectError:
                return None

        poll(look, lambda page: page is not None and successes(page, "emea") >= 30, what="many probes")
        standard = {str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in range(3)}
        assert not any(name.startswith("socket:") for name in standard)


def test_without_descriptors_probes_fail_by_our_own_fault_and_go_on_when_there_are_some(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    silent, server = http_server(Answer(delay=3600.0)), http_server()
    environment = target_variables("emea", server.base_url, interval="5s", timeout="4900ms")
    for number in range(40):
        environment |= target_variables(f"t{number}", silent.base_url, interval="3s", timeout="2s")
    running = daemon(environment, command=("/bin/sh", "-c", 'ulimit -n 30 && exec "$@"', "sh", *COMMAND))
    short = re.compile('msg="exchange failed: resource exhausted" step=authorize errno=EMFILE')
    running.wait_for_log(short, what="a lack of descriptors")
    assert "raise it (LimitNOFILE in systemd, ulimit -n)" in running.log()
    page = running.wait_until(
        lambda page: page.total(PROBES, target="emea") >= PLENTY, what="probes of the target that answers"
    )
    blamed = page.series(PROBES, target="emea")
    assert {labels["fault"] for labels, value in blamed if value} <= {"none", "exporter"}
    silent.stop()  # its targets are refused at once from now on
    more_successes(running, "emea", "probes once there are descriptors")
    assert running.metrics().total("pingone_flow_exporter_internal_errors_total") == 0.0
    assert running.stop() == 0


def test_the_memory_limit_that_the_chart_recommends_is_enough_for_a_hundred_failing_targets(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    environment: dict[str, str] = {}
    server = http_server(Answer(status=503, body=b"{}"))
    for number in range(100):
        environment |= target_variables(f"t{number}", server.base_url, interval="10s", timeout="4s")
    with cgroup("memory") as group:
        group.limit(LIMIT_BYTES)
        running = daemon(environment, command=group.running(COMMAND))
        running.wait_until(lambda page: page.total(PROBES) >= 100, what="a probe of each target")
        for _ in range(3):
            for path in ("/", "/metrics", "/api/v1/targets", "/targets/t1", "/runbooks/"):
                assert running.get(path).status_code == 200
            assert running.request("POST", "/-/reload").status_code == 200
        assert running.stop() == 0


def test_where_no_thread_can_be_started_probes_and_scrapes_go_on(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    """So it is beside a neighbor that has taken all process ids of the node."""
    environment = target_variables("emea", http_server().base_url, **PACE)
    with cgroup("pids") as group:
        running = daemon(environment, command=group.running(COMMAND))
        more_successes(running, "emea", "probes")
        group.limit(1)
        failed = re.compile('msg="periodic job failed: resource exhausted" part=job job="file watch"')
        running.wait_for_log(failed, what="a look at the files that failed")
        more_successes(running, "emea", "probes without new threads")
        assert running.get("/").status_code in {200, 500}
        assert running.request("POST", "/-/reload").status_code == 500
        group.limit(10_000)
        assert running.request("POST", "/-/reload").status_code == 200
        assert running.get("/").status_code == 200
        assert running.stop() == 0


def test_a_name_server_that_goes_costs_the_names_alone_and_is_used_again_when_it_is_back(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    url = http_server().base_url
    environment = target_variables("named", url.replace("127.0.0.1", f"good.{ZONE}"), **PACE)
    environment |= target_variables("by_address", url, **PACE)
    command = asking(tmp_path / "etc")
    with NameServer():
        running = daemon(environment, command=command)
        more_successes(running, "named", "probes by name")
    gone = running.wait_until(
        lambda page: page.total(PROBES, target="named", reason="dns") >= 2,
        what="failures without a name server",
    )
    assert gone.total(PROBES, target="by_address", reason="dns") == 0.0
    more_successes(running, "by_address", "probes by address meanwhile")
    with NameServer():
        more_successes(running, "named", "probes by name again")


def test_a_second_daemon_on_the_same_port_ends_and_leaves_the_first_alone(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer], tmp_path: Path
) -> None:
    environment = target_variables("emea", http_server().base_url, **PACE)
    first = daemon(environment)
    address = {"FLOW_EXPORTER_WEB__LISTEN_ADDRESS": first.address}
    second = run_command(cwd=tmp_path, env=environment | address)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith(f"cannot listen on {first.address}: address already in use; ")
    more_successes(first, "emea", "probes of the first")
    assert first.exit_code is None
