"""Maps learnt without pairs, beside what a user would pick instead."""

import numpy as np
from scipy.linalg import eigh, orthogonal_procrustes
from scipy.spatial.distance import cdist, pdist
from sklearn.preprocessing import StandardScaler

from benchmarks.asv.bench_unpaired import coral_by_sqrtm, make_sides
from benchmarks.peers.measure import Task
from benchmarks.peers.paired import affine, turned_pairs
from skalign import (
    ClassMeanAligner,
    CORALAligner,
    DomainHarmonizer,
    GaussianOTAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
    RigidAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

REG = 1e-6


def both(X, y):
    """Return the samples of both sides as skada takes them, with their domains."""
    return np.r_[X, y], np.r_[np.ones(len(X), int), -2 * np.ones(len(y), int)]


def skada(name, X, y, **params):
    """Return the samples of both sides as an adapter of skada maps them."""
    import skada

    samples, domain = both(X, y)
    adapter = getattr(skada, name)(**params)
    mapped = adapter.fit_transform(samples, sample_domain=domain)
    return mapped[: len(X)], mapped[len(X) :]


def root(covariance, power):
    values, vectors = eigh(covariance)
    return (vectors * (values + REG) ** power) @ vectors.T


def coral_by_numpy(X, y):
    """Return the matrix of CORAL by two eigendecompositions."""
    return root(np.cov(X, rowvar=False), -0.5) @ root(np.cov(y, rowvar=False), 0.5)


def second_moments(size):
    """Yield maps that match means and covariances."""
    d = size.features(192)
    X, y, _ = make_sides(size.samples(3000), d)
    expected = np.cov(y, rowvar=False)

    def mismatch(mapped):
        rest = np.cov(mapped, rowvar=False) - expected
        return float(np.linalg.norm(rest) / np.linalg.norm(expected))

    def pot():
        import ot

        return ot.da.LinearTransport(reg=REG).fit(Xs=X, Xt=y).transform(Xs=X)

    measure = "relative difference of the covariances afterwards"
    work = f"fit and transform, {len(X):,} x {d} a side"
    floor = ("X'X, y'y and the map", lambda: (X.T @ X, y.T @ y, X @ expected))
    yield Task(
        "CORALAligner",
        work,
        lambda: CORALAligner(REG).fit(X, y).transform(X),
        {
            "numpy, two eigendecompositions": lambda: affine(coral_by_numpy, X, y)(X),
            "scipy, sqrtm as published, reg 1": lambda: affine(coral_by_sqrtm, X, y)(X),
            "skada, CORALAdapter": lambda: skada("CORALAdapter", X, y, reg=None)[0],
        },
        mismatch,
        measure,
        floor,
    )
    yield Task(
        "GaussianOTAligner",
        work,
        lambda: GaussianOTAligner(REG).fit(X, y).transform(X),
        {
            "POT, LinearTransport": pot,
            "skada, LinearOTMappingAdapter": lambda: skada(
                "LinearOTMappingAdapter", X, y, reg=REG
            )[0],
        },
        mismatch,
        measure,
        floor,
    )
    n, d = size.samples(50_000), size.features(64)
    A, B, _ = make_sides(n, d)

    def scaled():
        target = StandardScaler().fit(B)
        return target.inverse_transform(StandardScaler().fit(A).transform(A))

    yield Task(
        "MeanVarianceAligner",
        f"fit and transform, {n:,} x {d} a side",
        lambda: MeanVarianceAligner().fit(A, B).transform(A),
        {"scikit-learn, two StandardScalers": scaled},
        lambda mapped: float(np.abs(mapped.std(axis=0) / B.std(axis=0) - 1).max()),
        "largest relative difference of a standard deviation",
        ("one pass over the data", lambda: (A.sum(axis=0), B.sum(axis=0), A * 2)),
    )


def harmonized(size):
    """Yield several sites mapped to one distribution."""
    n, d, n_sites = size.samples(50_000), size.features(64), 5
    rng = np.random.default_rng(0)
    site = rng.integers(n_sites, size=n)
    X = rng.normal(size=(n, d)) * (1 + site[:, None]) + site[:, None]

    def scaled():
        mapped = np.empty_like(X)
        for each in range(n_sites):
            mapped[site == each] = StandardScaler().fit_transform(X[site == each])
        return mapped

    def difference(mapped):
        means = [mapped[site == each].mean(axis=0) for each in range(n_sites)]
        return float((np.ptp(means, axis=0) / mapped.std(axis=0)).max())

    yield Task(
        "DomainHarmonizer",
        f"fit and transform, {n_sites} sites, {n:,} x {d} in all",
        lambda: (
            DomainHarmonizer(MeanVarianceAligner())
            .fit(X, sample_domain=site)
            .transform(X, sample_domain=site)
        ),
        {"scikit-learn, StandardScaler of each site": scaled},
        difference,
        "largest difference of the means of sites, in standard deviations",
        ("one pass over the data", lambda: (X.sum(axis=0), X * 2)),
    )


def transport(size):
    """Yield optimal transport: exact, entropic, and of new samples."""
    n, d = size.samples(700), size.features(20)
    X, y, new = make_sides(n, d, size.samples(5000))
    cost = cdist(X, y, "sqeuclidean")

    def pot(name, **params):
        import ot

        return getattr(ot.da, name)(**params).fit(Xs=X, Xt=y)

    def skada_plan():
        from skada import OTMappingAdapter

        samples, domain = both(X, y)
        adapter = OTMappingAdapter(max_iter=10**7)
        return adapter.fit(samples, sample_domain=domain).ot_transport_.coupling_

    yield Task(
        "OptimalTransportAligner, exact",
        f"fit, {n:,} x {d} a side",
        lambda: OptimalTransportAligner(reg=0).fit(X, y).plan_,
        {
            "POT, EMDTransport": lambda: pot("EMDTransport", max_iter=10**7).coupling_,
            "skada, OTMappingAdapter": skada_plan,
        },
        lambda plan: float((plan * cost).sum()),
        "cost of the plan",
    )
    exact = OptimalTransportAligner(reg=0).fit(X, y)
    centred = cdist(X - X.mean(axis=0), y - y.mean(axis=0), "sqeuclidean")
    reg = 0.1 * np.median(centred)
    yield Task(
        "OptimalTransportAligner, entropic",
        f"fit, {n:,} x {d} a side, tolerance 1e-6",
        lambda: OptimalTransportAligner(tol=1e-6).fit(X, y).plan_,
        {
            "POT, SinkhornTransport": lambda: (
                pot("SinkhornTransport", reg_e=reg, tol=1e-6, max_iter=10_000).coupling_
            )
        },
        lambda plan: float(
            np.abs(plan.sum(axis=1) - 1 / n).sum()
            + np.abs(plan.sum(axis=0) - 1 / n).sum()
        ),
        "misplaced mass",
        ("an exponential of the costs", lambda: np.exp(-centred / reg)),
    )

    def transform_by_pot():
        import ot

        peer = ot.da.EMDTransport().fit(Xs=X[:2], Xt=y[:2])
        peer.xs_, peer.xt_, peer.coupling_ = X, y, exact.plan_  # the same plan
        return peer.transform(Xs=new)

    expected = exact.transform(new)
    yield Task(
        "OptimalTransportAligner.transform",
        f"{len(new):,} new samples, plan of {n:,} x {n:,}, {d} features",
        lambda: exact.transform(new),
        {"POT, EMDTransport.transform": transform_by_pot},
        lambda mapped: float(np.abs(mapped - expected).max()),
        "largest difference from ours",
        ("the bare product", lambda: new @ X.T),
    )


def subspaces(size):
    """Yield common subspaces of both sides."""
    n, d = size.samples(3000), size.features(96)
    k = size.features(20) // 2 * 2 - (2 if size.tiny else 0)
    X, y, _ = make_sides(n, d)
    spread = np.linspace(3, 0.3, d)
    X, y = X * spread, y * spread
    axes = [
        np.linalg.svd(side - side.mean(axis=0), full_matrices=False)[2][:k]
        for side in (X, y)
    ]
    exact = pdist(((X - X.mean(axis=0)) @ axes[0].T @ (axes[0] @ axes[1].T))[:50])

    def difference(mapped):
        return float(np.abs(pdist(np.asarray(mapped)[:50]) / exact - 1).max())

    yield Task(
        "SubspaceAligner",
        f"fit and transform, {n:,} x {d} a side, {k} components",
        lambda: SubspaceAligner(k).fit(X, y).transform(X),
        {
            "skada, SubspaceAlignmentAdapter": lambda: skada(
                "SubspaceAlignmentAdapter", X, y, n_components=k, random_state=0
            )[0]
        },
        difference,
        "largest relative error of a distance, from the SVD",
        ("X'X, y'y and the map", lambda: (X.T @ X, y.T @ y, X @ axes[0].T)),
    )
    n, d = size.samples(300), size.features(20)
    X, y, _ = make_sides(n, d)

    def ours():
        aligner = TransferComponentAligner(d // 2, mu=1.0).fit(X, y)
        return aligner.transform(X), aligner.transform_target(y)

    def shift(sides):
        A, B = sides
        both = np.r_[A, B]
        gap = A.mean(axis=0) - B.mean(axis=0)
        return float(gap @ gap / both.var(axis=0).sum())

    yield Task(
        "TransferComponentAligner",
        f"fit and transform, {n:,} x {d} a side, {d // 2} components, linear",
        ours,
        {
            "skada, TransferComponentAnalysisAdapter": lambda: skada(
                "TransferComponentAnalysisAdapter",
                X,
                y,
                n_components=d // 2,
                kernel="linear",
                mu=1.0,
            )
        },
        shift,
        "squared shift of the means, per variance",
    )


def class_means(size):
    """Yield a map learnt from the means of classes."""
    n, d, n_classes = size.samples(20_000), size.features(64), 80
    X, y, of = turned_pairs(n, d)
    labels = np.arange(n) % n_classes

    def by_hand():
        means = [
            np.array([side[labels == each].mean(axis=0) for each in np.unique(labels)])
            for side in (X, y)
        ]
        return affine(lambda A, B: orthogonal_procrustes(A, B)[0], *means)

    yield Task(
        "ClassMeanAligner",
        f"fit, {n:,} x {d} a side, {n_classes} classes",
        lambda: (
            ClassMeanAligner(RigidAligner())
            .fit(X, y, labels=labels, target_labels=labels)
            .transform
        ),
        {"scipy, orthogonal_procrustes of the means": by_hand},
        of,
        "mean squared error of held-out samples",
        ("one pass over the data", lambda: (X.sum(axis=0), y.sum(axis=0))),
    )


TASKS = (second_moments, harmonized, transport, subspaces, class_means)
