"""Start the programs that are measured, and read what the system knows about them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.provider import ENVIRONMENT, HOSTS, Record

COMMAND = Path(sys.executable).with_name("pingone-flow-exporter")
SCRAPE_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
    "Accept-Encoding": "gzip",
}
"""What Prometheus sends."""

_TARGETS = "FLOW_EXPORTER_TARGETS"
_START_SECONDS = 60.0
_FETCH_SECONDS = 60.0
_LISTENING = re.compile(rb'^(?=.*listening).*\baddress"?\s*[=:]\s*"?([^\s",}]+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """A process that is measured."""

    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def memory_mb(self, part: str = "Pss") -> float:
        """Return its proportional set size, or a part of that, as smaps_rollup names it (proc(5))."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(re.findall(rf"^{part}: +(\d+) kB", rollup, re.MULTILINE)[0]) / 1000


@dataclass(frozen=True, slots=True)
class WebProgram(Program):
    """A process that serves pages.

    Args:
        process: the process.
        address: host and port.
        ready_after: seconds from exec to the first 200 of its readiness.
    """

    address: str
    ready_after: float

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Fetch a page as it was sent, in a thread. Raises OSError."""
        return await asyncio.to_thread(_get, f"http://{self.address}{path}", headers or {})

    async def page(self) -> str:
        """Return the page of metrics. It is scraped, for 55 MB of plain text would cost what is measured."""
        return gzip.decompress(await self.get("/metrics", SCRAPE_HEADERS)).decode()

    async def scrape(self) -> float:
        """Scrape as Prometheus does and return its seconds; infinite without a response."""
        started = time.monotonic()
        try:
            await self.get("/metrics", SCRAPE_HEADERS)
        except OSError:
            return float("inf")
        return time.monotonic() - started


@dataclass(frozen=True, slots=True)
class Provider(Program):
    """The provider, in a process of its own.

    Args:
        process: the process.
        port: on each of `HOSTS`.
        ca_file: what its certificate is signed by.
    """

    port: int
    ca_file: Path

    @property
    def url(self) -> str:
        """Its base URL by name, so that resolving is part of a probe."""
        return f"https://localhost:{self.port}"

    def urls(self, count: int) -> list[str]:
        """Return as many base URLs, spread over its addresses: the first probes of one host are spaced."""
        return [f"https://{HOSTS[number % len(HOSTS)]}:{self.port}" for number in range(count)]

    def count(self) -> int:
        """Return the number of requests that it has answered."""
        return int(self._ask("count"))

    def records(self) -> dict[str, Record]:
        """Return what it knows about the requests since the last call, by probe."""
        return {probe: Record(*record) for probe, record in json.loads(self._ask("records")).items()}

    def _ask(self, command: str) -> bytes:
        assert self.process.stdin is not None  # noqa: S101  for the type checker
        assert self.process.stdout is not None  # noqa: S101  for the type checker
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextmanager
def provider(wait: float = 0.02) -> Iterator[Provider]:
    """Run a provider that answers after `wait` seconds."""
    with tempfile.TemporaryDirectory() as directory:
        ca_file, certificate = Path(directory) / "ca.pem", Path(directory) / "server.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(ca_file))
        authority.issue_cert("localhost", *HOSTS).private_key_and_cert_chain_pem.write_to_path(
            str(certificate)
        )
        command = [
            sys.executable,
            str(Path(__file__).with_name("provider.py")),
            str(certificate),
            f"--wait={wait}",
        ]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with ended(process):
            assert process.stdout is not None  # noqa: S101  for the type checker
            yield Provider(process, int(process.stdout.readline()), ca_file)


def settings(probed: Provider, urls: Sequence[str], **defaults: str) -> dict[str, str]:
    """Return the variables for a target at each of these URLs."""
    common = {
        "source_environment_id": ENVIRONMENT,
        "destination_environment_id": ENVIRONMENT,
        "client_id": "benchmark",
        "ca_file": str(probed.ca_file),
        "ip_family": "4",
        **defaults,
    }
    targets = {f"target_{number:04}": {"auth_url": url} for number, url in enumerate(urls)}
    return {
        _TARGETS: json.dumps(targets),
        "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
        **{f"FLOW_EXPORTER_DEFAULTS__{name.upper()}": value for name, value in common.items()},
    }


@asynccontextmanager
async def exporter(environ: Mapping[str, str]) -> AsyncIterator[WebProgram]:
    """Run the installed command with these variables and no others."""
    with tempfile.TemporaryDirectory() as directory:
        log, environment = Path(directory) / "log", {"PATH": os.environ["PATH"], **environ}
        # Linux takes no variable of more than 128 KiB: those of 5,000 targets are in a file.
        (Path(directory) / ".env").write_text(f"{_TARGETS}='{environment.pop(_TARGETS)}'\n")
        started = time.monotonic()
        with log.open("wb") as stderr:
            process = subprocess.Popen([COMMAND], env=environment, cwd=directory, stderr=stderr)  # noqa: ASYNC220
        with ended(process):
            while (found := _LISTENING.search(log.read_bytes())) is None:
                if process.poll() is not None:
                    sys.exit(f"the exporter ended: {log.read_text()}")
                await asyncio.sleep(0.005)
            address = found[1].decode()
            await _wait_for(f"http://{address}/-/ready")
            yield WebProgram(process, address, time.monotonic() - started)


def blackbox_exporters() -> dict[str, str]:
    """Return the blackbox_exporter commands on PATH, name with version -> command."""
    found = {}
    for name in ("blackbox_exporter", "prometheus-blackbox-exporter"):
        command = shutil.which(name)
        if command is not None:
            output = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
            version = re.search(r"version (\S+)", output.stdout + output.stderr)
            found[f"blackbox_exporter {version[1] if version else '?'}"] = command
    return found


@asynccontextmanager
async def blackbox(command: str, ca_file: Path) -> AsyncIterator[WebProgram]:
    """Run a blackbox_exporter with one module, `http`."""
    with tempfile.TemporaryDirectory() as directory:
        http = {"preferred_ip_protocol": "ip4", "tls_config": {"ca_file": str(ca_file)}}
        modules = {"http": {"prober": "http", "timeout": "900ms", "http": http}}
        config = Path(directory) / "blackbox.yml"
        config.write_text(json.dumps({"modules": modules}))  # JSON is YAML
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        started = time.monotonic()
        options = [f"--config.file={config}", f"--web.listen-address={address}", "--log.level=error"]
        process = subprocess.Popen([command, *options], stderr=subprocess.DEVNULL)  # noqa: ASYNC220
        with ended(process):
            await _wait_for(f"http://{address}/-/healthy")
            yield WebProgram(process, address, time.monotonic() - started)


@contextmanager
def cpu_burners(count: int) -> Iterator[None]:
    """Run processes at normal priority that take all the CPU they get."""
    command = [sys.executable, "-c", "while True: pass"]
    with contextlib.ExitStack() as burners:
        for _ in range(count):
            burners.enter_context(ended(subprocess.Popen(command)))
        yield


async def every(seconds: float, until: float) -> AsyncIterator[float]:
    """Yield the monotonic time at a fixed interval until that time, without drift."""
    due = time.monotonic()
    while due < until:
        yield time.monotonic()
        due = max(due + seconds, time.monotonic())
        await asyncio.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def ended(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[None]:
    """End a process when the block ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _wait_for(url: str) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        try:
            await asyncio.to_thread(_get, url, {})
        except OSError:
            await asyncio.sleep(0.005)
        else:
            return
    sys.exit(f"no response from {url}")


def _get(url: str, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  http by construction
    with urllib.request.urlopen(request, timeout=_FETCH_SECONDS) as response:  # noqa: S310  likewise
        content: bytes = response.read()
    return content


def version_of(command: Sequence[str | Path]) -> str:
    """Return what a command prints as its version."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
