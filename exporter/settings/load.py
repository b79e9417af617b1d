"""Load the configuration: read all sources, merge them, validate all at once, resolve the result."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exporter.settings.explain import explain
from exporter.settings.provenance import (
    PREFIX,
    ConfigurationError,
    InvalidSetting,
    Keys,
    Location,
    RawSettings,
    RawValue,
    fold,
)
from exporter.settings.resolve import Config, resolve
from exporter.settings.schema import Settings
from exporter.settings.target_settings import CLIENT_CERTIFICATE, SECRETS
from exporter.settings.values import clean, parse_path
from exporter.settings.variables import ENV_FILE, read_env_file, read_environment, read_secret_files
from exporter.settings.web_file import read_web_file
from exporter.settings.yaml_file import read_yaml_file
from exporter.tls import KEY, TlsFileError, WebSecurity, check_authorities, check_client_certificate

MAX_CONFIG_FILE_BYTES = 8 * 1024 * 1024
"""Ten thousand targets of a dozen settings have half of it. A ConfigMap has at most 1 MiB."""

CONFIG_FILE = ("config_file",)
SECRETS_DIR = ("secrets_dir",)
WEB_CONFIG_FILE = ("web", "config_file")

FLAGS: Mapping[str, Keys] = {
    "--config.file": CONFIG_FILE,
    "--web.listen-address": ("web", "listen_address"),
    "--web.config.file": WEB_CONFIG_FILE,
    "--log.level": ("log", "level"),
    "--log.format": ("log", "format"),
}
"""Named as those of Prometheus' own exporters."""

_WITH_SECRETS = {"targets", "defaults", "destinations"}


def load(environ: Mapping[str, str], directory: Path, flags: Mapping[str, str] | None = None) -> Config:
    """Load and check the configuration. Reads files: not for the event loop.

    Args:
        environ: the environment; variables of other programs are ignored.
        directory: the working directory: where `.env` may be, and where relative paths start.
        flags: of the command line, by their names in `FLAGS`.

    Raises:
        ConfigurationError: with every error that was found.
    """
    raw = _read_sources(environ, directory, flags or {})
    settings: Settings | None = None
    try:
        settings = Settings(raw=raw.nested())  # type: ignore[call-arg]  # taken by settings_customise_sources
    except ValidationError as error:
        raw.errors += explain(error, raw, Settings)
    _check_tls_files(raw, directory)
    security: WebSecurity | None = None
    if named := _named_file(raw, WEB_CONFIG_FILE, directory):
        security, web = read_web_file(*named)
        raw.errors += web.errors
        raw.files = web.files | raw.files
    if raw.errors or settings is None:
        raise ConfigurationError(raw.errors, files=raw.files)
    return resolve(settings, security, directory, raw.files)


def _read_sources(environ: Mapping[str, str], directory: Path, flags: Mapping[str, str]) -> RawSettings:
    """Read all sources, strongest first; each may name the next ones."""
    raw = RawSettings({FLAGS[flag]: RawValue(value, Location(flag)) for flag, value in flags.items()})
    raw.add_weaker(read_environment(environ))
    raw.note(directory / ENV_FILE)
    raw.add_weaker(read_env_file(directory, environ))
    if named := _named_file(raw, SECRETS_DIR, directory):
        raw.add_weaker(_without(read_secret_files(*named), "a secret file", SECRETS_DIR))
    if named := _named_file(raw, CONFIG_FILE, directory):
        read = read_yaml_file(*named, MAX_CONFIG_FILE_BYTES, fold)
        read.errors += _secrets_in_file(read)
        raw.add_weaker(_without(read, "a configuration file", CONFIG_FILE, SECRETS_DIR))
    raw.drop_conflicts()
    return raw


def _named_file(raw: RawSettings, setting: Keys, directory: Path) -> tuple[Path, Location] | None:
    """Return the file or directory to read that a setting names, and where that is written."""
    value = raw.values.get(setting)
    with suppress(ValueError):  # not a path, which the schema reports
        if value and (path := _file_path(value, directory)):
            raw.note(path)
            return path, value.location
    return None


def _file_path(raw: RawValue, directory: Path) -> Path | None:
    """Return the path in a setting, None if it is empty; ValueError if it is not a path."""
    text = clean(raw.value)
    return directory / parse_path(text) if isinstance(text, str) and text else None


def _without(source: RawSettings, kind: str, *settings: Keys) -> RawSettings:
    """Remove settings that cannot be in a source, since they name it or a stronger one."""
    for keys in settings:
        if raw := source.values.pop(keys, None):
            variable = f"{PREFIX}{keys[0].upper()}"
            source.error(raw.location, f"not allowed in {kind}; set {variable} in the environment")
    return source


def _secrets_in_file(source: RawSettings) -> Iterator[InvalidSetting]:
    """Yield an error for each secret in a configuration file, which many may read."""
    for path, raw in source.values.items():
        in_proxy_url = path[-1] == "proxy_url" and "@" in str(raw.value)
        if path[0] in _WITH_SECRETS and raw.value and (path[-1] in SECRETS or in_proxy_url):
            yield raw.location.error(
                f"secret in a configuration file; set it by a variable or in {PREFIX}SECRETS_DIR"
            )


def _check_tls_files(raw: RawSettings, directory: Path) -> None:
    """Check each file of certificates and keys once, also of invalid settings."""
    used: defaultdict[tuple[Any, ...], list[list[Keys]]] = defaultdict(list)
    levels = sorted({path[:-1] for path in raw.values if path[0] in _WITH_SECRETS and len(path) > 1})
    checks = (check_authorities, ("ca_file",)), (check_client_certificate, CLIENT_CERTIFICATE)
    for level, (check, names) in product(levels, checks):
        keys = [(*level, name) for name in names]
        with suppress(ValueError):  # not a path, which the schema reports
            paths = [_file_path(raw.values[each], directory) if each in raw.values else None for each in keys]
            if paths[0] is not None:  # the others are of no use without it
                used[check, *paths].append(keys)
    for (check, *paths), settings in used.items():
        raw.note(*filter(None, paths))
        try:
            check(*paths)
        except TlsFileError as error:
            for keys in settings:
                at_fault = raw.values[keys[-1] if error.part == KEY else keys[0]]
                raw.error(at_fault.location, str(error))
