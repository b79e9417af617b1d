"""First numbers: does the exporter measure the provider, or itself?

    python benchmarks/first_numbers.py [--runs 5] [--load-seconds 60]

Starts the installed command against a server of its own on loopback and prints, as the median of
several runs with minimum and maximum:

    ready                from exec to the first 200 of /-/ready
    first minus tenth    duration of a process' first probe minus that of its tenth
    processing           what is reported for a server that waits 200 ms
    load                 100 targets a second: probes counted, requests seen, missed, overrun, lag
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from benchmarks.bench import answer, bound_of, buckets, exporter, flow, page, show, value, variables


class Provider(asyncio.Protocol):
    """Answers every request with a flow after a wait; counts what it saw."""

    seen = 0
    wait = 0.0
    flow = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type checker
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer once the request's head is there."""
        self.buffer += data
        if self.buffer.endswith(b"\r\n\r\n"):
            self.buffer = b""
            type(self).seen += 1
            asyncio.get_running_loop().call_later(type(self).wait, self.answer)

    def answer(self) -> None:
        """Send the flow."""
        if not self.transport.is_closing():
            self.transport.write(answer(type(self).flow))


def settings(port: int, targets: int, interval: str) -> dict[str, str]:
    """Return the settings of a number of targets that one provider answers."""
    return variables(
        {f"target_{number:03}": {} for number in range(targets)},
        auth_url=f"http://127.0.0.1:{port}",
        interval=interval,
        timeout="900ms" if interval == "1s" else "150ms",
    )


async def first_and_tenth(port: int) -> tuple[float, float]:
    """Return seconds until ready, and the first probe's duration minus the tenth's."""
    Provider.wait = 0.0
    durations: list[float] = []
    async with exporter(settings(port, 1, "200ms")) as daemon:
        count, total = 0.0, 0.0
        while len(durations) < 10:  # noqa: PLR2004  the tenth
            text = await page(daemon.address, "/metrics")
            now_count = value(text, "pingone_flow_probe_duration_seconds_count")
            now_total = value(text, "pingone_flow_probe_duration_seconds_sum")
            if now_count > count:
                durations += [(now_total - total) / (now_count - count)] * int(now_count - count)
                count, total = now_count, now_total
            await asyncio.sleep(0.02)
    return daemon.ready_after, durations[0] - durations[9]


async def processing(port: int) -> list[float]:
    """Return what is reported for the processing of a server that waits 200 ms, probe by probe."""
    Provider.wait = 0.2
    reported: list[float] = []
    async with exporter(settings(port, 1, "1s")) as daemon:
        last_run = 0.0
        while len(reported) < 5:  # noqa: PLR2004  enough for a median
            text = await page(daemon.address, "/metrics")
            run = value(text, "pingone_flow_probe_last_run_timestamp_seconds")
            if run > last_run:
                last_run = run
                reported.append(value(text, "pingone_flow_step_last_duration_seconds", phase="processing"))
            await asyncio.sleep(0.05)
    return reported


async def load(port: int, seconds: float) -> None:
    """Print counts and lag of 100 targets a second, scraped each second."""
    Provider.wait, Provider.seen = 0.05, 0
    async with exporter(settings(port, 100, "1s")) as daemon:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await page(daemon.address, "/metrics")
            await asyncio.sleep(1)
        # While it drains nothing is begun, so that every request seen is either counted or in flight.
        Provider.wait = 0.8
        await asyncio.sleep(0.3)
        daemon.process.terminate()
        while await page(daemon.address, "/-/ready") == "ready":  # noqa: ASYNC110  another process
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        text, seen = await page(daemon.address, "/metrics"), Provider.seen
    counted = value(text, "pingone_flow_probes_total")
    good = value(text, "pingone_flow_probes_total", reason="ok")
    in_flight = value(text, "pingone_flow_exporter_probes_in_flight")
    print(f"{'load, probes counted + in flight':<34} {counted:.0f} + {in_flight:.0f} ({good:.0f} ok)")
    print(f"{'load, requests seen':<34} {seen}")
    for cause in ("missed", "overrun"):
        skipped = value(text, "pingone_flow_exporter_probes_skipped_total", cause=cause)
        print(f"{'load, ' + cause:<34} {skipped:.0f}")
    lag = buckets(text, "pingone_flow_exporter_schedule_lag_seconds")
    for share in (0.5, 0.99):
        bound = bound_of(lag, share)
        print(f"{f'load, schedule lag p{share * 100:.0f}':<34} at most {bound * 1000:.1f} ms")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--load-seconds", type=float, default=60)
    options = parser.parse_args()
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    Provider.flow = flow(port)
    async with server:
        pairs = [await first_and_tenth(port) for _ in range(options.runs)]
        show("ready after", [ready * 1000 for ready, _ in pairs])
        show("first probe minus tenth", [difference * 1000 for _, difference in pairs])
        reported = [statistics.median(await processing(port)) for _ in range(options.runs)]
        show("processing of a 200 ms server", [seconds * 1000 for seconds in reported])
        await load(port, options.load_seconds)


if __name__ == "__main__":
    asyncio.run(main())
