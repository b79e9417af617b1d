"""Start the provider and the exporter of a soak, and read what the system knows about them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import httpx
import trustme

from benchmarks.processes import Program, ended
from benchmarks.soak.clients import PASSWORD, USER
from benchmarks.soak.readings import Log
from benchmarks.soak.scene import Watched, configured

MAX_DESCRIPTORS_AT_REST, MAX_THREADS_AT_REST, MAX_TASKS_AT_REST = 24, 12, 16
_START_SECONDS = 180.0
_PATIENCE_SECONDS = 60.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the system knows of the exporter's process at one moment.

    Args:
        at: monotonic seconds.
        megabytes: proportional set size.
        own_megabytes: the part of it that is no file: of a library's pages, the share of this process depends
            on how many others have them in use.
        live_megabytes: the part of that which is in use; the rest is held free, or is stacks and data of
            libraries.
        descriptors: open ones.
        threads: of the process.
        tasks: of the event loop.
    """

    at: float
    megabytes: float
    own_megabytes: float
    live_megabytes: float
    descriptors: int
    threads: int
    tasks: int

    @property
    def is_at_rest(self) -> bool:
        """Whether it has no more than an exporter with one probe in flight and without clients."""
        return (
            self.descriptors <= MAX_DESCRIPTORS_AT_REST
            and self.threads <= MAX_THREADS_AT_REST
            and 0 < self.tasks <= MAX_TASKS_AT_REST
        )


@dataclass(frozen=True, slots=True)
class Provider(Program):
    """The provider that runs.

    Args:
        process: the process.
        control: client of its control API.
        settings: of the targets of each environment.
    """

    control: httpx.AsyncClient
    settings: Mapping[str, Mapping[str, str]]


@contextmanager
def provider(rate: int, seen: Path) -> Iterator[Provider]:
    """Run the simulated provider."""
    module = ["-m", "benchmarks.soak.provider", f"--rate={rate}", f"--seen={seen}"]
    process = subprocess.Popen([sys.executable, *module], cwd=_ROOT, stdout=subprocess.PIPE)
    with ended(process):
        assert process.stdout is not None  # noqa: S101  for the type checker
        known = json.loads(process.stdout.readline())
        control = httpx.AsyncClient(base_url=known["control_url"], trust_env=False, timeout=_PATIENCE_SECONDS)
        yield Provider(process, control, known["settings"])


class Exporter:
    """The exporter that runs, and its configuration, which it reloads.

    Args:
        directory: for its files.
        all_watched: every target there may be.
        provider: what answers.
    """

    def __init__(self, directory: Path, all_watched: Sequence[Watched], provider: Provider) -> None:
        self._directory = directory
        self._watched = all_watched
        self._provider = provider
        self._config = directory / "config.yaml"
        self._facts = directory / "facts"
        self._facts.write_text('{"tasks": 0, "live_megabytes": 0.0}')
        authority = trustme.CA()
        pair = authority.issue_cert("localhost", "127.0.0.1")
        pair.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
        self.tls = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(8)).decode()
        (directory / "web.yaml").write_text(
            "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
            f"basic_auth_users: {{{USER}: '{hashed}'}}\n"
        )
        self.write(0)
        with (directory / "log").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("observed.py"), self._facts],
                cwd=directory,
                env=self._environ(),
                stderr=stderr,
            )
        self.process = process
        self.program = Program(process)
        self.address = self.health = ""

    def _environ(self) -> dict[str, str]:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(_ROOT),
            "FLOW_EXPORTER_CONFIG_FILE": str(self._config),
            "FLOW_EXPORTER_WEB__CONFIG_FILE": str(self._directory / "web.yaml"),
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
            "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS": "127.0.0.1:0",
            "FLOW_EXPORTER_SHUTDOWN_GRACE": "120s",
            "FLOW_EXPORTER_LOG__FORMAT": "json",
            "FLOW_EXPORTER_LOG__LEVEL": "debug",  # a line for each probe
        }
        for each in self._watched:
            given = self._provider.settings[each.environments[0]]
            if each.role == "signed":  # a password may not be in a file
                for name, value in each.settings(given, 0).items():
                    environ[f"FLOW_EXPORTER_TARGETS__{each.name}__{name}".upper()] = str(value)
        return environ

    def write(self, number: int, *, held: bool = False) -> None:
        """Write the configuration as it is after a number of reloads."""
        targets = {
            name: each.settings(self._provider.settings[each.environments[0]], number)
            for name, each in configured(self._watched, number, held=held).items()
            if each.role != "signed"
        }
        new = self._config.with_suffix(".new")
        new.write_text(json.dumps({"targets": targets}))  # JSON is YAML
        new.replace(self._config)

    async def wait_until_ready(self, log: Log) -> None:
        """Wait until it probes; exits if it ended instead."""
        give_up = time.monotonic() + _START_SECONDS
        while "started" not in log.events:
            if self.process.poll() is not None or time.monotonic() > give_up:
                sys.exit(f"the exporter did not start: {log.path.read_text()}")
            await asyncio.sleep(0.02)
            log.read()
        self.address = log.events["listening"]["address"]
        self.health = log.events["listening for health checks"]["address"]

    def read(self) -> Reading:
        """Return what the system knows of it (proc(5)), and what it knew itself a moment ago."""
        proc = Path(f"/proc/{self.process.pid}")
        facts = json.loads(self._facts.read_text())
        self.process.send_signal(signal.SIGUSR1)
        return Reading(
            at=time.monotonic(),
            megabytes=self.program.memory_mb(),
            own_megabytes=self.program.memory_mb("Pss_Anon"),
            live_megabytes=facts["live_megabytes"],
            descriptors=sum(1 for _ in (proc / "fd").iterdir()),
            threads=sum(1 for _ in (proc / "task").iterdir()),
            tasks=facts["tasks"],
        )
