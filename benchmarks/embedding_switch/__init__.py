"""Switching the encoder of a vector database."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
