"""The journey `discovery` against the simulator: every fault of metadata and keys, and a rotation."""

from __future__ import annotations

import asyncio
import ssl

from simulator.examples import emea
from weather_outcomes import REPORTED

from exporter.outcome import Outcome
from exporter.probing.probe import Prober
from exporter.simulator import parse_weather_text, simulator
from exporter.target import Journey, Target

SOURCE = emea(https=True)
WRONG = {
    "metadata_invalid": ("metadata", "issuer_mismatch", "configuration"),
    "metadata_invalid,wrong=json": ("metadata", "not_json", "provider"),
    "metadata_invalid,wrong=member": ("metadata", "metadata_invalid", "provider"),
    "keys_invalid": ("jwks", "keys_invalid", "provider"),
    "keys_invalid,wrong=weak": ("jwks", "keys_invalid", "provider"),
    "keys_invalid,wrong=private": ("jwks", "keys_invalid", "provider"),
}


def probes(*weathers: str, journey: Journey = Journey.DISCOVERY) -> list[Outcome]:
    """Probe a simulated source once in each of these weathers."""

    async def main() -> list[Outcome]:
        async with simulator([SOURCE]) as running:
            target = Target(
                name="corporate",
                source_environment_id=SOURCE.id,
                destination_environment_id=SOURCE.id,
                source_url=f"{running.environments[SOURCE.name].base_url}/{SOURCE.id}",
                redirect_uri="",
                journeys=(journey,),
            )
            prober = Prober(lambda _: ssl.create_default_context(cafile=running.ca_file))
            found = []
            for weather in weathers:
                await running.environments[SOURCE.name].set_weather(parse_weather_text(weather))
                found.append(await prober(target, journey))
            return found

    return asyncio.run(main())


def finding(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.step, outcome.reason.value, outcome.fault.value


def test_metadata_and_keys_of_the_simulator_pass_every_check_also_after_a_rotation() -> None:
    outcomes = probes("healthy", "keys_rotated")
    assert [finding(outcome) for outcome in outcomes] == [("jwks", "ok", "none")] * 2
    checks = [{**each.steps[0].checks, **each.steps[1].checks} for each in outcomes]
    assert checks == [
        {"pkce_advertised": True, "key_ids": True},
        {"pkce_advertised": True, "key_ids": True, "key_overlap": True},
    ]
    first, second = (outcome.discovery for outcome in outcomes)
    assert first is not None
    assert second is not None
    assert (first.signing_keys, second.signing_keys) == (1, 2)
    assert first.signing_keys_hash != second.signing_keys_hash
    assert first.metadata_hash == second.metadata_hash


def test_every_fault_of_metadata_and_keys_is_found_as_the_simulator_says() -> None:
    outcomes = dict(zip(WRONG, probes(*WRONG), strict=True))
    assert {weather: finding(outcome) for weather, outcome in outcomes.items()} == WRONG
    for kind, reported in REPORTED.items():
        if (expected := reported.discovery) is not None:
            assert WRONG[kind] == (expected.step, expected.reason, expected.fault)
            assert outcomes[kind].steps[-1].http_status_code == expected.code
