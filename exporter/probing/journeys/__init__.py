"""Journeys: what a probe does, step by step, one file each. None of them does I/O."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from exporter.probing.journeys.authorize import authorize
from exporter.probing.journeys.discovery import discovery
from exporter.probing.journeys.federation import federation
from exporter.probing.messages import Steps
from exporter.target import Journey, Target

StepMaker: TypeAlias = Callable[[Target, Callable[[], str]], Steps]
"""Makes the steps of a probe from its target and a function that makes fresh tokens."""

JOURNEYS: Mapping[Journey, StepMaker] = {
    Journey.AUTHORIZE: authorize,
    Journey.FEDERATION: federation,
    Journey.DISCOVERY: discovery,
}
