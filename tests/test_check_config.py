"""What check-config prints: what would run, the load on providers, and what looks wrong."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from harness.daemon import COMMAND, run_command
from harness.process import clean_environment

from exporter.check_config import ConfigReport, check_config
from exporter.settings import load

NOWHERE = Path("/nonexistent")
P, D = "FLOW_EXPORTER_", "FLOW_EXPORTER_DEFAULTS__"
SOURCE = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
OTHER = "14e3268d-847d-47aa-a45e-1ef8dd8f4df0"


def environ(*names: str, **fields: str) -> dict[str, str]:
    """Return the variables of targets of one source environment, and of others by `NAME__FIELD`."""
    ids = {f"{D}SOURCE_ENVIRONMENT_ID": SOURCE, f"{D}DESTINATION_ENVIRONMENT_ID": OTHER}
    clients = {f"{P}TARGETS__{name}__CLIENT_ID": "client" for name in names}
    return {**ids, **clients, **{f"{P}TARGETS__{name}": value for name, value in fields.items()}}


def checked(variables: Mapping[str, str]) -> ConfigReport:
    return check_config(load(variables, NOWHERE))


def test_loads_first_probes_and_targets_are_shown_in_this_order() -> None:
    apac = {
        "APAC__REGION": "EU",
        "APAC__SOURCE_ENVIRONMENT_ID": OTHER,
        "APAC__DESTINATION_ENVIRONMENT_ID": SOURCE,
        "APAC__INTERVAL": "1s",
        "APAC__LATENCY_OBJECTIVE": "300ms",
    }
    found = checked(environ("EMEA", "APAC", "US", **apac))
    assert found.text.startswith(
        """\
auth host         targets  probes/min
auth.pingone.eu         1          60
auth.pingone.com        2           2

environment                           targets  probes/min
14e3268d-847d-47aa-a45e-1ef8dd8f4df0        1          60
94e3268d-847d-47aa-a45e-1ef8dd8f4df0        2           2

target  journey    first probe  interval
apac    authorize  immediately        1s
emea    authorize  immediately        1m
us      authorize  after 50ms         1m

target apac
  authorize URL           https://auth.pingone.eu/"""
    )
    assert found.text.endswith("\n\nOK: 3 targets")
    assert found.warnings == ()


def first_probes(variables: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return target, journey and start of each first probe, as printed."""
    rows = json.loads(checked(variables).json)["first_probes"]
    return [(row["target"], row["journey"], row["first_probe"]) for row in rows]


def test_first_probes_of_one_host_are_spread_and_those_of_another_begin_with_them() -> None:
    assert first_probes(environ("A", "B", "C", "D", B__REGION="EU")) == [
        ("a", "authorize", "immediately"),
        ("b", "authorize", "immediately"),
        ("c", "authorize", "after 50ms"),
        ("d", "authorize", "after 100ms"),
    ]


def test_first_probes_of_a_federation_are_spread_over_its_destinations_host() -> None:
    federation = {
        "A__JOURNEYS": "authorize,federation",
        "A__DESTINATION_REGION": "EU",
        "A__DESTINATION_CLIENT_ID": "client",
        "A__DESTINATION_REDIRECT_URI": "https://rp.example.com/",
    }
    assert first_probes(environ("A", "B", B__REGION="EU", **federation)) == [
        ("a", "authorize", "immediately"),
        ("a", "federation", "immediately"),
        ("b", "authorize", "after 50ms"),
    ]


def test_a_rare_probe_is_not_shown_as_0() -> None:
    text = checked(environ("A", A__INTERVAL="1d")).text
    assert text.split("\n")[1] == "auth.pingone.com        1        <0.1"


def test_of_a_thousand_environments_the_heaviest_twenty_are_shown() -> None:
    ids = {f"T{n}__SOURCE_ENVIRONMENT_ID": f"{n:08}-847d-47aa-a45e-1ef8dd8f4df0" for n in range(1000)}
    text = checked(environ(*(f"T{n}" for n in range(1000)), **ids, T7__INTERVAL="30s")).text
    table = text.split("\n\n")[1].split("\n")
    assert table[1].startswith("00000007-847d-47aa-a45e-1ef8dd8f4df0        1           2")
    assert len(table) == 22
    assert table[-1] == "and 980 more, with fewer probes"


def test_a_shard_shows_its_own_load_and_that_of_all_shards() -> None:
    shard = {f"{P}SHARD__COUNT": "2"}
    found = checked({**environ(*(f"T{n}" for n in range(10))), **shard})
    here, everywhere = found.text.split("\n")[1].split()[2:4]
    assert 0 < int(here) < 10
    assert everywhere == "10"
    assert found.text.startswith("auth host         targets  probes/min  all shards\n")


def test_a_shard_without_a_target_shows_no_tables() -> None:
    shard = {f"{P}SHARD__COUNT": "2"}
    texts = [checked({**environ("A"), **shard, f"{P}SHARD__INDEX": index}).text for index in "01"]
    assert sorted(text.split()[0] for text in texts) == ["auth", "exporter"]


LIMIT = "PingOne is reported to limit one source address to 105/s (35% of about 300/s); increase INTERVAL"


def test_a_load_near_the_providers_limit_is_warned_of() -> None:
    often = {f"{D}INTERVAL": "100ms"}
    assert checked({**environ(*"ABCDE"), **often}).warnings == ()
    assert checked({**environ(*"ABCDEF"), **often}).warnings == (
        f"environment {SOURCE} gets 60 requests/s; {LIMIT}",
    )


def test_the_load_of_all_shards_together_is_warned_of() -> None:
    often = {f"{D}INTERVAL": "100ms", f"{P}SHARD__COUNT": "2"}
    assert checked({**environ(*"ABCDEF"), **often}).warnings == (
        (f"environment {SOURCE} gets 60 requests/s from all shards together; {LIMIT}"),
    )


def test_a_prompt_that_fails_every_probe_is_warned_of() -> None:
    fields = {f"T{n}__PROMPT": "none" for n in range(1, 8)}
    found = checked(environ(*(f"T{n}" for n in range(9)), **fields, T8__PROMPT="login"))
    assert found.warnings == (
        (
            "t1, t2, t3, t4, t5 and 2 more: with PROMPT=none PingOne returns login_required, since a probe "
            "has no session, so every probe fails; remove it"
        ),
    )


def test_an_unknown_status_is_accepted_with_a_warning() -> None:
    fields = {f"T{n}__EXPECTED_STATUSES": "USERNAME_PASSWORT_REQUIRED,DAVINCI" for n in range(7)}
    found = checked(environ(*(f"T{n}" for n in range(8)), **fields, T7__EXPECTED_STATUSES="XYZ"))
    assert "expected statuses       USERNAME_PASSWORT_REQUIRED, DAVINCI\n" in found.text
    assert found.warnings == (
        (
            "t0, t1, t2, t3, t4 and 2 more: EXPECTED_STATUSES contains USERNAME_PASSWORT_REQUIRED, which "
            "PingOne is not known to return; did you mean USERNAME_PASSWORD_REQUIRED?"
        ),
        "t7: EXPECTED_STATUSES contains XYZ, which PingOne is not known to return; check the spelling",
    )


def test_prompt_none_is_warned_of() -> None:
    found = checked(environ("A", "B", B__PROMPT="none"))
    assert found.warnings == (
        (
            "b: with PROMPT=none PingOne returns login_required, since a probe has no session, so every "
            "probe fails; remove it"
        ),
    )


def test_what_the_system_lacks_is_warned_of_as_by_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.process.system_has_no_authorities", lambda: True)
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    found = checked(environ("A"))
    authorities, open_files = found.warnings
    assert found.text.endswith(", 2 warnings")
    assert authorities == "no certificate authorities on this system: install ca-certificates or set CA_FILE"
    assert open_files.startswith("100 concurrent probes may need 850 open files, but the limit is 64")


FEDERATION = {
    f"{D}JOURNEYS": "federation",
    f"{D}DESTINATION_CLIENT_ID": "rp",
    f"{D}DESTINATION_REDIRECT_URI": "https://rp.example.com/callback?k=s3cr3t",
    f"{D}REGION": "EU",
}
USER = {"A__USERNAME": "pr0be", "A__PASSWORD": "s3cr3t"}


def test_each_journey_is_shown_with_its_load_and_how_far_it_goes() -> None:
    extra = {"A__DESTINATION_CLIENT_SECRET": "s3cr3t", "A__JOURNEYS": "authorize,federation", **USER}
    extra |= {"A__SECRET_EXPIRES": "2027-03-31", "A__PROVIDER_ID": "Partner", "A__LOOKUP_USERNAME": "s3cr3t"}
    found = checked({**environ("A", "B", **extra), **FEDERATION})
    assert found.text.startswith(
        f"""\
auth host        targets  probes/min  requests/min
auth.pingone.eu        2         1.4           3.8

environment                           targets  probes/min  requests/min
{OTHER}        2         0.4             2
{SOURCE}        2         1.4           1.8

target  journey     first probe  interval  requests
a       authorize   immediately        1m         1
a       federation  after 50ms         5m        11
b       federation  after 100ms        5m         3

target a
"""
    )
    for row in (
        "destination URL         https://auth.pingone.eu/14e3268d-847d-47aa-a45e-1ef8dd8f4df0/as/authorize",
        "destination client ID   rp",
        "destination redirect    https://rp.example.com/callback?(set)",
        "destination scope       openid",
        "lookup user name        (set)",
        "destination secret      (set), client authentication basic",
        "identity provider       Partner",
        "test account            (set)",
        "journey authorize       every 1m, timeout 10s, latency objective 2s",
        "journey federation      every 5m, timeout 30s, latency objective 10s, ends after token",
        "journey federation      every 5m, timeout 30s, latency objective 10s, ends after source_authorize",
        "secret expires          2027-03-31 00:00:00+00:00",
        "federation buckets      0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60",
    ):
        assert f"  {row}\n" in found.text
    assert "s3cr3t" not in found.text
    assert "pr0be" not in found.text
    assert found.warnings == ()


def test_a_source_that_is_not_configured_is_shown_as_such() -> None:
    target = {f"{P}TARGETS__A__DESTINATION_ENVIRONMENT_ID": OTHER}
    text = checked({**target, **FEDERATION}).text
    assert "  source environment      not set: from the destination's redirect\n" in text
    assert "authorize URL" not in text
    assert "client ID   " in text


def test_a_provider_that_is_not_pingone_is_shown_with_what_it_must_do() -> None:
    kind = {"A__SOURCE_KIND": "auto", "B__SOURCE_KIND": "oidc", "B__READY_BY": "Login_Page"}
    hosts = {"B__LOGIN_HOSTS": "login.partner.example,sso.partner.example"}
    text = checked({**environ("A", "B", **kind, **hosts), **FEDERATION}).text
    rows = [
        line for line in text.splitlines() if line.startswith(("  source kind", "  ready by", "  login h"))
    ]
    assert rows == [
        "  source kind             auto",
        "  ready by                prompt_none",
        "  login hosts             none",
        "  source kind             oidc",
        "  ready by                login_page",
        "  login hosts             login.partner.example, sso.partner.example",
    ]


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        (
            USER,
            (
                "a: USERNAME and PASSWORD are set, but DESTINATION_CLIENT_SECRET is not, so the code is "
                "never redeemed and no ID token is checked; set it, or DESTINATION_CLIENT_AUTH=none for a "
                "public client"
            ),
        ),
        (
            {"A__DESTINATION_CLIENT_SECRET": "s3cr3t"},
            (
                "a: DESTINATION_CLIENT_SECRET is set, but USERNAME and PASSWORD are not, so probes end after "
                "source_authorize and never use it; set all of them"
            ),
        ),
        (
            {**USER, "A__DESTINATION_CLIENT_AUTH": "none", "A__DESTINATION_SCOPE": "profile"},
            "a: DESTINATION_SCOPE lacks openid, so PingOne issues no ID token and every probe fails; add it",
        ),
        (
            {**USER, "A__JOURNEYS": "authorize"},
            (
                "a: USERNAME, PASSWORD and DESTINATION_CLIENT_SECRET are used by the journey federation "
                "only; add federation to JOURNEYS, or remove them"
            ),
        ),
    ],
)
def test_a_federation_that_looks_like_an_error_is_warned_of(fields: dict[str, str], warning: str) -> None:
    assert checked({**environ("A", **fields), **FEDERATION}).warnings == (warning,)


def test_an_environment_that_is_its_own_destination_is_warned_of() -> None:
    same = "source and destination are the same environment; correct one of the two IDs"
    copied = environ("A", "B", B__SOURCE_ENVIRONMENT_ID=OTHER)
    assert checked(copied).warnings == (f"b: {same}",)
    without_source = {f"{P}TARGETS__A__DESTINATION_ENVIRONMENT_ID": OTHER}
    assert checked({**without_source, **FEDERATION}).warnings == ()


def test_a_custom_domain_of_two_environments_is_warned_of() -> None:
    domain = {"CUSTOM_DOMAIN": "login.example.com", "DESTINATION_CUSTOM_DOMAIN": "LOGIN.example.com."}
    shared = "source and destination have the same custom domain; a domain belongs to only one environment"
    assert checked(environ("A", **{f"A__{name}": value for name, value in domain.items()})).warnings == (
        f"a: {shared}",
    )
    domain["DESTINATION_CUSTOM_DOMAIN"] = "other.example.com"
    assert checked(environ("A", **{f"A__{name}": value for name, value in domain.items()})).warnings == ()


@pytest.mark.parametrize("secret", ['"s3cr3t"', "'s3cr3t'"])
def test_quotes_around_a_secret_in_a_file_are_warned_of_without_showing_it(
    tmp_path: Path, secret: str
) -> None:
    for name, content in {
        "USERNAME": "pr0be",
        "PASSWORD": secret,
        "DESTINATION_CLIENT_SECRET": secret,
    }.items():
        (tmp_path / f"{P}TARGETS__A__{name}").write_text(f"{content}\n")
    region = {f"{P}SECRETS_DIR": str(tmp_path), "FLOW_EXPORTER_DEFAULTS__REGION": "EU"}
    ends = "is enclosed in quotes, which are sent as a part of it; remove them"
    found = checked({**environ("A"), **FEDERATION, **region})
    assert found.warnings == (f"a: PASSWORD {ends}", f"a: DESTINATION_CLIENT_SECRET {ends}")
    assert "s3cr3t" not in found.text


@pytest.mark.parametrize("secret", ['"', "\"s3cr3t'", 's3"cr3t"'])
def test_quotes_that_do_not_enclose_a_secret_are_part_of_it(tmp_path: Path, secret: str) -> None:
    (tmp_path / f"{P}TARGETS__A__PASSWORD").write_text(secret)
    (tmp_path / f"{P}TARGETS__A__USERNAME").write_text("pr0be")
    known = {f"{P}SECRETS_DIR": str(tmp_path), f"{D}REGION": "EU", f"{D}DESTINATION_CLIENT_AUTH": "none"}
    assert checked({**environ("A"), **FEDERATION, **known}).warnings == ()


HUB = {
    f"{P}DESTINATIONS__HUB__{name}": text
    for name, text in {
        "ENVIRONMENT_ID": OTHER,
        "CLIENT_ID": "rp",
        "REDIRECT_URI": "https://rp.example.com/callback?k=s3cr3t",
        "REGION": "EU",
        "INCLUDE": "^Partner",
        "EXCLUDE": "(?i)test",
        "EXPECT": "Partner B,Partner A",
        "MAX_PROVIDERS": "30",
        "READY_BY": "login_page",
        "PROXY_URL": "http://u53r:s3cr3t@proxy.example.com:3128",
        "LABELS__OWNER": "identity",
    }.items()
}


def test_a_destination_is_shown_with_the_load_that_it_may_bring() -> None:
    found = checked(HUB)
    first, exporter, last = found.text.split("\n\n")
    assert (
        first
        == f"""\
destination hub
  authorize URL           https://auth.pingone.eu/{OTHER}/as/authorize
  client ID               rp
  redirect URI            https://rp.example.com/callback?(set)
  include                 ^Partner
  exclude                 (?i)test
  expect                  Partner A, Partner B
  identity providers      at most 30
  listed                  every 5m
  requests to it          at most 12.2/min
  expected statuses       *_REQUIRED
  source kind             auto
  ready by                login_page
  login hosts             none
  journey federation      every 5m, timeout 30s, latency objective 10s, ends after source_authorize
  trusted authorities     the system's
  IP family               any
  proxy                   proxy.example.com:3128, with a user
  labels                  owner=identity"""
    )
    assert exporter.startswith("exporter\n  targets                 0\n")
    assert last == "OK: 1 destination"
    assert found.warnings == ()
    assert checked({**environ("A"), **HUB}).text.endswith("\n\nOK: 1 target, 1 destination")


@pytest.mark.parametrize(("shards", "together"), [("1", ""), ("2", " from all shards together")])
def test_the_load_that_a_destination_may_bring_is_warned_of(shards: str, together: str) -> None:
    often = {f"{P}DESTINATIONS__HUB__FEDERATION_INTERVAL": "1s"}
    assert checked({**HUB, **often, f"{P}SHARD__COUNT": shards}).warnings == (
        f"environment {OTHER} gets 60 requests/s{together}; {LIMIT}",
    )


@pytest.mark.e2e
def test_warnings_go_to_standard_error_and_do_not_fail(tmp_path: Path) -> None:
    variables = environ("A", A__PROMPT="none")
    done = run_command("check-config", cwd=tmp_path, env=variables)
    assert done.returncode == 0
    assert done.stdout.startswith("auth host ")
    assert done.stderr == (
        "warning: a: with PROMPT=none PingOne returns login_required, since a probe has no session, so every "
        "probe fails; remove it\n"
    )


@pytest.mark.e2e
def test_a_reader_that_closes_the_pipe_is_not_a_failure(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, environ("A")),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.e2e
def test_a_configuration_file_and_a_mounted_secret_are_checked_together(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(
        f"targets:\n  emea:\n    source_environment_id: {SOURCE}\n    destination_environment_id: {OTHER}\n"
        "    client_id: 0123\n    intervall: 1m\n",
        encoding="utf-8",
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / f"{P}TARGETS__EMEA__PROXY_URL").write_text("socks5://user:s3cr3t@a.example:1")
    named = {f"{P}CONFIG_FILE": "flows.yaml", f"{P}SECRETS_DIR": "secrets"}
    done = run_command("check-config", cwd=tmp_path, env=named)
    assert (done.returncode, done.stdout) == (2, "")
    *errors, count = done.stderr.splitlines()
    assert count == "2 errors"
    assert errors == [
        (
            f"{P}TARGETS__EMEA__PROXY_URL in secrets: invalid URL of an http proxy; use e.g. "
            "http://proxy.example.com:3128"
        ),
        "targets.emea.intervall in flows.yaml line 6: unknown setting; did you mean targets.emea.interval?",
    ]
