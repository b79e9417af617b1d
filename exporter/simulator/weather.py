"""Weather: what an environment of the simulator suffers from, as a value.

    {"weather": "slow", "ms": 800, "jitter": 200}
     └ the kind ──────┘ └ its parameters; those not given have defaults

The set of kinds is closed, and so is each kind's set of parameters; all else is refused with a text
that says what would be right.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from exporter.outcome import FAILED

Value: TypeAlias = int | float | str
"""What a parameter can be."""


class Kind(StrEnum):
    """Every kind of weather."""

    HEALTHY = "healthy"
    SLOW = "slow"
    """Each answer waits `ms`, plus a random part of `jitter`, both in milliseconds."""
    FLAKY = "flaky"
    """The share `ratio` of the requests is answered with 503 and a JSON error."""
    RATE_LIMITED = "rate_limited"
    """429 with a `Retry-After` of `retry_after` seconds."""
    ERROR_JSON = "error_json"
    """Status `code`, with PingOne's JSON error."""
    ERROR_HTML = "error_html"
    """Status `code`, with a page of HTML as from the edge."""
    SILENT = "silent"
    """The request is read and never answered."""
    REFUSED = "refused"
    """The port is closed."""
    RESET = "reset"
    """The request is read and the connection reset."""
    TLS_EXPIRED = "tls_expired"
    """The certificate has expired."""
    TLS_WRONG_NAME = "tls_wrong_name"
    """The certificate is for another name."""
    FLOW_FAILED = "flow_failed"
    """200 with status FAILED."""
    POLICY_CHANGED = "policy_changed"
    """A flow with another status than before: `status`, else one that the policy does not lead to."""
    MAINTENANCE = "maintenance"
    """302 to a page elsewhere."""
    CLIENT_DELETED = "client_deleted"
    """No application has the client_id any more."""
    REDIRECT_URI_REMOVED = "redirect_uri_removed"
    """No application has a redirect_uri any more."""
    CLOCK_SKEWED = "clock_skewed"
    """The provider's clock is `seconds` ahead; negative: behind."""


NEEDS_TLS: frozenset[Kind] = frozenset({Kind.TLS_EXPIRED, Kind.TLS_WRONG_NAME})
"""Weather that only an environment served over https can have."""


class WeatherError(ValueError):
    """What was asked for is no weather; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter that is a number within a range."""

    default: float
    lowest: float
    highest: float
    whole: bool = True

    def read(self, value: object) -> Value | None:
        """Return `value` if it can be this parameter's, else None."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not self.lowest <= value <= self.highest:  # also refuses NaN, of which no comparison is true
            return None
        if not self.whole:
            return float(value)
        return int(value) if value == math.floor(value) else None

    def __str__(self) -> str:
        """Say what would be right."""
        return f"a {'whole ' if self.whole else ''}number from {self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True, slots=True)
class StatusName:
    """A parameter that is a flow status; empty: whichever the policy does not lead to."""

    default: str = ""

    def read(self, value: object) -> Value | None:
        """Return `value` if it can be this parameter's, else None."""
        if isinstance(value, str) and (value == "" or re.fullmatch(r"[A-Z][A-Z_]{0,62}", value)):
            return None if value == FAILED else value
        return None

    def __str__(self) -> str:
        """Say what would be right."""
        return (
            f"a flow status in capitals such as SIGN_ON_REQUIRED (for {FAILED} there is {Kind.FLOW_FAILED})"
        )


_MINUTES_10 = 600_000
_DAY = 86_400

PARAMETERS: Mapping[Kind, Mapping[str, Number | StatusName]] = {kind: {} for kind in Kind} | {
    Kind.SLOW: {"ms": Number(1000, 0, _MINUTES_10), "jitter": Number(0, 0, _MINUTES_10)},
    Kind.FLAKY: {"ratio": Number(0.5, 0, 1, whole=False)},
    Kind.RATE_LIMITED: {"retry_after": Number(30, 0, _DAY)},
    Kind.ERROR_JSON: {"code": Number(503, 500, 599)},
    Kind.ERROR_HTML: {"code": Number(503, 500, 599)},
    Kind.POLICY_CHANGED: {"status": StatusName()},
    Kind.CLOCK_SKEWED: {"seconds": Number(300, -_DAY, _DAY)},
}
"""Each kind's parameters, with their defaults and ranges."""


@dataclass(frozen=True, slots=True)
class Weather:
    """One kind of weather with all of its parameters.

    Args:
        kind: which.
        parameters: those that differ from their defaults; afterwards the value holds all of them.

    Raises:
        WeatherError: a parameter is unknown or out of range.
    """

    kind: Kind = Kind.HEALTHY
    parameters: Mapping[str, Value] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Check the parameters and complete them with the defaults."""
        allowed = PARAMETERS[self.kind]
        for name in self.parameters:
            if name not in allowed:
                known = f"it has {', '.join(allowed)}" if allowed else "it has none"
                raise WeatherError(f"{self.kind} has no parameter {_shown(name)}; {known}")
        complete: dict[str, Value] = {}
        for name, parameter in allowed.items():
            given = self.parameters.get(name, parameter.default)
            value = parameter.read(given)
            if value is None:
                raise WeatherError(f"{name} of {self.kind} must be {parameter}, not {_shown(given)}")
            complete[name] = value
        object.__setattr__(self, "parameters", MappingProxyType(complete))

    @classmethod
    def of(cls, kind: str, **parameters: Value) -> Weather:
        """Make the weather of that name, e.g. `Weather.of("slow", ms=800)`; raises `WeatherError`."""
        return cls.parse({"weather": kind, **parameters})

    @classmethod
    def parse(cls, document: object) -> Weather:
        """Read a JSON object such as `{"weather": "slow", "ms": 800}`.

        Raises:
            WeatherError: it is no such object; the text says what is wrong and what would be right.
        """
        if not isinstance(document, dict):
            raise WeatherError('weather must be an object such as {"weather": "slow", "ms": 800}')
        if "weather" not in document:
            raise WeatherError('the member "weather" is missing; it names the kind, such as "slow"')
        name = document["weather"]
        if not isinstance(name, str) or name not in set(Kind):
            raise WeatherError(f"unknown weather {_shown(name)}; one of {', '.join(Kind)}")
        return cls(Kind(name), {key: value for key, value in document.items() if key != "weather"})

    @classmethod
    def parse_text(cls, text: str) -> Weather:
        """Read what a command line has room for, e.g. `slow,ms=800,jitter=100`; raises `WeatherError`."""
        name, *pairs = (part.strip() for part in text.split(","))
        document: dict[str, object] = {"weather": name}
        for pair in pairs:
            key, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not key:
                raise WeatherError(f"{_shown(pair)} is no parameter; write for example slow,ms=800")
            if key in document:
                raise WeatherError(f"{_shown(key)} is given twice")
            document[key] = _number_or_text(value)
        return cls.parse(document)

    def number(self, name: str) -> float:
        """Return one of this kind's numbers; a `KeyError` is a bug of the caller's."""
        return float(self.parameters[name])

    def as_json(self) -> dict[str, Value]:
        """Write it in the form that `parse` reads, with every parameter."""
        return {
            "weather": self.kind.value,
            **{name: value for name, value in self.parameters.items() if value != ""},
        }


def _number_or_text(text: str) -> Value:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  as much as reads well in one line
