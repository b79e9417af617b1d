"""Invalid values are rejected before anything is changed, with an error that says what is valid."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from chart.rendering import CHART, ONE, TARGET, RefusedError, render
from pydantic import TypeAdapter

from exporter.destinations import MAX_DESTINATION_NAME_LENGTH
from exporter.durations import parse_duration
from exporter.settings import MAX_NAME_LENGTH, MAX_SHARDS, RESERVED_LABELS, TargetSettings
from exporter.settings.addresses import parse_host
from exporter.settings.schema import DestinationSettings
from exporter.settings.values import Interval
from exporter.settings.web_file import HeadersConfig, WebConfigFile
from exporter.target import REGIONS

if TYPE_CHECKING:
    from chart.rendering import Values

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFINITIONS = SCHEMA["definitions"]


def emea(**fields: Any) -> Values:  # noqa: ANN401  whatever may be wrong
    return {"targets": {"emea": TARGET | fields}}


def env(name: str, value: str) -> Values:
    return ONE | {"extraEnv": [{"name": name, "value": value}]}


def hub(**fields: Any) -> Values:  # noqa: ANN401  whatever may be wrong
    application = {"environmentId": TARGET["destinationEnvironmentId"], "clientId": "a", "redirectUri": "a:b"}
    return {"destinations": {"hub": application | fields}}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (hub(providerId="a"), "additional properties 'providerId' not allowed"),
        (hub(maxProviders=1001), "at '/destinations/hub/maxProviders'"),
        (hub(expect=["a,b"]), "at '/destinations/hub/expect/0'"),
        (hub(include="a" * 1025), "at '/destinations/hub/include'"),
        ({"destinations": {"Hub": {}}}, "additional properties 'Hub' not allowed"),
        ({"destinations": {"a" * 28: {}}}, "maxLength"),
        ({"destinations": {"hub": None}}, "targets: no target configured"),
        (
            hub(region="EU", customDomain="a.example"),
            "destinations.hub: region and customDomain are mutually",
        ),
        (hub(refreshInterval="50ms"), "destinations.hub.refreshInterval: must be between 100ms and 1d"),
        (hub(federationInterval="2d"), "destinations.hub.federationInterval: must be between 100ms and 1d"),
        (
            hub(proxyUrl="http://user:a@proxy"),
            (
                "destinations.hub.proxyUrl: must not contain a user or password, which would end up in a "
                "ConfigMap; put FLOW_EXPORTER_DESTINATIONS__HUB__PROXY_URL into a Secret and set "
                "existingSecret"
            ),
        ),
        (
            {"destinations": {"hub": {"environmentId": TARGET["destinationEnvironmentId"]}}},
            "destinations.hub.clientId: required\ndestinations.hub.redirectUri: required",
        ),
    ],
)
def test_a_wrong_destination_is_rejected(values: Values, error: str) -> None:
    assert error in refused(values)


def test_a_destination_needs_no_target_and_its_timeout_follows_its_interval() -> None:
    assert "the identity providers of 1 destination(s)" in render(hub()).notes
    often = {"federationInterval": "10m", "federationTimeout": "5m"}
    assert render(hub(federationInterval="1m") | {"defaults": often}).one("Deployment")


BCRYPT = "$2b$12$" + "a" * 53


def web(**changes: Any) -> Values:  # noqa: ANN401  whatever may be wrong
    """Return values with a web configuration; what the format knows goes into that, the rest beside it."""
    config = {name: value for name, value in changes.items() if "_" in name}
    beside = {name: value for name, value in changes.items() if "_" not in name}
    return ONE | {"web": {"config": config or {"tls_server_config": {}}, **beside}}


def refused(values: Values) -> str:
    with pytest.raises(RefusedError) as caught:
        render(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (ONE | {"target": {}}, "additional properties 'target' not allowed"),
        (ONE | {"image": {"tags": "1"}}, "at '/image': additional properties 'tags' not allowed"),
        (ONE | {"livenessProbe": {"exec": {}}}, "at '/livenessProbe'"),
        (emea(interval_="1m"), "at '/targets/emea': additional properties 'interval_' not allowed"),
        (emea(client_id="a"), "at '/targets/emea': additional properties 'client_id' not allowed"),
        (ONE | {"defaults": {"regoin": "EU"}}, "at '/defaults': additional properties 'regoin'"),
        (emea(interval="1 minute"), "at '/targets/emea/interval'"),
        (emea(interval=""), "at '/targets/emea/interval'"),
        (emea(interval=60), "at '/targets/emea/interval'"),
        (emea(timeout="1s2m"), "at '/targets/emea/timeout'"),
        (emea(latencyObjective="2.5s"), "at '/targets/emea/latencyObjective'"),
        (ONE | {"shutdownGrace": "soon"}, "at '/shutdownGrace'"),
        (ONE | {"serviceMonitor": {"interval": "30"}}, "at '/serviceMonitor/interval'"),
        (ONE | {"rules": {"alerts": {"A": {"for": "5"}}}}, "at '/rules/alerts/A/for'"),
        (ONE | {"rules": {"alerts": {"A": {"severity": "a b"}}}}, "at '/rules/alerts/A/severity'"),
        (
            ONE | {"rules": {"alerts": {"A": {"annotations": {"a-b": ""}}}}},
            "at '/rules/alerts/A/annotations': additional properties 'a-b'",
        ),
        (ONE | {"rules": {"runbookUrl": "wiki"}}, "at '/rules/runbookUrl'"),
        (ONE | {"additionalLabels": {"a b": "c"}}, "at '/additionalLabels': additional properties 'a b'"),
        (ONE | {"podLabels": {"a/b/c": "d"}}, "at '/podLabels': additional properties 'a/b/c'"),
        (ONE | {"commonAnnotations": {"-a": "b"}}, "at '/commonAnnotations': additional properties '-a'"),
        (
            ONE | {"podAnnotations": {"checksum/config": "a"}},
            "at '/podAnnotations/checksum~1config': false schema",
        ),
        (ONE | {"podAnnotations": {"a b": "a"}}, "at '/podAnnotations'"),
        (
            web(tls_server_config={"cert": "a", "certfile": "b"}),
            "properties 'certfile' not allowed",
        ),
        (
            web(http_server_config={"http3": True}),
            "at '/web/config/http_server_config': additional",
        ),
        (web(http_server_config={"headers": {"Server": "a"}}), "at '/web/config/http_server_config/headers'"),
        (web(rate_limit={"bust": 1}), "at '/web/config/rate_limit': additional properties 'bust'"),
        (ONE | {"httpRoute": {"enabled": True, "rules": []}}, "at '/httpRoute/rules'"),
        (ONE | {"ingress": {"hosts": [{"host": "a"}]}}, "at '/ingress/hosts/0': missing property 'paths'"),
        (ONE | {"namespaceOverride": "A"}, "at '/namespaceOverride'"),
        (ONE | {"enabled": "yes"}, "at '/enabled'"),
        (emea(labels={"__name__": "a"}), "at '/targets/emea/labels': additional properties '__name__'"),
        (ONE | {"rules": {"labels": {"__a": "b"}}}, "at '/rules/labels': additional properties '__a'"),
        (ONE | {"rules": {"alerts": {"A": {"expr": "1"}}}}, "at '/rules/alerts/A'"),
        (ONE | {"rules": {"thresholds": {"slow_share": "1"}}}, "at '/rules/thresholds/slow_share'"),
        (ONE | {"rules": {"thresholds": {"slow_share": 25}}}, "at '/rules/thresholds/slow_share'"),
        (
            ONE | {"rules": {"labels": {"my-team": "a"}}},
            "at '/rules/labels': additional properties 'my-team' not allowed",
        ),
        (
            ONE | {"rules": {"alerts": {"A": {"labels": {"1": "a"}}}}},
            "at '/rules/alerts/A/labels': additional properties '1' not allowed",
        ),
        (ONE | {"rules": {"labels": {"cluster": "a"}}}, "at '/rules/labels/cluster': false schema"),
        (ONE | {"additionalLabels": {"release": "a b"}}, "at '/additionalLabels/release'"),
        (ONE | {"additionalLabels": {"release": "a" * 64}}, "at '/additionalLabels/release'"),
        (ONE | {"podLabels": {"a": "b-"}}, "at '/podLabels/a'"),
        (ONE | {"serviceMonitor": {"labels": {"a": "b/c"}}}, "at '/serviceMonitor/labels/a'"),
        (ONE | {"port": None}, "missing property 'port'"),
        (ONE | {"log": None}, "missing property 'log'"),
        (ONE | {"service": {"port": None}}, "at '/service': missing property 'port'"),
        (emea(sourceEnvironmentId="94e3268d"), "at '/targets/emea/sourceEnvironmentId'"),
        (emea(destinationEnvironmentId="94e3268d-847d-47aa-a45e-1ef8dd8f4dfg"), "at '/targets/emea/dest"),
        (emea(region="US"), "at '/targets/emea/region'"),
        (emea(destinationRegion="eu"), "at '/targets/emea/destinationRegion'"),
        (emea(authUrl="auth.pingone.eu"), "at '/targets/emea/authUrl'"),
        (emea(customDomain="https://login.example.com"), "at '/targets/emea/customDomain'"),
        (emea(expectedStatuses="OTP_REQUIRED"), "at '/targets/emea/expectedStatuses'"),
        (emea(expectedStatuses=["FAILED"]), "at '/targets/emea/expectedStatuses/0'"),
        (emea(expectedStatuses=[]), "at '/targets/emea/expectedStatuses'"),
        (emea(labels={"instance": "a"}), "at '/targets/emea/labels/instance': false schema"),
        (emea(labels={"Owner": "a"}), "at '/targets/emea/labels': additional properties 'Owner' not allowed"),
        (emea(labels={"owner": 1}), "at '/targets/emea/labels/owner'"),
        (emea(ipFamily=5), "at '/targets/emea/ipFamily'"),
        (emea(journey="discover"), "at '/targets/emea/journey'"),
        (emea(journeys=["federate"]), "at '/targets/emea/journeys/0'"),
        (emea(journeys=[]), "at '/targets/emea/journeys'"),
        (emea(journeys="federation"), "at '/targets/emea/journeys'"),
        (emea(federationInterval="5 m"), "at '/targets/emea/federationInterval'"),
        (emea(destinationClientAuth="jwt"), "at '/targets/emea/destinationClientAuth'"),
        (emea(secretExpires="31.3.2027"), "at '/targets/emea/secretExpires'"),
        (ONE | {"federationDurationBuckets": ["soon"]}, "at '/federationDurationBuckets/0'"),
        (emea(maxAge=-1), "at '/targets/emea/maxAge'"),
        ({"targets": {"EMEA": TARGET}}, "at '/targets': additional properties 'EMEA' not allowed"),
        ({"targets": {"em-ea": TARGET}}, "at '/targets': additional properties 'em-ea' not allowed"),
        ({"targets": {"em__ea": TARGET}}, "at '/targets': additional properties 'em__ea' not allowed"),
        ({"targets": {"a" * 64: TARGET}}, "invalid propertyName"),
        ({"targets": [TARGET]}, "at '/targets'"),
        (ONE | {"shards": 0}, "at '/shards'"),
        (ONE | {"shards": MAX_SHARDS + 1}, "at '/shards'"),
        (ONE | {"port": 80}, "at '/port'"),
        (ONE | {"externalUrl": "https://flows.example.com/?a=b"}, "at '/externalUrl'"),
        (ONE | {"grafanaUrl": "https://grafana.example.com/d/flows"}, "at '/grafanaUrl'"),
        (ONE | {"prometheusUrl": "prometheus:9090/graph?{target}"}, "at '/prometheusUrl'"),
        (
            ONE | {"secretVariables": {"PROXY_URL": "a"}},
            "at '/secretVariables': additional properties 'PROXY_URL'",
        ),
        (ONE | {"image": {"digest": "latest"}}, "at '/image/digest'"),
        (ONE | {"fullnameOverride": "Flows"}, "at '/fullnameOverride'"),
        (ONE | {"configMode": "files"}, "at '/configMode'"),
        (ONE | {"web": {"port": 1}}, "at '/web': additional properties 'port' not allowed"),
        (ONE | {"web": {"healthPort": 80}}, "at '/web/healthPort'"),
        (ONE | {"web": {"configKey": "a/b"}}, "at '/web/configKey'"),
        (ONE | {"web": {"config": {"tls_config": {}}}}, "at '/web/config': additional properties"),
        (ONE | {"serviceMonitor": {"scheme": "HTTPS"}}, "at '/serviceMonitor/scheme'"),
        (ONE | {"serviceMonitor": {"basicAuth": {"user": {}}}}, "at '/serviceMonitor/basicAuth'"),
    ],
)
def test_the_schema_rejects_it_and_reports_where(values: Values, where: str) -> None:
    assert where in refused(values)


@pytest.mark.parametrize(
    "values",
    [
        {"extraArgs": ["--web.listen-address=:9988", "--web.listen-address=127.0.0.1:9999"]},
        {"extraArgs": ["--web.listen-address=127.0.0.1:9999", "--web.listen-address=:9988"]},
        {"extraArgs": None},
        env("FLOW_EXPORTER_WEB__LISTEN_ADDRESS", ":9988 , 127.0.0.1:9999"),
    ],
)
def test_arguments_with_the_port_among_others_or_none_are_accepted(values: Values) -> None:
    render(ONE | values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "targets: no target configured; set targets.<name>.sourceEnvironmentId"),
        ({"targets": {"emea": {}}}, "targets.emea.sourceEnvironmentId: required\n"),
        ({"targets": {"emea": {}, "apac": TARGET}}, "targets.emea.clientId: required"),
        (
            emea(region="EU", customDomain="a.example"),
            "targets.emea: region and customDomain are mutually exclusive",
        ),
        (
            emea(destinationRegion="EU", destinationAuthUrl="https://a.example"),
            "targets.emea: destinationRegion and destinationAuthUrl are mutually exclusive",
        ),
        (
            ONE | {"defaults": {"region": "EU", "authUrl": "http://a"}},
            "defaults: region and authUrl are mutually exclusive",
        ),
        (ONE | {"shards": 2, "replicaCount": 2}, "replicaCount: must be 1 if shards is greater than 1"),
        (emea(journeys=["federation"]), "targets.emea.destinationClientId: required"),
        (ONE | {"statusPage": {"components": ["a"]}}, "statusPage.components: requires statusPage.url"),
        (
            {"targets": {"emea": {"journey": "federation"}}},
            (
                "targets.emea.destinationEnvironmentId: required\n"
                "targets.emea.destinationClientId: required\ntargets.emea.destinationRedirectUri: required"
            ),
        ),
        (
            emea(journeys=["authorize"], journey="authorize"),
            "targets.emea: journeys and journey are mutually exclusive",
        ),
        (
            ONE | {"podMonitor": {"enabled": True}},
            "podMonitor.enabled: mutually exclusive with serviceMonitor.enabled",
        ),
        (web(existingSecret="a"), "web.config: mutually exclusive with web.existingSecret"),
        (
            web(tls_server_config={"client_auth_type": "RequireAndVerifyClientCert"}),
            "web.healthPort: required",
        ),
        (web(basic_auth_users={"a": BCRYPT}), "serviceMonitor.basicAuth: required; Prometheus needs one"),
        (web(healthPort=9988), "web.healthPort: must differ from port"),
        (
            ONE | {"web": {"certificateSecret": "a"}},
            "web.certificateSecret: not used by any web configuration",
        ),
        (ONE | {"web": {"tls": True}}, "web.tls: requires web.existingSecret"),
        (emea(timeout="60s"), "targets.emea.timeout: must be shorter than interval, which is 60s"),
        (
            emea(interval="10s", timeout="10s"),
            "targets.emea.timeout: must be shorter than interval",
        ),
        (
            emea(interval="5s") | {"defaults": {"timeout": "9s"}},
            "targets.emea.timeout: must be shorter than interval, which is 5s",
        ),
        (
            ONE | {"defaults": {"federationTimeout": "5m"}},
            "defaults.federationTimeout: must be shorter than federationInterval, which is 5m",
        ),
        (emea(interval="0"), "targets.emea.interval: must be between 100ms and 1d"),
        (emea(interval="1ms"), "targets.emea.interval: must be between 100ms and 1d"),
        (ONE | {"defaults": {"discoveryInterval": "2d"}}, "defaults.discoveryInterval: must be between"),
        (
            emea(clientCertificateFile="/a"),
            "targets.emea.clientKeyFile: required by clientCertificateFile",
        ),
        (
            emea(clientKeyFile="/a"),
            "targets.emea.clientCertificateFile: required by clientKeyFile",
        ),
        (
            emea(customDomain="a.example"),
            "emea.customDomain: requires destinationRegion, destinationAuthUrl or destinationCustomDomain",
        ),
        (
            ONE | {"defaults": {"customDomain": "a.example"}},
            "targets.emea.customDomain: requires destination",
        ),
        (ONE | {"shutdownGrace": "11m"}, "shutdownGrace: must be between 0s and 10m"),
        (
            ONE | {"statusPage": {"url": "https://a.example", "interval": "30s"}},
            "statusPage.interval: must be between 1m and 1d",
        ),
        (
            ONE | {"statusPage": {"url": "https://a.example", "interval": "2d"}},
            "statusPage.interval: must be between 1m and 1d",
        ),
        (ONE | {"durationBuckets": [1, 0.5]}, "durationBuckets: must increase"),
        (ONE | {"federationDurationBuckets": [1, 3, 2]}, "federationDurationBuckets: must increase"),
        (
            ONE | {"serviceMonitor": {"interval": "30s", "scrapeTimeout": "1m"}},
            "serviceMonitor.scrapeTimeout: must not exceed serviceMonitor.interval",
        ),
        (
            ONE | {"extraVolumes": [{"name": "web", "emptyDir": {}}]},
            "extraVolumes: the name web is taken; rename the volume",
        ),
        (
            ONE | {"extraVolumes": [{"name": "a", "emptyDir": {}}] * 2},
            "extraVolumes: the name a is taken; rename the volume",
        ),
        (
            ONE | {"extraVolumeMounts": [{"name": "a", "mountPath": "/etc/pingone-flow-exporter/config/"}]},
            "extraVolumeMounts: something is already mounted at /etc/pingone-flow-exporter/config/",
        ),
        (ONE | {"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: required; name the Gateway"),
        (
            ONE | {"extraArgs": ["--web.listen-address=:8080"]},
            "extraArgs: --web.listen-address has another port than the Service and the health checks use",
        ),
        (
            env("FLOW_EXPORTER_WEB__LISTEN_ADDRESS", "[::]:99880"),
            "extraEnv: FLOW_EXPORTER_WEB__LISTEN_ADDRESS has another port than the Service",
        ),
        (
            env("flow_exporter_shutdown_grace", "1m"),
            "extraEnv: FLOW_EXPORTER_SHUTDOWN_GRACE must not be set; set shutdownGrace, which",
        ),
        (
            env("FLOW_EXPORTER_SHARD__COUNT", "3") | {"shards": 2},
            "extraEnv: FLOW_EXPORTER_SHARD__COUNT must not be set; set shards, which",
        ),
        (
            ONE | {"rules": {"additionalGroups": [{"name": "pingone-flow-exporter", "rules": []}]}},
            "rules.additionalGroups: the name pingone-flow-exporter is taken; rename the group",
        ),
        (
            ONE | {"rules": {"additionalGroups": [{"name": "own", "rules": []}] * 2}},
            "rules.additionalGroups: the name own is taken; rename the group",
        ),
    ],
)
def test_what_a_schema_cannot_express_is_reported_by_the_templates(values: Values, words: str) -> None:
    assert words in refused(values)


@pytest.mark.parametrize(
    ("level", "variable"),
    [
        ({"defaults": {"proxyUrl": "http://u53r:s3cr3t@a.example:1"}}, "FLOW_EXPORTER_DEFAULTS__PROXY_URL"),
        (emea(proxyUrl="http://u53r:s3cr3t@a.example:1"), "FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL"),
        (emea(proxyUrl="u53r:s3cr3t@a.example"), "FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL"),
    ],
    ids=["defaults", "target", "malformed"],
)
def test_a_password_is_rejected_and_not_repeated(level: Values, variable: str) -> None:
    error = refused(ONE | level)
    assert f"must not contain a user or password, which would end up in a ConfigMap; put {variable}" in error
    assert "u53r" not in error
    assert "s3cr3t" not in error


@pytest.mark.parametrize("name", ["username", "password", "destinationClientSecret"])
@pytest.mark.parametrize("level", ["targets", "defaults"])
def test_a_credential_in_the_values_is_rejected_and_not_repeated(level: str, name: str) -> None:
    error = refused(ONE | {"defaults": {name: "s3cr3t"}} if level == "defaults" else emea(**{name: "s3cr3t"}))
    assert f"additional properties '{name}' not allowed" in error
    assert "s3cr3t" not in error


PASSWORD = "FLOW_EXPORTER_TARGETS__EMEA__PASSWORD"


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"secretVariables": {PASSWORD: "s3cr3t"}}, "secretVariables"),
        ({"secretVariables": {"FLOW_EXPORTER_TARGETS": '{"emea": {"password": "a"}}'}}, "secretVariables"),
        ({"extraEnv": [{"name": PASSWORD, "valueFrom": {"secretKeyRef": {"name": "a"}}}]}, "extraEnv"),
        ({"existingSecret": "a", "defaults": {"journeys": ["federation"]}}, "existingSecret"),
    ],
)
def test_several_replicas_that_sign_on_are_rejected(values: Values, where: str) -> None:
    assert (
        f"replicaCount: must be 1 if targets sign on ({where} may hold their USERNAME and PASSWORD); several "
        "pods would sign one test account on at the same time, and might lock it out"
    ) in refused(ONE | values | {"replicaCount": 2})
    assert render(ONE | values).one("Deployment")


def test_several_replicas_that_do_not_sign_on_are_accepted() -> None:
    assert render(ONE | {"replicaCount": 2, "existingSecret": "a"}).one("Deployment")
    federation = {"journey": "federation", "destinationClientId": "a", "destinationRedirectUri": "a:b"}
    assert render(ONE | {"replicaCount": 2, "defaults": federation}).one("Deployment")


def test_a_password_as_a_value_of_a_variable_is_rejected_and_not_repeated() -> None:
    error = refused(ONE | {"extraEnv": [{"name": PASSWORD, "value": "s3cr3t"}]})
    assert f"extraEnv: {PASSWORD} must not have a value, which would be readable in the pod" in error
    assert "s3cr3t" not in error


def test_a_target_that_only_runs_federation_needs_no_source() -> None:
    fields = {"journey": "federation", "destinationClientId": "a", "destinationRedirectUri": "a:b"}
    source = {"destinationEnvironmentId": TARGET["destinationEnvironmentId"]}
    assert render({"targets": {"emea": source | fields}}).one("Deployment")


def test_a_password_in_the_egress_check_is_rejected_and_not_repeated() -> None:
    error = refused(ONE | {"egressCheckUrl": "https://u53r:s3cr3t@a.example/"})
    assert "egressCheckUrl: must not contain a user or password" in error
    assert "s3cr3t" not in error


def test_a_password_in_the_url_of_the_status_page_is_rejected_and_not_repeated() -> None:
    error = refused(ONE | {"statusPage": {"url": "https://u53r:s3cr3t@a.example/"}})
    assert "statusPage.url: must not contain a user or password" in error
    assert "s3cr3t" not in error


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({}, "sourceEnvironmentId"),
        ({"sourceKind": "pingone"}, "sourceEnvironmentId"),
        ({"sourceKind": "oidc"}, "issuer"),
        ({"sourceKind": "oidc", "sourceEnvironmentId": TARGET["sourceEnvironmentId"]}, "issuer"),
        ({"sourceKind": "auto"}, "issuer"),
    ],
)
def test_discovery_requires_what_says_where_the_metadata_is(fields: Values, needed: str) -> None:
    destination = {"destinationEnvironmentId": TARGET["destinationEnvironmentId"]}
    error = refused({"targets": {"emea": {"journeys": ["discovery"]} | destination | fields}})
    assert f"targets.emea.{needed}: required" in error
    assert error.count(": required") == 1


def test_a_password_in_plain_text_is_rejected_and_not_repeated() -> None:
    error = refused(web(basic_auth_users={"a": "s3cr3t"}))
    assert "web.config.basic_auth_users.a: not a bcrypt hash; use what htpasswd" in error
    assert "s3cr3t" not in error


def test_a_user_without_a_hash_is_refused_because_without_users_the_port_is_open() -> None:
    assert "at '/web/config/basic_auth_users/a': got null, want string" in refused(
        web(basic_auth_users={"a": None})
    )


@pytest.mark.parametrize("host", ["a.example:4443", "https://a.example", "[::1]:443"])
def test_a_login_host_with_a_scheme_or_port_is_refused_as_the_exporter_does(host: str) -> None:
    with pytest.raises(ValueError, match="without scheme, port and path"):
        parse_host(host)
    assert "at '/targets/emea/loginHosts/0'" in refused(emea(loginHosts=[host]))


@pytest.mark.parametrize("name", ["1flows", "eu.flows"])
def test_a_release_name_that_is_not_a_valid_service_name_is_rejected(name: str) -> None:
    with pytest.raises(RefusedError, match="fullnameOverride: required; the release name yields"):
        render(ONE, name=name)
    assert render(ONE | {"fullnameOverride": "flows"}, name=name).one("Service")


def test_all_errors_are_reported_at_once() -> None:
    error = refused({"targets": {"a": {"region": "EU", "authUrl": "http://a"}, "b": {}}})
    assert len(re.findall(r"targets\.[ab][^:]*: (?:required|region and)", error)) == 7


def test_targets_from_a_secret_need_not_be_in_values() -> None:
    assert render({"existingSecret": "a"}).one("Deployment")
    assert render({"existingSecret": "a", "targets": {"emea": {"clientId": "a"}}}).one("Deployment")


def camel(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def test_the_schema_has_exactly_the_exporters_fields_of_a_target() -> None:
    secrets = {"username", "password", "destinationClientSecret"}
    fields = {camel(name) for name in TargetSettings.model_fields}
    assert secrets < fields
    assert set(DEFINITIONS["target"]["properties"]) == fields - secrets
    fields = {camel(name) for name in DestinationSettings.model_fields}
    assert set(DEFINITIONS["destination"]["properties"]) == fields


def refused_names(schema: dict[str, Any]) -> set[str]:
    return {name for name, allowed in schema["properties"].items() if allowed is False}


def test_labels_that_alerts_join_on_cannot_be_added_to_alerts() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (CHART / "files" / "rules").glob("*.yaml"))
    joins = re.findall(
        r"\b(?:on|group by) \(([^)]+)\)\s+(?:present_over_time\(|label_replace\(\s+|\(\s+)?ALERTS", rules
    )
    assert len(joins) == rules.count("ALERTS{")
    names = {name for join in joins for name in join.split(", ")}
    assert names < refused_names(DEFINITIONS["alertLabels"])


def test_the_schema_has_the_exporters_regions_labels_and_shards() -> None:
    assert DEFINITIONS["region"]["enum"] == [*REGIONS, None]
    assert refused_names(DEFINITIONS["target"]["properties"]["labels"]) == RESERVED_LABELS
    assert SCHEMA["properties"]["targets"]["propertyNames"]["maxLength"] == MAX_NAME_LENGTH
    names = SCHEMA["properties"]["destinations"]["propertyNames"]
    assert names["maxLength"] == MAX_DESTINATION_NAME_LENGTH
    assert SCHEMA["properties"]["shards"]["maximum"] == MAX_SHARDS


@pytest.mark.parametrize("text", ["0", "500ms", "1m30s", "2h", "1y2w3d4h5m6s7ms", "1d", "12w"])
def test_a_duration_that_the_exporter_reads_passes_the_schema(text: str) -> None:
    parse_duration(text)
    assert re.search(DEFINITIONS["duration"]["pattern"], text)


def objects(schema: Any, path: str = "") -> list[str]:  # noqa: ANN401  whatever a schema holds
    """Return where a schema describes properties but takes others, too."""
    if isinstance(schema, list):
        return [place for number, item in enumerate(schema) for place in objects(item, f"{path}/{number}")]
    if not isinstance(schema, dict):
        return []
    here = [path] if "properties" in schema and schema.get("additionalProperties") is not False else []
    return here + [place for key, item in schema.items() for place in objects(item, f"{path}/{key}")]


def test_the_schema_is_draft_07_and_leaves_no_described_object_open() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    opened = {"/properties", "/definitions", "/properties/global", "/properties/podAnnotations"}
    assert [place for place in objects(SCHEMA) if place not in opened] == []


def test_the_schema_and_the_values_have_the_same_keys() -> None:
    tree = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(SCHEMA["properties"]) - {"global", "enabled"} == set(tree)


def test_the_schema_has_exactly_the_exporters_keys_of_a_web_configuration() -> None:
    config = SCHEMA["properties"]["web"]["properties"]["config"]["properties"]
    groups: dict[str, Any] = {name: group.annotation for name, group in WebConfigFile.model_fields.items()}
    assert set(config) == set(groups)
    for name in ("tls_server_config", "http_server_config", "rate_limit"):
        assert set(config[name]["properties"]) == set(groups[name].model_fields), name
    headers = {field.alias for field in HeadersConfig.model_fields.values()}
    assert set(config["http_server_config"]["properties"]["headers"]["properties"]) == headers


@pytest.mark.parametrize(
    "values",
    [
        emea(customDomain="a.example", destinationRegion="EU"),
        emea(customDomain="a.example") | {"defaults": {"destinationAuthUrl": "https://a.example"}},
        emea(region="EU") | {"defaults": {"customDomain": "a.example"}},
        emea(customDomain="a.example") | {"existingSecret": "a"},
    ],
)
def test_a_custom_domain_is_accepted_if_the_destination_may_be_known(values: Values) -> None:
    assert render(values).one("Deployment")


def test_the_longest_shutdown_grace_and_the_shortest_interval_of_the_status_page_are_accepted() -> None:
    longest = {"shutdownGrace": "10m", "statusPage": {"url": "https://a.example", "interval": "1m"}}
    assert render(ONE | longest).one("Deployment")


@pytest.mark.parametrize("text", ["100ms", "1d"])
def test_the_shortest_and_longest_interval_of_the_exporter_are_accepted(text: str) -> None:
    TypeAdapter(Interval).validate_python(text)
    assert render(emea(interval=text)).one("Deployment")


def test_what_a_secret_may_complete_is_not_refused() -> None:
    assert render(emea(clientCertificateFile="/a") | {"existingSecret": "a"}).one("Deployment")


TWO_OWNERS: Values = {"targets": {"emea": TARGET | {"labels": {"owner": "identity"}}, "apac": TARGET}}
TWO_COMPONENTS: Values = ONE | {"statusPage": {"url": "https://a.example", "components": ["SSO", "MFA"]}}
ONE_COMPONENT: Values = ONE | {"statusPage": {"url": "https://a.example", "components": ["SSO"]}}


@pytest.mark.parametrize(
    ("values", "rules", "alert"),
    [
        (TWO_OWNERS, {"labels": {"owner": "a"}}, "PingOneCertificateChainExpiresSoon"),
        (TWO_OWNERS, {"alerts": {"PingOneClockSkew": {"labels": {"owner": "a"}}}}, "PingOneClockSkew"),
        (TWO_COMPONENTS, {"labels": {"component": "a"}}, "PingOneVendorReportsProblem"),
    ],
)
def test_a_label_that_would_make_two_alerts_the_same_is_rejected(
    values: Values, rules: Values, alert: str
) -> None:
    """Prometheus evaluates neither of them, and no certificate would page."""
    assert f"must not be added to {alert}, which is one alert for each" in refused(values | {"rules": rules})


@pytest.mark.parametrize(
    ("values", "rules"),
    [
        (TWO_OWNERS, {"labels": {"tier": "a", "component": "a"}}),
        (TWO_OWNERS | {"defaults": {"labels": {"owner": "identity"}}}, {"labels": {"owner": "a"}}),
        (TWO_OWNERS, {"alerts": {"PingOneAuthHostOutage": {"labels": {"owner": "a"}}}}),
        (ONE_COMPONENT, {"labels": {"component": "a", "owner": "a"}}),
    ],
)
def test_a_label_that_leaves_all_alerts_apart_is_accepted(values: Values, rules: Values) -> None:
    assert render(values | {"rules": rules}).one("PrometheusRule")
