"""Run the simulated provider of a soak: the project's own simulator, which notes each request.

    python -m benchmarks.soak.provider --rate 200 --seen FILE

It prints one line of JSON: the URL of its control API, and the settings of each environment's targets. Each
request adds a line to the file: the probe's transaction id, the environment and the path.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from benchmarks.soak.scene import environments
from exporter.process import raise_open_file_limit, stop_signals
from exporter.simulator import SimulatedEnvironment, simulator

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_TRANSACTION = b"x-ping-external-transaction-id"


def note_requests(file: TextIO) -> None:
    """Have every simulated environment note its requests before it does anything else."""
    answer = SimulatedEnvironment.__call__

    async def note_and_answer(self: SimulatedEnvironment, scope: Scope, receive: Receive, send: Send) -> None:
        transaction = dict(scope["headers"]).get(_TRANSACTION, b"-").decode()
        file.write(f"{transaction} {self.environment.name} {scope['path']}\n")
        await answer(self, scope, receive, send)

    SimulatedEnvironment.__call__ = note_and_answer  # type: ignore[method-assign]  # the simulator has no hook


async def serve(rate: int, seen: Path) -> None:
    """Serve until SIGTERM."""
    async with stop_signals() as stopping:
        with seen.open("w", encoding="ascii") as file:
            note_requests(file)
            async with simulator(environments(rate)) as running:
                known = {"control_url": running.control_url, "settings": running.target_settings()}
                print(json.dumps(known), flush=True)
                await stopping.wait()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--seen", type=Path, required=True)
    options = parser.parse_args()
    raise_open_file_limit()
    asyncio.run(serve(options.rate, options.seen))


if __name__ == "__main__":
    main()
