"""The commands `demo` and `simulate`: the whole product without a PingOne tenant."""

from exporter.demo.simulation import DemoError, UnavailableError, simulate
from exporter.demo.stage import demo

__all__ = ["DemoError", "UnavailableError", "demo", "simulate"]
