"""Journeys: what a probe does, step by step, one file each. None of them does I/O."""

from collections.abc import Callable, Mapping

from exporter.probing.journeys.authorize import authorize
from exporter.probing.journeys.discovery import discovery
from exporter.probing.journeys.federation import federation
from exporter.probing.messages import Steps
from exporter.target import Journey, Target

JOURNEYS: Mapping[Journey, Callable[[Target, Callable[[], str]], Steps]] = {
    Journey.AUTHORIZE: authorize,
    Journey.FEDERATION: federation,
    Journey.DISCOVERY: discovery,
}
