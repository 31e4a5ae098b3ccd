"""Why a row is behind, and where that is measured which has no row."""

CHECKS = (
    "samples are checked, and rescaled so that squares neither overflow nor underflow"
)
PRIOR = (
    "the strength is chosen by leave-one-out, from a decomposition of the spectra; the "
    "other package chooses none, and its error is larger"
)
SCALED = "columns are scaled and centred twice, so that large means cost no digits"
SUMS = "sums are kept in float64 about a shift, so that large means cost no digits"
REASONS = {
    ("LinearAligner, given strength", "scikit-learn, Ridge"): SUMS,
    ("LinearAligner.transform", "scikit-learn, LinearRegression.predict"): (
        "means are subtracted in a pass of their own, so that samples far from the "
        "origin lose no digits; our error is smaller"
    ),
    (
        "LinearAligner.transform, one sample",
        "scikit-learn, LinearRegression.predict",
    ): "names and widths of both sides are checked",
    ("RigidAligner", "scipy, linalg.orthogonal_procrustes"): (
        "the rank of the rotation is determined, too, which the rounding of the sums "
        "decides"
    ),
    ("GeneralizedProcrustes", "qc-procrustes, generalized"): (
        "each step fits a `RigidAligner` of each space, with its checks, missing "
        "samples and ranks; the other package has neither, nor a map for new samples"
    ),
    (
        "RelativeRepresentation.transform",
        "scikit-learn, cosine_similarity",
    ): CHECKS,
    ("RelativeRepresentation.transform", "latentis, cosine_proj"): CHECKS,
    ("KernelAligner", "scikit-learn, KernelRidge as it comes"): (
        "it chooses the width of the kernel and the strength, and its error is lower"
    ),
    ("KernelAligner", "scikit-learn, GridSearchCV of KernelRidge"): (
        "it compares 10 kernels with 21 strengths each, the search 4 with 3; nearly "
        "all of the time goes into one eigendecomposition for each kernel"
    ),
    ("RobustAligner", "scikit-learn, LinearRegression"): (
        "it finds the wrong pairs, and its error is lower by a factor of ten"
    ),
    ("RobustAligner", "scikit-learn, HuberRegressor for each output"): (
        "it finds the wrong pairs, and its error is lower"
    ),
    ("LinearAligner, prior", "chemotools, DirectStandardization"): PRIOR,
    ("LinearAligner, prior", "chemotools, SpectralSpaceTransform"): PRIOR,
    ("DomainHarmonizer", "scikit-learn, StandardScaler of each site"): (
        "sites are mapped to the pooled distribution, which is estimated, too, and the "
        "maps are kept for new samples of each site"
    ),
    ("ClassMeanAligner", "scipy, orthogonal_procrustes of the means"): (
        "labels are checked, and " + SUMS
    ),
    ("cka", "numpy, three products"): SCALED,
    ("cca_similarity", "numpy, two SVDs"): SCALED,
    ("svcca", "numpy, two SVDs"): SCALED,
    ("procrustes_distance", "scipy, spatial.procrustes"): (
        SCALED + "; the distance is summed over samples, so that it is exact near zero"
    ),
    ("rsa_correlation", "scipy, pdist and spearmanr"): (
        "both sort the distances, which takes most of the time; samples are checked"
    ),
    ("random_fourier_mmd", "scikit-learn, RBFSampler"): (
        "other random features; both estimate the value of `mmd`"
    ),
    ("coral_distance", "numpy, cov"): (
        "samples are taken in blocks, with weights, so that memory stays bounded"
    ),
    ("proxy_a_distance", "scikit-learn, cross_val_predict"): (
        "other random folds; the error of a classifier depends on them"
    ),
    ("wasserstein_distance", "POT, emd2"): (
        "the solver is that of POT; samples are checked, and costs are scaled to near "
        "1, since it ignores small ones"
    ),
    ("sinkhorn_divergence", "POT, empirical_sinkhorn_divergence"): (
        "iterations are in the logarithmic domain, so that no `reg` underflows; the "
        "other package leaves the entropy out of the value, which can then be negative"
    ),
    ("retrieval_accuracy", "scikit-learn, cosine_similarity"): (
        "all candidates as near as the right one are counted, so that ties do not "
        "depend on the order, in blocks of bounded memory"
    ),
}

# Names, and why they have no row or where they are measured.
NO_ROW = (
    (
        ("`WassersteinProcrustesAligner`",),
        "beside mini-vec2vec and vecmap in `python -m benchmarks.unpaired_text.peers`.",
    ),
    (
        ("`ICPAligner`", "`MomentAligner`"),
        "no other package matches moments or classes; times in "
        "`benchmarks/unpaired_latents`. `MomentAligner` streams, too, but most of its "
        "time is the search for the map, which does not grow with the samples.",
    ),
    (
        (
            "`MultiDomainClassifier`",
            "`NCFALClassifier`",
            "`StitchingRegressor`",
            "`ContrastiveAligner`",
        ),
        "beside a bare loop of torch in `python -m benchmarks.asv.bench_deep`.",
    ),
    (
        ("`AnchorSearchCV`", "`AnchoredAligner`"),
        "beside `GridSearchCV` in `python -m benchmarks.asv.bench_anchor_search`.",
    ),
    (
        ("`DomainAdapter`", "`LabeledOnly`", "`StyleContentSplitter`"),
        "fit the estimator they are given, or take means and deviations.",
    ),
    (
        ("`block_mmd`", "`energy_test`", "`similarity_test`", "`noise_ceiling`"),
        "call the metrics above; times of the first in the table of metrics.",
    ),
    (
        ("`bootstrap_interval`", "`jackknife_interval`"),
        "beside the intervals of scipy in "
        "`python -m benchmarks.metrics.interval_coverage`.",
    ),
    (
        ("`rv_coefficient`", "`frechet_distance`", "`procrustes_samples`",
         "`mutual_knn_samples`", "`rsa_samples`", "`retrieval_ranks`"),
        "the same computation as `cka`, `gaussian_wasserstein_distance`, "
        "`procrustes_distance`, `mutual_knn`, `rsa_correlation` and "
        "`mean_reciprocal_rank`.",
    ),
    (
        ("`class_prototypes`", "`prototype_distance`", "`simplex_etf`",
         "`etf_distance`", "`nc1_variability`", "`nc1_trace_ratio`",
         "`nc2_equiangularity`", "`nc3_duality`", "`nc4_disagreement`"),
        "functions of the means of classes; no other package has them.",
    ),
)  # fmt: skip
