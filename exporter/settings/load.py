"""Load the configuration: read all sources, validate them at once, and resolve targets.

environment          ─┐
.env                 ─┤ read             merge          Settings            resolve
secret files         ─┤ ──> RawSettings ─────> one ───────────────> valid ──────────> Config
configuration file   ─┘     per source         map                  or every error
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from exporter.destinations import Destination
from exporter.settings.addresses import absolute_hosts, parse_region
from exporter.settings.config import Config, EgressConfig, StatusPageConfig
from exporter.settings.destination_settings import MAX_DEFAULT_FEDERATION_TIMEOUT, resolve_destination
from exporter.settings.environment import ENV_FILE, read_env_file, read_environment
from exporter.settings.explain import explain
from exporter.settings.provenance import (
    DEFAULTS,
    DESTINATIONS,
    PREFIX,
    TARGETS,
    ConfigurationError,
    InvalidSetting,
    Keys,
    RawSettings,
    RawValue,
    fold,
)
from exporter.settings.schema import Settings
from exporter.settings.secret_files import read_secret_files
from exporter.settings.target_settings import CLIENT_CERTIFICATE, SECRETS, TargetSettings
from exporter.settings.values import clean, parse_path
from exporter.settings.web_file import read_web_file
from exporter.settings.yaml_file import read_yaml_file
from exporter.target import DestinationApplication, Journey, JourneyTiming, SyntheticUser, Target
from exporter.tls import KEY, TlsFileError, WebSecurity, check_authorities, check_client_certificate

MAX_CONFIG_FILE_BYTES = 8 * 1024 * 1024
"""Ten thousand targets of a dozen settings have half of it. A ConfigMap has at most 1 MiB."""

CONFIG_FILE = ("config_file",)
SECRETS_DIR = ("secrets_dir",)

_COPIED_TO_CONFIG = {field.name for field in fields(Config)} & Settings.model_fields.keys()
_COPIED_TO_TARGET = {field.name for field in fields(Target)} & TargetSettings.model_fields.keys()
_MAX_DEFAULT_TIMEOUT = 10.0
_WITH_SECRETS = {TARGETS, DEFAULTS, DESTINATIONS}
_MIN_DEFAULT_SLOTS = 100
_SLOTS_PER_BUSY_PROBE = 1.5
"""So that probes that all take their whole timeout leave a third of the slots free."""


def load(environ: Mapping[str, str], directory: Path) -> Config:
    """Load and check the configuration. Reads files: not for the event loop.

    Args:
        environ: the environment; variables of other programs are ignored.
        directory: the working directory: where `.env` may be, and where relative paths start.

    Raises:
        ConfigurationError: with every error that was found.
    """
    sources, files = _read_sources(environ, directory)
    raw = _merge(sources)
    errors = list(raw.errors)
    settings: Settings | None = None
    try:
        settings = Settings(raw=raw)  # type: ignore[call-arg]  # taken by settings_customise_sources
    except ValidationError as error:
        errors += explain(error, raw, Settings)
    checker = _FileChecker(raw, directory)
    security = checker.check()
    errors += checker.errors
    files += checker.files
    if errors or settings is None:
        raise ConfigurationError(errors, files=dict.fromkeys([*files, *checker.tls_files]))
    return _config(settings, security, directory, tuple(dict.fromkeys(files)))


def _read_sources(environ: Mapping[str, str], directory: Path) -> tuple[list[RawSettings], list[Path]]:
    """Read all sources, strongest first; each may name the next ones."""
    sources = [*read_environment(environ), *read_env_file(directory, environ)]
    files = [directory / ENV_FILE]
    if named := _named_path(sources, SECRETS_DIR, directory):
        raw, path = named
        sources += _without(read_secret_files(path, raw.location), "a secret file", SECRETS_DIR)
        files.append(path)
    if named := _named_path(sources, CONFIG_FILE, directory):
        raw, path = named
        try:
            read = read_yaml_file(path, MAX_CONFIG_FILE_BYTES, fold)
        except ValueError as error:
            read = RawSettings(errors=[raw.location.error(str(error))])
        read.errors += _secrets_in_file(read)
        sources += _without([read], "a configuration file", CONFIG_FILE, SECRETS_DIR)
        files.append(path)
    return sources, files


def _named_path(
    sources: Sequence[RawSettings], setting: Keys, directory: Path
) -> tuple[RawValue, Path] | None:
    """Return the strongest value of a setting that names a file or directory, and its path."""
    raw = next((source.values[setting] for source in sources if setting in source.values), None)
    with suppress(ValueError):  # reported by the schema
        if raw and (path := _file_path(raw, directory)):
            return raw, path
    return None


def _file_path(raw: RawValue, directory: Path) -> Path | None:
    """Return the path in a setting, None if it is empty.

    Raises:
        ValueError: it is not a path.
    """
    text = clean(raw.value)
    return directory / parse_path(text) if isinstance(text, str) and text else None


def _without(sources: list[RawSettings], kind: str, *settings: Keys) -> list[RawSettings]:
    """Remove settings that cannot be in a source, since they name it or a stronger one."""
    for source in sources:
        for keys in settings:
            if raw := source.values.pop(keys, None):
                variable = f"{PREFIX}{keys[0].upper()}"
                source.error(raw.location, f"not allowed in {kind}; set {variable} in the environment")
    return sources


def _secrets_in_file(source: RawSettings) -> Iterator[InvalidSetting]:
    """Yield an error for each secret in a configuration file, which many may read."""
    for path, raw in source.values.items():
        in_proxy_url = path[-1] == "proxy_url" and "@" in str(raw.value)
        if path[0] in _WITH_SECRETS and raw.value and (path[-1] in SECRETS or in_proxy_url):
            yield raw.location.error(
                f"secret in a configuration file; set it by a variable or in {PREFIX}SECRETS_DIR"
            )


def _merge(sources: Sequence[RawSettings]) -> RawSettings:
    """Merge sources, strongest first; a value that others treat as a group is an error."""
    merged = RawSettings(complete=all(source.complete for source in sources))
    for source in reversed(sources):
        merged.values |= source.values
        merged.groups |= source.groups
        merged.items |= source.items
        merged.errors += source.errors
    groups = {path[:length]: path for path in merged.values for length in range(1, len(path))}
    for path in groups.keys() & merged.values.keys():
        raw, member = merged.values[path], merged.values[groups[path]]
        if raw.value is not None:  # YAML's null is an empty group
            merged.error(raw.location, f"conflicts with {member.location}; remove one of them")
    for path in groups:
        merged.values.pop(path, None)
    return merged


class _FileChecker:
    """Checks the files that settings name, each once, whether or not the other settings are valid."""

    def __init__(self, raw: RawSettings, directory: Path) -> None:
        self.errors: list[InvalidSetting] = []
        self.files: list[Path] = []
        self.tls_files: list[Path] = []
        """Certificates of the web port; serving watches them, unless they are why it cannot start."""
        self._raw = raw
        self._directory = directory
        self._problem = cache(_tls_problem)

    def check(self) -> WebSecurity | None:
        """Check all files; return the content of the web configuration file."""
        levels = {path[:-1] for path in self._raw.values if path[0] in _WITH_SECRETS}
        for level in sorted(levels):
            self._check_tls(check_authorities, (*level, "ca_file"))
            self._check_tls(check_client_certificate, *((*level, name) for name in CLIENT_CERTIFICATE))
        return self._read_web_file(("web", "config_file"))

    def _check_tls(self, check: Callable[..., None], *settings: Keys) -> None:
        """Check the files that settings name together; the first setting is the one that needs the others."""
        try:
            paths = [self._path_at(keys) for keys in settings]
        except ValueError:  # not a path, which the schema reports
            return
        if paths[0] is None:
            return
        self.files += filter(None, paths)
        if problem := self._problem(check, *paths):
            keys = settings[-1 if problem.part == KEY else 0]
            self.errors.append(self._raw.values[keys].location.error(str(problem)))

    def _read_web_file(self, keys: Keys) -> WebSecurity | None:
        with suppress(ValueError):  # not a path, which the schema reports
            if path := self._path_at(keys):
                self.files.append(path)
                try:
                    security, errors, self.tls_files = read_web_file(path)
                except ValueError as error:
                    security, errors = None, [self._raw.values[keys].location.error(str(error))]
                self.errors += errors
                return security
        return None

    def _path_at(self, keys: Keys) -> Path | None:
        return _file_path(self._raw.values[keys], self._directory) if keys in self._raw.values else None


def _tls_problem(check: Callable[..., None], *paths: Path | None) -> TlsFileError | None:
    try:
        check(*paths)
    except TlsFileError as error:
        return error
    return None


def _config(
    settings: Settings, security: WebSecurity | None, directory: Path, files: tuple[Path, ...]
) -> Config:
    """Resolve valid settings."""
    index, count = settings.shard.index, settings.shard.count
    own: list[Target] = []
    elsewhere: list[Target] = []
    for name, target in sorted(settings.targets.items()):
        if target.enabled:
            share = own if count == 1 or shard_of(name, count) == index else elsewhere
            share.append(_target(name, target, directory))
    destinations = tuple(
        resolve_destination(name, destination, settings.defaults, directory)
        for name, destination in sorted(settings.destinations.items())
    )
    egress_url, defaults = settings.egress_check_url, settings.defaults
    copied = {name: getattr(settings, name) for name in _COPIED_TO_CONFIG}
    resolved = {
        "targets": tuple(own),
        "elsewhere": tuple(elsewhere),
        "disabled": tuple(sorted(name for name, target in settings.targets.items() if not target.enabled)),
        "security": security,
        "max_concurrent_probes": settings.max_concurrent_probes
        or _default_slots([*own, *_discovered(destinations, count)]),
        "egress_check": None
        if egress_url is None
        else EgressConfig(url=egress_url, proxy_url=defaults.proxy_url, ip_family=defaults.ip_family),
        "status_page": _status_page(settings, directory),
        "destinations": destinations,
        "files": files,
    }
    return Config(**(copied | resolved))


def _status_page(settings: Settings, directory: Path) -> StatusPageConfig | None:
    page, defaults = settings.status_page, settings.defaults
    if page.url is None:
        return None
    return StatusPageConfig(
        url=page.url,
        components=page.components,
        interval=page.interval,
        ca_file=directory / defaults.ca_file if defaults.ca_file else None,
        proxy_url=defaults.proxy_url,
        ip_family=defaults.ip_family,
    )


def _target(name: str, settings: TargetSettings, directory: Path) -> Target:
    """Resolve one target; settings with the same name as a field of `Target` are copied."""
    copied = {field: getattr(settings, field) for field in _COPIED_TO_TARGET}
    source_id, destination_id = copied["source_environment_id"], copied["destination_environment_id"]
    source = settings.auth_url or settings.custom_domain or settings.region or parse_region("NA")
    destination = (
        settings.destination_auth_url
        or settings.destination_custom_domain
        or settings.destination_region
        or source
    )
    destination_url = destination.environment_url(destination_id)
    resolved = {
        "source_url": source.environment_url(source_id) if source_id else None,
        "absolute_hosts": absolute_hosts(source, destination),
        "destination_url": destination_url,
        "redirect_uri": settings.redirect_uri or f"{destination_url}/rp/callback/openid_connect",
        "labels": tuple(sorted((label, value) for label, value in settings.labels.items() if value)),
        "journeys": settings.journeys or settings.journey or (Journey.AUTHORIZE,),
        "timeout": _timing(settings, Journey.AUTHORIZE).timeout,
        "federation": _timing(settings, Journey.FEDERATION),
        "discovery": _timing(settings, Journey.DISCOVERY),
        "application": _application(settings),
        "user": SyntheticUser(username=settings.username, password=settings.password)
        if settings.username and settings.password
        else None,
        **{field: directory / value for field, value in copied.items() if isinstance(value, Path)},
    }
    return Target(name=name, **(copied | resolved))


def _timing(settings: TargetSettings, journey: Journey) -> JourneyTiming:
    prefix = "" if journey is Journey.AUTHORIZE else f"{journey}_"
    values = {field.name: getattr(settings, prefix + field.name) for field in fields(JourneyTiming)}
    longest = MAX_DEFAULT_FEDERATION_TIMEOUT if journey is Journey.FEDERATION else _MAX_DEFAULT_TIMEOUT
    values["timeout"] = values["timeout"] or min(longest, values["interval"] / 2)
    return JourneyTiming(**values)


def _application(settings: TargetSettings) -> DestinationApplication | None:
    """Return the destination's application; None if the settings do not name one."""
    if settings.destination_client_id is None or settings.destination_redirect_uri is None:
        return None
    names = {field.name: f"destination_{field.name}" for field in fields(DestinationApplication)}
    names["lookup_username"] = "lookup_username"
    return DestinationApplication(**{field: getattr(settings, name) for field, name in names.items()})


def _discovered(destinations: Iterable[Destination], shards: int) -> Iterator[Target]:
    """Yield as many targets as one shard of several may find at the destinations."""
    for destination in destinations:
        yield from [destination.template] * math.ceil(destination.max_providers / shards)


def _default_slots(targets: Iterable[Target]) -> int:
    """Return enough slots for all probes that can run at once when each of them takes its whole timeout."""
    timings = (target.timing(journey) for target in targets for journey in target.journeys)
    busy = math.fsum(timing.timeout / timing.interval for timing in timings)
    # Rounded first: a sum such as 100.00000000000001 must not cost a slot.
    return max(_MIN_DEFAULT_SLOTS, math.ceil(round(_SLOTS_PER_BUSY_PROBE * busy, 6)))


def shard_of(target: str, count: int) -> int:
    """Return which of `count` shards probes a target, by rendezvous hashing (highest random weight).

    All shards agree without communication, and one more shard moves only the targets that it wins. A release
    must not change what is hashed: a rollout would then probe targets twice, or not at all.
    """
    return max(range(count), key=lambda shard: hashlib.sha256(f"{shard}/{target}".encode()).digest())
