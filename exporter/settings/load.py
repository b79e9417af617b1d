"""Load the configuration: read all sources, validate them at once, and resolve targets.

environment          ─┐
.env                 ─┤ read             merge          Settings            resolve
secret files         ─┤ ──> RawSettings ─────> one ───────────────> valid ──────────> Config
configuration file   ─┘     per source         map                  or every error
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from exporter.settings.addresses import parse_region
from exporter.settings.config import Config, EgressConfig, LogConfig, ShardConfig, WebConfig
from exporter.settings.environment import ENV_FILE, read_env_file, read_environment
from exporter.settings.explain import explain
from exporter.settings.provenance import (
    DEFAULTS,
    PREFIX,
    TARGETS,
    ConfigurationError,
    InvalidSetting,
    Keys,
    RawSettings,
    RawValue,
    fold,
)
from exporter.settings.schema import CLIENT_CERTIFICATE, Settings, TargetSettings
from exporter.settings.secret_files import read_secret_files
from exporter.settings.values import clean, parse_path
from exporter.settings.web_file import read_web_file
from exporter.settings.yaml_file import read_yaml_file
from exporter.target import Target
from exporter.tls import CERTIFICATE, TlsFileError, WebSecurity, check_authorities, check_client_certificate

MAX_CONFIG_FILE_BYTES = 8 * 1024 * 1024
"""Ten thousand targets of a dozen settings have half of it. A ConfigMap has at most 1 MiB."""

CONFIG_FILE = ("config_file",)
SECRETS_DIR = ("secrets_dir",)

_MAX_DEFAULT_TIMEOUT = 10.0
_MIN_DEFAULT_SLOTS = 100
_SPARE_SLOTS = 1.5


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
        sources += _without([read], "a configuration file", CONFIG_FILE, SECRETS_DIR)
        files.append(path)
    return sources, files


def _named_path(sources: Sequence[RawSettings], path: Keys, directory: Path) -> tuple[RawValue, Path] | None:
    """Return the strongest value of a setting that names a file or directory, and its path."""
    raw = next((source.values[path] for source in sources if path in source.values), None)
    with suppress(ValueError):  # reported by the schema
        if raw and (named := _path(raw, directory)):
            return raw, named
    return None


def _path(raw: RawValue, directory: Path) -> Path | None:
    """Return the path in a setting, None if it is empty.

    Raises:
        ValueError: it is not a path.
    """
    text = clean(raw.value)
    return directory / parse_path(text) if isinstance(text, str) and text else None


def _without(sources: list[RawSettings], kind: str, *paths: Keys) -> list[RawSettings]:
    """Remove settings that cannot be in a source, since they name it or a stronger one."""
    for source in sources:
        for path in paths:
            if raw := source.values.pop(path, None):
                variable = f"{PREFIX}{path[0].upper()}"
                source.error(raw.location, f"not allowed in {kind}; set {variable} in the environment")
    return sources


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
        self._problems: dict[object, TlsFileError | None] = {}

    def check(self) -> WebSecurity | None:
        """Check all files; return the content of the web configuration file."""
        levels = {path[:-1] for path in self._raw.values if path[0] in {TARGETS, DEFAULTS}}
        for level in sorted(levels):
            with suppress(ValueError):  # not a path, which the schema reports
                self._check_authorities((*level, "ca_file"))
            with suppress(ValueError):
                self._check_client_certificate(*((*level, name) for name in CLIENT_CERTIFICATE))
        with suppress(ValueError):
            return self._read_web_file(("web", "config_file"))
        return None

    def _path_at(self, keys: Keys) -> Path | None:
        return _path(self._raw.values[keys], self._directory) if keys in self._raw.values else None

    def _check_authorities(self, keys: Keys) -> None:
        if path := self._path_at(keys):
            self.files.append(path)
            if problem := self._problem(path, lambda: check_authorities(path)):
                self.errors.append(self._raw.values[keys].location.error(str(problem)))

    def _check_client_certificate(self, certificate_keys: Keys, key_keys: Keys) -> None:
        certificate, key = self._path_at(certificate_keys), self._path_at(key_keys)
        if certificate is None:
            return
        self.files += [certificate] if key is None else [certificate, key]
        check = partial(check_client_certificate, certificate, key)
        if problem := self._problem((certificate, key), check):
            keys = certificate_keys if problem.part == CERTIFICATE else key_keys
            self.errors.append(self._raw.values[keys].location.error(str(problem)))

    def _problem(self, files: object, check: Callable[[], None]) -> TlsFileError | None:
        if files not in self._problems:
            try:
                check()
                self._problems[files] = None
            except TlsFileError as error:
                self._problems[files] = error
        return self._problems[files]

    def _read_web_file(self, keys: Keys) -> WebSecurity | None:
        path = self._path_at(keys)
        if path is None:
            return None
        self.files.append(path)
        try:
            security, errors, self.tls_files = read_web_file(path)
        except ValueError as error:
            security, errors = None, [self._raw.values[keys].location.error(str(error))]
        self.errors += errors
        return security


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
    egress_url, defaults, web = settings.egress_check_url, settings.defaults, settings.web
    return Config(
        targets=tuple(own),
        disabled=tuple(sorted(name for name, target in settings.targets.items() if not target.enabled)),
        web=WebConfig(
            listen_addresses=web.listen_address,
            config_file=_join(directory, web.config_file),
            security=security,
            health_listen_addresses=web.health_listen_address or (),
            external_url=web.external_url,
        ),
        max_concurrent_probes=settings.max_concurrent_probes or _default_slots(own),
        shutdown_grace=settings.shutdown_grace,
        duration_buckets=settings.duration_buckets,
        egress_check=None
        if egress_url is None
        else EgressConfig(url=egress_url, proxy_url=defaults.proxy_url, ip_family=defaults.ip_family),
        log=LogConfig(level=settings.log.level, format=settings.log.format),
        shard=ShardConfig(index=index, count=count, elsewhere=tuple(elsewhere)),
        files=files,
    )


def _target(name: str, settings: TargetSettings, directory: Path) -> Target:
    source_id = settings.source_environment_id or ""
    destination_id = settings.destination_environment_id or ""
    source = settings.auth_url or settings.custom_domain or settings.region or parse_region("NA")
    destination = (
        settings.destination_auth_url
        or settings.destination_custom_domain
        or settings.destination_region
        or source
    )
    callback = f"{destination.environment_url(destination_id)}/rp/callback/openid_connect"
    return Target(
        name=name,
        source_environment_id=source_id,
        destination_environment_id=destination_id,
        client_id=settings.client_id or "",
        source_url=source.environment_url(source_id),
        redirect_uri=settings.redirect_uri or callback,
        scope=settings.scope,
        prompt=settings.prompt,
        acr_values=settings.acr_values,
        login_hint=settings.login_hint,
        max_age=settings.max_age,
        pkce=settings.pkce,
        expected_statuses=settings.expected_statuses,
        latency_objective=settings.latency_objective,
        labels=tuple(sorted((label, value) for label, value in settings.labels.items() if value)),
        journeys=(settings.journey,),
        interval=settings.interval,
        timeout=settings.timeout or min(_MAX_DEFAULT_TIMEOUT, settings.interval / 2),
        ca_file=_join(directory, settings.ca_file),
        client_certificate_file=_join(directory, settings.client_certificate_file),
        client_key_file=_join(directory, settings.client_key_file),
        ip_family=settings.ip_family,
        proxy_url=settings.proxy_url,
        absolute_host=source.absolute,
    )


def _join(directory: Path, path: Path | None) -> Path | None:
    return None if path is None else directory / path


def _default_slots(targets: Iterable[Target]) -> int:
    """Return enough slots for all probes that can run at once when each of them takes its whole timeout."""
    busy = math.fsum(target.timeout / target.interval for target in targets)
    # Rounded first: a sum such as 100.00000000000001 must not cost a slot.
    return max(_MIN_DEFAULT_SLOTS, math.ceil(round(_SPARE_SLOTS * busy, 6)))


def shard_of(target: str, count: int) -> int:
    """Return which of `count` shards probes a target, by rendezvous hashing (highest random weight).

    All shards agree without communication, and one more shard moves only the targets that it wins. A release
    must not change what is hashed: a rollout would then probe targets twice, or not at all.
    """
    return max(range(count), key=lambda shard: hashlib.sha256(f"{shard}/{target}".encode()).digest())
