"""Scripts that measure. asv imports them as a package, and they each other by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
