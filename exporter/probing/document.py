"""JSON from the outside, read by a function that is total over any bytes."""

from __future__ import annotations

import json
from typing import Any, NoReturn

_LONGEST_INTEGER = 400
"""Digits; Python refuses to convert more than 4,300 and is slow long before."""


def parse_object(body: bytes | str) -> dict[str, Any] | None:
    """Return the JSON object that `body` is, or None for anything else.

    UTF-8 with or without a byte order mark (RFC 8259, section 8.1). NaN and infinities are no JSON.
    Nesting beyond what the parser takes counts as no JSON; of duplicate keys the last one stands.
    """
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        document = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
