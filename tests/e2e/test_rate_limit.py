"""A rate limit pauses the targets of that environment for as long as the provider asks, and no others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from harness.daemon import Daemon
from harness.http_messages import json_answer
from harness.http_server import HttpServer
from harness.variables import SOURCE, target_variables

if TYPE_CHECKING:
    from harness.http_messages import Answer, Request
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

OTHER_SOURCE = "bbbbbbbb-0000-4000-8000-000000000000"
HELD = ("held_a", "held_b")
FREE = ("other_environment", "other_host")
ASKED_FOR = 5.0
MAX_TRIES = 3
MANY = 4
"""Probes of a target after which a refusal has been read, or its probe had given up."""
BACKOFF = "pingone_flow_backoff_until_timestamp_seconds"
SKIPPED = "pingone_flow_exporter_probes_skipped_total"

# By the clock of a provider that is years ahead: a date is to be read by the `Date` beside it.
DATED = (("Date", "Tue, 01 Jan 2041 00:00:00 GMT"), ("Retry-After", "Tue, 01 Jan 2041 00:00:05 GMT"))


class Limiting:
    """Answers good flows, and once `refusal` to a request of `SOURCE`.

    Args:
        server: the server of these flows.
    """

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self.refusal: Answer | None = None
        self.refused_at = 0.0

    @property
    def has_refused(self) -> bool:
        return self.refusal is None

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if self.refusal is not None and is_of(request, SOURCE):
            refusal, self.refusal = self.refusal, None
            self.refused_at = request.received_at
            await refusal(request, writer)
        else:
            await self._server.answer_flow(request, writer)


@dataclass(frozen=True, slots=True)
class Setting:
    """A daemon that probes two environments on one host, and one of them on another host too."""

    daemon: Daemon
    host: HttpServer
    other_host: HttpServer
    limiting: Limiting


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    directory = tmp_path_factory.mktemp("rate-limit")
    with HttpServer() as host, HttpServer() as other_host:
        limiting = Limiting(host)
        host.always(limiting)
        environment = {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "300ms",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "290ms",
            **target_variables("held_a", host.base_url),
            **target_variables("held_b", host.base_url),
            **target_variables("other_environment", host.base_url, source=OTHER_SOURCE),
            **target_variables("other_host", other_host.base_url),
        }
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as daemon:
            yield Setting(daemon, host, other_host, limiting)


@pytest.mark.parametrize(
    "headers", [(("Retry-After", "5"),), DATED], ids=["in_seconds", "as_a_date_of_another_clock"]
)
def test_all_targets_of_the_environment_pause_for_as_long_as_it_asks(
    setting: Setting, headers: tuple[tuple[str, str], ...]
) -> None:
    daemon = setting.daemon
    before = daemon.wait_until(all_succeed, what="all to succeed")
    # A probe that is under way when another one is refused is not held back any more: hence the last look
    # at the page, and not the answer, begins the silence.
    refusal = json_answer({"code": "REQUEST_LIMITED"}, status=429, headers=headers)
    asked, held = refused(setting, refusal, before)
    silent_from = time.monotonic()
    until = ends_of_holds(held)
    assert max(until) - min(until) < 0.001
    ends_at = until[0] - time.time() + time.monotonic()
    assert ends_at - ASKED_FOR <= silent_from

    after = daemon.wait_until(
        lambda page: all_succeed(page) and all(runs(page, name) > runs(held, name) for name in HELD),
        what="all to go on",
    )
    assert not any(page_has_hold(after, name) for name in HELD)
    came = [request.received_at for request in setting.host.requests if is_of(request, SOURCE)]
    assert not [moment for moment in came if silent_from < moment < ends_at - 0.01]
    assert [moment for moment in came if moment >= ends_at - 0.01]

    elsewhere = [request for request in setting.host.requests if is_of(request, OTHER_SOURCE)]
    refused_at = setting.limiting.refused_at  # a busy machine may see the holds only just before they end
    for others in (elsewhere, setting.other_host.requests):
        assert [request for request in others if refused_at < request.received_at < ends_at]
    for name in HELD:
        assert skipped(after, name) > skipped(before, name)
        assert after.value("pingone_flow_probe_consecutive_failures", target=name) == 0.0
    for name in FREE:
        assert not page_has_hold(held, name)
        assert skipped(after, name) == 0.0
    assert limited(after) == limited(asked) + 1.0


def refused(setting: Setting, refusal: Answer, before: Samples) -> tuple[Samples, Samples]:
    """Refuse one request; return a page from before it, and one that shows the holds.

    Refuse another one if its probe had given up by then, or if the holds were over before they were seen.
    """

    def is_held(page: Samples) -> bool:
        # A skipped run proves that the target's previous probe has ended.
        return all(page_has_hold(page, name) and skipped(page, name) > skipped(before, name) for name in HELD)

    for _ in range(MAX_TRIES):
        asked = setting.daemon.metrics()  # before the server may refuse: this page is not to have the refusal
        setting.limiting.refusal = refusal
        page = setting.daemon.wait_until(
            lambda page, asked=asked: (  # type: ignore[misc]
                is_held(page)
                or (
                    setting.limiting.has_refused
                    and all(runs(page, name) > runs(asked, name) + MANY for name in HELD)
                )
            ),
            what="holds",
        )
        if is_held(page):
            return asked, page
    raise AssertionError("no refusal reached a probe in time")


def is_of(request: Request, environment: str) -> bool:
    return request.path.startswith(f"/{environment}/")


def all_succeed(page: Samples) -> bool:
    return all(page.value("pingone_flow_probe_success", target=name) == 1.0 for name in (*HELD, *FREE))


def page_has_hold(page: Samples, name: str) -> bool:
    return page.has(BACKOFF, target=name)


def ends_of_holds(page: Samples) -> list[float]:
    return [value for _, value in page.series(BACKOFF)]


def runs(page: Samples, name: str) -> float:
    return page.total("pingone_flow_probes_total", target=name)


def limited(page: Samples) -> float:
    return page.total("pingone_flow_probes_total", reason="rate_limited", fault="quota")


def skipped(page: Samples, name: str) -> float:
    return page.total(SKIPPED, target=name, cause="backoff")
