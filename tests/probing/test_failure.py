"""Exceptions into reasons. Certificates are refused by real handshakes, in memory."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import h11
import pytest
from harness.certificates import unknown_issuer

from exporter.outcome import Phase
from exporter.probing import failure
from exporter.probing.connection import BodyError
from exporter.probing.detail import Detail, Template
from exporter.probing.resolver import ResolutionError
from exporter.probing.timing import DeadlineError, OwnDelayError
from exporter.probing.transport import AddressNotAllowedError, Exchange, ProxyError
from exporter.reasons import FAULTS, Fault, Reason

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate

BEFORE = (Phase.RESOLVE, Phase.CONNECT, Phase.TLS)
AFTER = (Phase.PROCESSING, Phase.TRANSFER)


def read_failure(
    error: Exception, phase: Phase, *, proxied: bool = False, unacknowledged: bool = False
) -> tuple[Reason, Fault]:
    """Return reason and fault of an exchange that an exception ended."""
    exchange = Exchange(error=error, phase=phase, proxied=proxied, unacknowledged=unacknowledged)
    verdict = failure.read_failure(exchange)
    return verdict.reason, verdict.fault


def cause_of(error: Exception) -> Detail | None:
    return failure.read_failure(Exchange(error=error)).detail


def refusal(certificate: Certificate, authority: Authority, name: str = "localhost") -> ssl.SSLError:
    """Return what a client that trusts `authority` raises on being shown `certificate`."""
    trust = ssl.create_default_context(cafile=authority.ca_file)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(to_client, to_server, server_hostname=name)
    server = certificate.tls.wrap_bio(to_server, to_client, server_side=True)
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    with suppress(ssl.SSLWantReadError):
        server.do_handshake()
    with pytest.raises(ssl.SSLError) as caught:
        client.do_handshake()
    return caught.value


@pytest.mark.parametrize(
    ("certificate", "fault"),
    [
        (lambda authority: authority.expired(), Fault.PROVIDER),
        (lambda authority: authority.not_yet_valid(), Fault.PROVIDER),
        (lambda authority: authority.wrong_name(), Fault.PROVIDER),
        (lambda _: unknown_issuer(), Fault.NETWORK),
    ],
    ids=["expired", "not yet valid", "another name", "unknown issuer"],
)
def test_a_rejected_certificate_is_the_providers_only_if_it_alone_can_fix_it(
    certificate: Callable[[Authority], Certificate], fault: Fault, authority: Authority
) -> None:
    error = refusal(certificate(authority), authority)
    assert read_failure(error, Phase.TLS) == (Reason.TLS, fault)


def test_a_certificate_for_another_address_is_the_providers(authority: Authority) -> None:
    error = refusal(authority.wrong_name(), authority, name="127.0.0.1")
    assert read_failure(error, Phase.TLS) == (Reason.TLS, Fault.PROVIDER)


def test_a_certificate_error_that_openssl_did_not_raise_is_read_all_the_same() -> None:
    error = ssl.SSLCertVerificationError("raised by Python, without reason and verify_code")
    assert read_failure(error, Phase.TLS) == (Reason.TLS, Fault.NETWORK)


@pytest.mark.parametrize("phase", list(Phase))
def test_a_passed_deadline_is_a_timeout_and_the_providers_once_the_request_is_out(phase: Phase) -> None:
    fault = Fault.NETWORK if phase in BEFORE else Fault.PROVIDER
    assert read_failure(DeadlineError(), phase) == (Reason.TIMEOUT, fault)


@pytest.mark.parametrize(
    ("error", "phase", "reason", "fault"),
    [
        (ResolutionError(), Phase.RESOLVE, Reason.DNS, Fault.NETWORK),
        (OSError("the name resolved to no address"), Phase.RESOLVE, Reason.DNS, Fault.NETWORK),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Phase.CONNECT, Reason.CONNECT, Fault.NETWORK),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Phase.CONNECT, Reason.CONNECT, Fault.NETWORK),
        (OSError(errno.ENETUNREACH, "unreachable"), Phase.CONNECT, Reason.CONNECT, Fault.NETWORK),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Phase.TLS, Reason.TLS, Fault.NETWORK),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Phase.PROCESSING, Reason.PROTOCOL, Fault.PROVIDER),
        (BrokenPipeError(errno.EPIPE, "closed"), Phase.PROCESSING, Reason.PROTOCOL, Fault.PROVIDER),
        (h11.RemoteProtocolError("not HTTP"), Phase.PROCESSING, Reason.PROTOCOL, Fault.PROVIDER),
        (h11.RemoteProtocolError("early"), Phase.TRANSFER, Reason.PROTOCOL, Fault.PROVIDER),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Phase.TRANSFER, Reason.PROTOCOL, Fault.PROVIDER),
        (ProxyError(407), Phase.CONNECT, Reason.CONNECT, Fault.NETWORK),
        (BodyError("broken gzip"), Phase.TRANSFER, Reason.PROTOCOL, Fault.PROVIDER),
    ],
)
def test_a_failure_of_the_transport_is_named_by_the_phase_it_came_in(
    error: Exception, phase: Phase, reason: Reason, fault: Fault
) -> None:
    assert read_failure(error, phase) == (reason, fault)


def alert(reason: str) -> ssl.SSLError:
    """Return an alert of the other side, as OpenSSL names it."""
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:2580)")
    error.reason = reason
    return error


def test_an_alert_on_the_first_read_is_a_handshake_failure() -> None:
    # TLS 1.3: the server sees the client's certificate when the client thinks it is through.
    error = alert("TLSV13_ALERT_CERTIFICATE_REQUIRED")
    assert read_failure(error, Phase.PROCESSING) == (Reason.TLS, Fault.NETWORK)


def test_an_alert_within_a_body_is_not_a_handshake_failure() -> None:
    assert read_failure(alert("TLSV1_ALERT_INTERNAL_ERROR"), Phase.TRANSFER) == (
        Reason.PROTOCOL,
        Fault.PROVIDER,
    )


def test_other_trouble_of_tls_after_the_handshake_is_a_protocol_error() -> None:
    error = alert("DECRYPTION_FAILED_OR_BAD_RECORD_MAC")
    assert read_failure(error, Phase.PROCESSING) == (Reason.PROTOCOL, Fault.PROVIDER)


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRINUSE]
)
@pytest.mark.parametrize("phase", list(Phase))
def test_a_shortage_on_our_own_machine_is_ours_also_as_the_cause(number: int, phase: Phase) -> None:
    shortage, caused = OSError(number, "out of it"), ResolutionError("did not resolve")
    caused.__cause__ = shortage
    for error in (shortage, caused):
        assert read_failure(error, phase) == (Reason.INTERNAL, Fault.EXPORTER)
        assert cause_of(error) == Detail(Template.SHORTAGE, {"errno": errno.errorcode[number]})
    assert read_failure(OSError(errno.ECONNREFUSED, "refused"), phase)[0] is not Reason.INTERNAL


@pytest.mark.parametrize(
    ("error", "name"), [(MemoryError(), "ENOMEM"), (RuntimeError("can't start new thread"), "EAGAIN")]
)
def test_a_lack_of_memory_or_threads_is_no_bug_but_ours_all_the_same(error: Exception, name: str) -> None:
    assert cause_of(error) == Detail(Template.SHORTAGE, {"errno": name})
    assert read_failure(error, Phase.RESOLVE) == (Reason.INTERNAL, Fault.EXPORTER)


@pytest.mark.parametrize(
    ("error", "bug"),
    [
        (ValueError(), True),
        (RuntimeError("other"), True),
        (OwnDelayError(), False),
        (DeadlineError(), False),
        (ConnectionResetError(), False),
        (OSError(errno.EMFILE, "out of descriptors"), False),
    ],
    ids=repr,
)
def test_a_bug_is_what_no_peer_network_or_machine_explains(error: Exception, *, bug: bool) -> None:
    assert (failure.read_failure(Exchange(error=error)) == failure.OUR_BUG) is bug


@pytest.mark.parametrize("phase", list(Phase))
def test_a_host_without_an_address_that_may_be_requested_is_a_matter_of_the_settings(phase: Phase) -> None:
    assert read_failure(AddressNotAllowedError(), phase, proxied=True) == (
        Reason.LOCATION_INVALID,
        Fault.CONFIGURATION,
    )


def test_a_deadline_that_passed_amid_a_shortage_is_still_a_timeout() -> None:
    deadline = DeadlineError()
    deadline.__cause__ = OSError(errno.EMFILE, "out of descriptors")
    assert read_failure(deadline, Phase.CONNECT) == (Reason.TIMEOUT, Fault.NETWORK)


@pytest.mark.parametrize("phase", AFTER)
def test_a_timeout_is_the_networks_if_nothing_of_the_request_was_acknowledged(phase: Phase) -> None:
    assert read_failure(DeadlineError(), phase, unacknowledged=True) == (Reason.TIMEOUT, Fault.NETWORK)


def test_a_probe_that_our_own_delays_kept_from_ending_is_our_own() -> None:
    assert read_failure(OwnDelayError(), Phase.PROCESSING) == (Reason.INTERNAL, Fault.EXPORTER)


@pytest.mark.parametrize(
    ("phase", "proxied", "reason"),
    [
        (Phase.RESOLVE, True, Reason.PROXY),
        (Phase.CONNECT, True, Reason.PROXY),
        (Phase.RESOLVE, False, Reason.DNS),
        (Phase.CONNECT, False, Reason.CONNECT),
        (Phase.TLS, True, Reason.TLS),
        (Phase.PROCESSING, True, Reason.PROTOCOL),
    ],
)
def test_name_and_connection_belong_to_the_proxy_where_there_is_one(
    phase: Phase,
    proxied: bool,  # noqa: FBT001  a table's column
    reason: Reason,
) -> None:
    assert read_failure(OSError("failed"), phase, proxied=proxied)[0] is reason


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        KeyError("a bug"),
        h11.LocalProtocolError("we sent nonsense"),
        ExceptionGroup("of a task group", [ValueError("a bug")]),
    ],
)
@pytest.mark.parametrize("phase", list(Phase))
def test_anything_else_is_our_own_bug(error: Exception, phase: Phase) -> None:
    assert read_failure(error, phase) == (Reason.INTERNAL, Fault.EXPORTER)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(
    "error",
    [
        DeadlineError(),
        ResolutionError(),
        BodyError(),
        h11.RemoteProtocolError("x"),
        OSError(),
        ssl.SSLError(),
        ValueError(),
    ],
)
def test_every_finding_is_a_pair_that_the_metrics_know(error: Exception, phase: Phase) -> None:
    reason, fault = read_failure(error, phase)
    assert fault in FAULTS[reason]
