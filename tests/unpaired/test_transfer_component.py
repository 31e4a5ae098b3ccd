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


SOURCE = [[4, 1, 0], [-2, 3, 1], [1, -1, 2], [0, 5, -1], [3, 2, 2], [-4, 0, 1],
          [2, -3, -2]]  # fmt: skip
TARGET = [[6, 2, 3], [1, 4, 5], [-1, 0, 3], [3, -2, 4], [5, 3, 6]]


@pytest.mark.parametrize(
    ("scale", "mu", "shift", "expected"),
    [
        # Eigenvalues of the same problem in arithmetic of 400 digits (mpmath), where
        # the root of the penalty and the Cholesky factor of the products cost none.
        (
            1e-70,
            1.0,
            0.0,
            [2.0491895960743153e-276, 5.5014955324067941e-277, 1.9012751735167211e-277],
        ),
        (
            1e-3,
            1.0,
            0.0,
            [2.0491895895242979e-8, 5.5014955323741997e-9, 1.9012751732204025e-9],
        ),
        (1.0, 1.0, 0.0, [5536.2103187815167, 2757.4535947585869, 4.1797944361506727]),
        (1.0, 1e-6, 0.0, [5536173809.9371341, 2755834336.0906475, 4.1835233601870504]),
        (1e3, 1.0, 0.0, [5536173809900663.0, 2755834334473342.0, 4.1835233639155509]),
        (
            1e10,
            1.0,
            0.0,
            [5.536173809900663e43, 2.7558343344733404e43, 4.1835233639155546],
        ),
        (
            1e70,
            1.0,
            0.0,
            [5.5361738099006649e283, 2.7558343344733411e283, 4.1835233639155546],
        ),
        (1.0, 1.0, 1e6, [6370.0908416487884, 3107.1465664690382, 4.1795414517506494]),
        (
            1e3,
            1.0,
            -1e6,
            [6369696366111234.0, 3104384489144152.3, 4.1835233639155506],
        ),
    ],
)
def test_eigenvalues_are_right_at_any_scale(scale, mu, shift, expected):
    X, y = (scale * (np.array(side, float) + shift) for side in (SOURCE, TARGET))
    aligner = TransferComponentAligner(mu=mu).fit(X, y)
    assert_allclose(aligner.eigenvalues_, expected, rtol=1e-9 if shift else 1e-13)
    mapped = np.vstack([aligner.transform(X), aligner.transform_target(y)])
    # Eigenvalues are the scatter of the components, which do not correlate.
    mapped = (mapped - mapped.mean(axis=0)) / np.sqrt(aligner.eigenvalues_)
    assert_allclose(mapped.T @ mapped, np.eye(3), atol=1e-9 if shift else 1e-12)


@pytest.mark.parametrize(("scale", "way"), [(1e80, "overflow"), (1e-80, "underflow")])
def test_eigenvalues_that_are_no_normal_numbers_are_refused(scale, way):
    X, y = sides()
    with pytest.raises(
        ValueError, match=f"eigenvalues {way} float64.*Scale the columns"
    ):
        TransferComponentAligner().fit(scale * X, scale * y)


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


@pytest.mark.parametrize("scale", [1e-50, 1.0, 1e4, 1e50])
def test_a_wide_linear_kernel_equals_a_narrow_one_on_the_same_span(scale):
    X, y = sides(8, 9, n_features=6)
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(50, 6)))[0].T
    X, y = scale * X, scale * y
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


@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_equal_rows_on_both_sides_are_refused(kernel, value):
    X = np.full((5, 3), value)
    with pytest.raises(ValueError, match="All samples of both sides are equal"):
        TransferComponentAligner(kernel=kernel).fit(X, X[:4])


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


def test_one_column_has_one_component():
    X, y = np.array([[1.0], [2.0], [4.0]]), np.array([[3.0], [7.0]])
    aligner = TransferComponentAligner(mu=0.5).fit(X, y)
    rows = np.vstack([X, y]).ravel()
    K, gap = np.outer(rows, rows), np.r_[np.full(3, 1 / 3), np.full(2, -1 / 2)]
    scatter = K @ (np.eye(5) - 1 / 5) @ K
    # The problem of the paper, in matrices of all five samples.
    values = eig(scatter, 0.5 * np.eye(5) + K @ np.outer(gap, gap) @ K)[0].real
    assert aligner.n_components_ == 1
    assert_allclose(aligner.eigenvalues_, [values.max()])


def test_components_are_no_more_than_the_rank_of_narrow_rows():
    rng = np.random.default_rng(0)
    X, y = (np.pad(rng.normal(size=(n, 2)), ((0, 0), (0, 2))) for n in (20, 30))
    assert TransferComponentAligner().fit(X, y).n_components_ == 2
    with pytest.raises(ValueError, match="n_components=3 must be at most 2"):
        TransferComponentAligner(n_components=3).fit(X, y)


def test_target_rows_that_equal_the_first_source_row_are_aligned():
    X = np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 3.0]])
    aligner = TransferComponentAligner().fit(X, np.tile(X[0], (5, 1)))
    assert aligner.n_components_ == 2
