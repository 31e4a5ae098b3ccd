"""Metrics, beside what a user would pick instead."""

import numpy as np
from scipy.spatial import procrustes
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr, wasserstein_distance as wasserstein_of_values
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from benchmarks.asv.bench_metrics import make_spaces, mmd_by_whole_matrices
from benchmarks.metrics.cost import bare_mmd
from benchmarks.peers.measure import Task
from skalign import metrics


def pairs(size, n_samples, n_features):
    """Return two noisy views of the same samples."""
    n, d = size.samples(n_samples), size.features(n_features)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) * np.linspace(2, 0.5, d)
    return X, X @ rng.normal(size=(d, d)) / np.sqrt(d) + rng.normal(size=(n, d))


def sets(size, n_samples, n_features):
    return make_spaces(size.samples(n_samples), size.features(n_features))


def shape(X):
    return f"{len(X):,} x {X.shape[1]} a side"


def centred(X):
    return X - X.mean(axis=0)


def cosine(A, B):
    return np.sum(A * B) / np.linalg.norm(A) / np.linalg.norm(B)


def latentis(name, X, Y, **params):
    import torch
    from latentis.measure.functional import cka

    spaces = (torch.from_numpy(side) for side in (X, Y))
    return float(getattr(cka, name)(*spaces, **params))


def similarities(size):
    """Yield similarities of two representations of the same samples."""
    X, Y = pairs(size, 2000, 128)
    gamma = 1 / (2 * X.shape[1])

    def linear_cka():
        A, B = centred(X), centred(Y)
        within = np.linalg.norm(A.T @ A) * np.linalg.norm(B.T @ B)
        return np.linalg.norm(A.T @ B) ** 2 / within

    def rbf_cka():
        K, L = (rbf_kernel(side, gamma=gamma) for side in (X, Y))
        centre = np.eye(len(X)) - 1 / len(X)
        return cosine(centre @ K @ centre, centre @ L @ centre)

    yield Task(
        "cka",
        f"linear, {shape(X)}",
        lambda: metrics.cka(X, Y),
        {
            "numpy, three products": linear_cka,
            "latentis, linear_cka": lambda: latentis("linear_cka", X, Y),
        },
        floor=("the three products", lambda: (X.T @ X, X.T @ Y, Y.T @ Y)),
    )
    yield Task(
        "cka, rbf",
        shape(X),
        lambda: metrics.cka(X, Y, kernel="rbf", gamma=gamma),
        {
            "scikit-learn, rbf_kernel and centring": rbf_cka,
            "latentis, rbf_cka": lambda: latentis(
                "rbf_cka", X, Y, sigma=(2 * gamma) ** -0.5
            ),
        },
        floor=("products and exponentials", lambda: (
            np.exp(-np.abs(X @ X.T)), np.exp(-np.abs(Y @ Y.T)))),
    )  # fmt: skip
    A, B = pairs(size, 10_000, 64)

    def correlations(share=1.0):
        bases = []
        for side in (A, B):
            U, s, _ = np.linalg.svd(centred(side), full_matrices=False)
            part = np.cumsum(s**2) / np.sum(s**2)
            bases.append(U[:, : 1 + int(np.searchsorted(part, share - 1e-12))])
        return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False).mean()

    yield Task(
        "cca_similarity",
        shape(A),
        lambda: metrics.cca_similarity(A, B),
        {"numpy, two SVDs": correlations},
    )
    yield Task(
        "svcca",
        shape(A),
        lambda: metrics.svcca(A, B),
        {"numpy, two SVDs": lambda: correlations(0.99)},
    )
    yield Task(
        "procrustes_distance",
        shape(A),
        lambda: metrics.procrustes_distance(A, B),
        {
            "scipy, spatial.procrustes": lambda: np.sqrt(
                2 - 2 * np.sqrt(1 - procrustes(A, B)[2])
            )
        },
        floor=("X'Y and its SVD", lambda: np.linalg.svd(A.T @ B, compute_uv=False)),
    )
    X, Y = pairs(size, 2000, 32)

    def shared_neighbors(k=10):
        found = [
            NearestNeighbors(n_neighbors=k, metric="cosine")
            .fit(side)
            .kneighbors(return_distance=False)
            for side in (X, Y)
        ]
        both = zip(*found, strict=True)
        return np.mean([len(np.intersect1d(a, b)) for a, b in both]) / k

    yield Task(
        "mutual_knn",
        shape(X),
        lambda: metrics.mutual_knn(X, Y),
        {"scikit-learn, NearestNeighbors": shared_neighbors},
        floor=("the two products", lambda: (X @ X.T, Y @ Y.T)),
    )
    yield Task(
        "rsa_correlation",
        shape(X),
        lambda: metrics.rsa_correlation(X, Y),
        {"scipy, pdist and spearmanr": lambda: spearmanr(pdist(X), pdist(Y))[0]},
        floor=("the distances", lambda: (pdist(X), pdist(Y))),
    )

    def reciprocal_ranks():
        cosines = cosine_similarity(X, Y)
        order = np.argsort(-cosines, axis=1)
        ranks = 1 + np.argmax(order == np.arange(len(X))[:, None], axis=1)
        return np.mean(1 / ranks)

    yield Task(
        "mean_reciprocal_rank",
        shape(X),
        lambda: metrics.mean_reciprocal_rank(X, Y),
        {"scikit-learn, cosine_similarity and argsort": reciprocal_ranks},
        floor=("the bare product", lambda: normalize(X) @ normalize(Y).T),
    )


def distances(size):
    """Yield distances of two sets of samples."""
    X, Y = sets(size, 3000, 64)
    gamma = 1 / 128

    def random_features():
        sampler = RBFSampler(gamma=gamma, n_components=500, random_state=0).fit(X)
        A, B = sampler.transform(X), sampler.transform(Y)
        n, m, a, b = len(A), len(B), A.sum(axis=0), B.sum(axis=0)
        within = (a @ a - (A**2).sum()) / (n * (n - 1))
        within += (b @ b - (B**2).sum()) / (m * (m - 1))
        return within - 2 * a @ b / (n * m)

    yield Task(
        "mmd",
        shape(X),
        lambda: metrics.mmd(X, Y, gamma=gamma),
        {"scikit-learn, rbf_kernel": lambda: mmd_by_whole_matrices(X, Y, gamma)},
        floor=("products and exponentials", lambda: bare_mmd(X / 64, Y / 64)),
    )
    yield Task(
        "random_fourier_mmd",
        shape(X),
        lambda: metrics.random_fourier_mmd(X, Y, gamma=gamma, random_state=0),
        {"scikit-learn, RBFSampler": random_features},
    )

    def energy():
        within = cdist(X, X).mean() + cdist(Y, Y).mean()
        return np.sqrt(2 * cdist(X, Y).mean() - within)

    yield Task(
        "energy_distance",
        shape(X),
        lambda: metrics.energy_distance(X, Y),
        {"scipy, cdist": energy},
        floor=("the products", lambda: (X @ X.T, X @ Y.T, Y @ Y.T)),
    )

    def covariances():
        rest = np.cov(X, rowvar=False) - np.cov(Y, rowvar=False)
        return np.sum(rest**2) / (4 * X.shape[1] ** 2)

    yield Task(
        "coral_distance",
        shape(X),
        lambda: metrics.coral_distance(X, Y),
        {"numpy, cov": covariances},
        floor=("X'X and Y'Y", lambda: (X.T @ X, Y.T @ Y)),
    )

    def classified():
        both, side = np.r_[X, Y], np.repeat([0, 1], [len(X), len(Y)])
        model = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced")
        )
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        wrong = cross_val_predict(model, both, side, cv=folds) != side
        return max(0, 2 - 2 * (wrong[side == 0].mean() + wrong[side == 1].mean()))

    yield Task(
        "proxy_a_distance",
        shape(X),
        lambda: metrics.proxy_a_distance(X, Y, random_state=0),
        {"scikit-learn, cross_val_predict": classified},
    )
    A, B = sets(size, 500, 16)

    def permuted():
        n = len(A)
        kernel = rbf_kernel(np.r_[A, B], gamma=gamma)
        rng, values = np.random.default_rng(0), []
        for turn in range(100):
            order = rng.permutation(2 * n) if turn else np.arange(2 * n)
            K = kernel[np.ix_(order, order)]
            within = (K[:n, :n].sum() + K[n:, n:].sum() - 2 * n) / (n * (n - 1))
            values.append(within - 2 * K[:n, n:].mean())
        return np.mean(np.array(values) >= values[0])

    yield Task(
        "mmd_test",
        f"{shape(A)}, 99 permutations",
        lambda: (
            (
                metrics.mmd_test(A, B, gamma=gamma, n_permutations=99, random_state=0)
            ).pvalue
        ),
        {"scikit-learn, rbf_kernel, permuted": permuted},
        measure="p-value",
    )


def transports(size):
    """Yield distances by optimal transport."""
    X, Y = sets(size, 600, 16)

    def exact():
        import ot

        return np.sqrt(ot.emd2([], [], ot.dist(X, Y), numItermax=10**7))

    yield Task(
        "wasserstein_distance",
        shape(X),
        lambda: metrics.wasserstein_distance(X, Y),
        {"POT, emd2": exact},
        floor=("the costs", lambda: cdist(X, Y, "sqeuclidean")),
    )

    def divergence():
        import ot

        return ot.bregman.empirical_sinkhorn_divergence(
            X, Y, 6.0, numIterMax=10_000, stopThr=1e-5
        )

    yield Task(
        "sinkhorn_divergence",
        f"{shape(X)}, reg 6",
        lambda: metrics.sinkhorn_divergence(X, Y, reg=6.0),
        {"POT, empirical_sinkhorn_divergence": divergence},
        floor=("three exponentials of costs", lambda: [
            np.exp(-cdist(*sides, "sqeuclidean"))
            for sides in ((X, Y), (X, X), (Y, Y))]),
    )  # fmt: skip
    A, B = sets(size, 10_000, 64)

    def sliced(name="sliced_wasserstein_distance"):
        import ot

        return getattr(ot, name)(A, B, n_projections=100, seed=0)

    floor = ("products and sorting", lambda: (
        np.sort(A @ np.ones((A.shape[1], 100)), axis=0),
        np.sort(B @ np.ones((B.shape[1], 100)), axis=0),
    ))  # fmt: skip
    yield Task(
        "sliced_wasserstein_distance",
        f"{shape(A)}, 100 projections",
        lambda: metrics.sliced_wasserstein_distance(A, B, random_state=0),
        {"POT, sliced_wasserstein_distance": sliced},
        floor=floor,
    )
    yield Task(
        "max_sliced_wasserstein_distance",
        f"{shape(A)}, 100 projections",
        lambda: metrics.max_sliced_wasserstein_distance(A, B, random_state=0),
        {
            "POT, max_sliced_wasserstein_distance": lambda: sliced(
                "max_sliced_wasserstein_distance"
            )
        },
        lambda value: -float(value),
        "minus the distance (a larger one is nearer to the maximum)",
        floor,
    )
    yield Task(
        "feature_wasserstein_distances",
        shape(A),
        lambda: metrics.feature_wasserstein_distances(A, B).sum(),
        {
            "scipy, wasserstein_distance of each feature": lambda: sum(
                wasserstein_of_values(a, b) for a, b in zip(A.T, B.T, strict=True)
            )
        },
        floor=("sorting", lambda: (np.sort(A, axis=0), np.sort(B, axis=0))),
    )

    def gaussian():
        import ot

        return ot.gaussian.empirical_bures_wasserstein_distance(A, B)

    yield Task(
        "gaussian_wasserstein_distance",
        shape(A),
        lambda: metrics.gaussian_wasserstein_distance(A, B),
        {"POT, empirical_bures_wasserstein_distance": gaussian},
        floor=("X'X and Y'Y", lambda: (A.T @ A, B.T @ B)),
    )


TASKS = (similarities, distances, transports)
