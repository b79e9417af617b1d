"""What an exporter reports of each kind of the simulator's weather; the end-to-end tests play them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """What an exporter reports of a probe."""

    reason: Reason
    fault: Fault
    code: int | None  # HTTP status, with default parameters; None without a response
    phase: Phase = Phase.TRANSFER  # where the probe ended
    step: str = ""  # of `federation` or `discovery`, in which the probe ended; empty for `authorize`


_OK = ExpectedOutcome(Reason.OK, Fault.NONE, 200)
_ERROR = ExpectedOutcome(Reason.SERVER_ERROR, Fault.PROVIDER, 503)
_BAD_CERTIFICATE = ExpectedOutcome(Reason.TLS, Fault.PROVIDER, None, Phase.TLS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What an exporter reports of a kind, if the application expects what it got before the change."""

    authorize: tuple[ExpectedOutcome, ...] = (_OK,)  # several where chance decides
    note: str = ""  # more about what an exporter reports
    federation: ExpectedOutcome | None = None
    """If `authorize` is not affected and this is the weather of the environment that answers the step."""
    discovery: ExpectedOutcome | None = None  # if `authorize` is not affected


def _authorize(
    reason: Reason, fault: Fault, code: int | None = None, phase: Phase = Phase.TRANSFER
) -> Reported:
    return Reported(authorize=(ExpectedOutcome(reason, fault, code, phase),))


def _federation(step: str, reason: Reason, fault: Fault, code: int = 200) -> Reported:
    return Reported(federation=ExpectedOutcome(reason, fault, code, step=step))


def _discovery(step: str, reason: Reason, fault: Fault, note: str) -> Reported:
    return Reported(discovery=ExpectedOutcome(reason, fault, 200, step=step), note=note)


REPORTED: Mapping[str, Reported] = {
    "healthy": Reported(),
    "slow": Reported(note="counted as slow beyond the latency objective"),
    "flaky": Reported(authorize=(_OK, _ERROR)),
    "rate_limited": _authorize(Reason.RATE_LIMITED, Fault.QUOTA, 429),
    "error_json": Reported(authorize=(_ERROR,)),
    "error_html": Reported(authorize=(_ERROR,)),
    "silent": _authorize(Reason.TIMEOUT, Fault.PROVIDER, phase=Phase.PROCESSING),
    "refused": _authorize(Reason.CONNECT, Fault.NETWORK, phase=Phase.CONNECT),
    "reset": _authorize(Reason.PROTOCOL, Fault.PROVIDER, phase=Phase.PROCESSING),
    "tls_expired": Reported(authorize=(_BAD_CERTIFICATE,)),
    "tls_wrong_name": Reported(authorize=(_BAD_CERTIFICATE,)),
    "flow_failed": _authorize(Reason.FLOW_FAILED, Fault.PROVIDER, 200),
    "policy_changed": _authorize(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, 200),
    "maintenance": _authorize(Reason.REDIRECTED, Fault.PROVIDER, 302),
    "client_deleted": _authorize(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 302),
    "redirect_uri_removed": _authorize(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 400),
    "clock_skewed": Reported(note="shown by `pingone_flow_clock_skew_seconds`"),
    "keys_rotated": Reported(note="shown by `pingone_flow_signing_keys_hash`"),
    "metadata_invalid": _discovery(
        *("metadata", Reason.ISSUER_MISMATCH, Fault.CONFIGURATION),
        note="`discovery` reports `issuer_mismatch`, `not_json` or `metadata_invalid`",
    ),
    "keys_invalid": _discovery(
        *("jwks", Reason.KEYS_INVALID, Fault.PROVIDER),
        note="`discovery` reports `keys_invalid`; so does `federation` at `destination_keys`",
    ),
    "password_changed": _federation("sign_on", Reason.CREDENTIALS_REJECTED, Fault.ACCOUNT, 400),
    "account_locked": _federation("sign_on", Reason.ACCOUNT_LOCKED, Fault.ACCOUNT, 400),
    "mfa_required": _federation("sign_on", Reason.MFA_REQUIRED, Fault.ACCOUNT),
    "password_expired": _federation("sign_on", Reason.PASSWORD_EXPIRED, Fault.ACCOUNT),
    "further_action": _federation("sign_on", Reason.FURTHER_ACTION_REQUIRED, Fault.ACCOUNT),
    "provider_missing": _federation("destination_authorize", Reason.PROVIDER_MISSING, Fault.CONFIGURATION),
    "provider_disabled": _federation("initiate", Reason.OAUTH_ERROR, Fault.CONFIGURATION, 302),
    "login_page_error": _federation("source_authorize", Reason.LOGIN_PAGE_ERROR, Fault.CONFIGURATION),
    "secret_expired": _federation("callback", Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION, 302),
    "linking_required": _federation("destination_flow", Reason.ACCOUNT_LINKING_REQUIRED, Fault.CONFIGURATION),
    "state_lost": _federation("source_resume", Reason.STATE_MISMATCH, Fault.PROVIDER),
    "token_refused": _federation("token", Reason.TOKEN_REFUSED, Fault.ACCOUNT, 401),
    "id_token_invalid": _federation("token", Reason.ID_TOKEN_INVALID, Fault.PROVIDER),
}
"""By kind, in the order of `KINDS`."""
