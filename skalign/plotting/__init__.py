"""Displays of spaces, maps and searches; matplotlib is imported on first use."""

from skalign.plotting._alignability import AlignabilityDisplay
from skalign.plotting._alignment import AlignmentDisplay
from skalign.plotting._anchor_search import AnchorSearchDisplay
from skalign.plotting._domain_distance import DomainDistanceDisplay
from skalign.plotting._similarity import SimilarityDisplay
from skalign.plotting._spectrum import SpectrumDisplay

__all__ = [
    "AlignabilityDisplay",
    "AlignmentDisplay",
    "AnchorSearchDisplay",
    "DomainDistanceDisplay",
    "SimilarityDisplay",
    "SpectrumDisplay",
]
