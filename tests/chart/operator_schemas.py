"""Schemas of the Prometheus operator's objects, from the folder that PROMETHEUS_OPERATOR_SCHEMAS names."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

if TYPE_CHECKING:
    from chart.rendering import Manifest

API_VERSION = "monitoring.coreos.com/v1"

_FOLDER = os.environ.get("PROMETHEUS_OPERATOR_SCHEMAS")

needed = pytest.mark.skipif(not _FOLDER, reason="PROMETHEUS_OPERATOR_SCHEMAS names no folder of schemas")


def check(manifest: Manifest) -> None:
    """Compare an object with its schema.

    Raises:
        jsonschema.ValidationError: it does not fit.
    """
    text = (Path(str(_FOLDER)) / f"{manifest['kind'].lower()}_v1.json").read_text(encoding="utf-8")
    # Go takes a flag anywhere in an expression, Python at its start alone.
    jsonschema.validate(manifest, json.loads(text.replace("^(?i)", "(?i)^")))
