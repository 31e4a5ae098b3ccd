"""A predictor that learns from the labelled rows of stacked domains."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import coo_matrix
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from skalign import LabeledOnly


def make_rows(names=(0, 1), missing_label=-1, seed=0):
    """40 source rows with a label, 20 target rows without, in an order of chance."""
    rng = np.random.default_rng(seed)
    X, classes = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    X[:, 0] += 3 * classes
    sample_domain = rng.permutation(np.repeat([3, -2], [40, 20]))
    labels = np.array(names)[classes].tolist()
    for row in np.flatnonzero(sample_domain < 0):
        labels[row] = missing_label
    return X, np.array(labels), sample_domain


@pytest.mark.parametrize(
    ("names", "missing_label", "parameter"),
    [
        ((0, 1), -1, None),
        ((0.0, 1.0), np.nan, np.nan),
        ((-1, 1), 7, 7),
        ((3, 8), 0, 0),
        (("no", "yes"), -1, None),  # numpy makes it the string "-1"
        (("no", "yes"), "?", "?"),
    ],
)
def test_rows_without_a_label_are_left_out(names, missing_label, parameter):
    X, y, sample_domain = make_rows(names, missing_label)
    before = y.copy()
    model = LabeledOnly(LogisticRegression(), missing_label=parameter)
    model.fit(X, y, sample_domain=sample_domain)
    is_source = sample_domain >= 0
    expected = LogisticRegression().fit(X[is_source], y[is_source])
    assert_array_equal(y, before)
    assert_array_equal(model.classes_, names)
    assert_array_equal(model.predict(X), expected.predict(X))
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(model.decision_function(X), expected.decision_function(X))
    score = expected.score(X[is_source], y[is_source])
    assert model.score(X, y, sample_domain=sample_domain) == score


def test_a_missing_label_among_objects_is_found():
    X, y, sample_domain = make_rows(("no", "yes"), "?")
    y = y.astype(object)
    y[sample_domain < 0] = -1
    model = LabeledOnly(LogisticRegression()).fit(X, y, sample_domain=sample_domain)
    assert_array_equal(model.classes_, ["no", "yes"])


def test_target_rows_with_a_label_are_learnt_from():
    X, y, sample_domain = make_rows()
    labelled = y >= 0
    y[np.flatnonzero(~labelled)[:5]] = 1
    model = LabeledOnly(LogisticRegression()).fit(X, y, sample_domain=sample_domain)
    expected = LogisticRegression().fit(X[y >= 0], y[y >= 0])
    assert_array_equal(model.decision_function(X), expected.decision_function(X))


def test_a_class_of_minus_one_is_refused_and_not_eaten():
    X, y, sample_domain = make_rows((-1, 1))
    n_refused = np.sum((y == -1) & (sample_domain >= 0))
    message = f"{n_refused} source samples have the label -1"
    with pytest.raises(ValueError, match=message):
        LabeledOnly(LogisticRegression()).fit(X, y, sample_domain=sample_domain)


@pytest.mark.parametrize("dtype", [int, float, str])
def test_minus_one_is_one_of_two_classes_where_all_rows_are_source_rows(dtype):
    X, y, _ = make_rows((-1, 1), missing_label=1)
    y = y.astype(dtype)
    model = LabeledOnly(LogisticRegression())
    for domain in (None, np.arange(60)):
        model.fit(X, y, sample_domain=domain)
        expected = LogisticRegression().fit(X, y)
        assert_array_equal(model.classes_, expected.classes_)
        assert_array_equal(model.decision_function(X), expected.decision_function(X))
        assert model.score(X, y, sample_domain=domain) == expected.score(X, y)
    ones = np.flatnonzero(y == y[0])
    assert model.score(X[ones], y[ones]) == expected.score(X[ones], y[ones])
    with pytest.raises(ValueError, match="source samples have the label -1"):
        LabeledOnly(LogisticRegression(), missing_label=-1).fit(X, y)
    zeros = np.where(np.arange(60) < 20, 0, y.astype(float))
    with pytest.raises(ValueError, match="source samples have the label -1"):
        model.fit(X, zeros)  # two classes besides it: which of both is not known


def test_without_sample_domain_all_rows_need_a_label():
    X, y, sample_domain = make_rows()
    with pytest.raises(ValueError, match="20 source samples have the label -1"):
        LabeledOnly(LogisticRegression()).fit(X, y)
    is_source = sample_domain >= 0
    model = LabeledOnly(LogisticRegression()).fit(X[is_source], y[is_source])
    with pytest.raises(ValueError, match="20 source samples have the label -1"):
        model.score(X, y)


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_a_regressor_leaves_out_nan(n_outputs):
    X, _, sample_domain = make_rows()
    y = X @ np.array([[1.0, 2.0], [3.0, 4.0]])
    y = y[:, 0] if n_outputs is None else y
    is_source = sample_domain >= 0
    holes = y.copy()
    holes[~is_source] = np.nan
    model = LabeledOnly(LinearRegression()).fit(X, holes, sample_domain=sample_domain)
    assert_allclose(model.predict(X), y)
    assert model.score(X, holes, sample_domain=sample_domain) == pytest.approx(1)
    with pytest.raises(ValueError, match="20 source samples have the label nan"):
        LabeledOnly(LinearRegression()).fit(X, holes)


def test_a_row_with_some_of_its_outputs_is_left_to_the_estimator():
    X, _, sample_domain = make_rows()
    y = X.copy()
    y[sample_domain < 0, 0] = np.nan
    with pytest.raises(ValueError, match="Input y contains NaN"):
        LabeledOnly(LinearRegression()).fit(X, y, sample_domain=sample_domain)


def test_weights_follow_their_rows():
    X, y, sample_domain = make_rows()
    weights = np.random.default_rng(1).uniform(size=len(X))
    model = LabeledOnly(LogisticRegression())
    model.fit(X, y, sample_weight=weights, sample_domain=sample_domain)
    kept = sample_domain >= 0
    expected = LogisticRegression().fit(X[kept], y[kept], sample_weight=weights[kept])
    assert_array_equal(model.decision_function(X), expected.decision_function(X))
    score = model.score(X, y, sample_weight=weights, sample_domain=sample_domain)
    assert score == expected.score(X[kept], y[kept], sample_weight=weights[kept])


def test_data_frames_are_passed_on_as_such():
    X, y, sample_domain = make_rows()
    X = pd.DataFrame(X, columns=["a", "b"])
    model = LabeledOnly(LogisticRegression())
    model.fit(X, pd.Series(y), sample_domain=pd.Series(sample_domain))
    assert_array_equal(model.feature_names_in_, ["a", "b"])
    assert model.n_features_in_ == 2


def test_it_is_what_its_estimator_is():
    assert is_classifier(LabeledOnly(LogisticRegression()))
    assert is_regressor(LabeledOnly(LinearRegression()))
    assert not hasattr(LabeledOnly(LinearSVC()), "predict_proba")
    assert not hasattr(LabeledOnly(LinearRegression()), "decision_function")


def test_what_does_not_suit_is_refused():
    X, y, sample_domain = make_rows()
    model = LabeledOnly(LogisticRegression())
    with pytest.raises(NotFittedError):
        model.predict(X)
    with pytest.raises(ValueError, match="No sample has a label"):
        model.fit(X, np.full(60, -1), sample_domain=np.full(60, -1))
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[60, 59\]"
    ):
        model.fit(X, y[:-1], sample_domain=sample_domain)
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[60, 59\]"
    ):
        model.fit(X, y, sample_domain=sample_domain[:-1])
    with pytest.raises(ValueError, match="sample_domain must hold numbers"):
        model.fit(X, y, sample_domain=np.full(60, "lab"))


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA])
@pytest.mark.parametrize("kind", [list, lambda y: pd.Series(y, dtype="string")])
def test_a_missing_name_is_no_class(missing, kind):
    X, y, sample_domain = make_rows(("no", "yes"), "?")
    y = kind([missing if label == "?" else label for label in y.tolist()])
    model = LabeledOnly(LogisticRegression(), missing_label=np.nan)
    model.fit(X, y, sample_domain=sample_domain)
    assert_array_equal(model.classes_, ["no", "yes"])


@pytest.mark.parametrize("dtype", ["datetime64[s]", "timedelta64[s]"])
def test_dates_are_refused(dtype):
    X, y, sample_domain = make_rows()
    model = LabeledOnly(LogisticRegression()).fit(X, y, sample_domain=sample_domain)
    X = X.astype(dtype)
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(TypeError, match=rf"X has dtype {dtype[:-3]}.*numbers"):
            getattr(model, method)(X)
    for method in ("fit", "score"):
        with pytest.raises(TypeError, match=rf"X has dtype {dtype[:-3]}.*numbers"):
            getattr(model, method)(X, y, sample_domain=sample_domain)


def test_sparse_rows_of_any_format_are_taken():
    X, y, sample_domain = make_rows()
    expected = LabeledOnly(LogisticRegression())
    expected.fit(X, y, sample_domain=sample_domain)
    model = LabeledOnly(LogisticRegression())
    model.fit(coo_matrix(X), y, sample_domain=sample_domain)
    assert_allclose(model.estimator_.coef_, expected.estimator_.coef_, rtol=1e-6)


def test_names_among_numbers_are_refused():
    X, y = np.eye(4), ["no", 1, "no", 1]
    model = LabeledOnly(LogisticRegression())
    with pytest.raises(ValueError, match="y mixes strings and other values"):
        model.fit(X, y)
    assert not hasattr(model, "estimator_")
