"""Retrieval across languages, modalities and encoders."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
