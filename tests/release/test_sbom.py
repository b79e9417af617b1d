"""The bill of materials lists what is pinned."""

from __future__ import annotations

import json
import re
from pathlib import Path

import sbom

from exporter import __version__

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"tzdata"}
"""For Windows only."""


def test_it_lists_every_pin_that_is_installed_on_linux_and_what_requires_what() -> None:
    document = json.loads(sbom.document())
    pinned = dict(
        re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    )
    listed = {component["name"]: component["version"] for component in document["components"]}
    assert listed == {name: version for name, version in pinned.items() if name not in ELSEWHERE}
    requires = {node["ref"]: node["dependsOn"] for node in document["dependencies"]}
    own = document["metadata"]["component"]
    assert (own["name"], own["version"]) == ("pingone-flow-exporter", __version__)
    assert f"pkg:pypi/h11@{pinned['h11']}" in requires[own["bom-ref"]]
    assert f"pkg:pypi/h11@{pinned['h11']}" in requires[f"pkg:pypi/uvicorn@{pinned['uvicorn']}"]
    reached = {own["bom-ref"]}
    while further := {ref for node in reached for ref in requires[node]} - reached:
        reached |= further
    assert (
        reached == requires.keys() == {own["bom-ref"], *(part["bom-ref"] for part in document["components"])}
    )


def test_it_names_the_license_of_each() -> None:
    components = json.loads(sbom.document())["components"]
    assert [component["name"] for component in components if "licenses" not in component] == []
