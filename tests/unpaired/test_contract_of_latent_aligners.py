"""The common checks of scikit-learn with target rows, by classes or not.

They hand 1-D class labels to `fit`, with which an unpaired aligner is the identity:
tests/test_common.py makes them so. Here each runs on a subclass that makes 2-D target
rows out of `X`.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_param_validation,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)
from sklearn.utils.validation import _num_samples, check_array

from skalign.unpaired import (
    ClassMeanAligner,
    ICPAligner,
    MomentAligner,
    WassersteinProcrustesAligner,
)


def target_of(X):
    """Other rows than `X`, fewer and elsewhere; None if `X` is not valid."""
    try:
        X = check_array(X, dtype=(np.float64, np.float32))
    except (TypeError, ValueError):
        return None
    return (1.5 * X[1:] + 1) if len(X) > 2 else X + 1


class RealTarget:
    def fit(self, X, y=None):
        return super().fit(X, target_of(X))


class LabelledTarget:
    def fit(self, X, y=None):
        y = target_of(X)
        classes = {}
        if y is not None:
            sizes = {"labels": _num_samples(X), "target_labels": len(y)}
            classes = {side: np.arange(size) % 2 for side, size in sizes.items()}
        return super().fit(X, y, **classes)


class Moment(RealTarget, MomentAligner):
    pass


class ICP(RealTarget, ICPAligner):
    pass


class WassersteinProcrustes(RealTarget, WassersteinProcrustesAligner):
    pass


class ClassMean(LabelledTarget, ClassMeanAligner):
    pass


class ClassMoment(LabelledTarget, MomentAligner):
    pass


class ClassICP(LabelledTarget, ICPAligner):
    pass


ALIGNERS = [
    ClassMeanAligner(),
    ICPAligner(),
    MomentAligner(),
    WassersteinProcrustesAligner(),
]
ONE_START = MomentAligner(n_restarts=1, random_state=0)
REAL = [
    Moment(n_restarts=1),
    ICP(init=ONE_START, max_iter=3),
    WassersteinProcrustes(n_restarts=1),
    ClassMean(),
    ClassMoment(n_restarts=1),
    ClassICP(init=ONE_START, max_iter=3),
]
no_target = pytest.mark.filterwarnings("ignore:y holds no target rows")
pytestmark = [
    # The checks fit few rows of noise.
    pytest.mark.filterwarnings("ignore:.*may have failed"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


@no_target  # for `partial_fit`
@parametrize_with_checks(REAL)
def test_scikit_learn_contract_with_target_rows(estimator, check):
    check(estimator)


@no_target
@pytest.mark.parametrize("estimator", REAL, ids=repr)
@pytest.mark.parametrize(
    "check",
    [
        check_param_validation,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_more_of_the_scikit_learn_contract(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
@pytest.mark.parametrize("method", ["transform", "transform_target"])
def test_rows_are_carried_after_fit_only(aligner, method):
    with pytest.raises(NotFittedError):
        getattr(clone(aligner), method)(np.eye(3))


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
@pytest.mark.parametrize("y", [None, [0, 1, 0], ["a", "b", "a"]], ids=str)
def test_without_target_rows_the_aligner_is_the_identity_and_warns(aligner, y):
    X = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])
    with pytest.warns(UserWarning, match="no target rows.*DomainAdapter"):
        aligner.fit(X, y)
    assert_array_equal(aligner.transform(X), X)
    assert_array_equal(aligner.transform_target(X), X)
    assert_array_equal(aligner.inverse_transform(X), X)
    assert aligner.determined_rank_ == 2
    assert getattr(aligner, "matching_cost_", 0.0) == 0.0


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
@pytest.mark.parametrize("side", ["X", "y"])
def test_invalid_rows_are_refused_on_either_side(aligner, side):
    good = np.random.default_rng(0).normal(size=(5, 2))
    for bad in (np.where(good == good[2, 1], np.nan, good), good[:1], good[:0]):
        sides = {"X": good, "y": good, side: bad}
        with pytest.raises(ValueError, match=r"NaN|minimum of [12]"):
            aligner.fit(**sides)


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_the_rows_is_kept_and_inputs_are_not_changed(
    make_clouds, aligner, dtype
):
    clouds = make_clouds(500)
    X, y = clouds.X.astype(dtype), clouds.y.astype(dtype)
    X.flags.writeable = y.flags.writeable = False
    labelled = not isinstance(aligner, WassersteinProcrustesAligner)
    classes = clouds.classes if labelled else {}
    assert aligner.fit(X, y, **classes).transform(X).dtype == dtype
    assert aligner.inverse_transform(y).dtype == dtype
    assert aligner.transform_target(y).dtype == dtype


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_the_order_of_rows_does_not_matter(make_clouds, aligner):
    clouds = make_clouds(1000)
    rng = np.random.default_rng(0)
    orders = rng.permutation(1000), rng.permutation(1100)
    labelled = not isinstance(aligner, WassersteinProcrustesAligner)
    maps = []
    for source, target in ((slice(None), slice(None)), orders):
        classes = {
            "labels": clouds.labels[source],
            "target_labels": clouds.target_labels[target],
        }
        aligner.set_params(**_seeded(aligner)).fit(
            clouds.X[source], clouds.y[target], **(classes if labelled else {})
        )
        maps.append(aligner.transform(clouds.X))
    # Climbs end where the objective hardly rises, not where it does not.
    np.testing.assert_allclose(maps[1], maps[0], atol=2e-3)


def _seeded(aligner):
    return {"random_state": 0} if "random_state" in aligner.get_params() else {}
