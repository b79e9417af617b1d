"""The installed command lists a destination: targets appear and disappear, page, and are shared by shards."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from harness.daemon import run_command
from harness.http_messages import Answer, Request, json_answer
from harness.variables import target_variables

if TYPE_CHECKING:
    from pathlib import Path

    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_server import HttpServer
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

HUB = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
SOURCE = "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11"
SAML = "5aaa0000-0000-4000-8000-000000000000"
PREFIX = "FLOW_EXPORTER_DESTINATIONS__HUB__"


class Hub:
    """A destination on loopback that may offer other providers later; its sources are on the same host."""

    def __init__(self, server: HttpServer, names: Mapping[str, str]) -> None:
        self.offered = dict(names)
        self.davinci = self.limited = False
        self.begun = 0
        """Sign-ons that began while they were limited."""
        self._server = server
        server.always(self.answer)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path = urlsplit(request.target).path
        if path == f"/{HUB}/rp/authenticate":
            provider = parse_qs(urlsplit(request.target).query)["providerId"][0]
            headers = (("Location", self.location(provider)), ("Content-Length", "0"))
            await Answer(status=302, headers=headers)(request, writer)
        elif path == f"/{HUB}/as/authorize" and self.limited:
            self.begun += 1
            headers = (("Retry-After", "200"), ("Content-Length", "0"))
            await Answer(status=429, headers=headers)(request, writer)
        elif path == f"/{HUB}/as/authorize" and self.davinci:
            document = {"interactionId": "i", "companyId": HUB, "connectionId": "c", "capabilityName": "n"}
            await json_answer(document)(request, writer)
        elif path == f"/{HUB}/as/authorize":
            await json_answer(self.flow())(request, writer)
        else:
            await self._server.answer_flow(request, writer)

    def flow(self) -> dict[str, object]:
        flow = self._server.seed_flow(HUB)
        link = f"{self._server.base_url}/{HUB}/rp/authenticate?flowId={flow['id']}&providerId="
        providers = [
            {"id": identifier, "name": name, "_links": {"authenticate": {"href": f"{link}{identifier}"}}}
            for identifier, name in self.offered.items()
        ]
        return {**flow, "_embedded": {**flow["_embedded"], "socialProviders": providers}}

    def location(self, provider: str) -> str:
        if provider == SAML:
            return "https://idp.example/sso?SAMLRequest=planted"
        parameters = {
            "client_id": "client",
            "redirect_uri": f"{self._server.base_url}/{HUB}/rp/callback/openid_connect",
            "response_type": "code",
            "scope": "openid",
            "state": "planted-state",
        }
        return f"{self._server.base_url}/{SOURCE}/as/authorize?{urlencode(parameters)}"

    def variables(self, **settings: str) -> dict[str, str]:
        given = {
            "ENVIRONMENT_ID": HUB,
            "CLIENT_ID": "client",
            "REDIRECT_URI": "https://app.example/callback",
            "AUTH_URL": self._server.base_url,
            "REFRESH_INTERVAL": "1s",
            "FEDERATION_INTERVAL": "5s",
            **settings,
        }
        return {f"{PREFIX}{name}": value for name, value in given.items()}


PARTNERS = {f"{number}f2a0000-0000-4000-8000-000000000000": f"Partner {number}" for number in range(1, 5)}


@pytest.fixture
def hub(http_server: Factory[..., HttpServer]) -> Hub:
    return Hub(http_server(), {**PARTNERS, SAML: "Old SAML"})


def providers(samples: Samples) -> dict[str, float]:
    series = samples.series("pingone_flow_destination_providers", destination="hub")
    return {labels["state"]: value for labels, value in series if value}


def reasons(samples: Samples) -> dict[str, str]:
    return {
        labels["target"]: labels["reason"]
        for labels, _ in samples.series("pingone_flow_probe_last_result_info")
    }


def paused(samples: Samples) -> dict[str, float]:
    series = samples.series("pingone_flow_backoff_until_timestamp_seconds")
    return {labels["target"]: until for labels, until in series}


ALL = {f"hub_partner_{number}_{number}f2a" for number in range(1, 5)} | {"hub_old_saml_5aaa"}


def test_targets_appear_and_disappear_without_a_restart(hub: Hub, daemon: Factory[..., Daemon]) -> None:
    running = daemon(hub.variables())
    assert running.get("/-/ready").status_code == 200
    samples = running.wait_until(
        lambda samples: reasons(samples) == dict.fromkeys(ALL, "ok"), what="all providers to be probed"
    )
    assert samples.value("pingone_flow_destination_refresh_success", destination="hub") == 1
    samples = running.wait_until(
        lambda samples: providers(samples) == {"watched": 4, "link_only": 1}, what="kinds to be known"
    )
    kinds = {
        labels["target"]: (labels["kind"], labels["destination"], labels["provider_id"])
        for labels, _ in samples.series("pingone_flow_target_info")
    }
    assert kinds["hub_partner_1_1f2a"] == ("pingone", "hub", "1f2a0000-0000-4000-8000-000000000000")
    assert kinds["hub_old_saml_5aaa"] == ("saml", "hub", SAML)

    gone = next(iter(PARTNERS))
    del hub.offered[gone]
    running.wait_until(
        lambda samples: (
            providers(samples) == {"watched": 3, "link_only": 1, "missing": 1}
            and reasons(samples)["hub_partner_1_1f2a"] == "provider_missing"
        ),
        what="the provider to be missing",
    )
    hub.offered["9f2a0000-0000-4000-8000-000000000000"] = "New"
    running.wait_until(
        lambda samples: reasons(samples).get("hub_new_9f2a") == "ok", what="the new provider to be probed"
    )


def test_expected_providers_carry_a_label_and_are_missed_after_a_restart(
    hub: Hub, daemon: Factory[..., Daemon]
) -> None:
    running = daemon(hub.variables(EXPECT="Partner 2, Ghost", EXCLUDE="."))
    samples = running.wait_until(
        lambda samples: reasons(samples) == {"hub_partner_2_2f2a": "ok", "hub_ghost": "provider_missing"},
        what="the missing provider to fail",
    )
    expected = {labels["target"] for labels, _ in samples.series("pingone_flow_target_info", expected="true")}
    assert expected == {"hub_partner_2_2f2a", "hub_ghost"}
    assert providers(samples) == {"watched": 1, "filtered": 4, "missing": 1}


def test_a_listing_that_fails_keeps_the_targets(hub: Hub, daemon: Factory[..., Daemon]) -> None:
    running = daemon(hub.variables())
    running.wait_until(lambda samples: set(reasons(samples)) == ALL, what="all providers to be probed")
    hub.davinci = True
    samples = running.wait_until(
        lambda samples: samples.value("pingone_flow_destination_refresh_success", destination="hub") == 0,
        what="a listing to fail",
    )
    assert set(reasons(samples)) == ALL
    cause = re.compile(r"listing of identity providers failed.*DaVinci flow")
    running.wait_for_log(cause, what="the cause in the log")


def test_a_listing_that_is_rate_limited_pauses_the_environment_and_itself(
    hub: Hub, http_server: Factory[..., HttpServer], daemon: Factory[..., Daemon]
) -> None:
    beside = http_server()
    other = target_variables("other", beside.base_url, interval="1s")
    running = daemon(hub.variables(FEDERATION_INTERVAL="1h") | other)
    everything = ALL | {"other"}
    running.wait_until(lambda samples: set(reasons(samples)) == everything, what="all to be probed")
    before = time.time()
    hub.limited = True  # no probe is due for an hour: a listing is what meets it
    samples = running.wait_until(lambda samples: set(paused(samples)) == ALL, what="the environment to pause")
    assert all(before + 199 < until < time.time() + 201 for until in paused(samples).values())
    assert samples.value("pingone_flow_destination_refresh_success", destination="hub") == 0
    listings = hub.begun
    beside.wait_for_requests(len(beside.requests) + 3)  # as many listings were due meanwhile
    assert hub.begun == listings


def test_shards_share_the_targets_and_each_shows_whether_it_can_list_the_destination(
    hub: Hub, daemon: Factory[..., Daemon]
) -> None:
    shards = [
        daemon(
            hub.variables() | {"FLOW_EXPORTER_SHARD__COUNT": "2", "FLOW_EXPORTER_SHARD__INDEX": str(index)}
        )
        for index in range(2)
    ]
    samples = [
        shard.wait_until(lambda samples: len(reasons(samples)) > 0, what="the first probes")
        for shard in shards
    ]
    infos = [{labels["target"] for labels, _ in each.series("pingone_flow_target_info")} for each in samples]
    assert infos[0] | infos[1] == ALL
    assert infos[0].isdisjoint(infos[1])
    assert sum(providers(samples[0]).values()) == 5
    assert providers(samples[1]) == {}
    for each in samples:
        assert each.value("pingone_flow_destination_refresh_success") == 1
        assert each.series("pingone_flow_destination_last_refresh_success_timestamp_seconds")


def test_check_config_lists_the_providers_now(hub: Hub, tmp_path: Path) -> None:
    variables = hub.variables(EXCLUDE="SAML|4", EXPECT="Ghost")
    listed = run_command("check-config", "--list-providers", cwd=tmp_path, env=variables)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert (
        listed.stdout
        == f"""\
destination hub: 5 identity providers
state     id                                    target              name
missing                                         hub_ghost           Ghost
watched   1f2a0000-0000-4000-8000-000000000000  hub_partner_1_1f2a  Partner 1
watched   2f2a0000-0000-4000-8000-000000000000  hub_partner_2_2f2a  Partner 2
watched   3f2a0000-0000-4000-8000-000000000000  hub_partner_3_3f2a  Partner 3
filtered  4f2a0000-0000-4000-8000-000000000000                      Partner 4
filtered  {SAML}                      Old SAML
"""
    )
    hub.davinci = True
    failed = run_command("check-config", "--list-providers", cwd=tmp_path, env=variables)
    assert (failed.returncode, failed.stderr) == (1, "")
    host = variables[f"{PREFIX}AUTH_URL"].removeprefix("http://")
    assert failed.stdout == (
        "destination hub: unexpected flow status: the application runs a DaVinci flow, which does not list "
        f"identity providers; use an application with a PingOne sign-on policy ({host})\n"
    )


def test_a_discovered_target_is_probed_by_its_name(hub: Hub, tmp_path: Path) -> None:
    def probe(*arguments: str) -> tuple[int, dict[str, str], str]:
        """Return exit status, the reason of each target's outcome, and errors."""
        done = run_command("probe", "--json", *arguments, cwd=tmp_path, env=hub.variables())
        outcomes = json.loads(done.stdout)["outcomes"] if done.stdout else []
        return done.returncode, {each["target"]: each["reason"] for each in outcomes}, done.stderr

    assert probe("HUB_partner_2_2f2a") == (0, {"hub_partner_2_2f2a": "ok"}, "")
    assert probe() == (0, dict.fromkeys(ALL, "ok"), "")
    hint = 'unknown target "hub_old_saml"; did you mean hub_old_saml_5aaa?\n'
    assert probe("hub_old_saml") == (2, {}, hint)
    hub.davinci = True
    assert probe("hub_partner_2_2f2a") == (1, {"hub": "unexpected_status"}, "")
