"""Prometheus' web configuration file: what is taken, what is refused by name, and where it is told."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import web_file, web_tls
from exporter.settings.web_file import read_web_file
from exporter.tls import RateLimit, TlsServer, WebSecurity

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
"""The example of the exporter toolkit's documentation."""


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with server.crt, server.key, other.key and ca.crt, and a web.yml to come."""
    directory = tmp_path_factory.mktemp("pems")
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    (directory / "server.crt").write_bytes(b"".join(pem.bytes() for pem in pair.cert_chain_pems))
    pair.private_key_pem.write_to_path(str(directory / "server.key"))
    authority.issue_cert("localhost").private_key_pem.write_to_path(str(directory / "other.key"))
    authority.cert_pem.write_to_path(str(directory / "ca.crt"))
    return directory


def read(directory: Path, text: str) -> WebSecurity:
    path = directory / "web.yml"
    path.write_text(text)
    security, mistakes = read_web_file(path)
    assert mistakes == []
    return security


def mistakes(directory: Path, text: str, group: str = "") -> list[str]:
    """Return what is told, `group.key in web.yml line 7: …` abbreviated to `key @7: …`."""
    path = directory / "web.yml"
    path.write_text(text)
    told = [str(mistake) for mistake in read_web_file(path)[1]]
    return [one.removeprefix(f"{group}.").replace(" in web.yml line ", " @", 1) for one in told]


PAIR = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def tls(directory: Path, text: str) -> TlsServer:
    found = read(directory, PAIR + text).tls
    assert found is not None
    return found


def test_an_empty_file_leaves_the_port_open(tmp_path: Path) -> None:
    assert read(tmp_path, "{}") == WebSecurity()


def test_empty_groups_say_nothing(tmp_path: Path) -> None:
    text = "tls_server_config:\nhttp_server_config: {headers: {}}\nbasic_auth_users: null\nrate_limit: {}\n"

    assert read(tmp_path, text) == WebSecurity()


def test_the_toolkit_s_own_example_is_taken(pems: Path) -> None:
    security = read(
        pems,
        f"""\
# TLS and basic authentication configuration example.
{PAIR}
basic_auth_users:
  alice: {HASH}
  bob: "{HASH.replace("2y", "2a")}"

rate_limit:
  interval: "1s" # time interval between two requests, set to 0 to disable rate limiter
  burst: 20 # and permits a burst of up to 20 requests.
""",
    )

    assert security == WebSecurity(
        tls=TlsServer(certificate=pems / "server.crt", key=pems / "server.key"),
        users={"alice": HASH, "bob": HASH.replace("2y", "2a")},
        rate_limit=RateLimit(interval=1.0, burst=20),
    )


def test_every_key_of_tls_that_python_honours_is_taken(pems: Path) -> None:
    found = tls(
        pems,
        """\
  client_ca_file: ca.crt
  client_auth_type: VerifyClientCertIfGiven
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_RSA_WITH_AES_128_CBC_SHA]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384]
""",
    )

    assert found == TlsServer(
        certificate=pems / "server.crt",
        key=pems / "server.key",
        authorities=pems / "ca.crt",
        certificate_required=False,
        maximum=ssl.TLSVersion.TLSv1_2,
        ciphers=("ECDHE-RSA-AES256-GCM-SHA384", "AES128-SHA"),
        server_chooses=False,
        curve="secp384r1",
    )


def test_the_defaults_are_the_toolkit_s(pems: Path) -> None:
    found = tls(pems, "  client_auth_type: NoClientCert\n")

    assert (found.minimum, found.maximum) == (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    assert (found.authorities, found.server_chooses, found.ciphers) == (None, True, ())


def test_certificates_may_stand_in_the_file_itself(pems: Path) -> None:
    def indented(name: str) -> str:
        return "\n".join(f"    {line}" for line in (pems / name).read_text().splitlines())

    found = read(
        pems,
        "tls_server_config:\n"
        f"  cert: |\n{indented('server.crt')}\n"
        f"  key: |\n{indented('server.key')}\n"
        f"  client_ca: |\n{indented('ca.crt')}\n"
        "  client_auth_type: RequireAndVerifyClientCert\n",
    ).tls

    assert found is not None
    assert found.key == (pems / "server.key").read_text()
    assert found.certificate_required
    assert "PRIVATE" not in repr(found)


def test_paths_start_where_the_file_is(pems: Path, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    shutil.copy(pems / "server.crt", tmp_path)
    text = f"tls_server_config: {{cert_file: ../server.crt, key_file: {pems / 'server.key'}}}"

    found = read(tmp_path / "web", text).tls

    assert found is not None
    assert found.certificate == tmp_path / "web" / "../server.crt"
    assert found.key == pems / "server.key"


def test_suites_of_tls_1_3_alone_leave_nothing_for_tls_1_2(pems: Path) -> None:
    found = tls(pems, "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n")

    assert (found.minimum, found.ciphers) == (ssl.TLSVersion.TLSv1_3, ())


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "  client_auth_type: RequestClientCert\n",
            (
                "client_auth_type @4: is RequestClientCert, which is not supported, for Python's ssl "
                "verifies every certificate that it asks for; write RequireAndVerifyClientCert"
            ),
        ),
        (
            "  client_auth_type: RequireAnyClientCert\n",
            (
                "client_auth_type @4: is RequireAnyClientCert, which is not supported, for Python's ssl "
                "verifies every certificate that it asks for; write RequireAndVerifyClientCert"
            ),
        ),
        (
            "  client_auth_type: Sometimes\n",
            (
                "client_auth_type @4: is no client auth type; write NoClientCert, VerifyClientCertIfGiven "
                "or RequireAndVerifyClientCert"
            ),
        ),
        (
            "  client_auth_type: RequireAndVerifyClientCert\n",
            "client_auth_type @4: needs client_ca_file, the authorities that vouch for clients; set it",
        ),
        (
            "  client_ca_file: ca.crt\n",
            (
                "client_ca_file @4: is of no use unless client_auth_type asks for it; set that to "
                "RequireAndVerifyClientCert"
            ),
        ),
        (
            "  client_allowed_sans: [prometheus]\n",
            (
                "client_allowed_sans @4: is not supported, for Python's ssl has no such check; remove it, "
                "and let client_ca_file be an authority that vouches for scrapers alone"
            ),
        ),
        (
            "  cipher_suites:\n  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n  - TLS_RSA_WITH_RC4_128_SHA\n",
            (
                "cipher_suites @6: has a cipher suite that is unknown or no longer safe; write names such "
                "as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
            ),
        ),
        (
            "  cipher_suites: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n",
            "cipher_suites @4: is no list; write one value per line, each after a dash",
        ),
        (
            "  min_version: TLS10\n",
            "min_version @4: is TLS10, which OpenSSL no longer speaks; write TLS12 or TLS13",
        ),
        (
            "  max_version: 1.2\n",
            "max_version @4: is no TLS version; write TLS12 or TLS13",
        ),
        (
            "  max_version: TLS12\n  min_version: TLS13\n",
            "min_version @5: is above max_version; write one that is not",
        ),
        (
            "  curve_preferences: [X25519, CurveP256]\n",
            "curve_preferences @4: has several curves, of which Python's ssl takes one; write one",
        ),
        (
            "  curve_preferences: [Curve25519]\n",
            (
                "curve_preferences @4: has a curve that is unknown or not supported; write one of "
                "CurveP256, CurveP384, CurveP521, X25519"
            ),
        ),
        (
            "  cert: x\n",
            "cert @4: cannot stand beside cert_file; keep one of them",
        ),
        (
            "  prefer_server_cipher_suites: perhaps\n",
            "prefer_server_cipher_suites @4: is neither true nor false; write true or false",
        ),
        (
            "  min_version: [TLS12]\n",
            "min_version @4: is one setting, not a list or group; write a single value",
        ),
        (
            "  client_ca_fiel: ca.crt\n",
            "client_ca_fiel @4: is unknown; did you mean client_ca_file?",
        ),
    ],
)
def test_what_tls_cannot_be_is_told_in_words(text: str, mistake: str, pems: Path) -> None:
    assert mistakes(pems, PAIR + text, "tls_server_config") == [mistake]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "{cert_file: absent.crt, key_file: server.key}",
            "cert_file @1: file not found: {directory}/absent.crt",
        ),
        (
            "{cert_file: server.crt, key_file: .}",
            "key_file @1: not a regular file: {directory}",
        ),
        (
            "{cert_file: server.key, key_file: server.key}",
            "cert_file @1: no readable certificate found; expected PEM certificates",
        ),
        (
            "{cert_file: server.crt, key_file: server.crt}",
            "key_file @1: no private key found; expected one in PEM",
        ),
        (
            "{cert_file: server.crt, key_file: other.key}",
            "key_file @1: private key does not match the certificate",
        ),
        (
            (
                "{cert_file: server.crt, key_file: server.key, client_auth_type: VerifyClientCertIfGiven, "
                "client_ca_file: server.key}"
            ),
            "client_ca_file @1: no readable certificate found; expected PEM certificates",
        ),
        (
            "{cert_file: server.crt}",
            (
                "tls_server_config @1: has no key_file, without which there is no TLS; set it, or remove "
                "the whole group"
            ),
        ),
        (
            "{min_version: TLS13}",
            (
                "tls_server_config @1: has no cert_file, without which there is no TLS; set it, or remove "
                "the whole group"
            ),
        ),
        (
            "yes",
            "tls_server_config @1: is a group of settings; write keys and values below it",
        ),
    ],
)
def test_files_that_cannot_be_used_are_told_where_they_are_named(text: str, mistake: str, pems: Path) -> None:
    expected = [mistake.replace("{directory}", str(pems))]
    assert mistakes(pems, f"tls_server_config: {text}", "tls_server_config") == expected


@pytest.mark.parametrize("http2", ["true", "false"])
def test_http2_is_taken_either_way(http2: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"http_server_config: {{http2: {http2}}}") == WebSecurity()


def test_headers_are_taken_in_their_order_and_blank_ones_left_out(tmp_path: Path) -> None:
    text = """\
http_server_config:
  headers:
    Strict-Transport-Security: max-age=31536000; includeSubDomains
    X-Frame-Options: deny
    X-Content-Type-Options: ""
    Content-Security-Policy: default-src 'self'
"""

    assert read(tmp_path, text).headers == (
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        ("X-Frame-Options", "deny"),
        ("Content-Security-Policy", "default-src 'self'"),
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "x-frame-options: deny",
            "x-frame-options @3: is unknown; did you mean X-Frame-Options?",
        ),
        ("Server: me", "Server @3: is unknown"),
        (
            "X-Frame-Options: DENY",
            "X-Frame-Options @3: is no value of this header; write deny or sameorigin",
        ),
        (
            r'X-XSS-Protection: "0\r\nSet-Cookie: a"',
            "X-XSS-Protection @3: holds a control character, such as a line break; write it without",
        ),
        (
            "X-XSS-Protection: é",
            (
                "X-XSS-Protection @3: is no value of a header; write at most 4096 printable ASCII "
                "characters, without spaces around"
            ),
        ),
    ],
)
def test_headers_that_cannot_be_set_are_told_in_words(text: str, mistake: str, tmp_path: Path) -> None:
    written = f"http_server_config:\n  headers:\n    {text}\n"

    assert mistakes(tmp_path, written, "http_server_config.headers") == [mistake]


NO_HASH = "is no bcrypt hash; write one that begins with $2a$, $2b$ or $2y$, as htpasswd -nBC 10 makes them"


@pytest.mark.parametrize(
    "stored",
    [
        "hunter2",
        HASH[:-1],
        HASH + "a",
        HASH.replace("2y", "2x"),
        HASH.replace("$10$", "$03$"),
        HASH.replace("$10$", "$32$"),
        HASH.replace("$10$", "$9$"),
        HASH[:28] + "/" + HASH[29:],
        "'{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc='",
    ],
)
def test_what_is_no_bcrypt_hash_is_refused_and_not_repeated(stored: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, f"basic_auth_users:\n  ann: {stored}\n") == [
        f"basic_auth_users.ann @2: {NO_HASH}"
    ]


def test_a_hash_that_takes_too_long_is_refused_with_the_reason(tmp_path: Path) -> None:
    def users(cost: int) -> str:
        return "basic_auth_users: {ann: " + HASH.replace("$10$", f"${cost}$") + "}"

    assert mistakes(tmp_path, users(16)) == []
    assert mistakes(tmp_path, users(17)) == [
        (
            "basic_auth_users.ann @1: has a cost above 16, with which one login takes a processor for "
            "many seconds; hash the password again, with a cost of 10 to 12"
        )
    ]


@pytest.mark.parametrize("stored", ["", '""', "~", "null"])
def test_a_user_without_a_hash_is_refused_and_never_left_out(stored: str, tmp_path: Path) -> None:
    """As a template writes it whose value is not set; without its only user the port would be open."""
    text = f"basic_auth_users:\n  prometheus: {stored}\n"
    assert mistakes(tmp_path, text, "basic_auth_users") == [f"prometheus @2: {NO_HASH}"]


def test_more_users_than_a_file_may_have_are_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_file, "MOST_USERS", 1)

    assert mistakes(tmp_path, f"basic_auth_users: {{ann: {HASH}, bob: {HASH}}}") == [
        "basic_auth_users @1: has more than 1 users; write fewer"
    ]


def test_a_suite_that_this_openssl_lacks_is_refused_by_name(
    pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(web_tls._SUITES, "TLS_RSA_WITH_AES_128_CBC_SHA", "NO-SUCH-SUITE")  # noqa: SLF001  as if

    found = mistakes(pems, f"{PAIR}  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n", "tls_server_config")

    assert found == [
        "cipher_suites @4: has TLS_RSA_WITH_AES_128_CBC_SHA, which this OpenSSL does not have; remove it"
    ]


def test_a_user_whose_name_no_client_can_send_is_refused(tmp_path: Path) -> None:
    assert mistakes(tmp_path, f"basic_auth_users: {{'a:b': {HASH}}}") == [
        "basic_auth_users.a:b @1: has a colon in its name, which no client can send; write another name"
    ]


def test_a_user_s_name_is_a_text_whatever_it_looks_like(tmp_path: Path) -> None:
    assert set(read(tmp_path, f"basic_auth_users: {{123: {HASH}, no: {HASH}}}").users) == {"123", "no"}


@pytest.mark.parametrize("text", ["{interval: 0, burst: 5}", "{interval: 0s}", "{burst: 5}"])
def test_a_rate_limit_without_an_interval_is_none(text: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"rate_limit: {text}").rate_limit is None


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "{interval: 1s}",
            "interval @1: needs burst, how many requests may come at once; set it, too",
        ),
        (
            "{interval: 1s, burst: 0}",
            "burst @1: is no whole number from 1 to 999999999; write requests, for example 20",
        ),
        (
            "{interval: 1, burst: 1}",
            "interval @1: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h",
        ),
    ],
)
def test_a_rate_limit_that_is_none_is_told_in_words(text: str, mistake: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, f"rate_limit: {text}", "rate_limit") == [mistake]


def test_all_mistakes_are_told_at_once(pems: Path) -> None:
    text = f"""\
{PAIR}  min_version: SSL3
http_server_confg: {{}}
basic_auth_users:
  ann: plain
  bob: &x {HASH}
"""

    found = mistakes(pems, text)

    assert [mistake.partition(":")[0] for mistake in sorted(found)] == [
        "basic_auth_users.ann @7",
        "basic_auth_users.bob @8",
        "http_server_confg @5",
        "tls_server_config.min_version @4",
    ]


def test_an_encrypted_key_is_refused_and_no_passphrase_asked_for(pems: Path) -> None:
    done = subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", pems / "server.key"],
        capture_output=True,
        check=True,
    )
    (pems / "locked.key").write_bytes(done.stdout)

    written = "tls_server_config: {cert_file: server.crt, key_file: locked.key}"
    assert mistakes(pems, written, "tls_server_config") == [
        "key_file @1: private key is encrypted; decrypt it"
    ]


@pytest.mark.parametrize(
    "text", ["", "- a", "a: [", 'tls_server_config: {cert_file: "\\0", key_file: x}', "a: b\n---\nc: d"]
)
def test_what_is_no_configuration_is_a_mistake_and_never_an_exception(text: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, text)


@given(
    st.recursive(
        st.sampled_from(["x", "1", "null", "true", "1s", HASH, "server.crt", '"\\ud800"', "TLS12"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            st.dictionaries(
                st.sampled_from([
                    "tls_server_config", "cert_file", "cert", "key", "key_file", "min_version", "client_ca",
                    "basic_auth_users", "http_server_config", "headers", "http2", "rate_limit", "interval",
                    "burst", "cipher_suites", "X-Frame-Options", "client_auth_type",
                ]),
                inner,
                max_size=5,
            ).map(lambda pairs: f"{{{', '.join(f'{name}: {value}' for name, value in pairs.items())}}}"),
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_whatever_is_written_is_read_or_told_and_no_hash_repeated(text: str) -> None:
    path = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")  # noqa: S108  one file, written over
    path /= "web-file-of-a-test.yml"
    path.write_text(text)
    try:
        _, found = read_web_file(path)
    except ValueError as error:
        said = [str(error)]
    else:
        said = [mistake.message for mistake in found]
    finally:
        path.unlink()
    assert not any(HASH in message for message in said)
