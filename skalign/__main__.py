"""``python -m skalign``."""

import sys

from skalign.cli import main

if __name__ == "__main__":
    sys.exit(main())
