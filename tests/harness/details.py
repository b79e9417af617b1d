"""Which template a detail was made from, so that tests can claim that there is no other text."""

from __future__ import annotations

import re
import string

from exporter.probing.detail import MAX_CHARACTERS, NOT_SHOWN, PATTERNS, Template


def _pattern(cause: Template) -> re.Pattern[str]:
    parts = []
    for text, parameter, _, _ in string.Formatter().parse(cause):
        parts.append(re.escape(text))
        if parameter is not None:
            parts.append(f"(?:{PATTERNS[parameter].pattern}|{re.escape(NOT_SHOWN)})")
    return re.compile(f"(?:proxy: )?{''.join(parts)}")


_PATTERNS = {cause: _pattern(cause) for cause in Template}


def templates_of(detail: str) -> set[Template]:
    """Return the templates that a detail may have been made from; raises if it breaks a rule of all."""
    assert len(detail) <= MAX_CHARACTERS, detail
    assert detail.isprintable(), detail
    assert "?" not in detail.replace("on this port?", ""), "a query"
    return {cause for cause, pattern in _PATTERNS.items() if pattern.fullmatch(detail)}
