import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, KFold

from skalign import (
    CanonicalAligner,
    CORALAligner,
    KernelAligner,
    LinearAligner,
    RigidAligner,
)
from skalign.federated import client_sums, fit_from_sums
from skalign.paired._prior import cross_fit


@pytest.fixture(name="pairs")
def make_pairs():
    """Two instruments: nearly the identity, moved."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    y = X @ (np.eye(5) + 0.1 * rng.normal(size=(5, 5))) + 3
    return X, y + 0.1 * rng.normal(size=y.shape)


@pytest.fixture(name="last_year")
def make_last_year(pairs):
    X, y = pairs
    return LinearAligner(alpha=1.0).fit(X[40:] + 1, y[40:] - 2)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", ["moments", "svd"])
@pytest.mark.parametrize("alpha", ["gcv", "loo", 3.0])
def test_it_is_ridge_on_what_the_prior_leaves(
    pairs, last_year, alpha, solver, fit_intercept
):
    X, y = pairs
    given = {"alpha": alpha, "solver": solver, "fit_intercept": fit_intercept}
    for prior, at in (("identity", X), (last_year, last_year.transform(X))):
        aligner = LinearAligner(prior=prior, **given).fit(X, y)
        correction = LinearAligner(**given).fit(X, y - at)
        assert aligner.alpha_ == pytest.approx(correction.alpha_)
        assert_allclose(aligner.transform(X), at + correction.transform(X))
        assert_allclose(aligner.predict_std(X), correction.predict_std(X), rtol=1e-6)
        assert_allclose(aligner.inverse_transform(aligner.transform(X)), X)
        assert aligner.solver_ == solver


def test_fewer_samples_than_features(pairs, last_year):
    X, y = (side[:4] for side in pairs)
    aligner = LinearAligner(prior="identity").fit(X, y)
    assert aligner.solver_ == "svd"
    assert_allclose(
        aligner.transform(X), X + LinearAligner().fit(X, y - X).transform(X)
    )


def test_a_strong_penalty_gives_the_prior_at_the_mean_of_the_target(pairs, last_year):
    X, y = pairs
    aligner = LinearAligner(1e12, prior=last_year).fit(X, y)
    assert_allclose(aligner.coef_, last_year.coef_, atol=1e-8)
    assert_allclose(aligner.y_mean_, y.mean(axis=0))
    fixed = LinearAligner(1e12, prior=last_year, fit_intercept=False).fit(X, y)
    assert_allclose(fixed.transform(X), last_year.transform(X), atol=1e-8)


def test_the_prior_helps_with_few_pairs(pairs):
    X, y = pairs
    errors = [
        np.mean((LinearAligner(prior=p).fit(X[:6], y[:6]).transform(X) - y)[6:] ** 2)
        for p in (None, "identity")
    ]
    assert errors[1] < 0.8 * errors[0]


def test_batches_merged_parts_and_sums_of_clients_agree_with_fit(pairs, last_year):
    X, y = pairs
    for prior in ("identity", last_year):
        expected = LinearAligner(prior=prior).fit(X, y).coef_
        parts = [LinearAligner(prior=prior) for _ in range(2)]
        for part, rows in zip(parts, (slice(25), slice(25, None)), strict=True):
            part.partial_fit(X[rows], y[rows])
        assert_allclose(parts[0].merge(parts[1]).coef_, expected)
        batches = LinearAligner(prior=prior)
        for rows in (slice(25), slice(25, None)):
            batches.partial_fit(X[rows], y[rows])
        assert_allclose(batches.coef_, expected)
        sums = [client_sums(batches, X[r], y[r]) for r in (slice(30), slice(30, 60))]
        fitted = fit_from_sums(LinearAligner(prior=prior), sums)
        assert_allclose(fitted.coef_, expected)


def test_rank_is_that_of_the_correction(pairs):
    X, y = pairs
    aligner = LinearAligner(prior="identity", rank=2).fit(X, y)
    assert np.linalg.matrix_rank(aligner.coef_ - np.eye(5), tol=1e-8) == 2


def test_an_unfitted_prior_is_fitted_and_its_residuals_are_cross_fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 8))
    y = 2 * X @ ortho_group.rvs(8, random_state=0) + rng.normal(size=(20, 8))
    similarity = RigidAligner(scaling=True)
    aligner = LinearAligner(prior=similarity).fit(X, y)
    fitted, held_out = cross_fit(similarity, X, y, None)
    assert_array_equal(aligner.prior_.coef_, similarity.fit(X, y).coef_)
    assert aligner.alpha_ == LinearAligner().fit(X, held_out).alpha_
    expected = LinearAligner(aligner.alpha_, prior=fitted).fit(X, y)
    assert_allclose(aligner.coef_, expected.coef_)


def test_held_out_residuals_are_of_maps_of_other_sources():
    rng = np.random.default_rng(0)
    X, y = np.repeat(rng.normal(size=(2, 12, 2)), 2, axis=1)
    _, residual = cross_fit(LinearAligner(alpha=0.1), X, y, None)
    assert_allclose(residual[::2], residual[1::2])
    weight = np.repeat([1.0, 0.0], 12)
    _, weighted = cross_fit(LinearAligner(alpha=0.1), X, y, weight)
    assert np.abs(weighted - residual).max() > 0.1


def test_an_unpaired_aligner_can_be_the_prior(pairs):
    X, y = pairs
    aligner = LinearAligner(prior=CORALAligner()).fit(X, y)
    assert_allclose(aligner.prior_.coef_, CORALAligner().fit(X, y).coef_)


def test_an_unfitted_prior_refuses_what_it_cannot_do(pairs):
    aligner = LinearAligner(prior=RigidAligner())
    with pytest.raises(AttributeError) as caught:
        aligner.partial_fit(*pairs)
    assert "needs all samples at once" in str(caught.value.__cause__)
    with pytest.raises(AttributeError) as caught:
        aligner.fit(*pairs).predict_std(pairs[0])
    assert "does not know the uncertainty" in str(caught.value.__cause__)


def test_a_clone_keeps_a_fitted_prior(last_year):
    assert clone(LinearAligner(prior=last_year)).prior is last_year
    assert not hasattr(clone(LinearAligner(prior=LinearAligner())).prior, "coef_")
    frozen = clone(LinearAligner(prior=FrozenEstimator(last_year)))
    assert frozen.prior.coef_ is last_year.coef_


def test_the_prior_and_its_strength_can_be_searched(pairs, last_year):
    X, y = pairs
    grid = {"prior": [None, "identity", last_year], "alpha": ["loo", 1.0]}
    search = GridSearchCV(LinearAligner(), grid, cv=KFold(5)).fit(X[:10], y[:10])
    assert search.best_params_["prior"] in ("identity", last_year)


def test_priors_that_do_not_fit_are_refused(pairs, last_year):
    X, y = pairs
    with pytest.raises(ValueError, match="'identity' needs equal widths: X has 5 c"):
        LinearAligner(prior="identity").fit(X, y[:, :2])
    with pytest.raises(ValueError, match="prior maps 5 columns to 5, but X has 4"):
        LinearAligner(prior=last_year).fit(X[:, :4], y)
    for prior in (CanonicalAligner(), KernelAligner()):
        with pytest.raises(ValueError, match="prior must be an affine map"):
            LinearAligner(prior=prior).fit(X, y)


def test_names_of_columns_are_those_of_the_prior(pairs):
    pd = pytest.importorskip("pandas")
    X, y = pairs
    named = pd.DataFrame(X, columns=list("abcde"))
    prior = LinearAligner().fit(named, y)
    assert_allclose(LinearAligner(prior=prior).fit(named, y).coef_, prior.coef_, 1e-2)
    with pytest.raises(ValueError, match="other names of the columns of X"):
        LinearAligner(prior=prior).fit(named[list("edcba")], y)
