"""The warm-up: what the first probe would have to build is there, without side effects."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn, cast

from harness.targets import changed
from probing.examples import a_target
from probing.loopback import loop, run

from exporter.outcome import Outcome
from exporter.probing.probe import Prober
from exporter.probing.ssl_contexts import SSLContexts
from exporter.probing.warm_up import warm_up
from exporter.target import Journey, Target

if TYPE_CHECKING:
    import pytest
    from harness.certificates import Authority


FIRST_PROBE = """
import asyncio, sys
from exporter.probing import Prober, SSLContexts, warm_up
from exporter.target import Journey, Target

ANSWER = b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}'

async def answer(reader, writer):
    await reader.readuntil(b'\\r\\n\\r\\n')
    writer.write(ANSWER)
    writer.close()

async def main():
    server = await asyncio.start_server(answer, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    target = Target(name='t', source_environment_id='s', destination_environment_id='d', client_id='c',
                    source_url=f'http://localhost:{port}', redirect_uri='https://rp.example/')
    prober = Prober(SSLContexts([target]))
    await warm_up(prober)
    before = set(sys.modules)
    outcome = await prober(target, Journey.AUTHORIZE)
    assert outcome.reason == 'not_a_flow', outcome
    print(sorted(set(sys.modules) - before))
    server.close()

asyncio.run(main())
"""


def test_the_first_probe_after_it_imports_nothing_more() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PROBE], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == "[]"


def test_it_covers_a_plain_exchange_and_a_handshake_without_logging(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    walked: list[Outcome] = []

    async def main() -> None:
        # No target is without a CA_FILE, as in a closed network.
        prober = Prober(SSLContexts([a_target(ca_file=authority.ca_file)]))

        async def watched(target: Target, journey: Journey) -> Outcome:
            walked.append(await prober(changed(target, timeout=60.0), journey))
            return walked[-1]

        await warm_up(cast("Prober", watched))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    assert [outcome.reason.value for outcome in walked] == ["not_a_flow"] * 3 + ["tls"] * 3
    assert not caplog.records


def test_a_closed_loopback_is_logged_and_not_fatal(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> NoReturn:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    async def main() -> None:
        monkeypatch.setattr(loop(), "create_server", refuse)
        await warm_up(Prober(SSLContexts([])))

    run(main())
    (record,) = caplog.records
    assert record.getMessage() == "warm-up skipped: no loopback socket"
    assert vars(record)["errno"] == errno.EADDRNOTAVAIL
