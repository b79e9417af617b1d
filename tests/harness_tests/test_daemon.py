"""The command is started clean, found where it listens, waited for and never left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.daemon import LISTENING, Daemon, run_command

if TYPE_CHECKING:
    from harness.factory import Factory

STAND_IN = r"""
import http.server, os, signal, sys
scrapes = 0
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global scrapes
        scrapes += 1
        body = f'# TYPE pingone_flow_scrapes gauge\npingone_flow_scrapes{{target="x"}} {scrapes}\n'.encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/die":
            os._exit(3)
    def log_message(self, *_): pass
host, _, port = os.environ["FLOW_EXPORTER_WEB__LISTEN_ADDRESS"].rpartition(":")
server = http.server.HTTPServer((host, int(port)), Page)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
sys.stderr.write(f"level=info event=listening address={host}:{server.server_port} arguments={sys.argv[1:]}\n")
sys.stderr.flush()
server.serve_forever()
"""
STUBBORN = r"""
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("event=listening address=h:1", file=sys.stderr, flush=True)
time.sleep(3600)
"""
MUTE = "import sys; print('started', file=sys.stderr); sys.exit(2)"


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_sees_only_the_variables_it_was_given(daemon: Factory[..., Daemon], tmp_path: Path) -> None:
    script = (
        f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'seen')!r}, 'w'))\n" + STAND_IN
    )
    os.environ["FLOW_EXPORTER_STRAY"] = "x"
    try:
        running = daemon({"FLOW_EXPORTER_A": "1"}, command=python(script))
    finally:
        del os.environ["FLOW_EXPORTER_STRAY"]
    seen = json.loads((tmp_path / "seen").read_text())
    ours = {name for name in seen if not name.startswith(("COVERAGE_", "LC_CTYPE"))}
    assert ours == {"PATH", "HOME", "FLOW_EXPORTER_A", "FLOW_EXPORTER_WEB__LISTEN_ADDRESS"}
    assert seen["HOME"] == str(running.directory)
    assert list(running.directory.iterdir()) == []


def test_waiting_in_vain_shows_the_last_page_and_the_log(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN))
    with pytest.raises(AssertionError) as failure:
        running.wait_until(lambda seen: seen.has("never"), timeout=0.0, what="what never comes")
    text = str(failure.value)
    assert "waited 0.0 s for what never comes" in text
    assert 'pingone_flow_scrapes{target="x"} 1' in text
    assert "runs; the end of its log:" in text
    assert "event=listening" in text


def test_a_daemon_that_died_is_reported_with_its_exit_code(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN))
    running.get("/die")
    running.wait()
    with pytest.raises(AssertionError, match=r"ConnectError.*ended with 3"):
        running.wait_until(lambda _: False, what="anything")


def test_a_page_that_is_an_error_is_not_parsed(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN.replace('"/broken"', '"/metrics"')))
    with pytest.raises(AssertionError, match="/metrics answered 500"):
        running.metrics()


def test_a_command_that_exits_instead_of_listening_is_reported_with_its_log(tmp_path: Path) -> None:
    never = Daemon({}, directory=tmp_path / "d", logs=tmp_path / "logs", command=python(MUTE))
    with pytest.raises(AssertionError, match=r"no listening line: .* ended with 2(.|\n)*started"):
        never.start()
    assert never.exit_code == 2


def test_one_that_ignores_its_signal_is_killed_and_that_is_a_failure(tmp_path: Path) -> None:
    stubborn = Daemon({}, directory=tmp_path / "d", logs=tmp_path / "logs", command=python(STUBBORN))
    stubborn.start()
    with pytest.raises(AssertionError, match=r"still there after 0\.1 s"):
        stubborn.stop(timeout=0.1)
    assert not alive(stubborn.pid)


def test_an_error_in_the_block_leaves_no_process_behind(tmp_path: Path) -> None:
    running = Daemon({}, directory=tmp_path / "d", logs=tmp_path / "logs", command=python(STAND_IN))
    with pytest.raises(ZeroDivisionError), running:
        raise ZeroDivisionError
    assert not alive(running.pid)


@pytest.mark.parametrize(
    ("line", "host", "port"),
    [
        ("ts=1 level=info event=listening address=127.0.0.1:9988 tls=false", "127.0.0.1", "9988"),
        ('address="[::1]:9988" event="now listening"', "[::1]", "9988"),
        ('{"address": "0.0.0.0:80", "event": "listening"}', "0.0.0.0", "80"),  # noqa: S104  read from a log, never bound
        ("event=listening address=:9988", "", "9988"),
    ],
)
def test_the_listening_line_is_known_in_every_log_format(line: str, host: str, port: str) -> None:
    match = LISTENING.search(f"event=probe address=10.0.0.1:443\n{line}\n")
    assert match is not None
    assert (match["host"], match["port"]) == (host, port)


def test_a_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_command(cwd=tmp_path, timeout=0.2, command=python("import time; time.sleep(3600)"))
