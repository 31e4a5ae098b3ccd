"""An index that is converted to a new encoder while it is searched."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
