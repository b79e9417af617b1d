"""A real API server accepts every shape of the chart, and Helm removes all of it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chart.rendering import NAMESPACE, ONE, Manifest, parent, render
from cluster.api import Api, RefusedError, key
from cluster.definitions import SCHEMAS
from cluster.helm import SHAPES, Helm

if TYPE_CHECKING:
    from cluster.kubelet import Kubelet

pytestmark = pytest.mark.cluster

WITH_SCHEMAS = pytest.mark.skipif(
    not SCHEMAS, reason="PROMETHEUS_OPERATOR_SCHEMAS names no folder of schemas"
)


def pod(workload: Manifest) -> Manifest:
    """Return the pod that a controller would make of a workload's template."""
    template = workload["spec"]["template"]
    metadata = {**template["metadata"], "name": "made", "namespace": workload["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def test_a_release_is_installed_tested_and_uninstalled_and_leaves_only_the_test_for_its_log(
    api: Api, helm: Helm, kubelet: Kubelet, shape: str
) -> None:
    before = api.everything()
    helm.install(SHAPES[shape])
    installed = {found for found in api.everything() - before if not found.name.startswith("sh.helm.release")}
    assert {key(item) for item in helm.live()} <= installed
    assert kubelet.ran == []
    helm.test()
    (check,) = kubelet.ran
    assert check.endswith("-check-config")
    helm.uninstall()
    (left,) = api.everything() - before
    assert (left.kind, left.name) == ("Pod", check)
    api.delete({"apiVersion": "v1", "kind": left.kind, "metadata": left._asdict()})
    assert api.everything() == before


def test_pods_are_admitted_to_a_restricted_namespace(api: Api, helm: Helm, shape: str) -> None:
    helm.install(SHAPES[shape])
    (workload,) = [item for item in helm.live() if item["kind"] in {"Deployment", "StatefulSet"}]
    made = api.create(pod(workload), dry_run=True)
    assert made["spec"]["serviceAccountName"] == workload["spec"]["template"]["spec"]["serviceAccountName"]


def test_pod_security_is_enforced_here(api: Api, helm: Helm) -> None:
    helm.install(ONE | {"securityContext": {"allowPrivilegeEscalation": True}})
    (workload,) = [item for item in helm.live() if item["kind"] == "Deployment"]
    with pytest.raises(
        RefusedError, match='violates PodSecurity "restricted:latest": allowPrivilegeEscalation'
    ):
        api.create(pod(workload), dry_run=True)


def test_the_chart_is_installed_as_a_dependency(api: Api, helm: Helm, tmp_path: Path) -> None:
    before = api.everything()
    helm.install({}, chart=parent(tmp_path, {"alias": "emea"}, {"emea": ONE}))
    (workload,) = [item for item in helm.live() if item["kind"] == "Deployment"]
    assert workload["metadata"]["name"] == "flows-emea"
    helm.uninstall()
    assert api.everything() - before == set()


def unhooked(shape: str) -> list[Manifest]:
    """Return what `helm template --no-hooks` writes."""
    everything = render(SHAPES[shape]).manifests
    return [item for item in everything if "helm.sh/hook" not in item["metadata"].get("annotations", {})]


def test_applying_the_same_again_changes_nothing(api: Api, shape: str) -> None:
    manifests = unhooked(shape)
    try:
        first = [api.apply(item) for item in manifests]
        assert [api.apply(item, dry_run=True) for item in manifests] == first
        assert [api.apply(item) for item in manifests] == first
    finally:
        for item in manifests:
            api.delete(item)


def test_a_gitops_controller_takes_a_release_over_without_a_change(api: Api, helm: Helm, shape: str) -> None:
    """It takes the fields (`--force-conflicts`), as such controllers do, and gives none another value."""
    helm.install(SHAPES[shape])
    for item in helm.manifests():
        before, after = api.get(item), api.apply(item, dry_run=True, force=True)
        for version in (before, after):
            del version["metadata"]["managedFields"]
        assert after == before


@pytest.mark.parametrize(
    ("kind", "shape_of"),
    [
        pytest.param("ServiceMonitor", "full", marks=WITH_SCHEMAS),
        pytest.param("PodMonitor", "openshift", marks=WITH_SCHEMAS),
        pytest.param("PrometheusRule", "full", marks=WITH_SCHEMAS),
        ("HTTPRoute", "options"),
        ("VerticalPodAutoscaler", "options"),
        ("Ingress", "options"),
    ],
)
def test_an_unknown_field_is_refused(api: Api, kind: str, shape_of: str) -> None:
    """Or the tests above would prove little about these objects."""
    manifest = render(SHAPES[shape_of]).one(kind)
    changed = manifest | {"spec": manifest["spec"] | {"surplus": 1}}
    with pytest.raises(RefusedError, match="field not declared in schema"):
        api.apply(changed, dry_run=True)
    assert api.apply(manifest, dry_run=True)["metadata"]["namespace"] in {NAMESPACE, "watch"}
