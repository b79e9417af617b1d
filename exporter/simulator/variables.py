"""The settings with which an exporter watches a running simulator."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from exporter.simulator.flow import FIRST_STATUS
from exporter.simulator.running import Running
from exporter.simulator.station import Station
from exporter.simulator.world import UUID, SignOnPolicy

_CALLBACK = re.compile(rf"(https?://[^/?#]+)/({UUID.pattern})/rp/callback/openid_connect")
_DESTINATION = "00000000-0000-4000-8000-000000000000"


def variables(running: Running) -> dict[str, str]:
    """Return `FLOW_EXPORTER_…` variables, one target per environment, by its first application.

    The destination is read from the application's first redirect_uri. Where that is none of PingOne's
    callbacks, it is given as it is, with a made-up destination, which the authorize journey never asks.
    """
    result: dict[str, str] = {}
    for name, station in running.environments.items():
        settings = _settings(station)
        if station.environment.https and running.ca_file is not None:
            settings["CA_FILE"] = str(running.ca_file)
        prefix = f"FLOW_EXPORTER_TARGETS__{name.upper()}__"
        result.update({f"{prefix}{key}": value for key, value in settings.items()})
    return result


def _settings(station: Station) -> dict[str, str]:
    environment = station.environment
    application = environment.applications[0]
    redirect_uri = application.redirect_uris[0]
    callback = _CALLBACK.fullmatch(redirect_uri)
    settings = {
        "SOURCE_ENVIRONMENT_ID": environment.id,
        "DESTINATION_ENVIRONMENT_ID": _DESTINATION if callback is None else callback[2],
        "CLIENT_ID": application.client_id,
    }
    if environment.custom_domain:
        settings["CUSTOM_DOMAIN"] = urlsplit(station.base_url).netloc
    else:
        settings["AUTH_URL"] = station.base_url
    if callback is not None:
        settings["DESTINATION_AUTH_URL"] = callback[1]
    else:
        settings["DESTINATION_AUTH_URL"] = station.base_url
        settings["REDIRECT_URI"] = redirect_uri
    if application.sign_on_policy is not SignOnPolicy.LOGIN:
        settings["EXPECTED_STATUSES"] = FIRST_STATUS[application.sign_on_policy]
    if application.pkce_required:
        settings["PKCE"] = "true"
    return settings
