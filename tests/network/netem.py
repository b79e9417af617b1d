"""What one direction of a path does to packets, in the words of tc-netem(8). No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Netem:
    """Settings of netem, and a size limit.

    Args:
        delay: milliseconds.
        jitter: milliseconds by which the delay varies, evenly, to either side.
        loss: percent of packets that are dropped.
        reorder: percent of packets that are not delayed and so overtake others.
        mtu: larger packets are dropped without a word; a power of two, minus one.
    """

    delay: int = 0
    jitter: int = 0
    loss: int = 0
    reorder: int = 0
    mtu: int | None = None

    def arguments(self) -> list[str]:
        """Return the arguments of `tc qdisc … netem`."""
        words = ["delay", f"{self.delay}ms"]
        if self.jitter:
            words.append(f"{self.jitter}ms")
        if self.loss:
            words += ["loss", f"{self.loss}%"]
        if self.reorder:
            words += ["reorder", f"{self.reorder}%"]
        return words

    def length_bits(self) -> Iterator[int]:
        """Yield the bits of which one is set in the length of a packet that is larger than `mtu`."""
        bit = 0x10000 if self.mtu is None else self.mtu + 1
        while bit < 0x10000:
            yield bit
            bit <<= 1

    def seconds(self, length: int, random: Random) -> float | None:
        """Return how long a packet of so many bytes is delayed; None if it is dropped."""
        if self.mtu is not None and length > self.mtu:
            return None
        if random.random() * 100 < self.loss:
            return None
        if random.random() * 100 < self.reorder:
            return 0.0
        return max(0.0, self.delay + random.uniform(-self.jitter, self.jitter)) / 1000


CLEAR = Netem()
CUT = Netem(loss=100)
