"""TLS files: bounded reads, one check of certificates and keys, nothing secret shown."""

import os
import threading
from pathlib import Path

import pytest
import trustme

from exporter.tls import (
    KEY,
    MAX_PEM_BYTES,
    TlsFileError,
    TlsServer,
    WebSecurity,
    check_authorities,
    read_pem,
)

NONSENSE_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"
NONSENSE_KEY = "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"
ENCRYPTED_KEY = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nnonsense\n-----END ENCRYPTED PRIVATE KEY-----\n"


def pems(key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> tuple[str, str]:
    pair = trustme.CA(key_type=key_type).issue_cert("localhost", key_type=key_type)
    return pair.cert_chain_pems[0].bytes().decode(), pair.private_key_pem.bytes().decode()


def server_error(certificate: str, key: str, authorities: str | None = None) -> tuple[str, str]:
    with pytest.raises(TlsFileError) as raised:
        TlsServer(
            certificate=certificate.encode(),
            key=key.encode(),
            authorities=None if authorities is None else authorities.encode(),
        )
    return raised.value.part, str(raised.value)


def test_repr_shows_no_key_and_no_password_hash() -> None:
    certificate, key = pems()
    tls = TlsServer(certificate=certificate.encode(), key=key.encode())
    shown = repr(WebSecurity(tls=tls, users={"ann": "$2y$10$secret"}))

    assert "PRIVATE" not in shown
    assert "$2y$" not in shown


def test_building_a_context_leaves_no_file_and_no_descriptor(tmp_path: Path) -> None:
    certificate, key = pems()
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        TlsServer(certificate=certificate.encode(), key=key.encode())

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []


def test_a_file_over_1_mib_is_rejected(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * (MAX_PEM_BYTES + 1))

    with pytest.raises(TlsFileError) as raised:
        read_pem(KEY, large)
    assert raised.value.part == "key"
    assert str(raised.value) == f"file larger than 1024 KiB: {large}"


def test_a_pipe_is_rejected_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    failures: list[str] = []

    def reading() -> None:
        try:
            read_pem(KEY, pipe)
        except TlsFileError as error:
            failures.append(str(error))

    thread = threading.Thread(target=reading, daemon=True)
    thread.start()
    thread.join(30)
    assert failures == [f"not a regular file: {pipe}"]


def test_a_key_pasted_where_its_path_belongs_is_not_quoted() -> None:
    _, key = pems()
    with pytest.raises(TlsFileError) as raised:
        read_pem(KEY, Path(key))
    assert str(raised.value) == "expected the path of a PEM file, not its content"


def test_a_key_of_another_type_does_not_match() -> None:
    certificate, _ = pems()
    _, rsa_key = pems(trustme.KeyType.RSA)
    assert server_error(certificate, rsa_key) == ("key", "private key does not match the certificate")


def test_a_comment_in_a_file_of_authorities_may_be_beyond_ascii(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(f"# Ångström\n{pems()[0]}")
    check_authorities(tmp_path / "good")
