"""Which color a fault has on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.reasons import Fault

COLORS: Mapping[Fault, str] = MappingProxyType({
    Fault.NONE: "green",
    Fault.NETWORK: "magenta",
    Fault.PROVIDER: "red",
    Fault.CONFIGURATION: "yellow",
    Fault.QUOTA: "cyan",
    Fault.EXPORTER: "blue",
})  # fmt: skip
"""In rich's names."""
