"""The demo reports what is missing, and uses another port where one is in use."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from harness.simulated import discovered

from exporter.demo import stage
from exporter.simulator import demo_environments, parse_weather_text, simulator


@pytest.fixture
def taken() -> Iterator[int]:
    """A port in use."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_exporter_listens_on_the_usual_port_or_any_other(taken: int) -> None:
    (other,) = stage._bind(taken)  # noqa: SLF001  the usual port may be in use where tests run
    with other:
        free = other.getsockname()[1]
        assert free != taken
    (wanted,) = stage._bind(free)  # noqa: SLF001  likewise
    with wanted:
        assert wanted.getsockname() == ("127.0.0.1", free)


@pytest.mark.parametrize(
    ("page", "prometheus", "note"),
    [
        (9988, 9090, None),
        (1, 9090, "default port 9988; the demo listens on the port above instead"),
        (1, 2, "default ports 9988, 9090; the demo listens on the ports above instead"),
    ],
)
def test_a_default_port_that_is_in_use_is_reported(page: int, prometheus: int, note: str | None) -> None:
    assert stage.in_use({"page": f"http://h:{page}/", "Prometheus": f"http://h:{prometheus}"}) == note


def test_any_other_refusal_of_the_system_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(*_: object, control_port: int, **__: object) -> None:
        tried.append(control_port)
        raise OSError(errno.EMFILE, "Too many open files")

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            await stage._start_simulator(stack, 9989)  # noqa: SLF001  likewise

    monkeypatch.setattr(stage, "simulator", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        asyncio.run(scenario())
    assert tried == [9989]


def test_each_row_shows_the_weather_that_it_meets() -> None:
    async def scenario() -> dict[str, str]:
        async with simulator([each for each in demo_environments() if not each.https]) as running:
            for name, weather in (("hub", "provider_missing,name=Pilot"), ("travel", "client_deleted")):
                await running.environments[name].set_weather(parse_weather_text(weather))
            rows = ["emea_workforce", "apac_partners", *discovered(demo_environments())]
            return {row.split("_")[1]: stage._weather(running, row) for row in rows}  # noqa: SLF001  what it shows

    assert asyncio.run(scenario()) == {
        "workforce": "healthy",
        "partners": "flaky ratio=0.3",
        **dict.fromkeys(("archive", "finance", "legal", "partner", "retail"), "healthy"),
        "pilot": "provider_missing name=Pilot",
        "travel": "client_deleted",
    }
