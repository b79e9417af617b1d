"""The simulator, in a thread of the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from exporter.simulator import Environment, SimulatedEnvironment, Simulator, simulator
from harness.waiting import PATIENCE


def discovered(environments: Iterable[Environment]) -> list[str]:
    """Return the names of the targets that an exporter discovers at their destinations."""
    return sorted(
        f"{each.name}_{provider.name.lower()}_{provider.id[:4]}"
        for each in environments
        for provider in each.providers
        if len(each.providers) > 1
    )


class Simulated:
    """Runs the simulator in a thread while its `with` block lasts.

    Args:
        environments: what is simulated.
        directory: for its temporary files.
        options: further ones of `simulator`.
    """

    running: Simulator

    def __init__(
        self,
        environments: Sequence[Environment],
        directory: Path | None = None,
        **options: Any,  # noqa: ANN401  the simulator's own
    ) -> None:
        self._environments = environments
        self._options = {"directory": directory, **options}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._ready = threading.Event()

    @property
    def control_url(self) -> str:
        """Of the control API."""
        return self.running.control_url

    @property
    def variables(self) -> dict[str, str]:
        """What an exporter that watches it is configured with."""
        return self.running.exporter_variables()

    def environment(self, name: str) -> SimulatedEnvironment:
        """Return a simulated environment."""
        return self.running.environments[name]

    def put(self, environment: str, weather: Mapping[str, Any]) -> None:
        """Change the weather by the control API, as `curl` would."""
        # Not verified, since reading the system's authorities takes longer than a plain http request.
        with httpx.Client(trust_env=False, timeout=PATIENCE, verify=False) as client:  # noqa: S501  as above
            response = client.put(f"{self.control_url}/weather/{environment}", json=weather)
        assert response.is_success, response.text

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with simulator(self._environments, **self._options) as self.running:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
