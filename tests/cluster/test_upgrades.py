"""A release is upgraded from every shape of the chart to every other, and rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chart.rendering import FULL_NAME, ONE, Manifest, shape
from cluster.api import Api, key
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
    with_first = api.everything()
    others = NAMES[NAMES.index(first) + 1 :]
    failed: dict[str, object] = {}
    for other in others:
        for target in (other, first):
            try:
                helm.upgrade(SHAPES[target])
            except HelmError as error:
                failed[f"{first}, {other}: to {target}"] = str(error)
            else:
                if (live := helm.live()) != fresh[target]:
                    failed[f"{first}, {other}: to {target}"] = differing(live, fresh[target])
    assert failed == {}
    left = {found for found in api.everything() - with_first if not found.name.startswith("sh.helm.release")}
    assert left == set()
    assert kubelet.ran.count(CHECK) + kubelet.ran.count("flows-signons-upgrade-check") == 2 * len(others)


def differing(live: list[Manifest], expected: list[Manifest]) -> list[tuple[Manifest, Manifest | None]]:
    """Return the objects that differ, each with what was expected of it."""
    by_key = {key(item): item for item in expected}
    return [(item, by_key.get(key(item))) for item in live if item != by_key.get(key(item))]


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
    everything = api.everything()
    kubelet.phase = "Failed"
    with pytest.raises(HelmError, match="pre-upgrade hooks failed"):
        helm.upgrade(ONE | {"log": {"level": "debug"}})
    assert [api.get(item) for item in before] == before
    (kept,) = [
        found for found in api.everything() - everything if not found.name.startswith("sh.helm.release")
    ]
    assert (kept.kind, kept.name) == ("Pod", CHECK), "for its log"

    kubelet.phase = "Succeeded"
    helm.upgrade(ONE)
    assert kubelet.ran == [CHECK, CHECK]
    assert api.everything() == everything | {found for found in api.everything() if found.kind == "Secret"}
