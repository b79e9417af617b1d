"""Web port: what does a login cost a scrape, and what do others cost it who hold connections or guess?

    python benchmarks/web_port.py [--pairs 500] [--held 300]

Two installed commands side by side, one open and one with a user whose hash has cost 10, each scraped over a
connection that is kept, as Prometheus keeps one; pairs, first the one and then the other, each time the other
way round. The difference of a pair is what the login costs; the machine's moods are in both halves.

Then the guarded one again: while others hold connections and send nothing, and while others guess passwords.
Exit status 1 if a login costs more than 1 ms once it is known.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import http.client
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import bcrypt

from benchmarks.bench import exporter, percentile, show, two_cores, variables, verdict
from benchmarks.provider import provider

BOUND = 1.0
"""Milliseconds."""
COST = 10
TARGETS = 100
GUESSERS = 4
PASSWORD = b"correct horse battery"


def login(password: bytes = PASSWORD) -> dict[str, str]:
    """Return the header of a login."""
    return {"Authorization": f"Basic {base64.b64encode(b'scraper:' + password).decode()}"}


class Scraper:
    """A client that keeps its connection."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=30)
        self._headers = {"Accept-Encoding": "gzip", **headers}

    def scrape(self, status: int = 200) -> float:
        """Return how long a scrape took, in milliseconds."""
        begun = time.perf_counter()
        self._connection.request("GET", "/metrics", headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != status:
            sys.exit(f"a scrape was answered {answer.status}, not {status}")
        return took


def pairs(unguarded: Scraper, guarded: Scraper, count: int) -> list[float]:
    """Scrape both in turn; print, and return the differences."""
    plain, known, differences = [], [], []
    for number in range(count):
        if number % 2:
            plain.append(unguarded.scrape())
            known.append(guarded.scrape())
        else:
            known.append(guarded.scrape())
            plain.append(unguarded.scrape())
        differences.append(known[-1] - plain[-1])
    show("a scrape without login", plain)
    show("a scrape with a known login", known)
    show("difference, pair by pair", differences)
    print(f"{'':<34} p25 {percentile(differences, 0.25):.2f}, p75 {percentile(differences, 0.75):.2f}")
    return differences


def beside_holders(address: str, guarded: Scraper, held: int) -> None:
    """Scrape while others hold connections without a word."""
    host, port = address.split(":")
    with ExitStack() as connections:
        for _ in range(held):
            connections.enter_context(socket.create_connection((host, int(port)), timeout=30))
        show(f"beside {held} silent connections", [guarded.scrape() for _ in range(100)])


def beside_guessers(address: str, guarded: Scraper) -> None:
    """Scrape while others try one wrong password after the other."""
    over = threading.Event()
    guesses: list[int] = []

    def guess() -> None:
        connection = http.client.HTTPConnection(address, timeout=30)
        while not over.is_set():
            guesses.append(len(guesses))
            connection.request("GET", "/metrics", headers=login(b"%d" % guesses[-1]))
            connection.getresponse().read()

    threads = [threading.Thread(target=guess) for _ in range(GUESSERS)]
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    times = []
    while time.perf_counter() - begun < 5:  # noqa: PLR2004  seconds
        times.append(guarded.scrape())
        time.sleep(0.02)
    over.set()
    for thread in threads:
        thread.join()
    show(f"beside {GUESSERS} that guess", times)
    print(f"{'':<34} {len(guesses) / (time.perf_counter() - begun):.0f} guesses a second")


async def measure(count: int, held: int) -> list[float]:
    """Run both commands, and return the differences."""
    with tempfile.TemporaryDirectory() as directory:
        stored = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(COST)).decode()
        web = Path(directory) / "web.yml"
        web.write_text(f"basic_auth_users:\n  scraper: {stored}\n")
        async with provider() as port:
            names: dict[str, dict[str, str]] = {f"target_{number:03}": {} for number in range(TARGETS)}
            environ = variables(names, auth_url=f"http://127.0.0.1:{port}", interval="60s")
            secured = {**environ, "FLOW_EXPORTER_WEB__CONFIG_FILE": str(web)}
            async with exporter(environ) as unguarded, exporter(secured) as guarded:
                await asyncio.sleep(TARGETS * 0.05 + 2)  # until each has been probed once
                return await asyncio.to_thread(scrapes, unguarded.address, guarded.address, count, held)


def scrapes(unguarded: str, guarded: str, count: int, held: int) -> list[float]:
    """Scrape in all ways, print, and return the differences of the pairs."""
    plain, known = Scraper(unguarded, {}), Scraper(guarded, login())
    plain.scrape()
    print(f"{'the first login':<34} {known.scrape():16.2f} ms")
    differences = pairs(plain, known, count)
    beside_holders(guarded, known, held)
    beside_guessers(guarded, known)
    return differences


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description="What a login costs a scrape.")
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--held", type=int, default=300)
    options = parser.parse_args()
    two_cores()
    median = statistics.median(asyncio.run(measure(options.pairs, options.held)))
    kept = verdict(median <= BOUND, f"a known login costs a scrape {median:.2f} ms, at most {BOUND:.0f} ms")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
