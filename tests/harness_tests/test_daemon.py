"""The command is started clean, found where it listens, waited for and never left behind."""

from __future__ import annotations

import json
import os
import signal
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


def test_it_is_found_at_the_port_it_chose(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN), arguments=["run"])
    assert running.metrics().value("pingone_flow_scrapes", target="x") == 1.0
    assert running.url.startswith("http://127.0.0.1:")
    assert not running.url.endswith(":0")
    assert "arguments=['run']" in running.log()


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


def test_stopping_returns_the_exit_code(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN))
    assert running.exit_code is None
    assert running.stop() == 7
    assert running.stop() == 7


def test_a_signal_is_passed_on(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN))
    running.signal(signal.SIGKILL)
    assert running.wait() == -9


def test_waiting_returns_the_page_that_was_good(daemon: Factory[..., Daemon]) -> None:
    running = daemon({}, command=python(STAND_IN))
    page = running.wait_until(lambda seen: seen.total("pingone_flow_scrapes") >= 3, what="three scrapes")
    assert page.value("pingone_flow_scrapes") == 3.0


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


def test_nothing_can_be_asked_before_the_start(tmp_path: Path) -> None:
    unstarted = Daemon({}, directory=tmp_path / "d", logs=tmp_path / "logs")
    with pytest.raises(RuntimeError, match="was not started"):
        unstarted.stop()


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


def test_a_command_is_run_once_with_a_clean_environment(tmp_path: Path) -> None:
    script = "import os, sys; print(os.environ['A'], os.getcwd()); print('err', file=sys.stderr); sys.exit(2)"
    done = run_command(cwd=tmp_path, env={"A": "1"}, command=python(script))
    assert (done.returncode, done.stdout, done.stderr) == (2, f"1 {tmp_path}\n", "err\n")


def test_a_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_command(cwd=tmp_path, timeout=0.2, command=python("import time; time.sleep(3600)"))
