"""The commands `demo` and `simulate`: the whole product without a PingOne tenant."""

from exporter.demo.simulation import simulate
from exporter.demo.stage import demo

__all__ = ["demo", "simulate"]
