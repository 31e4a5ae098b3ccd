"""The class of map that pairs support."""

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, RepeatedKFold
from sklearn.neighbors import KNeighborsRegressor

from skalign import KernelAligner, LinearAligner, RigidAligner, StreamingSearchCV
from skalign.datasets import make_paired_spaces
from skalign.metrics import mmd, retrieval_accuracy, sliced_wasserstein_distance
from skalign.model_selection import alignability
from skalign.model_selection._alignability import _fit_curve, _follow_curve

TWO = {"rigid": RigidAligner(), "linear": LinearAligner()}
# What follows from the whole training parts alone.
WHOLE = {"cv": 3, "learning_curves": False}


def _pairs(kind, n_samples=160, width=4):
    settings = {
        "rigid": {},
        "similarity": {"scale": 1.5},
        "low rank": {"rank": 2, "condition_number": 3.0},
        "linear": {"condition_number": 5.0},
        "nonlinear": {"condition_number": 3.0},
    }
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, width))
    if kind == "constant":
        return X, rng.normal(size=(n_samples, width))
    if kind == "translation":
        return X, X + 3 + 0.05 * rng.normal(size=X.shape)
    X, y = make_paired_spaces(
        n_samples, width, noise=0.05, random_state=0, return_X_y=True, **settings[kind]
    )
    return X, np.abs(y) if kind == "nonlinear" else y


@pytest.mark.long
@pytest.mark.parametrize(
    "kind",
    [
        "constant",
        "translation",
        "rigid",
        "similarity",
        "low rank",
        "linear",
        "nonlinear",
    ],
)
def test_the_class_the_pairs_were_made_by_is_named(kind):
    result = alignability(*_pairs(kind), **WHOLE)
    assert result.name == kind
    assert f"'{kind}'" in result.verdict


def test_without_noise_the_simplest_exact_class_is_named():
    spaces = make_paired_spaces(100, 5, random_state=0)
    result = alignability(spaces.data, spaces.target, **WHOLE)
    assert result.name == "rigid"
    assert result.errors[result.names.index("rigid")] < 1e-20


def test_the_constant_class_has_a_relative_error_of_one():
    result = alignability(*_pairs("linear"), aligners={"mean": DummyRegressor()})
    assert_allclose(result.errors, 1)
    assert_allclose(result.standard_errors, 0, atol=1e-12)


def test_errors_are_those_of_the_folds_by_hand():
    X, y = _pairs("linear")
    cv = KFold(4, shuffle=True, random_state=3)
    result = alignability(X, y, aligners=TWO, cv=cv)
    for i, aligner in enumerate(TWO.values()):
        ours = of_mean = 0
        for train, test in cv.split(X):
            mapped = aligner.fit(X[train], y[train]).transform(X[test])
            ours += np.sum((mapped - y[test]) ** 2)
            of_mean += np.sum((y[train].mean(axis=0) - y[test]) ** 2)
        assert_allclose(result.errors[i], ours / of_mean)
    assert_array_equal(result.learning_curves[:, -1], result.errors)
    assert_array_equal(result.train_sizes, [15, 30, 60, 120])


def test_the_named_class_is_the_first_within_one_standard_error():
    result = alignability(*_pairs("low rank"), **WHOLE)
    best = result.names.index(result.best)
    limit = result.errors[best] + result.standard_errors[best]
    assert best == result.errors.argmin()
    assert result.name == result.names[np.flatnonzero(result.errors <= limit)[0]]


@pytest.mark.long
def test_unrelated_spaces_are_rarely_taken_for_related():
    rng, maps = np.random.default_rng(0), {"constant": DummyRegressor(), **TWO}
    named = [
        alignability(
            *rng.normal(size=(2, 100, 3)), aligners=maps, learning_curves=False
        ).name
        for _ in range(40)
    ]
    # One in 40 is expected at a confidence of 0.95.
    assert named.count("constant") >= 37


@pytest.mark.long
def test_intervals_hold_the_error_as_often_as_they_say():
    # The error of the fitted maps is known from 5,000 fresh pairs.
    made = make_paired_spaces(10_000, 4, condition_number=3, noise=0.3, random_state=7)
    X_new, y_new = made.data[5000:], made.target[5000:]
    rng, covered = np.random.default_rng(0), 0
    for _ in range(50):
        rows = rng.choice(5000, 60, replace=False)
        X, y = made.data[rows], made.target[rows]
        cv = list(KFold(5).split(X))
        result = alignability(
            X,
            y,
            aligners={"linear": LinearAligner(alpha=0)},
            cv=cv,
            confidence_level=0.8,
            learning_curves=False,
        )
        ours = of_mean = 0
        for train, _ in cv:
            mapped = LinearAligner(alpha=0).fit(X[train], y[train]).transform(X_new)
            ours += np.sum((mapped - y_new) ** 2)
            of_mean += np.sum((y[train].mean(axis=0) - y_new) ** 2)
        low, high = result.intervals[0]
        covered += low <= ours / of_mean <= high
    # 40 of 50 are expected, give or take three standard deviations of a binomial.
    assert 32 <= covered <= 48


def test_a_higher_confidence_widens_the_intervals():
    X, y = _pairs("linear")
    settings = {"aligners": TWO, "learning_curves": False}
    narrow = alignability(X, y, confidence_level=0.5, **settings).intervals
    wide = alignability(X, y, confidence_level=0.99, **settings).intervals
    assert np.all(np.ptp(wide, axis=1) > 3 * np.ptp(narrow, axis=1))


def test_a_power_law_is_recovered_and_followed():
    sizes = np.array([50, 100, 200, 400])
    errors = 0.1 + 8.0 / sizes
    limit, slope, exponent = _fit_curve(sizes, errors)
    assert_allclose([limit, slope, exponent], [0.1, 8.0, 1.0], rtol=1e-6)
    doubled, enough = _follow_curve(sizes, errors, standard_error=0.01)
    assert_allclose(doubled, 0.11)
    assert_allclose(enough, 800, atol=1)
    assert _follow_curve(sizes, errors, standard_error=1e-6)[1] == np.inf


@pytest.mark.parametrize("size", [1e-13, 1.0, 1e13])
def test_curves_of_any_size_are_followed(size):
    sizes = np.array([12, 24, 48, 96])
    expected = 0.5 * size, 3 * size, 0.75
    limit, slope, exponent = _fit_curve(sizes, expected[0] + expected[1] * sizes**-0.75)
    assert_allclose([limit, slope, exponent], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "errors", [[0, 0, 0, 0], [1, 0, 0, 0], [1e-1, 0, 1e-14, 1e-27], [1e9, 1e-30, 1, 0]]
)
def test_a_curve_below_rounding_is_followed(errors):
    limit, slope, _ = _fit_curve(np.array([12, 24, 48, 96]), np.array(errors, float))
    assert 0 <= limit < np.inf
    assert 0 <= slope < np.inf


def test_a_rising_curve_promises_nothing():
    sizes = np.array([50, 100, 200, 400])
    doubled, enough = _follow_curve(sizes, np.array([0.2, 0.2, 0.3, 0.3]), 0.01)
    assert doubled <= 0.3
    assert enough <= 50


def test_the_forecast_for_twice_the_pairs_comes_true():
    X, y = make_paired_spaces(
        400, 20, condition_number=5, noise=0.3, random_state=0, return_X_y=True
    )
    linear = {"linear": LinearAligner()}
    half = alignability(X[:200], y[:200], aligners=linear)
    full = alignability(X, y, aligners=linear)
    assert half.errors[0] - full.errors[0] > full.standard_errors[0]
    assert abs(half.doubled_errors[0] - full.errors[0]) < 2 * full.standard_errors[0]


def test_widths_may_differ_and_then_no_translation_is_tried():
    X, y = make_paired_spaces(
        120, 6, 4, condition_number=4, noise=0.1, random_state=0, return_X_y=True
    )
    result = alignability(X, y, **WHOLE)
    assert "translation" not in result.names
    assert result.name == "linear"


def test_a_target_of_one_column_has_no_low_rank():
    X, y = _pairs("linear")
    result = alignability(X, y[:, :1], **WHOLE)
    assert "low rank" not in result.names
    assert_allclose(result.errors[0], 1, atol=0.05)  # the constant
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 5)), rng.normal(size=(200, 1))
    assert alignability(X, y, **WHOLE).name == "constant"
    flat = {"neighbours": KNeighborsRegressor(), "linear": LinearAligner()}
    assert alignability(X, X[:, :1], aligners=flat).errors.max() < 1


@pytest.mark.services
def test_the_answer_follows_the_random_state_and_nothing_else():
    X, y = _pairs("nonlinear", 60, width=3)
    before = X.copy(), y.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = alignability(X, y)
    with parallel_config("threading"):
        second = alignability(X, y, n_jobs=2)
    assert_allclose(first.learning_curves, second.learning_curves)
    assert first.verdict == second.verdict
    other = alignability(X, y, random_state=1)
    assert not np.allclose(first.errors[1:], other.errors[1:], rtol=1e-6)
    assert_array_equal(X, before[0])
    assert_array_equal(y, before[1])
    assert_array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


def test_progress_is_told_every_training_part_and_changes_nothing():
    X, y = _pairs("linear", 60)
    done = []

    def follow(due):
        for part in due:
            yield part
            done.append(part)

    result = alignability(X, y, aligners=TWO, cv=2, progress=follow)
    assert len(done) == 2 * len(result.train_sizes)
    assert result.verdict == alignability(X, y, aligners=TWO, cv=2).verdict


def test_no_more_than_max_samples_are_used():
    X, y = _pairs("linear", 300)
    result = alignability(X, y, aligners=TWO, cv=2, max_samples=100)
    assert result.n_samples == 100
    assert result.train_sizes[-1] == 50


@pytest.mark.parametrize("n_samples", [160, 24])
def test_learning_curves_are_those_of_refits(n_samples):
    X, y = _pairs("linear", n_samples)
    half = n_samples // 2
    # The first quarter is tested twice; the order of the training pairs is drawn.
    tests = [np.arange(half), np.arange(half, n_samples), np.arange(half // 2)]
    cv = [(np.setdiff1d(np.arange(n_samples), test), test) for test in tests]
    result = alignability(X, y, aligners=TWO, cv=cv, random_state=0)
    rng, ours, of_mean = np.random.RandomState(0), np.zeros((2, 4)), 0
    for train, test in cv:
        train = rng.permutation(train)
        weight = np.where(test < half // 2, 0.5, 1.0)
        largest = train[: result.train_sizes[-1]]
        of_mean += weight @ np.sum((y[test] - y[largest].mean(axis=0)) ** 2, axis=1)
        for i, aligner in enumerate(TWO.values()):
            for j, size in enumerate(result.train_sizes):
                rows = train[:size]
                mapped = aligner.fit(X[rows], y[rows]).transform(X[test])
                ours[i, j] += weight @ np.sum((mapped - y[test]) ** 2, axis=1)
    assert_allclose(
        result.learning_curves, (ours / of_mean)[:, : len(result.train_sizes)]
    )


def test_aligners_that_share_what_they_compute_are_those_fitted_alone():
    X, y = _pairs("nonlinear", 60, width=6)
    ranks = {"rank": [1, 3]}
    aligners = {
        "rigid": RigidAligner(),
        "similarity": RigidAligner(scaling=True),
        "low rank": StreamingSearchCV(LinearAligner(), ranks, cv=2),
        "linear": LinearAligner(),
        "origin": LinearAligner(fit_intercept=False),
        "nonlinear": KernelAligner(gamma=0.05),
    }
    settings = {"cv": 2, "learning_curves": False}
    together = alignability(X, y, aligners=aligners, **settings)
    for i, (name, aligner) in enumerate(aligners.items()):
        alone = alignability(X, y, aligners={name: aligner}, **settings)
        assert_allclose(together.errors[i], alone.errors[0])
        for metric, values in together.scores.items():
            assert_allclose(values[i], alone.scores[metric][0], rtol=1e-6)


def test_rows_tested_twice_count_once():
    X, y = _pairs("linear", 60)
    cv = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    result = alignability(X, y, aligners=TWO, cv=cv, learning_curves=False)
    once = alignability(X, y, aligners=TWO, **WHOLE)
    assert_allclose(result.standard_errors, once.standard_errors, rtol=0.3)


def test_float32_pairs_are_taken():
    X, y = _pairs("rigid")
    X, y = X.astype(np.float32), y.astype(np.float32)
    result = alignability(X, y, aligners=TWO, cv=2)
    assert result.name == "rigid"
    assert result.errors.dtype == np.float64


def test_few_pairs_in_many_columns_are_enough_to_answer():
    X, y = make_paired_spaces(
        24, 40, condition_number=2, noise=0.1, random_state=0, return_X_y=True
    )
    result = alignability(X, y, cv=3)
    assert np.all(np.isfinite(result.learning_curves))


def test_aligners_given_are_not_fitted():
    aligner = LinearAligner()
    result = alignability(*_pairs("linear"), aligners={"mine": aligner}, cv=2)
    assert result.name == result.best == "mine"
    assert result.aligners["mine"] is aligner
    assert not hasattr(aligner, "coef_")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (X[:19], y[:19]), "At least 20 pairs .* got 19"),
        (lambda X, y: (X, np.ones_like(y)), "All samples of y are equal"),
        (lambda X, y: (np.where(X > 1, np.nan, X), y), "X contains NaN"),
        (lambda X, y: (X, np.where(y > 1, np.inf, y)), "y contains infinity"),
        (lambda X, y: (X[:0], y[:0]), "0 sample"),
    ],
)
def test_input_that_cannot_be_used_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        alignability(*change(*_pairs("rigid")))


@pytest.mark.parametrize(
    "parameter",
    [
        *({"confidence_level": 1.0}, {"max_samples": 10}, {"aligners": []}),
        *({"cv": "five"}, {"aligners": 3}, {"progress": 5}),
    ],
)
def test_parameters_out_of_range_are_refused(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        alignability(*_pairs("rigid"), **parameter)


@pytest.mark.parametrize(("scale", "way"), [(1e-75, "underflow"), (1e77, "overflow")])
@pytest.mark.parametrize("side", [0, 1])
def test_columns_whose_fourth_powers_leave_the_dtype_are_named(scale, way, side):
    pairs = list(_pairs("rigid"))
    pairs[side] = pairs[side] * scale
    with pytest.raises(ValueError, match=f"{way} float64: column 0 of {'Xy'[side]}"):
        alignability(*pairs)


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_scores_are_the_same_in_any_unit(scale):
    X, y = _pairs("linear", 60)
    maps = {"similarity": RigidAligner(scaling=True), "linear": LinearAligner()}
    settings = {"aligners": maps, "cv": 2, "learning_curves": False}
    expected = alignability(X, y, **settings).scores
    scores = alignability(X, y * scale, **settings).scores
    for name, values in scores.items():
        unit = scale if name == "sliced_wasserstein" else 1
        assert_allclose(values / unit, expected[name], rtol=1e-9, err_msg=name)


def test_scores_are_those_of_the_metrics_on_test_pairs():
    X, y = _pairs("linear", 60)
    labels, cv = np.arange(60) % 2, KFold(2, shuffle=True, random_state=1)
    result = alignability(X, y, labels=labels, aligners=TWO, cv=cv)
    for k, (train, test) in enumerate(cv.split(X)):
        mapped = RigidAligner().fit(X[train], y[train]).transform(X[test])
        centre = y[train].mean(axis=0)
        head = LogisticRegression(max_iter=1000).fit(y[train], labels[train])
        expected = {
            "relative_error": np.sum((mapped - y[test]) ** 2)
            / np.sum((centre - y[test]) ** 2),
            "r2": r2_score(y[test], mapped),
            "hits@1": retrieval_accuracy(mapped - centre, y[test] - centre),
            "mmd": mmd(mapped, y[test], gamma="target", unbiased=False),
            "sliced_wasserstein": sliced_wasserstein_distance(
                mapped, y[test], random_state=0
            ),
            "accuracy": head.score(mapped, labels[test]),
        }
        assert result.scores.keys() == expected.keys()
        for metric, value in expected.items():
            assert_allclose(result.scores[metric][0, k], value, rtol=1e-9)
        assert_allclose(result.head_accuracy[k], head.score(y[test], labels[test]))


class _Far(DummyRegressor):
    """A map so far from the target that squares lose digits in single precision."""

    def predict(self, X):
        return 1e4 * X


def test_distances_of_short_targets_are_those_in_double_precision():
    X, y = _pairs("linear", 60)
    y = y.astype(np.float16).astype(float)
    cv = KFold(2, shuffle=True, random_state=1)
    result = alignability(X, y, aligners={**TWO, "far": _Far()}, cv=cv)
    for k, (train, test) in enumerate(cv.split(X)):
        rigid = RigidAligner().fit(X[train], y[train]).transform(X[test])
        for i, mapped in ((0, rigid), (2, 1e4 * X[test])):
            expected = mmd(mapped, y[test], gamma="target", unbiased=False)
            assert_allclose(result.scores["mmd"][i, k], expected, atol=1e-6)
            expected = sliced_wasserstein_distance(mapped, y[test], random_state=0)
            found = result.scores["sliced_wasserstein"][i, k]
            assert_allclose(found, expected, rtol=1e-5)


def test_without_learning_curves_nothing_is_forecast():
    pairs = _pairs("linear", 60)
    result = alignability(*pairs, aligners=TWO, cv=2, learning_curves=False)
    whole = alignability(*pairs, aligners=TWO, cv=2)
    assert_array_equal(result.train_sizes, [30])
    assert_allclose(result.errors, whole.errors)
    assert result.doubled_errors is result.enough_pairs is None
    assert whole.verdict.startswith(result.verdict)
