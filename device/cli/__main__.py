"""Run the command line with `python -m device.cli`."""

from __future__ import annotations

import sys

from device.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
