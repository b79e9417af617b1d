"""The vendor's status page: a Statuspage summary is requested, and reduced to what the settings ask for.

What the page says is untrusted, and late: it is shown beside our own findings and changes none of them.
"""

import logging
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from exporter.outcome import Phase
from exporter.probing.contract import parse_timestamp
from exporter.probing.failure import OUR_BUG, read_failure
from exporter.probing.judge import judge_json
from exporter.probing.links import parse_link
from exporter.probing.messages import Request
from exporter.probing.probe import request_headers
from exporter.probing.ssl_contexts import verified_context
from exporter.probing.timing import Deadline
from exporter.probing.transport import Exchange, Network, ProbeTransport
from exporter.process import run_in_thread
from exporter.reasons import Reason
from exporter.status import (
    COMPONENT_STATUSES,
    INCIDENT_IMPACTS,
    MAINTENANCE_STATES,
    UNKNOWN,
    StatusComponent,
    StatusIncident,
    StatusMaintenance,
    StatusPageReport,
)
from exporter.target import NetworkRoute

TIMEOUT_SECONDS = 10.0
MAX_SUMMARY_BYTES = 1024 * 1024
MAX_TEXT_LENGTH = 200
MAX_INCIDENTS = 100

NO_SUMMARY = "the status page did not return a summary; set STATUS_PAGE__URL to the URL of its summary.json"

_USE = "an id, or group / name"
_OVER = ("resolved", "postmortem", "completed")
_TEMPORARY = frozenset({Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.BLOCKED})
_log = logging.getLogger(__name__)


class StatusPage:
    """Reads the vendor's status page.

    Args:
        url: http or https, of its `summary.json`; requested as it is, redirects are not followed.
        components: that are shown, by id or as `group / name`.
        route: how to get there.
        wall: seconds since the epoch.

    Attributes:
        report: what is known of it; None before the first request ended.
    """

    def __init__(
        self,
        url: str,
        components: Sequence[str] = (),
        route: NetworkRoute | None = None,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.report: StatusPageReport | None = None
        link = parse_link(url)
        self._page = "" if link is None else link.authority
        self._components = components
        self._request = Request("GET", url, request_headers((), None), max_body_bytes=MAX_SUMMARY_BYTES)
        self._network = Network()
        self._route = route or NetworkRoute()
        self._tls: ssl.SSLContext | None = None
        self._wall = wall
        self._last: Reason | None = None

    async def refresh(self) -> StatusPageReport:
        """Request the page once; a failure keeps what was known of it, and only a bug of ours is raised."""
        known = self.report or StatusPageReport(page=self._page, fetched_ok=False)
        exchange = await self._exchange()
        reason, finding, summary = self._judge(exchange)
        if summary is None:
            findings = (finding,) if finding else known.findings
            self.report = replace(known, fetched_ok=False, findings=findings)
        else:
            self.report = replace(summary, last_success=self._wall())
        if reason is not self._last:
            level = logging.INFO if reason is Reason.OK else logging.WARNING
            _log.log(level, "status page", extra={"page": self._page, "reason": reason.value})
        self._last = reason
        for finding in self.report.findings:
            if finding not in known.findings:
                _log.warning("status page: %s", finding, extra={"page": self._page})
        if exchange.error is not None and read_failure(exchange) == OUR_BUG:
            raise exchange.error
        return self.report

    def read_authorities_again(self) -> None:
        """Forget what CA_FILE contained."""
        self._tls = None

    async def _exchange(self) -> Exchange:
        try:
            if self._tls is None:
                self._tls = await run_in_thread(partial(verified_context, self._route.ca_file))
        except OSError as error:  # CA_FILE was readable when the settings were read
            return Exchange(phase=Phase.TLS, error=error)
        deadline = Deadline(TIMEOUT_SECONDS)
        way = self._route.ip_family, self._route.proxy_url
        transport = ProbeTransport(self._network, deadline, self._tls, *way)
        with closing(deadline), closing(transport):
            return await transport.exchange(self._request)

    def _judge(self, exchange: Exchange) -> tuple[Reason, str, StatusPageReport | None]:
        """Return why the request ended as it did, what the operator should correct, and the summary."""
        if exchange.error is not None or exchange.answer is None:
            return read_failure(exchange).reason, "", None
        code, verdict = exchange.answer.status_code, judge_json(exchange.answer)
        if verdict.reason is Reason.OK:
            summary = read_summary(verdict.flow, page=self._page, components=self._components)
            return (Reason.OK, "", summary) if summary else (Reason.NOT_JSON, NO_SUMMARY, None)
        if verdict.reason in _TEMPORARY:
            return verdict.reason, "", None
        return verdict.reason, f"HTTP {code}: {NO_SUMMARY}", None


def read_summary(
    document: Mapping[str, Any], *, page: str, components: Sequence[str]
) -> StatusPageReport | None:
    """Return what a summary says (Statuspage's public API, version 2), None for other JSON. Never raises."""
    about, listed = document.get("page"), document.get("components")
    if not isinstance(about, dict) or not isinstance(listed, list):
        return None
    index, findings = _component_index(listed), []
    shown = []
    for name in components:
        found = index.get(name, ())
        if len(found) == 1:
            status = _one_of(found[0].get("status"), COMPONENT_STATUSES)
            shown.append(StatusComponent(name, status, _time(found[0], "updated_at")))
            continue
        shown.append(StatusComponent(name, UNKNOWN))
        wrong, right = ("several components", "the id of one") if found else ("no component", _USE)
        findings.append(f'the status page has {wrong} "{name}"; use {right}')
    return StatusPageReport(
        page=page,
        fetched_ok=True,
        updated=_time(about, "updated_at"),
        components=tuple(shown),
        incidents=tuple(
            StatusIncident(_text(each), _one_of(each.get("impact"), INCIDENT_IMPACTS), since)
            for each, since in _open(document.get("incidents"), "started_at", "created_at")
        ),
        maintenances=tuple(
            StatusMaintenance(_text(each), _one_of(each.get("status"), MAINTENANCE_STATES), since)
            for each, since in _open(document.get("scheduled_maintenances"), "scheduled_for", "created_at")
        ),
        findings=tuple(findings),
    )


def _component_index(listed: Sequence[object]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the components by `group / name`, and by id, which wins."""
    known = [each for each in listed if isinstance(each, dict) and isinstance(each.get("name"), str)]
    by_id = {each["id"]: each for each in known if isinstance(each.get("id"), str)}
    index: dict[str, list[Mapping[str, Any]]] = {}
    for each in known:
        group = by_id.get(each["group_id"]) if isinstance(each.get("group_id"), str) else None
        path = each["name"] if group is None else f"{group['name']} / {each['name']}"
        index.setdefault(path, []).append(each)
    return index | {identity: [each] for identity, each in by_id.items()}


def _open(listed: object, *times: str) -> Iterator[tuple[Mapping[str, Any], float | None]]:
    """Yield the incidents or maintenances that are not over, each with the first of the times that it has."""
    for each in listed[:MAX_INCIDENTS] if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("status") not in _OVER:
            yield each, _time(each, *times)


def _time(document: Mapping[str, Any], *names: str) -> float | None:
    """Return the first of the times that is there."""
    written = filter(None, map(parse_timestamp, map(document.get, names)))
    return next((time.at for time in written), None)


def _one_of(value: object, known: Sequence[str]) -> str:
    return value if isinstance(value, str) and value in known else UNKNOWN


def _text(document: Mapping[str, Any]) -> str:
    """Return a name of the page as one line that any output can encode."""
    name = document.get("name")
    text = " ".join(name.split()) if isinstance(name, str) else ""
    return "".join(character for character in text if character.isprintable())[:MAX_TEXT_LENGTH]
