"""The metrics page and its neighbours: every format, every family, every way to ask."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.certificates import Authority
from harness.daemon import TEXT_FORMAT, Daemon
from harness.http_messages import body_answer, json_answer
from harness.http_server import HttpServer
from harness.prometheus import Prometheus, promtool_check_metrics
from harness.samples import Samples
from harness.variables import target_variables
from harness.waiting import PATIENCE
from metrics_reference import FAMILIES, Family

from exporter import __version__

if TYPE_CHECKING:
    from harness.http_messages import Request

pytestmark = pytest.mark.e2e

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
OWN_LABELS = {"labels__owner": 'the "identity"\\team', "labels__tier": "1"}
TARGETS = ("works", "fails", "held", "encrypted")
LIVELY = re.compile(r"pingone_flow_exporter_event_loop_lag_seconds")
"""What changes between two looks at a daemon that has nothing to do."""

Series = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that has something to say in every family, and then has a quiet day."""
    directory = tmp_path_factory.mktemp("page")
    refusal = json_answer({"code": "REQUEST_LIMITED"}, status=429, headers=(("Retry-After", "300"),))
    tls = Authority(directory).good().tls
    component = {"id": "sso", "name": "SSO", "status": "operational"}
    vendor = json_answer({"page": {"updated_at": "2026-11-27T12:00:00Z"}, "components": [component]})
    with (
        HttpServer() as server,
        HttpServer(refusal) as limiting,
        HttpServer(tls=tls) as encrypted,
        HttpServer(vendor) as status_page,
    ):
        environment = {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "1d",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "30s",
            **target_variables("works", server.base_url, **OWN_LABELS),
            **target_variables("fails", f"{server.base_url}/not-a-flow"),
            **target_variables("held", limiting.base_url),
            **target_variables("encrypted", encrypted.base_url, ca_file=directory / "ca.pem"),
            "FLOW_EXPORTER_EGRESS_CHECK_URL": f"{server.base_url}/canary",
            "FLOW_EXPORTER_STATUS_PAGE__URL": f"{status_page.base_url}/api/v2/summary.json",
            "FLOW_EXPORTER_STATUS_PAGE__COMPONENTS": "sso",
            "FLOW_EXPORTER_STATUS_PAGE__INTERVAL": "1d",
        }
        with Daemon(environment, directory=directory / "work", logs=directory / "logs") as running:
            running.wait_until(
                lambda page: (
                    page.has("pingone_flow_exporter_egress_up")
                    and page.has("pingone_status_component")
                    and all(page.has("pingone_flow_probe_success", target=name) for name in TARGETS)
                ),
                what="a probe of each target, of the egress, and of the status page",
            )
            yield running


@pytest.fixture(scope="module")
def text(daemon: Daemon) -> Samples:
    return daemon.metrics()


@pytest.fixture(scope="module")
def openmetrics(daemon: Daemon) -> Samples:
    return Samples(daemon.get("/metrics", {"Accept": OPENMETRICS}).text, openmetrics=True)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, TEXT_TYPE),
        ("*/*", TEXT_TYPE),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT_TYPE),
        (TEXT_FORMAT, TEXT_TYPE),
        (OPENMETRICS, OPENMETRICS_TYPE),
        (f"{OPENMETRICS};q=0.4,text/plain;version=0.0.4;q=0.5", TEXT_TYPE),
        (f"{OPENMETRICS};q=0.5,text/plain;version=0.0.4;q=0.4", OPENMETRICS_TYPE),
        (f"{OPENMETRICS};q=0,*/*;q=0.1", TEXT_TYPE),
        ("application/openmetrics-text;version=2.0.0", TEXT_TYPE),
        (PROMETHEUS_2_42, OPENMETRICS_TYPE),
        (PROMETHEUS_3, OPENMETRICS_TYPE),
    ],
)
def test_the_format_follows_the_accept_header(daemon: Daemon, accept: str | None, content_type: str) -> None:
    # httpx sends an Accept of its own where none is given
    response = daemon.get("/metrics", {"Accept": "" if accept is None else accept})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == content_type
    assert response.text.endswith("# EOF\n") is (content_type == OPENMETRICS_TYPE)
    assert Samples(response.text, openmetrics=content_type == OPENMETRICS_TYPE).has(
        "pingone_flow_target_info"
    )


def test_both_formats_have_the_same_values(text: Samples, openmetrics: Samples) -> None:
    assert quiet(openmetrics) == quiet(text)
    assert len(quiet(text)) > 200


def test_the_openmetrics_page_has_one_end_and_no_creation_times(text: Samples, openmetrics: Samples) -> None:
    assert openmetrics.text.count("# EOF") == 1
    for page in (text, openmetrics):
        assert "_created" not in page.text


def test_every_family_has_help_and_type_once_and_before_its_samples(text: Samples) -> None:
    described: list[str] = []
    pending = ""
    for line in text.text.splitlines():
        if line.startswith("# HELP "):
            _, _, pending, meaning = line.split(" ", 3)
            assert meaning.strip()
        elif line.startswith("# TYPE "):
            name = line.split(" ")[2]
            assert name == pending
            described.append(name)
        else:
            sample = re.match(r"[a-z_:][a-z0-9_:]*", line)
            assert sample is not None, line
            assert sample[0] in {described[-1] + suffix for suffix in ("", "_bucket", "_sum", "_count")}
    assert len(described) == len(set(described)) >= len(FAMILIES)


OF_OTHER_TARGETS = {
    f"pingone_flow_{name}"
    for name in (
        # of a target with a test account or SECRET_EXPIRES
        "sign_on_suspended", "secret_expiry_timestamp_seconds",
        # of the journey discovery
        "signing_keys", "signing_keys_hash", "metadata_hash",
        "signing_key_certificate_expiry_timestamp_seconds",
        # of destinations
        "destination_providers", "destination_refresh_success",
        "destination_last_refresh_success_timestamp_seconds",
        # of a server with TLS, from Python 3.13 on
        "tls_chain_expiry_timestamp_seconds",
    )
}  # fmt: skip
"""Families without a sample: what was not observed is absent."""

UNKNOWN_LABELS = {"kind", "destination", "provider", "provider_id", "expected"}
"""Labels of `target_info` that only a federation or a listed provider has."""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_documented_family_is_exposed_as_documented(
    text: Samples, openmetrics: Samples, family: Family
) -> None:
    for page in (text, openmetrics):
        found = page.family(family.name)
        assert found is not None
        assert (found.type, found.documentation) == (family.kind, family.help)
        assert bool(found.samples) is (family.name not in OF_OTHER_TARGETS)
        is_info = family.name == "pingone_flow_target_info"
        own, unknown = ({"owner", "tier"}, UNKNOWN_LABELS) if is_info else (set(), set())
        for sample in found.samples:
            bucket = {"le"} if sample.name.endswith("_bucket") else set()
            assert set(sample.labels) - own == set(family.labels) - unknown | bucket


def test_every_exposed_family_is_documented(text: Samples) -> None:
    known = {family.name.removesuffix("_total") for family in FAMILIES}
    shown = {family.name.removesuffix("_total") for family in text.families}
    ours = ("pingone_flow_", "pingone_status_")
    assert {name for name in shown if name.startswith(ours)} == known
    others = {name for name in shown if not name.startswith(ours)}
    assert {name.split("_")[0] for name in others} == {"process", "python"}


def test_the_operators_own_labels_are_on_target_info(text: Samples) -> None:
    ((labels, value),) = text.series("pingone_flow_target_info", target="works")
    assert (labels["owner"], labels["tier"], value) == (*OWN_LABELS.values(), 1.0)


def test_promtool_finds_nothing_wrong(text: Samples) -> None:
    assert promtool_check_metrics(text.text) == (0, "")


def test_the_page_is_compressed_on_request(daemon: Daemon) -> None:
    lengths = {}
    for coding in ("gzip", "identity", "gzip;q=0"):
        response = daemon.get("/metrics", {"Accept-Encoding": coding})
        assert response.headers.get("Content-Encoding") == ("gzip" if coding == "gzip" else None)
        assert response.headers["Vary"] == "Accept, Accept-Encoding"
        assert Samples(response.text).has("pingone_flow_target_info")
        lengths[coding] = int(response.headers["Content-Length"])
    assert lengths["gzip"] * 4 < lengths["identity"]


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
def test_head_is_get_without_the_body(daemon: Daemon, path: str) -> None:
    got, head = daemon.get(path), daemon.request("HEAD", path)
    assert (got.status_code, head.status_code) == (200, 200)
    assert got.content
    assert not head.content
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
def test_a_wrong_method_gets_the_allowed_ones(daemon: Daemon, path: str) -> None:
    for method in ("POST", "PUT", "DELETE"):
        response = daemon.request(method, path)
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/metrics/", "/nothing", "/runbooks", "/%2Fmetrics", "/%00"])
def test_unknown_paths_are_404(daemon: Daemon, path: str) -> None:
    assert daemon.get(path).status_code == 404


def test_the_overview_shows_version_links_and_targets(daemon: Daemon) -> None:
    response = daemon.get("/")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    for part in (__version__, 'href="metrics"', 'href="-/ready"', "works", "fails", "held", "rate-limited"):
        assert part in response.text


@dataclass(frozen=True, slots=True)
class Relay:
    """Hands the daemon's page on in the text format, for a Prometheus that asks for OpenMetrics if it may."""

    daemon: Daemon

    async def __call__(self, _: Request, writer: asyncio.StreamWriter) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            page = await client.get(f"{self.daemon.url}/metrics", headers={"Accept": TEXT_FORMAT})
        await body_answer(page.content, content_type=page.headers["Content-Type"])(_, writer)


def test_prometheus_reads_every_value_back_in_either_format(
    daemon: Daemon, text: Samples, tmp_path: Path
) -> None:
    with HttpServer(Relay(daemon)) as relay:
        relayed = f"127.0.0.1:{relay.port}"
        directory = tmp_path / "prometheus"
        with Prometheus([daemon.address, relayed], directory=directory, scrape_interval="10s") as prometheus:
            prometheus.wait_for("up == 1", lambda found: len(found) == 2)
            shown = quiet(text)
            for address in (daemon.address, relayed):
                stored = prometheus.query(f'{{__name__=~"pingone_flow_.+", instance="{address}"}}')
                assert {series(labels): value for labels, value in stored if is_quiet(labels)} == shown
            scrapes = {target["health"]: target["lastError"] for target in prometheus.targets()}
            assert scrapes == {"up": ""}


def quiet(page: Samples) -> dict[Series, float]:
    """Return all series of ours that do not change while nothing happens."""
    return {
        series({**sample.labels, "__name__": sample.name}): float(sample.value)
        for family in page.families
        if family.name.startswith("pingone_flow_") and not LIVELY.match(family.name)
        for sample in family.samples
    }


def is_quiet(labels: dict[str, str]) -> bool:
    return not LIVELY.match(labels["__name__"])


def series(labels: dict[str, str]) -> Series:
    attached = {"__name__", "job", "instance"}
    return labels["__name__"], frozenset((name, labels[name]) for name in labels if name not in attached)
