"""Cost and accuracy beside what a user would pick instead, and cost against samples.

`python -m benchmarks.peers` measures all of it and writes `benchmarks/RESULTS.md`.
"""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"
