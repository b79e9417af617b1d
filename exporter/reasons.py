"""Why a probe ended as it did, which side is at fault, and the one text for each pair.

Both sets are closed: dashboards, alerts and routing depend on them.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Self

from exporter.target import Journey


class Fault(StrEnum):
    """Which side is at fault. Routes an alert, never silences it."""

    NONE = "none", "none", "green", ""
    NETWORK = (
        *("network", "network", "magenta"),
        "the network team: names, routes, firewall, proxy, trusted authorities",
    )
    PROVIDER = "provider", "provider", "red", "PingOne support, or the team that runs the identity provider"
    CONFIGURATION = "configuration", "configuration", "yellow", "the team that owns the federation's settings"
    QUOTA = "quota", "rate limit", "cyan", "we: probe less often, or ask PingOne for a higher limit"
    EXPORTER = "exporter", "the exporter itself", "blue", "we: the exporter or its machine"
    ACCOUNT = "account", "the test account", "bright_yellow", "we: the test account or the test application"

    label: str  # in a sentence on a page
    color: str  # on a terminal
    who_acts: str  # whom to call

    def __new__(cls, value: str, label: str = "", color: str = "", who_acts: str = "") -> Self:
        """Create a member. The defaults are for mypy, to which `Fault("none")` is a call of this."""
        fault = str.__new__(cls, value)
        fault._value_ = value
        fault.label, fault.color, fault.who_acts = label, color, who_acts
        return fault

    @property
    def is_conclusive(self) -> bool:
        """Whether a probe with this fault says anything about the target."""
        return self not in {Fault.QUOTA, Fault.EXPORTER, Fault.ACCOUNT}


class Reason(StrEnum):
    """Why a probe ended as it did, with every fault that it can have, and the short text for the two.

    `ok` is the only success. To add a reason, add it here and to the journeys in which it occurs
    (`_REASONS`), and decide in the judge when it does.
    """

    OK = "ok", (Fault.NONE, "ok")
    DNS = "dns", (Fault.NETWORK, "host name did not resolve")
    CONNECT = "connect", (Fault.NETWORK, "connection failed")
    PROXY = "proxy", (Fault.NETWORK, "proxy refused or failed")
    TLS = (
        "tls",
        (Fault.PROVIDER, "certificate not valid"),
        (Fault.NETWORK, "TLS handshake failed or issuer not trusted"),
    )
    TIMEOUT = "timeout", (Fault.NETWORK, "network timeout"), (Fault.PROVIDER, "no response in time")
    PROTOCOL = (
        "protocol",
        (Fault.NETWORK, "connection closed early"),
        (Fault.PROVIDER, "connection closed mid-response, or not HTTP"),
    )
    RATE_LIMITED = "rate_limited", (Fault.QUOTA, "rate-limited")
    SERVER_ERROR = "server_error", (Fault.PROVIDER, "server error")
    REDIRECTED = (
        "redirected",
        (Fault.CONFIGURATION, "redirected to the sign-on page"),
        (Fault.PROVIDER, "redirected to another page"),
    )
    OAUTH_ERROR = "oauth_error", (Fault.CONFIGURATION, "OAuth error")
    BLOCKED = "blocked", (Fault.NETWORK, "blocked by a firewall or allow-list")
    CLIENT_ERROR = "client_error", (Fault.CONFIGURATION, "request rejected")
    TOO_LARGE = "too_large", (Fault.PROVIDER, "response larger than 256 KiB")
    NOT_JSON = "not_json", (Fault.PROVIDER, "response is not a JSON object")
    FLOW_FAILED = (
        "flow_failed",
        (Fault.CONFIGURATION, "flow failed: PROMPT=none needs a session"),
        (Fault.PROVIDER, "flow failed"),
    )
    NOT_A_FLOW = "not_a_flow", (Fault.PROVIDER, "response is not a flow of this environment")
    UNEXPECTED_STATUS = "unexpected_status", (Fault.CONFIGURATION, "unexpected flow status")
    PROVIDER_MISSING = (
        "provider_missing",
        (Fault.CONFIGURATION, "destination does not offer the identity provider"),
    )
    LOCATION_INVALID = (
        "location_invalid",
        (Fault.CONFIGURATION, "link or redirect not allowed or incomplete"),
        (Fault.PROVIDER, "link or redirect malformed"),
    )
    CREDENTIALS_REJECTED = "credentials_rejected", (Fault.ACCOUNT, "user name or password rejected")
    ACCOUNT_LOCKED = "account_locked", (Fault.ACCOUNT, "account locked")
    PASSWORD_EXPIRED = "password_expired", (Fault.ACCOUNT, "password expired or must be changed")
    MFA_REQUIRED = "mfa_required", (Fault.ACCOUNT, "MFA required")
    FURTHER_ACTION_REQUIRED = "further_action_required", (Fault.ACCOUNT, "sign-on requires further action")
    EXCHANGE_REJECTED = (
        "exchange_rejected",
        (Fault.CONFIGURATION, "destination rejected the provider's response"),
    )
    ACCOUNT_LINKING_REQUIRED = "account_linking_required", (Fault.CONFIGURATION, "account link is missing")
    LOGIN_PAGE_ERROR = "login_page_error", (Fault.CONFIGURATION, "error instead of a login page")
    STATE_MISMATCH = "state_mismatch", (Fault.PROVIDER, "different state returned")
    ID_TOKEN_INVALID = "id_token_invalid", (Fault.PROVIDER, "ID token does not verify")
    TOKEN_REFUSED = "token_refused", (Fault.ACCOUNT, "token endpoint refused the test application")
    ISSUER_MISMATCH = "issuer_mismatch", (Fault.CONFIGURATION, "issuer differs from the configured one")
    METADATA_INVALID = "metadata_invalid", (Fault.PROVIDER, "metadata invalid")
    KEYS_INVALID = "keys_invalid", (Fault.PROVIDER, "no usable signing key")
    INTERNAL = "internal", (Fault.EXPORTER, "inconclusive: exporter stalled or failed")

    texts: Mapping[Fault, str]

    def __new__(cls, value: str, *texts: tuple[Fault, str]) -> Self:
        """Create a member."""
        reason = str.__new__(cls, value)
        reason._value_ = value
        reason.texts = dict(texts)
        return reason


FAULTS: Mapping[Reason, tuple[Fault, ...]] = {reason: tuple(reason.texts) for reason in Reason}
"""Every fault that a reason can have."""

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


@cache
def pairs_of(journey: Journey) -> tuple[tuple[Reason, Fault], ...]:
    """Return every reason and fault that can occur in a journey: the closed set of `probes_total`."""
    possible = _REASONS[journey]
    return tuple((reason, fault) for reason in Reason if reason in possible for fault in FAULTS[reason])


def reason_text(reason: Reason, fault: Fault) -> str:
    """Return the short text for a reason and fault, the same on pages, CLI, log and in README.

    With fault `account`, a reason of the provider is the one that suspended the sign-on.

    Raises:
        KeyError: if this pair cannot occur.
    """
    if fault is Fault.ACCOUNT and fault not in reason.texts:
        return "sign-on is suspended"
    return reason.texts[fault]
