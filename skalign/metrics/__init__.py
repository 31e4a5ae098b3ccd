"""How far apart two spaces are, and scorers that say so of an aligner."""

from skalign.metrics._adaptation_scorers import (
    CircularValidationScorer,
    ImportanceWeightedScorer,
    PredictionEntropyScorer,
    SoftNeighborhoodScorer,
    SourceScorer,
)
from skalign.metrics._gaussian_wasserstein import gaussian_wasserstein_distance
from skalign.metrics._mmd import linear_time_mmd, mmd, random_fourier_mmd
from skalign.metrics._retrieval import mean_reciprocal_rank, retrieval_accuracy
from skalign.metrics._scorers import (
    gaussian_wasserstein_scorer,
    make_distance_scorer,
    make_similarity_scorer,
    mmd_scorer,
    retrieval_scorer,
    sliced_wasserstein_scorer,
    wasserstein_scorer,
)
from skalign.metrics._sliced_wasserstein import sliced_wasserstein_distance
from skalign.metrics._wasserstein import wasserstein_distance

__all__ = [
    "CircularValidationScorer",
    "ImportanceWeightedScorer",
    "PredictionEntropyScorer",
    "SoftNeighborhoodScorer",
    "SourceScorer",
    "gaussian_wasserstein_distance",
    "gaussian_wasserstein_scorer",
    "linear_time_mmd",
    "make_distance_scorer",
    "make_similarity_scorer",
    "mean_reciprocal_rank",
    "mmd",
    "mmd_scorer",
    "random_fourier_mmd",
    "retrieval_accuracy",
    "retrieval_scorer",
    "sliced_wasserstein_distance",
    "sliced_wasserstein_scorer",
    "wasserstein_distance",
    "wasserstein_scorer",
]
