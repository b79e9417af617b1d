"""What a soak watches: environments, targets, what goes wrong with them, and what reloads change. No I/O.

authorize_1 … (https: every third)    ten targets each, probed once a second
discovery_1 …                         likewise
federated_1 … hub_1 …                 federations up to the source's sign-on page, likewise
signed_1 → hub_9                      two federations with a password: every 30 s, more is not allowed
changing_1                            its targets change with each reload: new probes, or only new labels
coming_1                              its targets are there after every second reload
held_1                                one probe that lasts while the exporter stops
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exporter.scheduling import FIRST_PROBE_SPACING
from exporter.simulator import Environment, IdentityProvider, plain_environments
from exporter.target import Journey

TARGETS_PER_ENVIRONMENT = 10
"""The first probes of one port are 50 ms apart."""
_HTTPS_EVERY = 3
_SHARES = {"authorize": 0.70, "discovery": 0.10, "federated": 0.10, "changing": 0.06, "coming": 0.08}
"""Of the rate. `coming` counts half: its targets are there half of the time."""
HELD = "held"
CHANGING, COMING = "changing", "coming"
_HUBS = {"federated": "hub", "signed": "signed_hub"}

_EVERYWHERE: tuple[Mapping[str, Any], ...] = (
    {"weather": "slow", "ms": 100, "jitter": 100},
    {"weather": "slow", "ms": 3000},
    {"weather": "flaky"},
    {"weather": "rate_limited", "retry_after": 1},
    *(
        {"weather": kind}
        for kind in ("error_json", "error_html", "silent", "refused", "reset", "maintenance")
    ),
)
_OF_ROLE: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "authorize": tuple(
        {"weather": kind}
        for kind in (
            "flow_failed",
            "policy_changed",
            "client_deleted",
            "redirect_uri_removed",
            "clock_skewed",
        )
    ),
    "discovery": (
        *({"weather": "metadata_invalid", "wrong": wrong} for wrong in ("issuer", "json", "member")),
        *({"weather": "keys_invalid", "wrong": wrong} for wrong in ("missing", "weak", "private")),
        {"weather": "keys_rotated"},
    ),
    "federated": ({"weather": "policy_changed"}, {"weather": "client_deleted"}),
    "hub": (
        {"weather": "provider_missing"},
        {"weather": "provider_disabled"},
        {"weather": "silent", "endpoint": "initiate"},
        {"weather": "reset", "endpoint": "initiate"},
    ),
    "signed": (
        {"weather": "mfa_required"},
        {"weather": "state_lost"},
        {"weather": "id_token_invalid"},
        {"weather": "silent", "endpoint": "resume"},
    ),
    "signed_hub": (
        *({"weather": kind} for kind in ("secret_expired", "linking_required", "token_refused")),
        {"weather": "id_token_invalid", "wrong": "nonce"},
        {"weather": "reset", "endpoint": "callback"},
    ),
}
_WITH_TLS: tuple[Mapping[str, Any], ...] = ({"weather": "tls_expired"}, {"weather": "tls_wrong_name"})
HEALTHY: Mapping[str, Any] = {"weather": "healthy"}
FAILING: Mapping[str, Any] = {"weather": "error_json"}
"""Where memory is compared: after so many probes as are kept of a target, everything kept is of one kind."""
MAX_WEATHER_SECONDS, _MAX_WARM_UP_WEATHER_SECONDS = 8.0, 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A target of the soak.

    Args:
        name: of the target.
        role: what it is there for; environments are named by it.
        journey: the only one that is probed.
        environments: names of those that its probes send requests to, the one of its settings first.
        interval: seconds.
        timeout: seconds.
        delay: seconds by which its first probe waits for others of its environment.
    """

    name: str
    role: str
    journey: Journey
    environments: tuple[str, ...]
    interval: float
    timeout: float
    delay: float

    def settings(self, given: Mapping[str, str], number: int) -> dict[str, Any]:
        """Return its settings after a number of reloads.

        Args:
            given: what the provider says of its environment.
            number: of reloads so far.
        """
        prefix = "" if self.journey is Journey.AUTHORIZE else f"{self.journey}_"
        settings: dict[str, Any] = {name.lower(): value for name, value in given.items()}
        settings |= {
            "journeys": self.journey.value,
            f"{prefix}interval": f"{self.interval * 1000:.0f}ms",
            f"{prefix}timeout": f"{self.timeout * 1000:.0f}ms",
        }
        if self.role == "federated":
            for of_user in ("username", "password", "destination_client_secret"):
                settings.pop(of_user, None)
        if self.role == CHANGING:
            settings["labels"] = {"reload": f"r{number}"}
            if self.is_restarted:
                settings["scope"] = f"openid r{number % 2}"
        return settings

    @property
    def is_restarted(self) -> bool:
        """Whether each reload ends its probes and starts them anew."""
        return self.role == CHANGING and self.name.endswith(("0", "2", "4", "6", "8"))

    @property
    def lives_all_the_time(self) -> bool:
        """Whether it is there from the start to the end."""
        return self.role not in {COMING, HELD}


def watched(rate: int) -> tuple[Watched, ...]:
    """Return every target for about `rate` probes a second."""
    found = [each for role in _SHARES for each in _of_role(role, rate)]
    found += [
        Watched(
            name=f"signed_{number}",
            role="signed",
            journey=Journey.FEDERATION,
            environments=("signed_1", "signed_hub_1"),
            interval=30.0,
            timeout=8.0,
            delay=number * FIRST_PROBE_SPACING,
        )
        for number in range(2)
    ]
    found.append(
        Watched(
            name=f"{HELD}_0",
            role=HELD,
            journey=Journey.AUTHORIZE,
            environments=(f"{HELD}_1",),
            interval=300.0,
            timeout=120.0,
            delay=0.0,
        )
    )
    return tuple(found)


def _of_role(role: str, rate: int) -> Iterator[Watched]:
    journey = {"discovery": Journey.DISCOVERY, "federated": Journey.FEDERATION}.get(role, Journey.AUTHORIZE)
    for number in range(max(2, round(_SHARES[role] * rate))):
        where, place = divmod(number, TARGETS_PER_ENVIRONMENT)
        names = (f"{role}_{where + 1}", *([f"{_HUBS[role]}_{where + 1}"] if role in _HUBS else []))
        yield Watched(
            name=f"{role}_{number:04}",
            role=role,
            journey=journey,
            environments=names,
            interval=1.0,
            timeout=0.7,
            delay=place * FIRST_PROBE_SPACING,
        )


def environments(rate: int) -> tuple[Environment, ...]:
    """Return the environments of all targets."""
    names = sorted({name for each in watched(rate) for name in each.environments})
    made = {
        name: replace(plain, name=name, https=number % _HTTPS_EVERY == 0)
        for number, (name, plain) in enumerate(zip(names, plain_environments(len(names)), strict=True))
    }
    for source, hub in sorted({each.environments for each in watched(rate) if len(each.environments) > 1}):
        application = made[source].applications[0]
        provider = IdentityProvider(
            id=str(uuid5(NAMESPACE_URL, hub)),
            source=source,
            client_id=application.client_id,
            client_secret=application.client_secret,
        )
        made[hub] = replace(made[hub], providers=(provider,))
    return tuple(made.values())


def failures_of(environment: Environment) -> tuple[Mapping[str, Any], ...]:
    """Return all that goes wrong with an environment, one after the other."""
    role = environment.name.rpartition("_")[0]
    if role == HELD:
        return (HEALTHY,)
    role = "authorize" if role in {CHANGING, COMING} else role
    return (*_EVERYWHERE, *_OF_ROLE[role], *(_WITH_TLS if environment.https else ()))


def weather_of(environment: Environment, chance: random.Random) -> Mapping[str, Any]:
    """Return what goes wrong with an environment next, as `chance` decides: half of the time nothing."""
    return HEALTHY if chance.random() < 1 / 2 else chance.choice(failures_of(environment))


def until_next_weather(chance: random.Random, *, warm: bool) -> float:
    """Return for how many seconds the weather of an environment stays; before all is warm, not for long."""
    return chance.uniform(1.0, MAX_WEATHER_SECONDS if warm else _MAX_WARM_UP_WEATHER_SECONDS)


def configured(all_watched: Sequence[Watched], number: int, *, held: bool = False) -> dict[str, Watched]:
    """Return the targets that are configured after a number of reloads, by name."""
    return {
        each.name: each
        for each in all_watched
        if each.lives_all_the_time or (each.role == COMING and number % 2) or (each.role == HELD and held)
    }
