"""The simulator, in a thread of the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from exporter.simulator import Environment, simulator, variables


class Simulated:
    """Runs the simulator in a thread from the start to the end of a `with` block."""

    def __init__(self, environments: Sequence[Environment], directory: Path) -> None:
        self._environments = environments
        self._directory = directory
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._ready = threading.Event()
        self.variables: dict[str, str] = {}
        self.control_url = ""

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with simulator(self._environments, directory=self._directory) as running:
            self.variables, self.control_url = variables(running), running.control_url
            self._ready.set()
            await self._stop.wait()

    def put(self, environment: str, weather: Mapping[str, Any]) -> None:
        """Change the weather by the control API, as one `curl` would."""
        with httpx.Client(trust_env=False) as client:
            response = client.put(f"{self.control_url}/weather/{environment}", json=weather)
        assert response.is_success, response.text

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
