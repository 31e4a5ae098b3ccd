"""Adaptation to a domain without labels."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
