"""What is shared about the web port: nothing secret is shown, and files are read within bounds."""

import os
import threading
from pathlib import Path

import pytest
import trustme

from exporter.security import LARGEST_FILE, TlsServer, UnusableError, WebSecurity, context, read


def pems() -> tuple[str, str]:
    pair = trustme.CA().issue_cert("localhost")
    return pair.cert_chain_pems[0].bytes().decode(), pair.private_key_pem.bytes().decode()


def test_no_key_and_no_hash_is_shown() -> None:
    certificate, key = pems()
    tls = TlsServer(certificate=certificate, key=key)
    shown = repr((WebSecurity(tls=tls, users={"ann": "$2y$10$secret"}), read(tls)))

    assert "PRIVATE" not in shown
    assert "$2y$" not in shown


def test_a_key_in_memory_leaves_no_file_and_no_descriptor(tmp_path: Path) -> None:
    certificate, key = pems()
    tls = TlsServer(certificate=certificate, key=key)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        context(tls, read(tls))

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"x" * (LARGEST_FILE + 1)])
def test_a_file_that_is_far_too_large_is_not_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(content)

    with pytest.raises(UnusableError, match="names a file of more than 1 MiB") as raised:
        read(TlsServer(certificate="", key=tmp_path / "large"))
    assert raised.value.part == "key"


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    failures: list[str] = []

    def reading() -> None:
        try:
            read(TlsServer(certificate=tmp_path / "pipe", key=""))
        except UnusableError as error:
            failures.append(str(error))

    thread = threading.Thread(target=reading, daemon=True)
    thread.start()
    thread.join(30)
    assert failures == ["is no file; write the path of a PEM file"]


@pytest.mark.parametrize(
    ("part", "broken"),
    [
        ("certificate", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"),
        ("key", "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----\n"),
    ],
)
def test_what_cannot_be_read_is_told_of_the_part_that_it_is(part: str, broken: str) -> None:
    certificate, key = pems()
    given = {"certificate": certificate, "key": key, part: broken}
    tls = TlsServer(certificate=given["certificate"], key=given["key"])

    with pytest.raises(UnusableError) as raised:
        context(tls, read(tls))
    assert raised.value.part == part


def test_a_key_of_another_kind_does_not_belong_to_the_certificate() -> None:
    certificate, _ = pems()
    rsa = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("localhost", key_type=trustme.KeyType.RSA)
    tls = TlsServer(certificate=certificate, key=rsa.private_key_pem.bytes().decode())

    with pytest.raises(UnusableError, match="does not belong to the certificate"):
        context(tls, read(tls))
