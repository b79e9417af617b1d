"""A simulated PingOne for the demo, tests and alert drills.

    script, control API ──> weather ─┐
                                     v
    client ──> listener ──> simulated environment ──> provider (authorize, flows, metadata)
        (port, TLS, HTTP/1.1)     (the edge)              ├─> relying party    (a destination's /rp/…)
                                                          └─> token endpoint

Each environment has a port of its own, so that faults of a listener are possible; the control API has another
one, which no weather reaches. The provider does no I/O: time, chance and weather are arguments.
"""

from exporter.simulator.demo_environments import demo_environments, demo_script, plain_environments
from exporter.simulator.environments import (
    Application,
    Environment,
    IdentityProvider,
    SignOnPolicy,
    User,
    check_weather,
)
from exporter.simulator.running import Simulator, simulator
from exporter.simulator.script import Change, Clock, Script, read_script
from exporter.simulator.simulated_environment import SimulatedEnvironment
from exporter.simulator.weather import (
    KINDS,
    Endpoint,
    Weather,
    WeatherError,
    parse_weather,
    parse_weather_text,
)

__all__ = [
    "KINDS",
    "Application",
    "Change",
    "Clock",
    "Endpoint",
    "Environment",
    "IdentityProvider",
    "Script",
    "SignOnPolicy",
    "SimulatedEnvironment",
    "Simulator",
    "User",
    "Weather",
    "WeatherError",
    "check_weather",
    "demo_environments",
    "demo_script",
    "parse_weather",
    "parse_weather_text",
    "plain_environments",
    "read_script",
    "simulator",
]
