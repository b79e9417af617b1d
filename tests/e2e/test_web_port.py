"""The web port, secured by the file that Prometheus takes for itself, against real clients and bad ones."""

from __future__ import annotations

import re
import socket
import ssl
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme
from harness.daemon import Daemon, run_command
from harness.nginx import Nginx
from harness.prometheus import Prometheus, need_tool
from harness.samples import Samples
from harness.variables import target_variables
from harness.waiting import PATIENCE, poll

pytestmark = pytest.mark.e2e

USER, PASSWORD = "scraper", "correct horse battery"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(6, b"2a")).decode().replace("$2a$", "$2y$")
UP = 'up{job="pingone"} == 1'
UNUSED_URL = "http://127.0.0.1:9"
"""Where nothing answers: what is watched does not matter here."""

WEB_CONFIG = f"""\
tls_server_config:
  cert_file: tls/server.crt
  key_file: tls/server.key
  min_version: TLS12
http_server_config:
  http2: true
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: deny
basic_auth_users:
  {USER}: {HASH}
"""


class WebApp:
    """A directory with certificates and a web configuration file, and those who know how to get in."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "tls").mkdir()
        self.config = directory / "web.yml"
        self.config.write_text(WEB_CONFIG)
        self.ca_file = directory / "ca.crt"
        self.renew()

    def renew(self) -> None:
        """Replace the authority, certificate and key by others, as a renewal does: each by a rename."""
        self.authority = trustme.CA()
        pair = self.authority.issue_cert("localhost", "127.0.0.1")
        chain = b"".join(pem.bytes() for pem in pair.cert_chain_pems)
        for name, content in (("server.key", pair.private_key_pem.bytes()), ("server.crt", chain)):
            new = self.directory / "tls" / "new"
            new.write_bytes(content)
            new.rename(self.directory / "tls" / name)
        self.authority.cert_pem.write_to_path(str(self.ca_file))

    def trust(self, own: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if own is not None:
            own.configure_cert(context)
        return context

    def client(
        self, address: str, *, known: bool = True, own: trustme.LeafCert | None = None
    ) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://{address}",
            verify=self.trust(own),
            auth=(USER, PASSWORD) if known else None,
            trust_env=False,
            timeout=PATIENCE,
        )


@pytest.fixture
def site(tmp_path: Path) -> WebApp:
    (tmp_path / "site").mkdir()
    return WebApp(tmp_path / "site")


@pytest.fixture
def started(tmp_path: Path, site: WebApp) -> Iterator[Callable[..., Daemon]]:
    """Return what starts a daemon with the site's file, and further variables by their last part."""
    with ExitStack() as running:

        def start(**web: object) -> Daemon:
            environment = {
                **target_variables("works", UNUSED_URL, interval="1d", timeout="1s"),
                "FLOW_EXPORTER_WEB__CONFIG_FILE": str(site.config),
                **{f"FLOW_EXPORTER_WEB__{name.upper()}": str(value) for name, value in web.items()},
            }
            daemon = Daemon(environment, directory=tmp_path / "home", logs=tmp_path / "logs")
            return running.enter_context(daemon)

        yield start


def test_prometheus_scrapes_with_its_own_web_configuration_file(
    site: WebApp, started: Callable[..., Daemon], tmp_path: Path
) -> None:
    checked = subprocess.run(
        [need_tool("promtool"), "check", "web-config", site.config], capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr

    daemon = started()
    scrape = {
        "job_name": "pingone",
        "static_configs": [{"targets": [daemon.address]}],
        "scrape_interval": "1s",
        "scheme": "https",
        "tls_config": {"ca_file": str(site.ca_file)},
        "basic_auth": {"username": USER, "password": PASSWORD},
    }
    access = {"verify": site.trust(), "auth": (USER, PASSWORD)}
    with Prometheus(
        directory=tmp_path / "prometheus",
        configuration={"scrape_configs": [scrape]},
        web_config=site.config,
        access=access,
    ) as prometheus:
        prometheus.wait_for(UP, bool)
        prometheus.wait_for('pingone_flow_target_info{target="works"}', bool)

    assert PASSWORD not in daemon.log()
    assert HASH not in daemon.log()


def test_the_password_is_required_except_for_health(site: WebApp, started: Callable[..., Daemon]) -> None:
    daemon = started()
    with site.client(daemon.address, known=False) as stranger, site.client(daemon.address) as known:
        for path in ("/", "/metrics", "/runbooks/PingOneFederationDown", "/nowhere"):
            answer = stranger.get(path)
            assert (answer.status_code, answer.text) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Basic ")
        assert stranger.get("/metrics", auth=(USER, "wrong")).status_code == 401
        assert stranger.get("/metrics", auth=("root", PASSWORD)).status_code == 401
        assert stranger.get("/-/healthy").text == "healthy"
        assert stranger.get("/-/ready").text == "ready"

        answer = known.get("/")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["x-frame-options"] == "deny"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "wrong" not in daemon.log()


def test_with_mutual_tls_kubelets_use_a_plain_port(site: WebApp, started: Callable[..., Daemon]) -> None:
    clients = trustme.CA()
    clients.cert_pem.write_to_path(str(site.directory / "clients.crt"))
    site.config.write_text(
        "tls_server_config:\n  cert_file: tls/server.crt\n  key_file: tls/server.key\n"
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.crt\n"
    )
    daemon = started(health_listen_address="127.0.0.1:0")
    listening = re.compile(r'listening for health checks" address="?([^\s"]+)')
    daemon.wait_for_log(listening, what="the address of the health port")
    (health,) = listening.findall(daemon.log())

    with site.client(
        daemon.address, known=False, own=clients.issue_cert("prometheus@example.com")
    ) as scraper:
        assert scraper.get("/metrics").status_code == 200
    for own in (None, trustme.CA().issue_cert("prometheus@example.com")):
        with (
            site.client(daemon.address, known=False, own=own) as stranger,
            pytest.raises(httpx.TransportError),
        ):
            stranger.get("/metrics")

    with httpx.Client(base_url=f"http://{health}", trust_env=False, timeout=PATIENCE) as kubelet:
        assert kubelet.get("/-/healthy").text == "healthy"
        assert kubelet.get("/-/ready").text == "ready"
        assert kubelet.get("/metrics").status_code == 404
    assert "Traceback" not in daemon.log()


def test_a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(
    site: WebApp, started: Callable[..., Daemon]
) -> None:
    daemon = started()

    def status() -> int | str:
        try:
            with site.client(daemon.address) as client:
                return client.get("/metrics").status_code
        except httpx.TransportError as error:
            return repr(error)

    assert status() == 200
    site.renew()
    poll(status, lambda seen: seen == 200, what="the renewed certificate")

    (site.directory / "tls" / "server.key").write_text("nonsense")
    problem = "tls_server_config.key_file in web.yml line "
    poll(daemon.log, lambda log: problem in log, what="an error")
    assert status() == 200


def test_changed_users_take_effect_and_an_error_changes_nothing(
    site: WebApp, started: Callable[..., Daemon]
) -> None:
    daemon = started()

    def write(text: str) -> None:
        new = site.config.with_name("new")
        new.write_text(text)
        new.rename(site.config)

    with site.client(daemon.address) as known, site.client(daemon.address, known=False) as stranger:
        assert stranger.post("/-/reload").status_code == 401
        assert known.post("/-/reload").status_code == 200

        write(WEB_CONFIG.replace(HASH, "hunter2"))
        refused = known.post("/-/reload")
        assert (refused.status_code, "hunter2" in refused.text) == (500, False)
        assert f"basic_auth_users.{USER} in web.yml line 11: invalid bcrypt hash" in refused.text
        assert known.get("/metrics").status_code == 200

        write(WEB_CONFIG.replace(USER, "someone"))
        poll(
            lambda: known.get("/metrics").status_code,
            lambda status: status == 401,
            what="the new users at the door",
        )
        assert stranger.get("/metrics", auth=("someone", PASSWORD)).status_code == 200
    assert "hunter2" not in daemon.log()


class Attack:
    """Clients that hold connections and send nothing, half a handshake, or a request drop by drop."""

    def __init__(self, address: str, tls: ssl.SSLContext, each: int) -> None:
        host, port = address.split(":")
        self._where = (host, int(port))
        self._tls = tls
        self._each = each
        self._held: list[socket.socket] = []
        self._over = threading.Event()
        self._dripping = threading.Thread(target=self._drip)
        self._slow: list[ssl.SSLSocket] = []

    def __enter__(self) -> None:
        """Begin."""
        for _ in range(self._each):
            self._held.append(socket.create_connection(self._where, timeout=PATIENCE))
            halfway = socket.create_connection(self._where, timeout=PATIENCE)
            halfway.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            self._held.append(halfway)
        for _ in range(self._each):
            slow = self._tls.wrap_socket(
                socket.create_connection(self._where, timeout=PATIENCE), server_hostname="localhost"
            )
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Slow: ")
            self._slow.append(slow)
        self._dripping.start()

    def __exit__(self, *_: object) -> None:
        """End, and close what is held."""
        self._over.set()
        self._dripping.join()
        for held in (*self._held, *self._slow):
            held.close()

    def _drip(self) -> None:
        while not self._over.wait(0.2):
            for slow in self._slow:
                try:
                    slow.sendall(b"x")
                except OSError:
                    continue  # it was ended, as it should be


def scrape_times(site: WebApp, address: str, count: int) -> list[float]:
    """Return the seconds that each of some scrapes took, every one over a connection of its own."""
    times = []
    for _ in range(count):
        with site.client(address) as client:
            before = time.monotonic()
            assert client.get("/metrics").status_code == 200
            times.append(time.monotonic() - before)
    return times


def test_silent_slow_and_half_connected_clients_do_not_delay_a_scrape(
    site: WebApp, started: Callable[..., Daemon]
) -> None:
    daemon = started()
    alone = statistics.median(scrape_times(site, daemon.address, 11))
    with Attack(daemon.address, site.trust(), each=100):
        beside = statistics.median(scrape_times(site, daemon.address, 11))
    assert beside < 5 * alone + 0.5
    assert "Traceback" not in daemon.log()


def test_more_silent_clients_than_the_limit_do_not_lock_out_a_scraper(
    site: WebApp, started: Callable[..., Daemon]
) -> None:
    daemon = started()
    host, port = daemon.address.split(":")
    with ExitStack() as held, site.client(daemon.address) as scraper:
        assert scraper.get("/metrics").status_code == 200
        for _ in range(700):
            held.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE))
        assert scraper.get("/metrics").status_code == 200
        assert len(scrape_times(site, daemon.address, 3)) == 3
        open_files = Samples(scraper.get("/metrics").text).total("process_open_fds")
        assert 0 < open_files < 600


def test_a_flood_of_wrong_passwords_does_not_lock_out_authenticated_clients(
    site: WebApp, started: Callable[..., Daemon]
) -> None:
    slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(11)).decode()
    site.config.write_text(WEB_CONFIG.replace(HASH, slow))
    daemon = started()
    statuses: list[int] = []

    def guess(number: int) -> None:
        with site.client(daemon.address, known=False) as attacker:
            statuses.append(attacker.get("/metrics", auth=(USER, f"guess {number}")).status_code)

    with site.client(daemon.address) as scraper:
        assert scraper.get("/metrics").status_code == 200
        attack = [threading.Thread(target=guess, args=(number,)) for number in range(20)]
        for thread in attack:
            thread.start()
        assert [scraper.get("/metrics").status_code for _ in range(10)] == [200] * 10
        for thread in attack:
            thread.join()
    assert len(statuses) == 20
    assert set(statuses) <= {401, 503}
    assert "guess" not in daemon.log()


def test_it_works_behind_nginx_with_tls_and_a_path(
    site: WebApp, started: Callable[..., Daemon], tmp_path: Path
) -> None:
    site.config.write_text(f"basic_auth_users:\n  {USER}: {HASH}\n")
    daemon = started()
    front = Nginx(daemon.address, directory=tmp_path, path="/flows/", tls=site.directory / "tls")
    with front, site.client(front.address) as client:
        seen = client.get("/flows/metrics")
        assert "pingone_flow_target_info" in seen.text
        page = client.get("/flows/")
        link = page.text.partition('href="metrics"')[1]
        assert (page.status_code, link) == (200, 'href="metrics"')
        assert client.get("/flows/metrics", auth=("root", "x")).status_code == 401


def test_check_config_reports_errors_in_the_file_and_starts_nothing(site: WebApp, tmp_path: Path) -> None:
    site.config.write_text(f"{WEB_CONFIG}  root: hunter2\nrate: 1\n")
    environment = {
        **target_variables("works", UNUSED_URL),
        "FLOW_EXPORTER_WEB__CONFIG_FILE": str(site.config),
    }

    done = run_command("check-config", cwd=tmp_path, env=environment)

    assert done.returncode == 2
    assert "basic_auth_users.root in web.yml line 12: invalid bcrypt hash" in done.stderr
    assert "rate in web.yml line 13: unknown setting" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_check_config_shows_how_the_port_is_secured(site: WebApp, tmp_path: Path) -> None:
    environment = {
        **target_variables("works", UNUSED_URL),
        "FLOW_EXPORTER_WEB__CONFIG_FILE": str(site.config),
    }

    done = run_command("check-config", cwd=tmp_path, env=environment)

    assert done.returncode == 0
    assert "TLS, 1 user, headers X-Frame-Options Strict-Transport-Security" in done.stdout
    assert HASH not in done.stdout
