"""Explain pydantic's errors in the operator's terms: where it is written, what is wrong, what was meant."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.files import printable
from exporter.settings.provenance import DELIMITER, PREFIX, InvalidSetting, Keys, Location, RawSettings, fold
from exporter.settings.target_settings import NO_DEFAULTS, REQUIRED, TargetDefaults, TargetSettings

MIN_SIMILARITY = 0.7
"""Of 1, by difflib: CLIENT means CLIENT_ID, PROXY_URL does not mean AUTH_URL."""
MAX_GUESSES = 100
"""A guess takes a millisecond per hundred names, and a file for another program may have a million."""

_UNKNOWN = "unknown setting"
_NO_DEFAULTS = frozenset(("defaults", name) for name in NO_DEFAULTS)
_MAPPING_EXPECTED = frozenset({"model_type", "model_attributes_type", "dict_type"})
_MESSAGES = {
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected a string",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "enum": "expected {expected}",
    "literal_error": "expected {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
}
_TARGET_SETTING = re.compile(
    rf"targets_+([a-z0-9]+(?:_[a-z0-9]+)*?)_+({'|'.join(TargetSettings.model_fields)})"
)
"""In `targets_emea_destination_region`, the target is `emea`, not `emea_destination`."""
_SERVICE_LINK = re.compile(
    r"(?:\w+_)?(?:SERVICE_(?:HOST|PORT(?:_\w+)?)|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_\w+)?)=.*"
    r"|(?:\w+_)?PORT=(?:tcp|udp|sctp)://.*",
    re.DOTALL,
)


def explain(error: ValidationError, raw: RawSettings, model: type[BaseModel]) -> list[InvalidSetting]:
    """Return pydantic's errors of `raw`, validated by `model`, at the locations where they are written."""
    explainer = _Explainer(raw, model)
    return explainer.explain(error.errors(include_url=False, include_input=False))


class _Explainer:
    def __init__(self, raw: RawSettings, model: type[BaseModel]) -> None:
        self._raw = raw
        self._model = model
        self._paths = sorted(raw.values)
        self._guesses = MAX_GUESSES

    def explain(self, errors: list[ErrorDetails]) -> list[InvalidSetting]:
        found: list[InvalidSetting] = []
        inherited: dict[InvalidSetting, list[str]] = {}
        misnamed = {each["loc"][:-1] for each in errors if each["loc"][-1] == "[key]"}
        for each in sorted(errors, key=lambda each: each["loc"][0] != "defaults"):
            loc = tuple(str(part) for part in each["loc"] if part != "[key]")
            # `targets: {we st: {region: EU}}` -> the invalid name alone, not that it has no client_id
            if each["type"] == "missing" and (not self._raw.complete or each["loc"][:-1] in misnamed):
                continue  # it may be in what could not be read, or in the target that was meant
            for path, location in self._locations(loc):
                invalid = location.error(self._message(each, path, location))
                # DEFAULTS__TIMEOUT=50s, longer than the interval -> one error, "… (target apac and 1 more)"
                if loc[0] == "targets" and path[0] == "defaults":
                    inherited.setdefault(invalid, []).append(loc[1])
                else:
                    found.append(invalid)
        for invalid, targets in inherited.items():
            if invalid not in found:
                more = f" and {len(targets) - 1} more" if len(targets) > 1 else ""
                message = f"{invalid.message} (target {printable(targets[0])}{more})"
                found.append(InvalidSetting(invalid.location, message))
        return found

    def _locations(self, loc: Keys) -> Iterator[tuple[Keys, Location]]:
        """Yield where the setting at `loc` is written: its path and its location."""
        paths = [loc, ("defaults", *loc[2:])] if loc[0] == "targets" and len(loc) > 2 else [loc]  # noqa: PLR2004
        for path in paths:
            # targets.emea.timeout -> TARGETS__EMEA__TIMEOUT; if that is not set, DEFAULTS__TIMEOUT
            if location := self._raw.location(path):
                yield path, location
                return
            # targets.emea.label, unknown -> TARGETS__EMEA__LABEL__OWNER and all other variables below it
            if not _children(_find(self._model, path)) and (below := list(self._below(path))):
                yield from below
                return
        # duration_buckets.1, the second one of DURATION_BUCKETS=1,x -> DURATION_BUCKETS
        if loc[-1].isdecimal():
            yield from self._locations(loc[:-1])
        # targets.a-b, an invalid name -> TARGETS__A-B, whatever is set of it
        # targets.west.client_id, missing -> client_id at the line of `west:` in the YAML file
        elif near := self._near(loc) or self._near(loc[:-1]):
            yield loc, near.spelled(loc)
        # targets, missing -> FLOW_EXPORTER_TARGETS
        else:
            yield loc, Location(f"{PREFIX}{DELIMITER.join(loc).upper()}")

    def _near(self, group: Keys) -> Location | None:
        """Return where a group is written, or one of the variables that set it."""
        if location := self._raw.location(group):
            return location
        variables = (each for _, each in self._below(group) if group and not each.keys)
        # In the environment, if possible: what is missing is no secret for a file of secrets.
        return min(variables, key=lambda each: each.file, default=None)

    def _is_mapping(self, path: Keys) -> bool:
        return path in self._raw.values and self._raw.values[path].value == {}

    def _below(self, path: Keys) -> Iterator[tuple[Keys, Location]]:
        """Yield the values below a path, such as variables of an unknown group."""
        for position in range(bisect_left(self._paths, path), len(self._paths)):
            longer = self._paths[position]
            if longer[: len(path)] != path:
                return
            yield longer, self._raw.values[longer].location

    def _message(self, each: ErrorDetails, path: Keys, location: Location) -> str:
        kind, context = each["type"], each.get("ctx", {})
        if kind == "missing":
            return self._missing(path)
        if kind == "extra_forbidden":
            return self._unknown(path, location)
        if kind in _MAPPING_EXPECTED:
            return self._mapping_expected(path, location)
        if self._is_mapping(path) and not _children(_find(self._model, path)):
            return "expected a single value"
        if len(path) > len(each["loc"]):
            return _UNKNOWN  # a variable of a setting that has no members
        if kind == "value_error":
            return str(context["error"])
        if kind in _MESSAGES:
            return _MESSAGES[kind].format(**context).replace("'", "")
        return each["msg"]

    def _missing(self, path: Keys) -> str:
        if path == ("targets",):
            example = f"{PREFIX}TARGETS{DELIMITER}EXAMPLE{DELIMITER}"
            names = (f"{example}{name.upper()}" for name in REQUIRED)
            return f"no targets; for a target named EXAMPLE, set {', '.join(names)}"
        model = cast("type[BaseModel]", _find(self._model, path[:-1]))
        meaning, *_ = re.split("[;:]", model.model_fields[path[-1]].description or "")
        message = f"missing; set it to the {meaning.replace('`', '')}"
        # TARGETS__PARTNR__REGION, where TARGETS__PARTNER__CLIENT_ID is set
        own = (*REQUIRED, "environment_id", "redirect_uri")
        is_new = not any((*path[:2], name) in self._raw.values for name in own)
        if path[0] in {"targets", "destinations"} and is_new and self._guesses > 0:
            named = {keys[1] for keys in self._paths if keys[0] == path[0] and keys[2:] == path[2:]}
            self._guesses -= 1 + len(named) // 100
            for similar in get_close_matches(path[1], named, n=1, cutoff=MIN_SIMILARITY):
                message += f", or correct the name if you mean {printable(similar)}"
        return message

    def _unknown(self, path: Keys, location: Location) -> str:
        if path in _NO_DEFAULTS:
            return f"cannot be a default; set {path[-1].upper()} of each target"
        if meant := self._guess(path):
            return f"{_UNKNOWN}; did you mean {_spell(meant, location)}?"
        value = self._raw.values[path].value if path in self._raw.values else ""
        if _SERVICE_LINK.fullmatch(f"{location.variable[len(PREFIX) :].upper()}={value}"):
            hint = "set enableServiceLinks: false for the pod"
            return f"{_UNKNOWN}; it looks like a Kubernetes service link; {hint}"
        return _UNKNOWN

    def _mapping_expected(self, path: Keys, location: Location) -> str:
        if not location.variable:
            return "expected a mapping"
        if location.keys:
            return "expected a JSON object"
        if meant := self._guess(path):
            return f"not a single setting; did you mean {_spell(meant, location)}?"
        keys = next(_settings(_find(self._model, path), "owner" if path[-1] == "labels" else "example"))
        return f"not a single setting; use e.g. {_spell((*path, *keys), location)}"

    def _guess(self, path: Keys) -> Keys | None:
        """Return the path of the setting that was meant; None if nothing is close."""
        if self._guesses <= 0:
            return None
        self._guesses -= 1
        # TARGETS__EMEA_REGION or TARGETS_EMEA_REGION -> targets.emea.region
        joined = "_".join(path).removeprefix(fold(PREFIX))
        if joined.startswith("targets_") and len(path) <= 2:  # noqa: PLR2004  no name of a setting after the target's
            match = _TARGET_SETTING.fullmatch(joined)
            return ("targets", match[1], match[2]) if match else None
        known = next(n for n in range(len(path), -1, -1) if _find(self._model, path[:n]) is not None)
        node, rest = _find(self._model, path[:known]), path[known:]
        if not rest:
            return None
        text = DELIMITER.join(rest).removeprefix(fold(PREFIX))
        member = rest[1] if len(rest) > 1 else text.rpartition("_")[2] if known else ""
        # LOG_LEVEL or LOG__LEVLE -> log.level
        candidates = {DELIMITER.join(keys).lower(): keys for keys in _settings(node, member)}
        # `lables: {owner: x}`, written as a group -> labels
        if self._is_mapping(path):
            candidates |= {name.lower(): (name,) for name in _children(node)}
        # TIMEOUT -> defaults.timeout
        if known == 0 and "defaults" in _children(self._model):
            candidates = {name: ("defaults", name) for name in TargetDefaults.model_fields} | candidates
        close = get_close_matches(text.lower(), candidates, n=1, cutoff=MIN_SIMILARITY)
        return (*path[:known], *candidates[close[0]]) if close else None


def _children(node: object, chosen: str = "") -> Mapping[str, object]:
    """Return the names and types below a type of the schema; `chosen` is the operator's name for an entry."""
    if get_origin(node) is dict:
        return {chosen: get_args(node)[1]}
    if isinstance(node, type) and issubclass(node, BaseModel):
        return {info.alias or name: info.annotation for name, info in node.model_fields.items()}
    return {}


def _find(node: object, path: Keys) -> object:
    """Return the type at a path of the schema; None if there is none."""
    for name in path:
        node = _children(node, name).get(name)
    return node


def _settings(node: object, chosen: str) -> Iterator[Keys]:
    """Yield the paths of all settings below a type of the schema."""
    children = _children(node, chosen)
    if not children:
        yield ()
    for name, child in children.items():
        for keys in _settings(child, chosen):
            yield (name, *keys)


def _spell(path: Keys, location: Location) -> str:
    """Write the path of a setting as the operator writes it at a location."""
    meant = location.spelled(path)
    return printable(".".join(meant.keys) or meant.variable)
