"""Runs a Prometheus that scrapes the demo and has its alerts, and an Alertmanager, if they are installed."""

import asyncio
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.durations import parse_duration
from exporter.process import CommandError

DEFAULT_PORT = 9090
ALERTMANAGER_PORT = 9093
ALERTMANAGERS = ("alertmanager", "prometheus-alertmanager")  # the second one is Debian's name
START_SECONDS = 30.0
STOP_SECONDS = 5.0
QUERY_SECONDS = 1.0
POLL_SECONDS = 0.05

_WAIT = re.compile(r"^( +(?:interval|for|keep_firing_for): )(\d+[smh])$", re.MULTILINE)
_SPEED = 10  # the demo's faults last seconds: its alerts wait a tenth as long


def find_program(*names: str) -> str | None:
    """Return the path of the first of these programs that is on PATH, or None."""
    return next(filter(None, map(shutil.which, names)), None)


@asynccontextmanager
async def scraping(
    program: str, address: str, alertmanager: str | None = None
) -> AsyncIterator[dict[str, str]]:
    """Run a Prometheus with the project's rules that scrapes `address` each second; and `alertmanager`.

    Yields the names and URLs of the programs. Raises `CommandError` if a program did not start.
    """
    own, urls = f"127.0.0.1:{free_port(DEFAULT_PORT)}", dict[str, str]()
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="demo-prometheus-")))
        receivers = []
        if alertmanager is not None:
            # Its status API returns this, so `_is_up` finds the directory in it.
            receiver = {"route": {"receiver": str(directory)}, "receivers": [{"name": str(directory)}]}
            (directory / "alertmanager.yml").write_text(json.dumps(receiver), encoding="utf-8")
            receivers = [f"127.0.0.1:{free_port(ALERTMANAGER_PORT)}"]
            command = [
                alertmanager,
                f"--config.file={directory}/alertmanager.yml",
                f"--storage.path={directory}/alertmanager",
                f"--web.listen-address={receivers[0]}",
                "--cluster.listen-address=",  # no cluster: there is only one
            ]
            urls["Alertmanager"] = f"http://{receivers[0]}/"
            await stack.enter_async_context(_running(command, receivers[0], "/api/v2/status", directory))
        for rules in rule_files():
            text = rules_for(rules.read_text(encoding="utf-8"), address)
            (directory / rules.name).write_text(text, encoding="utf-8")
        configuration = directory / "prometheus.yml"
        configuration.write_text(configuration_for(address, receivers, str(directory)), encoding="utf-8")
        command = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address={own}",
            f"--web.external-url=http://{own}/",
        ]
        await stack.enter_async_context(_running(command, own, "/api/v1/status/flags", directory))
        yield {"Prometheus": f"http://{own}", "alerts": f"http://{own}/alerts", **urls}


@asynccontextmanager
async def _running(command: Sequence[str], address: str, path: str, directory: Path) -> AsyncIterator[None]:
    """Run a program; the block starts once its response at `path` contains the name of `directory`."""
    name = Path(command[0]).name.removeprefix("prometheus-")
    log = directory / f"{name}.log"
    # Its log must not appear in the table.
    with log.open("wb") as output:
        # A session of its own, so that Ctrl-C reaches the demo alone, which then stops it.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, start_new_session=True
        )
    try:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await _is_up(address, path, str(directory)):
                    if process.returncode is not None:
                        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                        cause = f": {lines[-1]}" if lines else ""
                        raise CommandError(f"{name} exited with status {process.returncode}{cause}")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise CommandError(f"{name} was not ready within {START_SECONDS:g} s") from error
        yield
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _is_up(address: str, path: str, sign: str) -> bool:
    """Return whether our own program responds: another one may have taken the port first."""
    with suppress(OSError):  # no connection, or none any more, or no answer in time
        reader, writer = await asyncio.open_connection(*address.split(":"))
        with closing(writer):
            writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return sign.encode() in await asyncio.wait_for(reader.read(), QUERY_SECONDS)
    return False


def configuration_for(address: str, alertmanagers: Sequence[str] = (), rules: str = ".") -> str:
    """Return Prometheus' configuration; JSON is YAML. The rule files are in the directory `rules`."""
    own = {"job_name": "pingone-flow-exporter", "static_configs": [{"targets": [address]}]}
    return json.dumps({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{rules}/*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [each]}]} for each in alertmanagers]},
        "scrape_configs": [own],
    })  # fmt: skip


def rule_files() -> list[Traversable]:
    """Return the project's rule files: a wheel has them in exporter/demo/rules."""
    packaged = resources.files("exporter.demo") / "rules"
    root = Path(__file__).parents[2] / "helm" / "pingone-flow-exporter" / "files" / "rules"
    directory = packaged if packaged.is_dir() else root
    return sorted(directory.iterdir(), key=lambda file: file.name)


def rules_for(text: str, address: str) -> str:
    """Return a rule file with shorter waits, and links to the exporter at `address`; Grafana is not there."""
    text = re.sub(r"^ +dashboard_url: .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("http://pingone-flow-exporter:9988", f"http://{address}")
    return _WAIT.sub(lambda wait: f"{wait[1]}{parse_duration(wait[2]) // _SPEED:.0f}s", text)


def free_port(wanted: int) -> int:
    """Return the wanted port of 127.0.0.1 if it is free, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("127.0.0.1 has no free port")
