"""Resolve valid settings to what the program uses: targets, destinations, and where they answer. No I/O."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from exporter.destinations import Destination
from exporter.settings.addresses import AuthServer, absolute_hosts, parse_region
from exporter.settings.schema import (
    DestinationSettings,
    LogSettings,
    Settings,
    ShardSettings,
    StatusPageSettings,
    WebSettings,
)
from exporter.settings.section import Section
from exporter.settings.target_settings import (
    DESTINATION_LOCATION,
    SOURCE_LOCATION,
    TargetDefaults,
    TargetSettings,
)
from exporter.target import (
    ANY_REQUIRED,
    ClientAuth,
    DestinationApplication,
    Journey,
    JourneyTiming,
    NetworkRoute,
    SourceKind,
    SyntheticUser,
    Target,
)
from exporter.tls import WebSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that was configured; fields that are not described here are settings as they are written."""

    targets: tuple[Target, ...]
    """The enabled ones that are this shard's, by name; only with several shards may there be none."""
    on_other_shards: tuple[Target, ...] = ()  # enabled targets that the other shards probe, by name
    disabled: tuple[Target, ...] = ()  # the others, by name
    web: WebSettings = field(default_factory=WebSettings)
    security: WebSecurity | None = None  # what the web configuration file says; None when there is none
    max_concurrent_probes: int
    shutdown_grace: float  # in seconds, as all times
    duration_buckets: tuple[float, ...]
    """Upper bounds in seconds, increasing, without +Inf; so are those of `federation`."""
    federation_duration_buckets: tuple[float, ...]
    egress_check_url: str | None = field(default=None, repr=False)  # its query may hold anything
    log: LogSettings = field(default_factory=LogSettings)
    shard: ShardSettings = field(default_factory=ShardSettings)
    status_page: StatusPageSettings = field(default_factory=StatusPageSettings)
    route: NetworkRoute = field(default_factory=NetworkRoute)  # of the egress check and the status page
    destinations: tuple[Destination, ...] = ()  # their identity providers become targets; by name
    files: Mapping[Path, bytes] = field(default_factory=dict, repr=False, compare=False)
    """Files and directories that all of this was read from, or would be if they existed; their digests."""

    @property
    def enabled(self) -> tuple[Target, ...]:
        """The targets of all shards."""
        return (*self.targets, *self.on_other_shards)

    @property
    def targets_and_templates(self) -> tuple[Target, ...]:
        """The targets, and the templates of targets that listings add."""
        return (*self.targets, *(destination.template for destination in self.destinations))


_COPIED_TO_CONFIG = {field.name for field in fields(Config)} & Settings.model_fields.keys()
_COPIED_TO_TARGET = {field.name for field in fields(Target)} & TargetSettings.model_fields.keys()
_PER_PROVIDER_SETTINGS = (
    *("source_environment_id", "client_id", "redirect_uri", "issuer", "provider_id"),
    *SOURCE_LOCATION,
)
"""Defaults of these settings do not apply to the providers that a destination lists."""
_SHARED = (TargetDefaults.model_fields.keys() & DestinationSettings.model_fields.keys()) - set(
    _PER_PROVIDER_SETTINGS
)
_MAX_DEFAULT_TIMEOUT = 10.0
_MAX_DEFAULT_FEDERATION_TIMEOUT = 30.0
_MIN_DEFAULT_SLOTS = 100
_SLOTS_PER_BUSY_PROBE = 1.5
"""So that probes that all take their whole timeout leave a third of the slots free."""


def resolve(
    settings: Settings, security: WebSecurity | None, directory: Path, files: Mapping[Path, bytes]
) -> Config:
    """Resolve valid settings."""
    index, count = settings.shard.index, settings.shard.count
    defaults = settings.defaults
    shares: dict[str, list[Target]] = {"targets": [], "on_other_shards": [], "disabled": []}
    for name, target in sorted(settings.targets.items()):
        is_own = count == 1 or shard_of(name, count) == index
        share = "disabled" if not target.enabled else "targets" if is_own else "on_other_shards"
        shares[share].append(_target(name, target, directory))
    destinations = tuple(
        _destination(name, destination, defaults, directory)
        for name, destination in sorted(settings.destinations.items())
    )
    # One shard of several may find this many targets at a destination.
    found = [(each.template, math.ceil(each.max_providers / count)) for each in destinations]
    slots = _default_slots([*((target, 1) for target in shares["targets"]), *found])
    ca_file = directory / defaults.ca_file if defaults.ca_file else None
    copied = {name: getattr(settings, name) for name in _COPIED_TO_CONFIG}
    resolved = {
        **{share: tuple(targets) for share, targets in shares.items()},
        "security": security,
        "max_concurrent_probes": settings.max_concurrent_probes or slots,
        "route": NetworkRoute(ca_file=ca_file, proxy_url=defaults.proxy_url, ip_family=defaults.ip_family),
        "destinations": destinations,
        "files": files,
    }
    return Config(**(copied | resolved))


def _server(settings: Section, names: Iterable[str]) -> AuthServer | None:
    """Return the server that one of some settings names."""
    return next(filter(None, (getattr(settings, name) for name in names)), None)


def _target(name: str, settings: TargetSettings, directory: Path) -> Target:
    """Resolve one target; settings with the same name as a field of `Target` are copied."""
    copied = {field: getattr(settings, field) for field in _COPIED_TO_TARGET}
    source_id, destination_id = copied["source_environment_id"], copied["destination_environment_id"]
    source = _server(settings, SOURCE_LOCATION) or parse_region("NA")
    destination = _server(settings, DESTINATION_LOCATION) or source
    destination_url = destination.environment_url(destination_id)
    resolved = {
        "source_url": source.environment_url(source_id) if source_id else None,
        "absolute_hosts": absolute_hosts(source, destination),
        "destination_url": destination_url,
        "redirect_uri": settings.redirect_uri or f"{destination_url}/rp/callback/openid_connect",
        "labels": tuple(sorted((label, value) for label, value in settings.labels.items() if value)),
        "journeys": settings.journeys or settings.journey or (Journey.AUTHORIZE,),
        **{journey.value: _timing(settings, journey) for journey in Journey},
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
        _server(settings, SOURCE_LOCATION)
        or _server(defaults, DESTINATION_LOCATION)
        or _server(defaults, ("auth_url", "region"))
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
    target = TargetSettings.model_construct(**(inherited | dict.fromkeys(_PER_PROVIDER_SETTINGS) | known))
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


def _default_slots(targets: Iterable[tuple[Target, int]]) -> int:
    """Return enough slots for all probes of targets, each so many times, that take their whole timeout."""
    timings = ((target.timing(journey), number) for target, number in targets for journey in target.journeys)
    busy = math.fsum(number * timing.timeout / timing.interval for timing, number in timings)
    # Rounded first: a sum such as 100.00000000000001 must not cost a slot.
    return max(_MIN_DEFAULT_SLOTS, math.ceil(round(_SLOTS_PER_BUSY_PROBE * busy, 6)))


def shard_of(target: str, count: int) -> int:
    """Return which of `count` shards probes a target, by rendezvous hashing (highest random weight).

    All shards agree without communication, and one more shard moves only the targets that it wins. A release
    must not change what is hashed: a rollout would then probe targets twice, or not at all.
    """
    return max(range(count), key=lambda shard: hashlib.sha256(f"{shard}/{target}".encode()).digest())
