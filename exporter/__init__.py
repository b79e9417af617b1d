"""pingone-flow-exporter: watch PingOne federations and export the results to Prometheus."""

__version__ = "0.2.0"
