"""Cost of the metrics, and coverage of their intervals."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
