"""Class labels that arrive as target rows of a paired aligner."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skalign
from skalign import (
    AlignedRetriever,
    AnchoredAligner,
    AnchorSearchCV,
    CanonicalAligner,
    CORALAligner,
    ICPAligner,
    KernelAligner,
    LinearAligner,
    RigidAligner,
)
from skalign.anchors import KMeansAnchors
from skalign.federated import client_sums

X = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.arange(60) % 3
PAIRED = [
    LinearAligner(),
    KernelAligner(),
    RigidAligner(),
    CanonicalAligner(),
    AnchoredAligner(selector=KMeansAnchors(20)),
    AnchorSearchCV(None, [KMeansAnchors()], [10, 20], cv=2),
    AlignedRetriever(),
]
if find_spec("torch") and find_spec("skorch"):
    PAIRED += [
        skalign.StitchingRegressor(max_epochs=1),
        skalign.ContrastiveAligner(max_epochs=1),
    ]
paired = pytest.mark.parametrize("aligner", PAIRED, ids=lambda a: type(a).__name__)
LABELLED = "y is one column of [23] different integers, as class labels are"


@paired
def test_integers_that_repeat_look_like_class_labels(aligner):
    with pytest.warns(UserWarning, match=LABELLED) as caught:
        make_pipeline(StandardScaler(), aligner).fit(X, LABELS)
    assert len(caught) == 1
    assert "maps 3 columns to it" in str(caught[0].message)


@paired
@pytest.mark.parametrize(
    "names", [["a", "b"], np.array(["a", "b"], dtype=object)], ids=["list", "object"]
)
def test_strings_are_no_target_rows(aligner, names):
    y = np.array(names)[LABELS % 2]
    for labels in (y, y.tolist(), pd.Series(y), pd.Series(y, dtype="category")):
        with pytest.raises(ValueError, match="y holds strings such as a, and "):
            aligner.fit(X, labels)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.tolist(),
        LABELS > 1,
        pd.Series(LABELS, dtype="Int64"),
        pd.Series(LABELS, dtype="category"),
        LABELS.astype(object),
        LABELS.astype(np.int8),
    ],
)
def test_integers_of_any_type_are_noticed(labels):
    with pytest.warns(UserWarning, match=LABELLED):
        LinearAligner().fit(X, labels)
    with pytest.warns(UserWarning, match=LABELLED):
        LinearAligner(alpha=1.0).partial_fit(X, labels)
    with pytest.warns(UserWarning, match=LABELLED):
        client_sums(LinearAligner(), X, labels)


@pytest.mark.parametrize(
    "y",
    [
        LABELS.astype(float),
        LABELS[:, None],
        np.arange(60),
        np.r_[:31, :29],
        X[:, 0],
    ],
    ids=["floats", "column", "distinct", "half", "continuous"],
)
def test_a_target_of_one_column_is_none(y):
    fitted = LinearAligner(alpha=1.0).fit(X, y)
    expected = LinearAligner(alpha=1.0).fit(X, np.asarray(y, float).reshape(60, 1))
    assert_allclose(fitted.transform(X), expected.transform(X))


def test_from_one_column_to_one_nothing_is_lost():
    LinearAligner().fit(X[:, :1], LABELS)


@pytest.mark.parametrize("aligner", [RigidAligner(), CORALAligner(), ICPAligner()])
def test_target_rows_that_the_dtype_of_x_cannot_hold_are_refused(aligner):
    X = np.random.default_rng(0).normal(size=(9, 3))
    for value, said in (
        (1e39, "y overflows float32"),
        (np.nan, "Input y contains NaN"),
    ):
        y = X.copy()
        y[4, 1] = value
        with pytest.raises(ValueError, match=said):
            clone(aligner).fit(X.astype("f4"), y)


@pytest.mark.parametrize("aligner", [RigidAligner(), CORALAligner(), ICPAligner()])
def test_tensors_of_a_type_that_numpy_lacks_are_named(aligner):
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(0).normal(size=(9, 3))
    for rows in [{"X": X}, {"y": X}]:
        missing = "yX"["y" in rows]
        rows[missing] = torch.tensor(X, dtype=torch.bfloat16)
        with pytest.raises(ValueError, match=f"NumPy cannot read {missing}.*BFloat16"):
            clone(aligner).fit(**rows)
