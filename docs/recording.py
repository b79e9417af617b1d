"""Draw docs/demo.svg: the last table of `pingone-flow-exporter demo`, when most of its federations fail.

    .venv/bin/python docs/recording.py

It takes less than two minutes. In the second one, the destination of `uk_partners` rejects every sign-on.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

DOCS = Path(__file__).resolve().parent
IMAGE = DOCS / "demo.svg"
WIDTH_CHARACTERS = 100
DURATION = "104s"

_CHUNK_BYTES = 65_536
_REDRAW = re.compile(r"(?:\x1b\[1A\x1b\[2K)+")
_CURSOR = re.compile(r"\x1b\[\?25[hl]|\r")
_FONTS = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)


def main() -> None:
    """Run the demo in a terminal and draw what it showed last."""
    frame = _REDRAW.split(_CURSOR.sub("", recorded()))[-1].strip("\n")
    console = Console(record=True, width=WIDTH_CHARACTERS, file=StringIO(), color_system="truecolor")
    console.print(Text.assemble(("$ make demo", "bold"), "\n"), Text.from_ansi(frame), sep="\n", end="\n\n")
    svg = console.export_svg(title="pingone-flow-exporter demo", unique_id="terminal")
    # The fonts would be loaded from elsewhere.
    svg = _FONTS.sub("\n", svg).replace("Generated with Rich", "A recording of `make demo`, drawn by Rich.")
    svg = re.sub(r"<!-- (.*?) https://\S+ -->", r"<!-- \1 -->", svg)
    IMAGE.write_text(svg.rstrip("\n") + "\n", encoding="utf-8")


def recorded() -> str:
    """Return everything that the demo writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("pingone-flow-exporter")), "demo", "--duration", DURATION]
    environment = {**os.environ, "COLUMNS": str(WIDTH_CHARACTERS), "LINES": "40", "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, env=environment):  # noqa: S603  the installed command
        os.close(theirs)
        written = bytearray()
        try:
            while chunk := os.read(ours, _CHUNK_BYTES):
                written += chunk
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
    return written.decode()


if __name__ == "__main__":
    main()
