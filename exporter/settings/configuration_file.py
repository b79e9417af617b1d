"""The configuration file: YAML of the schema's shape -> the same leaves that variables make.

    targets:                    FLOW_EXPORTER_TARGETS__EMEA__REGION=NO
      emea: {region: NO}

A scalar is the text that stands there, as it is in a variable, so that both forms mean the same.
"""

from __future__ import annotations

from pathlib import Path

from exporter.settings.shape import root
from exporter.settings.tree import Grower, Nothing, Pairs
from exporter.settings.written import Place, Reading
from exporter.settings.yaml_nodes import Listing, Mapping, Node
from exporter.settings.yaml_reading import read_yaml

LARGEST = 8 * 1024 * 1024
"""Bytes; ten thousand targets of a dozen settings have half of them. A ConfigMap has at most 1 MiB."""


def read_configuration_file(path: Path, named_at: Place) -> Reading:
    """Read a configuration file.

    Args:
        path: where it is.
        named_at: where it is named, for when it cannot be read.
    """
    try:
        document = read_yaml(path, LARGEST)
    except ValueError as error:
        return Reading(mistakes=[named_at.mistake(str(error))], whole=False)
    reading = Reading(mistakes=document.mistakes, whole=document.root is not None)
    if document.root is not None:
        pairs = _pairs(document.root)
        reading.tree = Grower(reading, "a mapping").grow(pairs, root(), Place("", file=path.name))
    return reading


def _pairs(mapping: Mapping) -> Pairs:
    return Pairs((key.value, key.line, _value(node)) for key, node in mapping.pairs)


def _value(node: Node) -> object:
    if isinstance(node, Mapping):
        return _pairs(node)
    if isinstance(node, Listing):
        return [_value(item) for item in node.items]
    return Nothing() if node.is_null or (node.plain and not node.value) else node.value
