"""The log: lines that parse, one for each change or each probe, and never a secret, here or anywhere else."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from faults.stage import Stage, presents
from harness.certificates import unknown_issuer
from harness.daemon import TEXT_FORMAT, Daemon
from harness.http_messages import Answer, json_answer
from harness.http_server import HttpServer
from harness.variables import SOURCE, target_variables
from harness.waiting import poll

if TYPE_CHECKING:
    from harness.http_messages import Request

pytestmark = pytest.mark.e2e

CORRELATION = "corr-1:2.3_4"
HINT = "jane.planted@example.com"
PLANTED = ("planted-cookie", "planted-code", "planted-token", "planted-body", HINT, "jane.planted")
COOKIE = ("Set-Cookie", "ST=planted-cookie; Path=/; HttpOnly")
PAIR = re.compile(r'([a-z][a-z0-9_]*)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)')
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TALES = 8
OPENMETRICS = "application/openmetrics-text;version=1.0.0"

Line = dict[str, Any]


class Telltale:
    """Echoes what it was sent and plants what must stay inside, in every place that could be logged."""

    def __init__(self) -> None:
        self._count = 0

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        sent = dict(request.query)
        leaks = [
            json_answer({"error": "planted-token", "error_description": sent["state"]}, status=400),
            json_answer({"status": f"PLANTED{sent['nonce']}"}),
            json_answer(
                {"status": "FAILED", "error": {"code": sent["nonce"], "message": "planted-body"}},
                headers=(("Correlation-Id", sent["nonce"]), COOKIE),
            ),
            Answer(
                status=302,
                headers=(
                    ("Location", f"https://rp.example/cb?code=planted-code&state={sent['state']}"),
                    ("Correlation-Id", f"x.{sent['state']}"),
                    ("Content-Length", "0"),
                ),
            ),
            Answer(raw=f"planted-token {sent['nonce']}\r\n\r\n".encode(), close=True),
            Answer(raw=b"HTTP/1.1 200 OK\r\nplanted-body\r\n\r\n", close=True),
            Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Encoding: planted-token\r\n\r\nx", close=True),
            Answer(status=429, headers=(("Retry-After", "planted-token"), ("Content-Length", "0"))),
        ]
        assert len(leaks) == TALES
        self._count += 1
        await leaks[self._count % TALES](request, writer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The output of one daemon with targets that change, echo secrets and cannot be reached.

    Args:
        lines: its log, parsed.
        log: its log.
        pages: everything it serves.
        changing: what the server of the target `changing` was asked.
        telltale: likewise.
        debug: whether it logged from level debug on, else from info on.
    """

    lines: list[Line]
    log: str
    pages: str
    changing: tuple[Request, ...]
    telltale: tuple[Request, ...]
    debug: bool

    def of(self, target: str) -> list[Line]:
        """Return the lines about probes of a target."""
        return [line for line in self.lines if line.get("target") == target and "transaction_id" in line]


@pytest.fixture(scope="module", params=[("logfmt", "debug"), ("json", "info")], ids="-".join)
def output(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Output:
    style, level = request.param
    directory = tmp_path_factory.mktemp(f"log-{style}")
    with Stage(directory) as stage, HttpServer() as changing, HttpServer() as telltale:
        good = json_answer(changing.seed_flow(SOURCE), headers=(("Correlation-Id", CORRELATION), COOKIE))
        bad = json_answer({}, status=503, headers=(("Correlation-Id", "forged level=error"), COOKIE))
        changing.always(good)
        telltale.always(Telltale())
        environment = {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "200ms",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "190ms",
            "FLOW_EXPORTER_LOG__FORMAT": style,
            "FLOW_EXPORTER_LOG__LEVEL": level,
            **target_variables("changing", changing.base_url, interval="400ms", timeout="390ms"),
            **target_variables("telltale", telltale.base_url, login_hint=HINT, pkce="true"),
            **target_variables("unreachable", presents(lambda _: unknown_issuer())(stage), login_hint=HINT),
            **target_variables("refused", stage.refused(), login_hint=HINT),
        }
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as daemon:
            for answer in (good, bad, good, bad):
                changing.always(answer)
                changing.wait_for_requests(len(changing.requests) + 3)
            telltale.wait_for_requests(TALES + 1)
            asked = (("/metrics", TEXT_FORMAT), ("/metrics", OPENMETRICS), ("/", "*/*"))
            pages = [daemon.get(path, {"Accept": accept}).text for path, accept in asked]
            assert daemon.stop() == 0  # what there is to say of the last probe is then said
            lines = [(parse_json if style == "json" else parse_logfmt)(line) for line in log_lines(daemon)]
            logged = {line["transaction_id"] for line in lines if line.get("target") == "changing"}
            poll(
                lambda: {request.header("X-Ping-External-Transaction-Id") for request in changing.requests},
                lambda sent: logged <= sent,
                what="a record of each request",
            )
            return Output(
                lines=lines,
                log=daemon.log(),
                pages="\n".join(pages),
                changing=changing.requests,
                telltale=telltale.requests,
                debug=level == "debug",
            )


def log_lines(daemon: Daemon) -> list[str]:
    return daemon.log().splitlines()


def parse_json(line: str) -> Line:
    parsed = json.loads(line)
    assert isinstance(parsed, dict)
    return parsed


def parse_logfmt(line: str) -> Line:
    pairs = list(PAIR.finditer(line))
    assert "".join(pair[0] for pair in pairs) == line, line
    keys = [pair[1] for pair in pairs]
    assert len(keys) == len(set(keys)), line
    return {pair[1]: json.loads(pair[2]) if pair[2].startswith('"') else pair[2] for pair in pairs}


def test_every_line_has_time_level_and_message(output: Output) -> None:
    assert len(output.lines) > 10
    for line in output.lines:
        assert list(line)[:3] == ["ts", "level", "msg"]
        assert RFC3339.fullmatch(line["ts"])
        assert line["level"] in {"debug", "info", "warning"}
        assert line["msg"]


def test_the_log_has_start_and_end(output: Output) -> None:
    lifecycle = [line["msg"] for line in output.lines if "target" not in line]
    assert lifecycle == ["listening", "started", "stopping", "stopped"]


def test_each_probe_is_logged_once_at_debug_and_only_changes_at_info(output: Output) -> None:
    sent = [request.header("X-Ping-External-Transaction-Id") for request in output.changing]
    logged = [line["transaction_id"] for line in output.of("changing")]
    if output.debug:
        assert logged == sent
    else:
        assert [identifier for identifier in sent if identifier in logged] == logged
        assert len(logged) < len(sent)


def test_a_change_of_reason_is_logged_at_its_level_with_the_previous_one(output: Output) -> None:
    changes = 0
    for target in ("changing", "telltale", "unreachable", "refused"):
        before, down = None, False
        for line in output.of(target):
            if line["reason"] == before:
                assert (line["level"], line["msg"]) == ("debug", "probe completed")
                assert output.debug
            else:
                if line["reason"] == "ok":
                    expected = ("info", "target recovered" if down else "target up")
                    down = False
                else:
                    conclusive = line["fault"] not in {"quota", "exporter"}
                    expected = ("warning", "target down" if conclusive else "probe inconclusive")
                    down = down or conclusive
                assert (line["level"], line["msg"]) == expected
                assert line.get("previous_reason") == before
                changes += 1
            before = line["reason"]
    assert changes >= 2 + 4  # of two targets at the start, and of one that turned three times more


def test_a_line_has_the_ids_to_find_the_probe_at_the_provider(output: Output) -> None:
    good = [line for line in output.of("changing") if line["reason"] == "ok"]
    bad = [line for line in output.of("changing") if line["reason"] == "server_error"]
    assert good
    assert bad
    assert {step(line)["correlation_id"] for line in good} == {CORRELATION}
    assert not [line for line in bad if "correlation_id" in step(line)]
    assert {str(step(line)["http_status_code"]) for line in bad} == {"503"}


def test_no_secret_is_in_any_line_or_page(output: Output) -> None:
    secrets = set(PLANTED)
    for request in (*output.changing, *output.telltale):
        sent = dict(request.query)
        secrets |= {sent["nonce"], sent["state"]}
    assert len(output.telltale) > TALES
    for text in (output.log, output.pages):
        assert not [secret for secret in secrets if secret in text]


def step(line: Line) -> Line:
    """Return the facts of the last step, which logfmt has on the line itself."""
    steps = line.get("steps")
    facts: Line = steps[-1] if steps else line
    return facts
