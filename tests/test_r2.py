"""R2 is right in any unit, or refused where no float holds it."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from skalign import (
    AnchoredAligner,
    AnchorSearchCV,
    GeneralizedProcrustes,
    KernelAligner,
    LinearAligner,
    RigidAligner,
)
from skalign._r2 import r2
from skalign.anchors import RandomAnchors
from skalign.metrics import SourceScorer, WorstDomainScorer

ALIGNERS = {
    "linear": LinearAligner(),
    "kernel": KernelAligner(),
    "rigid": RigidAligner(),
    "anchored": AnchoredAligner(RigidAligner(), RandomAnchors(0.5, random_state=0)),
    "search": AnchorSearchCV(RigidAligner(), [RandomAnchors(random_state=0)], [0.5]),
}


@pytest.fixture
def spaces():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 3))
    return X, X[:, [1, 0, 2]] + 0.1 * rng.normal(size=(24, 3))


def by_fractions(y, predicted, weight):
    """R2 of one target in exact arithmetic."""
    y, predicted, weight = ([*map(Fraction, rows)] for rows in (y, predicted, weight))
    pairs = [*zip(weight, y, predicted, strict=True)]
    mean = sum(w * a for w, a, _ in pairs) / sum(weight)
    error = sum(w * (a - b) ** 2 for w, a, b in pairs)
    return float(1 - error / sum(w * (a - mean) ** 2 for w, a, _ in pairs))


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_the_score_is_that_of_exact_arithmetic(spaces, unit):
    X, y = spaces
    y, predicted = unit * y, unit * X
    weight = np.arange(24) % 3 * 1e307
    columns = zip(y.T, predicted.T, strict=True)
    expected = [by_fractions(*pair, weight) for pair in columns]
    assert_allclose(r2(y, predicted, sample_weight=weight), np.mean(expected))
    assert_allclose(r2(y[:, 0], predicted[:, :1], sample_weight=weight), expected[0])


def test_targets_may_have_units_of_their_own(spaces):
    X, y = spaces
    units = [1e-200, 1.0, 1e200]
    assert_allclose(r2(y * units, X * units), r2_score(y, X))
    # Weighted by variance, the target of large values alone counts.
    scores = r2(y * units, X * units, multioutput="variance_weighted")
    assert_allclose(scores, r2_score(y[:, 2], X[:, 2]))


@pytest.mark.parametrize("multioutput", ["uniform_average", "variance_weighted"])
def test_in_usual_units_it_is_the_score_of_scikit_learn(spaces, multioutput):
    for X, y in (spaces, [np.float32(rows) for rows in spaces]):
        expected = r2_score(y, X, multioutput=multioutput)
        assert_allclose(r2(y, X, multioutput=multioutput), expected)
    assert r2(np.full(3, 7), np.full(3, 7)) == 1.0
    assert r2([0, 0], [1e200, 0]) == 0.0


@pytest.mark.parametrize("large", [1e200, 1e308])
def test_a_score_that_no_float_holds_is_refused(large):
    y, predicted = np.full((3, 2), [[1e300, 1.0]]), np.full((3, 2), [[2e300, 1.0]])
    y[0], predicted[0, 1] = 0, large
    told = rf"R2 overflows float64: in column 1 .* 1e\+{np.log10(large):.0f}, .* as 1\."
    with pytest.raises(ValueError, match=told):
        r2(y, predicted)
    with pytest.raises(ValueError, match="R2 overflows float64: in column 0"):
        r2(1e-200 * predicted[:, 1] / large, predicted[:, 1])


def test_shapes_agree(spaces):
    X, y = spaces
    with pytest.raises(ValueError, match=r"y has shape \(24, 2\), but .* \(24, 3\)"):
        r2(y[:, :2], X)


@pytest.mark.parametrize("name", ALIGNERS)
def test_aligners_score_samples_of_any_unit_or_refuse(spaces, name):
    X, y = spaces
    aligner = ALIGNERS[name].fit(X, y)
    far, large = X.copy(), y.copy()
    far[1, 1] = large[1, 1] = 1e308
    with pytest.raises(ValueError, match="R2 overflows float64"):
        aligner.score(far, y)
    weight = np.ones(24)
    columns = zip(large.T, aligner.predict(X).T, strict=True)
    expected = [by_fractions(*pair, weight) for pair in columns]
    assert_allclose(aligner.score(X, large), np.mean(expected))


def test_many_spaces_are_scored_in_any_unit(spaces):
    model = GeneralizedProcrustes([3, 3]).fit(np.hstack(spaces))
    score = model.score(1e100 * np.hstack(spaces))  # squares of 1e200 are finite
    assert 0.9 < score < 1
    assert_allclose(model.score(1e200 * np.hstack(spaces)), score)
    with pytest.raises(ValueError, match="R2 overflows float64"):
        model.score(np.hstack([spaces[0], 1e200 * spaces[1]]))


def test_scorers_of_a_regressor_take_targets_of_any_unit(spaces):
    X, y = spaces
    domain = np.arange(24) % 2
    expected, model = LinearRegression().fit(X, y), LinearRegression().fit(X, y)
    model.coef_, model.intercept_ = 1e200 * model.coef_, 1e200 * model.intercept_
    assert_allclose(SourceScorer()(model, X, 1e200 * y), expected.score(X, y))
    scores = [expected.score(X[domain == k], y[domain == k]) for k in range(2)]
    score = WorstDomainScorer()(model, X, 1e200 * y, sample_domain=domain)
    assert_allclose(score, min(scores))
