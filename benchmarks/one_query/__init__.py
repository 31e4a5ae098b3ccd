"""Time to map a single query vector."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
