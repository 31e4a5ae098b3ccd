"""Distances and similarities of two sets of samples, and scorers based on them."""

# What is not in __all__ is for the other rooms, which import no private module.
from skalign.metrics._adaptation_scorers import (
    CircularValidationScorer,
    ImportanceWeightedScorer,
    PredictionEntropyScorer,
    SoftNeighborhoodScorer,
    SourceScorer,
)
from skalign.metrics._bootstrap import bootstrap_interval
from skalign.metrics._cca import cca_similarity, svcca
from skalign.metrics._cka import cka, rv_coefficient
from skalign.metrics._coral import coral_distance
from skalign.metrics._domain_scorers import (
    MeanDomainScorer,
    WorstDomainScorer,
    WorstFoundDomainScorer,
)
from skalign.metrics._energy import energy_distance
from skalign.metrics._gaussian_wasserstein import (
    frechet_distance,
    gaussian_wasserstein_distance,
)
from skalign.metrics._jackknife import jackknife_interval
from skalign.metrics._mmd import (
    block_mmd,
    mmd,
    random_fourier_mmd,
)
from skalign.metrics._named_scorers import get_scorer, get_scorer_names
from skalign.metrics._neighbors import (
    mutual_knn,
    mutual_knn_samples,
    rsa_correlation,
    rsa_samples,
)
from skalign.metrics._neural_collapse import (
    nc1_trace_ratio,
    nc1_variability,
    nc2_equiangularity,
    nc3_duality,
    nc4_disagreement,
)
from skalign.metrics._noise_ceiling import noise_ceiling
from skalign.metrics._procrustes import procrustes_distance, procrustes_samples
from skalign.metrics._prototypes import class_prototypes, prototype_distance
from skalign.metrics._proxy_a import proxy_a_distance
from skalign.metrics._retrieval import (
    mean_reciprocal_rank,
    retrieval_accuracy,
    retrieval_ranks,
)

# What is not in __all__ is named in files.
from skalign.metrics._scorers import (
    SpaceScorer as SpaceScorer,
    make_distance_scorer,
    make_similarity_scorer,
)
from skalign.metrics._similarity_tests import similarity_test
from skalign.metrics._simplex import etf_distance, simplex_etf
from skalign.metrics._sinkhorn import sinkhorn_divergence
from skalign.metrics._sliced_wasserstein import (
    feature_wasserstein_distances,
    max_sliced_wasserstein_distance,
    sliced_wasserstein_distance,
)
from skalign.metrics._target import Target as Target
from skalign.metrics._two_sample_tests import (
    energy_test,
    mmd_test,
)
from skalign.metrics._wasserstein import wasserstein_distance

__all__ = [
    "CircularValidationScorer",
    "ImportanceWeightedScorer",
    "MeanDomainScorer",
    "PredictionEntropyScorer",
    "SoftNeighborhoodScorer",
    "SourceScorer",
    "WorstDomainScorer",
    "WorstFoundDomainScorer",
    "block_mmd",
    "bootstrap_interval",
    "cca_similarity",
    "cka",
    "class_prototypes",
    "coral_distance",
    "energy_distance",
    "energy_test",
    "etf_distance",
    "feature_wasserstein_distances",
    "frechet_distance",
    "gaussian_wasserstein_distance",
    "get_scorer",
    "get_scorer_names",
    "jackknife_interval",
    "make_distance_scorer",
    "make_similarity_scorer",
    "max_sliced_wasserstein_distance",
    "mean_reciprocal_rank",
    "mmd",
    "mmd_test",
    "mutual_knn",
    "mutual_knn_samples",
    "nc1_trace_ratio",
    "nc1_variability",
    "nc2_equiangularity",
    "nc3_duality",
    "nc4_disagreement",
    "noise_ceiling",
    "procrustes_distance",
    "procrustes_samples",
    "prototype_distance",
    "proxy_a_distance",
    "random_fourier_mmd",
    "retrieval_accuracy",
    "retrieval_ranks",
    "rsa_correlation",
    "rsa_samples",
    "rv_coefficient",
    "similarity_test",
    "simplex_etf",
    "sinkhorn_divergence",
    "sliced_wasserstein_distance",
    "svcca",
    "wasserstein_distance",
]
