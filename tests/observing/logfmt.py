"""A strict reader of logfmt: what it accepts, every reader of logfmt understands in the same way."""

from __future__ import annotations

import re

_PAIR = re.compile(r"""(?P<key>[a-z][a-z0-9_]*)=(?:"(?P<quoted>(?:[^"\\]|\\["\\])*)"|(?P<bare>[^ ="]*))""")


def read(line: str) -> dict[str, str]:
    """Return the pairs of one line, without its end.

    Raises:
        ValueError: where it is no logfmt, names a key twice, or holds what a terminal would act on.
    """
    if not line.isprintable():
        raise ValueError(f"not printable: {line!r}")
    pairs: dict[str, str] = {}
    at = 0
    while True:
        found = _PAIR.match(line, at)
        if found is None:
            raise ValueError(f"no pair at {at}: {line!r}")
        key, at = found["key"], found.end()
        if key in pairs:
            raise ValueError(f"{key} occurs twice: {line!r}")
        quoted = found["quoted"]
        pairs[key] = found["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if at == len(line):
            return pairs
        if line[at] != " ":
            raise ValueError(f"no space at {at}: {line!r}")
        at += 1
