"""Runs a Prometheus that scrapes the demo, if one is installed."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

DEFAULT_PORT = 9090
START_SECONDS = 30.0
STOP_SECONDS = 5.0
QUERY_SECONDS = 1.0
POLL_SECONDS = 0.05


class PrometheusError(Exception):
    """It did not start; the text says why."""


def find_prometheus() -> str | None:
    """Return the path of the program, or None if it is not on PATH."""
    return shutil.which("prometheus")


@asynccontextmanager
async def scraping(program: str, address: str) -> AsyncIterator[str]:
    """Run a Prometheus that scrapes `address` every second; yield its URL once it answers queries.

    Raises:
        PrometheusError: it did not start.
    """
    port = free_port(DEFAULT_PORT)
    with TemporaryDirectory(prefix="demo-prometheus-") as directory:
        configuration, log = Path(directory) / "prometheus.yml", Path(directory) / "log"
        configuration.write_text(configuration_for(address), encoding="utf-8")
        # Its log must not appear in the table.
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                stdout=output,
                stderr=output,
                # A session of its own, so that Ctrl-C reaches the demo alone, which then stops it.
                start_new_session=True,
            )
        try:
            await _wait_until_up(process, port, configuration, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _wait_until_up(process: Process, port: int, configuration: Path, log: Path) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _is_up(port, configuration):
                if process.returncode is not None:
                    raise PrometheusError(
                        f"prometheus exited with status {process.returncode}{_last_line(log)}"
                    )
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise PrometheusError(f"prometheus was not ready within {START_SECONDS:g} s") from error


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f": {lines[-1]}" if lines else ""


async def _is_up(port: int, configuration: Path) -> bool:
    """Return whether ours answers: another program may have taken the port first."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /api/v1/status/flags HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return str(configuration).encode() in await asyncio.wait_for(reader.read(), QUERY_SECONDS)
    except (ConnectionError, TimeoutError):
        return False
    finally:
        writer.close()


def configuration_for(address: str) -> str:
    """Return Prometheus' configuration; JSON is YAML."""
    return json.dumps(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [
                {"job_name": "pingone-flow-exporter", "static_configs": [{"targets": [address]}]},
            ],
        }
    )


def free_port(wanted: int) -> int:
    """Return the wanted port of 127.0.0.1 if it is free, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            free: int = probe.getsockname()[1]
            return free
    raise OSError("127.0.0.1 has no free port")
