"""A Prometheus that scrapes the demo, if one is installed."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_USUAL_PORT = 9090
_END_SECONDS = 5.0


def find_prometheus() -> str | None:
    """Return the program, or None if it is not on PATH."""
    return shutil.which("prometheus")


@asynccontextmanager
async def scraping(program: str, address: str) -> AsyncIterator[str]:
    """Run a Prometheus that scrapes `address` each second; yield its URL."""
    listen = f"127.0.0.1:{free_port(_USUAL_PORT)}"
    with TemporaryDirectory(prefix="demo-prometheus-") as directory:
        configuration = Path(directory) / "prometheus.yml"
        configuration.write_text(configuration_for(address), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address={listen}",
            "--log.level=error",
            # A session of its own: Ctrl-C is for us, and we end it.
            start_new_session=True,
        )
        try:
            yield f"http://{listen}"
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


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
