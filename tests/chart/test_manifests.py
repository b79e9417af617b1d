"""Every supported shape is valid for every Kubernetes and for the Prometheus operator, and hardened."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import kubernetes_validate
import pytest
from chart import operator_schemas
from chart.rendering import CHART, CI, ONE, Release, render, values_of

from exporter import __version__

if TYPE_CHECKING:
    from chart.rendering import Manifest

OF_OTHERS = {operator_schemas.API_VERSION, "gateway.networking.k8s.io/v1", "autoscaling.k8s.io/v1"}
VERSIONS = [f"1.{minor}" for minor in range(25, 38)]
FILES = pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
RELEASES = {path: render(values_of(path)) for path in CI}
"""Rendered once: nothing changes them."""


def errors(manifest: Manifest, version: str) -> str:
    return errors_of(json.dumps(manifest, sort_keys=True), version)


@cache  # many objects are the same in several shapes, and each time the library reads its schemas again
def errors_of(manifest: str, version: str) -> str:
    try:
        kubernetes_validate.validate(json.loads(manifest), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return ""


@FILES
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_every_kubernetes_from_the_oldest_on(path: Path, version: str) -> None:
    release = RELEASES[path]
    native = [item for item in release.manifests if item["apiVersion"] not in OF_OTHERS]
    wrong = {manifest["kind"]: message for manifest in native if (message := errors(manifest, version))}
    assert wrong == {}
    assert len(native) >= 4


def test_an_unknown_field_is_found() -> None:
    deployment = render(ONE).one("Deployment")
    deployment["spec"]["template"]["spec"]["enableServiceLink"] = False
    assert "enableServiceLink" in errors(deployment, VERSIONS[0])


def test_every_kind_of_object_is_covered_by_a_set_of_values() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*.yaml")]
    named = [name for text in texts for name in re.findall(r"^kind: (.*)$", text, re.MULTILINE)]
    kinds = {name for text in named for name in re.findall(r"[A-Z]\w+", text)}
    made = {manifest["kind"] for release in RELEASES.values() for manifest in release.manifests}
    assert {"StatefulSet", "Deployment", "PodMonitor", "PrometheusRule"} < kinds
    assert kinds <= made


def test_the_newest_known_kubernetes_is_tested() -> None:
    assert kubernetes_validate.latest_version().startswith(VERSIONS[-1])


@operator_schemas.needed
@FILES
def test_every_object_of_the_operator_fits_its_schema(path: Path) -> None:
    for manifest in RELEASES[path].manifests:
        if manifest["apiVersion"] == operator_schemas.API_VERSION:
            operator_schemas.check(manifest)


@operator_schemas.needed
def test_a_field_unknown_to_the_operator_is_found() -> None:
    monitor = render(ONE).one("ServiceMonitor")
    monitor["spec"]["endpoints"][0]["scrape"] = "often"
    with pytest.raises(jsonschema.ValidationError, match="'scrape' was unexpected"):
        operator_schemas.check(monitor)


@FILES
def test_pods_have_no_token_and_no_service_links(path: Path) -> None:
    for pod in RELEASES[path].pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"} & set(pod)
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert all("hostPort" not in port for port in container.get("ports", []))
            assert "command" not in container
    for account in RELEASES[path].all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@FILES
def test_users_are_numeric_unless_the_cluster_assigns_them(path: Path) -> None:
    for pod in RELEASES[path].pods:
        context = pod["securityContext"]
        ids = [context.get(name) for name in ("runAsUser", "runAsGroup", "fsGroup")]
        assert ids == ([None] * 3 if "openshift" in path.name else [65532] * 3)


HEALTH = {"web-tls": {"port": "https", "scheme": "HTTPS"}, "web-mutual": {"port": "health"}}


@FILES
def test_health_checks_use_a_port_that_kubelets_can_reach(path: Path) -> None:
    container, *_ = RELEASES[path].workload["spec"]["template"]["spec"]["containers"]
    where = HEALTH.get(path.name.removesuffix("-values.yaml"), {"port": "http"})
    assert container["livenessProbe"]["httpGet"] == {"path": "/-/healthy", **where}
    assert container["readinessProbe"]["httpGet"] == {"path": "/-/ready", **where}
    assert where["port"] in {port["name"] for port in container["ports"]}


@FILES
def test_no_permissions_are_requested_from_the_cluster(path: Path) -> None:
    kinds = {manifest["kind"] for manifest in RELEASES[path].manifests}
    assert not {kind for kind in kinds if "Role" in kind}


@FILES
def test_every_object_has_the_standard_labels(path: Path) -> None:
    release: Release = RELEASES[path]
    extra = {"as-it-is", "flows-pingone-flow-exporter-templated"}
    own = [manifest for manifest in release.manifests if manifest["metadata"]["name"] not in extra]
    for manifest in own:
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "flows"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["helm.sh/chart"] == f"pingone-flow-exporter-{__version__}"
        assert manifest["metadata"]["namespace"] == ("watch" if "options" in path.name else "monitoring")
        if "full" in path.name:
            assert labels["release"] == "kube-prometheus-stack"
