"""A PingOne to probe when there is none: for demo, tests and alert drills.

    weather script ─┐
    control API ────┼─> weather ─┐
                    │            v
    client ──> listener ──> conversation ──> climate ──> provider (authorize, flows, metadata)
                 (port, TLS)   (HTTP/1.1)     (edge)

Each environment has a port of its own, so that faults of a listener are possible; the control API has
another one, which no weather reaches. The provider is pure: time, chance and weather are arguments.
"""

from exporter.simulator.demo import demo_script, demo_world, plain_world
from exporter.simulator.running import Running, simulator
from exporter.simulator.script import Change, Script, ScriptError, read_script
from exporter.simulator.station import Seen, Station
from exporter.simulator.surroundings import Surroundings
from exporter.simulator.variables import variables
from exporter.simulator.weather import Kind, Weather, WeatherError
from exporter.simulator.world import (
    Application,
    Environment,
    NoTLSError,
    SignOnPolicy,
    User,
    WorldError,
)

__all__ = [
    "Application",
    "Change",
    "Environment",
    "Kind",
    "NoTLSError",
    "Running",
    "Script",
    "ScriptError",
    "Seen",
    "SignOnPolicy",
    "Station",
    "Surroundings",
    "User",
    "Weather",
    "WeatherError",
    "WorldError",
    "demo_script",
    "demo_world",
    "plain_world",
    "read_script",
    "simulator",
    "variables",
]
