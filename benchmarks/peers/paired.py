"""Maps learnt from pairs, beside what a user would pick instead."""

import numpy as np
import scipy.linalg
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.cross_decomposition import CCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    HuberRegressor,
    LinearRegression,
    RANSACRegressor,
    Ridge,
    RidgeCV,
    TheilSenRegressor,
)
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmarks.cross_validation.__main__ import make_pairs
from benchmarks.peers.measure import Task
from benchmarks.records import DATA
from skalign import (
    AlignedRetriever,
    CanonicalAligner,
    GeneralizedProcrustes,
    KernelAligner,
    LinearAligner,
    RelativeRepresentation,
    RigidAligner,
    RobustAligner,
    StreamingSearchCV,
)
from skalign.metrics import retrieval_accuracy

N_NEW = 1000
ERROR = "mean squared error of held-out samples"


def affine(solve, X, y):
    """Return the map whose matrix `solve` finds for centred samples."""
    x_mean, y_mean = X.mean(axis=0), y.mean(axis=0)
    coef = solve(X - x_mean, y - y_mean)
    return lambda rows: (rows - x_mean) @ coef + y_mean


def error(rows, targets):
    """Return the accuracy of maps: their mean squared error on held-out samples."""
    return lambda map_: float(np.mean((map_(rows) - targets) ** 2))


def linear_pairs(size, n_samples, n_features, dtype):
    n, d = size.samples(n_samples), size.features(n_features)
    X, y = make_pairs(n + N_NEW, d, d, dtype)
    return X[:n], y[:n], error(X[n:], y[n:])


def curved_pairs(n, d):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + N_NEW, d))
    y = np.tanh(X @ rng.normal(size=(d, d)) / np.sqrt(d)) + 0.1 * rng.normal(
        size=(n + N_NEW, d)
    )
    return X[:n], y[:n], error(X[n:], y[n:])


def turned_pairs(n, d, *, n_new=N_NEW):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + n_new, d))
    y = X @ ortho_group.rvs(d, random_state=rng) + 0.1 * rng.normal(size=X.shape) + 1
    return X[:n], y[:n], error(X[n:], y[n:])


def torch_lstsq(X, y):
    import torch

    return torch.linalg.lstsq(torch.from_numpy(X), torch.from_numpy(y))[0].numpy()


def himalaya_ridge(X, y, **params):
    from himalaya.ridge import Ridge as Peer

    return Peer(fit_intercept=True, **params).fit(X, y).predict


def himalaya_ridge_cv(X, y, alphas):
    from himalaya.ridge import RidgeCV as Peer

    return Peer(alphas=alphas, fit_intercept=True).fit(X, y).predict


def qc_rotation(X, y):
    from procrustes import orthogonal

    found = orthogonal(X, y, translate=True)
    x_mean, y_mean = X.mean(axis=0), y.mean(axis=0)
    return lambda rows: (rows - x_mean) @ found.t + y_mean


def linear(size):
    """Yield least squares and ridge regression, with a given and a chosen strength."""
    X, y, of = linear_pairs(size, 10_000, 128, "float32")
    yield Task(
        "LinearAligner, given strength",
        f"fit, {len(X):,} x {X.shape[1]} -> {y.shape[1]}, float32",
        lambda: LinearAligner(1.0).fit(X, y).transform,
        {
            "numpy, linalg.lstsq": lambda: affine(
                lambda A, B: np.linalg.lstsq(A, B, rcond=None)[0], X, y
            ),
            "scipy, linalg.lstsq": lambda: affine(
                lambda A, B: scipy.linalg.lstsq(A, B)[0], X, y
            ),
            "scikit-learn, Ridge": lambda: Ridge(1.0).fit(X, y).predict,
            "scikit-learn, LinearRegression": lambda: (
                LinearRegression().fit(X, y).predict
            ),
            "torch, linalg.lstsq": lambda: affine(torch_lstsq, X, y),
            "himalaya, Ridge": lambda: himalaya_ridge(X, y, alpha=1.0),
        },
        of,
        ERROR,
        ("X'X and X'y", lambda: (X.T @ X, X.T @ y)),
    )
    alphas = np.logspace(-3, 4, 25)
    for rows, columns in ((2000, 96), (150, 300)):
        A, B, of_chosen = linear_pairs(size, rows, columns, "float64")
        yield Task(
            "LinearAligner, chosen strength"
            + ("" if rows > columns else ", few samples"),
            f"fit, {len(A):,} x {A.shape[1]} -> {B.shape[1]}",
            lambda A=A, B=B: LinearAligner().fit(A, B).transform,
            {
                "scikit-learn, RidgeCV": lambda A=A, B=B: (
                    RidgeCV(alphas).fit(A, B).predict
                ),
                "himalaya, RidgeCV": lambda A=A, B=B: himalaya_ridge_cv(A, B, alphas),
            },
            of_chosen,
            ERROR,
        )
    A, B, of_chosen = linear_pairs(size, 3000, 96, "float64")
    grid = {"alpha": np.logspace(-3, 4, 10)}

    def searched(estimator):
        search = GridSearchCV(estimator, grid, scoring="neg_mean_squared_error", cv=5)
        return search.fit(A, B).best_estimator_.predict

    yield Task(
        "StreamingSearchCV",
        f"fit, {len(A):,} x {A.shape[1]} -> {B.shape[1]}, 10 strengths, 5 folds",
        lambda: (
            StreamingSearchCV(
                LinearAligner(), grid, scoring="neg_mean_squared_error", cv=5
            )
            .fit(A, B)
            .best_estimator_.predict
        ),
        {
            "scikit-learn, GridSearchCV of LinearAligner": lambda: searched(
                LinearAligner()
            ),
            "scikit-learn, GridSearchCV of Ridge": lambda: searched(Ridge()),
        },
        of_chosen,
        ERROR,
    )


def transform(size):
    """Yield `transform` beside the bare product, of many samples and of one."""
    rng = np.random.default_rng(0)
    d, k = size.features(384), size.features(512)
    X = rng.standard_normal((size.samples(2000), d), dtype=np.float32)
    coef = rng.standard_normal((d, k), dtype=np.float32)
    aligner = LinearAligner(0.0).fit(X, X @ coef)
    peer = LinearRegression().fit(X[:500], X[:500] @ coef)
    rows = rng.standard_normal((size.samples(50_000), d), dtype=np.float32)
    for name, new in (("", rows), (", one sample", rows[:1])):
        yield Task(
            f"LinearAligner.transform{name}",
            f"{len(new):,} x {d} -> {k}, float32",
            lambda new=new: aligner.transform(new),
            {"scikit-learn, LinearRegression.predict": lambda new=new: peer.predict(
                new)},
            lambda mapped, new=new: float(np.abs(mapped - new @ coef).max()),
            "largest difference from the product",
            ("the bare product", lambda new=new: new @ coef) if len(new) > 1 else (
                "check_is_fitted and validate_data",
                lambda new=new: (
                    check_is_fitted(aligner),
                    validate_data(aligner, new, reset=False, dtype=np.float32),
                ),
            ),
        )  # fmt: skip


def rigid(size):
    """Yield orthogonal Procrustes, of two spaces and of many."""
    for n, d in ((10_000, 128), (60, 500)):
        few = d > n
        n, d = size.samples(n), size.features(d)
        X, y, of = turned_pairs(n, d)
        yield Task(
            "RigidAligner" + (", few samples" if few else ""),
            f"fit, {n:,} x {d}",
            lambda X=X, y=y: RigidAligner().fit(X, y).transform,
            {
                "scipy, linalg.orthogonal_procrustes": lambda X=X, y=y: affine(
                    lambda A, B: scipy.linalg.orthogonal_procrustes(A, B)[0], X, y
                ),
                "qc-procrustes, orthogonal": lambda X=X, y=y: qc_rotation(X, y),
            },
            of,
            ERROR,
            None if few else ("X'y and its SVD", lambda X=X, y=y: np.linalg.svd(
                X.T @ y)),
        )  # fmt: skip
    n, d = size.samples(2000), size.features(16)
    rng = np.random.default_rng(0)
    common = rng.normal(size=(n, d))
    spaces = [
        common @ ortho_group.rvs(d, random_state=rng) + 0.1 * rng.normal(size=(n, d))
        for _ in range(3)
    ]
    spaces = [space - space.mean(axis=0) for space in spaces]

    def ours():
        aligner = GeneralizedProcrustes(3 * [d], max_iter=200).fit(np.hstack(spaces))
        return [aligner.to_consensus(space, k) for k, space in enumerate(spaces)]

    def qc():
        from procrustes import generalized

        return generalized(spaces)[0]

    def disagreement(aligned):
        return float(np.mean((np.array(aligned) - np.mean(aligned, axis=0)) ** 2))

    yield Task(
        "GeneralizedProcrustes",
        f"fit and transform, 3 spaces of {n:,} x {d}",
        ours,
        {"qc-procrustes, generalized": qc},
        disagreement,
        "mean squared distance from the mean of the spaces",
    )


def canonical(size):
    """Yield canonical correlation analysis."""
    rng = np.random.default_rng(0)
    n, d = size.samples(2000), size.features(32)
    shared = rng.normal(size=(n + N_NEW, 5))
    X, y = (
        shared @ rng.normal(size=(5, d)) + 2 * rng.normal(size=(n + N_NEW, d))
        for _ in range(2)
    )

    def ours():
        found = CanonicalAligner(5, shrinkage=0.0).fit(X[:n], y[:n])
        return found.transform(X[n:]), found.transform_target(y[n:])

    def uncorrelated(sides):
        columns = zip(*(side.T for side in sides), strict=True)
        return 1 - float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in columns]))

    yield Task(
        "CanonicalAligner",
        f"fit, {n:,} x {d} and {d}, 5 components",
        ours,
        {"scikit-learn, CCA": lambda: CCA(5).fit(X[:n], y[:n]).transform(X[n:], y[n:])},
        uncorrelated,
        "1 - mean correlation of held-out components",
        ("X'X, X'y, y'y", lambda: (X[:n].T @ X[:n], X[:n].T @ y[:n], y[:n].T @ y[:n])),
    )


class Every:
    """Selects the first samples as anchors."""

    def __init__(self, n_anchors):
        self.n_anchors = n_anchors

    def select(self, X, y=None):
        return np.arange(self.n_anchors)


def relative(size):
    """Yield similarities to anchors."""
    rng = np.random.default_rng(0)
    n, d = size.samples(20_000), size.features(256)
    X = rng.standard_normal((n, d), dtype=np.float32)
    anchors = X[: size.samples(300)]
    fitted = RelativeRepresentation(Every(len(anchors))).fit(X)
    exact = cosine_similarity(X[:50].astype(float), anchors.astype(float))

    def latentis():
        import torch
        from latentis.transform.projection import cosine_proj

        return cosine_proj(
            torch.from_numpy(X), anchors=torch.from_numpy(anchors)
        ).numpy()

    yield Task(
        "RelativeRepresentation.transform",
        f"{n:,} x {d}, {len(anchors)} anchors, float32",
        lambda: fitted.transform(X),
        {
            "scikit-learn, cosine_similarity": lambda: cosine_similarity(X, anchors),
            "latentis, cosine_proj": latentis,
        },
        lambda found: float(np.abs(found[:50] - exact).max()),
        "largest error of a cosine",
        ("the bare product", lambda: X @ anchors.T),
    )


def kernel(size):
    """Yield maps that are not linear."""
    X, y, of = curved_pairs(size.samples(600), size.features(16))
    grid = {
        "alpha": [0.01, 0.1, 1.0],
        "gamma": np.array([0.03, 0.1, 0.3, 1.0]) / X.shape[1],
    }
    yield Task(
        "KernelAligner",
        f"fit, {len(X):,} x {X.shape[1]} -> {y.shape[1]}",
        lambda: KernelAligner().fit(X, y).transform,
        {
            "scikit-learn, KernelRidge as it comes": lambda: (
                KernelRidge(kernel="rbf").fit(X, y).predict
            ),
            "scikit-learn, GridSearchCV of KernelRidge": lambda: (
                GridSearchCV(KernelRidge(kernel="rbf"), grid).fit(X, y).predict
            ),
        },
        of,
        ERROR,
    )


def robust(size):
    """Yield maps from pairs of which some are wrong."""
    n, d = size.samples(2000), size.features(8)
    X, y, of = turned_pairs(n, d)
    wrong = np.random.default_rng(1).choice(n, 3 * n // 10, replace=False)
    y[wrong] = y[np.roll(wrong, 1)]
    each = {
        "HuberRegressor": HuberRegressor(),
        "TheilSenRegressor, 1,000 subsets": TheilSenRegressor(
            max_subpopulation=1000, random_state=0
        ),
    }
    peers = {
        f"scikit-learn, {name} for each output": lambda way=way: (
            MultiOutputRegressor(clone(way)).fit(X, y).predict
        )
        for name, way in each.items()
    }
    yield Task(
        "RobustAligner",
        f"fit, {n:,} x {d} -> {d}, 30 % of the pairs wrong",
        lambda: RobustAligner(LinearAligner(), random_state=0).fit(X, y).transform,
        {
            "scikit-learn, RANSACRegressor": lambda: (
                RANSACRegressor(LinearRegression(), random_state=0).fit(X, y).predict
            )
        }
        | peers
        | {
            "scikit-learn, LinearRegression": lambda: (
                LinearRegression().fit(X, y).predict
            )
        },
        of,
        ERROR,
    )


def retrieval(size):
    """Yield the search for the nearest candidates of mapped queries."""
    n, d = size.samples(8000), size.features(128)
    X, y, _ = turned_pairs(n, d, n_new=1)
    queries, truth = X[: n // 4], np.arange(n // 4)
    aligner = RigidAligner().fit(X, y)
    retriever = AlignedRetriever(RigidAligner()).fit(X, y)
    index = NearestNeighbors(metric="cosine").fit(y)
    yield Task(
        "AlignedRetriever.kneighbors",
        f"{len(queries):,} queries among {n:,} x {d}",
        lambda: retriever.kneighbors(queries, return_distance=False),
        {
            "scikit-learn, NearestNeighbors of mapped queries": lambda: (
                index.kneighbors(aligner.transform(queries), return_distance=False)
            )
        },
        lambda found: 1 - float(np.mean(found[:, 0] == truth)),
        "share of wrong nearest candidates",
        ("the bare product", lambda: queries @ y.T),
    )
    mapped = aligner.transform(queries)
    yield Task(
        "retrieval_accuracy",
        f"{len(queries):,} x {d}",
        lambda: retrieval_accuracy(mapped, y[: len(queries)]),
        {
            "scikit-learn, cosine_similarity": lambda: float(
                np.mean(
                    cosine_similarity(mapped, y[: len(queries)]).argmax(axis=1) == truth
                )
            )
        },
        floor=("the bare product", lambda: mapped @ y[: len(queries)].T),
    )


def instruments(size):
    """Yield spectra of one instrument mapped to those of another, if data are there."""
    path = DATA / "corn_nir" / "corn.npz"
    if size.tiny or not path.exists():
        return
    with np.load(path) as file:
        first, second = file["m5"], file["mp6"]

    def standardization():
        from chemotools.adaptation import DirectStandardization

        # There, X_source is what samples are mapped to.
        return DirectStandardization().fit(second[:60], X_source=first[:60]).transform

    def space_transform():
        from chemotools.adaptation import SpectralSpaceTransform

        return SpectralSpaceTransform().fit(second[:60], X_source=first[:60]).transform

    yield Task(
        "LinearAligner, prior",
        "fit, 60 spectra of 700 wavelengths of corn",
        lambda: (
            (
                LinearAligner("loo", prior="identity").fit(second[:60], first[:60])
            ).transform
        ),
        {
            "chemotools, DirectStandardization": standardization,
            "chemotools, SpectralSpaceTransform": space_transform,
        },
        error(second[60:], first[60:]),
        ERROR,
    )


TASKS = (
    linear,
    transform,
    rigid,
    canonical,
    relative,
    kernel,
    robust,
    retrieval,
    instruments,
)
