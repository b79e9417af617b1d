"""The image that `make image` builds: what it contains, as whom it runs, and that it watches a PingOne."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from e2e.showing import PRINTED, sourced
from harness.daemon import LISTENING
from harness.samples import Samples
from harness.waiting import PATIENCE, poll
from image.building import BASE, Container, built, need_builder

from exporter import __version__

if TYPE_CHECKING:
    from image.building import Builder

# Base and image are built within the first test.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

USER = 65532


@pytest.fixture(scope="module")
def builder() -> Iterator[Builder]:
    need_builder()
    with built() as builder:
        yield builder


@pytest.fixture(scope="module")
def container(builder: Builder) -> Container:
    return Container(builder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the exporter did in the container from its start to its end.

    Args:
        page: its metrics, once every target was probed.
        exit_code: its exit status after SIGTERM.
        log: what it wrote.
    """

    page: Samples
    exit_code: int
    log: str


@pytest.fixture(scope="module")
def simulated(container: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables with which an exporter in the same container watches a simulator in it."""
    directory = tmp_path_factory.mktemp("simulator")
    with container.start("simulate", "--environments", "2", logs=directory) as simulator:

        def look() -> str:
            assert simulator.exit_code is None, simulator.tail()
            return simulator.stdout.read_text(encoding="utf-8")

        printed = poll(look, PRINTED.search, what="a simulator")
        yield sourced(printed, directory)


@pytest.fixture(scope="module")
def watch(container: Container, simulated: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Watch:
    """Run the exporter until it has probed both targets, and end it."""
    listen = {"FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0"}
    with container.start(environment=simulated | listen, logs=tmp_path_factory.mktemp("run")) as run:
        found = run.wait_for_log(LISTENING, what="listening line")
        url = f"http://{found['host']}:{found['port']}/metrics"

        def look() -> Samples:
            with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
                return Samples(client.get(url).text)

        page = poll(
            look,
            lambda seen: seen.total("pingone_flow_probes_total") >= 2,
            what="two probes",
        )
        return Watch(page=page, exit_code=run.stop(), log=run.log())


def test_it_prints_its_version(container: Container) -> None:
    assert container.run("--version") == (0, f"pingone-flow-exporter {__version__}\n", "")


def test_check_config_works_in_the_image(container: Container, simulated: dict[str, str]) -> None:
    code, output, errors = container.run("check-config", environment=simulated)

    assert (code, errors) == (0, "")
    assert "target environment_1\n" in output
    assert "target environment_2\n" in output


def test_the_probe_command_works_in_the_image(container: Container, simulated: dict[str, str]) -> None:
    code, output, errors = container.run("probe", "environment_1", environment=simulated)

    assert (code, errors) == (0, "")
    assert "1 of 1 ok" in output


def test_without_targets_the_pods_log_has_the_error(container: Container) -> None:
    code, output, errors = container.run()

    assert (code, output) == (2, "")
    assert "FLOW_EXPORTER_TARGETS" in errors


def test_it_probes_and_is_scraped(watch: Watch) -> None:
    assert {
        (labels["target"], labels["reason"])
        for labels, _ in watch.page.series("pingone_flow_probe_last_result_info")
    } == {("environment_1", "ok"), ("environment_2", "ok")}
    assert watch.page.value("pingone_flow_exporter_build_info", version=__version__) == 1


def test_it_exits_after_sigterm(watch: Watch) -> None:
    assert watch.exit_code == 0, watch.log
    assert "msg=stopped" in watch.log


def test_it_runs_as_a_numeric_user_and_writes_nothing(container: Container, watch: Watch) -> None:
    _, output, _ = container.run_other(
        "/opt/exporter/bin/python", "-c", "import os; print(os.getuid(), os.getgid())"
    )

    assert output == f"{USER} {USER}\n"
    assert watch.exit_code == 0  # it has run
    assert container.written(USER) == []


def python(container: Container, program: str) -> str:
    """Return what a program of Python's prints in the container."""
    code, output, errors = container.run_other("/opt/exporter/bin/python", "-c", program)
    assert code == 0, errors
    return output


@pytest.mark.parametrize("installer", ["pip", "ensurepip"])
def test_nothing_can_be_installed_in_it(container: Container, installer: str) -> None:
    code, _, errors = container.run_other("/opt/exporter/bin/python", "-m", installer, "--version")

    assert code == 1
    assert f"No module named {installer}" in errors


def test_there_is_no_program_but_the_exporter_and_its_python(container: Container) -> None:
    """No shell above all, whatever the base has."""
    program = (
        "import pathlib\n"
        "places = ('/bin', '/sbin', '/usr/bin', '/usr/sbin', '/usr/local/bin', '/opt/exporter/bin')\n"
        "print(*{file.name for place in places for file in pathlib.Path(place).glob('*')})\n"
    )
    found = python(container, program).split()

    assert {name for name in found if not name.startswith("python")} == {"pingone-flow-exporter"}
    for shell in ("/bin/sh", "/bin/bash", "/bin/busybox"):
        assert container.run_other(shell, "-c", "true")[0] != 0


def test_scanners_find_the_packages_that_files_are_from(container: Container) -> None:
    program = "print(open('/var/lib/dpkg/status.d/libssl3').read())"

    assert "\nVersion: 3." in python(container, program)


def test_it_has_authorities_time_zones_and_name_resolution(container: Container) -> None:
    program = (
        "import socket, ssl, zoneinfo\n"
        "print(len(ssl.create_default_context().get_ca_certs()) > 50, zoneinfo.ZoneInfo('Europe/Berlin'))\n"
        "print(socket.getaddrinfo('localhost', 80)[0][4][0])\n"
    )

    assert python(container, program).split()[:2] == ["True", "Europe/Berlin"]


def test_a_start_compiles_nothing(container: Container) -> None:
    """A read-only root keeps no bytecode: what is not there would be compiled at every start."""
    program = (
        "import sys, pathlib\n"
        "from exporter import cli\n"
        "modules = [module for module in sys.modules.values() if getattr(module, '__cached__', None)]\n"
        "print([module.__name__ for module in modules if not pathlib.Path(module.__cached__).exists()])\n"
    )

    assert container.run_other("/opt/exporter/bin/python", "-c", program) == (0, "[]\n", "")


def test_the_image_has_its_labels(builder: Builder) -> None:
    document: dict[str, Any] = builder.inspect()
    configuration = document["config"]

    assert configuration["User"] == f"{USER}:{USER}"
    assert configuration["Entrypoint"] == ["/opt/exporter/bin/pingone-flow-exporter"]
    assert "Cmd" not in configuration
    assert configuration["ExposedPorts"] == {"9988/tcp": {}}
    assert configuration["Labels"]["org.opencontainers.image.version"] == __version__
    assert configuration["Labels"]["org.opencontainers.image.base.name"] == BASE


def test_a_code_change_reuses_the_dependency_layer(builder: Builder) -> None:
    """What is left of the base, the dependencies, and three small layers of the exporter's own."""
    assert len(builder.inspect()["rootfs"]["diff_ids"]) == 5


@pytest.mark.release
def test_two_builds_are_the_same_layer_by_layer(builder: Builder) -> None:
    tags = ("localhost/built:once", "localhost/built:again")
    for tag in tags:
        builder.make_image(tag, epoch=1_750_000_000)
    once, again = map(builder.inspect, tags)

    assert once == again
