"""What other charts have too, what a parent chart sets, and the check before an upgrade."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from chart.rendering import FULL_NAME, ONE, TARGET, Release, parent, render, shape
from rule_files import EXPORTER, GRAFANA
from rules.story import ALERTS

from exporter import __version__

if TYPE_CHECKING:
    from chart.rendering import Manifest, Values

OPTIONS = render(shape("options"))
MIRRORED = f"mirror.example.com/monitoring/pingone-flow-exporter:{__version__}"


def test_objects_have_the_namespace_name_labels_and_annotations_of_the_values() -> None:
    for manifest in OPTIONS.manifests:
        metadata = manifest["metadata"]
        assert metadata["name"].startswith("flows-signons"), metadata
        assert metadata["namespace"] == "watch"
        assert metadata["labels"]["cost-center"] == "4711"
        assert metadata["annotations"]["example.com/owner"] == "identity"
    template = OPTIONS.workload["spec"]["template"]["metadata"]
    assert template["labels"]["cost-center"] == "4711"
    assert template["annotations"]["example.com/owner"] == "identity"
    assert OPTIONS.workload["metadata"]["annotations"]["reloader.stakater.com/auto"] == "true"


def test_every_pod_uses_the_global_registry_and_all_pull_secrets() -> None:
    for pod in OPTIONS.pods:
        assert pod["containers"][0]["image"] == MIRRORED
        assert pod["imagePullSecrets"] == [{"name": "mirror"}, {"name": "registry"}]


def test_the_workload_has_the_options_of_the_values() -> None:
    spec, pod = OPTIONS.workload["spec"], OPTIONS.pods[0]
    assert spec["revisionHistoryLimit"] == 5
    assert spec["strategy"] == shape("options")["strategy"]
    assert pod["dnsPolicy"] == "Default"
    assert [container["name"] for container in pod["containers"]] == ["exporter", "sidecar"]
    assert [container["name"] for container in pod["initContainers"]] == ["wait"]
    startup = pod["containers"][0]["startupProbe"]
    assert startup == {"httpGet": {"path": "/-/healthy", "port": "http"}, "periodSeconds": 1} | {
        "failureThreshold": 30
    }


def test_arguments_and_the_nodes_network_reach_the_pod() -> None:
    pod = render(ONE | {"extraArgs": ["--log.level=debug"], "hostNetwork": True}).pods[0]
    assert pod["containers"][0]["args"] == ["--log.level=debug"]
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")


def test_several_replicas_are_replaced_one_after_the_other() -> None:
    strategy = render(ONE | {"replicaCount": 2}).workload["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def test_a_service_has_the_options_of_the_values() -> None:
    spec = OPTIONS.one("Service")["spec"]
    assert spec["loadBalancerSourceRanges"] == ["192.0.2.0/24"]
    assert spec["ports"][0]["nodePort"] == 30988
    near = render(ONE | {"service": {"trafficDistribution": "PreferClose"}}).one("Service")["spec"]
    assert near["trafficDistribution"] == "PreferClose"


@pytest.mark.parametrize("tls", [False, True])
def test_an_ingress_and_a_route_lead_to_the_service(*, tls: bool) -> None:
    web = {"web": {"config": {"tls_server_config": {"cert_file": "a", "key_file": "b"}}}} if tls else {}
    release = render(shape("options") | web)
    service, ingress, route = (release.one(kind) for kind in ("Service", "Ingress", "HTTPRoute"))
    name, (port,) = service["metadata"]["name"], service["spec"]["ports"]
    (rule,) = ingress["spec"]["rules"]
    assert rule["host"] == "flows.example.com"
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": name, "port": {"name": port["name"]}}
    assert (path["path"], path["pathType"]) == ("/", "Prefix")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert route["spec"]["hostnames"] == ["flows.example.com"]
    (rule,) = route["spec"]["rules"]
    assert rule["backendRefs"] == [{"name": name, "port": port["port"]}]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


@pytest.mark.parametrize(("shards", "kind"), [(1, "Deployment"), (2, "StatefulSet")])
def test_an_autoscaler_sizes_the_workload(shards: int, kind: str) -> None:
    autoscaler: Values = {"enabled": True, "maxAllowed": {"memory": "1Gi"}}
    spec = render(ONE | {"shards": shards, "verticalPodAutoscaler": autoscaler}).one("VerticalPodAutoscaler")[
        "spec"
    ]
    assert spec["targetRef"] == {"apiVersion": "apps/v1", "kind": kind, "name": FULL_NAME}
    assert spec["updatePolicy"] == {"updateMode": "Initial"}
    (policy,) = spec["resourcePolicy"]["containerPolicies"]
    assert policy == {"containerName": "exporter", "controlledResources": ["memory"]} | {
        "maxAllowed": {"memory": "1Gi"}
    }


def test_a_monitor_has_the_options_of_the_values() -> None:
    spec = OPTIONS.one("ServiceMonitor")["spec"]
    assert (spec["jobLabel"], spec["sampleLimit"], spec["scrapeClass"]) == (
        "app.kubernetes.io/instance",
        5000,
        "internal",
    )
    assert spec["targetLabels"] == ["app.kubernetes.io/version"]
    (endpoint,) = spec["endpoints"]
    assert endpoint == {
        "port": "http",
        "path": "/metrics",
        "honorLabels": True,
        "enableHttp2": False,
        "followRedirects": False,
        "authorization": {"credentials": {"name": "token", "key": "token"}},
    }
    pods = {"podMonitor": {"enabled": True, "targetLabels": ["a"]}, "serviceMonitor": {"enabled": False}}
    assert render(ONE | pods).one("PodMonitor")["spec"]["podTargetLabels"] == ["a"]


def test_null_in_an_overlay_removes_a_target() -> None:
    without = render({"targets": {"emea": TARGET, "apac": None}})
    assert without.manifests == render({"targets": {"emea": TARGET}}).manifests
    assert "watches 1 target" in without.notes


# --- annotations of alerts


def alerts(release: Release) -> dict[str, Manifest]:
    groups = release.one("PrometheusRule")["spec"]["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_alerts_link_to_the_addresses_of_the_installation() -> None:
    outside = {"externalUrl": "https://flows.example.com/p/"}
    rules = {"rules": {"dashboardUrl": "https://grafana.example.com/g/"}}
    for name, rule in alerts(render(ONE | outside | rules)).items():
        meant = {
            key: text.replace(EXPORTER, "https://flows.example.com/p").replace(
                GRAFANA, "https://grafana.example.com/g"
            )
            for key, text in ALERTS[name]["annotations"].items()
        }
        if name == "PingOneExporterAbsent":  # the absent exporter does not serve its runbook
            del meant["runbook_url"]
        assert rule["annotations"] == meant


BCRYPT = "$2b$12$" + "a" * 53
SCRAPED: Values = {
    "basicAuth": {"username": {"name": "a", "key": "u"}, "password": {"name": "a", "key": "p"}}
}
MUTUAL: Values = {"tls_server_config": {"client_auth_type": "RequireAndVerifyClientCert"}}


def users(*names: str) -> Values:
    config = {"basic_auth_users": dict.fromkeys(names, BCRYPT)}
    return ONE | {"web": {"config": config}, "serviceMonitor": SCRAPED}


@pytest.mark.parametrize(
    ("values", "command"),
    [
        (ONE, "curl -s http://"),
        (shape("web-tls"), "curl -sk -u prometheus https://"),
        (users("zoe", "ann"), "curl -s -u ann http://"),
        (users("a b"), "curl -s -u USER http://"),
        (ONE | {"web": {"existingSecret": "a"}, "serviceMonitor": SCRAPED}, "curl -s -u USER http://"),
        (ONE | {"web": {"existingSecret": "a", "tls": True}}, "curl -sk https://"),
        (ONE | {"web": {"config": MUTUAL, "healthPort": 9989}}, "curl -sk --cert FILE --key FILE https://"),
        (shape("web-mutual"), "curl -sk --cert FILE --key FILE https://"),
    ],
    ids=["plain", "TLS, user", "two users", "space", "Secret", "Secret with TLS", "certificates", "both"],
)
def test_the_commands_of_alerts_bring_what_the_port_asks_for(values: Values, command: str) -> None:
    for name, rule in alerts(render(values)).items():
        original = ALERTS[name]["annotations"]["description"]
        assert rule["annotations"]["description"] == original.replace("curl -s http://", command)


def test_without_a_grafana_alerts_do_not_link_to_it() -> None:
    for name, rule in alerts(render(ONE)).items():
        assert "dashboard_url" not in rule["annotations"]
        url = rule["annotations"].get("exporter_url", "")
        assert url.startswith(f"http://{FULL_NAME}.monitoring.svc:9988/") or name == "PingOneExporterAbsent"


def test_runbooks_may_be_elsewhere_and_annotations_are_added() -> None:
    for name, rule in alerts(OPTIONS).items():
        if name == "Own":
            continue
        annotations = rule["annotations"]
        assert annotations["runbook_url"] == f"https://wiki.example.com/runbooks/{name}"
        assert annotations["channel"] == "#identity"
        assert ("escalation" in annotations) == (name == "PingOneFederationDown")
    assert alerts(OPTIONS)["PingOneFederationDown"]["labels"]["severity"] == "page"
    assert OPTIONS.one("PrometheusRule")["spec"]["groups"][-1]["name"] == "own"


# --- network policy


HUB = {"environmentId": TARGET["destinationEnvironmentId"], "clientId": "a", "redirectUri": "a:b"}


def emea(**fields: Any) -> Values:  # noqa: ANN401  values of any kind
    return {"targets": {"emea": TARGET | fields}}


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        (ONE, [443]),
        (emea(authUrl="https://a.example:8443/b"), [8443]),
        (emea(customDomain="a.example:444", destinationRegion="EU"), [443, 444]),
        (emea(destinationAuthUrl="http://[::1]"), [443, 80]),
        (emea(authUrl="https://a.example:8443", loginHosts=["b.example"]), [443, 8443]),
        (emea(issuer="https://b:5"), [443, 5]),
        (emea(proxyUrl="http://proxy:3128"), [3128]),
        (ONE | {"defaults": {"proxyUrl": "http://proxy"}}, [80]),
        (ONE | {"defaults": {"proxyUrl": "http://proxy:3128"}, "existingSecret": "a"}, [3128]),
        (ONE | {"egressCheckUrl": "http://a.example:8080/x"}, [443, 8080]),
        ({"existingSecret": "a"}, [443]),
        ({"extraArgs": ["--config.file=/etc/own/flows.yaml"]}, [443]),
        ({"destinations": {"hub": HUB | {"customDomain": "a.example:8443"}}}, [443, 8443]),
        ({"destinations": {"hub": HUB | {"authUrl": "http://a:80", "proxyUrl": "http://b:3128"}}}, [3128]),
    ],
)
def test_a_networkpolicy_opens_the_ports_that_probes_need(values: Values, ports: list[int]) -> None:
    spec = render(values | {"networkPolicy": {"enabled": True, "dnsPorts": []}}).one("NetworkPolicy")["spec"]
    (rule,) = spec["egress"]
    assert [port["port"] for port in rule["ports"]] == ports


def test_the_ports_of_a_networkpolicy_are_in_one_order_whenever_it_is_rendered() -> None:
    """Maps have none of their own: a GitOps tool would apply the policy again and again."""
    urls = {f"t{number}": TARGET | {"authUrl": f"https://a.example:{1000 + number}"} for number in range(9)}
    spec = render({"targets": urls, "networkPolicy": {"enabled": True}}).one("NetworkPolicy")["spec"]
    assert [port["port"] for port in spec["egress"][-1]["ports"]] == list(range(1000, 1009))


# --- the check before an upgrade


@pytest.mark.parametrize("name", ["full", "file", "secret", "web-tls", "proxy", "options"])
def test_the_check_before_an_upgrade_sees_the_new_settings(name: str) -> None:
    release = render(shape(name))
    check, test = (release.check(pod)["spec"] for pod in ("upgrade-check", "check-config"))
    found = [*release.all("ConfigMap"), *release.all("Secret")]
    held = {item["metadata"]["name"]: item for item in found}
    copies = {key for key in held if "-new" in key}
    full = release.workload["metadata"]["name"]
    text = yaml.safe_dump({key: check[key] for key in ("containers", "volumes") if key in check})
    assert yaml.safe_load(text.replace(f"{full}-new", full)) == {
        key: test[key] for key in ("containers", "volumes") if key in test
    }
    for copy in copies:
        annotations = held[copy]["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-upgrade"
        assert int(annotations["helm.sh/hook-weight"]) < 0
        assert "hook-failed" in annotations["helm.sh/hook-delete-policy"]
        assert held[copy]["data"] == held[copy.replace(f"{full}-new", full)]["data"]
    assert set(re.findall(rf"ame: ({full}-new\S*)", text)) == copies


def test_the_check_before_an_upgrade_needs_no_object_of_the_release() -> None:
    """They have their old content until the check has passed, or do not exist yet."""
    check = render(ONE | {"serviceAccount": {"name": "renamed"}}).check("upgrade-check")
    assert check["spec"]["serviceAccountName"] == "default"
    given = render(ONE | {"serviceAccount": {"create": False, "name": "given"}}).check("upgrade-check")
    assert given["spec"]["serviceAccountName"] == "given"
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"


def test_the_pods_that_check_the_settings_have_the_exporters_arguments() -> None:
    given = ["run", "--config.file=/etc/own/flows.yaml", "--log.level=debug"]
    release = render({"extraArgs": given})  # the file may name all targets
    exporter, *checks = [pod["containers"][0]["args"] for pod in release.pods]
    assert exporter == given
    assert checks == [["check-config", *given[1:]]] * 2


@pytest.mark.parametrize("name", ["upgrade-check", "check-config"])
def test_no_mesh_keeps_a_pod_that_checks_the_settings_from_ending(name: str) -> None:
    metadata = render(ONE | {"commonLabels": {"sidecar.istio.io/inject": "true"}}).check(name)["metadata"]
    assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
    assert metadata["annotations"]["linkerd.io/inject"] == "disabled"


def test_the_check_before_an_upgrade_can_be_switched_off() -> None:
    release = render(shape("web-tls") | {"upgradeCheck": {"enabled": False}})
    assert not [
        item for item in release.manifests if "pre-upgrade" in str(item["metadata"].get("annotations"))
    ]


# --- as a dependency


def test_a_parent_chart_sets_global_values_a_condition_and_keys_of_its_own(tmp_path: Path) -> None:
    own: Values = {"enabled": True, "x-anchors": {"a": 1}, **ONE}
    everywhere = {"imageRegistry": "mirror.example.com/", "imagePullSecrets": [{"name": "a"}], "other": 1}
    chart = parent(
        tmp_path,
        {"condition": "pingone-flow-exporter.enabled"},
        {"pingone-flow-exporter": own, "global": everywhere},
    )
    release = render({}, chart=chart)
    image = f"mirror.example.com/pingone-flow-exporter:{__version__}"
    assert release.pods[0]["containers"][0]["image"] == image
    assert release.pods[0]["imagePullSecrets"] == [{"name": "a"}]
    assert len(release.manifests) == len(render(ONE).manifests)
    assert render({"pingone-flow-exporter": {"enabled": False}}, chart=chart).manifests == ()


def test_a_dependency_with_an_alias_selects_its_own_pods(tmp_path: Path) -> None:
    release = render({}, chart=parent(tmp_path, {"alias": "emea"}, {"emea": ONE}))
    selector: dict[str, Any] = release.workload["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/name"] == "emea"
    assert release.workload["metadata"]["name"] == "flows-emea"
