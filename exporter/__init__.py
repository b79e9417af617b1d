"""pingone-flow-exporter: watches PingOne federations and tells Prometheus what it saw."""

__version__ = "0.1.0"
