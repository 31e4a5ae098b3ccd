"""Generalised cross-validation with repeated pairs."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
