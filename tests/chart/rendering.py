"""The chart, rendered by real Helm: the only place that knows with which one.

helm-python-sdk is Helm itself behind a Python binding; it is young, so that what it can do is used here
and nowhere else. A `helm` on PATH is asked for the same in `test_lint.py`.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

from exporter import __version__

Manifest = dict[str, Any]
Values = dict[str, Any]

CHART = Path(__file__).resolve().parents[2] / "helm" / "pingone-flow-exporter"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE, NAMESPACE = "flows", "monitoring"
FULL_NAME = f"{RELEASE}-pingone-flow-exporter"

TARGET: Values = {
    "sourceEnvironmentId": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
    "destinationEnvironmentId": "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
    "clientId": "client",
}
ONE: Values = {"targets": {"emea": TARGET}}


class RefusedError(Exception):
    """Helm refused the values; its words."""


@dataclass(frozen=True, slots=True)
class Release:
    """What an installation would send to the API server.

    Args:
        manifests: every object, tests included.
        notes: the text shown after an installation.
    """

    manifests: tuple[Manifest, ...]
    notes: str

    def all(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def one(self, kind: str) -> Manifest:
        """Return the only object of a kind."""
        (manifest,) = self.all(kind)
        return manifest

    @property
    def workload(self) -> Manifest:
        """The Deployment or StatefulSet."""
        (manifest,) = [*self.all("Deployment"), *self.all("StatefulSet")]
        return manifest

    def check(self, name: str) -> Manifest:
        """Return the pod that checks the settings: `check-config` in `helm test`, or `upgrade-check`."""
        (pod,) = [pod for pod in self.all("Pod") if pod["metadata"]["name"].endswith(f"-{name}")]
        return pod

    @property
    def pods(self) -> list[Manifest]:
        """The specifications of all pods that could ever run; the exporter's is the first."""
        return [self.workload["spec"]["template"]["spec"], *(pod["spec"] for pod in self.all("Pod"))]

    def environment(self, *, pod: str, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        """Return the variables of the exporter's container, as a kubelet would set them.

        Args:
            pod: the pod's name.
            secrets: Secrets and ConfigMaps of the cluster by their names, as text.
        """
        container, *_ = self.pods[0]["containers"]
        variables: dict[str, str] = {}
        for source in container["envFrom"]:
            ((kind, reference),) = source.items()
            variables |= self._held(kind.removesuffix("Ref"), reference["name"], secrets)
        for entry in container.get("env", []):
            variables[entry["name"]] = _value(entry, pod, secrets)
        return variables

    def mounts(self, *, secrets: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Return what a kubelet would mount into the exporter's container: directories, each with its files.

        Args:
            secrets: Secrets and ConfigMaps of the cluster by their names, as text.
        """
        container, *_ = self.pods[0]["containers"]
        volumes = {volume["name"]: volume for volume in self.pods[0].get("volumes", [])}
        mounts: dict[str, dict[str, str]] = {}
        for mount in container.get("volumeMounts", []):
            assert mount["readOnly"] is True
            assert "subPath" not in mount
            volume, files = volumes[mount["name"]], mounts.setdefault(mount["mountPath"], {})
            for source in volume["projected"]["sources"] if "projected" in volume else [volume]:
                (kind,) = {"configMap", "secret"} & source.keys()
                name = source[kind].get("secretName") or source[kind]["name"]
                files.update(self._held(kind, name, secrets))
        return mounts

    def _held(self, kind: str, name: str, elsewhere: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
        """Return what a ConfigMap or Secret holds, of this release or of the cluster."""
        for item in self.all(kind[0].upper() + kind[1:]):
            if item["metadata"]["name"] == name:
                data: dict[str, str] = item.get("data", {})
                if kind == "configMap":
                    return data
                return {key: base64.b64decode(value).decode() for key, value in data.items()}
        return elsewhere[name]


def _value(entry: Manifest, pod: str, secrets: Mapping[str, Mapping[str, str]]) -> str:
    if "value" in entry:
        return str(entry["value"])
    if "fieldRef" in entry["valueFrom"]:
        assert entry["valueFrom"]["fieldRef"] == {"apiVersion": "v1", "fieldPath": "metadata.name"}
        return pod
    reference = entry["valueFrom"]["secretKeyRef"]
    return secrets[reference["name"]][reference["key"]]


def shape(name: str) -> Values:
    """Return the values of `ci/<name>-values.yaml`."""
    return values_of(CHART / "ci" / f"{name}-values.yaml")


def values_of(path: Path) -> Values:
    """Read a file of values."""
    values: Values = yaml.safe_load(path.read_text(encoding="utf-8"))
    return values


def render(
    values: Values, *, name: str = RELEASE, namespace: str = NAMESPACE, chart: Path = CHART
) -> Release:
    """Render the chart.

    Raises:
        RefusedError: if Helm refuses the values.
    """
    rendered = _render(json.dumps(values), name, namespace, chart)
    if isinstance(rendered, str):
        raise RefusedError(rendered)
    texts = [text for path, text in rendered.items() if not path.endswith("NOTES.txt")]
    # The loader in C takes a twelfth of the time, which was most of the time of these tests.
    documents = [document for text in texts for document in yaml.load_all(text, Loader=yaml.CSafeLoader)]
    notes = [text for path, text in rendered.items() if path.endswith("templates/NOTES.txt")]
    return Release(tuple(document for document in documents if document), "".join(notes))


@cache
def _render(values: str, name: str, namespace: str, chart: Path) -> dict[str, str] | str:
    """Return the text of each template, or Helm's error; the same values are rendered once."""
    try:
        return dict(_load(chart).render(json.loads(values), name=name, namespace=namespace))
    except helm_python.HelmError as error:
        return str(error)


@cache
def _load(chart: Path) -> helm_python.Chart:
    return helm_python.Chart.load(chart)


def parent(directory: Path, dependency: Values, values: Values) -> Path:
    """Write a chart that depends on this one.

    Args:
        directory: where its folder is made.
        dependency: further keys of the dependency, such as `alias`.
        values: its values.
    """
    chart = directory / "umbrella"
    (chart / "charts").mkdir(parents=True)
    shutil.copytree(CHART, chart / "charts" / "pingone-flow-exporter")
    known: Values = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0"}
    needed = {"name": "pingone-flow-exporter", "version": __version__, "repository": ""}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(known | {"dependencies": [needed | dependency]}))
    (chart / "values.yaml").write_text(yaml.safe_dump(values))
    return chart


def lint(values: Values, *, kube_version: str) -> list[str]:
    """Return what a strict `helm lint` finds: warnings and errors."""
    report = helm_python.lint(CHART, values, strict=True, kube_version=kube_version)
    worth_telling = 2
    return [
        *report["errors"],
        *(message["error"] for message in report["messages"] if message["severity"] >= worth_telling),
    ]
