"""The command `check-config`: show what would run, without a request, and warn of what looks wrong."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from urllib.parse import urlsplit

from exporter.destinations import Destination
from exporter.durations import format_duration
from exporter.outcome import KNOWN_STATUSES
from exporter.process import environment_warnings
from exporter.scheduling import first_delays
from exporter.settings import Config, InvalidSetting
from exporter.target import ANY_REQUIRED, IpFamily, Journey, Side, SourceKind, Target, side_of
from exporter.tls import WebSecurity

_MAX_ROWS = 20
"""Rows of a table of loads, heaviest first; if there are more targets, each is shown on one line."""

_NUMBERS = {"targets", "probes/min", "all shards", "interval", "requests/min", "requests"}
_MAX_NAMES = 5
_HIDDEN = "(set)"
_NONE = "none"
_IP_FAMILIES = {IpFamily.ANY: "any", IpFamily.V4: "IPv4 only", IpFamily.V6: "IPv6 only"}

ENVIRONMENT_RATE = 300.0
"""Authentication requests per second that one environment is reported to accept; licenses differ."""
IP_SHARE = 0.35  # share of it that one source address gets (PingOne Platform API, "Rate limiting")
_WARNING_SHARE = 0.5


@dataclass(slots=True)
class Load:
    """The load on one auth host or environment."""

    where: str  # the host or environment
    targets: set[str] = field(default_factory=set)  # names of those that send requests there
    probes: float = 0.0  # probes per second that send requests there
    requests: float = 0.0  # per second, if every probe takes all steps that its target's settings ask for


@dataclass(frozen=True, slots=True)
class ConfigReport:
    """What the command prints."""

    text: str
    json: str  # the same, and the warnings, as a JSON object
    warnings: tuple[str, ...]  # settings that are valid, but look wrong


def check_config(config: Config, *, full: bool = False) -> ConfigReport:
    """Return what would run with this configuration, and warnings.

    Login hints, queries and the credentials of a proxy URL may be personal or secret, so the text shows only
    that they are set. If `full`, it has all settings of each target, however many targets there are.
    """
    all_targets = config.enabled
    loads_by = {title: _load_rows(config, all_targets, title) for title in ("auth host", "environment")}
    targets = {target.name: [*_target_rows(target)] for target in config.targets}
    destinations = {each.name: [*_destination_rows(each)] for each in config.destinations}
    exporter, firsts = [*_exporter_rows(config)], _first_probes(config)
    warnings = (
        *environment_warnings(config.targets_and_templates, config.max_concurrent_probes),
        *_rate_warnings(config, all_targets),
        *_target_warnings(config.targets_and_templates),
    )
    short = len(targets) > _MAX_ROWS and not full
    blocks = [_table(rows, "with fewer probes") for rows in loads_by.values() if rows]
    blocks += [_table(firsts, "--full shows them" if short else "")] if firsts else []
    if short:
        blocks.append(_table([_target_line(target) for target in config.targets]))
        blocks[-1] += "\n--full shows all settings of each target"
    else:
        blocks += [_block(f"target {name}", rows) for name, rows in targets.items()]
    blocks += [_block(f"destination {name}", rows) for name, rows in destinations.items()]
    blocks.append(_block("exporter", exporter))
    counts = {"target": len(all_targets), "destination": len(config.destinations), "warning": len(warnings)}
    blocks.append(f"OK: {', '.join(count(number, noun) for noun, number in counts.items() if number)}")
    document = {
        "targets": {name: _keyed(rows) for name, rows in targets.items()},
        "destinations": {name: _keyed(rows) for name, rows in destinations.items()},
        "exporter": _keyed(exporter),
        "load": {_key(title): [_keyed(row.items()) for row in rows] for title, rows in loads_by.items()},
        "first_probes": [_keyed(row.items()) for row in firsts],
    }
    valid = {"valid": True, "errors": [], "warnings": warnings, **document}
    return ConfigReport("\n\n".join(blocks), json.dumps(valid, indent=2), warnings)


def errors_to_json(errors: Iterable[InvalidSetting]) -> str:
    """Return the JSON object for a configuration that is not valid."""
    return json.dumps({"valid": False, "errors": [*map(asdict, errors)], "warnings": []}, indent=2)


def _keyed(rows: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    return {_key(name): value for name, value in rows if value}


def _key(name: str) -> str:
    return name.lower().replace("/", "_per_").replace(" ", "_")


def _target_line(target: Target) -> dict[str, str]:
    """Return the line of a target, where there are too many to show everything."""
    journeys = [f"{each} {format_duration(target.timing(each).interval)}" for each in target.journeys]
    return {
        "target": target.name,
        "journeys": ", ".join(journeys),
        "auth host": target.first_host(target.journeys[0]),
        "source environment": target.source_environment_id or "",
        "labels": ", ".join(f"{name}={value}" for name, value in target.labels),
    }


def loads(targets: Iterable[Target], where: Callable[[Target, Side], str | None]) -> list[Load]:
    """Return the load at each host or environment, the one with the most requests first.

    `where` maps a side of a target to its host or environment; nothing is counted if that is unknown.
    """
    found: dict[str, Load] = {}
    for target in targets:
        for journey in target.journeys:
            rate = 1 / target.timing(journey).interval
            counts = Counter(where(target, side_of(step)) for step in target.steps(journey))
            for place, steps in counts.items():
                if place:
                    load = found.setdefault(place, Load(place))
                    load.targets.add(target.name)
                    load.probes += rate
                    load.requests += steps * rate
    return sorted(found.values(), key=lambda load: (-load.requests, load.where))


def _load_rows(config: Config, all_targets: Sequence[Target], title: str) -> list[dict[str, str]]:
    several = any(len(target.steps(journey)) > 1 for target in config.targets for journey in target.journeys)
    where = Target.host_of if title == "auth host" else _environment
    own = {load.where: load for load in loads(config.targets, where)}
    found = [(own[load.where], load) for load in loads(all_targets, where) if load.where in own]
    return [
        {
            title: here.where,
            "targets": str(len(here.targets)),
            "probes/min": _number(here.probes * 60),
            **({"all shards": _number(total.probes * 60)} if config.on_other_shards else {}),
            **({"requests/min": _number(here.requests * 60)} if several else {}),
        }
        for here, total in found
    ]


def _environment(target: Target, side: Side) -> str | None:
    return target.source_environment_id if side is Side.SOURCE else target.destination_environment_id


def _first_probes(config: Config) -> list[dict[str, str]]:
    probes = [(target, journey) for target in config.targets for journey in target.journeys]
    delays = first_delays(target.first_host(journey) for target, journey in probes)
    several = any(len(target.steps(journey)) > 1 for target, journey in probes)
    return [
        {
            "target": target.name,
            "journey": journey.value,
            "first probe": f"after {format_duration(delay)}" if delay else "immediately",
            "interval": format_duration(target.timing(journey).interval),
            **({"requests": str(len(target.steps(journey)))} if several else {}),
        }
        for (target, journey), delay in zip(probes, delays, strict=True)
    ]


def _table(rows: Sequence[Mapping[str, str]], rest: str = "") -> str:
    """Format rows of one shape, at least one; their keys are the headings.

    The rows beyond the first ones are left out if there is something to print about the rest.
    """
    if rest and (more := len(rows) - _MAX_ROWS) > 0:
        return f"{_table(rows[:_MAX_ROWS])}\nand {more} more, {rest}"
    columns = []
    for name in rows[0]:
        cells = [name, *(row[name] for row in rows)]
        adjust, width = str.rjust if name in _NUMBERS else str.ljust, max(map(len, cells))
        columns.append([adjust(cell, width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _block(title: str, rows: Iterable[tuple[str, str | None]]) -> str:
    """Format rows; one without a value is left out."""
    return "\n".join([title, *(f"  {name:<24}{value}" for name, value in rows if value)])


def _target_rows(target: Target) -> Iterator[tuple[str, str | None]]:
    yield "authorize URL", target.source_url and f"{target.source_url}/as/authorize"
    yield "source environment", target.source_environment_id or "not set: from the destination's redirect"
    yield "destination environment", target.destination_environment_id
    yield "client ID", target.client_id
    if Journey.AUTHORIZE in target.journeys:
        yield "redirect URI", _without_query(target.redirect_uri)
        yield "scope", target.scope
        yield "prompt", target.prompt
        yield "ACR values", target.acr_values
        yield "login hint", target.login_hint and _HIDDEN
        yield "max age", None if target.max_age is None else f"{target.max_age} seconds"
        yield "PKCE", "yes" if target.pkce else "no"
    if Journey.FEDERATION in target.journeys:
        yield from _federation_rows(target)
    if Journey.DISCOVERY in target.journeys:
        yield "issuer", target.issuer or f"{target.source_url}/as"
    yield from _common_rows(target)


def _common_rows(target: Target) -> Iterator[tuple[str, str | None]]:
    yield "expected statuses", ", ".join(target.expected_statuses)
    if Journey.FEDERATION in target.journeys and target.source_kind is not SourceKind.PINGONE:
        yield "source kind", target.source_kind
        yield "ready by", target.ready_by
        yield "login hosts", ", ".join(target.login_hosts) or _NONE
    for journey in target.journeys:
        timing = target.timing(journey)
        times = timing.interval, timing.timeout, timing.latency_objective
        every, timeout, objective = map(format_duration, times)
        last = f", ends after {target.last_step(journey)}" if len(journey.steps) > 1 else ""
        yield f"journey {journey}", f"every {every}, timeout {timeout}, latency objective {objective}{last}"
    if target.secret_expires is not None:
        yield "secret expires", datetime.fromtimestamp(target.secret_expires, UTC).isoformat(" ", "seconds")
    yield "trusted authorities", str(target.ca_file or "the system's")
    yield "client certificate", str(target.client_certificate_file or "")
    yield "client key", str(target.client_key_file or "")
    yield "IP family", _IP_FAMILIES[target.ip_family]
    yield "proxy", _NONE if target.proxy_url is None else _without_user(target.proxy_url)
    yield "labels", ", ".join(f"{name}={value}" for name, value in target.labels)


def _federation_rows(target: Target) -> Iterator[tuple[str, str | None]]:
    yield "destination URL", f"{target.destination_url}/as/authorize"
    if (application := target.application) is not None:
        yield "destination client ID", application.client_id
        yield "destination redirect", _without_query(application.redirect_uri)
        yield "destination scope", application.scope
        yield "destination ACR values", application.acr_values
        yield "destination login hint", application.login_hint and _HIDDEN
        yield "lookup user name", application.lookup_username and _HIDDEN
        if application.client_secret is not None:
            yield "destination secret", f"{_HIDDEN}, client authentication {application.client_auth}"
        elif application.redeems_code:
            yield "destination secret", "none, public client"
    yield "identity provider", target.provider_id or "the only one that the destination offers"
    yield "test account", _NONE if target.user is None else _HIDDEN


def _destination_rows(destination: Destination) -> Iterator[tuple[str, str | None]]:
    yield "authorize URL", f"{destination.template.destination_url}/as/authorize"
    if (application := destination.template.application) is not None:
        yield "client ID", application.client_id
        yield "redirect URI", _without_query(application.redirect_uri)
    yield "include", None if destination.include is None else destination.include.pattern
    yield "exclude", None if destination.exclude is None else destination.exclude.pattern
    yield "expect", ", ".join(sorted(destination.expect))
    yield "identity providers", f"at most {destination.max_providers}"
    yield "listed", f"every {format_duration(destination.refresh_interval)}"
    load = loads([destination.template] * destination.max_providers, _environment)[0]
    yield "requests to it", f"at most {_number((load.requests + 1 / destination.refresh_interval) * 60)}/min"
    yield from _common_rows(destination.template)


def _exporter_rows(config: Config) -> Iterator[tuple[str, str | None]]:
    web, shard, own = config.web, config.shard, len(config.targets)
    yield "targets", str(own)
    if shard.count > 1:
        yield "shard", f"index {shard.index} of {shard.count}, with {own} of {len(config.enabled)} targets"
    yield "disabled targets", ", ".join(target.name for target in config.disabled)
    yield "listen addresses", ", ".join(map(str, web.listen_address))
    yield "web security", None if config.security is None else ", ".join(_security(config.security))
    yield "health addresses", ", ".join(map(str, web.health_listen_address or ()))
    yield "external URL", web.external_url
    yield "Grafana URL", web.grafana_url
    yield "Prometheus URL", web.prometheus_url
    yield "concurrent probes", f"at most {config.max_concurrent_probes}"
    yield "shutdown grace", format_duration(config.shutdown_grace)
    yield "duration buckets", ", ".join(f"{bound:g}" for bound in config.duration_buckets)
    if any(Journey.FEDERATION in target.journeys for target in config.targets):
        yield "federation buckets", ", ".join(f"{bound:g}" for bound in config.federation_duration_buckets)
    yield "egress check", _without_query(config.egress_check_url or _NONE)
    if (page := config.status_page).url is not None:
        yield "status page", f"{_without_query(page.url)}, every {format_duration(page.interval)}"
        yield "status components", ", ".join(page.components) or _NONE
    yield "log", f"{config.log.format}, from level {config.log.level}"


def _security(security: WebSecurity) -> Iterator[str]:
    if security.tls is None:
        yield "no TLS"
    elif security.tls.authorities is None:
        yield "TLS"
    else:
        yield f"TLS, client certificates {'required' if security.tls.certificate_required else 'optional'}"
    yield count(len(security.users), "user") if security.users else "no login"
    if security.headers:
        yield f"headers {' '.join(name for name, _ in security.headers)}"
    if security.rate_limit is not None:
        yield f"at most {1 / security.rate_limit.interval:g} requests per second"


def _rate_warnings(config: Config, all_targets: Sequence[Target]) -> Iterator[str]:
    possible = [each.template for each in config.destinations for _ in range(each.max_providers)]
    own = {load.where for load in loads([*config.targets, *possible], _environment)}
    shards = " from all shards together" if config.shard.count > 1 else ""
    limit = f"{_number(IP_SHARE * ENVIRONMENT_RATE)}/s ({IP_SHARE:.0%} of about {ENVIRONMENT_RATE:g}/s)"
    for load in loads([*all_targets, *possible], _environment):
        is_near_the_limit = load.requests >= _WARNING_SHARE * IP_SHARE * ENVIRONMENT_RATE
        if is_near_the_limit and load.where in own:
            yield (
                f"environment {load.where} gets {_number(load.requests)} requests/s{shards}; "
                f"PingOne is reported to limit one source address to {limit}; increase INTERVAL"
            )


def _target_warnings(targets: Iterable[Target]) -> Iterator[str]:
    """Yield each warning once, with the targets that it is about."""
    found: dict[str, list[str]] = {}
    for target in targets:
        for warning in (*_warnings(target), *_federation_warnings(target)):
            found.setdefault(warning, []).append(target.name)
    for warning, names in found.items():
        more = len(names) - _MAX_NAMES
        yield f"{', '.join(names[:_MAX_NAMES])}{f' and {more} more' if more > 0 else ''}: {warning}"


def _warnings(target: Target) -> Iterator[str]:
    """Yield warnings of a target's settings."""
    # A new status of PingOne, or a typo.
    for status in sorted(set(target.expected_statuses) - KNOWN_STATUSES - {ANY_REQUIRED}):
        similar = get_close_matches(status, sorted(KNOWN_STATUSES), n=1)
        hint = f"did you mean {similar[0]}?" if similar else "check the spelling"
        yield f"EXPECTED_STATUSES contains {status}, which PingOne is not known to return; {hint}"
    if target.source_environment_id == target.destination_environment_id:
        yield "source and destination are the same environment; correct one of the two IDs"
    elif target.source_url == target.destination_url:  # they have no ids: it is a custom domain
        yield "source and destination have the same custom domain; a domain belongs to only one environment"
    if target.prompt == "none" and Journey.AUTHORIZE in target.journeys:
        yield (
            "with PROMPT=none PingOne returns login_required, since a probe has no session, so every probe "
            "fails; remove it"
        )


def _federation_warnings(target: Target) -> Iterator[str]:
    """Yield warnings of federations that end early although more is set, and of settings without use."""
    application, signs_on = target.application, target.user is not None
    secret = application.client_secret if application is not None else None
    if Journey.FEDERATION not in target.journeys:
        if signs_on or secret is not None:
            yield (
                "USERNAME, PASSWORD and DESTINATION_CLIENT_SECRET are used by the journey federation only; "
                "add federation to JOURNEYS, or remove them"
            )
        return
    credentials = {} if target.user is None else asdict(target.user)
    for name, value in {**credentials, "destination_client_secret": secret}.items():
        # A secret file may hold them; from a variable they are an error.
        if value and value[0] in "'\"" and value[1:].endswith(value[0]):
            yield f"{name.upper()} is enclosed in quotes, which are sent as a part of it; remove them"
    if application is not None and signs_on and not application.redeems_code:
        yield (
            "USERNAME and PASSWORD are set, but DESTINATION_CLIENT_SECRET is not, so the code is never "
            "redeemed and no ID token is checked; set it, or DESTINATION_CLIENT_AUTH=none for a public client"
        )
    elif application is not None and signs_on and "openid" not in application.scope.split():
        yield "DESTINATION_SCOPE lacks openid, so PingOne issues no ID token and every probe fails; add it"
    if secret is not None and not signs_on:
        yield (
            "DESTINATION_CLIENT_SECRET is set, but USERNAME and PASSWORD are not, so probes end after "
            "source_authorize and never use it; set all of them"
        )


def count(number: int, noun: str) -> str:
    """Return a number with its noun, which is plural unless the number is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value >= 0.1 else "<0.1"  # noqa: PLR2004  what one decimal shows


def _without_query(uri: str) -> str:
    base, mark, _ = uri.partition("?")
    return f"{base}{mark}{_HIDDEN if mark else ''}"


def _without_user(proxy_url: str) -> str:
    _, mark, address = urlsplit(proxy_url).netloc.rpartition("@")
    return f"{address}{', with a user' if mark else ''}"
