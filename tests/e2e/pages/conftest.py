"""Three federations under weather that a test may change, the command that watches them, and a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from harness.browser import Visit, browsing
from harness.daemon import Daemon
from harness.simulated import Simulated
from harness.waiting import poll

from exporter.simulator import plain_environments

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PACE = {
    "FLOW_EXPORTER_DEFAULTS__INTERVAL": "2s",
    "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "1950ms",
    "FLOW_EXPORTER_DEFAULTS__LABELS__OWNER": "identity",
    "FLOW_EXPORTER_WEB__GRAFANA_URL": "https://grafana.example.com/d/pingone-flow-target?var-target={target}",
}
NAMES = ("environment_1", "environment_2", "environment_3")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a test has on stage."""

    simulated: Simulated
    daemon: Daemon

    def weather(self, kind: str, *names: str, **parameters: Any) -> None:  # noqa: ANN401  any parameter's
        """Change the weather over some, and wait until the exporter reports it."""
        for name in names:
            self.simulated.put(name, {"weather": kind, **parameters})
        wanted = "good" if kind == "healthy" else "failing"

        def states() -> dict[str, str]:
            status = self.daemon.get("/api/v1/targets").json()["targets"]
            return {target["target"]: target["standing"] for target in status}

        poll(
            states,
            lambda found: all(found[name] == wanted for name in names),
            what=f"{names} {wanted}",
        )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("pages")
    plain = plain_environments(len(NAMES))
    world = [*plain[:2], replace(plain[2], https=True)]
    with (
        Simulated(world, directory) as simulated,
        Daemon(PACE | simulated.variables, directory=directory / "work", logs=directory / "logs") as daemon,
    ):
        found = Scene(simulated, daemon)
        found.weather("healthy", *NAMES)
        yield found


@pytest.fixture
def visit(browser: Browser, scene: Scene) -> Iterator[Callable[..., Visit]]:
    """Begins visits; in the end nothing may have gone wrong on any page, nor been asked for elsewhere."""
    visits: list[Visit] = []

    def begin(**facts: Any) -> Visit:  # noqa: ANN401  any of a visit's
        visits.append(Visit(browser, scene.daemon.url, **facts))
        return visits[-1]

    yield begin
    for each in visits:
        each.close()
    assert [wrong for each in visits for wrong in each.wrong] == []
    assert [url for each in visits for url in each.strangers()] == []
