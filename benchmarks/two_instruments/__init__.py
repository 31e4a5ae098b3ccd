"""Transfer of a calibration between two spectrometers."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
