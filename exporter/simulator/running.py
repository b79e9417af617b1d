"""The simulator in one `async with`: everything it starts, it stops."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import trustme

from exporter.simulator.control import COMPONENT, SimulatedStatusPage, control_app
from exporter.simulator.environments import CALLBACK_PATH, Environment, IdentityProvider, SignOnPolicy
from exporter.simulator.listener import Listener
from exporter.simulator.script import Clock, Script
from exporter.simulator.simulated_environment import SimulatedEnvironment
from exporter.target import Journey, ProviderKind

DAY = timedelta(days=1)
VALIDITY = 365 * DAY
OTHER_NAME = "elsewhere.example"
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not an address to listen on, but how to reach it

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """A simulator that runs."""

    environments: Mapping[str, SimulatedEnvironment]  # by name, in the order they were given
    control_url: str  # of the control API, without a trailing slash
    status_page: SimulatedStatusPage  # the vendor's, which the control API serves
    ca_file: Path | None = None
    """Certificate that clients of https environments must trust while it runs; None without such ones."""

    def target_settings(self) -> dict[str, dict[str, str]]:
        """Return the settings of targets by name: of each source, unless a destination lists it.

        A source that is the only identity provider of a destination signs users on there.
        """
        settings = {
            name: self._source_settings(each)
            for name, each in self.environments.items()
            if not (each.environment.providers or each.environment.port_of)
        }
        for each in self.environments.values():
            match each.environment.providers:
                case (provider,) if provider.kind is ProviderKind.PINGONE:
                    settings[provider.source] |= self._federation_settings(each, provider)
        return settings

    def exporter_variables(self) -> dict[str, str]:
        """Return the `FLOW_EXPORTER_…` variables with which an exporter watches every source.

        A destination with several identity providers is listed.
        """
        # With a shorter interval, the timeout is below the latency objective.
        usual = {"REFRESH_INTERVAL": "5s", "FEDERATION_INTERVAL": "30s"}
        listed = {
            name: usual | self._application_settings(each)
            for name, each in self.environments.items()
            if len(each.environment.providers) > 1
        }
        variables = {
            f"FLOW_EXPORTER_{group}__{name.upper()}__{setting}": value
            for group, members in (("TARGETS", self.target_settings()), ("DESTINATIONS", listed))
            for name, own in members.items()
            for setting, value in own.items()
        }
        return variables | {
            "FLOW_EXPORTER_STATUS_PAGE__URL": f"{self.control_url}/api/v2/summary.json",
            "FLOW_EXPORTER_STATUS_PAGE__COMPONENTS": COMPONENT,
            "FLOW_EXPORTER_STATUS_PAGE__INTERVAL": "1m",
        }

    def _source_settings(self, source: SimulatedEnvironment) -> dict[str, str]:
        """Return the settings of a target that watches a source by its first application.

        That one's first redirect URI must be the callback of a destination.
        """
        application = source.environment.applications[0]
        destination, destination_id = application.redirect_uris[0].removesuffix(CALLBACK_PATH).rsplit("/", 1)
        settings = {
            "SOURCE_ENVIRONMENT_ID": source.environment.id,
            "DESTINATION_ENVIRONMENT_ID": destination_id,
            "CLIENT_ID": application.client_id,
            "DESTINATION_AUTH_URL": destination,
            **self._location(source),
        }
        if application.sign_on_policy is not SignOnPolicy.LOGIN:
            settings["EXPECTED_STATUSES"] = application.sign_on_policy.value
        if application.pkce_required:
            settings["PKCE"] = "true"
        return settings

    def _federation_settings(
        self, destination: SimulatedEnvironment, provider: IdentityProvider
    ) -> dict[str, str]:
        """Return the further settings of a target that signs users on by `provider`, the whole way."""
        application = destination.environment.applications[0]
        user = self.environments[provider.source].environment.users[0]
        return {
            "JOURNEYS": Journey.FEDERATION.value,
            "FEDERATION_INTERVAL": "30s",  # the shortest with a password
            "DESTINATION_CLIENT_AUTH": application.client_auth.value,
            "DESTINATION_CLIENT_SECRET": application.client_secret,
            "PROVIDER_ID": provider.id,
            "USERNAME": user.username,
            "PASSWORD": user.password,
            **self._application_settings(destination, "DESTINATION_"),
        }

    def _application_settings(self, destination: SimulatedEnvironment, prefix: str = "") -> dict[str, str]:
        application = destination.environment.applications[0]
        return {
            f"{prefix}ENVIRONMENT_ID": destination.environment.id,
            f"{prefix}CLIENT_ID": application.client_id,
            f"{prefix}REDIRECT_URI": application.redirect_uris[0],
            **self._location(destination, prefix),
        }

    def _location(self, simulated: SimulatedEnvironment, prefix: str = "") -> dict[str, str]:
        trust = {"CA_FILE": str(self.ca_file)} if simulated.environment.https else {}
        if simulated.environment.custom_domain:
            return {f"{prefix}CUSTOM_DOMAIN": urlsplit(simulated.base_url).netloc, **trust}
        return {f"{prefix}AUTH_URL": simulated.base_url, **trust}


@asynccontextmanager
async def simulator(
    environments: Iterable[Environment],
    *,
    host: str = "127.0.0.1",
    control_port: int = 0,
    script: Script | None = None,
    clock: Clock | None = None,
    random: Random | None = None,
    directory: Path | None = None,
) -> AsyncIterator[Simulator]:
    """Run a simulated PingOne in the running event loop.

    Args:
        environments: each gets a port of its own, unless it answers at that of an earlier one.
        host: where all ports listen; for all addresses, URLs and certificates have the loopback address.
        control_port: of the control API; 0 means any free one.
        script: changes the weather of these environments over time.
        clock: time; the real one by default.
        random: chance; the real one by default.
        directory: where a directory for the authority's certificate is made; None for the system's for such.

    Raises:
        WeatherError: an environment without https starts with weather that needs it.
        OSError: a port is in use, or the host is not an address of this machine.
    """
    environments = tuple(environments)
    clock, random = clock or Clock(), random or Random()
    public_host = LOOPBACK.get(host, host)
    in_url = f"[{public_host}]" if ":" in public_host else public_host
    async with AsyncExitStack() as stack:
        authority, ca_file = trustme.CA(), None
        if any(environment.https for environment in environments):
            folder = stack.enter_context(TemporaryDirectory(prefix="pingone-simulator-", dir=directory))
            ca_file = Path(folder) / "ca.pem"
            authority.cert_pem.write_to_path(str(ca_file))
        simulated: dict[str, SimulatedEnvironment] = {}
        names = sorted({public_host, host, "localhost"})
        for environment in environments:
            has_tls = environment.https and not environment.port_of
            simulated[environment.name] = running = SimulatedEnvironment(
                environment,
                host=host,
                public_host=in_url,
                sources=simulated,
                certificates=make_certificates(authority, names) if has_tls else {},
                clock=clock,
                random=random,
            )
            stack.push_async_callback(running.listener.stop)
            await asyncio.sleep(0)  # making keys takes tens of milliseconds; signals are handled in between
        status_page = SimulatedStatusPage()
        control = Listener(host, control_port, control_app(simulated, status_page))
        stack.push_async_callback(control.stop)
        await control.open()
        for running in simulated.values():
            await running.set_weather(running.weather)
        control_url = f"http://{in_url}:{control.port}"
        if script is not None:
            stack.push_async_callback(_end, asyncio.create_task(_play(script, simulated, clock)))
        yield Simulator(
            environments=simulated, status_page=status_page, control_url=control_url, ca_file=ca_file
        )


def make_certificates(authority: trustme.CA, names: Iterable[str]) -> dict[str, ssl.SSLContext]:
    """Make a server's contexts, by weather, for these names and addresses."""
    now = datetime.now(UTC)
    good = authority.issue_cert(*names, not_before=now - DAY, not_after=now + VALIDITY)
    expired = authority.issue_cert(*names, not_before=now - 30 * DAY, not_after=now - DAY)
    wrong_name = authority.issue_cert(OTHER_NAME, not_before=now - DAY, not_after=now + VALIDITY)
    contexts = {}
    for kind, certificate in (("healthy", good), ("tls_expired", expired), ("tls_wrong_name", wrong_name)):
        contexts[kind] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_TICKET  # a resumed session would show no certificate
        context.num_tickets = 0
        certificate.configure_cert(context)
    return contexts


async def _play(script: Script, environments: Mapping[str, SimulatedEnvironment], clock: Clock) -> None:
    """Make the script's changes when they are due; ends with the script, and never if it repeats."""
    start = clock.monotonic()
    while script.changes:
        for change in script.changes:
            while (remaining := start + change.after - clock.monotonic()) > 0:
                await clock.sleep(remaining)
            environment = environments[change.environment]
            try:
                if environment.is_scripted:
                    await environment.set_weather(change.weather)
            except OSError as error:  # another program took its port; the next change may find it free
                _log.error("simulator: %s: %s: %s", change.environment, change.weather.kind, error)
        if script.repeat is None:
            return
        start += script.repeat


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
