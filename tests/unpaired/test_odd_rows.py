"""Rows in which little is left to align: an answer, or an error that names them."""

import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import has_fit_parameter

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    ICPAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    RigidAligner,
    SubspaceAligner,
    TransferComponentAligner,
    WassersteinProcrustesAligner,
    unpaired,
)

FAST = {"n_restarts": 1, "random_state": 0}
ALIGNERS = [
    MeanVarianceAligner(),
    CORALAligner(),
    CORALAligner(reg=0),
    GaussianOTAligner(),
    GaussianOTAligner(reg=0, solver="svd"),
    OptimalTransportAligner(),
    OptimalTransportAligner(reg=0),
    SubspaceAligner(),
    TransferComponentAligner(),
    TransferComponentAligner(kernel="rbf"),
    ClassMeanAligner(),
    ClassMeanAligner(RigidAligner(scaling=True)),
    MomentAligner(**FAST),
    MomentAligner("covariance", **FAST),
    ICPAligner(init=MomentAligner(**FAST)),
    ICPAligner(init="means"),
    ICPAligner(init="means", matching="mutual"),
    ICPAligner(RigidAligner(), init="identity", matching="assignment"),
    WassersteinProcrustesAligner(init="moments", **FAST),
]
LONG = pytest.param(
    WassersteinProcrustesAligner(init="clusters", n_starts=1, **FAST),
    marks=pytest.mark.long,
)
SCALE = r"sums (over|under)flow float\d\d: column \d of X .* StandardScaler"
EQUAL = "[Aa]ll samples of (X|y|a side|both sides) are equal"
EQUAL += "|half of their samples are equal|class means of a side are all equal"
FEW = "matching='mutual' found [01] matches"


def _cases():
    rng = np.random.default_rng(0)
    X, y = rng.gamma([1.0, 2.0, 4.0], size=(2, 24, 3))
    thirds = np.arange(24) % 3
    constant, zero = (np.where([False, True, False], value, (X, y)) for value in (5, 0))
    wide = rng.gamma(1.0, size=(2, 7, 30))
    same = np.ones((24, 3))
    yield "a class of one row", (X, y), thirds * 0 + (np.arange(24) > 0), None
    yield "classes of one row", (X[:3], y[:3]), np.arange(3), FEW
    yield "two rows", (X[:2], y[:2]), np.arange(2), FEW
    yield "two rows and many", (X[:2], y), np.arange(24) % 2, FEW
    yield "large", (np.float32(X * 1e12), np.float32(y * 1e12)), thirds, SCALE
    yield "far", (np.float32(X + 1e12), np.float32(y + 1e12)), thirds, EQUAL
    yield "equal source rows", (same, y), thirds, EQUAL
    yield "equal target rows", (X, same), thirds, EQUAL
    yield "equal rows", (same, same), thirds, EQUAL
    yield "a constant column", constant, thirds, None
    yield "a column of zeros", zero, thirds, None
    yield "one column", (X[:, :1], y[:, :1]), thirds, None
    yield "more columns than rows", wide, np.arange(7) % 2, FEW
    yield "copies", (np.repeat(X[:4], 6, axis=0), y), np.arange(24) // 6 % 2, FEW
    yield "whole numbers", (np.rint(X).astype(int), np.rint(y).astype(int)), thirds, FEW
    yield "tiny", (X * 1e-160, y * 1e-160), thirds, SCALE
    yield (
        "tiny floats",
        (np.float32(X * 1e-30), np.float32(y * 1e-30)),
        thirds,
        (f"{SCALE}|equal up to rounding in the kernel"),
    )
    yield "huge", (X * 1e160, y * 1e160), thirds, SCALE


CASES = {name: case for name, *case in _cases()}


def test_every_unpaired_aligner_is_tried():
    assert {type(aligner).__name__ for aligner in ALIGNERS} == set(unpaired.__all__)


def _answer(aligner, X, y, classes):
    """Return the error of a fit, or None; any other exception is raised."""
    try:
        mapped = aligner.fit(X, y, **classes).transform(X)
    except ValueError as error:
        return str(error)
    assert np.isfinite(mapped).all()
    assert np.isfinite(aligner.transform_target(y)).all()
    return None


@pytest.mark.parametrize("labeled", [True, False])
@pytest.mark.parametrize("aligner", [*ALIGNERS, LONG], ids=repr)
def test_odd_rows_are_answered_or_named(aligner, labeled):
    if labeled != has_fit_parameter(aligner, "labels") and (
        labeled or "means" in repr(aligner) or "ClassMean" in repr(aligner)
    ):
        return
    for case, ((X, y), labels, refused) in CASES.items():
        classes = {"labels": labels[: len(X)], "target_labels": labels[: len(y)]}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            error = _answer(aligner, X, y, classes if labeled else {})
        assert error is None or (refused and re.search(refused, error)), (case, error)
        assert {w.category for w in said} <= {UserWarning, ConvergenceWarning}, case
