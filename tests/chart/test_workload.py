"""What runs: one pod or shards, found by the right selectors, restarted when its settings change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chart.rendering import CI, FULL_NAME, ONE, TARGET, Release, render, shape, values_of

from exporter import __version__

if TYPE_CHECKING:
    from chart.rendering import Manifest, Values

SHARDED = ONE | {"shards": 3}
FILE = ONE | {"configMode": "file"}
TLS = {"tls_server_config": {"cert_file": "tls.crt", "key_file": "tls.key"}}
LONG = "a" * 53
"""The longest name that Helm permits for a release."""


def checksum(values: Values) -> str:
    return str(render(values).workload["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


def configuration(values: Values) -> str:
    """Return the mounted configuration file."""
    maps = {item["metadata"]["name"]: item["data"] for item in render(values).all("ConfigMap")}
    return str(maps[f"{FULL_NAME}-config"]["config.yaml"])


def secrets(proxy_url: str) -> Values:
    return ONE | {"secretVariables": {"FLOW_EXPORTER_DEFAULTS__PROXY_URL": proxy_url}}


def selected(release: Release, selector: Manifest, kind: str) -> list[str]:
    """Return the objects of a kind that a selector selects, by name."""
    wanted = selector["matchLabels"].items()
    return [
        manifest["metadata"]["name"]
        for manifest in release.all(kind)
        if wanted <= manifest["metadata"]["labels"].items()
    ]


def test_the_old_pod_stops_before_the_new_one_starts() -> None:
    spec = render(ONE).one("Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}


def test_shards_make_a_statefulset_with_pods_that_start_in_parallel_and_know_their_index() -> None:
    release = render(SHARDED)
    assert release.all("Deployment") == []
    spec = release.one("StatefulSet")["spec"]
    assert spec["replicas"] == 3
    assert spec["podManagementPolicy"] == "Parallel"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["env"] == [
        {
            "name": "FLOW_EXPORTER_SHARD__INDEX",
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
        },
        {"name": "FLOW_EXPORTER_SHARD__COUNT", "value": "3"},
    ]
    headless = next(
        item for item in release.all("Service") if item["metadata"]["name"] == spec["serviceName"]
    )
    assert headless["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("values", [ONE, SHARDED], ids=["one", "shards"])
def test_everything_selects_the_exporters_pods_and_not_the_test(values: Values) -> None:
    more = {"networkPolicy": {"enabled": True}, "podDisruptionBudget": {"enabled": True}}
    release = render(values | more)
    pods = release.workload["spec"]["template"]["metadata"]["labels"]
    checks = [pod["metadata"]["labels"] for pod in release.all("Pod")]
    selectors = [release.workload["spec"]["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in release.all("Service")]
    selectors += [release.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]]
    selectors += [release.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]]
    assert all(selector.items() <= pods.items() for selector in selectors)
    assert not any(selector.items() <= check.items() for selector in selectors for check in checks)


def test_a_spread_without_a_selector_counts_the_exporters_pods() -> None:
    """Without one it would count no pods, and spread nothing."""
    one = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    own = one | {"labelSelector": {"matchLabels": {"a": "b"}}}
    release = render(SHARDED | {"topologySpreadConstraints": [one, own]})
    first, second = release.pods[0]["topologySpreadConstraints"]
    assert first == one | {"labelSelector": release.workload["spec"]["selector"]}
    assert second == own


def test_an_operators_label_never_breaks_a_selector() -> None:
    stolen = {"app.kubernetes.io/name": "stolen", "app.kubernetes.io/component": "stolen"}
    release = render(ONE | {"podLabels": stolen, "additionalLabels": stolen})
    selector = release.workload["spec"]["selector"]["matchLabels"]
    assert selector.items() <= release.workload["spec"]["template"]["metadata"]["labels"].items()


def test_an_upgrade_does_not_change_the_selector() -> None:
    more = {"additionalLabels": {"release": "x"}, "image": {"tag": "9.9.9"}, "podLabels": {"a": "b"}}
    named = {"nameOverride": "flows", "fullnameOverride": FULL_NAME, "commonLabels": {"c": "d"}}
    after = render(ONE | more | named)
    assert after.workload["spec"]["selector"] == render(ONE).workload["spec"]["selector"]
    assert after.workload["metadata"]["name"] == FULL_NAME


@pytest.mark.parametrize("monitor", ["ServiceMonitor", "PodMonitor"])
def test_an_upgrade_with_another_name_does_not_rename_the_job(monitor: str) -> None:
    """Or PingOneExporterAbsent would fire for the old name for a day."""
    which = {"serviceMonitor": {"enabled": monitor == "ServiceMonitor"}}
    which["podMonitor"] = {"enabled": monitor == "PodMonitor"}
    release = render(ONE | which | {"nameOverride": "flows"})
    label = release.one(monitor)["spec"]["jobLabel"]
    labelled = release.one("Service") if monitor == "ServiceMonitor" else release.workload["spec"]["template"]
    assert labelled["metadata"]["labels"][label] == "pingone-flow-exporter"


@pytest.mark.parametrize("values", [ONE, SHARDED], ids=["one", "shards"])
def test_a_servicemonitor_finds_one_service_so_that_nothing_is_scraped_twice(values: Values) -> None:
    release = render(values)
    monitor = release.one("ServiceMonitor")["spec"]
    assert selected(release, monitor["selector"], "Service") == [FULL_NAME]
    assert [endpoint["port"] for endpoint in monitor["endpoints"]] == ["http"]
    assert monitor["namespaceSelector"] == {"matchNames": ["monitoring"]}


def test_a_podmonitor_uses_the_same_port() -> None:
    values = ONE | {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True}}
    release = render(values)
    spec = release.one("PodMonitor")["spec"]
    labels = release.workload["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert spec["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics"}]
    assert release.all("ServiceMonitor") == []


HUB = {"environmentId": TARGET["destinationEnvironmentId"], "clientId": "a", "redirectUri": "a:b"}


@pytest.mark.parametrize(
    "change",
    [
        {"targets": {"emea": TARGET | {"interval": "30s"}}},
        {"targets": {"emea": TARGET, "apac": TARGET}},
        {"defaults": {"labels": {"owner": "b"}}},
        {"log": {"level": "debug"}},
        {"egressCheckUrl": "https://a.example"},
        {"statusPage": {"url": "https://a.example/summary.json"}},
        {"destinations": {"hub": HUB}},
        {"maxConcurrentProbes": 7},
    ],
    ids=["field", "target", "default", "level", "egress", "status page", "destination", "places"],
)
def test_a_change_of_settings_restarts_the_pods_unless_they_are_a_file(change: Values) -> None:
    assert checksum(ONE | change) != checksum(ONE)
    assert checksum(FILE | change) == checksum(FILE)
    assert render(FILE | change).workload == render(FILE).workload
    assert configuration(FILE | change) != configuration(FILE)


@pytest.mark.parametrize(
    "change",
    [
        {"port": 9100},
        {"web": {"healthPort": 9989}},
        {"log": {"format": "json"}},
        {"durationBuckets": [1, 2]},
        {"shutdownGrace": "1m"},
        {"externalUrl": "https://flows.example.com"},
    ],
    ids=["port", "health", "format", "buckets", "grace", "url"],
)
def test_what_a_reload_cannot_change_restarts_the_pods_in_either_mode(change: Values) -> None:
    for values in (ONE, FILE):
        assert checksum(values | change) != checksum(values)


def test_a_change_of_a_secret_or_of_the_web_configuration_restarts_nothing() -> None:
    """They are mounted: the exporter reads them anew."""
    for before, after in (
        (secrets("http://a:1"), secrets("http://b:1")),
        (shape("web-tls"), shape("web-tls") | {"web": shape("web-tls")["web"] | {"config": TLS}}),
    ):
        assert render(before).workload == render(after).workload
        assert render(before).all("Secret") != render(after).all("Secret")


def test_no_secret_is_an_environment_variable() -> None:
    values = secrets("http://u:s3cr3t@a:1") | {"existingSecret": "mine"}
    release = render(values)
    for pod in (release.pods[0], release.check("check-config")["spec"]):
        (container,) = pod["containers"]
        assert [list(source) for source in container["envFrom"]] == [["configMapRef"]]
        assert "env" not in container
        (volume,) = pod["volumes"]
        names = [source["secret"]["name"] for source in volume["projected"]["sources"]]
        assert names == [FULL_NAME, "mine"]


@pytest.mark.parametrize(
    "change",
    [{"service": {"port": 80}}, {"rules": {"enabled": False}}, {"dashboards": {"folder": "a"}}],
    ids=["service", "rules", "dashboards"],
)
def test_a_change_of_anything_else_restarts_nothing(change: Values) -> None:
    assert render(ONE | change).workload == render(ONE).workload


@pytest.mark.parametrize(
    ("grace", "seconds"), [("15s", 25), ("0", 10), ("1m30s500ms", 101), ("10m", 610), ("1ms", 11)]
)
def test_the_termination_grace_period_is_longer_than_the_exporters(grace: str, seconds: int) -> None:
    pod = render(ONE | {"shutdownGrace": grace}).pods[0]
    assert pod["terminationGracePeriodSeconds"] == seconds


@pytest.mark.parametrize("monitor", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_uses_the_scheme_of_the_port(monitor: str) -> None:
    which = {"enabled": True, "tlsConfig": {"serverName": "flows.example.com"}}
    values = {"web": {"config": TLS}, "serviceMonitor": {"enabled": False}}
    values[monitor[0].lower() + monitor[1:]] = which
    spec = render(ONE | values).one(monitor)["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    assert endpoint == {
        "port": "https",
        "path": "/metrics",
        "scheme": "https",
        "tlsConfig": {"serverName": "flows.example.com"},
    }


def test_an_explicit_scheme_takes_precedence() -> None:
    values = ONE | {"serviceMonitor": {"scheme": "https"}}  # a mesh puts TLS before the exporter
    (endpoint,) = render(values).one("ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("http", "https")


def test_an_empty_tls_configuration_is_plain_http_as_for_the_exporter() -> None:
    values = ONE | {"web": {"config": {"tls_server_config": {}}}}
    (container,) = render(values).pods[0]["containers"]
    assert [port["name"] for port in container["ports"]] == ["http"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/-/healthy", "port": "http"}


def test_ports_are_named_after_their_scheme() -> None:
    release = render(ONE | {"shards": 2, "web": {"config": TLS, "healthPort": 9989}})
    (container,) = release.pods[0]["containers"]
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [
        ("https", 9988),
        ("health", 9989),
    ]
    for service in release.all("Service"):
        assert [(port["name"], port["targetPort"]) for port in service["spec"]["ports"]] == [
            ("https", "https")
        ]
    assert "https://flows-pingone-flow-exporter.monitoring.svc:9988/runbooks/" in release.notes


def test_a_networkpolicy_opens_the_health_port_to_all_and_the_main_port_to_scrapers() -> None:
    spec = render(shape("web-mutual")).one("NetworkPolicy")["spec"]
    scrapes, health = spec["ingress"]
    assert [port["port"] for port in scrapes["ports"]] == [9988]
    assert "from" in scrapes
    assert health == {"ports": [{"port": 9989, "protocol": "TCP"}]}


def test_a_networkpolicy_uses_the_pods_port_not_the_services() -> None:
    values = ONE | {"port": 9100, "service": {"port": 80}, "networkPolicy": {"enabled": True}}
    release = render(values)
    spec = release.one("NetworkPolicy")["spec"]
    (container,) = release.pods[0]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 9100, "protocol": "TCP"}]
    assert spec["ingress"] == [{"ports": [{"port": 9100, "protocol": "TCP"}]}]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    ports = [port["port"] for rule in spec["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443]


def test_dns_is_allowed_to_the_ports_of_the_clusters_dns_pods() -> None:
    rule = render(shape("openshift")).one("NetworkPolicy")["spec"]["egress"][0]
    assert rule["ports"] == [{"port": 5353, "protocol": "UDP"}, {"port": 5353, "protocol": "TCP"}]


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_a_null_probe_is_left_out(probe: str) -> None:
    (container,) = render(ONE | {probe: None}).pods[0]["containers"]
    assert {"livenessProbe", "readinessProbe"} - container.keys() == {probe}


def test_a_disruption_budget_never_keeps_a_node_from_being_drained() -> None:
    spec = render(ONE | {"podDisruptionBudget": {"enabled": True}}).one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec


@pytest.mark.parametrize(
    ("values", "name"),
    [({}, LONG), ({"fullnameOverride": "b" * 80}, "x"), ({"nameOverride": "c" * 80}, "x")],
    ids=["release", "fullname", "name"],
)
def test_the_longest_names_fit_the_limits_of_kubernetes(values: Values, name: str) -> None:
    release = render(SHARDED | values, name=name)
    # A pod's label holds the StatefulSet's name, a dash and a hash of ten characters.
    assert len(f"{release.workload['metadata']['name']}-0123456789") <= 63
    for service in release.all("Service"):
        assert len(service["metadata"]["name"]) <= 63
    for manifest in release.manifests:
        assert all(len(text) <= 63 for text in manifest["metadata"]["labels"].values())
        assert not manifest["metadata"]["name"].endswith("-")


@pytest.mark.parametrize("tag", ["a" * 62 + ".b", "a" * 62 + "_b", "1."])
def test_a_tag_of_any_length_becomes_a_label(tag: str) -> None:
    label = render(ONE | {"image": {"tag": tag}}).workload["metadata"]["labels"]["app.kubernetes.io/version"]
    assert len(label) <= 63
    assert tag.startswith(label)
    assert label[-1].isalnum()


def test_two_long_names_that_begin_alike_share_no_object() -> None:
    names = [
        {(item["kind"], item["metadata"]["name"]) for item in render(SHARDED, name="a" * 49 + end).manifests}
        for end in ("-b", "-c")
    ]
    assert not names[0] & names[1]
    short = render(ONE, name="a" * 28).workload["metadata"]["name"]
    assert short == "a" * 28 + "-pingone-flow-exporter"


def test_a_release_named_like_the_chart_is_not_named_twice() -> None:
    assert render(ONE, name="pingone-flow-exporter").workload["metadata"]["name"] == "pingone-flow-exporter"


def test_texts_that_look_like_numbers_stay_texts() -> None:
    release = render(ONE | {"additionalLabels": {"a": "1"}}, name="x1", namespace="123")
    for manifest in release.manifests:
        assert manifest["metadata"]["namespace"] == "123"
        assert all(isinstance(text, str) for text in manifest["metadata"]["labels"].values())
    account = {"serviceAccount": {"create": False, "name": "1"}}
    assert [pod["serviceAccountName"] for pod in render(ONE | account).pods] == ["1"] * 3
    paths = {"hosts": [{"host": "a.example", "paths": [{"path": "/a: b #c"}]}]}
    spec = render(ONE | {"ingress": {"enabled": True, "className": "1"} | paths}).one("Ingress")["spec"]
    assert spec["ingressClassName"] == "1"
    assert spec["rules"][0]["http"]["paths"][0]["path"] == "/a: b #c"
    for kind, monitor in (("ServiceMonitor", "serviceMonitor"), ("PodMonitor", "podMonitor")):
        only = {"serviceMonitor": {"enabled": False}}
        named = {monitor: {"enabled": True, "scrapeClass": "1", "jobLabel": "on"}}
        spec = render(ONE | only | named).one(kind)["spec"]
        assert (spec["scrapeClass"], spec["jobLabel"]) == ("1", "on")


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, f"pingone-flow-exporter:{__version__}"),
        ({"repository": "r.example.com/a", "tag": "1"}, "r.example.com/a:1"),
        ({"tag": "1", "digest": "sha256:" + "0" * 64}, "pingone-flow-exporter@sha256:" + "0" * 64),
        ({"registry": "r.example.com", "repository": "a/b", "tag": "1"}, "r.example.com/a/b:1"),
    ],
    ids=["default", "tag", "digest", "registry"],
)
def test_the_test_runs_the_deployed_image(image: Values, reference: str) -> None:
    pods = render(ONE | {"image": image}).pods
    assert [pod["containers"][0]["image"] for pod in pods] == [reference] * 3
    assert [pod["containers"][0].get("args") for pod in pods] == [None, ["check-config"], ["check-config"]]


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_the_test_reads_the_deployed_settings(path: Path) -> None:
    release = render(values_of(path))
    exporter, test = release.pods[0], release.check("check-config")["spec"]
    assert test["containers"][0]["envFrom"] == exporter["containers"][0]["envFrom"]
    assert test["containers"][0].get("volumeMounts") == exporter["containers"][0].get("volumeMounts")
    assert test.get("volumes") == exporter.get("volumes")


def test_the_tests_pod_is_kept_for_its_logs() -> None:
    annotations = render(ONE).check("check-config")["metadata"]["annotations"]
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"


def test_the_test_is_a_hook_and_can_be_disabled() -> None:
    assert render(ONE).check("check-config")["metadata"]["annotations"]["helm.sh/hook"] == "test"
    off: Values = {"test": {"enabled": False}, "upgradeCheck": {"enabled": False}}
    assert render(ONE | off).all("Pod") == []


def test_secrets_are_not_in_the_configmap() -> None:
    secret = {"FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL": "http://u:s3cr3t@a.example:1"}
    release = render(ONE | {"secretVariables": secret})
    assert "s3cr3t" not in str([item for item in release.manifests if item["kind"] != "Secret"])
    assert release.mounts(secrets={}) == {"/etc/pingone-flow-exporter/secrets": secret}


def test_only_enabled_objects_are_created() -> None:
    (plain,) = (path for path in CI if path.name == "plain-values.yaml")
    kinds = sorted(manifest["kind"] for manifest in render(values_of(plain)).manifests)
    assert kinds == ["ConfigMap", "ConfigMap", "Deployment", "Pod", "Pod", "Service", "ServiceAccount"]


def test_the_notes_show_the_label_that_the_operator_selects() -> None:
    assert (
        "--reset-then-reuse-values --set additionalLabels.release=<release of kube-prometheus-stack>"
        in render(ONE).notes
    )
    labelled = render(ONE | {"additionalLabels": {"release": "kps"}}).notes
    assert "release: kps" in labelled
    assert "--set additionalLabels" not in labelled


def test_the_notes_warn_if_prometheus_will_not_trust_the_port() -> None:
    untrusted = "the monitor has no tlsConfig"
    assert untrusted in render(ONE | {"web": {"config": TLS}}).notes
    trusted = {"web": {"config": TLS}, "serviceMonitor": {"tlsConfig": {"serverName": "a"}}}
    assert untrusted not in render(ONE | trusted).notes
    assert untrusted not in render(ONE).notes


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_the_notes_warn_of_a_scrape_interval_that_is_too_long_for_the_alerts(monitor: str) -> None:
    only = {"serviceMonitor": {"enabled": False}}
    for interval, warned in (("1m", False), ("61s", True), ("5m", True)):
        notes = render(ONE | only | {monitor: {"enabled": True, "interval": interval}}).notes
        assert (f"WARNING: the scrape interval is {interval}" in notes) is warned


def test_the_notes_show_how_to_probe_now() -> None:
    for values, kind in ((ONE, "deployment"), (SHARDED, "statefulset")):
        line = f"--namespace monitoring exec {kind}/{FULL_NAME} -- pingone-flow-exporter probe\n"
        assert line in render(values).notes


def test_the_notes_say_if_links_only_work_inside_the_cluster() -> None:
    inside = f"http://{FULL_NAME}.monitoring.svc:9988/runbooks/<Alert>\n  This address only works inside"
    assert inside in render(ONE).notes
    outside = render(ONE | {"externalUrl": "https://flows.example.com/"}).notes
    assert "https://flows.example.com/runbooks/<Alert>" in outside
    assert "inside the cluster" not in outside
