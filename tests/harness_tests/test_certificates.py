"""Each certificate is bad in its own way, as OpenSSL sees it."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from harness.certificates import Certificate, unknown_issuer

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.factory import Factory
    from harness.http_server import HttpServer


def leaf(server: HttpServer, authority: Authority) -> dict[str, object]:
    """Return the leaf as a client that trusts the authority sees it."""
    trust = ssl.create_default_context(cafile=authority.ca_file)
    with (
        socket.create_connection((server.host, server.port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return dict(tls.getpeercert() or {})


def test_a_good_one_is_trusted_and_ends_when_it_says(
    http_server: Factory[..., HttpServer], authority: Authority
) -> None:
    good = authority.good()
    seen = leaf(http_server(tls=good.tls), authority)
    assert ssl.cert_time_to_seconds(str(seen["notAfter"])) == good.not_after.timestamp()
    assert ssl.cert_time_to_seconds(str(seen["notBefore"])) == good.not_before.timestamp()


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("expired", "certificate has expired"),
        ("not_yet_valid", "certificate is not yet valid"),
        ("wrong_name", "Hostname mismatch"),
    ],
)
def test_a_bad_one_is_rejected_for_its_own_reason(
    kind: str, found: str, http_server: Factory[..., HttpServer], authority: Authority
) -> None:
    certificate: Certificate = getattr(authority, kind)()
    with pytest.raises(ssl.SSLCertVerificationError, match=found):
        leaf(http_server(tls=certificate.tls), authority)


def test_an_unknown_issuer_is_rejected(http_server: Factory[..., HttpServer], authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        leaf(http_server(tls=unknown_issuer().tls), authority)
