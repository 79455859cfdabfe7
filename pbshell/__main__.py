"""``python -m pbshell``, and the program ``pbshell``."""

from __future__ import annotations

import sys

from pbshell.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
