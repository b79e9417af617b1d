"""Validated fields -> targets: defaults applied, locators found, fields compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.durations import format_duration
from exporter.settings.address import TOO_LONG, Locator
from exporter.settings.client_certificate import PAIR, check_client_certificate
from exporter.settings.draft import Draft, Layer, draft
from exporter.settings.field import Surroundings
from exporter.settings.mistake import InvalidSetting
from exporter.settings.schema import required
from exporter.settings.written import Place
from exporter.target import Target

_SOURCE = ("auth_url", "custom_domain", "region")
_DESTINATION = tuple(f"destination_{name}" for name in _SOURCE)
_REQUIRED = required()
_LONGEST_TIMEOUT = 10.0
"""Seconds; of a target that sets none."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of one target.

    Args:
        target: None if something that it needs is missing or wrong.
        enabled: whether it is to be probed.
        mistakes: what cannot be together; what is wrong with one value alone was told before.
    """

    target: Target | None
    enabled: bool
    mistakes: list[InvalidSetting]


def check_level(level: Layer, surroundings: Surroundings) -> list[InvalidSetting]:
    """Say what cannot be together on one level, a target's own or DEFAULTS, whatever the other says."""
    mistakes = [mistake for names in (_SOURCE, _DESTINATION) for mistake in _more_than_one(level, names)]
    return mistakes + check_client_certificate(level, surroundings)


def resolve(name: str, place: Place, own: Layer, defaults: Layer) -> Resolution:
    """Make a target from its own level and DEFAULTS, each of which was checked by itself."""
    mistakes: list[InvalidSetting] = []
    made = draft(name, place, own, defaults, mistakes)
    mistakes += _missing(made)
    source, destination = _locators(made, mistakes)
    mistakes += _id_in_url(made, source)
    timeout = _timeout(made, mistakes)
    enabled = made.fields.enabled or not made.is_right("enabled")
    return Resolution(_target(made, source, destination, timeout), enabled, mistakes)


def _missing(draft: Draft) -> list[InvalidSetting]:
    return [
        draft.place.beneath(name).mistake(f"is missing; set it to the {meaning}")
        for name, meaning in _REQUIRED.items()
        if draft.layer(name) is None
    ]


def _more_than_one(layer: Layer, names: Sequence[str]) -> list[InvalidSetting]:
    *others, last = layer.written(names) or names[:1]
    if not others:
        return []
    beside = " and ".join(str(layer.place(name)) for name in others)
    return [layer.place(last).mistake(f"cannot stand beside {beside}; keep one of them")]


def _locators(draft: Draft, mistakes: list[InvalidSetting]) -> tuple[Locator | None, Locator | None]:
    source_at, destination_at = draft.layer(*_SOURCE), draft.layer(*_DESTINATION)
    source = _locator(source_at, _SOURCE) if source_at else draft.fields.region
    if destination_at is not None:
        return source, _locator(destination_at, _DESTINATION)
    if source_at is not None and source_at.written(["custom_domain"]):
        mistakes.append(
            source_at.place("custom_domain").mistake(
                "belongs to the source alone; set where the destination answers, too, by DESTINATION_REGION, "
                "DESTINATION_AUTH_URL or DESTINATION_CUSTOM_DOMAIN"
            )
        )
    return source, source


def _id_in_url(draft: Draft, source: Locator | None) -> list[InvalidSetting]:
    """Say that an AUTH_URL was copied whole; the id would stand in it twice."""
    at, source_id = draft.layer("auth_url"), draft.fields.source_environment_id
    if at is None or source is None or not source_id or source_id not in source.url.lower():
        return []
    return [at.place("auth_url").mistake(TOO_LONG)]


def _locator(layer: Layer, names: Sequence[str]) -> Locator | None:
    first = layer.written(names)[0]
    locator: Locator | None = getattr(layer.fields, first) if layer.is_right(first) else None
    return locator


def _timeout(draft: Draft, mistakes: list[InvalidSetting]) -> float:
    fields = draft.fields
    timeout_at, interval_at = draft.layer("timeout"), draft.layer("interval")
    if timeout_at is None or fields.timeout is None:
        return min(_LONGEST_TIMEOUT, fields.interval / 2)
    if fields.timeout < fields.interval or not (draft.is_right("timeout") and draft.is_right("interval")):
        return fields.timeout
    timeout = timeout_at.place("timeout")
    if interval_at is None:
        usual = format_duration(fields.interval)
        mistakes.append(
            timeout.mistake(f"must be shorter than the interval, which is {usual} where none is set")
        )
    elif interval_at is draft.layers[0] and timeout_at is not interval_at:
        interval = interval_at.place("interval")
        mistakes.append(interval.mistake(f"must be longer than the timeout, which {timeout} sets"))
    else:
        interval = interval_at.place("interval")
        mistakes.append(timeout.mistake(f"must be shorter than the interval, which {interval} sets"))
    return fields.timeout


def _target(
    draft: Draft, source: Locator | None, destination: Locator | None, timeout: float
) -> Target | None:
    fields, pair_at = draft.fields, draft.layer(*PAIR)
    shown = None if pair_at is None else pair_at.fields
    source_id, destination_id = fields.source_environment_id, fields.destination_environment_id
    if not (source and destination and source_id and destination_id and fields.client_id):
        return None
    return Target(
        name=draft.name,
        source_environment_id=source_id,
        destination_environment_id=destination_id,
        client_id=fields.client_id,
        source_url=source.environment_url(source_id),
        redirect_uri=fields.redirect_uri
        or f"{destination.environment_url(destination_id)}/rp/callback/openid_connect",
        scope=fields.scope,
        prompt=fields.prompt,
        acr_values=fields.acr_values,
        login_hint=fields.login_hint,
        max_age=fields.max_age,
        pkce=fields.pkce,
        expected_statuses=fields.expected_statuses,
        latency_objective=fields.latency_objective,
        labels=draft.labels,
        journeys=(fields.journey,),
        interval=fields.interval,
        timeout=timeout,
        ca_file=fields.ca_file,
        # Both from one level: a key of another would not fit.
        client_certificate_file=shown.client_certificate_file if shown else None,
        client_key_file=shown.client_key_file if shown else None,
        ip_family=fields.ip_family,
        proxy_url=fields.proxy_url,
    )
