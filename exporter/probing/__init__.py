"""Probing: a target in, an outcome out. The only room that speaks to a provider.

journeys/     what to ask, step by step, without I/O
exchange.py   one request under one deadline
timeline.py   marks into seconds per phase
failure.py    exceptions into reasons
judge.py      answers into verdicts
probe.py      walks a journey through all of these
"""

from exporter.probing.canary import EgressCheck
from exporter.probing.probe import Prober
from exporter.probing.trust import SSLContexts
from exporter.probing.warm import warm

__all__ = ["EgressCheck", "Prober", "SSLContexts", "warm"]
