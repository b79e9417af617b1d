"""Helm with a cluster: what a person does with `helm install`, `upgrade`, `test`, `rollback`, `uninstall`.

It is the same Helm that `chart.rendering` uses, as a library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import helm_python
import yaml
from chart.rendering import CHART, CI, NAMESPACE, RELEASE, Manifest, Values, values_of
from cluster.api import Api, plain

SHAPES: dict[str, Values] = {path.name.removesuffix("-values.yaml"): values_of(path) for path in CI}
"""Sets of values by name: every shape of the chart that is supported."""

TIMEOUT = 240
"""Seconds that a hook may take."""


class HelmError(Exception):
    """Helm failed; its words."""


class Helm:
    """Manages the release in the cluster.

    Args:
        api: the cluster.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._config = helm_python.Config(
            kubeconfig_content=api.access.kubeconfig(NAMESPACE),
            namespace=NAMESPACE,
            qps=1000,
            burst_limit=1000,
        )

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._config.close()

    def install(self, values: Values, *, chart: Path = CHART) -> None:
        """Install the release."""
        self._config.install(chart, RELEASE, values, namespace=NAMESPACE, wait="hookOnly", timeout=TIMEOUT)

    def upgrade(self, values: Values) -> None:
        """Upgrade it to other values, which replace the old ones.

        Raises:
            HelmError: a hook failed, or the API server refused an object.
        """
        try:
            self._config.upgrade(
                CHART,
                RELEASE,
                values,
                namespace=NAMESPACE,
                reset_values=True,
                wait="hookOnly",
                timeout=TIMEOUT,
                max_history=5,
            )
        except helm_python.HelmError as error:
            raise HelmError(str(error)) from error

    def rollback(self, revision: int | None = None) -> None:
        """Roll it back to a revision, the one before by default."""
        self._config.rollback(RELEASE, version=revision, wait="hookOnly", timeout=TIMEOUT)

    def test(self) -> None:
        """Run its tests."""
        self._config.test(RELEASE, timeout=TIMEOUT)

    def uninstall(self, *, if_exists: bool = False) -> None:
        """Uninstall it."""
        self._config.uninstall(RELEASE, wait="hookOnly", timeout=TIMEOUT, ignore_not_found=if_exists)

    def manifests(self) -> list[Manifest]:
        """Return what the last revision consists of, without hooks."""
        text = self._config.status(RELEASE)["manifest"]
        return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]

    def live(self) -> list[Manifest]:
        """Return these objects as the cluster has them; see `plain`."""
        return sorted((plain(self._api.get(item)) for item in self.manifests()), key=str)
