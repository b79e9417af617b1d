"""The journey `federation`, played from the first request to the ID token."""

from __future__ import annotations

from probing.federation import STEPS, probe

FULL = [step for step in STEPS if step != "destination_lookup"]


def test_a_federation_that_works_is_probed_to_its_token() -> None:
    probed = probe()
    assert probed.finding == ("token", "ok", "none")
    assert probed.steps == FULL == probed.federation.steps()
