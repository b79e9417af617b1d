"""One cluster for all tests of this folder; each test leaves it as it found it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from chart.rendering import NAMESPACE, Manifest
from cluster.control_plane import control_plane
from cluster.definitions import OF_OTHERS, definitions
from cluster.helm import SHAPES, Helm
from cluster.kubelet import Kubelet
from harness.waiting import poll

if TYPE_CHECKING:
    from cluster.api import Api

NAMESPACES = (NAMESPACE, "watch")
"""Of the release, and of `namespaceOverride`."""

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `shape` for every shape of the chart."""
    if "shape" in metafunc.fixturenames:
        metafunc.parametrize("shape", sorted(SHAPES))


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster with restricted namespaces, and with the definitions of all resources."""
    with control_plane(tmp_path_factory.mktemp("cluster")) as api:
        for definition in definitions():
            api.apply(definition)
        wanted = set(OF_OTHERS)
        poll(lambda: wanted - api.kinds(), lambda missing: not missing, what="the defined resources")
        for name in NAMESPACES:
            metadata = {"name": name, "labels": RESTRICTED}
            api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
            # A controller would create it; the check before an upgrade uses it.
            account = {"name": "default", "namespace": name}
            api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        yield api


@pytest.fixture
def kubelet(api: Api) -> Iterator[Kubelet]:
    """What ends the hooks' pods."""
    with Kubelet(api.access) as running:
        yield running


@pytest.fixture
def helm(api: Api, kubelet: Kubelet) -> Iterator[Helm]:
    """Helm; the test may do anything with the release, which is uninstalled afterwards."""
    assert kubelet.ran == []
    with Helm(api) as helm:
        yield helm
        helm.uninstall(if_exists=True)


@pytest.fixture(scope="session")
def fresh(api: Api) -> dict[str, list[Manifest]]:
    """The objects of each shape after an installation into an empty namespace."""
    made = {}
    with Helm(api) as helm:
        for name, values in SHAPES.items():
            helm.install(values)
            made[name] = helm.live()
            helm.uninstall()
    return made
