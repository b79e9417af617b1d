"""A release is upgraded from every shape of the chart to every other, and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from chart.rendering import FULL_NAME, ONE, Manifest, shape
from cluster.api import Api, Key, key
from cluster.helm import SHAPES, Helm, HelmError

if TYPE_CHECKING:
    from cluster.kubelet import Kubelet

Fresh = dict[str, list[Manifest]]
pytestmark = pytest.mark.cluster

NAMES = sorted(SHAPES)
CHECK = f"{FULL_NAME}-upgrade-check"


@pytest.mark.parametrize("first", NAMES[:-1])
def test_an_upgrade_to_another_shape_and_back_ends_as_an_installation_would(
    api: Api, helm: Helm, kubelet: Kubelet, fresh: Fresh, first: str
) -> None:
    """Nothing of the old shape remains: no object, no field."""
    helm.install(SHAPES[first])
    with_first = of_release(api)
    others = NAMES[NAMES.index(first) + 1 :]
    wrong: list[str] = []
    for other in others:
        for target in (other, first):
            try:
                helm.upgrade(SHAPES[target])
            except HelmError as error:
                wrong.append(f"{first}, {other}: to {target}: {error}")
            else:
                found = differences(by_key(helm.live()), by_key(fresh[target]))
                wrong += (f"{first}, {other}: to {target}: {line}" for line in found)
    assert wrong == []
    assert of_release(api) == with_first
    assert len([name for name in kubelet.ran if name.endswith("-upgrade-check")]) == 2 * len(others)


def of_release(api: Api) -> set[Key]:
    """Return all objects but revisions, and addresses of Services, which are drawn at random."""
    found = api.everything()
    return {
        item for item in found if item.kind != "IPAddress" and not item.name.startswith("sh.helm.release")
    }


def by_key(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return objects by a name for each."""
    return {"/".join(key(item)): item for item in manifests}


def differences(found: object, expected: object, where: str = "") -> Iterator[str]:
    """Yield the path of each value that differs, with both values."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            yield from differences(found.get(name), expected.get(name), f"{where}.{name}")
    elif found != expected:
        yield f"{where} is {found!r}, after an installation {expected!r}"


def workload(helm: Helm) -> Manifest:
    """Return the Deployment or StatefulSet of the release."""
    (found,) = [item for item in helm.live() if item["kind"] in {"Deployment", "StatefulSet"}]
    return found


def test_a_rollback_across_shards_ends_as_the_installation_began(helm: Helm, fresh: Fresh) -> None:
    helm.install(SHAPES["minimal"])
    helm.upgrade(SHAPES["sharded"])
    assert workload(helm)["kind"] == "StatefulSet"
    helm.rollback()
    assert helm.live() == fresh["minimal"]
    helm.rollback(2)
    assert helm.live() == fresh["sharded"]


@pytest.mark.parametrize("name", ["minimal", "sharded"])
def test_an_upgrade_within_a_shape_changes_the_workload_in_place(api: Api, helm: Helm, name: str) -> None:
    helm.install(shape(name))
    before = api.get(workload(helm))["metadata"]
    more = {
        "configMode": "file",
        "image": {"tag": "9.9.9"},
        "podLabels": {"a": "b"},
        "commonLabels": {"c": "d"},
        "nameOverride": "signons",
        "fullnameOverride": FULL_NAME,
        "port": 9000,
        "externalUrl": "https://flows.example.com",
    }
    helm.upgrade(shape(name) | more | ({"shards": 5} if name == "sharded" else {}))
    after = api.get(workload(helm))["metadata"]
    assert after["uid"] == before["uid"]
    assert after["generation"] == before["generation"] + 1


def test_a_failed_check_stops_the_upgrade_before_anything_is_changed(
    api: Api, helm: Helm, kubelet: Kubelet
) -> None:
    helm.install(ONE)
    before = [api.get(item) for item in helm.manifests()]
    installed = of_release(api)
    kubelet.phase = "Failed"
    with pytest.raises(HelmError, match="pre-upgrade hooks failed"):
        helm.upgrade(ONE | {"log": {"level": "debug"}})
    assert [api.get(item) for item in before] == before
    (kept,) = of_release(api) - installed
    assert (kept.kind, kept.name) == ("Pod", CHECK), "for its log"

    kubelet.phase = "Succeeded"
    helm.upgrade(ONE)
    assert kubelet.ran == [CHECK, CHECK]
    assert of_release(api) == installed
