"""The stitching network beside a hand-written loop."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
