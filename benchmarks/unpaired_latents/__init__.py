"""Maps between latent spaces, learnt without pairs."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
