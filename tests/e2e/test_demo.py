"""The demo shows the whole job with nothing configured, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import termios
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from e2e.showing import Shown, get
from harness.daemon import COMMAND, run_command
from harness.process import clean_environment
from harness.prometheus import need_tool
from harness.samples import Samples
from harness.simulated import discovered
from harness.waiting import PATIENCE, poll

from exporter.simulator import demo_environments

pytestmark = pytest.mark.e2e

ENVIRONMENTS = [environment.name for environment in demo_environments()]
SOURCES = [each.name for each in demo_environments() if not (each.providers or each.port_of)]
NAMES = [*SOURCES, *discovered(demo_environments())]
CHANGE = re.compile(r"^[0-9-]{10}T[0-9:.]{12}Z (\w+): \w+(?: \(step \w+, fault \w+\))?, weather .+$")
SUM = re.compile(r"^(\w+): ([0-9]+) ok, ([0-9]+) failed(?:, ([0-9]+) inconclusive)?$")


def test_it_exits_after_a_line_for_every_environment(tmp_path: Path) -> None:
    with Shown("demo", "--duration", "10s", directory=tmp_path) as demo:
        assert demo.wait() == 0
    lines = demo.output().splitlines()
    blank = lines.index("")
    changes, sums = lines[blank + 1 : -len(NAMES)], lines[-len(NAMES) :]
    assert {match[1] for match in map(CHANGE.match, changes) if match} == set(NAMES)
    assert all(CHANGE.match(line) for line in changes)
    counted = {match[1]: sum(map(int, match.groups("0")[1:])) for match in map(SUM.match, sums) if match}
    assert list(counted) == NAMES
    assert min(counted.values()) >= 1
    assert demo.log() == ""
    assert demo.left_behind() == []


def test_page_metrics_and_control_respond_at_the_printed_addresses(tmp_path: Path) -> None:
    with Shown("demo", directory=tmp_path) as demo:
        places = demo.places()
        assert list(places) == ["page", "metrics", "weather", "change it", "stop"]
        assert "emea_workforce" in get(places["page"])
        page = poll(
            lambda: Samples(get(places["metrics"])),
            lambda page: (
                len(page.series("pingone_flow_probe_success")) == len(NAMES) + 1
                and page.has("pingone_status_component")
            ),
            what="a probe of every environment and journey, and the status page",
        )
        intervals = {value for _, value in page.series("pingone_flow_target_interval_seconds")}
        assert intervals == {2.0, 10.0, 30.0}  # of discovery and the hub's, and with a password
        assert page.has("pingone_flow_signing_keys", target="uk_partners")
        kinds = {labels["kind"] for labels, _ in page.series("pingone_flow_target_info", destination="hub")}
        assert kinds == {"pingone", "oidc", "saml"}
        assert page.value("pingone_status_component", status="partial_outage") == 1
        listed = json.loads(get(places["weather"]))["environments"]
        assert [environment["environment"] for environment in listed] == ENVIRONMENTS


def test_the_weather_changes_by_the_command_that_it_prints(tmp_path: Path) -> None:
    with Shown("demo", directory=tmp_path) as demo:
        curl, *arguments = shlex.split(demo.places()["change it"])
        assert (curl, arguments[0], arguments[1], arguments[3]) == ("curl", "-X", "PUT", "-d")
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            assert client.put(arguments[2], content=arguments[4]).is_success
        refused = r"emea_workforce: connect \(step authorize, fault network\), weather refused\n"
        demo.wait_for_output(re.compile(refused))


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_signal_ends_it_with_success_and_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    with Shown("demo", directory=tmp_path) as demo:
        demo.places()
        assert demo.left_behind() != []
        demo.signal(number)
        assert demo.wait() == 0
    assert SUM.match(demo.output().splitlines()[-1])
    assert demo.log() == ""
    assert demo.left_behind() == []


def test_the_daemons_settings_do_not_affect_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".env").write_text("FLOW_EXPORTER_LOGG__LEVEL=debug\n", encoding="utf-8")
    environment = {"FLOW_EXPORTER_TARGETS__MINE__REGION": "nowhere"}
    with Shown("demo", "--duration", "1s", directory=tmp_path, environment=environment) as demo:
        assert demo.wait() == 0
    assert demo.log() == ""


def test_forced_colors_do_not_make_a_file_a_terminal(tmp_path: Path) -> None:
    environment = {"FORCE_COLOR": "1"}
    with Shown("demo", "--duration", "2s", directory=tmp_path, environment=environment) as demo:
        assert demo.wait() == 0
    assert "\x1b" not in demo.output()
    assert SUM.match(demo.output().splitlines()[-1])


QUERIES = re.findall(
    r"^```promql\n(.*?)^```",
    (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


def prometheus_answer(url: str, query: str) -> list[dict[str, Any]]:
    """Return what Prometheus answers to a query, which it refuses with another status if it is invalid."""
    answer = json.loads(get(f"{url}/api/v1/query?{urlencode({'query': query})}"))
    return list(answer["data"]["result"])


def test_the_demos_prometheus_scrapes_every_environment(tmp_path: Path) -> None:
    tools = [Path(need_tool(name)).parent for name in ("prometheus", "prometheus-alertmanager")]
    path = ":".join(map(str, [*tools, "/usr/bin", "/bin"]))
    with Shown("demo", "--prometheus", directory=tmp_path, environment={"PATH": path}) as demo:
        places = demo.places()
        assert list(places)[2:5] == ["Prometheus", "alerts", "Alertmanager"]
        stored = poll(
            lambda: json.loads(get(f"{places['Prometheus']}/api/v1/query?query=pingone_flow_probe_success")),
            lambda answer: len(answer["data"]["result"]) == len(NAMES) + 1,
            what="a sample of every environment",
        )
        labels = [entry["metric"] for entry in stored["data"]["result"]]
        assert {label["target"] for label in labels} == set(NAMES)
        assert {f"http://{label['instance']}/metrics" for label in labels} == {places["metrics"]}
        # Increases need two samples of each.
        answers = poll(
            lambda: [prometheus_answer(places["Prometheus"], query) for query in QUERIES],
            lambda found: {entry["metric"]["target"] for entry in found[2]} >= set(NAMES),
            what="the availability of every target",
        )
        assert {entry["metric"]["phase"] for entry in answers[3]} >= {"connect", "processing", "transfer"}
        alerts = poll(
            lambda: json.loads(get(f"{places['Alertmanager']}api/v2/alerts")),
            bool,
            what="an alert at Alertmanager",
        )
        assert get(alerts[0]["annotations"]["runbook_url"])
        assert alerts[0]["generatorURL"].startswith(f"{places['Prometheus']}/")
    assert demo.exit_code == 0
    assert demo.log() == ""
    assert demo.left_behind() == []
    with pytest.raises(httpx.ConnectError):
        get(places["Prometheus"])


def test_a_prometheus_that_does_not_start_is_reported_with_its_output(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "prometheus"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho starting\necho 'no space left' >&2\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    environment = {"PATH": f"{broken.parent}:/usr/bin:/bin"}
    with Shown("demo", "--prometheus", directory=tmp_path / "demo", environment=environment) as demo:
        assert demo.wait() == 1
    assert demo.log() == "prometheus exited with status 3: no space left\n"
    assert demo.output() == ""
    assert demo.left_behind() == []


def test_a_missing_prometheus_is_reported_in_one_line(tmp_path: Path) -> None:
    done = run_command("demo", "--prometheus", cwd=tmp_path, env={"PATH": str(tmp_path)})
    complaint = "prometheus is not on PATH; on Debian: apt-get install prometheus\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", complaint)


@pytest.mark.parametrize("columns", [80, 140])
def test_on_a_terminal_there_is_a_live_table_of_all_environments(tmp_path: Path, columns: int) -> None:
    status, written = on_a_terminal(tmp_path, columns=columns, term="xterm-256color")
    assert status == 0
    assert "\x1b[?25l" in written  # the cursor is hidden, and comes back
    assert "\x1b[?25h" in written.rpartition("\x1b[?25l")[2]
    assert written.count("target ") > 1
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in written.splitlines()]
    rows = {line.split()[0]: line.rstrip() for line in lines[-len(NAMES) - 1 :] if line.strip()}
    assert list(rows) == NAMES
    assert max(map(len, lines[-len(NAMES) - 1 :])) <= columns
    assert all(re.search(r" ms +[0-9]+ +[0-9]+$", row) for row in rows.values())
    assert not any(SUM.match(line) for line in lines)


def test_a_dumb_terminal_shows_lines(tmp_path: Path) -> None:
    status, written = on_a_terminal(tmp_path, columns=80, term="dumb")
    assert status == 0
    assert "\x1b" not in written
    assert CHANGE.search(written.splitlines()[7])
    assert SUM.match(written.splitlines()[-1])


def on_a_terminal(directory: Path, *, columns: int, term: str) -> tuple[int, str]:
    """Run a demo of ten seconds on a pseudo-terminal; return its exit status and all that it wrote."""
    main, other = pty.openpty()
    with os.fdopen(main, "rb", buffering=0) as screen:
        termios.tcsetwinsize(other, (40, columns))
        child = subprocess.Popen(
            [*COMMAND, "demo", "--duration", "10s"],
            cwd=directory,
            env=clean_environment(directory, {"TERM": term}),
            stdin=other,
            stdout=other,
            stderr=other,
        )
        os.close(other)
        written = b""
        try:
            with suppress(OSError):  # EIO: the other end is closed
                while part := screen.read(65536):
                    written += part
            return child.wait(60), written.decode()
        finally:
            child.kill()
            child.wait()


def test_two_demos_at_once_have_ports_of_their_own(tmp_path: Path) -> None:
    with (
        Shown("demo", directory=tmp_path / "one") as one,
        Shown("demo", directory=tmp_path / "other") as other,
    ):
        for name in ("page", "metrics", "weather"):
            urls = {one.places()[name], other.places()[name]}
            assert len(urls) == 2
            for url in urls:
                assert get(url)
