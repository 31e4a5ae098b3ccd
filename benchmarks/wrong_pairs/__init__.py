"""Pairs of which some are wrong."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
