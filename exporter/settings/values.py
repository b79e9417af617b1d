"""Single values as operators write them: each function reads one kind, or says what would be right. Pure.

Every function takes what a variable (always a text) or a JSON document (also numbers, booleans, lists)
holds, and raises `ValueError` with a message that never repeats the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from exporter.durations import INVALID_DURATION, format_duration, parse_duration
from exporter.outcome import FAILED
from exporter.target import IpFamily, Journey

TARGET_NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
LONGEST_TARGET_NAME = 63
MOST_LABELS = 20
RESERVED_LABELS = frozenset({
    # labels of our own families
    "target", "journey", "step", "phase", "reason", "fault", "code", "status", "check", "cause", "version",
    "python_version", "shard", "source_environment_id", "destination_environment_id", "auth_host",
    # labels that the exposition format or Prometheus attaches
    "le", "quantile", "job", "instance",
    # labels by which alerts join the owner to what they saw: on target_info alone they would end the join
    "cluster", "namespace",
})  # fmt: skip

_LABEL_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*_?")
_LONGEST_LABEL = 256
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,256}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_LONGEST_TEXT = 1024
_STATUS = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_MOST_STATUSES = 20
_UNKNOWN = "UNKNOWN"
_NUMBER = re.compile(r"(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?")
_MOST_BUCKETS = 50
_WHOLE = re.compile(r"[0-9]{1,9}")
_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

_DAY = 24 * 60 * 60.0


def clean(value: object, *, strip: bool = True) -> object:
    """Strip white space from texts and refuse what no setting may hold."""
    if isinstance(value, list):
        return [clean(item, strip=strip) for item in value]
    if not isinstance(value, str):
        return value
    text = value.strip(" \t\r\n") if strip else value
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("is not encoded in UTF-8; write it in UTF-8")
    if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
        raise ValueError("holds a control character, such as a line break; write it without")
    return text


def target_name(name: str) -> None:
    """Check a target's name, already in lower case."""
    if len(name) > LONGEST_TARGET_NAME or not TARGET_NAME.fullmatch(name):
        raise ValueError(
            "has no right target name; write letters and digits, in groups joined by one underscore, "
            f"at most {LONGEST_TARGET_NAME} characters"
        )


def label_name(name: str) -> None:
    """Check a label's name, already in lower case."""
    if len(name) > LONGEST_TARGET_NAME or not _LABEL_NAME.fullmatch(name):
        raise ValueError(
            "has no right label name; write a letter, then letters, digits and single underscores, "
            f"at most {LONGEST_TARGET_NAME} characters"
        )
    if name in RESERVED_LABELS:
        raise ValueError("is a label that Prometheus or the exporter sets itself; choose another name")


def label_value(value: object) -> str:
    """Read the value of a label; empty, or null, means that there is none."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_LABEL:
        raise ValueError(f"is no label value; write a text of at most {_LONGEST_LABEL} characters")
    return value


def environment_id(value: object) -> str:
    """Read an environment's UUID."""
    if not isinstance(value, str) or not _UUID.fullmatch(value.lower()):
        raise ValueError("is no UUID; write for example 94e3268d-847d-47aa-a45e-1ef8dd8f4df0")
    return value.lower()


def client_id(value: object) -> str:
    """Read a client id (RFC 6749, appendix A.1, without spaces)."""
    if not isinstance(value, str) or not _CLIENT_ID.fullmatch(value):
        raise ValueError("is no client id; write 1 to 256 printable ASCII characters without spaces")
    return value


def scope(value: object) -> str:
    """Read scopes (RFC 6749, section 3.3), separated by single spaces afterwards."""
    tokens = value.split() if isinstance(value, str) and len(value) <= _LONGEST_TEXT else []
    if not tokens or not all(_SCOPE.fullmatch(token) for token in tokens):
        raise ValueError("is no scope; write for example openid or openid profile")
    return " ".join(tokens)


def optional_text(value: object) -> str | None:
    """Read a parameter that is sent as it is; empty means that it is not sent."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(
            f"is no text of at most {_LONGEST_TEXT} characters; write one, or nothing to send none"
        )
    return value


def max_age(value: object) -> int | None:
    """Read whole seconds; empty means that none are sent."""
    return None if value is None or value == "" else whole(value, 0, "seconds, for example 300")


def concurrent_probes(value: object) -> int:
    """Read how many probes may be under way at once."""
    return whole(value, 1, "probes, for example 100")


def whole(value: object, least: int, meaning: str) -> int:
    """Read a whole number of nine digits at most."""
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number < 10**9:
        raise ValueError(f"is no whole number from {least} to {10**9 - 1}; write {meaning}")
    return number


def boolean(value: object) -> bool:
    """Read a yes or a no."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in _WORDS:
        raise ValueError("is neither true nor false; write true or false")
    return _WORDS[value.lower()]


def expected_statuses(value: object) -> tuple[str, ...]:
    """Read flow statuses, comma-separated or as a list; the first of equal ones stays."""
    tokens = [token.strip(" \t") for token in value.split(",")] if isinstance(value, str) else value
    if not isinstance(tokens, list) or not tokens or not all(_is_status(token) for token in tokens):
        raise ValueError(
            "is no list of flow statuses; write for example USERNAME_PASSWORD_REQUIRED,OTP_REQUIRED"
        )
    if FAILED in tokens:
        raise ValueError(
            "holds FAILED, which can never be a success (its reason is always flow_failed); remove it"
        )
    if _UNKNOWN in tokens:
        raise ValueError(
            "holds UNKNOWN, which is no status but stands for all outside the known list; "
            "write the status that PingOne returns"
        )
    statuses = tuple(dict.fromkeys(tokens))
    if len(statuses) > _MOST_STATUSES:
        raise ValueError(f"has more than {_MOST_STATUSES} flow statuses; write fewer")
    return statuses


def _is_status(token: object) -> bool:
    return isinstance(token, str) and _STATUS.fullmatch(token) is not None


def journey(value: object) -> Journey:
    """Read the journey that probes walk."""
    if not isinstance(value, str) or value.lower() not in set(Journey):
        raise ValueError(f"is no journey; write {' or '.join(Journey)}")
    return Journey(value.lower())


def ip_family(value: object) -> IpFamily:
    """Read which addresses are tried; JSON may hold the numbers."""
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word not in set(IpFamily):
        raise ValueError("is no IP family; write any, 4 or 6")
    return IpFamily(word)


def interval(value: object) -> float:
    """Read the seconds between two probes."""
    return _between(value, 0.1, _DAY)


def shutdown_grace(value: object) -> float:
    """Read the seconds that a shutdown may take."""
    return _between(value, 0.0, 600.0)


def positive(value: object) -> float:
    """Read a duration longer than nothing."""
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("must be longer than 0s")
    return seconds


def _between(value: object, least: float, most: float) -> float:
    seconds = _seconds(value)
    if not least <= seconds <= most:
        raise ValueError(f"must be between {format_duration(least)} and {format_duration(most)}")
    return seconds


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError(INVALID_DURATION)  # noqa: TRY004  pydantic collects ValueErrors only
    return parse_duration(value)


def duration_buckets(value: object) -> tuple[float, ...]:
    """Read the upper bounds of the duration histogram, in seconds, without +Inf."""
    parts = [part.strip(" \t") for part in value.split(",")] if isinstance(value, str) else []
    bounds = tuple(float(part) for part in parts if _NUMBER.fullmatch(part))
    if (
        len(bounds) != len(parts)
        or not 1 <= len(bounds) <= _MOST_BUCKETS
        or not all(map(math.isfinite, bounds))
    ):
        raise ValueError(
            f"is no list of 1 to {_MOST_BUCKETS} numbers; "
            "write seconds, comma-separated, for example .1,.5,1,5"
        )
    if any(low >= high for low, high in zip((0.0, *bounds), bounds, strict=False)):
        raise ValueError("must be positive and increasing; write for example .1,.5,1,5")
    return bounds


def joined(parse: Callable[[object], object]) -> Callable[[object], object]:
    """Make a reader of comma-separated texts that takes them as a list, too, as YAML writes one."""

    def read(value: object) -> object:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return parse(",".join(value))
        return parse(value)

    return read


def choice(kind: str, *options: str) -> Callable[[object], str]:
    """Make a reader of one of some words, in any case."""
    *others, last = options

    def read(value: object) -> str:
        if not isinstance(value, str) or value.lower() not in options:
            raise ValueError(f"is no {kind}; write {', '.join(others)} or {last}")
        return value.lower()

    return read


def optional(parse: Callable[[str], object]) -> Callable[[object], object]:
    """Make a reader of texts that may be empty, or null in JSON, which means none."""
    read = text(parse)
    return lambda value: None if value is None or value == "" else read(value)


def text(parse: Callable[[str], object]) -> Callable[[object], object]:
    """Make a reader of texts; anything else is read as an empty one, which no parser takes."""
    return lambda value: parse(value if isinstance(value, str) else "")
