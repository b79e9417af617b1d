"""A valid configuration of one target, and what loading a configuration reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.settings import ConfigurationError, load
from exporter.target import Target

P = "FLOW_EXPORTER_"
D = "FLOW_EXPORTER_DEFAULTS__"
T = "FLOW_EXPORTER_TARGETS__EMEA__"
SOURCE = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
DESTINATION = "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11"
EMEA = {
    f"{T}SOURCE_ENVIRONMENT_ID": SOURCE,
    f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION,
    f"{T}CLIENT_ID": "client",
}
NOWHERE = Path("/nonexistent")


def targets(*names: str) -> dict[str, str]:
    """Return the variables of several targets."""
    return {
        variable.replace("EMEA", name.upper()): value for name in names for variable, value in EMEA.items()
    }


def only_target(extra: Mapping[str, str], directory: Path = NOWHERE) -> Target:
    """Load the example with further variables; return its target."""
    (target,) = load({**EMEA, **extra}, directory).targets
    return target


def errors(environ: Mapping[str, str], directory: Path = NOWHERE) -> list[str]:
    """Load an invalid configuration; return its errors, one line each."""
    with pytest.raises(ConfigurationError) as caught:
        load(environ, directory)
    return str(caught.value).split("\n")
