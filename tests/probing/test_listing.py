"""A listing begins a sign-on: which providers the destination's flow offers, or why there are none."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from probing.examples import DESTINATION
from probing.federation import PROVIDER, Federation, Play, Response, a_federation_target, converse, resolves
from probing.loopback import listening, run

from exporter.destinations import Destination, OfferedProvider
from exporter.outcome import DAVINCI
from exporter.probing import Listing, Prober
from exporter.target import DestinationApplication, Side

OTHER = "aaaa0000-0000-4000-8000-000000000002"
BACK = "https://app.example/callback"


@dataclass(frozen=True, slots=True)
class Listed:
    """A listing, and what the destination heard."""

    listing: Listing
    federation: Federation

    @property
    def finding(self) -> tuple[str, str, str]:
        outcome = self.listing.outcome
        return outcome.step, outcome.reason.value, outcome.fault.value


def list_once(answers: Mapping[str, Response | Play], **application: Any) -> Listed:  # noqa: ANN401  its fields
    """List a destination that answers like this."""

    async def main() -> Listed:
        federation = Federation(dict(answers))
        async with listening(lambda talk: converse(federation, talk)) as peer:
            federation.url = f"http://127.0.0.1:{peer.port}"
            template = a_federation_target(
                federation.url,
                name="hub",
                user=None,
                source_url=None,
                application=DestinationApplication(client_id="c", redirect_uri=BACK, **application),
            )
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            prober = Prober(lambda _: context, resolve=resolves({}))
            destination = Destination(name="hub", template=template)
            return Listed(await prober.list_providers(destination), federation)

    return run(main())


def offers(*entries: object, **flow: object) -> Play:
    """Answer with a flow that has these entries as identity providers, and these further members."""
    return lambda played, _: Response(
        document=played.offer() | {"_embedded": {"socialProviders": list(entries)}} | flow
    )


def test_providers_are_those_of_the_flow_and_nothing_is_requested_of_them() -> None:
    def answer(played: Federation, _: object) -> Response:
        two = [played.provider("A"), played.provider("B", OTHER)]
        return Response(document=played.offer() | {"_embedded": {"socialProviders": two}})

    listed = list_once({"destination_authorize": answer})
    assert listed.finding == ("destination_authorize", "ok", "none")
    assert listed.listing.providers == (OfferedProvider(PROVIDER, "A"), OfferedProvider(OTHER, "B"))
    assert listed.federation.steps() == ["destination_authorize"]
    query = listed.federation.heard[0].query
    assert query["response_mode"] == "pi.flow"
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3


def test_entries_without_an_id_that_can_be_a_label_and_repeated_ones_are_left_out() -> None:
    entries: tuple[object, ...] = (
        {"id": "a", "name": "A"},
        {"id": "a", "name": "A again"},
        {"id": 'b"', "name": "B"},
        {},
        None,
        7,
    )
    listed = list_once({"destination_authorize": offers(*entries)})
    assert listed.listing.providers == (OfferedProvider("a", "A"),)


def test_the_one_provider_of_a_policy_without_a_page_has_its_id_in_its_link() -> None:
    def answer(played: Federation, _: object) -> Response:
        entry = played.provider("Forced")
        del entry["id"]
        flow = played.offer() | {"status": "EXTERNAL_AUTHENTICATION_REQUIRED"}
        return Response(document=flow | {"_embedded": {"identityProvider": entry}})

    listed = list_once({"destination_authorize": answer})
    assert listed.listing.providers == (OfferedProvider(PROVIDER, "Forced"),)


@pytest.mark.parametrize("status", ["USERNAME_PASSWORD_REQUIRED", "SIGN_ON_REQUIRED", "PASSWORD_REQUIRED"])
def test_a_flow_of_any_status_may_list_none(status: str) -> None:
    listed = list_once({"destination_authorize": offers(status=status)})
    assert (listed.finding[1], listed.listing.providers) == ("ok", ())


def test_a_user_is_looked_up_if_the_policy_asks_for_the_identifier_first() -> None:
    listed = list_once({}, lookup_username="someone@partner.example")
    assert listed.finding == ("destination_lookup", "ok", "none")
    assert [provider.id for provider in listed.listing.providers] == [PROVIDER]
    assert listed.federation.steps() == ["destination_authorize", "destination_lookup"]


def test_a_davinci_flow_lists_nothing_and_says_why() -> None:
    davinci = {"interactionId": "i", "companyId": DESTINATION, "connectionId": "x", "capabilityName": "n"}
    listed = list_once({"destination_authorize": Response(document=davinci)})
    assert listed.finding == ("destination_authorize", "unexpected_status", "configuration")
    assert listed.listing.outcome.steps[-1].flow_status == DAVINCI
    assert listed.listing.outcome.detail is not None
    assert listed.listing.outcome.detail.startswith("the application runs a DaVinci flow, which does not")
    assert listed.listing.providers == ()


def test_a_listing_that_is_rate_limited_knows_for_how_long_and_by_whom() -> None:
    limited = Response(429, document={"code": "REQUEST_LIMITED"}, headers=("Retry-After: 45",))
    listed = list_once({"destination_authorize": limited})
    assert listed.finding == ("destination_authorize", "rate_limited", "quota")
    assert (listed.listing.outcome.retry_after, listed.listing.outcome.side) == (45.0, Side.DESTINATION)
    assert listed.listing.providers == ()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(503, document={"code": "UNEXPECTED_ERROR"}), "server_error"),
        (Response(200, raw=b"<html></html>"), "not_json"),
        (Response(200, document={"status": "FAILED", "error": {"code": "x"}}), "flow_failed"),
        (offers(id="../x"), "not_a_flow"),
    ],
)
def test_a_listing_that_fails_says_why_and_has_no_providers(answer: Response | Play, reason: str) -> None:
    listed = list_once({"destination_authorize": answer})
    assert (listed.finding[1], listed.listing.providers) == (reason, ())
    assert listed.listing.outcome.detail
