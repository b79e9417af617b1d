"""`python -m exporter`, the same as the command."""

import sys

from exporter.cli import main

sys.exit(main())
