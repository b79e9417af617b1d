"""What expires next is in the order of time, and what several targets share is there once."""

from __future__ import annotations

DAY = 86_400.0
