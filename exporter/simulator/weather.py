"""Weather: what is wrong with an environment of the simulator, as a value. No I/O.

    {"weather": "slow", "ms": 800, "jitter": 200}
     └ the kind ──────┘ └ its parameters; each has a default

To add a kind, add a class: its name in snake case is the kind, its docstring says what it does, its fields
are the parameters, `expected` is what an exporter reports. What happens is in `simulated_environment` if the
edge does it, else where its endpoint is served: in `provider`, `accounts`, `relying_party` or
`token_endpoint`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

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


OK = ExpectedOutcome(Reason.OK, Fault.NONE, 200)
ERROR = ExpectedOutcome(Reason.SERVER_ERROR, Fault.PROVIDER, 503)
BAD_CERTIFICATE = ExpectedOutcome(Reason.TLS, Fault.PROVIDER, None, Phase.TLS)


class WeatherError(ValueError):
    """Invalid weather; the text says what would be right."""


KINDS: dict[str, type[Weather]] = {}
"""Every kind by its name."""


class Weather(BaseModel):
    """One kind of weather with its parameters; the subclasses below are the closed set.

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

    def __init_subclass__(
        cls,
        *,
        expected: tuple[ExpectedOutcome, ...] = (OK,),
        note: str = "",
        needs_tls: bool = False,
        in_federation: ExpectedOutcome | None = None,
        in_discovery: ExpectedOutcome | None = None,
    ) -> None:
        """Take the class arguments; add a kind to `KINDS`, unless it is what several share (`…Weather`)."""
        cls.expected, cls.note, cls.needs_tls = expected, note, needs_tls
        cls.in_federation, cls.in_discovery = in_federation, in_discovery
        if not cls.__name__.endswith("Weather"):
            cls.kind = re.sub("(?<=.)(?=[A-Z])", "_", cls.__name__).lower()
            KINDS[cls.kind] = cls

    def at(self, endpoint: str | None) -> Weather:
        """Return the weather for requests to an endpoint; None is any other path."""
        return self if getattr(self, "endpoint", None) in {None, endpoint} else Healthy()

    def as_json(self) -> dict[str, Any]:
        """Return the form that `parse_weather` reads, with every parameter."""
        return {"weather": self.kind, **self.model_dump(exclude_none=True)}


class Healthy(Weather):
    """Nothing is wrong."""


class EndpointWeather(Weather):
    """Weather of the whole environment or of one of its endpoints."""

    endpoint: Endpoint | None = Field(None, description=f"one of {', '.join(get_args(Endpoint))}")


class Slow(EndpointWeather, note="counted as slow beyond the latency objective"):
    """Each response is delayed by `ms` plus a random part of `jitter`, both in milliseconds."""

    ms: int = Field(1000, ge=0, le=MAX_DELAY_MS)
    jitter: int = Field(0, ge=0, le=MAX_DELAY_MS)


class Flaky(EndpointWeather, expected=(OK, ERROR)):
    """The share `ratio` of the requests gets 503 and a JSON error."""

    ratio: float = Field(0.5, ge=0, le=1, allow_inf_nan=False)


class RateLimited(EndpointWeather, expected=(ExpectedOutcome(Reason.RATE_LIMITED, Fault.QUOTA, 429),)):
    """429 with `Retry-After: retry_after`, in seconds."""

    retry_after: int = Field(30, ge=0, le=DAY_SECONDS)


class ErrorJson(EndpointWeather, expected=(ERROR,)):
    """Status `code` with PingOne's JSON error."""

    code: int = Field(503, ge=500, le=599)


class ErrorHtml(EndpointWeather, expected=(ERROR,)):
    """Status `code` with an HTML page, as from the edge."""

    code: int = Field(503, ge=500, le=599)


class Silent(
    EndpointWeather, expected=(ExpectedOutcome(Reason.TIMEOUT, Fault.PROVIDER, None, Phase.PROCESSING),)
):
    """The request is read and never answered."""


class Refused(Weather, expected=(ExpectedOutcome(Reason.CONNECT, Fault.NETWORK, None, Phase.CONNECT),)):
    """The port is closed."""


class Reset(
    EndpointWeather, expected=(ExpectedOutcome(Reason.PROTOCOL, Fault.PROVIDER, None, Phase.PROCESSING),)
):
    """The request is read and the connection reset."""


class TlsExpired(Weather, expected=(BAD_CERTIFICATE,), needs_tls=True):
    """The certificate has expired."""


class TlsWrongName(Weather, expected=(BAD_CERTIFICATE,), needs_tls=True):
    """The certificate is for another name."""


class FlowFailed(Weather, expected=(ExpectedOutcome(Reason.FLOW_FAILED, Fault.PROVIDER, 200),)):
    """200 with a flow with status FAILED."""


def _not_failed(status: str) -> str:
    if status == FAILED:
        raise ValueError(FAILED)
    return status


class PolicyChanged(Weather, expected=(ExpectedOutcome(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, 200),)):
    """The flow has another status than before: `status`, or one of another sign-on policy."""

    status: Annotated[str, AfterValidator(_not_failed)] | None = Field(
        None,
        pattern="^[A-Z][A-Z_]{0,62}$",
        description="a flow status such as SIGN_ON_REQUIRED (for FAILED use flow_failed)",
    )


class Maintenance(Weather, expected=(ExpectedOutcome(Reason.REDIRECTED, Fault.PROVIDER, 302),)):
    """302 to a page elsewhere."""


class ClientDeleted(Weather, expected=(ExpectedOutcome(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 302),)):
    """The application is gone: 302 to the sign-on page with an error."""


class RedirectUriRemoved(Weather, expected=(ExpectedOutcome(Reason.OAUTH_ERROR, Fault.CONFIGURATION, 400),)):
    """The redirect URI is not registered any more."""


class ClockSkewed(Weather, note="shown by `pingone_flow_clock_skew_seconds`"):
    """The provider's clock is `seconds` ahead; negative: behind."""

    seconds: int = Field(300, ge=-DAY_SECONDS, le=DAY_SECONDS)


class KeysRotated(Weather, note="shown by `pingone_flow_signing_keys_hash`"):
    """A fresh key signs, each time that this is set; the one before stays published."""


class MetadataInvalid(
    Weather,
    note="`discovery` reports `issuer_mismatch`, `not_json` or `metadata_invalid`",
    in_discovery=ExpectedOutcome(Reason.ISSUER_MISMATCH, Fault.CONFIGURATION, 200, step="metadata"),
):
    """One thing is wrong with the OpenID metadata; sign-ons are not affected."""

    wrong: Literal["issuer", "json", "member"] = "issuer"


class KeysInvalid(
    Weather,
    note="`discovery` reports `keys_invalid`; so does `federation` at `destination_keys`",
    in_discovery=ExpectedOutcome(Reason.KEYS_INVALID, Fault.PROVIDER, 200, step="jwks"),
):
    """One thing is wrong with the published keys; what signs stays the same."""

    wrong: Literal["missing", "weak", "private"] = "missing"


# Of a federation. They leave the authorize request alone, unless it offers providers.


def _account(reason: Reason, code: int = 200) -> ExpectedOutcome:
    return ExpectedOutcome(reason, Fault.ACCOUNT, code, step="sign_on")


def _configuration(reason: Reason, step: str, code: int = 302) -> ExpectedOutcome:
    return ExpectedOutcome(reason, Fault.CONFIGURATION, code, step=step)


def _status(default: str) -> Any:  # noqa: ANN401  pydantic's own
    return Field(default, pattern="^[A-Z][A-Z_]{0,62}$", description="a flow status")


class PasswordChanged(Weather, in_federation=_account(Reason.CREDENTIALS_REJECTED, 400)):
    """Every password is wrong: 400 with `failuresRemaining`; the fifth locks the user for a while."""


class AccountLocked(Weather, in_federation=_account(Reason.ACCOUNT_LOCKED, 400)):
    """The user is locked: 400 with `PASSWORD_LOCKED_OUT`, or 200 and FAILED with it."""

    answer: Literal["error", "flow"] = "error"


class MfaRequired(Weather, in_federation=_account(Reason.MFA_REQUIRED)):
    """The right password leads to `status`; NO_USABLE_DEVICES is an error of a flow that is FAILED."""

    status: str = _status("OTP_REQUIRED")


class PasswordExpired(Weather, in_federation=_account(Reason.PASSWORD_EXPIRED)):
    """The right password leads to `status`."""

    status: str = _status("PASSWORD_EXPIRED")


class FurtherAction(Weather, in_federation=_account(Reason.FURTHER_ACTION_REQUIRED)):
    """The right password leads to `status`."""

    status: str = _status("AGREEMENT_CONSENT_REQUIRED")


class ProviderMissing(
    Weather, in_federation=_configuration(Reason.PROVIDER_MISSING, "destination_authorize", 200)
):
    """The destination's flows do not offer the identity provider `name`; without a name, they offer none."""

    name: str | None = Field(None, description="name of an identity provider")


class ProviderDisabled(Weather, in_federation=_configuration(Reason.OAUTH_ERROR, "initiate")):
    """The destination still offers its identity providers, and refuses to lead to them."""


class LoginPageError(Weather, in_federation=_configuration(Reason.LOGIN_PAGE_ERROR, "source_authorize", 200)):
    """Providers that are not PingOne: an error with 200, an unknown client, no form, or a host elsewhere."""

    wrong: Literal["error", "client", "form", "host"] = "error"


class SecretExpired(Weather, in_federation=_configuration(Reason.EXCHANGE_REJECTED, "callback")):
    """The destination's client secret expired: its callback leads to an error or a FAILED flow."""

    answer: Literal["redirect", "json", "flow"] = "redirect"


class LinkingRequired(
    Weather, in_federation=_configuration(Reason.ACCOUNT_LINKING_REQUIRED, "destination_flow", 200)
):
    """The user's link at the destination is gone."""


class StateLost(
    Weather, in_federation=ExpectedOutcome(Reason.STATE_MISMATCH, Fault.PROVIDER, 200, step="source_resume")
):
    """What a flow yields has another state than the client's."""


class TokenRefused(
    Weather, in_federation=ExpectedOutcome(Reason.TOKEN_REFUSED, Fault.ACCOUNT, 401, step="token")
):
    """The token endpoint refuses every client; at the source, that fails the destination's callback."""


class IdTokenInvalid(
    Weather, in_federation=ExpectedOutcome(Reason.ID_TOKEN_INVALID, Fault.PROVIDER, 200, step="token")
):
    """One thing is wrong with ID tokens; at the source, that fails the destination's callback."""

    wrong: Literal["iss", "aud", "nonce", "exp", "kid", "signature"] = "signature"


def parse_weather(document: object, *, strict: bool = True) -> Weather:
    """Read a JSON object such as `{"weather": "slow", "ms": 800}`; if not strict, numbers may be text.

    Raises:
        WeatherError: the text has every error, and what would be right.
    """
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
    properties = kind.model_json_schema()["properties"]
    for name in sorted(properties, key="endpoint".__eq__):  # it is the last one
        schema = properties[name]
        if choices := schema.get("enum"):
            values = f"{', '.join(choices[:-1])} or {choices[-1]}"
        else:
            number = "a whole number" if schema.get("type") == "integer" else "a number"
            values = f"{number} from {schema.get('minimum')} to {schema.get('maximum')}"
        yield name, schema.get("description", values), schema.get("default")


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
