"""Looking at certificates again: by content, and without losing a good one to a bad one."""

import logging
from pathlib import Path

import pytest
import trustme
from serving.pairs import LOCAL, Pair

from exporter.serving.certificates import Certificates
from exporter.tls import TlsServer


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_what_has_not_changed_makes_no_new_context(pair: Pair) -> None:
    certificates = Certificates(pair.tls())
    context = certificates.context

    (pair.directory / "server.key").touch()

    assert not certificates.look()
    assert certificates.context is context


def test_a_swapped_link_is_seen_as_a_mounted_secret_swaps_it(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        Pair(tmp_path / name)
    data = tmp_path / "data"
    data.symlink_to("first")
    certificates = Certificates(TlsServer(certificate=data / "server.crt", key=data / "server.key"))
    context = certificates.context

    (tmp_path / "new").symlink_to("second")
    (tmp_path / "new").rename(data)

    assert certificates.look()
    assert certificates.context is not context
    assert not certificates.look()


def test_a_changed_list_of_authorities_is_seen(pair: Pair) -> None:
    clients = pair.directory / "clients.crt"
    trustme.CA().cert_pem.write_to_path(str(clients))
    certificates = Certificates(pair.tls(clients))

    trustme.CA().cert_pem.write_to_path(str(clients), append=True)

    assert certificates.look()
    assert len(certificates.context.get_ca_certs()) == 2


def test_each_broken_state_is_told_of_once_and_the_old_pair_kept(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    certificates = Certificates(pair.tls())
    context = certificates.context
    good = (pair.directory / "server.key").read_bytes()
    (pair.directory / "server.key").unlink()
    for _ in range(2):
        assert not certificates.look()
    pair.authority.issue_cert(*LOCAL).private_key_pem.write_to_path(str(pair.directory / "server.key"))
    for _ in range(2):
        assert not certificates.look()

    kept = "TLS certificate not renewed, the old one is kept: key: "
    absent = f"file not found: {pair.directory / 'server.key'}"
    assert caplog.messages == [
        f"{kept}{absent}",
        f"{kept}private key does not match the certificate",
    ]

    (pair.directory / "server.key").write_bytes(good)
    assert not certificates.look()
    assert certificates.context is context

    caplog.clear()
    caplog.set_level(logging.INFO, logger="exporter")
    pair.renew()
    assert certificates.look()
    assert caplog.messages == ["TLS certificate renewed"]
