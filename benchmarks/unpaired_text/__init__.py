"""Maps between text encoders from few pairs or none."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
