"""What the demo and the simulator say instead of a traceback."""

from __future__ import annotations


class DemoError(Exception):
    """Something that the demo or the simulator was asked for cannot be; a sentence for each mistake."""


class UnavailableError(DemoError):
    """What was asked for could be, but this machine has it not at this moment."""
