"""Take docs/status-page.png: the overview of the demo when most of its federations fail.

    .venv/bin/python docs/screenshot.py

It takes two minutes, until the sparklines are full, and needs Chromium (`make test-tools`).
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

DOCS = Path(__file__).resolve().parent
IMAGE = DOCS / "status-page.png"

# The tests' helpers are not a package.
sys.path.insert(0, str(DOCS.parent / "tests"))
from harness.browser import Visit, browsing  # noqa: E402  found by the line above only
from harness.daemon import COMMAND  # noqa: E402  likewise
from harness.waiting import poll  # noqa: E402  likewise

WINDOW = (1280, 870)
MAX_BYTES = 150_000
DELAY_SECONDS = 105.0
"""In the demo's second minute most of its federations fail."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BYTES_OF_A_PIXEL = 3


def main() -> None:
    """Start the demo, wait, take the screenshot, and stop it."""
    with TemporaryDirectory() as directory:
        output_file = Path(directory) / "output"
        with output_file.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  the installed command
                [*COMMAND, "demo"], cwd=directory, stdout=output, stderr=output
            )
        try:
            page = re.compile(r"^page +(\S+)/$", re.MULTILINE)
            found = poll(lambda: page.search(output_file.read_text()), bool, timeout=30, what="the demo")
            time.sleep(DELAY_SECONDS)
            with browsing() as browser:
                visit = Visit(browser, found[1] if found else "", size=WINDOW)
                IMAGE.write_bytes(smaller(visit.go("/").screenshot()))
                visit.close()
        finally:
            process.terminate()
            process.wait()
    size = IMAGE.stat().st_size
    if size > MAX_BYTES:
        sys.exit(f"{IMAGE} has {size} bytes, more than {MAX_BYTES}")


def smaller(png: bytes) -> bytes:
    """Return the same picture without PNG's filters, which do not help with text: a quarter smaller."""
    chunks: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, color, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if (depth, color) != (8, 2):
        raise ValueError("the picture is not of 8 bits each of red, green and blue")
    raw, stride = zlib.decompress(chunks[b"IDAT"]), 1 + width * _BYTES_OF_A_PIXEL
    above, lines = bytes(stride - 1), bytearray()
    for row in range(height):
        above = unfiltered(raw[row * stride], raw[row * stride + 1 : (row + 1) * stride], above)
        lines += b"\0" + above
    chunks[b"IDAT"] = zlib.compress(bytes(lines), 9)
    return _SIGNATURE + b"".join(
        struct.pack(">I4s", len(chunks[kind]), kind)
        + chunks[kind]
        + struct.pack(">I", zlib.crc32(kind + chunks[kind]))
        for kind in (b"IHDR", b"IDAT", b"IEND")
    )


def unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    """Undo the filter of one line of a PNG (its specification, section 9.2)."""
    found = bytearray(_BYTES_OF_A_PIXEL) + line
    corner = bytes(_BYTES_OF_A_PIXEL) + above
    for place in range(len(line)):
        left, up, up_left = found[place], above[place], corner[place]
        nearest = min((left, up, up_left), key=lambda value: abs(left + up - up_left - value))
        predicted = (0, left, up, (left + up) // 2, nearest)[kind]
        found[place + _BYTES_OF_A_PIXEL] = (found[place + _BYTES_OF_A_PIXEL] + predicted) & 0xFF
    return bytes(found[_BYTES_OF_A_PIXEL:])


if __name__ == "__main__":
    main()
