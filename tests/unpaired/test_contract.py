"""What holds for every unpaired aligner: scikit-learn's checks with target samples.

The common checks hand 1-D class labels to `fit`, with which an unpaired aligner is the
identity: tests/test_common.py makes them so. Here each runs once on a subclass that
makes 2-D target samples out of `X`, and classes where the aligner takes them.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)
from sklearn.utils.validation import _num_samples, check_array, has_fit_parameter

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    ICPAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
    WassersteinProcrustesAligner,
    unpaired,
)

LATENT = [
    ClassMeanAligner(),
    ICPAligner(),
    MomentAligner(),
    WassersteinProcrustesAligner(),
]
ONE_SPACE = [
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
each = pytest.mark.parametrize("aligner", [*LATENT, *ONE_SPACE], ids=repr)
pytestmark = [
    # The checks fit few rows of noise.
    pytest.mark.filterwarnings("ignore:.*may have failed"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def target_of(X):
    """Other rows than `X`, fewer and elsewhere; None if `X` is not valid."""
    try:
        X = check_array(X)
    except (TypeError, ValueError):
        return None
    return (1.5 * X[1:, :] + 1) if X.shape[0] > 2 else X + 1


def with_target(aligner):
    """The aligner, of a subclass whose `fit` makes its target samples itself."""
    Aligner = type(aligner)
    labelled = Aligner in (ClassMeanAligner, ICPAligner, MomentAligner)

    class WithTarget(Aligner):
        def fit(self, X, y=None):
            y, classes = target_of(X), {}
            if labelled and y is not None:
                sizes = {"labels": _num_samples(X), "target_labels": y.shape[0]}
                classes = {side: np.arange(size) % 2 for side, size in sizes.items()}
            return super().fit(X, y, **classes)

    WithTarget.__name__ = WithTarget.__qualname__ = f"{Aligner.__name__}WithTarget"
    WithTarget.__module__ = __name__
    globals()[WithTarget.__name__] = WithTarget  # one check pickles it
    return WithTarget(**aligner.get_params(deep=False))


WITH_TARGET = [
    with_target(aligner)
    for aligner in (
        ClassMeanAligner(),
        ICPAligner(init="means", max_iter=1),
        *(a for a in ONE_SPACE if repr(a) == f"{type(a).__name__}()"),
    )
]
SEARCHES = [
    with_target(MomentAligner(n_restarts=1)),
    with_target(WassersteinProcrustesAligner("moments", n_restarts=1, max_iter=1)),
]
no_target = pytest.mark.filterwarnings("ignore:y holds no target samples")


def test_every_unpaired_aligner_is_here():
    names = {type(aligner).__name__ for aligner in [*LATENT, *ONE_SPACE]}
    assert names == set(unpaired.__all__)
    assert len([*WITH_TARGET, *SEARCHES]) == len(names)


@no_target  # for `partial_fit`
@parametrize_with_checks(WITH_TARGET)
def test_scikit_learn_contract_with_target_samples(estimator, check):
    check(estimator)


@no_target
@pytest.mark.long  # a search takes a quarter of a second, however few the samples
@parametrize_with_checks(SEARCHES)
def test_scikit_learn_contract_of_searches_with_target_samples(estimator, check):
    check(estimator)


@no_target
@pytest.mark.parametrize("estimator", [*WITH_TARGET, *SEARCHES], ids=repr)
@pytest.mark.parametrize(
    "check",
    [
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_names_of_output_columns_with_target_samples(estimator, check):
    check(type(estimator).__name__, estimator)


@each
@pytest.mark.parametrize("method", ["transform", "transform_target"])
def test_samples_are_mapped_after_fit_only(aligner, method):
    with pytest.raises(NotFittedError):
        getattr(clone(aligner), method)(np.eye(3))


@each
@pytest.mark.parametrize("y", [None, [0, 1, 0], ["a", "b", "a"]], ids=str)
def test_without_target_samples_the_aligner_is_the_identity_and_warns(aligner, y):
    X = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])
    aligner = clone(aligner)
    with pytest.warns(UserWarning, match="no target samples.*DomainAdapter"):
        aligner.fit(X, y)
    assert_array_equal(aligner.transform(X), X)
    assert_array_equal(aligner.transform_target(X), X)
    if hasattr(aligner, "inverse_transform"):
        assert_array_equal(aligner.inverse_transform(X), X)


@pytest.mark.parametrize("aligner", ONE_SPACE, ids=repr)
def test_an_identity_that_is_fitted_again_is_none(aligner):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3)) + 5
    aligner = clone(aligner)
    with pytest.warns(UserWarning, match="no target samples"):
        aligner.fit(X)
    expected = clone(aligner).fit(X, y).transform(X)
    assert_allclose(aligner.fit(X, y).transform(X), expected)
    if hasattr(aligner, "partial_fit"):
        with pytest.warns(UserWarning, match="no target samples"):
            aligner.fit(X)
        assert_allclose(aligner.partial_fit(y=y).transform(X), expected)


@pytest.mark.parametrize("aligner", ONE_SPACE, ids=repr)
def test_unequal_widths_are_refused_by_name(aligner):
    with pytest.raises(ValueError, match="X has 3 columns, y has 2"):
        clone(aligner).fit(np.eye(3), np.ones((4, 2)))


@each
@pytest.mark.parametrize("side", ["X", "y"])
def test_invalid_samples_are_refused_on_either_side(aligner, side):
    good = np.random.default_rng(0).normal(size=(5, 2))
    for bad in (np.where(good == good[2, 1], np.nan, good), good[:1], good[:0]):
        sides = {"X": good, "y": good, side: bad}
        with pytest.raises(ValueError, match=r"NaN|minimum of [12]"):
            clone(aligner).fit(**sides)


def _fitted(aligner, clouds, rows=slice(None), target_rows=slice(None)):
    """Fit to some samples of the clouds, with their classes if it takes them."""
    classes = {}
    if has_fit_parameter(aligner, "labels") and aligner in LATENT:
        classes["labels"] = clouds.labels[rows]
        classes["target_labels"] = clouds.target_labels[target_rows]
    aligner = clone(aligner)
    if "random_state" in aligner.get_params():
        aligner.set_params(random_state=0)
    return aligner.fit(clouds.X[rows], clouds.y[target_rows], **classes)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_the_samples_is_kept_and_inputs_are_not_changed(
    make_clouds, aligner, dtype
):
    clouds = make_clouds(500 if aligner in LATENT else 30)
    X, y = clouds.X.astype(dtype), clouds.y.astype(dtype)
    X.flags.writeable = y.flags.writeable = False
    aligner = _fitted(aligner, clouds._replace(X=X, y=y))
    mapped = aligner.transform(X)
    assert mapped.dtype == aligner.transform_target(y).dtype == dtype
    if hasattr(aligner, "inverse_transform"):
        assert aligner.inverse_transform(mapped).dtype == dtype


@each
def test_the_order_of_samples_does_not_matter(make_clouds, aligner):
    n = 1000 if aligner in LATENT else 30
    clouds, rng = make_clouds(n), np.random.default_rng(0)
    orders = rng.permutation(n), rng.permutation(len(clouds.y))
    maps = [_fitted(aligner, clouds), _fitted(aligner, clouds, *orders)]
    # Climbs end where the objective hardly rises, not where it does not. Components of
    # near eigenvalues are turned by rounding, divided by the gap.
    atol = 2e-3 if aligner in LATENT else 1e-9
    assert_allclose(*(fitted.transform(clouds.X) for fitted in maps), atol=atol)
