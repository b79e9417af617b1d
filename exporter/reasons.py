"""Why a probe ended as it did, which side is at fault, and the one text for each pair.

Both sets are closed: dashboards, alerts and routing depend on them. To add a reason, add it to `Reason`, to
`_TEXTS` and to the journeys in which it occurs (`_REASONS`), and decide in the judge when it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from exporter.target import Journey


class Fault(StrEnum):
    """Which side is at fault. Routes an alert, never silences it."""

    NONE = "none"
    NETWORK = "network"
    PROVIDER = "provider"
    CONFIGURATION = "configuration"
    QUOTA = "quota"
    EXPORTER = "exporter"
    ACCOUNT = "account"

    @property
    def is_conclusive(self) -> bool:
        """Whether a probe with this fault says anything about the target."""
        return self not in {Fault.QUOTA, Fault.EXPORTER, Fault.ACCOUNT}


FAULT_COLORS: Mapping[Fault, str] = {
    Fault.NONE: "green",
    Fault.NETWORK: "magenta",
    Fault.PROVIDER: "red",
    Fault.CONFIGURATION: "yellow",
    Fault.QUOTA: "cyan",
    Fault.EXPORTER: "blue",
    Fault.ACCOUNT: "bright_yellow",
}
"""The color of each fault on a terminal."""


WHO_ACTS: Mapping[Fault, str] = {
    Fault.NONE: "",
    Fault.NETWORK: "the network team: names, routes, firewall, proxy, trusted authorities",
    Fault.PROVIDER: "PingOne support, or the team that runs the identity provider",
    Fault.CONFIGURATION: "the team that owns the federation's settings",
    Fault.QUOTA: "we: probe less often, or ask PingOne for a higher limit",
    Fault.EXPORTER: "we: the exporter or its machine",
    Fault.ACCOUNT: "we: the test account or the test application",
}
"""Whom to call."""


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
    PROVIDER_MISSING = "provider_missing"
    LOCATION_INVALID = "location_invalid"
    CREDENTIALS_REJECTED = "credentials_rejected"
    ACCOUNT_LOCKED = "account_locked"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105  a reason, not a password
    MFA_REQUIRED = "mfa_required"
    FURTHER_ACTION_REQUIRED = "further_action_required"
    EXCHANGE_REJECTED = "exchange_rejected"
    ACCOUNT_LINKING_REQUIRED = "account_linking_required"
    LOGIN_PAGE_ERROR = "login_page_error"
    STATE_MISMATCH = "state_mismatch"
    ID_TOKEN_INVALID = "id_token_invalid"  # noqa: S105
    TOKEN_REFUSED = "token_refused"  # noqa: S105
    ISSUER_MISMATCH = "issuer_mismatch"
    METADATA_INVALID = "metadata_invalid"
    KEYS_INVALID = "keys_invalid"
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
    Reason.TIMEOUT: {Fault.NETWORK: "network timeout", Fault.PROVIDER: "no response in time"},
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
    Reason.PROVIDER_MISSING: {Fault.CONFIGURATION: "destination does not offer the identity provider"},
    Reason.LOCATION_INVALID: {
        Fault.CONFIGURATION: "link or redirect not allowed or incomplete",
        Fault.PROVIDER: "link or redirect malformed",
    },
    Reason.CREDENTIALS_REJECTED: {Fault.ACCOUNT: "user name or password rejected"},
    Reason.ACCOUNT_LOCKED: {Fault.ACCOUNT: "account locked"},
    Reason.PASSWORD_EXPIRED: {Fault.ACCOUNT: "password expired or must be changed"},
    Reason.MFA_REQUIRED: {Fault.ACCOUNT: "MFA required"},
    Reason.FURTHER_ACTION_REQUIRED: {Fault.ACCOUNT: "sign-on requires further action"},
    Reason.EXCHANGE_REJECTED: {Fault.CONFIGURATION: "destination rejected the provider's response"},
    Reason.ACCOUNT_LINKING_REQUIRED: {Fault.CONFIGURATION: "account link is missing"},
    Reason.LOGIN_PAGE_ERROR: {Fault.CONFIGURATION: "error instead of a login page"},
    Reason.STATE_MISMATCH: {Fault.PROVIDER: "different state returned"},
    Reason.ID_TOKEN_INVALID: {Fault.PROVIDER: "ID token does not verify"},
    Reason.TOKEN_REFUSED: {Fault.ACCOUNT: "token endpoint refused the test application"},
    Reason.ISSUER_MISMATCH: {Fault.CONFIGURATION: "issuer differs from the configured one"},
    Reason.METADATA_INVALID: {Fault.PROVIDER: "metadata invalid"},
    Reason.KEYS_INVALID: {Fault.PROVIDER: "no usable signing key"},
    Reason.INTERNAL: {Fault.EXPORTER: "inconclusive: exporter stalled or failed"},
}
"""Every pair that can occur, with its text."""

_AUTHORIZE = frozenset({
    Reason.OK, Reason.DNS, Reason.CONNECT, Reason.PROXY, Reason.TLS, Reason.TIMEOUT, Reason.PROTOCOL,
    Reason.RATE_LIMITED, Reason.SERVER_ERROR, Reason.REDIRECTED, Reason.OAUTH_ERROR, Reason.BLOCKED,
    Reason.CLIENT_ERROR, Reason.TOO_LARGE, Reason.NOT_JSON, Reason.FLOW_FAILED, Reason.NOT_A_FLOW,
    Reason.UNEXPECTED_STATUS, Reason.INTERNAL,
})  # fmt: skip
_METADATA = frozenset({Reason.ISSUER_MISMATCH, Reason.METADATA_INVALID})
_FLOW = frozenset({Reason.FLOW_FAILED, Reason.NOT_A_FLOW, Reason.UNEXPECTED_STATUS})
_REASONS: Mapping[Journey, frozenset[Reason]] = {
    Journey.AUTHORIZE: _AUTHORIZE,
    Journey.FEDERATION: frozenset(Reason) - _METADATA,
    Journey.DISCOVERY: (_AUTHORIZE - _FLOW) | _METADATA | {Reason.KEYS_INVALID, Reason.LOCATION_INVALID},
}

FAULTS: Mapping[Reason, tuple[Fault, ...]] = {reason: tuple(texts) for reason, texts in _TEXTS.items()}
"""Every fault that a reason can have."""

_PAIRS: Mapping[Journey, tuple[tuple[Reason, Fault], ...]] = {
    journey: tuple((reason, fault) for reason in Reason if reason in possible for fault in FAULTS[reason])
    for journey, possible in _REASONS.items()
}


def pairs_of(journey: Journey) -> tuple[tuple[Reason, Fault], ...]:
    """Return every reason and fault that can occur in a journey: the closed set of `probes_total`."""
    return _PAIRS[journey]


def reason_text(reason: Reason, fault: Fault) -> str:
    """Return the short text for a reason and fault, the same on pages, CLI, log and in README.

    Raises:
        KeyError: if this pair cannot occur.
    """
    return _TEXTS[reason][fault]
