"""Probing: a target in, an outcome out. The only package that sends requests to providers.

journeys/      what to request, step by step, without I/O
probe.py       runs a journey: one exchange and one verdict per step
transport.py   one exchange, over stream.py and tls_stream.py, timed by timing.py
failure.py     exceptions into verdicts
judge.py       answers into verdicts; federation_judge.py, initiate.py, id_token.py, foreign.py and
               signing_keys.py do so for single steps
links.py       which URLs may be requested, whatever links and redirects say
sign_on_guard.py
               protects the test accounts from being locked out
"""

from exporter.probing.egress_check import EgressCheck
from exporter.probing.probe import Listing, Prober
from exporter.probing.ssl_contexts import SSLContexts
from exporter.probing.status_page import StatusPage
from exporter.probing.transport import ProbeTransport
from exporter.probing.warm_up import warm_up

__all__ = [
    "EgressCheck",
    "Listing",
    "ProbeTransport",
    "Prober",
    "SSLContexts",
    "StatusPage",
    "warm_up",
]
