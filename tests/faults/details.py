"""The detail of each row of the fault table, as `details.txt` has it: `name -> detail`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

DETAILS: Mapping[str, str] = dict(
    line.split(" -> ", 1)
    for line in Path(__file__).with_name("details.txt").read_text(encoding="utf-8").splitlines()
)
"""By the name of a case, or by `step: what the environment does`."""

ALIKE: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        # getaddrinfo(3) tries the next name server on each of these, and reports the same
        "name_servfail name_refused name_truncated",
        "name_nxdomain name_circle no_such_name",
        "name_empty name_four name_six no_address_of_the_family",
        "name_hang name_stranger name_garbage",
        # no response either way
        "silent mute proxy_silent",
        "closes tls_on_the_plaintext_port tls_closed proxy_closes",
        "resets resets_within_the_head tls_reset",
        # OpenSSL of both sides sends and reports the same alert, or the same end
        "old_protocol handshake_refused client_certificate_1_2",
        "handshake_closed handshake_aborted",
        "handshake_without_end tunnel_mute",
        "tls_unavailable tunnel_503",
    )
)
"""Rows below HTTP that look the same to operating system and TLS library, names and hosts aside."""

_ENDPOINT = re.compile(r"(?:127\.0\.0\.1|nowhere\.invalid):\d+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NO_NAME_SERVER = "name server failed or did not respond for nowhere.invalid (EAI_AGAIN)"


def normalized(detail: str | None) -> str | None:
    """Return a detail with `host:port` and one date in place of those of a run."""
    if detail is None:
        return None
    # Where there is no name server, no name is known not to exist.
    named = detail.replace(_NO_NAME_SERVER, "no such host nowhere.invalid (NXDOMAIN)")
    return _DATE.sub("2026-11-20", _ENDPOINT.sub("host:port", named))
