"""The maximum mean discrepancy against its definition."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group
from sklearn import config_context
from sklearn.metrics.pairwise import pairwise_kernels, rbf_kernel

from skalign.metrics import (
    _mmd,
    block_mmd,
    coral_distance,
    frechet_distance,
    mmd,
    random_fourier_mmd,
)
from skalign.metrics._kernels import block_shape


def mmd_by_definition(X, Y, gammas, unbiased):
    def kernel(A, B):
        return np.mean([rbf_kernel(A, B, gamma) for gamma in gammas], axis=0)

    def mean_within(K):
        n = len(K)
        if not unbiased:
            return K.mean()
        return sum(K[i, j] for i in range(n) for j in range(n) if i != j) / (
            n * (n - 1)
        )

    return (
        mean_within(kernel(X, X)) + mean_within(kernel(Y, Y)) - 2 * kernel(X, Y).mean()
    )


def draw(n, m, n_features=4, shift=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_features)), rng.normal(shift, 1.2, (m, n_features))


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("gamma", [0.3, [0.3], [0.05, 0.3, 4.0]])
def test_equals_its_definition(gamma, unbiased):
    X, Y = draw(23, 41)
    expected = mmd_by_definition(X, Y, np.atleast_1d(gamma), unbiased)
    assert_allclose(mmd(X, Y, gamma=gamma, unbiased=unbiased), expected, rtol=1e-12)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("sizes", [(1024, 1025), (700, 2100), (1, 1)])
def test_blocks_of_any_size_add_up(sizes, unbiased):
    if unbiased and sizes == (1, 1):
        sizes = (2, 2)
    X, Y = draw(*sizes)
    n, m = sizes
    within_x, within_y = rbf_kernel(X, gamma=0.1).sum(), rbf_kernel(Y, gamma=0.1).sum()
    between = rbf_kernel(X, Y, gamma=0.1).mean()
    if unbiased:
        expected = (within_x - n) / (n * (n - 1)) + (within_y - m) / (m * (m - 1))
    else:
        expected = within_x / n**2 + within_y / m**2
    value = mmd(X, Y, gamma=0.1, unbiased=unbiased)
    assert_allclose(value, expected - 2 * between, rtol=1e-10, atol=1e-14)


def test_single_precision_loses_no_digits_in_the_sum():
    X, Y = (rows.astype(np.float32) for rows in draw(3000, 3000, shift=0.05))
    value = mmd(X, Y, gamma=0.1)
    assert_allclose(value, mmd(X.astype(float), Y.astype(float), gamma=0.1), atol=1e-8)


@pytest.mark.long
def test_the_unbiased_value_is_zero_on_average_and_the_biased_one_is_not():
    values = {True: [], False: []}
    for seed in range(300):
        X, Y = draw(20, 30, shift=0.0, seed=seed)
        Y /= 1.2
        for unbiased, found in values.items():
            found.append(mmd(X, Y, gamma=0.2, unbiased=unbiased))
    unbiased, biased = np.array(values[True]), np.array(values[False])
    assert abs(unbiased.mean()) < 4 * unbiased.std() / np.sqrt(len(unbiased))
    assert (unbiased < 0).any()
    assert (biased > unbiased).all()
    assert (biased < unbiased + 1 / 20 + 1 / 30).all()


def test_biased_is_zero_on_equal_sets_in_any_order():
    X, _ = draw(700, 2)
    shuffled = np.random.default_rng(1).permutation(X)
    value = mmd(X, shuffled, unbiased=False)
    assert 0 <= value < 1e-14


def test_no_gamma_takes_one_over_the_median_squared_distance():
    X, Y = draw(40, 60)
    gamma = 1 / np.median(pdist(np.vstack([X, Y]), "sqeuclidean"))
    assert_allclose(mmd(X, Y), mmd(X, Y, gamma=gamma), rtol=1e-12)
    gamma = 1 / np.median(pdist(Y, "sqeuclidean"))
    assert_allclose(mmd(X, Y, gamma="target"), mmd(X, Y, gamma=gamma), rtol=1e-12)


@pytest.mark.parametrize("gamma", [[-1.0], [1.0, 0.0], [np.inf]])
def test_gammas_are_positive_and_finite(gamma):
    with pytest.raises(ValueError, match="must hold positive, finite numbers"):
        mmd(*draw(4, 4), gamma=gamma)


def test_the_median_leaves_out_equal_rows():
    X = np.array([[0.0]] * 9 + [[1.0]])
    Y = np.array([[0.0]] * 9 + [[1.0]])
    assert_allclose(mmd(X, Y), mmd(X, Y, gamma=1.0), rtol=1e-12)


def test_the_median_of_many_rows_is_drawn_the_same_way_every_time():
    X, Y = draw(1500, 1200)
    assert mmd(X, Y) == mmd(X, Y)
    gamma = 1 / np.median(pdist(np.vstack([X, Y]), "sqeuclidean"))
    assert_allclose(mmd(X, Y), mmd(X, Y, gamma=gamma), rtol=0.05)


@given(
    scale=st.sampled_from([1e-8, 1.0, 1e8]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_without_gamma_rotation_shift_and_scale_change_nothing(scale, dtype, seed):
    X, Y = draw(30, 20, seed=seed)
    rng = np.random.default_rng(seed)
    rotation = ortho_group.rvs(X.shape[1], random_state=rng)
    shift = rng.normal(size=X.shape[1])
    moved = ((scale * (A @ rotation + shift)).astype(dtype) for A in (X, Y))
    atol = 1e-12 if dtype is np.float64 else 1e-5
    assert_allclose(mmd(*moved), mmd(X, Y), atol=atol)


def test_far_from_the_origin_no_digits_are_lost():
    X, Y = draw(50, 40)
    X, Y = np.round(X, 6), np.round(Y, 6)
    assert_allclose(mmd(X + 1e6, Y + 1e6, gamma=0.3), mmd(X, Y, gamma=0.3), atol=1e-9)


def test_no_matrix_of_all_pairs_is_held():
    X, Y = draw(3000, 3000, n_features=8)  # 69 MiB of pairs
    mmd(X[:9], Y[:9], gamma=0.1)  # loads what it needs
    tracemalloc.start()
    mmd(X, Y, gamma=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20


@pytest.mark.parametrize(
    "gamma", [0, -1.0, np.nan, "median", [0.1, 0.0], [0.1, np.inf], np.inf, [], [[0.1]]]
)
def test_a_gamma_that_is_not_positive_is_refused(gamma):
    with pytest.raises(ValueError, match="gamma"):
        mmd(*draw(5, 5), gamma=gamma)


def test_unbiased_needs_two_rows_a_side():
    X, Y = draw(5, 1)
    with pytest.raises(ValueError, match="at least 2 samples per set; one set has 1"):
        mmd(X, Y)
    assert mmd(X, Y, unbiased=False) > 0


@pytest.mark.parametrize(
    "metric",
    [mmd, block_mmd, random_fourier_mmd, frechet_distance, coral_distance],
)
def test_unbiased_needs_weight_on_two_rows_a_side(metric):
    X, Y = draw(5, 6)
    weight = [1.0, 1.0, 1e17, 1.0, 1.0]  # 1 - mass @ mass would be rounding
    with pytest.raises(ValueError, match=r"one set has 5, with 100\.0+% of the weight"):
        metric(X, Y, X_weight=weight)


KERNELS = {
    "rbf": {"gamma": 0.3},
    "laplacian": {"gamma": 0.2},
    "polynomial": {"gamma": 0.5, "degree": 2, "coef0": 0.7},
    "linear": {},
}


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_is_that_of_scikit_learn_with_weights_too(kernel, unbiased):
    X, Y = draw(23, 31)
    rng = np.random.default_rng(1)
    x_weight, y_weight = rng.integers(0, 4, 23), rng.integers(0, 4, 31)
    a, b = x_weight / x_weight.sum(), y_weight / y_weight.sum()
    keywords = KERNELS[kernel]
    origin = 0
    if kernel == "linear":
        origin = (X[a > 0].mean(axis=0) + Y[b > 0].mean(axis=0)) / 2

    def weighted_mean(A, B, p, q, same):
        K = np.outer(p, q) * pairwise_kernels(A, B, metric=kernel, **keywords)
        if same and unbiased:
            return (K.sum() - K.trace()) / (1 - p @ q)
        return K.sum()

    X_moved, Y_moved = X - origin, Y - origin
    expected = (
        weighted_mean(X_moved, X_moved, a, a, True)
        + weighted_mean(Y_moved, Y_moved, b, b, True)
        - 2 * weighted_mean(X_moved, Y_moved, a, b, False)
    )
    value = mmd(
        X,
        Y,
        kernel=kernel,
        unbiased=unbiased,
        X_weight=x_weight,
        Y_weight=y_weight,
        **keywords,
    )
    assert_allclose(value, expected, rtol=1e-10)


def test_the_polynomial_without_parameters_is_the_kid_of_torchmetrics():
    X, Y = draw(40, 40, n_features=8)

    # torchmetrics.image.kid: poly_mmd(poly_kernel(...)), of one subset of all rows.
    def poly_kernel(A, B):
        return (A @ B.T * (1.0 / A.shape[1]) + 1.0) ** 3

    n = len(X)
    K_xx, K_yy, K_xy = poly_kernel(X, X), poly_kernel(Y, Y), poly_kernel(X, Y)
    kid = (K_xx.sum() - np.trace(K_xx) + K_yy.sum() - np.trace(K_yy)) / (n * (n - 1))
    kid -= 2 * K_xy.sum() / n**2
    assert_allclose(mmd(X, Y, kernel="polynomial"), kid, rtol=1e-11)


def test_the_biased_linear_value_is_the_squared_distance_of_the_means():
    X, Y = draw(30, 50)
    expected = np.sum((X.mean(axis=0) - Y.mean(axis=0)) ** 2)
    value = mmd(X, Y, kernel="linear", unbiased=False)
    assert_allclose(value, expected, rtol=1e-12)
    far = mmd(X + 1e6, Y + 1e6, kernel="linear", unbiased=False)
    assert_allclose(far, expected, rtol=1e-7)


def test_a_laplacian_without_gamma_takes_the_median_of_sums_of_differences():
    X, Y = draw(40, 60)
    gamma = 1 / np.median(pdist(np.vstack([X, Y]), "cityblock"))
    expected = mmd(X, Y, kernel="laplacian", gamma=gamma)
    assert_allclose(mmd(X, Y, kernel="laplacian"), expected, rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_weight_of_k_is_k_repeated_rows_where_biased(kernel):
    X, Y = draw(9, 14)
    counts = np.random.default_rng(2).integers(0, 4, 9)
    keywords = {"kernel": kernel, "unbiased": False, **KERNELS[kernel]}
    value = mmd(X, Y, X_weight=counts, **keywords)
    repeated = mmd(X.repeat(counts, axis=0), Y, **keywords)
    assert_allclose(value, repeated, rtol=1e-10)


@given(
    kernel=st.sampled_from(list(KERNELS)),
    n=st.integers(2, 20),
    m=st.integers(2, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_biased_values_are_symmetric_not_negative_and_zero_on_equal_sets(
    kernel, n, m, seed
):
    X, Y = draw(n, m, seed=seed)
    keywords = {"kernel": kernel, "unbiased": False, **KERNELS[kernel]}
    value = mmd(X, Y, **keywords)
    assert value >= 0
    assert_allclose(value, mmd(Y, X, **keywords), rtol=1e-9, atol=1e-13)
    # A polynomial of rows far out is large: rounding is relative to it.
    assert mmd(X, X[::-1], **keywords) < 1e-10


@pytest.mark.parametrize("kernel", KERNELS)
def test_less_working_memory_gives_the_same_value_in_smaller_blocks(kernel):
    X, Y = draw(1500, 1200)
    keywords = KERNELS[kernel]
    expected = mmd(X, Y, kernel=kernel, **keywords)
    with config_context(working_memory=1):
        tracemalloc.start()
        value = mmd(X, Y, kernel=kernel, **keywords)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert_allclose(value, expected, rtol=1e-8)
    assert peak < 1.5 * 2**20


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"kernel": "cosine"}, "'kernel' parameter"),
        ({"kernel": "linear", "gamma": 0.1}, "a linear kernel has none"),
        ({"kernel": "polynomial", "gamma": "target"}, "must be one number"),
        ({"kernel": "polynomial", "gamma": [0.1, 1.0]}, "must be one number"),
        ({"degree": 0}, "'degree' parameter"),
        ({"coef0": -1.0}, "'coef0' parameter"),
        ({"X_weight": [1, 2, 3]}, r"\(3,\), expected \(5,\)"),
        ({"Y_weight": np.zeros(5)}, "at least one non-zero"),
        ({"Y_weight": [0, 0, 0, 0, 1]}, "2 samples per set; one set has 1"),
    ],
)
def test_a_parameter_out_of_range_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        mmd(*draw(5, 5), **bad)


def test_linear_time_is_the_mean_over_blocks():
    X, Y = draw(60, 90)
    rng = np.random.RandomState(0)
    deals = [np.array_split(rng.permutation(n), 6) for n in (60, 90)]
    expected = np.mean(
        [mmd(X[i], Y[j], gamma=0.2) for i, j in zip(*deals, strict=True)]
    )
    value = block_mmd(X, Y, block_size=10, gamma=0.2, random_state=0)
    assert_allclose(value, expected, rtol=1e-12)


def test_linear_time_of_one_block_is_exact():
    X, Y = draw(60, 90)
    for kernel, keywords in KERNELS.items():
        value = block_mmd(X, Y, kernel=kernel, random_state=0, **keywords)
        assert_allclose(value, mmd(X, Y, kernel=kernel, **keywords), rtol=1e-9)


def test_linear_time_is_linear_in_the_larger_set_too(monkeypatch):
    sizes = []

    sum_within = _mmd.sum_within

    def watched(function, rows, mass, unbiased):
        sizes.append(len(rows))
        return sum_within(function, rows, mass, unbiased=unbiased)

    monkeypatch.setattr(_mmd, "sum_within", watched)
    X, Y = draw(600, 20, shift=0.2)
    values = [
        block_mmd(*sides, block_size=10, gamma=0.2, random_state=0)
        for sides in ((X, Y), (Y, X))
    ]
    assert max(sizes) < 20
    assert sum(sizes) == 2 * 620
    assert_allclose(values, mmd(X, Y, gamma=0.2), atol=0.1)


@pytest.mark.long
@pytest.mark.parametrize("weighted", [False, True])
def test_cheaper_forms_are_right_on_average(weighted):
    X, Y = draw(200, 300, shift=0.2)
    keywords = {"gamma": 0.2}
    if weighted:  # towards one end, which changes the value by far
        keywords |= {"X_weight": np.exp(-X[:, 0]), "Y_weight": np.exp(Y[:, 0])}
        assert mmd(X, Y, **keywords) > 3 * mmd(X, Y, gamma=0.2)
    exact = mmd(X, Y, **keywords)
    for cheaper in (
        lambda seed: block_mmd(X, Y, block_size=10, random_state=seed, **keywords),
        lambda seed: random_fourier_mmd(
            X, Y, n_components=50, random_state=seed, **keywords
        ),
    ):
        values = np.array([cheaper(seed) for seed in range(100)])
        assert values.std() > 0
        assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
@pytest.mark.parametrize("unbiased", [True, False])
def test_many_random_features_come_near_the_kernel(kernel, unbiased):
    X, Y = draw(40, 70)
    weight = np.random.default_rng(0).uniform(size=40)
    keywords = {"gamma": [0.1, 0.3], "unbiased": unbiased, "X_weight": weight}
    exact = mmd(X, Y, kernel=kernel, **keywords)
    value = random_fourier_mmd(
        X, Y, kernel=kernel, n_components=50_000, random_state=0, **keywords
    )
    assert_allclose(value, exact, rtol=0.03)


def test_weights_in_blocks_count_pair_by_pair():
    X, Y = draw(8, 8)
    a, b = np.random.default_rng(1).uniform(size=(2, 8))
    rng = np.random.RandomState(0)
    deals = [np.array_split(rng.permutation(8), 4) for _ in range(2)]

    def mean(A, B, p, q, blocks, others):
        pairs = [
            (p[i] * q[j], rbf_kernel(A[[i]], B[[j]], gamma=0.3)[0, 0])
            for rows, columns in zip(blocks, others, strict=True)
            for i in rows
            for j in columns
            if A is not B or i != j
        ]
        return np.average([k for _, k in pairs], weights=[w for w, _ in pairs])

    expected = mean(X, X, a, a, deals[0], deals[0]) + mean(Y, Y, b, b, *deals[1:] * 2)
    expected -= 2 * mean(X, Y, a, b, *deals)
    value = block_mmd(
        X, Y, block_size=2, gamma=0.3, X_weight=a, Y_weight=b, random_state=0
    )
    assert_allclose(value, expected, rtol=1e-12)


def test_a_biased_value_of_random_features_is_zero_on_equal_sets():
    X, _ = draw(40, 1)
    value = random_fourier_mmd(X, X[::-1], unbiased=False, random_state=0)
    assert 0 <= value < 1e-30


def test_cheaper_forms_refuse_what_mmd_refuses():
    X, Y = draw(5, 1)
    for cheaper in (block_mmd, random_fourier_mmd):
        with pytest.raises(ValueError, match="2 samples per set; one set has 1"):
            cheaper(X, Y)
        with pytest.raises(ValueError, match="gamma"):
            cheaper(X, X, gamma=-1.0)


@pytest.mark.parametrize("memory", [1, 4, 48, 1024])
def test_blocks_fill_the_working_memory_up_to_their_size(memory):
    with config_context(working_memory=memory):
        n_rows, n_others = block_shape()
    held = 8 * 3 * n_rows * n_others / 2**20  # three blocks of float64
    assert 0.97 * min(memory, 48) < held <= min(memory, 48)


def test_blocks_have_a_row_however_little_memory_there_is():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(7, 2)), rng.normal(size=(5, 2))
    expected = mmd(X, Y)
    with config_context(working_memory=1e-6):
        assert_allclose(mmd(X, Y), expected)


def test_random_features_of_samples_that_are_too_far_apart_are_refused():
    X = np.zeros((5, 2))
    X[0, 0] = 1e308
    with pytest.raises(ValueError, match="The sums overflow float64"):
        random_fourier_mmd(X, np.ones((5, 2)), gamma=2.0, random_state=0)
