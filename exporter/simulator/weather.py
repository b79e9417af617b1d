"""Weather: what is wrong with an environment of the simulator, as a value. No I/O.

Each parameter has a default. To add a kind, add a row to `KINDS`. What happens is in `simulated_environment`
if the edge does it, else in the module that serves its endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from exporter.outcome import FAILED, Phase
from exporter.reasons import Fault, Reason

MAX_DELAY_MS = 600_000
DAY_SECONDS = 86_400
MAX_SHOWN_CHARACTERS = 60

EXAMPLE = '{"weather": "slow", "ms": 800}'

Endpoint = Literal["authorize", "initiate", "sign_on", "flow", "resume", "callback", "keys", "token"]
"""What a request asks for; `sign_on` is a POST to a flow."""


@dataclass(frozen=True, slots=True)
class ExpectedOutcome:
    """What an exporter reports of a probe.

    Args:
        code: HTTP status, with default parameters; None without a response.
        phase: where the probe ended.
        step: the step of the journey `federation` in which it ended; empty for `authorize`.
    """

    reason: Reason
    fault: Fault
    code: int | None
    phase: Phase = Phase.TRANSFER
    step: str = ""


class WeatherError(ValueError):
    """Invalid weather; the text has every error and what would be right."""


class Weather(BaseModel):
    """One kind of weather with its parameters, which are its fields.

    Attributes:
        kind: its name.
        expected: what an exporter reports, if the application expects what it got before the weather
            changed; several outcomes where chance decides.
        note: more about what an exporter reports.
        needs_tls: whether only an environment with https can have it.
        in_federation: what an exporter reports of the journey `federation`, if `authorize` is not affected
            and this is the weather of the environment that answers the step.
        in_discovery: what an exporter reports of the journey `discovery`, if `authorize` is not affected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[str]
    expected: ClassVar[tuple[ExpectedOutcome, ...]]
    note: ClassVar[str]
    needs_tls: ClassVar[bool]
    in_federation: ClassVar[ExpectedOutcome | None]
    in_discovery: ClassVar[ExpectedOutcome | None]

    if TYPE_CHECKING:

        def __getattr__(self, parameter: str) -> Any: ...  # noqa: ANN401, D105  its kind's

    def at(self, endpoint: str | None) -> Weather:
        """Return the weather for requests to an endpoint; None is any other path."""
        return self if getattr(self, "endpoint", None) in {None, endpoint} else HEALTHY

    @property
    def clock_skew(self) -> float:
        """Seconds by which the provider's clock is ahead."""
        return float(self.seconds) if self.kind == "clock_skewed" else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the form that `parse_weather` reads, with every parameter."""
        return {"weather": self.kind, **self.model_dump(exclude_none=True)}


def _not_failed(status: str) -> str:
    if status == FAILED:
        raise ValueError(FAILED)
    return status


_NotFailed = Annotated[str, AfterValidator(_not_failed)]
_STATUS = "^[A-Z][A-Z_]{0,62}$"
_NEW_STATUS = "a flow status such as SIGN_ON_REQUIRED (for FAILED use flow_failed)"
_AT: Any = {"endpoint": (Endpoint | None, Field(None, description=f"one of {', '.join(get_args(Endpoint))}"))}
"""Of weather that one endpoint alone may have."""


def _whole(default: int, least: int, most: int) -> Any:  # noqa: ANN401  pydantic's own, as all below
    description = f"a whole number from {least} to {most}"
    return int, Field(default, ge=least, le=most, description=description)


def _one_of(*values: str, default: int = 0) -> Any:  # noqa: ANN401
    description = f"{', '.join(values[:-1])} or {values[-1]}"
    return str, Field(values[default], pattern=f"^({'|'.join(values)})$", description=description)


def _flow_status(default: str) -> Any:  # noqa: ANN401
    return str, Field(default, pattern=_STATUS, description="a flow status")


_OK = ExpectedOutcome(Reason.OK, Fault.NONE, 200)
_ERROR = ExpectedOutcome(Reason.SERVER_ERROR, Fault.PROVIDER, 503)
_BAD_CERTIFICATE = ExpectedOutcome(Reason.TLS, Fault.PROVIDER, None, Phase.TLS)


def _kind(
    does: str,
    *expected: ExpectedOutcome,
    note: str = "",
    needs_tls: bool = False,
    federation: ExpectedOutcome | None = None,
    discovery: ExpectedOutcome | None = None,
    **parameters: Any,  # noqa: ANN401
) -> type[Weather]:
    """Return a kind, of which an exporter reports `expected` or, by default, nothing."""
    kind = create_model("Weather", __base__=Weather, __doc__=does, **parameters)
    kind.expected, kind.note, kind.needs_tls = expected or (_OK,), note, needs_tls
    kind.in_federation, kind.in_discovery = federation, discovery
    return kind


def _at(step: str, reason: Reason, fault: Fault, code: int = 200) -> ExpectedOutcome:
    return ExpectedOutcome(reason, fault, code, step=step)


KINDS: Mapping[str, type[Weather]] = {
    "healthy": _kind("Nothing is wrong."),
    "slow": _kind(
        "Each response is delayed by `ms` plus a random part of `jitter`, both in milliseconds.",
        note="counted as slow beyond the latency objective",
        **_AT,
        ms=_whole(1000, 0, MAX_DELAY_MS),
        jitter=_whole(0, 0, MAX_DELAY_MS),
    ),
    "flaky": _kind(
        "The share `ratio` of the requests gets 503 and a JSON error.",
        *(_OK, _ERROR),
        **_AT,
        ratio=(float, Field(0.5, ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")),
    ),
    "rate_limited": _kind(
        "429 with `Retry-After: retry_after`, in seconds.",
        ExpectedOutcome(Reason.RATE_LIMITED, Fault.QUOTA, 429),
        **_AT,
        retry_after=_whole(30, 0, DAY_SECONDS),
    ),
    "error_json": _kind(
        "Status `code` with PingOne's JSON error.", _ERROR, **_AT, code=_whole(503, 500, 599)
    ),
    "error_html": _kind(
        "Status `code` with an HTML page, as from the edge.", _ERROR, **_AT, code=_whole(503, 500, 599)
    ),
    "silent": _kind(
        "The request is read and never answered.",
        ExpectedOutcome(Reason.TIMEOUT, Fault.PROVIDER, None, Phase.PROCESSING),
        **_AT,
    ),
    "refused": _kind(
        "The port is closed.", ExpectedOutcome(Reason.CONNECT, Fault.NETWORK, None, Phase.CONNECT)
    ),
    "reset": _kind(
        "The request is read and the connection reset.",
        ExpectedOutcome(Reason.PROTOCOL, Fault.PROVIDER, None, Phase.PROCESSING),
        **_AT,
    ),
    "tls_expired": _kind("The certificate has expired.", _BAD_CERTIFICATE, needs_tls=True),
    "tls_wrong_name": _kind("The certificate is for another name.", _BAD_CERTIFICATE, needs_tls=True),
    "flow_failed": _kind(
        "200 with a flow with status FAILED.", ExpectedOutcome(Reason.FLOW_FAILED, Fault.PROVIDER, 200)
    ),
    "policy_changed": _kind(
        "The flow has another status than before: `status`, or one of another sign-on policy.",
        ExpectedOutcome(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, 200),
        status=(_NotFailed | None, Field(None, pattern=_STATUS, description=_NEW_STATUS)),
    ),
    "maintenance": _kind("302 to a page elsewhere.", ExpectedOutcome(Reason.REDIRECTED, Fault.PROVIDER, 302)),
    "client_deleted": _kind(
        "The application is gone: 302 to the sign-on page with an error.",
        ExpectedOutcome(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 302),
    ),
    "redirect_uri_removed": _kind(
        "The redirect URI is not registered any more.",
        ExpectedOutcome(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 400),
    ),
    "clock_skewed": _kind(
        "The provider's clock is `seconds` ahead; negative: behind.",
        note="shown by `pingone_flow_clock_skew_seconds`",
        seconds=_whole(300, -DAY_SECONDS, DAY_SECONDS),
    ),
    "keys_rotated": _kind(
        "Each time this is set, a new key signs; the old one stays published.",
        note="shown by `pingone_flow_signing_keys_hash`",
    ),
    "metadata_invalid": _kind(
        "One thing is wrong with the OpenID metadata; sign-ons are not affected.",
        note="`discovery` reports `issuer_mismatch`, `not_json` or `metadata_invalid`",
        discovery=_at("metadata", Reason.ISSUER_MISMATCH, Fault.CONFIGURATION),
        wrong=_one_of("issuer", "json", "member"),
    ),
    "keys_invalid": _kind(
        "One thing is wrong with the published keys; what signs stays the same.",
        note="`discovery` reports `keys_invalid`; so does `federation` at `destination_keys`",
        discovery=_at("jwks", Reason.KEYS_INVALID, Fault.PROVIDER),
        wrong=_one_of("missing", "weak", "private"),
    ),
    # Of a federation. They leave the authorize request alone, unless it offers providers.
    "password_changed": _kind(
        "Every password is wrong: 400 with `failuresRemaining`; the fifth locks the user for a while.",
        federation=_at("sign_on", Reason.CREDENTIALS_REJECTED, Fault.ACCOUNT, 400),
    ),
    "account_locked": _kind(
        "The user is locked: 400 with `PASSWORD_LOCKED_OUT`, or 200 and FAILED with it.",
        federation=_at("sign_on", Reason.ACCOUNT_LOCKED, Fault.ACCOUNT, 400),
        answer=_one_of("error", "flow"),
    ),
    "mfa_required": _kind(
        "The right password leads to `status`; NO_USABLE_DEVICES is an error of a flow that is FAILED.",
        federation=_at("sign_on", Reason.MFA_REQUIRED, Fault.ACCOUNT),
        status=_flow_status("OTP_REQUIRED"),
    ),
    "password_expired": _kind(
        "The right password leads to `status`.",
        federation=_at("sign_on", Reason.PASSWORD_EXPIRED, Fault.ACCOUNT),
        status=_flow_status("PASSWORD_EXPIRED"),
    ),
    "further_action": _kind(
        "The right password leads to `status`.",
        federation=_at("sign_on", Reason.FURTHER_ACTION_REQUIRED, Fault.ACCOUNT),
        status=_flow_status("AGREEMENT_CONSENT_REQUIRED"),
    ),
    "provider_missing": _kind(
        "The destination's flows do not offer the identity provider `name`; without a name, they offer none.",
        federation=_at("destination_authorize", Reason.PROVIDER_MISSING, Fault.CONFIGURATION),
        name=(str | None, Field(None, description="name of an identity provider")),
    ),
    "provider_disabled": _kind(
        "The destination still offers its identity providers, and refuses to lead to them.",
        federation=_at("initiate", Reason.OAUTH_ERROR, Fault.CONFIGURATION, 302),
    ),
    "login_page_error": _kind(
        "Providers that are not PingOne: an error with 200, an unknown client, no form, or a host elsewhere.",
        federation=_at("source_authorize", Reason.LOGIN_PAGE_ERROR, Fault.CONFIGURATION),
        wrong=_one_of("error", "client", "form", "host"),
    ),
    "secret_expired": _kind(
        "The destination's client secret expired: its callback leads to an error or a FAILED flow.",
        federation=_at("callback", Reason.EXCHANGE_REJECTED, Fault.CONFIGURATION, 302),
        answer=_one_of("redirect", "json", "flow"),
    ),
    "linking_required": _kind(
        "The user's link at the destination is gone.",
        federation=_at("destination_flow", Reason.ACCOUNT_LINKING_REQUIRED, Fault.CONFIGURATION),
    ),
    "state_lost": _kind(
        "What a flow yields has another state than the client's.",
        federation=_at("source_resume", Reason.STATE_MISMATCH, Fault.PROVIDER),
    ),
    "token_refused": _kind(
        "The token endpoint refuses every client; at the source, that fails the destination's callback.",
        federation=_at("token", Reason.TOKEN_REFUSED, Fault.ACCOUNT, 401),
    ),
    "id_token_invalid": _kind(
        "One thing is wrong with ID tokens; at the source, that fails the destination's callback.",
        federation=_at("token", Reason.ID_TOKEN_INVALID, Fault.PROVIDER),
        wrong=_one_of("iss", "aud", "nonce", "exp", "kid", "signature", default=-1),
    ),
}
"""Every kind by its name; the text says what it does."""

for _name, _row in KINDS.items():
    _row.kind = _row.__name__ = _name
HEALTHY = KINDS["healthy"]()


def parse_weather(document: object, *, strict: bool = True) -> Weather:
    """Read a JSON object such as `EXAMPLE`; if not strict, numbers may be text. Raises `WeatherError`."""
    if not isinstance(document, dict):
        raise WeatherError(f"invalid weather; use an object such as {EXAMPLE}")
    if "weather" not in document:
        raise WeatherError('missing member "weather", the kind; use e.g. "slow"')
    given = {name: value for name, value in document.items() if name != "weather"}
    name = document["weather"]
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise WeatherError(f"unknown weather {_shown(name)}; use one of {', '.join(KINDS)}")
    try:
        return kind.model_validate(given, strict=strict)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise WeatherError("; ".join(_explain(kind, each) for each in details)) from None


def parse_weather_text(text: str) -> Weather:
    """Read the command line's form, e.g. `slow,ms=800,jitter=100`; raises `WeatherError`."""
    name, *pairs = (part.strip() for part in text.split(","))
    document = {"weather": name}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise WeatherError(f"invalid parameter {_shown(pair)}; use e.g. slow,ms=800")
        if key in document:
            raise WeatherError(f"duplicate parameter {_shown(key)}")
        document[key] = value
    return parse_weather(document, strict=False)


def parameters(kind: type[Weather]) -> Iterator[tuple[str, str, Any]]:
    """Yield each parameter's name, valid values in words, and default."""
    for name in sorted(kind.model_fields, key="endpoint".__eq__):  # it is the last one
        field = kind.model_fields[name]
        yield name, str(field.description), field.default


def _explain(kind: type[Weather], error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    valid = {parameter: values for parameter, values, _ in parameters(kind)}
    if name not in valid:
        known = f"it has {', '.join(valid)}" if valid else "it has none"
        return f"{kind.kind} has no parameter {_shown(name)}; {known}"
    return f"{name} of {kind.kind} must be {valid[name]}, not {_shown(error['input'])}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 3]}..."
