"""Alertmanager notifies a webhook of each alert separately, when it starts and when it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.alertmanager import Alertmanager
from harness.http_messages import Answer

if TYPE_CHECKING:
    from harness.factory import Factory
    from harness.http_server import HttpServer

pytestmark = pytest.mark.e2e


def test_two_alerts_arrive_one_by_one_and_are_resolved_one_by_one(
    tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    webhook = http_server(Answer(headers=(("Content-Length", "0"),)))
    alerts = [{"labels": {"alertname": name}, "annotations": {"a": "b"}} for name in ("One", "Two")]
    ended = [{**alert, "endsAt": "2001-01-01T00:00:00Z"} for alert in alerts]

    with Alertmanager(webhook.base_url, directory=tmp_path / "alertmanager") as running:
        for number, posted in enumerate((alerts, ended), start=1):
            url = f"http://{running.address}/api/v2/alerts"
            with httpx.Client(trust_env=False) as client:
                assert client.post(url, json=posted).is_success
            received = [
                json.loads(request.body)["alerts"] for request in webhook.wait_for_requests(2 * number)
            ]

    assert sorted((alert["status"], alert["labels"]["alertname"]) for (alert,) in received) == [
        ("firing", "One"),
        ("firing", "Two"),
        ("resolved", "One"),
        ("resolved", "Two"),
    ]
