"""Stands in for the kubelets: it ends each pod at once, as if its container had run.

Only hooks make pods here, since no controller runs. What their containers would do, `tests/chart` tests by
running the exporter's command with the variables and files that the pod would have.
"""

from __future__ import annotations

from threading import Event, Thread
from typing import Literal, Self

from cluster.api import Access, Api, RefusedError

BETWEEN_LOOKS = 0.05

Phase = Literal["Succeeded", "Failed"]


class Kubelet:
    """Ends pods inside the `with` block.

    Args:
        access: to the API server.

    Attributes:
        phase: how the pods end.
        ran: names of the pods that it ended.
    """

    def __init__(self, access: Access) -> None:
        self.phase: Phase = "Succeeded"
        self.ran: list[str] = []
        self._api = Api(access)
        self._stop = Event()
        self._thread = Thread(target=self._work, name="kubelet")

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()
        self._api.close()

    def _work(self) -> None:
        while not self._stop.wait(BETWEEN_LOOKS):
            pending = self._api.send("GET", "/api/v1/pods", fieldSelector="status.phase=Pending")
            for pod in pending.json()["items"]:
                where, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
                path = f"/api/v1/namespaces/{where}/pods/{name}/status"
                self.ran.append(name)
                try:
                    self._api.send("PATCH", path, {"status": {"phase": self.phase}}, patch="merge")
                except RefusedError:  # it was deleted meanwhile
                    continue
