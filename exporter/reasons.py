"""Why a probe ended as it did, which side is at fault, and the one text for each pair.

Both sets are closed: dashboards, alerts and routing depend on them. To add a reason, add it to `Reason` and
to `_TEXTS`, and decide in the judge when it occurs.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """Which side is at fault. Routes an alert, never silences it."""

    NONE = "none"
    NETWORK = "network"
    PROVIDER = "provider"
    CONFIGURATION = "configuration"
    QUOTA = "quota"
    EXPORTER = "exporter"


FAULT_COLORS: Mapping[Fault, str] = {
    Fault.NONE: "green",
    Fault.NETWORK: "magenta",
    Fault.PROVIDER: "red",
    Fault.CONFIGURATION: "yellow",
    Fault.QUOTA: "cyan",
    Fault.EXPORTER: "blue",
}
"""The color of each fault on a terminal."""


class Reason(StrEnum):
    """Why a probe ended as it did. `ok` is the only success."""

    OK = "ok"
    DNS = "dns"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    REDIRECTED = "redirected"
    OAUTH_ERROR = "oauth_error"
    BLOCKED = "blocked"
    CLIENT_ERROR = "client_error"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    FLOW_FAILED = "flow_failed"
    NOT_A_FLOW = "not_a_flow"
    UNEXPECTED_STATUS = "unexpected_status"
    INTERNAL = "internal"


_TEXTS: Mapping[Reason, Mapping[Fault, str]] = {
    Reason.OK: {Fault.NONE: "ok"},
    Reason.DNS: {Fault.NETWORK: "host name did not resolve"},
    Reason.CONNECT: {Fault.NETWORK: "connection failed"},
    Reason.PROXY: {Fault.NETWORK: "proxy refused or failed"},
    Reason.TLS: {
        Fault.PROVIDER: "certificate not valid",
        Fault.NETWORK: "TLS handshake failed or issuer not trusted",
    },
    Reason.TIMEOUT: {
        Fault.NETWORK: "no connection in time",
        Fault.PROVIDER: "no response in time",
    },
    Reason.PROTOCOL: {
        Fault.NETWORK: "connection closed early",
        Fault.PROVIDER: "connection closed mid-response, or not HTTP",
    },
    Reason.RATE_LIMITED: {Fault.QUOTA: "rate-limited"},
    Reason.SERVER_ERROR: {Fault.PROVIDER: "server error"},
    Reason.REDIRECTED: {
        Fault.CONFIGURATION: "redirected to the sign-on page",
        Fault.PROVIDER: "redirected to another page",
    },
    Reason.OAUTH_ERROR: {Fault.CONFIGURATION: "OAuth error"},
    Reason.BLOCKED: {Fault.NETWORK: "blocked by a firewall or allow-list"},
    Reason.CLIENT_ERROR: {Fault.CONFIGURATION: "request rejected"},
    Reason.TOO_LARGE: {Fault.PROVIDER: "response larger than 256 KiB"},
    Reason.NOT_JSON: {Fault.PROVIDER: "response is not a JSON object"},
    Reason.FLOW_FAILED: {
        Fault.CONFIGURATION: "flow failed: PROMPT=none needs a session",
        Fault.PROVIDER: "flow failed",
    },
    Reason.NOT_A_FLOW: {Fault.PROVIDER: "response is not a flow of this environment"},
    Reason.UNEXPECTED_STATUS: {Fault.CONFIGURATION: "unexpected flow status"},
    Reason.INTERNAL: {Fault.EXPORTER: "inconclusive: exporter stalled or failed"},
}
"""Every pair that can occur, with its text."""

FAULTS: Mapping[Reason, tuple[Fault, ...]] = {reason: tuple(texts) for reason, texts in _TEXTS.items()}
"""Every fault that a reason can have; the closed set behind `pingone_flow_probes_total`."""


def reason_text(reason: Reason, fault: Fault) -> str:
    """Return the short text for a reason and fault, the same on pages, CLI, log and in README.

    Args:
        reason: of a finished probe.
        fault: one of `FAULTS[reason]`.

    Raises:
        KeyError: if this pair cannot occur.
    """
    return _TEXTS[reason][fault]
