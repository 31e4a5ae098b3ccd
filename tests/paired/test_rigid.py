"""RigidAligner: exact recovery, agreement with scipy, widths, streaming."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import expm, orthogonal_procrustes
from scipy.spatial.transform import Rotation
from scipy.stats import ortho_group

from skalign import RigidAligner


def _rotated(n_samples=40, n_features=4, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * np.arange(1, n_features + 1) + 9
    if n_features > 1:
        rotation = ortho_group.rvs(n_features, random_state=rng)
    else:  # which scipy 1.13 does not draw
        rotation = rng.choice([-1.0, 1.0], size=(1, 1))
    return X, X @ rotation - 4 + noise * rng.normal(size=X.shape), rotation


@given(
    n_features=st.integers(2, 6),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 2**32 - 1),
)
def test_rotation_scale_and_translation_are_recovered(n_features, scale, seed):
    X, y, rotation = _rotated(n_features=n_features, seed=seed)
    aligner = RigidAligner(scaling=True).fit(X, scale * y)
    assert_allclose(aligner.rotation_, rotation, atol=1e-10)
    assert_allclose(aligner.scale_, scale)
    assert_allclose(aligner.transform(X), scale * y)


def test_the_rotation_equals_scipy_on_centred_rows():
    X, y, _ = _rotated(noise=1.0)
    expected, _ = orthogonal_procrustes(X - X.mean(0), y - y.mean(0))
    assert_allclose(RigidAligner().fit(X, y).rotation_, expected)


def test_without_reflections_the_answer_equals_kabsch():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    y = X * [1, 1, -1] + 0.1 * rng.normal(size=(30, 3))
    aligner = RigidAligner(allow_reflection=False).fit(X, y)
    assert_allclose(np.linalg.det(aligner.rotation_), 1)
    expected, _ = Rotation.align_vectors(y - y.mean(0), X - X.mean(0))
    assert_allclose(aligner.rotation_.T, expected.as_matrix(), atol=1e-7)
    mirrored = RigidAligner().fit(X, y)
    assert_allclose(np.linalg.det(mirrored.rotation_), -1)


@given(n_features=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_without_reflections_the_determinant_is_one(n_features, seed):
    X, y, _ = _rotated(n_features=n_features, seed=seed, noise=0.5)
    aligner = RigidAligner(allow_reflection=False).fit(X, y)
    assert_allclose(np.linalg.det(aligner.rotation_), 1)


def test_distances_are_kept():
    X, y, _ = _rotated(noise=2.0)
    mapped = RigidAligner().fit(X, y).transform(X)
    assert_allclose(np.linalg.norm(mapped[1:] - mapped[:-1], axis=1),
                    np.linalg.norm(X[1:] - X[:-1], axis=1))  # fmt: skip


def test_narrow_to_wide_is_exact_on_noiseless_pairs():
    X, wide, rotation = _rotated(n_features=6)
    X, rotation = X[:, :4], rotation[:4]
    y = 2.5 * X @ rotation + 1
    aligner = RigidAligner(scaling=True).fit(X, y)
    assert_allclose(aligner.rotation_, rotation, atol=1e-10)
    assert_allclose(aligner.rotation_ @ aligner.rotation_.T, np.eye(4), atol=1e-12)
    assert_allclose(aligner.transform(X), y)
    assert_allclose(aligner.inverse_transform(y), X)
    assert wide.shape[1] > X.shape[1]


def test_wide_to_narrow_is_semi_orthogonal_with_the_best_scale():
    X, y, _ = _rotated(n_features=6, noise=0.1)
    y = 3 * y[:, :4]
    aligner = RigidAligner(scaling=True).fit(X, y)
    assert_allclose(aligner.rotation_.T @ aligner.rotation_, np.eye(4), atol=1e-12)
    turned, target = (X - X.mean(0)) @ aligner.rotation_, y - y.mean(0)
    assert_allclose(aligner.scale_, np.vdot(turned, target) / np.vdot(turned, turned))
    assert_allclose(aligner.transform(aligner.inverse_transform(y)), y)


@pytest.mark.parametrize("scaling", [True, False])
@pytest.mark.parametrize("widths", [(4, 4), (3, 5), (5, 3)])
def test_batches_and_halves_equal_the_same_data_at_once(scaling, widths):
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(60, width)) + 3 for width in widths)
    at_once, streamed = RigidAligner(scaling=scaling), RigidAligner(scaling=scaling)
    at_once.fit(X, y)
    for rows in np.array_split(np.arange(60), 7):
        streamed.partial_fit(X[rows], y[rows])
    halves = RigidAligner(scaling=scaling).fit(X[:25], y[:25])
    halves.merge(RigidAligner(scaling=scaling).fit(X[25:], y[25:]))
    for other in (streamed, halves):
        assert_allclose(other.coef_, at_once.coef_)
        assert_allclose(other.transform(X), at_once.transform(X))


def test_a_weight_of_k_equals_k_repeated_rows():
    X, y, _ = _rotated(noise=1.0)
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    weighted = RigidAligner(scaling=True).fit(X, y, sample_weight=weights)
    repeated = RigidAligner(scaling=True).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0)
    )
    assert_allclose(weighted.transform(X), repeated.transform(X))


def test_a_rotation_forms_no_gram_matrix():
    X, y, _ = _rotated()
    assert RigidAligner().fit(X, y).moments_.xx is None
    assert RigidAligner(scaling=True).fit(X, y).moments_.xx is None


def test_swapping_the_sides_gives_the_inverse_map():
    X, y, _ = _rotated(noise=0.5)
    there, back = RigidAligner().fit(X, y), RigidAligner().fit(y, X)
    assert_allclose(there.inverse_transform(y), back.transform(y))
    assert not np.allclose(there.rotation_, back.rotation_)  # the direction matters


def test_equal_rows_give_no_nan():
    aligner = RigidAligner(scaling=True)
    with pytest.warns(UserWarning, match="determine 0 of 3 directions"):
        aligner.fit(np.ones((5, 3)), np.ones((5, 3)))
    assert np.isfinite(aligner.transform(np.ones((2, 3)))).all()
    assert aligner.scale_ == 1


def _of_rank(rank, widths, dtype=np.float64, n_samples=20, seed=0):
    """Pairs that span so many directions, and the orthogonal map between them."""
    rng = np.random.default_rng(seed)
    n_features, n_targets = widths
    rotation = ortho_group.rvs(max(widths), random_state=rng)[:n_features, :n_targets]
    if n_features <= n_targets:
        span = rng.normal(size=(rank, n_features))
    else:
        span = rng.normal(size=(rank, n_targets)) @ rotation.T
    X = rng.normal(size=(n_samples, rank)) @ span
    return (X + 5).astype(dtype), (X @ rotation - 3).astype(dtype), rotation


@pytest.mark.parametrize("widths", [(4, 4), (3, 5), (5, 3)])
@pytest.mark.parametrize("rank", range(5))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("stream", [False, True])
def test_directions_that_pairs_do_not_show_are_counted(widths, rank, dtype, stream):
    if rank > min(widths):
        return
    X, y, _ = _of_rank(rank, widths, dtype)
    aligner = RigidAligner()
    fit = aligner.partial_fit if stream else aligner.fit
    if rank == min(widths):
        fit(X, y)
    else:
        said = f"determine {rank} of {min(widths)} directions.*turned as little"
        with pytest.warns(UserWarning, match=said):
            fit(X, y)
    assert aligner.determined_rank_ == rank
    assert_allclose(aligner.transform(X), y, atol=100 * np.finfo(dtype).eps)
    lengths = np.linalg.svd(aligner.rotation_, compute_uv=False)
    assert_allclose(lengths, 1, atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("allow_reflection", [True, False])
def test_what_pairs_on_a_line_leave_open_is_turned_as_little_as_possible(
    allow_reflection,
):
    X, y, _ = _of_rank(1, (3, 3))
    aligner = RigidAligner(allow_reflection=allow_reflection)
    with pytest.warns(UserWarning, match="determine 1 of 3 directions"):
        aligner.fit(X, y)
    axis = np.linalg.svd(X - X.mean(axis=0))[2][0]
    others = [
        Rotation.from_rotvec(angle * axis).as_matrix() @ aligner.rotation_
        for angle in np.linspace(0, 2 * np.pi, 1000)
    ]
    assert_allclose(others[500] @ others[500].T, np.eye(3), atol=1e-12)
    assert_allclose((X - X.mean(axis=0)) @ others[500], y - y.mean(axis=0))
    assert_allclose(np.linalg.det(aligner.rotation_), 1)
    best = max(np.trace(other) for other in others)
    assert np.trace(aligner.rotation_) >= best - 1e-12


def test_pairs_in_a_plane_leave_only_a_reflection_open():
    X, y, rotation = _of_rank(2, (3, 3))
    turn = rotation * np.linalg.det(rotation)  # in three columns, the proper one
    y = X @ turn
    aligner = RigidAligner(allow_reflection=False).fit(X, y)  # no warning
    assert aligner.determined_rank_ == 3
    assert_allclose(aligner.rotation_, turn)
    with pytest.warns(UserWarning, match="determine 2 of 3 directions"):
        aligner = RigidAligner().fit(X, y)
    assert aligner.determined_rank_ == 2
    assert_allclose(aligner.rotation_, turn)


def test_a_reflection_is_open_between_equal_widths_alone():
    X, y, _ = _of_rank(2, (2, 3))
    assert RigidAligner(allow_reflection=False).fit(X, y).determined_rank_ == 2


def test_few_pairs_of_spaces_that_are_nearly_the_same_map_new_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 20))
    lean = rng.normal(size=(20, 20))
    near = expm(0.02 * (lean - lean.T))
    for turn, least, most in (
        (near, 0, 0.1),
        (ortho_group.rvs(20, random_state=0), 1.6, 2.4),
    ):
        with pytest.warns(UserWarning, match="determine 7 of 20 directions"):
            aligner = RigidAligner().fit(rows[:8], rows[:8] @ turn)
        _, _, axes = np.linalg.svd(rows[:8] - rows[:8].mean(axis=0))
        beyond = (rows - rows.mean(axis=0)) @ axes[7:].T @ axes[7:]
        step = beyond @ (aligner.rotation_ - turn)
        assert least <= np.mean(step**2) / np.mean((beyond @ turn) ** 2) <= most


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 30])
def test_pairs_that_span_all_directions_raise_no_alarm(dtype, offset):
    rng = np.random.default_rng(0)
    spread = np.logspace(0, -2 if offset or dtype == np.float16 else -4, 30)
    X = rng.normal(size=(200, 30)) * spread + offset
    y = X @ ortho_group.rvs(30, random_state=0) + 0.02 * rng.normal(size=X.shape)
    aligner = RigidAligner().fit(*(rows.astype(dtype).astype("f") for rows in (X, y)))
    assert aligner.determined_rank_ == 30


def test_the_callers_arrays_stay_as_they_are():
    X, y, _ = _rotated()
    X.flags.writeable = y.flags.writeable = False
    RigidAligner(scaling=True).fit(X, y).transform(X)


def test_one_column_is_not_mirrored():
    x = np.arange(4.0)[:, None]
    rigid = RigidAligner(scaling=True, allow_reflection=False)
    with pytest.warns(UserWarning, match="the best scale is 0"):
        rigid.fit(x, -x)
    assert rigid.scale_ == 0  # least squares, of what may not turn round


@pytest.mark.filterwarnings("ignore:RigidAligner may have failed:UserWarning")
@pytest.mark.parametrize("widths", [(60, 60), (60, 80), (80, 60)])
@pytest.mark.parametrize("weighted", [False, True])
def test_few_pairs_decompose_matrices_of_their_number(widths, weighted, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(8, width)) + 3 for width in widths)
    weights = rng.uniform(size=8) if weighted else None
    streamed = RigidAligner(scaling=True).partial_fit(X, y, sample_weight=weights)
    sizes, svd = [], np.linalg.svd

    def recorded(matrix, **settings):
        sizes.append(matrix.shape)
        return svd(matrix, **settings)

    monkeypatch.setattr(np.linalg, "svd", recorded)
    at_once = RigidAligner(scaling=True).fit(X, y, weights)
    assert sizes == [(8, 8)]
    assert at_once.determined_rank_ == streamed.determined_rank_ == 7
    assert_allclose(at_once.coef_, streamed.coef_, atol=1e-10)


def test_validated_pairs_need_no_second_check():
    X, y, _ = _rotated(noise=1.0)
    fitted = RigidAligner(scaling=True).fit(X, y)
    again = RigidAligner(scaling=True)._fit_checked(X, y)
    assert_allclose(again._map(X), fitted.predict(X))
    assert again.determined_rank_ == fitted.determined_rank_
