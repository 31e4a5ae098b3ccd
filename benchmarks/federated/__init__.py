"""Sums and networks of clients."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
