"""The bill of materials of a release, in CycloneDX 1.6: what wheel and image run with, from requirements.txt.

`make dist` writes it. It lists Python packages, as they are pinned; the image's Debian packages are in the
bill that its builder attaches to it.
"""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import Requirement

from exporter import __version__

ROOT = Path(__file__).resolve().parents[1]
OWN = "pingone-flow-exporter"
LINUX = {
    "sys_platform": "linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
_PIN = re.compile(
    r"^(?P<requirement>[a-z0-9][^\n\\]*?) *\\\n(?: +--hash=\S+(?: \\)?\n)+(?P<via>(?: +#[^\n]*\n)*)",
    re.MULTILINE,
)
_VIA = re.compile(r"# +(?:via )?([a-z0-9][a-z0-9-]*)")


class Pin(NamedTuple):
    """One line of requirements.txt, with the packages that require it."""

    name: str
    version: str
    required_by: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL, which also is its reference in the document."""
        return f"pkg:pypi/{self.name}@{self.version}"


def pins(text: str) -> list[Pin]:
    """Return what `requirements.txt` installs on Linux."""
    found = []
    for match in _PIN.finditer(text):
        requirement = Requirement(match["requirement"])
        if requirement.marker is None or requirement.marker.evaluate(LINUX):
            (specifier,) = requirement.specifier
            via = tuple(name for name in _VIA.findall(match["via"]) if name != "via")
            found.append(Pin(requirement.name, specifier.version, via))
    return found


def document() -> str:
    """Return the bill of materials as JSON; the same for the same pins and version."""
    own = Pin(OWN, __version__, ())
    known = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    content = {
        "metadata": {
            "component": {
                **_component(own),
                "type": "application",
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": [_component(pin) for pin in known],
        "dependencies": [
            {"ref": of.purl, "dependsOn": [pin.purl for pin in known if of.name in pin.required_by]}
            for of in (own, *known)
        ],
    }
    head = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid5(NAMESPACE_URL, json.dumps(content)).urn,
        "version": 1,
    }
    return json.dumps(head | content, indent=1) + "\n"


def _component(pin: Pin) -> dict[str, Any]:
    component = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
    }
    try:
        installed = metadata.metadata(pin.name)
    except metadata.PackageNotFoundError:
        return component
    if installed["Version"] == pin.version and (found := _license(installed)):
        return {**component, "licenses": [found]}
    return component


def _license(installed: metadata.PackageMetadata) -> dict[str, Any] | None:
    """Return a package's license, as its metadata states it: by PEP 639, or by one of the older ways."""
    if "License-Expression" in installed:
        return {"expression": installed["License-Expression"]}
    prefix = "License :: OSI Approved :: "
    names = [
        line.removeprefix(prefix) for line in installed.get_all("Classifier", []) if line.startswith(prefix)
    ]
    if not names and "License" in installed:
        names = installed["License"].splitlines()
    return {"license": {"name": names[0]}} if names else None


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201  to be redirected
