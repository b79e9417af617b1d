"""Resolve valid settings to what the program uses: targets, destinations, and where they answer. No I/O."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from exporter.destinations import Destination
from exporter.settings.addresses import absolute_hosts, parse_region
from exporter.settings.config import Config, EgressConfig, StatusPageConfig
from exporter.settings.destination_settings import DestinationSettings
from exporter.settings.schema import Settings
from exporter.settings.target_settings import SOURCE_LOCATION, TargetDefaults, TargetSettings
from exporter.target import (
    ANY_REQUIRED,
    ClientAuth,
    DestinationApplication,
    Journey,
    JourneyTiming,
    SourceKind,
    SyntheticUser,
    Target,
)
from exporter.tls import WebSecurity

_COPIED_TO_CONFIG = {field.name for field in fields(Config)} & Settings.model_fields.keys()
_COPIED_TO_TARGET = {field.name for field in fields(Target)} & TargetSettings.model_fields.keys()
_OF_ONE_PROVIDER = (
    *("source_environment_id", "client_id", "redirect_uri", "issuer", "provider_id"),
    *SOURCE_LOCATION,
)
"""What the defaults say of these is not meant for the providers that a destination lists."""
_SHARED = (TargetDefaults.model_fields.keys() & DestinationSettings.model_fields.keys()) - set(
    _OF_ONE_PROVIDER
)
_MAX_DEFAULT_TIMEOUT = 10.0
_MAX_DEFAULT_FEDERATION_TIMEOUT = 30.0
_MIN_DEFAULT_SLOTS = 100
_SLOTS_PER_BUSY_PROBE = 1.5
"""So that probes that all take their whole timeout leave a third of the slots free."""


def resolve(
    settings: Settings, security: WebSecurity | None, directory: Path, files: tuple[Path, ...]
) -> Config:
    """Resolve valid settings."""
    index, count = settings.shard.index, settings.shard.count
    own: list[Target] = []
    elsewhere: list[Target] = []
    disabled: list[Target] = []
    for name, target in sorted(settings.targets.items()):
        is_own = count == 1 or shard_of(name, count) == index
        share = disabled if not target.enabled else own if is_own else elsewhere
        share.append(_target(name, target, directory))
    destinations = tuple(
        _destination(name, destination, settings.defaults, directory)
        for name, destination in sorted(settings.destinations.items())
    )
    egress_url, defaults = settings.egress_check_url, settings.defaults
    copied = {name: getattr(settings, name) for name in _COPIED_TO_CONFIG}
    resolved = {
        "targets": tuple(own),
        "elsewhere": tuple(elsewhere),
        "disabled": tuple(disabled),
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


def _destination(
    name: str, settings: DestinationSettings, defaults: TargetDefaults, directory: Path
) -> Destination:
    """Resolve one destination: its targets have what it sets, else what the defaults of targets set."""
    own = {field: value for field in _SHARED if (value := getattr(settings, field)) is not None}
    inherited = dict(defaults) | own
    server = (
        settings.auth_url
        or settings.custom_domain
        or settings.region
        or defaults.destination_auth_url
        or defaults.destination_custom_domain
        or defaults.destination_region
        or defaults.auth_url
        or defaults.region
        or parse_region("NA")
    )
    interval = inherited["federation_interval"]
    known = {
        "destination_environment_id": settings.environment_id,
        "destination_auth_url": server,
        "destination_client_id": settings.client_id,
        "destination_redirect_uri": settings.redirect_uri,
        "destination_client_auth": ClientAuth.BASIC,
        "federation_timeout": min(
            defaults.federation_timeout or _MAX_DEFAULT_FEDERATION_TIMEOUT, interval / 2
        ),
        "labels": defaults.labels | settings.labels,
        "journeys": (Journey.FEDERATION,),
    }
    if "source_kind" not in defaults.model_fields_set:
        known["source_kind"] = SourceKind.AUTO
    if "expected_statuses" not in defaults.model_fields_set:
        known["expected_statuses"] = (ANY_REQUIRED,)
    target = TargetSettings.model_construct(**(inherited | dict.fromkeys(_OF_ONE_PROVIDER) | known))
    return Destination(
        name=name,
        template=_target(name, target, directory),
        include=settings.include,
        exclude=settings.exclude,
        expect=frozenset(settings.expect),
        max_providers=settings.max_providers,
        refresh_interval=settings.refresh_interval,
    )


def _timing(settings: TargetSettings, journey: Journey) -> JourneyTiming:
    prefix = "" if journey is Journey.AUTHORIZE else f"{journey}_"
    values = {field.name: getattr(settings, prefix + field.name) for field in fields(JourneyTiming)}
    longest = _MAX_DEFAULT_FEDERATION_TIMEOUT if journey is Journey.FEDERATION else _MAX_DEFAULT_TIMEOUT
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
