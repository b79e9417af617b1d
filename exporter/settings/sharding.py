"""Which of several exporters probes a target. Pure.

Rendezvous hashing (highest random weight): every shard has a weight for every name, and the heaviest
one probes it. All shards agree without talking to each other, and when their number grows by one, only
those targets move that the new shard wins.

A release must not change what is hashed: a rollout would then probe targets twice, or not at all.
"""

from __future__ import annotations

import hashlib
import re

from exporter.settings.values import whole

MOST_SHARDS = 100
_INDEX = re.compile(r"(?:[a-z0-9][-a-z0-9.]{0,251}-)?([0-9]{1,9})")


def shard_of(target: str, count: int) -> int:
    """Return which of `count` shards probes a target, from 0.

    Args:
        target: the target's name, in lower case.
        count: how many shards there are, at least 1.
    """
    return max(range(count), key=lambda shard: hashlib.sha256(f"{shard}/{target}".encode()).digest())


def shard_index(value: object) -> int:
    """Read the number of a shard, or the name of a pod that ends in it (a StatefulSet's ordinal)."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _INDEX.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(
            "is no shard; write its number, from 0, or the name of a pod that ends in it, "
            "for example exporter-2"
        )
    return int(match[1])


def shard_count(value: object) -> int:
    """Read among how many exporters the targets are shared."""
    count = whole(value, 1, "how many exporters share the targets, for example 3")
    if count > MOST_SHARDS:
        raise ValueError(f"is more than {MOST_SHARDS} shards; write fewer")
    return count
