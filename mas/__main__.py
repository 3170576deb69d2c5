"""``python -m mas``."""

import sys

from mas.cli import main

if __name__ == "__main__":
    sys.exit(main())
