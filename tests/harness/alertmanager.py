"""Debian's Alertmanager, which routes alerts."""

from __future__ import annotations

import json
from pathlib import Path

from harness.process import Process
from harness.prometheus import LISTENING, need_tool


class Alertmanager(Process):
    """An Alertmanager that sends every alert to one webhook, one by one and at once.

    Args:
        webhook: the URL of the webhook.
        directory: where its configuration and data go.
    """

    def __init__(self, webhook: str, *, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        configuration = directory / "alertmanager.yml"
        configuration.write_text(json.dumps(_configuration(webhook)))  # JSON is YAML
        command = [
            need_tool("prometheus-alertmanager"),
            f"--config.file={configuration}",
            f"--storage.path={directory / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--cluster.listen-address=",  # there is no other one
        ]
        super().__init__(command, directory=directory, logs=directory / "logs", environment={})
        self.address = ""

    def start(self) -> None:
        """Start it and return when it listens.

        Raises:
            AssertionError: it did not come up. Nothing is left running.
        """
        super().start()
        try:
            match = self.wait_for_log(LISTENING, what="Alertmanager that listens")
        except BaseException:
            self.kill()
            raise
        self.address = match["address"]


def _configuration(webhook: str) -> dict[str, object]:
    route = {
        "receiver": "webhook",
        "group_by": ["..."],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    }
    receiver = {"name": "webhook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
    return {"route": route, "receivers": [receiver]}
