"""What expires next: client secrets, certificates and signing keys, soonest first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from exporter.status import TargetStatus
from exporter.target import Journey, side_of

DAY = 86_400.0


class Expiring(StrEnum):
    """The kinds of things that expire."""

    CLIENT_SECRET = "client_secret", "client secret", "PingOneClientSecretExpires"
    """The federation's client secret, by `SECRET_EXPIRES`."""
    CERTIFICATE = "certificate", "certificate", "PingOneCertificateExpires", 21
    """A server's own certificate."""
    CHAIN = "chain", "certificate chain", "PingOneCertificateChainExpires"
    """A certificate above it that the server sent, if it expires earlier."""
    SIGNING_KEY = "signing_key", "signing keys' last certificate", "PingOneSigningKeysExpire"
    """The last certificate of the source's signing keys."""

    label: str
    alert: str  # followed by `Soon` or `Now`
    soon_seconds: float  # the threshold of its alert rule

    def __new__(cls, value: str, label: str, alert: str, soon_days: int = 30) -> Self:
        """Create a member."""
        kind = str.__new__(cls, value)
        kind._value_ = value
        kind.label, kind.alert, kind.soon_seconds = label, alert, soon_days * DAY
        return kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One thing that expires."""

    target: str  # name of the target that it belongs to, the first one if it belongs to several
    what: Expiring
    step: str | None  # the step that saw it; None for a client secret
    at: float  # when it expires, seconds since the epoch; may be past
    host: str = ""  # the server that it belongs to, with its port if it has one; empty if unknown
    others: int = 0  # number of further targets that it belongs to


def soonest_first(expiries: Iterable[Expiry]) -> tuple[Expiry, ...]:
    """Return everything that expires, soonest first; what targets of one host share is there once."""
    found: dict[tuple[object, ...], list[Expiry]] = {}
    for expiry in expiries:
        found.setdefault((expiry.what, expiry.at, expiry.host or expiry.target), []).append(expiry)
    shared = [
        replace(min(same, key=lambda one: one.target), others=len({one.target for one in same}) - 1)
        for same in found.values()
    ]
    return tuple(sorted(shared, key=lambda expiry: (expiry.at, expiry.target, expiry.what)))


def expiries_of(status: TargetStatus) -> Iterator[Expiry]:
    """Yield what expires of a target and journey."""
    name, leaves = status.target.name, dict(status.leaf_expiries)
    if (at := status.target.secret_expires) is not None:
        yield Expiry(target=name, what=Expiring.CLIENT_SECRET, step=None, at=at)
    for step, at in leaves.items():
        yield _server_expiry(status, Expiring.CERTIFICATE, step, at)
    for step, at in status.chain_expiries:
        if at < leaves.get(step, float("inf")):  # the chain includes the leaf
            yield _server_expiry(status, Expiring.CHAIN, step, at)
    if status.discovery is not None and status.discovery.certificate_expiry is not None:
        yield _server_expiry(status, Expiring.SIGNING_KEY, "jwks", status.discovery.certificate_expiry)


def _server_expiry(status: TargetStatus, what: Expiring, step: str, at: float) -> Expiry:
    target, host = status.target, status.target.first_host(status.journey)
    if status.journey is not Journey.DISCOVERY:
        host = target.host_of(side_of(step))
    return Expiry(target=target.name, what=what, step=step, at=at, host=host)
