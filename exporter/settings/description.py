"""Settings in words, for `check-config`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from exporter.durations import format_duration
from exporter.settings.config import Config
from exporter.target import IpFamily, Target
from exporter.tls import WebSecurity

_HIDDEN = "(set)"
_NONE = "none"
_IP_FAMILIES = {IpFamily.ANY: "any", IpFamily.V4: "IPv4 alone", IpFamily.V6: "IPv6 alone"}


def describe(settings: Config) -> str:
    """Write the resolved settings for a reader: a block per target, then the exporter itself.

    A login hint may name a person, a query may hold anything, and a proxy's user and password are nobody's
    business: of all these only their presence is shown.
    """
    blocks = [_block(f"target {target.name}", _target(target)) for target in settings.targets]
    blocks.append(_block("exporter", _exporter(settings)))
    return "\n\n".join(blocks)


def _block(title: str, rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join([title, *(f"  {name:<24}{value}" for name, value in rows)])


def _target(target: Target) -> Iterator[tuple[str, str]]:
    yield "authorize URL", f"{target.source_url}/as/authorize"
    yield "source environment", target.source_environment_id
    yield "destination environment", target.destination_environment_id
    yield "client id", target.client_id
    yield "redirect URI", _without_query(target.redirect_uri)
    yield "scope", target.scope
    for name, value in (("prompt", target.prompt), ("ACR values", target.acr_values)):
        if value is not None:
            yield name, value
    if target.login_hint is not None:
        yield "login hint", _HIDDEN
    if target.max_age is not None:
        yield "max age", f"{target.max_age} seconds"
    yield "PKCE", "yes" if target.pkce else "no"
    yield "expected statuses", ", ".join(target.expected_statuses)
    yield "journey", ", ".join(target.journeys)
    yield "interval", format_duration(target.interval)
    yield "timeout", format_duration(target.timeout)
    yield "latency objective", format_duration(target.latency_objective)
    yield "trusted authorities", "the system's" if target.ca_file is None else str(target.ca_file)
    if target.client_certificate_file is not None:
        yield "client certificate", str(target.client_certificate_file)
    if target.client_key_file is not None:
        yield "client key", str(target.client_key_file)
    yield "IP family", _IP_FAMILIES[target.ip_family]
    yield "proxy", _NONE if target.proxy_url is None else _without_user(target.proxy_url)
    if target.labels:
        yield "labels", ", ".join(f"{name}={value}" for name, value in target.labels)


def _exporter(settings: Config) -> Iterator[tuple[str, str]]:
    yield "targets", str(len(settings.targets))
    if settings.shard.count > 1:
        yield "shard", _shard(settings)
    if settings.disabled:
        yield "disabled targets", ", ".join(settings.disabled)
    yield "listen addresses", ", ".join(str(address) for address in settings.web.listen_addresses)
    if settings.web.security is not None:
        yield "web security", ", ".join(_security(settings.web.security))
    if settings.web.health_listen_addresses:
        yield (
            "health addresses",
            ", ".join(str(address) for address in settings.web.health_listen_addresses),
        )
    if settings.web.external_url is not None:
        yield "external URL", settings.web.external_url
    yield "concurrent probes", f"at most {settings.max_concurrent_probes}"
    yield "shutdown grace", format_duration(settings.shutdown_grace)
    yield "duration buckets", ", ".join(f"{bound:g}" for bound in settings.duration_buckets)
    yield (
        "egress check",
        _NONE if settings.egress_check is None else _without_query(settings.egress_check.url),
    )
    yield "log", f"{settings.log.format}, from level {settings.log.level}"


def _security(security: WebSecurity) -> Iterator[str]:
    if security.tls is None:
        yield "no TLS"
    elif security.tls.authorities is None:
        yield "TLS"
    else:
        yield f"TLS, client certificates {'required' if security.tls.certificate_required else 'if given'}"
    count = len(security.users)
    yield f"{count} user{'' if count == 1 else 's'}" if count else "no login"
    if security.headers:
        yield f"headers {' '.join(name for name, _ in security.headers)}"
    if security.rate_limit is not None:
        yield f"at most {1 / security.rate_limit.interval:g} requests per second"


def _shard(settings: Config) -> str:
    shard, own = settings.shard, len(settings.targets)
    return f"{shard.index} of 0 to {shard.count - 1}, with {own} of {own + len(shard.elsewhere)} targets"


def _without_query(uri: str) -> str:
    base, mark, _ = uri.partition("?")
    return f"{base}{mark}{_HIDDEN if mark else ''}"


def _without_user(proxy_url: str) -> str:
    _, mark, place = urlsplit(proxy_url).netloc.rpartition("@")
    return f"{place}{', with a user' if mark else ''}"
