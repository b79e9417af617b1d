"""What is known of a TLS connection, and what a second look at a refused certificate may and may not do."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtensionOID, NameOID
from harness.certificates import DAY, Certificate, unknown_issuer
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import a_flow
from probing.loopback import (
    HOUR,
    PATIENCE,
    Behaviour,
    Peer,
    Talk,
    answer,
    listening,
    loop,
    nothing,
    run,
    says,
)
from probing.visit import NAME, visit

from exporter.outcome import Phase
from exporter.probing.certificate import FETCH_INTERVAL_SECONDS, CertificateFetcher, not_after, tls_facts
from exporter.probing.ssl_contexts import verified_context
from exporter.probing.timing import Deadline

if TYPE_CHECKING:
    from pathlib import Path

    from harness.certificates import Authority

GOOD = answer(json.dumps(a_flow()).encode())
BAD = pytest.mark.parametrize(
    "issue",
    [
        lambda authority: authority.expired(),
        lambda authority: authority.not_yet_valid(),
        lambda authority: authority.wrong_name(),
        lambda _: unknown_issuer(),
    ],
    ids=["expired", "not yet valid", "another name", "unknown issuer"],
)


# What is known of a connection


def test_a_good_connection_has_version_cipher_and_expiry(
    authority: Authority,
) -> None:
    certificate = authority.issue(NAME, ends_in=7 * DAY)
    visited = visit(says(GOOD), authority=authority, certificate=certificate)
    assert visited.step.tls is not None
    assert visited.step.tls.version == "TLSv1.3"
    assert visited.step.tls.cipher is not None
    assert visited.step.tls.cipher.startswith("TLS_")
    assert visited.step.tls.not_after == certificate.not_after.timestamp()
    assert len(visited.peer.talks) == 1, "a good certificate needs no second look"


def test_a_connection_is_known_even_if_nothing_came_of_it(authority: Authority) -> None:
    visited = visit(says(b"", then="reset"), authority=authority)
    assert visited.outcome.reason == "protocol"
    assert visited.step.tls is not None
    assert visited.step.tls.not_after is not None


def tlv(tag: int, content: bytes) -> bytes:
    """Return a value of ASN.1 in DER (X.690)."""
    is_short = len(content) < 128
    return bytes([tag, *((len(content),) if is_short else (0x82, *len(content).to_bytes(2)))]) + content


DNS_NAME = tlv(0x82, NAME.encode())


@pytest.mark.parametrize(
    ("names", "is_readable"),
    [(tlv(0x30, DNS_NAME + tlv(0x81, b"m\xfc")), True), (tlv(0x30, DNS_NAME), False)],
    ids=["a name that is not UTF-8, which Python refuses", "an explicit FALSE, which cryptography refuses"],
)
def test_the_expiry_of_an_odd_certificate_that_is_good_is_known(
    names: bytes, tmp_path: Path, *, is_readable: bool
) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC).replace(microsecond=0)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    alternatives = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, names)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - DAY, now + DAY)
    signed = builder.add_extension(alternatives, critical=True).sign(key, SHA256())
    # The critical TRUE of the only extension becomes FALSE, which is the default and must be left out.
    to_sign = signed.tbs_certificate_bytes
    if not is_readable:
        to_sign = to_sign.replace(b"\x01\x01\xff", b"\x01\x01\x00")
    signature = tlv(3, b"\0" + key.sign(to_sign, ec.ECDSA(SHA256())))
    der = tlv(0x30, to_sign + bytes.fromhex("300a06082a8648ce3d040302") + signature)  # ecdsa-with-SHA256
    assert (not_after(der) is not None) is is_readable
    file = tmp_path / "both.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + ssl.DER_cert_to_PEM_cert(der).encode())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    certificate = Certificate(tls=server, not_before=now - DAY, not_after=now + DAY)
    visited = visit(says(GOOD), certificate=certificate, trust=lambda _: verified_context(file))
    assert visited.outcome.success
    assert visited.step.tls is not None
    assert visited.step.tls.not_after == certificate.not_after.timestamp()


def test_in_the_clear_there_is_nothing_to_know() -> None:
    assert visit(says(GOOD)).step.tls is None


# When a certificate expires


PEM = trustme.CA().issue_cert(NAME).cert_chain_pems[0].bytes()
DER = x509.load_pem_x509_certificate(PEM).public_bytes(Encoding.DER)


def test_an_invalid_certificate_has_no_expiry() -> None:
    assert not_after(b"") is None
    assert not_after(b"\x30\x03\x02\x01\x01") is None


@pytest.mark.parametrize("version", range(7))
def test_a_certificate_of_a_version_that_cannot_be_read_is_none(version: int) -> None:
    at = DER.index(bytes.fromhex("a003020102")) + 4  # version [0] INTEGER, here v3 (RFC 5280, section 4.1)
    found = not_after(DER[:at] + bytes([version]) + DER[at + 1 :])
    assert found == (not_after(DER) if version == 2 else None)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(damage=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_certificate_never_raises(damage: list[tuple[int, int]]) -> None:
    der = bytearray(DER)
    for at, byte in damage:
        der[at % len(der)] = byte
    found = not_after(bytes(der))
    assert found is None or isinstance(found, float)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_certificate_or_none(der: bytes) -> None:
    assert not_after(der) is None


# A refused certificate is fetched


EXPIRED, OTHER_NAME = 10, 62
"""OpenSSL's codes."""


async def fetched(fetcher: CertificateFetcher, target: str, peer: Peer, code: int = EXPIRED) -> bool:
    """Return whether a certificate was fetched; what was fetched before is returned either way."""
    before, deadline = len(peer.talks), Deadline(PATIENCE)
    try:
        found = await fetcher.fetch(target, "127.0.0.1", (NAME, peer.port, code), deadline)
    finally:
        deadline.close()
    assert found is not None
    assert found.facts.not_after is not None
    return len(peer.talks) > before


@BAD
def test_a_rejected_certificate_is_fetched_again_for_its_expiry(
    issue: Callable[[Authority], Certificate], authority: Authority
) -> None:
    certificate = issue(authority)
    visited = visit(says(GOOD), authority=authority, certificate=certificate, host="localhost")
    assert visited.outcome.reason == "tls"
    assert visited.step.tls is not None
    assert visited.step.tls.not_after == certificate.not_after.timestamp()
    assert visited.step.tls.version == "TLSv1.3"
    assert visited.step.phase is Phase.TLS
    assert Phase.TLS not in visited.step.phases, "the look is no part of what was measured"


def shakes_hands(
    certificate: Certificate, *, rounds: int = 2, heard: list[tuple[str | None, bytes]] | None = None
) -> Behaviour:
    """Return a behaviour that shakes hands on so many connections, and lets the deadline pass on later ones.

    By hand, because asyncio does not report a client that resets after its handshake. The client that came
    through is `heard`: the protocol agreed on, and what was said after.
    """

    async def behave(talk: Talk) -> None:
        if len(talk.peer.talks) > rounds:
            await talk.reader.read(1)
            loop().skip()
            return
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = certificate.tls.wrap_bio(received, sent, server_side=True)
        through, said = False, b""
        with suppress(OSError):  # the certificate was refused, or the client reset
            while True:
                try:
                    if not through:
                        server.do_handshake()
                        through = True
                    data = server.read(65536)
                    said += data
                    if not data:
                        break
                except ssl.SSLWantReadError:
                    await talk.say(sent.read())
                    data = await talk.reader.read(65536)
                    received.write(data)
                    if not data:
                        break
        if through and heard is not None:
            heard.append((server.selected_alpn_protocol(), said))

    return behave


def test_a_look_is_a_handshake_like_the_probes_own_and_no_byte_of_a_request(authority: Authority) -> None:
    certificate = authority.expired()
    certificate.tls.set_alpn_protocols(["h2", "http/1.1"])
    names: list[str | None] = []
    certificate.tls.sni_callback = lambda _, name, __: names.append(name)
    heard: list[tuple[str | None, bytes]] = []
    visited = visit(
        shakes_hands(certificate, heard=heard), authority=authority, scheme="https", host="localhost"
    )
    assert len(visited.peer.talks) == 2, "the probe's connection, and the one that fetches"
    assert heard == [("http/1.1", b"")], "the only handshake that came to its end is the look's"
    assert names == ["localhost", "localhost"]


async def close_at_hello(talk: Talk) -> None:
    await talk.reader.read(1)
    talk.writer.close()


def test_a_handshake_that_failed_for_another_reason_is_not_looked_at(authority: Authority) -> None:
    visited = visit(close_at_hello, authority=authority, scheme="https")
    assert visited.outcome.reason == "tls"
    assert len(visited.peer.talks) == 1
    assert visited.step.tls is None


def test_a_target_is_looked_at_once_an_hour_by_the_clock_and_another_one_on_its_own(
    authority: Authority,
) -> None:
    looks: list[bool] = []

    async def main() -> None:
        async with listening(nothing, tls=authority.expired().tls) as peer:
            fetcher = CertificateFetcher()

            async def at(target: str) -> None:
                looks.append(await fetched(fetcher, target, peer))

            for passed, target in [
                (0.0, "one"), (0.0, "one"), (0.0, "two"),
                (FETCH_INTERVAL_SECONDS - 60, "one"), (60.0, "one"), (0.0, "two"), (1.0, "one"), (0.0, "two"),
            ]:  # fmt: skip
                loop().skip(passed)
                await at(target)
            await peer.left_alone()
            assert len(peer.talks) == sum(looks)

    run(main())
    assert looks == [True, False, True, False, True, True, False, False]


def test_a_target_that_a_reload_moves_or_restores_is_fetched_again(authority: Authority) -> None:
    """Else metric and pages would show the end of another host's certificate for an hour, or none."""

    async def main() -> list[bool]:
        expired = authority.expired().tls
        async with listening(nothing, tls=expired) as peer, listening(nothing, tls=expired) as elsewhere:
            fetcher = CertificateFetcher()

            async def at(where: Peer) -> bool:
                return await fetched(fetcher, "one", where)

            looks = [await at(where) for where in (peer, elsewhere, elsewhere)]
            fetcher.forget("one")
            looks += [await at(elsewhere), await at(elsewhere)]
            fetcher.forget("one")
            fetcher.forget("unknown")
            await peer.left_alone()
            await elsewhere.left_alone()
            return looks

    assert run(main()) == [True, True, False, True, False]


def test_another_fault_is_looked_at_and_remembered(
    authority: Authority,
) -> None:
    """A renewed certificate may be wrong in another way."""

    async def main() -> list[bool]:
        async with listening(nothing, tls=authority.expired().tls) as peer:
            fetcher = CertificateFetcher()
            looks = [
                await fetched(fetcher, "one", peer, code)
                for code in (EXPIRED, EXPIRED, OTHER_NAME, OTHER_NAME, EXPIRED)
            ]
            await peer.left_alone()
            return looks

    assert run(main()) == [True, False, True, False, True]


def test_a_look_at_a_server_that_went_mute_ends_with_the_probes_deadline_and_leaves_no_socket(
    authority: Authority,
) -> None:
    expired = authority.expired()
    visited = visit(shakes_hands(expired, rounds=1), authority=authority, scheme="https", host="localhost")
    assert visited.finding == ("tls", "provider", "tls"), "the look changes nothing of the finding"
    assert visited.step.tls is None
    assert len(visited.peer.talks) == 2
    assert visited.outcome.duration < HOUR, "nor of the time"


# The chain that was sent


class _Session:
    """A connection of Python 3.13, which shows the chain that the peer sent."""

    def __init__(self, chain: list[bytes]) -> None:
        self._chain = chain

    def cipher(self) -> None:
        return None

    def version(self) -> str:
        return "TLSv1.3"

    def getpeercert(self) -> dict[str, str]:
        return {"notAfter": "Jan  1 00:00:00 2031 GMT"}

    def get_unverified_chain(self) -> list[bytes]:
        return self._chain


def test_the_first_certificate_of_the_chain_to_expire_counts() -> None:
    leaf, intermediate = (
        x509.load_pem_x509_certificate(
            trustme.CA().issue_cert(NAME, not_after=end).cert_chain_pems[0].bytes()
        )
        for end in (datetime(2031, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
    )
    chain = [certificate.public_bytes(Encoding.DER) for certificate in (leaf, intermediate)]
    facts = tls_facts(cast("ssl.SSLObject", _Session([*chain, b"not a certificate"])))
    assert facts.not_after == datetime(2031, 1, 1, tzinfo=UTC).timestamp()
    assert facts.chain_not_after == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
