"""What of a provider's words may leave."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.outcome import KNOWN_STATUSES, UNKNOWN
from exporter.probing.findings import sanitize_id, sanitize_status

NONCE = "n" * 43
STATE = "Zm9vYmFyYmF6cXV4LXN0YXRlLXRoYXQtaXMtc2VjcmV0"


@pytest.mark.parametrize("identifier", ["a", "4f1c-9b:0_A.z", "x" * 128])
def test_a_correlation_id_of_the_right_shape_is_kept(identifier: str) -> None:
    assert sanitize_id(identifier, (NONCE, STATE)) == identifier


@pytest.mark.parametrize(
    "identifier",
    [None, "", "x" * 129, "a b", "a\n", "a\r\nSet-Cookie: x", "\u00e4", "a/b", "a=b", '"a"', "a,b", "\u0661"],
)
def test_a_correlation_id_of_another_shape_is_dropped(identifier: str | None) -> None:
    assert sanitize_id(identifier, ()) is None


@pytest.mark.parametrize("template", ["{}", "id-{}", "{}.1", "a:{}:b"])
@pytest.mark.parametrize("secret", [NONCE, STATE])
def test_a_correlation_id_that_holds_one_of_the_probes_secrets_is_dropped(template: str, secret: str) -> None:
    assert sanitize_id(template.format(secret), (NONCE, STATE)) is None


@pytest.mark.parametrize("status", [*sorted(KNOWN_STATUSES), "BRAND_NEW_REQUIRED", "A_B", None])
def test_a_status_that_is_known_or_looks_like_one_is_shown(status: str | None) -> None:
    assert sanitize_status(status, ()) == status


def test_a_status_that_the_operator_wrote_is_shown_whatever_its_shape() -> None:
    assert sanitize_status("weird-1", ("weird-1",)) == "weird-1"


@pytest.mark.parametrize(
    "status",
    [
        "",
        "ok",
        "CODE",
        "A1_B",
        "a_b",
        "A__B",
        "_A_B",
        "A_B_",
        "A_B\n",
        "A B",
        "\u00c4_B",
        "A_" + "B" * 63,
        "jane@x",
    ],
)
def test_a_status_of_another_shape_is_unknown(status: str) -> None:
    assert sanitize_status(status, ()) == UNKNOWN


@given(st.integers(0, 2**256 - 1))
def test_a_token_never_passes_for_a_status(number: int) -> None:
    assert sanitize_status(urlsafe_b64encode(number.to_bytes(32, "big")).decode(), ()) == UNKNOWN
