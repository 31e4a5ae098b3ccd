"""Sums of many clients give the map of the pooled rows; noise hides a row."""

import io
import re
import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm, ortho_group

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    ICPAligner,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    RigidAligner,
)
from skalign.federated import client_sums, fit_from_sums, gaussian_noise_scale

PAIRED = [
    LinearAligner(),
    LinearAligner(alpha=0.1, fit_intercept=False),
    LinearAligner(rank=2),
    RigidAligner(),
    RigidAligner(scaling=True),
]
UNPAIRED = [CORALAligner(), GaussianOTAligner(), MeanVarianceAligner()]
SIZES = (3, 50, 400)  # clients of unequal size, one smaller than the width


def _rows(n_samples=453, n_features=6, n_targets=4, mean=5.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) @ rng.normal(size=(n_features,) * 2)
    X += mean
    y = X @ rng.normal(size=(n_features, n_targets)) + rng.normal(
        size=(n_samples, n_targets)
    )
    return X, y


def _clients(rows, sizes=SIZES):
    # In order of the first column, so that the clients differ.
    return np.split(rows[np.argsort(rows[:, 0])], np.cumsum(sizes)[:-1])


def _paired_updates(aligner, X, y, **noise):
    clients = np.split(np.argsort(X[:, 0]), np.cumsum(SIZES)[:-1])
    return [client_sums(aligner, X[rows], y[rows], **noise) for rows in clients]


@pytest.mark.parametrize("aligner", PAIRED, ids=repr)
@pytest.mark.parametrize("n_targets", [4, 9])
def test_sums_of_pairs_give_the_pooled_map(aligner, n_targets):
    X, y = _rows(n_targets=n_targets)
    fitted = fit_from_sums(aligner, _paired_updates(aligner, X, y))
    pooled = aligner.fit(X, y)
    assert_allclose(fitted.coef_, pooled.coef_, rtol=0, atol=1e-10)
    assert_allclose(fitted.transform(X), pooled.transform(X), rtol=0, atol=1e-10)
    assert vars(fitted).keys() >= {"moments_", "n_features_in_", "n_targets_"}
    assert fitted.moments_.n_samples == len(X)


@pytest.mark.parametrize("aligner", [LinearAligner(), RigidAligner()], ids=repr)
def test_a_mean_many_times_the_spread_costs_no_digits(aligner):
    X, y = _rows(mean=1e5)
    fitted = fit_from_sums(aligner, _paired_updates(aligner, X, y))
    assert_allclose(fitted.coef_, aligner.fit(X, y).coef_, rtol=0, atol=1e-10)


@pytest.mark.parametrize("aligner", UNPAIRED, ids=repr)
def test_sums_of_two_sides_give_the_pooled_map(aligner):
    (X, _), (y, _) = _rows(), _rows(seed=1)
    updates = {
        f"client {k}": client_sums(aligner, source, target)
        for k, (source, target) in enumerate(
            zip(_clients(X), _clients(y)[::-1], strict=True)
        )
    }
    fitted, pooled = fit_from_sums(aligner, updates), aligner.fit(X, y)
    assert_allclose(fitted.transform(X), pooled.transform(X), rtol=0, atol=1e-10)


@pytest.mark.parametrize("aligner", UNPAIRED, ids=repr)
def test_a_client_may_have_rows_of_one_side_only(aligner):
    (X, _), (y, _) = _rows(), _rows(seed=1)
    updates = [client_sums(aligner, X), client_sums(aligner, y=y)]
    fitted, pooled = fit_from_sums(aligner, updates), aligner.fit(X, y)
    assert_allclose(fitted.transform(X), pooled.transform(X), rtol=0, atol=1e-10)
    with pytest.raises(ValueError, match="hold 0 target samples; at least 2"):
        fit_from_sums(aligner, updates[:1])


BY_CLASS = [ClassMeanAligner(RigidAligner()), MomentAligner(n_restarts=1)]


def _classes(rows, strings=True):
    labels = np.digitize(rows[:, 1], np.quantile(rows[:, 1], [0.25, 0.5, 0.75]))
    return np.array(["a", "b", "c", "d"])[labels] if strings else labels


@pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning")
@pytest.mark.parametrize("aligner", BY_CLASS, ids=repr)
def test_sums_over_classes_give_the_pooled_map(aligner, logged):
    (X, _), (y, _) = _rows(n_features=3), _rows(n_features=3, seed=1)
    aligner.set_params(**({"random_state": 0} if aligner is BY_CLASS[1] else {}))
    labels, target_labels = _classes(X), _classes(y)
    updates = [
        client_sums(aligner, X[:99], labels=labels[:99]),
        client_sums(aligner, y=y, target_labels=target_labels),
        client_sums(aligner, X[99:], labels=labels[99:]),
        client_sums(aligner, X, labels=_classes(X, strings=False)),
        client_sums(LinearAligner(), X, y),
    ]
    assert all(value.dtype != object for value in updates[0].values())
    fitted = fit_from_sums(aligner, updates)
    text = "\n".join(logged)
    assert "client 3 is left out: labels is numbers and that of most" in text
    assert "client 4 is left out: ClassMean" in text or "Moment" in text
    pooled = aligner.fit(X, y, labels=labels, target_labels=target_labels)
    assert_array_equal(fitted.classes_, ["a", "b", "c", "d"])
    assert_allclose(fitted.transform(X), pooled.transform(X), rtol=0, atol=1e-8)


def test_noise_on_sums_over_classes_is_refused():
    X, _ = _rows()
    with pytest.raises(ValueError, match="would not hide a sample of a small class"):
        client_sums(ClassMeanAligner(), X, labels=_classes(X), clip=1.0, epsilon=1.0)


def test_an_update_holds_no_row_and_travels_without_pickle():
    X, y = _rows(n_samples=100)
    update = client_sums(LinearAligner(), X, y)
    assert all(100 not in value.shape for value in update.values())
    file = io.BytesIO()
    np.savez(file, **update)
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrived:
        fitted = fit_from_sums(LinearAligner(), [dict(arrived)])
    assert_allclose(fitted.coef_, LinearAligner().fit(X, y).coef_, rtol=1e-9)


def test_float32_rows_of_all_clients_give_a_float32_map():
    X, y = (rows.astype(np.float32) for rows in _rows())
    updates = _paired_updates(RigidAligner(), X, y)
    fitted = fit_from_sums(RigidAligner(), updates)
    assert fitted.coef_.dtype == np.float32
    # By its name: the command line trusts no numpy.dtype in a stored map.
    assert isinstance(fitted._dtype, str)
    updates[0] = client_sums(RigidAligner(), X[:3].astype(float), y[:3])
    assert fit_from_sums(RigidAligner(), updates).coef_.dtype == np.float64


def test_a_column_as_target_is_predicted_as_a_column():
    X, y = _rows()
    updates = [client_sums(LinearAligner(), X[k::3], y[k::3, 0]) for k in range(3)]
    fitted, pooled = fit_from_sums(LinearAligner(), updates), LinearAligner()
    assert_allclose(fitted.predict(X), pooled.fit(X, y[:, 0]).predict(X), rtol=1e-10)


def test_a_fitted_map_takes_more_rows():
    X, y = _rows()
    first = fit_from_sums(RigidAligner(), [client_sums(RigidAligner(), X[:99], y[:99])])
    first.partial_fit(X[99:], y[99:])
    assert_allclose(first.coef_, RigidAligner().fit(X, y).coef_, rtol=0, atol=1e-10)


def _with(name, value):
    return lambda u: u | {name: value}


def _scaled(name, factor):
    return lambda u: u | {name: u[name] * factor}


class Unreadable:
    """As a tensor of a dtype that NumPy lacks, or one on a GPU."""

    def __array__(self, *args, **kwargs):
        raise TypeError("it cannot be converted")


MALFORMED = {
    "None": (lambda u: None, "'private' is missing"),
    "a list": (lambda u: [u], "'private' is missing"),
    "ragged": (_with("pairs.xy", [[1], [2, 3]]), "pairs.xy is no array"),
    "no array": (_with("n_features", Unreadable()), "n_features is no array of num"),
    "infinite width": (_with("n_features", np.inf), "n_features=inf must be"),
    "a width of NaN": (_with("n_targets", np.nan), "n_targets=nan must be"),
    "a negative width": (_with("n_features", -6), "n_features=-6 must be"),
    "a width that is no number": (_with("n_features", "6"), "n_features='6' must be"),
    "two widths": (_with("n_features", [6, 6]), r"n_features=\[6, 6\] must be"),
    "y of three axes": (_with("y_ndim", 3), "y_ndim=3, with n_targets=4"),
    "no flag": (_with("private", 7), "missing or not a boolean"),
    "a float for a count": (
        _with("pairs.n_samples", 3.0),
        "pairs.n_samples=3.0 must be",
    ),
    "half a row": (_with("pairs.n_samples", 2.5), "pairs.n_samples=2.5"),
    "NaN rows": (_with("pairs.n_samples", np.nan), "pairs.n_samples=nan"),
    "too many rows": (_with("pairs.n_samples", 2**63), "pairs.n_samples=9"),
    "a large weight": (_with("pairs.weight", 1e308), "weight is above"),
    "another weight": (
        _with("pairs.weight", 1e9),
        "n_samples=50 but weight=1000000000",
    ),
    "no weight": (_with("pairs.weight", 0.0), "pairs.weight is 0.0"),
    "a negative weight": (_scaled("pairs.weight", -1), "pairs.weight is -50.0"),
    "a count in an array": (_with("pairs.n_samples", [3]), r"n_samples=\[3\]"),
    "None among sums": (_with("pairs.xy", None), "dtype object"),
    "complex sums": (_scaled("pairs.xy", 1j), "dtype complex128"),
    "an infinite mean": (_scaled("pairs.x_offset", np.inf), "x_offset is not finite"),
    "a mean of 1e200": (_with("pairs.x_shift", np.full(6, 1e200)), "above 1e.100"),
    "sums of 1e300": (_with("pairs.xy", np.full((6, 4), 1e300)), "above 1e.250"),
    "no dict": (lambda u: "rows", "'private' is missing"),
    "another width": (
        lambda u: client_sums(RigidAligner(), np.eye(5), np.eye(5)),
        "n_features is 5 and that of most 6",
    ),
    "wrong shape": (
        lambda u: u | {"pairs.xy": u["pairs.xy"][:-1]},
        r"pairs.xy is of shape \(5, 4\) .* shape \(6, 4\) were expected",
    ),
    "a part missing": (
        lambda u: {k: v for k, v in u.items() if k != "pairs.y_offset"},
        "pairs.y_offset is of shape",
    ),
    "no part": (
        lambda u: {k: v for k, v in u.items() if "." not in k},
        "There are no sums",
    ),
    "NaN": (
        lambda u: u | {"pairs.xy": np.full((6, 4), np.nan)},
        "pairs.xy is not finite",
    ),
    "strings": (lambda u: u | {"pairs.xy": np.full((6, 4), "1")}, "dtype <U1"),
    "no rows": (
        lambda u: u | {"pairs.n_samples": np.array(0)},
        r"n_samples=array\(0\) must be",
    ),
    "another dtype": (lambda u: u | {"dtype": np.array("float16")}, "dtype=float16"),
    "noise": (
        lambda u: client_sums(RigidAligner(), *_rows(), clip=1.0, epsilon=1.0),
        "private is True and that of most False",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_update_is_left_out_with_a_line_in_the_log(name, logged):
    spoil, line = MALFORMED[name]
    X, y = _rows()
    updates = dict(zip("abc", _paired_updates(RigidAligner(), X, y), strict=True))
    expected = fit_from_sums(RigidAligner(), {k: updates[k] for k in "ac"})
    updates["b"] = spoil(updates["b"])
    fitted = fit_from_sums(RigidAligner(), updates)
    assert_array_equal(fitted.coef_, expected.coef_)
    (message,) = logged
    assert message.startswith("The update of client b is left out: ")
    assert re.search(line, message)


@pytest.mark.parametrize(
    ("aligner", "name", "spoil", "line"),
    [
        (aligner, name, spoil, line)
        for aligner, name in (
            (LinearAligner(), "pairs.xx"),
            (GaussianOTAligner(), "source.xx"),
            (CORALAligner(), "target.xx"),
        )
        for spoil, line in (
            (lambda xx: -xx, "xx has negative eigenvalues"),
            (lambda xx: xx + np.triu(xx, 1), "xx is not symmetric"),
            (lambda xx: xx - 2 * np.diag(np.diag(xx)), "xx has negative eigenvalues"),
            (lambda xx: xx - np.eye(6) * np.trace(xx) / 3, "xx has negative"),
        )
    ]
    + [
        (RigidAligner(scaling=True), "pairs.x2", np.negative, "x2 is negative"),
        (MeanVarianceAligner(), "source.x2", np.negative, "x2 is negative"),
        (LinearAligner(), "pairs.y2", np.negative, "y2 is negative"),
        (LinearAligner(), "pairs.xy", lambda xy: 9 * xy, "than the squares allow"),
    ],
)
def test_products_that_no_rows_have_are_left_out(aligner, name, spoil, line, logged):
    X, y = _rows(n_targets=6, mean=0.0)
    updates = dict(zip("abc", _paired_updates(aligner, X, y), strict=True))
    expected = fit_from_sums(aligner, {k: updates[k] for k in "ac"}).transform(X)
    updates["b"] = updates["b"] | {name: spoil(updates["b"][name])}
    fitted = fit_from_sums(aligner, updates)
    assert_allclose(fitted.transform(X), expected)
    assert re.search(line, "\n".join(logged))


@pytest.mark.filterwarnings("ignore:The source samples vary:UserWarning")
@pytest.mark.filterwarnings("ignore:.* determine 4 of 6 directions:UserWarning")
@pytest.mark.parametrize("aligner", [*PAIRED, *UNPAIRED], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_no_sound_update_is_left_out(aligner, dtype, scale, logged):
    X, y = _rows(n_targets=6, mean=1e4)
    X[:, 0], X[:, 1], y[:, 0] = 3.0, X[:, 2], X[:, 3]
    X, y = (scale * X).astype(dtype), (scale * y).astype(dtype)
    updates = _paired_updates(aligner, X, y)
    with suppress(ValueError):
        fit_from_sums(aligner, updates)
    assert not [message for message in logged if "left out" in message]


ODD = [
    None, True, -1, 0, 3.0, 2**80, np.inf, np.nan, 1e308, 1e-320, "6", b"6", [], [1, 2],
    {}, object(), np.zeros(0), np.full((6, 6), np.nan), np.full((6, 6), 1e308),
    np.eye(6, dtype=object), np.ones((6, 4), complex), np.ma.masked, np.float16(3),
    np.array(["x"]), np.datetime64("2020"), -np.eye(6), lambda: 1,
]  # fmt: skip


@pytest.mark.parametrize(
    ("aligner", "private"),
    [
        (LinearAligner(), False),
        pytest.param(CORALAligner(), True, marks=pytest.mark.long),
        pytest.param(LinearAligner(), True, marks=pytest.mark.long),
        pytest.param(RigidAligner(), True, marks=pytest.mark.long),
        pytest.param(RigidAligner(), False, marks=pytest.mark.long),
        pytest.param(CORALAligner(), False, marks=pytest.mark.long),
    ],
)
def test_no_entry_of_one_client_stops_the_server(aligner, private, logged):
    X, y = _rows(n_targets=6)
    noise = {"clip": 20.0, "epsilon": 100.0, "random_state": 0} if private else {}
    sound = _paired_updates(aligner, X, y, **noise)
    rng, refused = np.random.default_rng(0), 0
    for name in sound[1]:
        for odd in ODD:
            updates = [sound[0], sound[1] | {name: odd}, sound[2]]
            if rng.random() < 0.2:  # and a second one
                updates[1][rng.choice(list(sound[1]))] = ODD[rng.integers(len(ODD))]
            logged.clear()
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                fitted = fit_from_sums(aligner, updates)
            assert np.isfinite(fitted.transform(X)).all()
            refused += bool(logged)
    assert refused > 0.9 * len(sound[1]) * len(ODD)


def test_what_cannot_be_fitted_from_sums_is_refused():
    X, y = _rows()
    with pytest.raises(TypeError, match="ICPAligner is not made of sums"):
        client_sums(ICPAligner(), X, y)
    for aligner in (LinearAligner(alpha="loo"), CORALAligner(solver="svd")):
        with pytest.raises(ValueError, match="needs the samples themselves"):
            client_sums(aligner, X, y)
    with pytest.raises(ValueError, match="X has 6 columns, y has 4"):
        client_sums(CORALAligner(), X, y)
    with pytest.raises(ValueError, match="There is nothing to add up"):
        client_sums(CORALAligner())
    with pytest.raises(ValueError, match="noise needs both"):
        client_sums(RigidAligner(), X, y, clip=1.0)
    with pytest.raises(ValueError, match="NaN"):
        client_sums(RigidAligner(), X * np.nan, y)
    with pytest.raises(ValueError, match="None of the 0 updates can be used"):
        fit_from_sums(RigidAligner(), [])
    with pytest.raises(ValueError, match="'alpha' parameter"):
        fit_from_sums(LinearAligner(alpha=-1), [])


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1, 10, 200])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 0.1])
def test_the_noise_is_the_least_that_keeps_the_promise(epsilon, delta):
    sigma = gaussian_noise_scale(epsilon, delta, sensitivity=2.0)

    def largest_delta(sigma):
        # Of N(0, sigma) against N(2, sigma): the set where the loss passes epsilon.
        edge = 1 - epsilon * sigma**2 / 2
        outside = np.exp(epsilon + norm.logcdf(edge - 2, scale=sigma))
        return norm.cdf(edge, scale=sigma) - outside

    assert_allclose(largest_delta(sigma), delta, rtol=1e-6)
    assert largest_delta(0.99 * sigma) > delta
    if epsilon < 1:
        assert sigma < 2 * np.sqrt(2 * np.log(1.25 / delta)) / epsilon


@pytest.mark.long
def test_noise_has_the_promised_scale_and_little_of_it_changes_little():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    clipped = X / np.maximum(np.linalg.norm(X, axis=1), 1.5)[:, None] * 1.5
    released = []
    for seed in range(2000):
        update = client_sums(
            CORALAligner(), X, clip=1.5, epsilon=2.0, delta=1e-4, random_state=seed
        )
        mean = update["source.x_shift"] + update["source.x_offset"]
        products = update["source.xx"] + 50 * np.outer(mean, mean)
        assert_array_equal(products, products.T)
        released.append([*50 * 1.5 * mean, *products[np.triu_indices(3)]])
    exact = [*1.5 * clipped.sum(0), *(clipped.T @ clipped)[np.triu_indices(3)]]
    sigma = gaussian_noise_scale(2.0, 1e-4, sensitivity=np.sqrt(4.5) * 1.5**2)
    assert_allclose(np.std(released, axis=0), sigma, rtol=0.06)
    assert np.abs(np.mean(released, axis=0) - exact).max() < 4 * sigma / 2000**0.5


def test_no_two_rows_differ_by_more_than_the_sensitivity():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200_000, 2))
    a, b = (
        rows / np.maximum(np.linalg.norm(rows, axis=1), 1)[:, None] for rows in (a, b)
    )
    b[0], a[0] = [1, 0], [-0.5, 0.75**0.5]  # where it is largest
    upper = [a[:, i] * a[:, j] - b[:, i] * b[:, j] for i, j in ((0, 0), (0, 1), (1, 1))]
    squares = ((a - b) ** 2).sum(axis=1) + np.square(upper).sum(axis=0)
    assert squares.max() <= 4.5


@pytest.mark.parametrize("aligner", [*PAIRED, *UNPAIRED], ids=repr)
def test_private_sums_with_next_to_no_noise_give_the_exact_map(aligner):
    rng = np.random.default_rng(0)
    X = rng.uniform(-0.2, 0.2, size=(900, 4)) * [1, 0.8, 0.6, 0.4]
    y = X @ ortho_group.rvs(4, random_state=rng) + 0.01 * rng.normal(size=X.shape)
    updates = [
        client_sums(aligner, X[k::3], y[k::3], clip=1.0, epsilon=1e8, random_state=k)
        for k in range(3)
    ]
    fitted, exact = fit_from_sums(aligner, updates), aligner.fit(X, y)
    assert_allclose(fitted.transform(X), exact.transform(X), rtol=0, atol=2e-4)


@pytest.mark.parametrize("aligner", [LinearAligner(), GaussianOTAligner(reg=1e-3)])
def test_sums_that_are_all_noise_still_give_a_map(aligner):
    X, y = _rows(n_samples=60, n_targets=6)
    updates = [
        client_sums(aligner, X[k::3], y[k::3], clip=1.0, epsilon=0.1, random_state=k)
        for k in range(3)
    ]
    fitted = fit_from_sums(aligner, updates)
    assert np.isfinite(fitted.transform(X)).all()
    moments = getattr(fitted, "moments_", None) or fitted.source_moments_
    eigenvalues = np.linalg.eigvalsh(moments.xx)
    assert eigenvalues.min() > -1e-9 * eigenvalues.max()


def test_noise_is_fresh_unless_seeded():
    X, y = _rows()
    noise = {"clip": 1.0, "epsilon": 1.0}
    one, other = (client_sums(RigidAligner(), X, y, **noise) for _ in range(2))
    assert (one["pairs.xx"] != other["pairs.xx"]).all()
    seeded = [client_sums(RigidAligner(), X, y, **noise, random_state=1)] * 2
    assert_array_equal(seeded[0]["pairs.xx"], seeded[1]["pairs.xx"])


def test_sums_that_a_map_has_no_use_for_are_left_out():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2, 90, 4))
    parts = np.split(np.arange(90), 3)
    kinds = [RigidAligner(), RigidAligner(), LinearAligner()]
    updates = [
        client_sums(kind, X[rows], y[rows])
        for kind, rows in zip(kinds, parts, strict=True)
    ]
    fitted = fit_from_sums(RigidAligner(), updates)
    np.testing.assert_allclose(fitted.coef_, RigidAligner().fit(X, y).coef_)


def _named(rows, names):
    return pd.DataFrame(rows, columns=list(names))


@pytest.mark.parametrize("aligner", [LinearAligner(alpha=1.0), MeanVarianceAligner()])
def test_clients_agree_in_the_names_of_columns(aligner, logged):
    rng = np.random.default_rng(0)
    sides = rng.normal(size=(4, 2, 20, 2))
    updates = [
        client_sums(aligner, _named(X, "ab"), _named(y, "ab")) for X, y in sides[:3]
    ]
    assert all(value.dtype != object for value in updates[0].values())
    fitted = fit_from_sums(aligner, updates)
    assert_array_equal(fitted.feature_names_in_, ["a", "b"])
    assert_array_equal(fitted.target_names_in_, ["a", "b"])
    if isinstance(aligner, MeanVarianceAligner):
        with pytest.raises(ValueError, match="needs the same columns"):
            client_sums(aligner, _named(sides[3, 0], "ab"), _named(sides[3, 1], "ba"))
    other = client_sums(aligner, _named(sides[3, 0], "ba"), _named(sides[3, 1], "ba"))
    bad = {**updates[0], "target_names": np.array(["a", "b", "c"])}
    without = fit_from_sums(aligner, [*updates, other, bad])
    assert_allclose(without.coef_, fitted.coef_)
    text = "\n".join(logged)
    assert "feature_names is ('b', 'a') and that of most" in text
    assert "target_names must be 2 strings" in text
    unnamed = client_sums(aligner, *sides[3])
    with pytest.warns(UserWarning, match="1 of 4 updates have no"):
        fit_from_sums(aligner, [*updates, unnamed])


def test_one_side_of_a_client_has_its_names():
    rows = np.random.default_rng(0).normal(size=(20, 2))
    source = client_sums(MeanVarianceAligner(), _named(rows, "ab"))
    target = client_sums(MeanVarianceAligner(), y=_named(rows, "ab"))
    fitted = fit_from_sums(MeanVarianceAligner(), [source, target])
    assert_array_equal(fitted.target_names_in_, ["a", "b"])
    target = client_sums(MeanVarianceAligner(), y=_named(rows, "ba"))
    with pytest.raises(ValueError, match="needs the same columns"):
        fit_from_sums(MeanVarianceAligner(), [source, target])


@pytest.mark.parametrize("updates", [3, None, np.array(1)])
def test_updates_that_are_none_are_named(updates):
    with pytest.raises(TypeError, match="updates must be a list or dict"):
        fit_from_sums(RigidAligner(), updates)
