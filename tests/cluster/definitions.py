"""Definitions of resources of other projects: the Prometheus operator, Gateway API, the autoscaler."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from cluster.build import DEFINITIONS

if TYPE_CHECKING:
    from chart.rendering import Manifest

OPERATOR_KINDS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")
OF_OTHERS = (*OPERATOR_KINDS, "HTTPRoute", "VerticalPodAutoscaler")
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
SCHEMAS = os.environ.get("PROMETHEUS_OPERATOR_SCHEMAS")


def definitions() -> Iterator[Manifest]:
    """Yield every definition that the chart's objects need.

    The operator's accept anything unless PROMETHEUS_OPERATOR_SCHEMAS names the folder of its schemas.
    """
    for file in sorted(DEFINITIONS.glob("*.yaml")):
        documents = yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        yield from filter(None, documents)
    yield from map(_of_operator, OPERATOR_KINDS)


def _of_operator(kind: str) -> Manifest:
    singular = kind.lower()
    schema = ANYTHING
    if SCHEMAS:
        text = (Path(SCHEMAS) / f"{singular}_v1.json").read_text(encoding="utf-8")
        schema = _structural(json.loads(text))
    group, plural = "monitoring.coreos.com", f"{singular}s"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": singular},
            "versions": [version],
        },
    }


def _structural(schema: Any) -> Any:  # noqa: ANN401  any part of a schema
    """Return a JSON schema as an API server takes it: that unknown fields are refused is its own rule."""
    if isinstance(schema, list):
        return [_structural(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = schema.get("additionalProperties") is False
    return {
        name: _structural(part)
        for name, part in schema.items()
        if not (closed and name == "additionalProperties")
    }
