"""The common checks of scikit-learn with target rows.

They hand 1-D class labels to `fit`, with which an unpaired aligner is the identity:
tests/test_common.py makes them so. Here each runs on a subclass that makes 2-D target
rows out of `X`.
"""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import (
    check_param_validation,
    check_transformer_get_feature_names_out,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_array

from skalign import (
    CORALAligner,
    GaussianOTAligner,
    MeanVarianceAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)


def target_of(X):
    """Other rows than `X`, fewer, elsewhere and wider; None if `X` is not valid."""
    try:
        X = check_array(X, dtype=(np.float64, np.float32))
    except (TypeError, ValueError):
        return None
    return (1.5 * X[1:] + 1) if len(X) > 2 else X + 1


class RealTarget:
    def fit(self, X, y=None):
        return super().fit(X, target_of(X))


class CORAL(RealTarget, CORALAligner):
    pass


class GaussianOT(RealTarget, GaussianOTAligner):
    pass


class MeanVariance(RealTarget, MeanVarianceAligner):
    pass


class OptimalTransport(RealTarget, OptimalTransportAligner):
    pass


class Subspace(RealTarget, SubspaceAligner):
    pass


class TransferComponent(RealTarget, TransferComponentAligner):
    pass


ALIGNERS = [
    CORALAligner(),
    CORALAligner(reg=0, solver="svd"),
    GaussianOTAligner(),
    GaussianOTAligner(solver="svd"),
    MeanVarianceAligner(),
    OptimalTransportAligner(),
    OptimalTransportAligner(reg=0),
    SubspaceAligner(),
    TransferComponentAligner(),
    TransferComponentAligner(kernel="rbf"),
]
REAL = [
    subclass(**aligner.get_params())
    for subclass in RealTarget.__subclasses__()
    for aligner in ALIGNERS
    if isinstance(aligner, subclass.__bases__)
]

no_target = pytest.mark.filterwarnings("ignore:y holds no target rows")


@no_target  # for `partial_fit`
@parametrize_with_checks(REAL)
def test_scikit_learn_contract_with_target_rows(estimator, check):
    check(estimator)


@no_target
@pytest.mark.parametrize("estimator", REAL, ids=repr)
@pytest.mark.parametrize(
    "check", [check_param_validation, check_transformer_get_feature_names_out]
)
def test_more_of_the_scikit_learn_contract(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
@pytest.mark.parametrize("y", [None, [0, 1, 0], ["a", "b", "a"]], ids=str)
def test_without_target_rows_the_aligner_is_the_identity_and_warns(aligner, y):
    X = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])
    with pytest.warns(UserWarning, match="no target rows.*DomainAdapter"):
        aligner.fit(X, y)
    np.testing.assert_array_equal(aligner.transform(X), X)
    np.testing.assert_array_equal(aligner.transform_target(X), X)


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_unequal_widths_are_refused_by_name(aligner):
    with pytest.raises(ValueError, match="X has 3 columns, y has 2"):
        aligner.fit(np.eye(3), np.ones((4, 2)))


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
def test_the_type_of_the_rows_is_kept_and_inputs_are_not_changed(aligner, dtype):
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(n, 4)).astype(dtype) for n in (30, 20))
    X.flags.writeable = y.flags.writeable = False
    assert aligner.fit(X, y).transform(X).dtype == dtype
    assert aligner.transform_target(y).dtype == dtype


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_the_order_of_rows_does_not_matter(aligner):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), rng.normal(size=(20, 4)) @ rng.normal(size=(4, 4))
    sorted_, shuffled = rng.permutation(30), rng.permutation(20)
    mapped = aligner.fit(X, y).transform(X)
    again = aligner.fit(X[sorted_], y[shuffled]).transform(X)
    np.testing.assert_allclose(again, mapped, atol=1e-10)
