"""Weather: what is wrong with an environment of the simulator, as a value. No I/O.

Each parameter has a default. To add a kind, add a row to `KINDS`, and to docs/weather_outcomes.py what an
exporter reports. `simulated_environment` implements what the edge does, else the module that serves the
endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from exporter.outcome import FAILED

MAX_DELAY_MS = 600_000
DAY_SECONDS = 86_400
MAX_SHOWN_CHARACTERS = 60

EXAMPLE = '{"weather": "slow", "ms": 800}'

Endpoint = Literal["authorize", "initiate", "sign_on", "flow", "resume", "callback", "keys", "token"]
"""What a request asks for; `sign_on` is a POST to a flow."""


class WeatherError(ValueError):
    """Invalid weather, or a script of it; the text has every error and what would be right."""


class Weather(BaseModel):
    """One kind of weather with its parameters: its fields, which describe their valid values in words."""

    model_config = ConfigDict(frozen=True, extra="forbid", regex_engine="python-re")
    kind: ClassVar[str]  # its name
    needs_tls: ClassVar[bool]  # whether only an environment with https can have it

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


_STATUS = r"[A-Z][A-Z_]{0,62}\Z"
_NEW_STATUS = "a flow status such as SIGN_ON_REQUIRED (for FAILED use flow_failed)"
_AT: Any = {"endpoint": (Endpoint | None, Field(None, description=f"one of {', '.join(get_args(Endpoint))}"))}
"""The parameter of weather that can be limited to one endpoint."""


def _whole(default: int, least: int, most: int) -> Any:  # noqa: ANN401  pydantic's own, as all below
    description = f"a whole number from {least} to {most}"
    return int, Field(default, ge=least, le=most, description=description)


def _one_of(*values: str, default: int = 0) -> Any:  # noqa: ANN401
    description = f"{', '.join(values[:-1])} or {values[-1]}"
    return str, Field(values[default], pattern=rf"^(?:{'|'.join(values)})\Z", description=description)


def _flow_status(default: str) -> Any:  # noqa: ANN401
    return str, Field(default, pattern=rf"^{_STATUS}", description="a flow status")


def _kind(does: str, *, needs_tls: bool = False, **parameters: Any) -> type[Weather]:  # noqa: ANN401
    kind = create_model("Weather", __base__=Weather, __doc__=does, **parameters)
    kind.needs_tls = needs_tls
    return kind


KINDS: Mapping[str, type[Weather]] = {
    "healthy": _kind("Nothing is wrong."),
    "slow": _kind(
        "Each response is delayed by `ms` plus a random part of `jitter`, both in milliseconds.",
        ms=_whole(1000, 0, MAX_DELAY_MS),
        jitter=_whole(0, 0, MAX_DELAY_MS),
        **_AT,
    ),
    "flaky": _kind(
        "A share of the requests, `ratio`, gets 503 and a JSON error.",
        ratio=(float, Field(0.5, ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")),
        **_AT,
    ),
    "rate_limited": _kind(
        "429 with `Retry-After: retry_after`, in seconds.", retry_after=_whole(30, 0, DAY_SECONDS), **_AT
    ),
    "error_json": _kind("Status `code` with PingOne's JSON error.", code=_whole(503, 500, 599), **_AT),
    "error_html": _kind(
        "Status `code` with an HTML page, as from the edge.", code=_whole(503, 500, 599), **_AT
    ),
    "silent": _kind("The request is read and never answered.", **_AT),
    "refused": _kind("The port is closed."),
    "reset": _kind("The request is read and the connection reset.", **_AT),
    "tls_expired": _kind("The certificate has expired.", needs_tls=True),
    "tls_wrong_name": _kind("The certificate is for another name.", needs_tls=True),
    "flow_failed": _kind("200 with a flow with status FAILED."),
    "policy_changed": _kind(
        "The flow has a different status: `status`, or that of another sign-on policy.",
        status=(str | None, Field(None, pattern=rf"^(?!{FAILED}\Z){_STATUS}", description=_NEW_STATUS)),
    ),
    "maintenance": _kind("302 to a page on another host."),
    "client_deleted": _kind("The application is gone: 302 to the sign-on page with an error."),
    "redirect_uri_removed": _kind("The redirect URI is no longer registered."),
    "clock_skewed": _kind(
        "The provider's clock is `seconds` ahead; negative: behind.",
        seconds=_whole(300, -DAY_SECONDS, DAY_SECONDS),
    ),
    "keys_rotated": _kind("Each time this is set, a new key signs; the old one stays published."),
    "metadata_invalid": _kind(
        "One thing is wrong with the OpenID metadata; sign-ons are not affected.",
        wrong=_one_of("issuer", "json", "member"),
    ),
    "keys_invalid": _kind(
        "One thing is wrong with the published keys; the signing key stays the same.",
        wrong=_one_of("missing", "weak", "private"),
    ),
    # Of a federation. They leave the authorize request alone, unless it offers providers.
    "password_changed": _kind("Every password is wrong: 400 with `failuresRemaining`."),
    "account_locked": _kind(
        "The user is locked: 400 with `PASSWORD_LOCKED_OUT`, or 200 and FAILED with it.",
        answer=_one_of("error", "flow"),
    ),
    "mfa_required": _kind(
        "The right password leads to `status`; for NO_USABLE_DEVICES, to a FAILED flow with that error.",
        status=_flow_status("OTP_REQUIRED"),
    ),
    "password_expired": _kind(
        "The right password leads to `status`.", status=_flow_status("PASSWORD_EXPIRED")
    ),
    "further_action": _kind(
        "The right password leads to `status`.", status=_flow_status("AGREEMENT_CONSENT_REQUIRED")
    ),
    "provider_missing": _kind(
        "The destination's flows do not offer the identity provider `name`; without a name, they offer none.",
        name=(str | None, Field(None, description="name of an identity provider")),
    ),
    "provider_disabled": _kind(
        "The destination still offers its identity providers, but does not redirect to them."
    ),
    "login_page_error": _kind(
        "Providers that are not PingOne: an error with 200, an unknown client, no form, or another host.",
        wrong=_one_of("error", "client", "form", "host"),
    ),
    "secret_expired": _kind(
        "The destination's client secret expired: its callback leads to an error or a FAILED flow.",
        answer=_one_of("redirect", "json", "flow"),
    ),
    "linking_required": _kind("The user's account link at the destination is missing."),
    "state_lost": _kind("The response at the end of a flow has a different state than the client sent."),
    "token_refused": _kind(
        "The token endpoint rejects every client; at the source, that fails the destination's callback."
    ),
    "id_token_invalid": _kind(
        "One thing is wrong with ID tokens; at the source, that fails the destination's callback.",
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


def _explain(kind: type[Weather], error: Mapping[str, Any]) -> str:
    name, parameters = str(error["loc"][0]), kind.model_fields
    if name not in parameters:
        known = ", ".join(parameters) or "none"
        return f"{kind.kind} has no parameter {_shown(name)}; it has {known}"
    return f"{name} of {kind.kind} must be {parameters[name].description}, not {_shown(error['input'])}"


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 3]}..."
