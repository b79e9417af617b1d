"""Resolving: do names whose look-up hangs leave a healthy name's alone?

    python benchmarks/resolving.py [--names 50] [--lookups 200] [--rounds 5]

In this process, with the prober's own `Resolver`: the time that resolving `localhost` takes, through the
system's resolver, alone and while the look-ups of other names hang: one for each of them, as many as
`Resolver` starts for a name, and that with a probe of each once a second besides, joining what hangs. The
cases take turns; medians over the rounds. For comparison the event loop's own `getaddrinfo`, with as many
hanging in its pool; it is given up after two seconds. Exit status 1 if hanging look-ups add more than a
millisecond to the median, or more than three to the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.bench import percentile, two_cores, verdict
from exporter.probing.resolver import Resolver, system_addresses
from exporter.target import IpFamily

HEALTHY = "localhost"
PACE = 0.01
GIVEN_UP = 2.0
MORE_THAN_STARTED = 5
"""Look-ups asked for at once for each name; more than `Resolver` starts."""
P50_MS, P99_MS = 1.0, 3.0


async def times(resolve: Callable[[str], Awaitable[object]], count: int) -> list[float]:
    """Return the milliseconds that each of `count` resolutions took, one begun each 10 ms."""
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        await resolve(HEALTHY)
        took.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(PACE)
    return took


@asynccontextmanager
async def hanging(names: int, each: int, *, probed: bool) -> AsyncIterator[Resolver]:
    """Yield a resolver with that many look-ups under way for each of some names.

    Args:
        names: how many.
        each: how many are asked for at once for each of them; what they take ends with the block.
        probed: whether each name is asked for once a second besides, and given up after half of one.
    """
    over = threading.Event()

    def look_up(host: str, family: IpFamily) -> tuple[str, ...]:
        if host == HEALTHY:
            return system_addresses(host, family)
        over.wait()
        raise OSError("hung")

    resolver = Resolver(look_up)
    hosts = [f"hanging-{number}.example" for number in range(names)]
    tasks: list[asyncio.Future[object]] = [
        asyncio.ensure_future(resolver(host)) for host in hosts for _ in range(each)
    ]

    async def probe(number: int) -> None:
        await asyncio.sleep(number / names)
        while True:
            try:
                async with asyncio.timeout(0.5):
                    await resolver(hosts[number])
            except TimeoutError:
                await asyncio.sleep(0.5)

    tasks += [asyncio.ensure_future(probe(number)) for number in range(names if probed else 0)]
    await asyncio.sleep(0.1)
    try:
        yield resolver
    finally:
        for task in tasks:
            task.cancel()
        over.set()
        await asyncio.gather(*tasks, return_exceptions=True)


async def through_the_pool(names: int) -> float | None:
    """Return the milliseconds of the loop's own resolution with that many hanging, None when given up."""
    over = threading.Event()
    loop = asyncio.get_running_loop()
    stuck = [loop.run_in_executor(None, over.wait) for _ in range(names)]
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(GIVEN_UP):
            await loop.getaddrinfo(HEALTHY, None)
    except TimeoutError:
        return None
    else:
        return (time.perf_counter() - begun) * 1000
    finally:
        over.set()
        await asyncio.gather(*stuck)


async def measure(names: int, count: int, rounds: int) -> bool:
    """Print all, and return whether the bounds are kept."""
    cases = {
        "alone": (0, 0, False),
        f"{names} hang": (names, 1, False),
        f"{names} hang, as often as may be": (names, MORE_THAN_STARTED, False),
        f"{names} hang, and are probed each second": (names, MORE_THAN_STARTED, True),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    threads = dict.fromkeys(cases, 0)
    for _ in range(rounds):
        for name, (how_many, each, probed) in cases.items():
            async with hanging(how_many, each, probed=probed) as resolver:
                took = await times(resolver, count)
                threads[name] = threading.active_count()
            found[name].append((statistics.median(took), percentile(took, 0.99)))
    medians = {name: tuple(map(statistics.median, zip(*runs, strict=True))) for name, runs in found.items()}
    for name, (p50, p99) in medians.items():
        print(f"{name:<44} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {threads[name]:4} threads")
    pool = await through_the_pool(names)
    told = f"given up after {GIVEN_UP:g} s" if pool is None else f"{pool:6.2f} ms"
    print(f"{f'the event loop itself, {names} hang':<44} {told}")
    (alone_p50, alone_p99), *others = medians.values()
    kept = [
        verdict(
            p50 - alone_p50 <= P50_MS and p99 - alone_p99 <= P99_MS,
            f"{name}: p50 {p50 - alone_p50:+.2f} ms, p99 {p99 - alone_p99:+.2f} ms, "
            f"ratios {p50 / alone_p50:.2f} and {p99 / alone_p99:.2f}",
        )
        for name, (p50, p99) in zip(list(medians)[1:], others, strict=True)
    ]
    return all(kept)


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", type=int, default=50)
    parser.add_argument("--lookups", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    two_cores()
    sys.exit(0 if asyncio.run(measure(options.names, options.lookups, options.rounds)) else 1)


if __name__ == "__main__":
    main()
