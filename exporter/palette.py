"""Which color a fault has on a terminal."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from exporter.outcome import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

COLORS: Mapping[Fault, str] = MappingProxyType({
    Fault.NONE: "green",
    Fault.NETWORK: "magenta",
    Fault.PROVIDER: "red",
    Fault.CONFIGURATION: "yellow",
    Fault.QUOTA: "cyan",
    Fault.EXPORTER: "blue",
})  # fmt: skip
"""In rich's names."""
