"""The types of single settings: how each value is written, and its bounds. Messages never contain the value.

Variables hold strings, JSON also numbers, booleans, None and lists, YAML strings, None and lists of strings.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import lt
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator
from pydantic_core import SchemaError, SchemaValidator
from pydantic_core.core_schema import str_schema

from exporter.destinations import MAX_DESTINATION_NAME_LENGTH
from exporter.durations import INVALID_DURATION, format_duration, parse_duration
from exporter.outcome import FAILED, UNKNOWN
from exporter.settings import addresses
from exporter.settings.addresses import AuthServer, ListenAddress
from exporter.target import UUID, ClientAuth, IpFamily, Journey, ReadyBy, SourceKind

MAX_NAME_LENGTH = 63
"""Characters of a target's name, and of a label's."""
MAX_SHARDS = 100
RESERVED_LABELS = frozenset({
    # labels of our own metrics
    "target", "journey", "step", "phase", "reason", "fault", "code", "status", "check", "cause", "version",
    "python_version", "shard", "source_environment_id", "destination_environment_id", "auth_host",
    "side", "destination_auth_host", "destination", "provider", "provider_id", "kind", "expected",
    # labels that the exposition format or Prometheus attaches
    "le", "quantile", "job", "instance",
    # labels by which alerts join the owner: on target_info alone they would break the join
    "cluster", "namespace",
})  # fmt: skip

_MAX_LABEL_LENGTH = 256
_MAX_TEXT_LENGTH = 1024
_MAX_STATUSES = 20
_MAX_BUCKETS = 50
_MAX_COMPONENT_LENGTH = 200
_DAY = 24 * 60 * 60.0
_TOO_LARGE = "too large when compiled; use smaller repetition counts"

_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_LABEL_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*_?")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,256}")  # RFC 6749, appendix A.1, without spaces
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_STATUS = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_DECIMAL = re.compile(r"(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    _DATE.pattern + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DIGITS = re.compile(r"[0-9]{1,9}")
_SHARD = re.compile(r"(?:[a-z0-9][-a-z0-9.]{0,251}-)?([0-9]{1,9})")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_USE_JOURNEYS = f"use {', '.join(Journey)}, comma-separated"


def require(holds: Callable[[Any], object], message: str) -> AfterValidator:
    """Make a validator of a condition."""

    def check(value: object) -> object:
        if not holds(value):
            raise ValueError(message)
        return value

    return AfterValidator(check)


def clean(value: object) -> object:
    """Strip white space around a string and reject what no setting may contain."""
    return check_characters(value.strip(" \t\r\n")) if isinstance(value, str) else value


def check_characters(value: object) -> object:
    """Reject control characters and what is not UTF-8."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise ValueError("not encoded in UTF-8")
        if _CONTROL_CHARACTER.search(value):
            raise ValueError("contains a control character, such as a line break")
    return value


def _clean_or_none(value: object) -> object:
    cleaned = clean(value)
    return None if cleaned == "" else cleaned


def _clean_lower(value: object) -> object:
    cleaned = clean(value)
    return cleaned.lower() if isinstance(cleaned, str) else cleaned


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _parsed(parse: Callable[[str], object], not_a_string: str = "expected a string") -> PlainValidator:
    """Make a validator from a parser of strings; for other types, the error text is `not_a_string`."""

    def validate(value: object) -> object:
        cleaned = clean(value)
        if not isinstance(cleaned, str):
            raise ValueError(not_a_string)  # noqa: TRY004  pydantic collects ValueErrors only
        return parse(cleaned)

    return PlainValidator(validate)


def _unique(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _at_most(limit: int, noun: str) -> AfterValidator:
    return require(lambda items: len(items) <= limit, f"more than {limit} {noun}")


def _between(low: float, high: float) -> AfterValidator:
    return require(
        lambda seconds: low <= seconds <= high,
        f"must be between {format_duration(low)} and {format_duration(high)}",
    )


def _scope(text: str) -> str:
    """Check scopes (RFC 6749, section 3.3); return them separated by single spaces."""
    tokens = text.split()
    if len(text) > _MAX_TEXT_LENGTH or not tokens or not all(map(_SCOPE.fullmatch, tokens)):
        raise ValueError("invalid scope; use e.g. openid or openid profile")
    return " ".join(tokens)


def _whole_number(value: object) -> int:
    cleaned = clean(value)
    if isinstance(cleaned, str) and _DIGITS.fullmatch(cleaned):
        return int(cleaned)
    if isinstance(cleaned, int) and not isinstance(cleaned, bool):
        return cleaned
    raise ValueError("expected a whole number")


def _shard_index(text: str) -> int:
    """Parse the number of a shard, or the name of a pod that ends in it (a StatefulSet's ordinal)."""
    match = _SHARD.fullmatch(text)
    if match is None:
        raise ValueError("invalid shard; use its number, from 0, or a pod name ending in it, e.g. exporter-2")
    return int(match[1])


def _journey(text: str) -> Journey:
    if text.lower() not in set(Journey):
        raise ValueError(f"unknown journey; {_USE_JOURNEYS}")
    return Journey(text.lower())


@dataclass(frozen=True, slots=True)
class LinearPattern:
    """A regular expression that takes time in proportion to the length of the text.

    A provider chose the text, and the event loop waits: Python's `re` could take years for 256 characters.
    Pydantic's engine `rust-regex` never backtracks, so it has no look-around and no backreferences
    (https://docs.pydantic.dev/latest/api/config/#pydantic.config.ConfigDict.regex_engine).

    Raises:
        ValueError: it is invalid, or too large.
    """

    pattern: str
    _text: SchemaValidator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile it."""
        if len(self.pattern) > _MAX_TEXT_LENGTH:
            raise ValueError(f"must have at most {_MAX_TEXT_LENGTH} characters")
        try:
            compiled = SchemaValidator(str_schema(pattern=self.pattern, regex_engine="rust-regex"))
        except SchemaError as error:
            _, found, cause = str(error).rpartition("\nerror: ")  # the pattern comes before it
            raise ValueError(f"invalid regular expression: {cause if found else _TOO_LARGE}") from None
        object.__setattr__(self, "_text", compiled)

    def search(self, text: str, /) -> bool:
        """Return whether it matches anywhere in the text."""
        encodable = text.encode(errors="replace").decode()  # names in JSON may have lone surrogates
        return self._text.isinstance_python(encodable)


def _secret(value: object) -> object:
    """Strip line breaks only: a password may begin or end with a space."""
    text = check_characters(value.strip("\r\n")) if isinstance(value, str) else value
    return None if text == "" else text


def _moment(text: str) -> float:
    """Parse a date, or a time with its offset (RFC 3339, section 5.6), to seconds since the epoch."""
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text.upper()).timestamp()
            datetime.fromtimestamp(moment, UTC)  # in UTC it may be after year 9999, which nothing can show
            return moment
    except (ValueError, OverflowError):
        pass
    raise ValueError("invalid date; use e.g. 2027-03-31 or 2027-03-31T12:00:00Z")


def _ip_family(value: object) -> object:
    """Accept the numbers that JSON may hold."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _clean_lower(value)


def _bucket(text: str) -> float:
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError("invalid number; use seconds, comma-separated, e.g. .1,.5,1,5")
    return float(text)


def _ports_are_distinct(addresses: tuple[ListenAddress, ...]) -> bool:
    fixed = [address for address in addresses if address.port]  # any free port differs from all others
    return len(set(fixed)) == len(fixed)


def parse_path(text: str) -> Path:
    """Parse a path; reject what may be a secret, since errors show paths."""
    if not text or "-----BEGIN" in text or ":/" in text:
        raise ValueError("expected the path of a file")
    return Path(text)


_T = TypeVar("_T")
_OrNone = Annotated[_T | None, BeforeValidator(_clean_or_none)]
"""Empty for None."""
_List = Annotated[tuple[_T, ...], BeforeValidator(_split)]
"""Comma-separated, where it is a string."""
_ListOrEmpty = Annotated[
    tuple[_T, ...], BeforeValidator(lambda value: () if clean(value) in ("", None) else _split(value))
]
"""The same; empty for no value."""
_LOWER_CASE = BeforeValidator(_clean_lower)
NONE_IS_EMPTY = BeforeValidator(lambda value: {} if value is None else value)

Text = Annotated[str, BeforeValidator(clean)]
OptionalText = _OrNone[Annotated[str, Field(max_length=_MAX_TEXT_LENGTH)]]
"""A parameter that is sent as it is; empty to send none."""
Flag = Annotated[bool, BeforeValidator(clean)]
WholeNumber = Annotated[int, Field(le=10**9 - 1), BeforeValidator(_whole_number)]
Slots = Annotated[WholeNumber, Field(ge=1)]
OptionalNumber = _OrNone[Annotated[WholeNumber, Field(ge=0)]]
FilePath = Annotated[Path, _parsed(parse_path)]
OptionalPath = _OrNone[FilePath]

_IS_NAME = require(
    _NAME.fullmatch, "invalid name; use letters and digits in groups joined by single underscores"
)
TargetName = Annotated[str, Field(max_length=MAX_NAME_LENGTH), _IS_NAME]
DestinationName = Annotated[str, Field(max_length=MAX_DESTINATION_NAME_LENGTH), _IS_NAME]
LabelName = Annotated[
    str,
    Field(max_length=MAX_NAME_LENGTH),
    require(
        _LABEL_NAME.fullmatch,
        "invalid label name; use a letter, then letters, digits and single underscores",
    ),
    require(lambda name: name not in RESERVED_LABELS, "reserved label; Prometheus or the exporter sets it"),
]
LabelValue = Annotated[
    str,
    Field(max_length=_MAX_LABEL_LENGTH),
    BeforeValidator(lambda value: "" if value is None else clean(value)),
]
Labels = Annotated[dict[LabelName, LabelValue], NONE_IS_EMPTY]
EnvironmentId = Annotated[
    str, require(UUID.fullmatch, "invalid UUID; use e.g. 94e3268d-847d-47aa-a45e-1ef8dd8f4df0"), _LOWER_CASE
]
ClientId = Annotated[
    Text,
    require(
        _CLIENT_ID.fullmatch, "invalid client ID; use 1 to 256 printable ASCII characters without spaces"
    ),
]
Scope = Annotated[Text, AfterValidator(_scope)]
Status = Annotated[
    Text,
    require(_STATUS.fullmatch, "invalid flow status; use e.g. USERNAME_PASSWORD_REQUIRED,OTP_REQUIRED"),
    require(lambda status: status not in {FAILED, UNKNOWN}, "FAILED and UNKNOWN can never be a success"),
]
Statuses = Annotated[
    _List[Status],
    AfterValidator(_unique),
    require(
        lambda statuses: 1 <= len(statuses) <= _MAX_STATUSES, f"expected 1 to {_MAX_STATUSES} flow statuses"
    ),
]
Journeys = Annotated[
    _List[Annotated[Journey, _parsed(_journey)]],
    require(bool, f"expected at least one journey; {_USE_JOURNEYS}"),
    # Without repetitions; the order in which they are written means nothing.
    AfterValidator(lambda written: tuple(journey for journey in Journey if journey in written)),
]
ClientAuthentication = Annotated[ClientAuth, _LOWER_CASE]
ProviderType = Annotated[SourceKind, _LOWER_CASE]
Readiness = Annotated[ReadyBy, _LOWER_CASE]
OptionalPattern = _OrNone[Annotated[LinearPattern, _parsed(LinearPattern)]]
ProviderNames = Annotated[
    _ListOrEmpty[Annotated[Text, Field(max_length=_MAX_LABEL_LENGTH)]],
    require(all, "contains an empty name"),
    AfterValidator(lambda names: tuple(n.lower() if UUID.fullmatch(n.lower()) else n for n in names)),
    _at_most(200, "providers"),
    AfterValidator(_unique),
]
ProviderLimit = Annotated[WholeNumber, Field(ge=1, le=1000)]
Secret = Annotated[str | None, Field(max_length=_MAX_TEXT_LENGTH), BeforeValidator(_secret)]
OptionalMoment = _OrNone[Annotated[float, _parsed(_moment)]]
AddressFamily = Annotated[IpFamily, BeforeValidator(_ip_family)]

Region = Annotated[AuthServer, _parsed(addresses.parse_region)]
AuthUrl = Annotated[AuthServer, _parsed(addresses.parse_auth_url)]
CustomDomain = Annotated[AuthServer, _parsed(addresses.parse_custom_domain)]
RedirectUri = Annotated[str, AfterValidator(addresses.check_redirect_uri), BeforeValidator(check_characters)]
ProxyUrl = _OrNone[Annotated[str, _parsed(addresses.check_proxy_url)]]
Issuer = _OrNone[Annotated[str, _parsed(addresses.check_issuer)]]
Hosts = Annotated[
    _ListOrEmpty[Annotated[str, _parsed(addresses.parse_host)]],
    _at_most(20, "hosts"),
    AfterValidator(_unique),
]
Component = Annotated[
    Text,
    require(
        lambda text: 0 < len(text) <= _MAX_COMPONENT_LENGTH,
        "invalid component; use its ID, or group / name, comma-separated",
    ),
]
Components = Annotated[_ListOrEmpty[Component], _at_most(50, "components"), AfterValidator(_unique)]
CheckUrl = _OrNone[Annotated[str, _parsed(addresses.check_egress_url)]]
ExternalUrl = _OrNone[Annotated[str, _parsed(addresses.parse_external_url)]]
LinkTemplate = _OrNone[Annotated[str, _parsed(addresses.check_link_template)]]
ListenAddresses = Annotated[
    _List[Annotated[ListenAddress, _parsed(addresses.parse_listen_address)]],
    require(bool, "expected at least one listen address"),
    require(_ports_are_distinct, "contains a listen address twice"),
]
OptionalListenAddresses = _OrNone[ListenAddresses]

Duration = Annotated[float, _parsed(parse_duration, INVALID_DURATION)]
PositiveDuration = Annotated[Duration, require(bool, "must be longer than 0s")]
Interval = Annotated[Duration, _between(0.1, _DAY)]
PollInterval = Annotated[Duration, _between(60.0, _DAY)]
ShutdownGrace = Annotated[Duration, _between(0.0, 600.0)]
Buckets = Annotated[
    _List[Annotated[float, _parsed(_bucket)]],
    require(lambda bounds: 1 <= len(bounds) <= _MAX_BUCKETS, f"expected 1 to {_MAX_BUCKETS} numbers"),
    require(
        lambda bounds: all(map(lt, (0.0, *bounds), bounds)),
        "must be positive and increasing; use e.g. .1,.5,1,5",
    ),
]

ShardIndex = Annotated[int, _parsed(_shard_index)]
ShardCount = Annotated[WholeNumber, Field(ge=1, le=MAX_SHARDS)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], _LOWER_CASE]
LogFormat = Annotated[Literal["logfmt", "json"], _LOWER_CASE]
