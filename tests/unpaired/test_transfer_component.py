import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eig
from sklearn import config_context
from sklearn.metrics.pairwise import pairwise_kernels

from skalign import TransferComponentAligner


def sides(n_samples=40, n_target_samples=30, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    spread = np.linspace(2, 0.5, n_features)
    X = rng.normal(size=(n_samples, n_features)) * spread
    y = rng.normal(size=(n_target_samples, n_features)) * spread
    return X, y + np.linspace(0, 1, n_features)


def kernel_components(X, y, n_components, mu, **kernel):
    """The paper's n x n problem, solved without any use of its symmetry."""
    rows = np.vstack([X, y])
    K = pairwise_kernels(rows, **kernel)
    n = len(rows)
    e = np.r_[np.full(len(X), 1 / len(X)), np.full(len(y), -1 / len(y))]
    H = np.eye(n) - 1 / n
    penalty = K @ np.outer(e, e) @ K + mu * np.eye(n)
    values, W = eig(np.linalg.solve(penalty, K @ H @ K))
    leading = np.argsort(-values.real)[:n_components]
    W = W[:, leading].real
    W /= np.sqrt(np.einsum("ij,ik,kj->j", W, penalty, W))
    return values[leading].real, K @ W


@pytest.mark.parametrize("shape", [(40, 30, 6), (7, 8, 20)])
@pytest.mark.parametrize("mu", [0.1, 10.0])
@pytest.mark.parametrize(
    "kernel", [{"metric": "linear"}, {"metric": "rbf", "gamma": 0.2}]
)
def test_components_are_those_of_the_papers_problem(shape, mu, kernel):
    X, y = sides(*shape)
    values, embedded = kernel_components(X, y, 3, mu, **kernel)
    aligner = TransferComponentAligner(
        3, kernel=kernel["metric"], gamma=kernel.get("gamma"), mu=mu
    ).fit(X, y)
    assert_allclose(aligner.eigenvalues_, values, rtol=1e-6)
    mine = np.vstack([aligner.transform(X), aligner.transform_target(y)])
    signs = np.sign((mine * embedded).sum(axis=0))
    assert_allclose(mine, embedded * signs, atol=1e-6)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("n_landmarks", [15, 1000])
def test_the_order_of_rows_does_not_matter(kernel, n_landmarks):
    X, y = sides()
    rng = np.random.default_rng(0)
    options = {"kernel": kernel, "n_landmarks": n_landmarks, "random_state": 3}
    aligner = TransferComponentAligner(4, **options).fit(X, y)
    shuffled = TransferComponentAligner(4, **options).fit(
        rng.permutation(X), rng.permutation(y)
    )
    assert_allclose(shuffled.transform(X), aligner.transform(X), atol=1e-8)
    assert_allclose(
        shuffled.transform_target(y), aligner.transform_target(y), atol=1e-8
    )


def test_swapping_the_sides_swaps_the_maps():
    X, y = sides()
    there = TransferComponentAligner(3).fit(X, y)
    back = TransferComponentAligner(3).fit(y, X)
    assert_allclose(there.transform(X), back.transform_target(X), atol=1e-10)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_small_mu_brings_the_means_together(kernel):
    X, y = sides()
    gaps = []
    for mu in (1e-6, 1e3):
        aligner = TransferComponentAligner(2, kernel=kernel, mu=mu).fit(X, y)
        mapped, target = aligner.transform(X), aligner.transform_target(y)
        gaps.append(
            np.linalg.norm(mapped.mean(axis=0) - target.mean(axis=0)) / mapped.std()
        )
    assert gaps[0] < 1e-3
    assert gaps[1] > 0.1


def test_a_wide_linear_kernel_equals_a_narrow_one_on_the_same_span():
    X, y = sides(8, 9, n_features=6)
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(50, 6)))[0].T
    narrow = TransferComponentAligner(3).fit(X, y)
    wide = TransferComponentAligner(3).fit(X @ basis, y @ basis)
    assert wide.coef_.shape == (50, 3)
    ratio = wide.transform(X @ basis) / narrow.transform(X)
    assert_allclose(np.abs(ratio), 1, atol=1e-6)


def test_more_landmarks_come_nearer_to_the_exact_components():
    X, y = sides(300, 200, n_features=3)

    def embed(n_landmarks):
        aligner = TransferComponentAligner(
            2, kernel="rbf", gamma=0.1, n_landmarks=n_landmarks, random_state=0
        ).fit(X, y)
        mapped = np.vstack([aligner.transform(X), aligner.transform_target(y)])
        return mapped @ np.diag(np.sign(mapped[0]))

    exact = embed(500)
    errors = [np.abs(embed(n) - exact).max() / np.abs(exact).max() for n in (10, 60)]
    assert errors[1] < 0.01 < errors[0]


def test_landmarks_are_a_share_of_all_rows_drawn_by_random_state():
    X, y = sides()
    draws = [
        TransferComponentAligner(2, kernel="rbf", n_landmarks=12, random_state=seed)
        .fit(X, y)
        .landmarks_
        for seed in (0, 0, 1)
    ]
    assert draws[0].shape == (12, 6)
    assert_allclose(draws[0], draws[1], rtol=0)
    assert not np.allclose(draws[0], draws[2])
    assert TransferComponentAligner().fit(X, y).landmarks_ is None


def test_more_components_than_the_kernel_has_are_refused():
    X, y = sides(n_features=4)
    with pytest.raises(ValueError, match="n_components=5 must be at most 4, the rank"):
        TransferComponentAligner(5).fit(X, y)
    assert TransferComponentAligner().fit(X, y).n_components_ == 4


def test_frames_are_returned_where_they_are_asked_for():
    X, y = np.random.default_rng(0).normal(size=(2, 30, 3))
    expected = TransferComponentAligner(2, kernel="rbf").fit(X, y).transform(X)
    with config_context(transform_output="pandas"):
        found = TransferComponentAligner(2, kernel="rbf").fit(X, y).transform(X)
    assert_array_equal(found.to_numpy(), expected)


def test_kernels_do_not_see_where_rows_are():
    rng = np.random.default_rng(0)
    X, y = (rng.integers(-50, 50, size=(60, 3)) / 16 for _ in range(2))
    aligner = TransferComponentAligner(2, kernel="rbf", gamma=0.2)
    expected = aligner.fit(X, y).transform(X)
    far = aligner.fit(X + 2**20, y + 2**20).transform(X + 2**20)
    np.testing.assert_allclose(far, expected, atol=1e-7)
