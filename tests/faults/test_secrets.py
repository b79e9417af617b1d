"""A provider may echo secrets in every possible fault; the exporter never shows one."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import httpx
import pytest
from faults.run import variables, wait_for_all
from faults.stage import Stage
from faults.table import CASES
from faults.telltale import PLANTED, TALES, echoing, secrets_of
from harness.daemon import TEXT_FORMAT, Daemon
from harness.variables import target_variables
from harness.waiting import PATIENCE

from exporter.reasons import Reason, pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.http_messages import Request
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

USER, PASSWORD = "planted-user", "planted+pass/word"
HINT = "jane.planted+hint@example.com"
TENANT = "planted-tenant"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ASKED = (
    ("/", "*/*"),
    ("/api/v1/targets", "*/*"),
    ("/metrics", TEXT_FORMAT),
    ("/metrics", OPENMETRICS),
    ("/-/healthy", "*/*"),
    ("/-/ready", "*/*"),
    ("/nowhere?code=planted-code", "*/*"),
)
OF_A_TARGET = ("/targets", "/api/v1/targets")
TARGETS = {"healthy", *(case.name for case in CASES), *(f"tells_{tale}" for tale in TALES)}
STYLES = ("logfmt", "json")
TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")
TOKEN_LENGTH = 43
"""Characters of nonce, state and code challenge: 256 bits in base64url."""
PARAMETERS = ("nonce=", "state=", "code_challenge=", "login_hint=", "redirect_uri=", "response_mode=")
DEFAULTS = {
    "FLOW_EXPORTER_DEFAULTS__INTERVAL": "60s",  # once is enough, and there are two daemons
    "FLOW_EXPORTER_DEFAULTS__LOGIN_HINT": HINT,
    "FLOW_EXPORTER_DEFAULTS__REDIRECT_URI": f"https://rp.example/cb?tenant={TENANT}",
    "FLOW_EXPORTER_DEFAULTS__PKCE": "true",
}


@dataclass(frozen=True, slots=True)
class Output:
    """The output of two daemons, and the requests they sent.

    Args:
        texts: everything they wrote or served, by where.
        requests: the requests that the servers received.
        reasons: the reasons of all probes, by target.
    """

    texts: dict[str, str]
    requests: tuple[Request, ...]
    reasons: dict[str, set[str]]


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Output]:
    directory = tmp_path_factory.mktemp("secrets")
    with Stage(directory, around=echoing) as stage:
        environment = variables(stage, f"{USER}:{quote(PASSWORD, safe='')}@") | DEFAULTS
        for tale, scene in TALES.items():
            environment |= target_variables(f"tells_{tale}", scene(stage))
        texts: dict[str, str] = {}
        reasons: dict[str, set[str]] = {}
        with ExitStack() as stack:
            daemons = {
                style: stack.enter_context(
                    Daemon(
                        environment
                        | healthy(stage)
                        | {"FLOW_EXPORTER_LOG__FORMAT": style, "FLOW_EXPORTER_LOG__LEVEL": "debug"},
                        directory=directory / f"{style}-work",
                        logs=directory / f"{style}-logs",
                    )
                )
                for style in STYLES
            }
            for style, daemon in daemons.items():
                wait_for_all(daemon, TARGETS)
                # A busy daemon answers in time with a page that lacks targets which it never rendered.
                page = daemon.wait_until(
                    lambda page: {labels["target"] for labels, _ in judged(page)} == TARGETS,
                    what="every target on the page",
                )
                for labels, _ in judged(page):
                    reasons.setdefault(labels["target"], set()).add(labels["reason"])
                texts |= {
                    f"{style} {path} as {accept}": daemon.get(path, {"Accept": accept}).text
                    for path, accept in ASKED
                }
            texts |= {place: pages(daemons[STYLES[0]], place) for place in OF_A_TARGET}
            for style, daemon in daemons.items():
                assert daemon.stop() == 0  # what there is to say of the last probe is then said
                texts[f"the log as {style}"] = daemon.log()
                texts[f"standard output of {style}"] = daemon.stdout.read_text(encoding="utf-8")
        yield Output(texts, stage.requests, reasons)


def judged(page: Samples) -> list[tuple[Mapping[str, str], float]]:
    """Return the counters of probes that ended."""
    return [(labels, value) for labels, value in page.series("pingone_flow_probes_total") if value]


def pages(daemon: Daemon, place: str) -> str:
    """Return the page of each target, over one connection: there are hundreds of them."""
    with httpx.Client(base_url=daemon.url, timeout=PATIENCE, trust_env=False) as client:
        return "\n".join(client.get(f"{place}/{name}").raise_for_status().text for name in sorted(TARGETS))


def healthy(stage: Stage) -> dict[str, str]:
    return target_variables("healthy", stage.server(), interval="1s", timeout="900ms")


def leaks(text: str, words: Iterable[str], tokens: set[str]) -> set[str]:
    """Return every secret in a text: `words` in any spelling, `tokens` as part of any word.

    Args:
        text: where to look.
        words: a handful of secrets.
        tokens: thousands of them, each `TOKEN_LENGTH` characters long.
    """
    spellings = {spelling for word in words for spelling in (word, quote(word), quote(word, safe=""))}
    found = {spelling for spelling in spellings if spelling in text}
    for word in set(TOKEN.findall(text)):
        parts = {word[start : start + TOKEN_LENGTH] for start in range(len(word) - TOKEN_LENGTH + 1)}
        found |= parts & tokens
    return found | {parameter for parameter in PARAMETERS if re.search(rf"[?&]{parameter}", text)}


def test_no_secret_is_shown(output: Output) -> None:
    sent = [secrets_of(request) for request in output.requests]
    tokens = {
        values[name] for values in sent for name in ("nonce", "state", "code_challenge") if name in values
    }
    assert len(tokens) > 3 * len(TALES)
    assert {len(token) for token in tokens} == {TOKEN_LENGTH}
    assert {unquote(values["login_hint"]) for values in sent if "login_hint" in values} == {HINT}
    authorization = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {request.header("Proxy-Authorization") for request in output.requests}
    assert headers == {None, f"Basic {authorization}"}
    words = {*PLANTED, USER, PASSWORD, HINT, HINT.partition("@")[0], TENANT, authorization}
    found = {where: leaks(text, words, tokens) for where, text in output.texts.items()}
    assert {where: secrets for where, secrets in found.items() if secrets} == {}


def test_every_fault_was_played_and_every_output_was_searched(output: Output) -> None:
    assert set(output.reasons) == TARGETS
    # Where the machine of the tests stands still, a timeout is one of our own.
    possible = {reason for reason, _ in pairs_of(Journey.AUTHORIZE)}
    assert set().union(*output.reasons.values()) >= possible - {Reason.INTERNAL, Reason.TIMEOUT}
    for place in OF_A_TARGET:
        assert {name for name in TARGETS if name not in output.texts[place]} == set()
    for style in STYLES:
        log = output.texts[f"the log as {style}"]
        assert {name for name in TARGETS if name not in log} == set()


@pytest.mark.parametrize(
    "text",
    [
        f"ts=… location=https://rp.example/?code={PLANTED[1]}",
        f"hint={quote(HINT)}",
        f"password={quote(PASSWORD, safe='')}",
        f"correlation_id=x-{'n' * TOKEN_LENGTH}-y",
        "url=/as/authorize?scope=openid&state=z",
    ],
)
def test_a_leak_of_each_kind_is_seen(text: str) -> None:
    assert leaks(text, {*PLANTED, PASSWORD, HINT}, {"n" * TOKEN_LENGTH})
