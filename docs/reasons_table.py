"""The table of reasons in the README: what each reason means to users, and what to check first.

`make docs` writes it; the reasons, faults and their short texts come from `exporter/reasons.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter.reasons import FAULTS, Fault, Reason, reason_text

README = Path(__file__).resolve().parents[1] / "README.md"

_BEGIN = "<!-- Reasons: generated from exporter/reasons.py and docs/reasons_table.py by `make docs`. -->\n"
_END = "<!-- End of reasons. -->\n"
_HEADER = "| reason | fault | meaning | user impact | check first |\n|---|---|---|---|---|\n"

GROUPS: Mapping[str, tuple[Reason, ...]] = {
    heading: tuple(map(Reason, reasons.split()))
    for heading, reasons in {
        "Healthy": "ok",
        "Not reached": "dns connect proxy tls timeout protocol",
        "Refused": (
            "rate_limited server_error redirected oauth_error blocked client_error "
            "provider_missing exchange_rejected account_linking_required login_page_error"
        ),
        "Wrong answer": (
            "too_large not_json flow_failed not_a_flow unexpected_status location_invalid "
            "state_mismatch id_token_invalid issuer_mismatch metadata_invalid keys_invalid"
        ),
        "Test account": (
            "credentials_rejected account_locked password_expired mfa_required "
            "further_action_required token_refused"
        ),
        "Ours": "internal",
    }.items()
}
"""Every reason, by its label value: these are public and stay."""

ADVICE: Mapping[tuple[Reason, Fault], tuple[str, str]] = {
    (Reason.OK, Fault.NONE): ("none", "`pingone_flow_probes_slow_total`, if users complain anyway"),
    (Reason.DNS, Fault.NETWORK): (
        "sign-on does not start",
        "the resolver of the exporter's machine; does the name resolve elsewhere?",
    ),
    (Reason.CONNECT, Fault.NETWORK): (
        "sign-on does not start",
        "firewall and routes; is it this provider or everything (`pingone_flow_exporter_egress_up`)?",
    ),
    (Reason.PROXY, Fault.NETWORK): (
        "possibly none: it is our own proxy",
        "the proxy's log; the credentials in `PROXY_URL`",
    ),
    (Reason.TLS, Fault.PROVIDER): (
        "a certificate warning",
        (
            "`pingone_flow_tls_certificate_expiry_timestamp_seconds`; is it for another name? "
            "Has an authority in `CA_FILE` expired?"
        ),
    ),
    (Reason.TLS, Fault.NETWORK): (
        "possibly none",
        "a TLS-inspecting proxy, a missing `CA_FILE`, or a missing `CLIENT_CERTIFICATE_FILE`",
    ),
    (Reason.TIMEOUT, Fault.NETWORK): (
        "sign-on hangs",
        "packet loss or a firewall on the path; in phase `tls` its MTU, too",
    ),
    (Reason.TIMEOUT, Fault.PROVIDER): ("sign-on hangs", "PingOne's status page: the request arrived"),
    (Reason.PROTOCOL, Fault.NETWORK): (
        "a browser error page",
        "a load balancer or gateway on the path that closes connections",
    ),
    (Reason.PROTOCOL, Fault.PROVIDER): (
        "a browser error page",
        "PingOne's status page; a load balancer or gateway in front of it",
    ),
    (Reason.RATE_LIMITED, Fault.QUOTA): (
        "some sign-ons are rejected",
        "which client uses up the rate limit; `pingone_flow_backoff_until_timestamp_seconds`",
    ),
    (Reason.SERVER_ERROR, Fault.PROVIDER): (
        "an error page",
        "PingOne's status page; open a support case with the correlation ID from the log",
    ),
    (Reason.REDIRECTED, Fault.CONFIGURATION): (
        "none yet",
        "`response_mode=pi.flow` is not honored for this application",
    ),
    (Reason.REDIRECTED, Fault.PROVIDER): (
        "a maintenance page",
        "the target of the redirect; PingOne's status page",
    ),
    (Reason.OAUTH_ERROR, Fault.CONFIGURATION): (
        "an error instead of the sign-on page",
        "`pingone_flow_error_codes_total`: the application was deleted, disabled or changed",
    ),
    (Reason.BLOCKED, Fault.NETWORK): (
        "none, if only the exporter is blocked",
        "an allow-list or web application firewall in front of PingOne",
    ),
    (Reason.CLIENT_ERROR, Fault.CONFIGURATION): (
        "an error instead of the sign-on page",
        "environment ID and region: the path does not exist",
    ),
    (Reason.TOO_LARGE, Fault.PROVIDER): (
        "an error instead of the sign-on page",
        "what responds: something other than PingOne, e.g. a proxy's HTML page",
    ),
    (Reason.NOT_JSON, Fault.PROVIDER): (
        "an error instead of the sign-on page",
        "what responds: something other than PingOne, e.g. a proxy's HTML page",
    ),
    (Reason.FLOW_FAILED, Fault.CONFIGURATION): (
        "none: the probe itself forbids the sign-on",
        "the `PROMPT` setting: `none` works only for users who have a session",
    ),
    (Reason.FLOW_FAILED, Fault.PROVIDER): (
        "sign-on ends with an error",
        "`pingone_flow_error_codes_total`; the source's audit log, by transaction ID",
    ),
    (Reason.NOT_A_FLOW, Fault.PROVIDER): (
        "an error instead of the sign-on page",
        "`AUTH_URL` or a custom domain that now leads to another environment",
    ),
    (Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION): (
        "a different first screen",
        "the sign-on policy was changed; if intended, update `EXPECTED_STATUSES`",
    ),
    (Reason.PROVIDER_MISSING, Fault.CONFIGURATION): (
        "the identity provider is not offered at sign-on",
        "the destination's sign-on policy: was the provider disabled or removed? `PROVIDER_ID`",
    ),
    (Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION): (
        "sign-on fails after the password",
        "the client secret in the destination's provider entry, and its keys; the destination's audit log",
    ),
    (Reason.ACCOUNT_LINKING_REQUIRED, Fault.CONFIGURATION): (
        "users without a link cannot sign on",
        "the test account's link at the destination; was it deleted, or did the subject change?",
    ),
    (Reason.LOGIN_PAGE_ERROR, Fault.CONFIGURATION): (
        "an error instead of the sign-on page",
        (
            "the destination's application at the identity provider: client ID and redirect URI; what its "
            "login page shows in a browser"
        ),
    ),
    (Reason.LOCATION_INVALID, Fault.CONFIGURATION): (
        "users are sent to the wrong place",
        (
            "the provider entry in the destination: issuer, authorization endpoint; `LOGIN_HOSTS`; "
            "with SAML: `READY_BY`"
        ),
    ),
    (Reason.LOCATION_INVALID, Fault.PROVIDER): (
        "sign-on ends with an error",
        "a malformed link or redirect: open a support case with the correlation ID from the log",
    ),
    (Reason.STATE_MISMATCH, Fault.PROVIDER): (
        "sign-on ends with an error",
        "a cache or gateway in front of the environment; open a support case",
    ),
    (Reason.ID_TOKEN_INVALID, Fault.PROVIDER): (
        "applications reject the sign-on",
        "the destination's signing keys, its issuer, and `pingone_flow_clock_skew_seconds`",
    ),
    (Reason.ISSUER_MISMATCH, Fault.CONFIGURATION): (
        "destinations reject the ID token",
        "`ISSUER`; was a custom domain added or removed?",
    ),
    (Reason.METADATA_INVALID, Fault.PROVIDER): (
        "none, until a destination reads the metadata again",
        "`/.well-known/openid-configuration` of the source",
    ),
    (Reason.KEYS_INVALID, Fault.PROVIDER): (
        "ID tokens cannot be verified",
        "the JWKS of the environment: is there a signing key of an advertised algorithm?",
    ),
    (Reason.CREDENTIALS_REJECTED, Fault.ACCOUNT): (
        "none: only the test account",
        "`USERNAME` and `PASSWORD`; sign-on is suspended until they change",
    ),
    (Reason.ACCOUNT_LOCKED, Fault.ACCOUNT): (
        "none: only the test account",
        "unlock or enable the user; who else signs on with it?",
    ),
    (Reason.PASSWORD_EXPIRED, Fault.ACCOUNT): (
        "none: only the test account",
        "a password policy without expiry for the test account; set `PASSWORD` again",
    ),
    (Reason.MFA_REQUIRED, Fault.ACCOUNT): (
        "none: only the test account",
        "the sign-on policy: exclude the test account from MFA",
    ),
    (Reason.FURTHER_ACTION_REQUIRED, Fault.ACCOUNT): (
        "none: only the test account",
        "sign on as the test account once: a consent, a profile field or an agreement is missing",
    ),
    (Reason.TOKEN_REFUSED, Fault.ACCOUNT): (
        "none: only our own test application",
        "`DESTINATION_CLIENT_SECRET` and `DESTINATION_CLIENT_AUTH` of the test application",
    ),
    (Reason.INTERNAL, Fault.EXPORTER): (
        "none",
        "the exporter's log; `pingone_flow_exporter_probes_stalled_total`: it is short of CPU",
    ),
}
"""For every reason and fault: the user impact, and what to check first."""


def readme() -> str:
    """Return the README with its table of reasons regenerated."""
    before, _, rest = README.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{''.join(_lines())}{_END}{after}"


def _lines() -> Iterator[str]:
    for group, reasons in GROUPS.items():
        yield f"\n**{group}**\n\n{_HEADER}"
        for reason in reasons:
            for fault in FAULTS[reason]:
                impact, check = ADVICE[reason, fault]
                yield f"| `{reason}` | {fault} | {reason_text(reason, fault)} | {impact} | {check} |\n"
    yield (
        "\nWhile sign-on is suspended (`pingone_flow_sign_on_suspended`), a probe has the reason that "
        "suspended it, and fault `account`.\n"
    )
    yield "\n**Whom to call**\n\n| fault | who acts |\n|---|---|\n"
    for fault in Fault:
        if fault.who_acts:
            yield f"| {fault} | {fault.who_acts} |\n"
    yield "\n"
