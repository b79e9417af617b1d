"""A client of a Kubernetes API server: as much of it as the cluster tests need."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from chart.rendering import NAMESPACE, Manifest
from harness.waiting import PATIENCE

UNNAMESPACED = ""
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_BY_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
_OF_SERVICES = ("clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies", "ipFamilyPolicy")
"""The server keeps the last two when a manifest no longer names them."""

_NOT_OF_A_RELEASE = {"Event", "Lease"}
"""Kinds that the API server itself creates at any time."""


class RefusedError(Exception):
    """The API server refused a request; its words."""


class Key(NamedTuple):
    """What identifies an object; `namespace` is empty for those of the whole cluster."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach an API server.

    Args:
        url: scheme, host and port.
        ca_file: the authority that signed its certificate.
        token: of an administrator.
    """

    url: str
    ca_file: Path
    token: str

    def kubeconfig(self, namespace: str) -> str:
        """Return a kubeconfig file, as YAML."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "tests", "user": "tests", "namespace": namespace}
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "tests",
                "clusters": [{"name": "tests", "cluster": cluster}],
                "contexts": [{"name": "tests", "context": context}],
                "users": [{"name": "tests", "user": {"token": self.token}}],
            }
        )


class Api:
    """Reads and writes objects.

    Args:
        access: to the server.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._client = httpx.Client(
            base_url=access.url,
            verify=ssl.create_default_context(cafile=access.ca_file),
            headers={"Authorization": f"Bearer {access.token}"},
            timeout=PATIENCE,
            trust_env=False,
        )
        self._known: dict[tuple[str, str], tuple[str, bool, bool]] = {}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def is_ready(self) -> bool:
        """Whether the server has started, as its own health check reports it."""
        try:
            return self._client.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def send(self, method: str, path: str, body: object = None, **options: str) -> httpx.Response:
        """Send a request with query parameters `options`; `body` is sent as JSON.

        Raises:
            RefusedError: the server refused it.
        """
        content_type = {"PATCH": "application/apply-patch+yaml"}.get(method, "application/json")
        if "patch" in options:
            content_type = f"application/{options.pop('patch')}-patch+json"
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        answer = self._client.request(method, path, content=content, headers=headers, params=options)
        if not answer.is_success:
            raise RefusedError(answer.json()["message"])
        return answer

    def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = False) -> Manifest:
        """Apply an object on the server's side, and return it as it is, or would be, then.

        Raises:
            RefusedError: it is invalid or has an unknown field, or a field that another manager set
                has another value.
            AssertionError: the server warns, as it does of what is deprecated or against a pod standard.
        """
        options = {"fieldManager": "gitops", "fieldValidation": "Strict", "force": str(force).lower()}
        options |= {"dryRun": "All"} if dry_run else {}
        answer = self.send("PATCH", self.path(manifest), manifest, **options)
        assert answer.headers.get_list("warning") == []
        applied: Manifest = answer.json()
        return applied

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object.

        Raises:
            RefusedError: it exists, is invalid or has an unknown field.
        """
        options = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        collection = self.path(manifest).rpartition("/")[0]
        created: Manifest = self.send("POST", collection, manifest, **options).json()
        return created

    def get(self, manifest: Manifest) -> Manifest:
        """Return an object as it is now.

        Raises:
            RefusedError: there is none of its name.
        """
        found: Manifest = self.send("GET", self.path(manifest)).json()
        return found

    def delete(self, manifest: Manifest) -> None:
        """Delete an object, if it exists."""
        with suppress(RefusedError):
            self.send("DELETE", self.path(manifest))

    def path(self, manifest: Manifest) -> str:
        """Return the path of an object; one without a namespace is in that of the release."""
        where = (manifest["apiVersion"], manifest["kind"])
        if where not in self._known:
            self._discover()
        plural, namespaced, _ = self._known[where]
        metadata = manifest["metadata"]
        namespace = f"/namespaces/{metadata.get('namespace', NAMESPACE)}" if namespaced else ""
        return f"{_root(manifest['apiVersion'])}{namespace}/{plural}/{metadata['name']}"

    def everything(self) -> set[Key]:
        """Return all objects of the cluster but events and leases."""
        self._discover()
        found: set[Key] = set()
        for (version, kind), (plural, _, listed) in self._known.items():
            if listed and kind not in _NOT_OF_A_RELEASE:
                items = self.send("GET", f"{_root(version)}/{plural}").json()["items"]
                found |= {key(item | {"kind": kind}) for item in items}
        return found

    def kinds(self) -> set[str]:
        """Return the kinds of all objects that the server has."""
        self._discover()
        return {kind for _, kind in self._known}

    def _discover(self) -> None:
        for root in ("/api", "/apis"):
            answer = self._client.get(root, headers={"Accept": _DISCOVERY}).raise_for_status()
            for group in answer.json()["items"]:
                for version in group["versions"]:
                    self._learn(group["metadata"].get("name", ""), version)

    def _learn(self, group: str, version: Mapping[str, Any]) -> None:
        api_version = "/".join(filter(None, [group, version["version"]]))
        for resource in version.get("resources", []):
            kind = resource["responseKind"]["kind"]
            plural, namespaced = resource["resource"], resource["scope"] == "Namespaced"
            self._known[api_version, kind] = (plural, namespaced, "list" in resource["verbs"])


def key(manifest: Manifest) -> Key:
    """Return what identifies an object."""
    metadata = manifest["metadata"]
    return Key(manifest["kind"], metadata.get("namespace", UNNAMESPACED), metadata["name"])


def plain(manifest: Manifest) -> Manifest:
    """Return an object without its status and what the server sets, to another value each time."""
    copy: Manifest = json.loads(json.dumps(manifest))
    copy.pop("status", None)
    for name in _BY_SERVER:
        copy["metadata"].pop(name, None)
    if copy["kind"] == "Service":
        for name in _OF_SERVICES:
            copy["spec"].pop(name, None)
        for port in copy["spec"]["ports"]:
            port.pop("nodePort", None)
    return copy


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
