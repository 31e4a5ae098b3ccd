"""How answers change when questions do, for every public name: one table.

A relation between two answers needs no right answer to be known. `TABLE` says for each
public name which of `RELATIONS` hold. An entry is what is expected of the new answer:

- ``same``; ``rows``, in the new order; ``moves`` or ``stays``, changed as the target or
  the source is; or a number, the power of the factor;
- ``together`` before it: if both sides are changed alike; ``signs``: but for the signs
  of columns; ``~1e-3``: the error allowed, relative to the largest entry;
- ``not`` before it, a colon and a reason behind it: it does not hold, which is shown;
- ``-`` and a reason: there is nothing to ask.

Rows that come in and global state are never changed; names that no answer is asked of
here are in test_fuzz.py, which looks at both at every try.

Several entries of one name, such as those of "metrics.mmd" and "metrics.mmd biased",
differ in parameters.
"""

import copy
import importlib
import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.validation import has_fit_parameter

import skalign
from skalign.anchors import FarthestPointAnchors
from skalign.federated import client_sums, fit_from_sums
from skalign.moments import (
    GroupMoments,
    Moments,
    centre,
    check_scale,
    pseudo_inverse,
    relative_ridge,
    rounding_from_norms,
    rounding_of_columns,
    rounding_of_rows,
    storage_precision,
    svd_of_map,
    truncated_eigh,
    truncated_svd,
    varying_columns,
)

TORCH = bool(find_spec("torch") and find_spec("skorch"))
if TORCH:
    pass

EXACT = 1e-9  # relative to the largest entry


# ---------------------------------------------------------------- questions, answers
@dataclass
class Question:
    """Rows of two sides, with what belongs to each row."""

    X: np.ndarray
    y: np.ndarray
    labels: np.ndarray
    target_labels: np.ndarray
    sample_domain: np.ndarray
    weight: np.ndarray = None
    target_weight: np.ndarray = None


def _question(n_target_samples, n_classes):
    rng = np.random.default_rng(0)
    labels = np.arange(48) % n_classes
    X = rng.gamma([1, 2, 4], size=(48, 3)) * [1, 0.6, 0.4]
    X += 3 * rng.normal(size=(n_classes, 3))[labels]
    y = X @ ortho_group.rvs(3, random_state=1) + 0.1 * rng.normal(size=X.shape)
    y = y[:n_target_samples] + [1, -2, 3]
    return Question(X, y, labels, labels[: len(y)], np.arange(48) // 6 % 2)


@dataclass
class Case:
    """A public name: how to ask it, and what becomes of its answer."""

    ask: Callable
    relations: dict
    paired: bool = True
    estimator: object = None
    given: tuple = ()
    n_classes: int = 6

    def question(self):
        return _question(48 if self.paired else 41, self.n_classes)

    def metadata(self, q):
        """What belongs to the rows, as keywords of `fit`."""
        weights = {} if q.weight is None else {"sample_weight": q.weight}
        return {keyword: getattr(q, keyword) for keyword in self.given} | weights

    def fitted(self, q):
        return clone(self.estimator).fit(q.X, q.y, **self.metadata(q))

    def __call__(self, q):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # small data, short training
            return np.asarray(self.ask(self, q), dtype=float)


# ------------------------------------------------------------------------- relations
# Each takes the old answer, and returns the new one with what is expected of it.
def order(case, old, expected):
    """Rows come in another order; of unpaired sides, each in its own."""
    q, rng = case.question(), np.random.default_rng(3)
    i, j = rng.permutation(len(q.X)), rng.permutation(len(q.y))
    new = case(_taken(q, i, i if case.paired else j))
    return new, old[i] if expected == "rows" else old


def weight(case, old, expected):
    """Some rows come twice, or have the weight 2."""
    q = case.question()
    i = np.r_[np.arange(len(q.X)), 0:9:2]
    j = i if case.paired else np.r_[np.arange(len(q.y)), 1:5]
    new = replace(q, weight=np.bincount(i) + 0.0, target_weight=np.bincount(j) + 0.0)
    repeated = case(_taken(q, i, j))
    return case(new), repeated[: len(q.X)] if expected == "rows" else repeated


def rotate(case, old, expected, together=False):
    """Both sides are turned."""
    turns = ortho_group.rvs(3, size=2, random_state=2)
    turns = turns[[0, 0]] if together else turns
    return _changed(case, old, expected, np.matmul, turns)


def shift(case, old, expected, together=False):
    """Both sides are moved."""
    shifts = np.random.default_rng(5).normal(size=(2, 3))
    shifts = shifts[[0, 0]] if together else shifts
    return _changed(case, old, expected, np.add, shifts)


def scale(case, old, expected, together=False):
    """Both sides are stretched."""
    factors = [2.5, 2.5] if together else [2.5, 0.3]
    if expected.lstrip("-").replace(".", "").isdigit():
        old, expected = old * factors[0] ** float(expected), "same"
    return _changed(case, old, expected, np.multiply, factors)


def merge(case, old, expected):
    """Rows come in two parts; or two have a part each, and are merged."""
    q = case.question()
    stream, *halves = (clone(case.estimator) for _ in range(3))
    for half, rows in zip(halves, (slice(0, 20), slice(20, None)), strict=True):
        part = _taken(q, rows, rows)
        for estimator in (stream, half):
            estimator.partial_fit(part.X, part.y, **case.metadata(part))
    merged = halves[0].merge(halves[1])
    new = np.stack([stream.transform(q.X), merged.transform(q.X)])
    return new, np.stack([old] * 2)


def names(case, old, expected):
    """Rows are data frames: the same numbers; other names or orders are refused."""
    q = case.question()
    X = pd.DataFrame(q.X, columns=list("abc"))
    y = pd.DataFrame(q.y, columns=list("uvw" if expected == "both" else "abc"))
    named = replace(q, X=X, y=y)
    new = case(named)
    if expected in ("both", "one"):
        fitted = case.fitted(named)
        for way_in, rows in ((fitted.transform, X), (fitted.transform_target, y)):
            _refuses_names(way_in, rows)
    if expected == "one":  # the same columns on both sides
        _refuses_names(lambda rows: case.fitted(replace(named, y=rows)), y)
    return new, old


def _refuses_names(way_in, rows):
    for wrong in (rows.iloc[:, ::-1], rows.add_prefix("x")):
        with pytest.raises(ValueError, match="names"):
            way_in(wrong)


def float32(case, old, expected):
    """Rows come in single precision."""
    q = case.question()
    single = replace(q, X=q.X.astype(np.float32), y=q.y.astype(np.float32))
    return case(single), old


RELATIONS = {
    relation.__name__: relation
    for relation in (order, weight, rotate, shift, scale, merge, names, float32)
}


def _taken(q, i, j):
    return Question(q.X[i], q.y[j], q.labels[i], q.target_labels[j], q.sample_domain[i])


def _changed(case, old, expected, change, by):
    q = case.question()
    new = case(replace(q, X=change(q.X, by[0]), y=change(q.y, by[1])))
    side = {"same": None, "stays": 0, "moves": 1}[expected]
    return new, old if side is None else change(old, by[side])


# ----------------------------------------------------------------------------- table
def learnt(estimator, *given, like, paired=True, ask=None, n_classes=6, **relations):
    """Row of the table for an estimator; rows as it maps them are the answer."""
    if ask is None:

        def ask(case, q):
            return case.fitted(q).transform(q.X)

    return Case(ask, like | relations, paired, estimator, given, n_classes)


def measured(function, *, like, paired=False, **relations):
    """Row of the table for a function of a question and, perhaps, weights."""
    if function is None:
        return Case(None, like)

    def ask(case, q):
        if q.weight is None:
            return function(q)
        return function(q, X_weight=q.weight, Y_weight=q.target_weight)

    return Case(ask, like | relations, paired)


def sides(metric, **given):
    return lambda q, **weights: metric(q.X, q.y, **given, **weights)


def classes(metric, *more, **given):
    return lambda q: metric(q.X, q.labels, *more, **given)


def within(metric, *more, **given):
    return lambda q: metric(
        q.X, q.labels, *more, sample_domain=q.sample_domain, **given
    )


NO_WEIGHTS = {"weight": "- takes no weights"}
NO_SUMS = {"merge": "- is not made of sums"}
ALIGNED = {
    "order": "rows",
    "rotate": "moves",
    "shift": "moves",
    "scale": "moves",
    "names": "both",
    "float32": "same ~1e-5",
    **NO_WEIGHTS,
    **NO_SUMS,
}
ONE_SPACE = ALIGNED | {"rotate": "together moves", "names": "one"}
COMMON = ALIGNED | {"rotate": "signs same", "shift": "same", "scale": "signs same"}
STREAMED = {"weight": "rows", "merge": "same"}
UNTURNED = {"rotate": "not together moves: each column is matched by itself"}
NETWORK = ONE_SPACE | {
    "order": "not rows: batches are drawn by position",
    "rotate": "not same: the first weights are not turned with the rows",
    "shift": "not same: the first weights are about the origin",
    "scale": "not same: the step and the first weights have a scale",
    "float32": "same ~1e-6",
}
SHAPES = {  # of two representations of the same items, each up to a similarity
    "order": "same",
    "rotate": "same",
    "shift": "same",
    "scale": "same",
    "names": "same",
    "float32": "same ~1e-5",
    **NO_WEIGHTS,
    **NO_SUMS,
}
CLOUDS = SHAPES | {  # of two sets of rows of one space
    "weight": "same",
    "rotate": "together same",
    "shift": "together same",
    "scale": "together same",
}
ANGLES = SHAPES | {
    "rotate": "together same",
    "shift": "not together same: cosines are about the origin",
}
UNBIASED = {"weight": "not same: a row twice is a pair of rows, a weight of 2 is none"}
WIDTH = {"weight": "not same: the default width is a median over rows, not weights"}
LENGTH = {"scale": "1"}
UNTURNED_SPAN = {"rotate": "not same: the span of columns turns with them"}
FROM_ZERO = {"shift": "not same: lengths are about the origin"}
COUNTED = {"weight": "not same: the number of rows counts, beside their weight"}
COARSER = {"float32": "not same: shorter values are rounded more"}
DRAWN = "not same: rows are drawn by position"
GROUPED = SHAPES | {"names": "same"}  # of rows and their classes
ROWLESS = dict.fromkeys(RELATIONS, "- takes no rows")
TENSORS = dict.fromkeys(RELATIONS, "- is a part of networks: takes tensors")
FILES = dict.fromkeys(RELATIONS, "- reads files: takes no rows")
PICTURES = dict.fromkeys(RELATIONS, "- draws: the answer is a picture")
NAMED = dict.fromkeys(RELATIONS, "- takes and returns names: takes no rows")
RESULTS = dict.fromkeys(RELATIONS, "- holds what was found")
BY_LABEL = ("labels", "target_labels")


def _mask(q, rows):
    return np.isin(np.arange(len(q.X)), rows)


def _means(q):
    return skalign.metrics.class_prototypes(q.X, q.labels)


def _proxy_of_classes(q, X_weight=None, Y_weight=None):
    """Compare rows of three classes with those of the others: the sides overlap."""
    first = q.labels < 3
    weights = {}
    if X_weight is not None:
        weights = {"X_weight": X_weight[first], "Y_weight": X_weight[~first]}
    return skalign.metrics.proxy_a_distance(
        q.X[first], q.X[~first], random_state=0, **weights
    )


def _from_two_clients(q):
    aligner, clients = skalign.RigidAligner(), (slice(0, 20), slice(20, None))
    return fit_from_sums(
        aligner, [client_sums(aligner, q.X[rows], q.y[rows]) for rows in clients]
    )


def _classifier(q):
    return LinearDiscriminantAnalysis().fit(q.X, q.labels)  # whatever the axes


TABLE = {
    # paired
    "LinearAligner": learnt(skalign.LinearAligner(), like=ALIGNED, **STREAMED),
    "LinearAligner alpha": learnt(
        skalign.LinearAligner(alpha=5.0),
        like=ALIGNED,
        **STREAMED,
        scale="not moves: alpha is in squared units of the source",
    ),
    "RigidAligner": learnt(
        skalign.RigidAligner(),
        like=ALIGNED,
        **STREAMED,
        scale="together moves",
    ),
    "RigidAligner scaling": learnt(
        skalign.RigidAligner(scaling=True), like=ALIGNED, **STREAMED
    ),
    "KernelAligner": learnt(
        skalign.KernelAligner(alpha=0.5), like=ALIGNED, weight="rows"
    ),
    "KernelAligner gamma": learnt(
        skalign.KernelAligner(0.1, alpha=0.5),
        like=ALIGNED,
        weight="rows",
        scale="not moves: gamma is in squared units of the source",
    ),
    "CanonicalAligner": learnt(skalign.CanonicalAligner(), like=COMMON),
    "GeneralizedProcrustes": learnt(
        skalign.GeneralizedProcrustes(),
        like=COMMON,
        ask=lambda case, q: (
            clone(case.estimator).fit_spaces([q.X, q.y]).to_consensus(q.X, 0)
        ),
        scale="together stays",
        names="same",
    ),
    "AnchoredAligner": learnt(
        skalign.AnchoredAligner(skalign.RigidAligner(), FarthestPointAnchors(0.5)),
        like=ALIGNED,
        scale="together moves",
    ),
    "RobustAligner": learnt(  # no pair is wrong here, so halves change nothing
        skalign.RobustAligner(random_state=0), like=ALIGNED, weight="rows"
    ),
    "AnchorSearchCV": learnt(
        skalign.AnchorSearchCV(
            skalign.RigidAligner(), [FarthestPointAnchors()], [8, 16], cv=2
        ),
        like=ALIGNED,
        order="not rows: folds are taken by position",
        scale="together moves",
    ),
    "StreamingSearchCV": learnt(
        skalign.StreamingSearchCV(
            skalign.RigidAligner(), {"scaling": [False, True]}, cv=2
        ),
        like=ALIGNED,
        weight="rows",
        order="not rows: folds are taken by position",
        scale="together moves",
    ),
    "RelativeRepresentation": learnt(
        skalign.RelativeRepresentation(FarthestPointAnchors(0.5)),
        like=COMMON,
        rotate="same",
        shift="not same: cosines are about the origin",
        scale="same",
    ),
    "AlignedRetriever": learnt(
        skalign.AlignedRetriever(skalign.LinearAligner(), metric="euclidean"),
        like=ALIGNED,
        ask=lambda case, q: case.fitted(q).kneighbors(q.X)[0],
        rotate="same",
        shift="same",
        names="same",
    ),
    # unpaired
    "MeanVarianceAligner": learnt(
        skalign.MeanVarianceAligner(),
        like=ONE_SPACE | UNTURNED,
        paired=False,
        merge="same",
    ),
    "CORALAligner": learnt(
        skalign.CORALAligner(),
        like=ONE_SPACE,
        paired=False,
        merge="same",
        scale="not together moves: reg is in squared units of the rows",
    ),
    "GaussianOTAligner": learnt(
        skalign.GaussianOTAligner(reg=0), like=ONE_SPACE, paired=False, merge="same"
    ),
    "OptimalTransportAligner": learnt(
        skalign.OptimalTransportAligner(),
        like=ONE_SPACE,
        paired=False,
        scale="together moves",
    ),
    "SubspaceAligner": learnt(
        skalign.SubspaceAligner(),
        like=COMMON,
        paired=False,
        rotate="together signs same",
        scale="stays",
        names="one",
    ),
    "TransferComponentAligner": learnt(
        skalign.TransferComponentAligner(),
        like=COMMON,
        paired=False,
        rotate="together signs same",
        shift="not together same: the linear kernel is about the origin",
        scale="not together same: mu is in squared units of the kernel",
        names="one",
    ),
    "ClassMeanAligner": learnt(
        skalign.ClassMeanAligner(), *BY_LABEL, like=ALIGNED, paired=False, merge="same"
    ),
    "ClassMeanAligner with one class more than columns": learnt(
        skalign.ClassMeanAligner(),
        *BY_LABEL,
        like=ALIGNED,
        paired=False,
        n_classes=4,
        merge="same",
    ),
    "MomentAligner": learnt(
        skalign.MomentAligner(random_state=0, n_restarts=5),
        *BY_LABEL,
        like=dict.fromkeys(RELATIONS, "same ~1e-4") | NO_WEIGHTS,
        paired=False,
        order="rows ~1e-4",
        rotate="moves ~1e-4",
        shift="moves ~1e-4",
        scale="moves ~1e-4",
        names="both",
    ),
    "ICPAligner": learnt(
        skalign.ICPAligner(random_state=0), *BY_LABEL, like=ALIGNED, paired=False
    ),
    "WassersteinProcrustesAligner": learnt(
        skalign.WassersteinProcrustesAligner(n_restarts=5, n_starts=1, random_state=0),
        like=ALIGNED,
        paired=False,
    ),
    # domains
    "DomainAdapter": learnt(
        skalign.DomainAdapter(skalign.CORALAligner(reg=0)),
        like=ONE_SPACE,
        paired=False,
        ask=lambda case, q: (
            clone(case.estimator)
            .fit(q.X, X_target=q.y)
            .transform(q.X, sample_domain=np.zeros(len(q.X)))
        ),
        names="same",
    ),
    "DomainHarmonizer": learnt(
        skalign.DomainHarmonizer(skalign.MeanVarianceAligner()),
        "sample_domain",
        like=ONE_SPACE | UNTURNED,
        ask=lambda case, q: case.fitted(q).transform(
            q.X, sample_domain=q.sample_domain
        ),
        shift="together moves",
        scale="together moves",
        names="same",
    ),
    "LabeledOnly": learnt(
        skalign.LabeledOnly(Ridge()),
        like=ALIGNED,
        ask=lambda case, q: (
            clone(case.estimator)
            .fit(
                q.X,
                np.where(q.sample_domain[:, None], -1, q.labels[:, None]),
                sample_domain=-q.sample_domain,
            )
            .predict(q.X)
        ),
        weight="- hands weights to the estimator inside",
        rotate="same",
        shift="same",
        scale="not same: the ridge is in squared units of the rows",
        names="same",
    ),
    # style: a row is one feature map, so that sides do not matter
    "style.mix_style": measured(
        lambda q: skalign.style.mix_style(q.X, p=1.0, random_state=0),
        like=ONE_SPACE | NO_WEIGHTS,
        order="not rows: partners are drawn by position",
        rotate="not stays: columns are positions",
        shift="not stays: a position moves by itself",
        scale="stays ~1e-4",
        names="same",
    ),
    "style.randomize_style": measured(
        lambda q: skalign.style.randomize_style(q.X, random_state=0),
        like=ONE_SPACE | NO_WEIGHTS,
        order="not rows: changes are drawn by position",
        rotate="not stays: columns are positions",
        shift="not stays: a position moves by itself",
        scale="stays",
        names="same",
    ),
    "StyleContentSplitter": learnt(
        skalign.StyleContentSplitter(output="content"),
        like=ONE_SPACE,
        ask=lambda case, q: case.fitted(q).transform(q.X),
        rotate="not same: columns are positions",
        shift="not same: a position moves by itself",
        scale="same ~1e-4",
        names="same",
    ),
    # anchors: which rows, as 0 and 1
    "anchors.AnchorSelector": measured(None, like=RESULTS),
    "anchors.FarthestPointAnchors": measured(
        lambda q: _mask(q, FarthestPointAnchors(8).select(q.X)),
        like=SHAPES,
        order="rows",
        float32="same",
    ),
    "anchors.PivotedQRAnchors": measured(
        lambda q: _mask(q, skalign.anchors.PivotedQRAnchors(3).select(q.X)),
        like=SHAPES,
        order="rows",
        float32="same",
    ),
    "anchors.KMeansAnchors": measured(
        lambda q: _mask(q, skalign.anchors.KMeansAnchors(6).select(q.X)),
        like=SHAPES,
        order="rows",
        float32="same",
    ),
    "anchors.RandomAnchors": measured(
        lambda q: _mask(
            q, skalign.anchors.RandomAnchors(8, random_state=0).select(q.X)
        ),
        like=SHAPES,
        order="not rows: positions are drawn",
        float32="same",
    ),
    "anchors.ClassBalancedAnchors": measured(
        lambda q: _mask(
            q,
            skalign.anchors.ClassBalancedAnchors(6, random_state=0).select(
                q.X, q.labels
            ),
        ),
        like=SHAPES,
        order="not rows: positions are drawn",
        float32="same",
    ),
    # metrics of two representations of the same items
    **{
        f"metrics.{metric.__name__}": measured(
            sides(metric), like=SHAPES, paired=True, order=expected
        )
        for metric, expected in [
            (skalign.metrics.cca_similarity, "same"),
            (skalign.metrics.svcca, "same"),
            (skalign.metrics.cka, "same"),
            (skalign.metrics.rv_coefficient, "same"),
            (skalign.metrics.procrustes_distance, "same"),
            (skalign.metrics.procrustes_samples, "rows"),
            (skalign.metrics.rsa_correlation, "same"),
            (skalign.metrics.rsa_samples, "rows"),
        ]
    },
    "metrics.mutual_knn": measured(
        sides(skalign.metrics.mutual_knn), like=ANGLES, paired=True, rotate="same"
    ),
    "metrics.mutual_knn_samples": measured(
        sides(skalign.metrics.mutual_knn_samples),
        like=ANGLES,
        paired=True,
        rotate="same",
        order="rows",
    ),
    "metrics.retrieval_accuracy": measured(
        sides(skalign.metrics.retrieval_accuracy, k=3), like=ANGLES, paired=True
    ),
    "metrics.retrieval_ranks": measured(
        sides(skalign.metrics.retrieval_ranks), like=ANGLES, paired=True, order="rows"
    ),
    "metrics.mean_reciprocal_rank": measured(
        sides(skalign.metrics.mean_reciprocal_rank), like=ANGLES, paired=True
    ),
    # distances of two sets of rows
    "metrics.coral_distance": measured(
        sides(skalign.metrics.coral_distance),
        like=CLOUDS | UNBIASED,
        shift="same",
        scale="together 4",
    ),
    "metrics.energy_distance": measured(
        sides(skalign.metrics.energy_distance), like=CLOUDS, scale="together 0.5"
    ),
    "metrics.feature_wasserstein_distances": measured(
        sides(skalign.metrics.feature_wasserstein_distances),
        like=CLOUDS,
        rotate="not together same: each column by itself",
        scale="together 1",
    ),
    "metrics.frechet_distance": measured(
        sides(skalign.metrics.frechet_distance),
        like=CLOUDS | UNBIASED,
        scale="together 2",
    ),
    "metrics.gaussian_wasserstein_distance": measured(
        sides(skalign.metrics.gaussian_wasserstein_distance),
        like=CLOUDS,
        scale="together 1",
    ),
    "metrics.wasserstein_distance": measured(
        sides(skalign.metrics.wasserstein_distance), like=CLOUDS, scale="together 1"
    ),
    "metrics.sliced_wasserstein_distance": measured(
        sides(skalign.metrics.sliced_wasserstein_distance, random_state=0),
        like=CLOUDS,
        rotate="not together same: directions are drawn; equal in the mean",
        scale="together 1",
    ),
    "metrics.max_sliced_wasserstein_distance": measured(
        sides(skalign.metrics.max_sliced_wasserstein_distance, random_state=0),
        like=CLOUDS,
        rotate="together same ~1e-6",
        scale="together 1",
    ),
    "metrics.sinkhorn_divergence": measured(
        sides(skalign.metrics.sinkhorn_divergence),
        like=CLOUDS | WIDTH,
        scale="together 2",
    ),
    "metrics.sinkhorn_divergence reg": measured(
        sides(skalign.metrics.sinkhorn_divergence, reg=20.0),
        like=CLOUDS,
        weight="same ~1e-7",
        scale="not together 2: reg is in the unit of the cost",
    ),
    "metrics.mmd": measured(sides(skalign.metrics.mmd), like=CLOUDS | UNBIASED),
    "metrics.mmd biased": measured(
        sides(skalign.metrics.mmd, gamma=0.1, unbiased=False),
        like=CLOUDS,
        scale="not together same: gamma is in the unit of the rows",
    ),
    "metrics.block_mmd": measured(
        sides(skalign.metrics.block_mmd, block_size=8, random_state=0),
        like=CLOUDS | UNBIASED,
        order=DRAWN,
    ),
    "metrics.random_fourier_mmd": measured(
        sides(skalign.metrics.random_fourier_mmd, random_state=0),
        like=CLOUDS | UNBIASED,
        rotate="not together same: directions are drawn; equal in the mean",
    ),
    "metrics.proxy_a_distance": measured(
        _proxy_of_classes,
        like=CLOUDS,
        paired=True,
        rotate="not together same: columns are standardised",
        order="not same: folds are drawn by position",
        weight="- copies of a row may be in two folds",
    ),
    "metrics.mmd_test": measured(
        lambda q: (
            skalign.metrics.mmd_test(
                q.X, q.y, n_permutations=19, random_state=0
            ).null_distribution
        ),
        like=CLOUDS | NO_WEIGHTS,
        order=DRAWN,
    ),
    "metrics.energy_test": measured(
        lambda q: (
            skalign.metrics.energy_test(
                q.X, q.y, n_permutations=19, random_state=0
            ).null_distribution
        ),
        like=CLOUDS | NO_WEIGHTS,
        order=DRAWN,
        scale="together 0.5",
    ),
    "metrics.bootstrap_interval": measured(
        lambda q: skalign.metrics.bootstrap_interval(
            skalign.metrics.energy_distance, q.X, q.y, n_resamples=9, random_state=0
        ),
        like=CLOUDS | NO_WEIGHTS,
        order=DRAWN,
        scale="together 0.5",
    ),
    "metrics.similarity_test": measured(
        lambda q: (
            skalign.metrics.similarity_test(
                skalign.metrics.cka, q.X, q.y, n_permutations=19, random_state=0
            ).null_distribution
        ),
        like=SHAPES,
        paired=True,
        order=DRAWN,
    ),
    "metrics.noise_ceiling": measured(
        lambda q: skalign.metrics.noise_ceiling(
            skalign.metrics.rsa_correlation,
            np.stack([q.X, q.y]),
            n_splits=10,
            random_state=0,
        ),
        like=SHAPES,
        paired=True,
    ),
    "metrics.jackknife_interval": measured(
        lambda q: skalign.metrics.jackknife_interval(
            lambda X, Y: np.linalg.norm(X.mean(axis=0) - Y.mean(axis=0)), q.X, q.y
        ),
        like=CLOUDS | NO_WEIGHTS,
        scale="together 1",
    ),
    # metrics of rows and their classes
    "metrics.nc1_variability": measured(
        within(skalign.metrics.nc1_variability), like=GROUPED
    ),
    "metrics.nc1_trace_ratio": measured(
        within(skalign.metrics.nc1_trace_ratio), like=GROUPED
    ),
    "metrics.nc2_equiangularity": measured(
        classes(skalign.metrics.nc2_equiangularity), like=GROUPED
    ),
    "metrics.nc3_duality": measured(
        lambda q: skalign.metrics.nc3_duality(q.X, q.labels, _means(q) ** 3),
        like=GROUPED,
        rotate="not same: the head is not turned with the rows",
        shift="not same: the head is not moved with the rows",
    ),
    "metrics.nc4_disagreement": measured(
        lambda q: skalign.metrics.nc4_disagreement(q.X, q.labels, q.labels % 2),
        like=GROUPED,
    ),
    "metrics.class_prototypes": measured(
        classes(skalign.metrics.class_prototypes),
        like=GROUPED,
        rotate="stays",
        shift="stays",
        scale="stays",
    ),
    "metrics.prototype_distance": measured(
        within(skalign.metrics.prototype_distance),
        like=GROUPED,
        shift="not same: directions are about the origin",
    ),
    "metrics.etf_distance": measured(
        lambda q: skalign.metrics.etf_distance(
            q.X, q.labels % 3, skalign.metrics.simplex_etf(3, 3, random_state=0)
        ),
        like=GROUPED,
        rotate="not same: the simplex is not turned with the rows",
    ),
    "metrics.simplex_etf": measured(
        lambda q: skalign.metrics.simplex_etf(3, 4, random_state=0), like=ROWLESS
    ),
    # scorers: of an aligner, of a classifier on two domains
    **{
        f"metrics.get_scorer {scorer}": measured(
            lambda q, scorer=scorer: skalign.metrics.get_scorer(scorer)(
                skalign.RigidAligner().fit(q.X, q.y), q.X, q.y
            ),
            like=CLOUDS | NO_WEIGHTS,
            paired=True,
            **others,
        )
        for scorer, others in {
            "neg_mmd": {},
            "neg_wasserstein_distance": {"scale": "together 1"},
            "neg_gaussian_wasserstein_distance": {
                "scale": "together 1",
                "float32": "same ~1e-4",
            },
            "neg_sliced_wasserstein_distance": {
                "rotate": "not together same: directions are drawn",
                "scale": "together 1",
            },
            "retrieval_accuracy": {"shift": ANGLES["shift"]},
        }.items()
    },
    **{
        f"metrics.{scorer}": measured(
            lambda q, scorer=scorer: getattr(skalign.metrics, scorer)()(
                _classifier(q), q.X, q.labels, X_target=q.y
            ),
            like=CLOUDS | NO_WEIGHTS,
            **others,
        )
        for scorer, others in {
            "SourceScorer": {},
            "CircularValidationScorer": {},
            "ImportanceWeightedScorer": {
                "order": "not same: folds are taken by position"
            },
            "PredictionEntropyScorer": {},
            "SoftNeighborhoodScorer": {},
        }.items()
    },
    **{
        f"metrics.{scorer}": measured(
            lambda q, scorer=scorer: getattr(skalign.metrics, scorer)()(
                _classifier(q), q.X, q.labels, sample_domain=q.sample_domain
            ),
            like=CLOUDS | NO_WEIGHTS,
        )
        for scorer in ("MeanDomainScorer", "WorstDomainScorer")
    },
    "metrics.WorstFoundDomainScorer": measured(
        lambda q: skalign.metrics.WorstFoundDomainScorer()(
            _classifier(q), q.X, q.labels, found_domain=q.sample_domain
        ),
        like=CLOUDS | NO_WEIGHTS,
    ),
    "metrics.get_scorer": measured(None, like=NAMED),
    "metrics.get_scorer_names": measured(None, like=NAMED),
    "metrics.make_distance_scorer": measured(
        lambda q: skalign.metrics.make_distance_scorer(skalign.metrics.energy_distance)(
            skalign.RigidAligner().fit(q.X, q.y), q.X, q.y
        ),
        like=CLOUDS | NO_WEIGHTS,
        paired=True,
        scale="together 0.5",
    ),
    "metrics.make_similarity_scorer": measured(
        lambda q: skalign.metrics.make_similarity_scorer(skalign.metrics.cka)(
            skalign.RigidAligner().fit(q.X, q.y), q.X, q.y
        ),
        like=SHAPES,
        paired=True,
    ),
    # choosing
    "model_selection.alignability": measured(
        lambda q: (
            skalign.model_selection.alignability(
                q.X, q.y, aligners={"linear": skalign.LinearAligner()}, cv=2
            ).errors
        ),
        like=SHAPES,
        paired=True,
        order="not same: folds are drawn by position",
    ),
    **{
        f"domains.{type(splitter).__name__}": measured(
            lambda q, splitter=splitter: [
                _mask(q, test)
                for _, test in splitter.split(q.X, sample_domain=q.sample_domain)
            ],
            like=SHAPES | {"float32": "same"},
            order=expected,
        )
        for splitter, expected in [
            (skalign.domains.LeaveOneDomainOut(), "- columns are rows"),
            (skalign.domains.TrainingDomainSplit(random_state=0), DRAWN),
            (skalign.domains.OracleDomainSplit(1, random_state=0), DRAWN),
        ]
    },
    "domains.partition_domains": measured(
        lambda q: (
            skalign.domains.partition_domains(
                q.X,
                q.labels % 2,
                local_model=LogisticRegression(),
                max_iter=3,
                random_state=0,
            ).domain
        ),
        like=SHAPES,
        order="- halves are drawn by position, which need not matter",
    ),
    "domains.domain_dependence": measured(
        lambda q: (
            skalign.domains.domain_dependence(
                q.labels % 2, q.sample_domain, q.labels // 2
            ).statistic
        ),
        like=SHAPES | {"order": "same"},
    ),
    "moments.Moments": measured(
        lambda q, X_weight=None, Y_weight=None: (
            Moments.from_arrays(q.X, q.y, sample_weight=X_weight, products=("xy",)).xy
        ),
        like=SHAPES,
        paired=True,
        weight="same",
        rotate="not same: products turn with both sides",
        scale="together 2",
        merge="- tests/moments",
        names="- takes arrays",
    ),
    "moments.GroupMoments": measured(
        lambda q: GroupMoments.from_rows(q.X, q.labels, order=3).second.sum(axis=0),
        like=SHAPES | NO_WEIGHTS,
        rotate="not same: products turn with the samples",
        scale="2",
        merge="- tests/moments",
        names="- takes arrays",
    ),
    "moments.Sums": measured(None, like=RESULTS),
    **{
        f"moments.{name}": measured(
            ask,
            like=SHAPES | NO_WEIGHTS,
            paired=True,
            names="- takes arrays",
            **others,
        )
        for name, ask, others in [
            ("centre", lambda q: np.ptp(centre(q.X)[0]), {**UNTURNED_SPAN, **LENGTH}),
            (
                "truncated_svd",
                lambda q: truncated_svd(centre(q.X)[0], rounding_of_columns(q.X))[1],
                LENGTH,
            ),
            (
                "truncated_eigh",
                lambda q: truncated_eigh(
                    centre(q.X)[0].T @ centre(q.X)[0], rounding_of_columns(q.X), 1e-16
                )[0],
                {"scale": "2"},
            ),
            ("svd_of_map", lambda q: svd_of_map(q.X)[1], LENGTH | FROM_ZERO),
            (
                "pseudo_inverse",
                lambda q: np.linalg.norm(pseudo_inverse(q.X)),
                {"scale": "-1"} | FROM_ZERO,
            ),
            ("relative_ridge", lambda q: relative_ridge(0.1, q.X), {"scale": "2"}),
            (
                "rounding_of_columns",
                lambda q, X_weight=None, Y_weight=None: np.linalg.norm(
                    rounding_of_columns(q.X, X_weight)
                ),
                LENGTH | FROM_ZERO | COARSER | COUNTED,
            ),
            (
                "rounding_of_rows",
                lambda q: np.linalg.norm(rounding_of_rows(q.X)),
                LENGTH | FROM_ZERO | COARSER,
            ),
            ("storage_precision", lambda q: storage_precision(q.X), COARSER),
            (
                "rounding_from_norms",
                lambda q: rounding_from_norms(1e-16, np.linalg.norm(q.X)[None], 48),
                LENGTH | FROM_ZERO,
            ),
            (
                "varying_columns",
                lambda q: varying_columns(q.X.std(axis=0), 1e-16, q.X.std(axis=0), 48),
                {},
            ),
            (
                "check_scale",
                lambda q: float(check_scale(abs(q.X).max(axis=0), "f8", "X") is None),
                {},
            ),
        ]
    },
    # made data and files
    **{
        f"datasets.{name}": measured(ask, like=ROWLESS)
        for name, ask in {
            "make_paired_spaces": lambda q: (
                skalign.datasets.make_paired_spaces(20, 3, random_state=0).data
            ),
            "make_rendered_digits": lambda q: (
                skalign.datasets.make_rendered_digits(4, random_state=0).data
            ),
            "load_digits_latents": None,
        }.items()
    },
    **{name: measured(None, like=FILES) for name in ("load", "save")},
    **{
        name: measured(None, like=dict.fromkeys(RELATIONS, "- returns a program"))
        for name in ("register_onnx_converters", "to_onnx", "to_torch")
    },
    "make_adaptation_pipeline": measured(
        None, like=dict.fromkeys(RELATIONS, "- returns a pipeline of DomainAdapter")
    ),
    **{
        f"datasets.{name}": measured(None, like=FILES)
        for name in (
            "domains_from_folders",
            "images_from_folders",
            "load_coco_objects",
            "load_idx",
            "load_nico",
        )
    },
    **{
        f"datasets.{name}": measured(None, like=PICTURES)
        for name in ("make_coco_places", "make_colored_coco", "make_colored_mnist")
    },
}
TABLE |= {
    "federated.client_sums": measured(
        lambda q: _from_two_clients(q).transform(q.X),
        like=ALIGNED,
        paired=True,
        order="rows ~1e-12",
        scale="together moves",
        merge="- is what it does",
        names="same",
    ),
    "federated.fit_from_sums": measured(
        lambda q: _from_two_clients(q).coef_,
        like=SHAPES,
        paired=True,
        rotate="not same: the map turns with both sides",
    ),
    **{
        f"federated.{name}": measured(None, like=ROWLESS)
        for name in ("gaussian_noise_scale", "metrics_by_client")
    },
    **{
        f"federated.{name}": measured(None, like=TENSORS)
        for name in (
            *("NetworkClient", "SoundUpdates", "join", "load_shared_arrays"),
            *("serve", "shared_arrays"),
        )
    },
    **{
        f"plotting.{name}": measured(None, like=PICTURES)
        for name in (
            "AlignabilityDisplay",
            "AlignmentDisplay",
            "AnchorSearchDisplay",
            "DomainDistanceDisplay",
            "SimilarityDisplay",
            "SpectrumDisplay",
        )
    },
}
if TORCH:
    SHORT = {"max_epochs": 1, "batch_size": 12, "random_state": 0}

    def _fit_by_domain(case, q):
        classifier = clone(case.estimator)
        classifier.fit(q.X, q.labels, sample_domain=q.sample_domain)
        return classifier.predict_proba(q.X)

    TABLE |= {
        **{
            f"MultiDomainClassifier {name}": learnt(
                skalign.MultiDomainClassifier(
                    getattr(skalign.deep, name)(), hidden_layer_sizes=(4,), **SHORT
                ),
                "sample_domain",
                like=NETWORK,
                ask=_fit_by_domain,
                names="same",
            )
            for name in (
                *("DANN", "DeepCORAL", "ERM", "GroupDRO", "IRM", "MMD", "Mixup"),
                "VREx",
            )
        },
        "NCFALClassifier": learnt(
            skalign.NCFALClassifier(hidden_layer_sizes=(4,), **SHORT),
            "sample_domain",
            like=NETWORK,
            ask=_fit_by_domain,
            names="same",
        ),
        "StitchingRegressor": learnt(
            skalign.StitchingRegressor(**SHORT),
            like=NETWORK,
            names="both",
        ),
        "ContrastiveAligner": learnt(
            skalign.ContrastiveAligner(**SHORT),
            like=COMMON | {"order": NETWORK["order"]},
            rotate="not signs same: Adam steps by coordinates",
            float32="same ~1e-3",
        ),
        **{
            f"deep.{name}": measured(None, like=TENSORS)
            for name in (
                *("DANN", "DeepCORAL", "ERM", "GroupDRO", "IRM", "MMD", "Mixup"),
                *("Batch", "Mask", "Objective", "Partition", "Penalty", "SimplexHead"),
                *("DigitsCNN", "DomainRandomization", "MLP"),
                *("MixStyle", "PermutedAdaIN", "ResNet8"),
                *("Training", "VREx", "adain"),
                "split_style",
            )
        },
    }


# ----------------------------------------------------------------------------- tests
ROOMS = ("anchors", "datasets", "domains", "federated", "metrics")
ROOMS += ("model_selection", "moments", "style")


def _public():
    for room in (*ROOMS, *(["deep"] if TORCH else []), "plotting"):
        module = importlib.import_module(f"skalign.{room}")
        for name in getattr(module, "__all__", ["Moments"]):
            if name not in skalign.__all__:
                yield f"{room}.{name}"
    yield from (name for name in skalign.__all__ if hasattr(skalign, name))


def test_every_public_name_has_a_row():
    rows = {name.split()[0] for name in TABLE}
    assert not set(_public()) - rows
    for name, case in TABLE.items():
        assert case.relations.keys() == RELATIONS.keys(), name


@pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning")  # few rows
@pytest.mark.parametrize("name", TABLE)
def test_answers_change_with_questions_as_the_table_says(name, changed_state):
    case = TABLE[name]
    if case.ask is None:
        assert all(entry.startswith("- ") for entry in case.relations.values())
        return
    q = case.question()
    state, rows = changed_state(), copy.deepcopy(vars(q))
    answer = case(q)
    assert not changed_state(state)
    for key, value in vars(q).items():
        assert_array_equal(value, rows[key])
    wrong = {}
    for relation, entry in case.relations.items():
        if entry.startswith("- "):
            if entry == NO_WEIGHTS["weight"]:
                assert not _takes_weights(case, name)
            if entry == NO_SUMS["merge"]:
                assert not hasattr(case.estimator, "merge")
            continue
        expectation, _, reason = entry.partition(": ")
        words = expectation.split()
        holds = words[0] != "not"
        assert holds == (not reason)
        tolerance = next((float(w[1:]) for w in words if w[0] == "~"), EXACT)
        together = {"together": True} if "together" in words else {}
        expected = [w for w in words if w[0] != "~"][-1]
        new, old = RELATIONS[relation](case, answer, expected, **together)
        if "signs" in words:
            new, old = abs(new), abs(old)
        error = np.abs(new - old).max() / max(np.abs(old).max(), np.finfo(float).tiny)
        if (error <= tolerance) != holds:
            wrong[relation] = f"{entry!r}, but the answers differ by {error:.1e}"
    assert not wrong, wrong


def _takes_weights(case, name):
    if case.estimator is not None:
        return has_fit_parameter(case.estimator, "sample_weight")
    room, name = name.split()[0].split(".")
    function = getattr(importlib.import_module(f"skalign.{room}"), name)
    return {"X_weight", "sample_weight"} & inspect.signature(function).parameters.keys()
