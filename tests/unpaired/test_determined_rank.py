"""How many directions the data determine, and the least-error answer in the others."""

import warnings
from itertools import product
from math import factorial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ortho_group

from skalign import LinearAligner
from skalign.moments import GroupMoments
from skalign.unpaired import ICPAligner, MomentAligner, WassersteinProcrustesAligner
from skalign.unpaired._moment_matching import Agreement, Side, _odd_agreement
from skalign.unpaired._open_axes import _agreement, _deviations


def gaussian_classes(kind, n_samples, n_features, n_classes, seed):
    """Both sides of Gaussian classes, turned; and the truth for the source rows."""
    rng = np.random.default_rng(seed)
    half = n_features // 2
    centres = 3 * rng.normal(size=(n_classes, n_features))
    roots = [np.eye(n_features)] * n_classes
    if kind == "anisotropic block":
        centres[:, half:] = 0
        roots = [np.diag(np.r_[np.linspace(3, 1.5, half), np.ones(n_features - half)])]
        roots *= n_classes
    elif kind == "symmetric":
        centres[:, 1:] = 0
        roots = [np.diag(np.linspace(3, 1, n_features))] * n_classes
    elif kind == "own covariances":
        noise = rng.normal(size=(n_classes, n_features, n_features))
        roots = noise / np.sqrt(n_features) + 0.3 * np.eye(n_features)
    sides = []
    for size in (n_samples, n_samples + 50):
        labels = rng.integers(n_classes, size=size)
        rows = np.empty((size, n_features))
        for c in range(n_classes):
            of_class = rng.normal(size=(np.sum(labels == c), n_features))
            rows[labels == c] = of_class @ roots[c] + centres[c]
        sides.append((rows, labels))
    (X, labels), (y, target_labels) = sides
    turn = ortho_group.rvs(n_features, random_state=seed)
    classes = {"labels": labels, "target_labels": target_labels}
    return X, y @ turn + 1, classes, X @ turn + 1


def map_of_class_means(X, y, classes):
    """Least squares between the means, which is zero where they do not differ."""
    means = [
        [side[labels == c].mean(axis=0) for c in np.unique(labels)]
        for side, labels in zip((X, y), classes.values(), strict=True)
    ]
    return LinearAligner().fit(*np.array(means))


def relative_error(mapped, truth):
    return np.mean((mapped - truth) ** 2) / np.mean(truth.var(axis=0))


CASES = [
    (300, 6, 3, 1), (300, 6, 3, 2), (1000, 6, 3, 1), (1000, 6, 3, 2), (4000, 12, 4, 1),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["isotropic", "symmetric"])
def test_what_class_means_alone_determine_is_not_guessed_beyond(kind, case):
    X, y, classes, truth = gaussian_classes(kind, *case)
    expected = case[2] - 1 if kind == "isotropic" else 1
    aligner = MomentAligner(n_restarts=5, random_state=0)
    with pytest.warns(UserWarning, match=f"determine .* of {case[1]} directions"):
        aligner.fit(X, y, **classes)
    # Noise can pass for one more symmetric axis, rarely; not for an isotropic one.
    assert expected <= aligner.determined_rank_ <= expected + 2 * (kind == "symmetric")
    lengths = np.linalg.svd(aligner.coef_, compute_uv=False)
    assert np.sum(lengths > 1e-10 * lengths[0]) == aligner.determined_rank_
    means = map_of_class_means(X, y, classes)
    if kind == "isotropic":
        error = relative_error(aligner.transform(X), truth)
        assert error < 1.03 * relative_error(means.transform(X), truth)


@pytest.mark.parametrize("case", CASES)
def test_an_isotropic_part_is_left_at_the_mean(case):
    X, y, classes, truth = gaussian_classes("anisotropic block", *case)
    aligner = MomentAligner(n_restarts=5, random_state=0)
    with pytest.warns(UserWarning, match="the others are mapped to the mean"):
        aligner.fit(X, y, **classes)
    assert abs(aligner.determined_rank_ - case[1] // 2) <= 2
    means = map_of_class_means(X, y, classes)
    errors = [relative_error(a.transform(X), truth) for a in (aligner, means)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("case", CASES)
def test_covariances_that_differ_by_class_determine_every_direction(case):
    X, y, classes, truth = gaussian_classes("own covariances", *case)
    aligner = MomentAligner(n_restarts=5, random_state=0).fit(
        X, y, **classes
    )  # no warning
    assert aligner.determined_rank_ == case[1]
    means = map_of_class_means(X, y, classes)
    errors = [relative_error(a.transform(X), truth) for a in (aligner, means)]
    assert errors[0] < errors[1] / (15 if case[0] < 1000 else 40)


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic block"])
def test_an_arbitrary_rotation_is_twice_as_wrong_as_the_mean(kind):
    """What is gained: the error of directions that are turned at random."""
    X, y, classes, truth = gaussian_classes(kind, 1000, 6, 3, 1)
    aligner = MomentAligner("rotation", n_restarts=5, random_state=0)
    with pytest.warns(UserWarning, match="determine"):
        aligner.fit(X, y, **classes)
    rest = np.eye(6) - np.linalg.pinv(aligner.coef_) @ aligner.coef_
    values, open_axes = np.linalg.eigh(rest)
    open_axes = open_axes[:, values > 0.5]
    away = (truth - truth.mean(axis=0)) @ open_axes
    variance = np.mean(np.sum(away**2, axis=1))
    turns = [ortho_group.rvs(away.shape[1], random_state=s) for s in range(50)]
    errors = [np.mean(np.sum((away - away @ t) ** 2, axis=1)) for t in turns]
    mapped = (aligner.transform(X) - truth.mean(axis=0)) @ open_axes
    assert np.mean(np.sum((mapped - away) ** 2, axis=1)) < 1.01 * variance
    assert np.mean(errors) > 1.8 * variance


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("kind", "case", "rank", "gain"),
    [
        ("isotropic", (1000, 6, 3, 1), 2, 1.05),
        ("isotropic", (300, 6, 3, 2), 2, 1.05),
        ("anisotropic block", (1000, 6, 3, 1), 3, 0.6),
        ("own covariances", (1000, 6, 3, 1), 6, 1 / 40),
    ],
)
def test_matched_rows_are_not_turned_where_nothing_says_how(kind, case, rank, gain):
    X, y, classes, truth = gaussian_classes(kind, *case)
    aligner = ICPAligner(random_state=0)
    if rank == 6:
        aligner.fit(X, y, **classes)  # no warning
    else:
        with pytest.warns(UserWarning, match=f"determine {rank} of 6 directions"):
            aligner.fit(X, y, **classes)
    assert aligner.determined_rank_ == rank
    means = map_of_class_means(X, y, classes)
    errors = [relative_error(a.transform(X), truth) for a in (aligner, means)]
    assert errors[0] < gain * errors[1]
    assert_allclose(aligner.transform(X).mean(axis=0), y.mean(axis=0), atol=0.3)


def skewed_and_gaussian(n_samples, n_skewed, rng):
    """Rows of four columns, some of them skewed and the others Gaussian."""
    shapes = np.array([1.0, 2.0, 3.0, 4.0])[:n_skewed]
    skewed = rng.gamma(shapes, size=(n_samples, n_skewed)) - shapes
    return np.hstack([skewed, rng.normal(size=(n_samples, 4 - n_skewed))])


@pytest.mark.parametrize("same_rows", [False, True])
@pytest.mark.parametrize("n_skewed", [0, 2, 4])
def test_rows_without_labels_are_not_turned_where_nothing_says_how(n_skewed, same_rows):
    rng = np.random.default_rng(0)
    X = skewed_and_gaussian(1500, n_skewed, rng)
    turn = ortho_group.rvs(4, random_state=0)
    y = rng.permutation(X) if same_rows else skewed_and_gaussian(1500, n_skewed, rng)
    aligner = WassersteinProcrustesAligner(
        "moments", n_restarts=5, max_samples=300, random_state=0
    )
    rank = 4 if same_rows else n_skewed
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        aligner.fit(X, y @ turn)
    assert aligner.determined_rank_ == rank
    said = " ".join(str(warning.message) for warning in said)
    assert (f"determine {rank} of 4 directions" in said) == (rank < 4)
    error = relative_error(aligner.transform(X), X @ turn)
    open_variance = 0 if same_rows else 4 - n_skewed
    assert error < 1.1 * open_variance / X.var(axis=0).sum() + 0.05


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:WassersteinProcrustesAligner may have failed")
@pytest.mark.parametrize("n_pairs", [0, 4, 8])
def test_known_pairs_determine_directions(n_pairs):
    rng = np.random.default_rng(0)
    spreads = np.linspace(2, 1, 4)
    turn = ortho_group.rvs(4, random_state=0)
    X, y = rng.normal(size=(2, 1500, 4)) * spreads
    y[:n_pairs] = X[100 : 100 + n_pairs]
    pairs = np.column_stack([np.arange(100, 100 + n_pairs), np.arange(n_pairs)])
    aligner = WassersteinProcrustesAligner(
        "moments", n_restarts=5, max_samples=300, random_state=0
    )
    aligner.fit(X, y @ turn, pairs=pairs if n_pairs else None)
    assert aligner.determined_rank_ == (4 if n_pairs else 0)


def test_latents_of_real_data_are_determined(digits):
    order = np.random.default_rng(0).permutation(len(digits.data))
    first, second = np.array_split(order, 2)  # no row is on both sides
    aligner = MomentAligner(n_restarts=5, random_state=0).fit(
        digits.data[first], digits.target[second],
        labels=digits.labels[first], target_labels=digits.labels[second],
    )  # fmt: skip
    assert aligner.determined_rank_ == digits.target.shape[1]


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    sides = []
    for _ in range(2):
        rows = rng.gamma(1.0, size=(600, 4)) @ rng.normal(size=(4, 4)) + labels[:, None]
        moments = GroupMoments.from_rows(rows, labels, order=3)
        sides.append(Side(moments, np.full(3, 1 / 3)))
    return sides


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("block", [0, 1, 2])
def test_odd_agreement_is_half_of_what_a_reversal_costs(sides, block, whiten):
    rotation, axes = (ortho_group.rvs(4, random_state=seed) for seed in (1, 2))
    blocks = [side.blocks(4, whiten=whiten) for side in sides]
    agreement = Agreement(*blocks, np.eye(3)[block])
    odd = _odd_agreement(blocks[0].turned(rotation @ axes), blocks[1].turned(axes))
    for axis, expected in zip(axes.T, odd[block], strict=True):
        turned = rotation @ (np.eye(4) - 2 * np.outer(axis, axis))
        cost = agreement(rotation[None])[0] - agreement(turned[None])[0]
        assert_allclose(cost, 2 * expected, atol=1e-12)


@pytest.mark.long
def test_odd_noise_is_that_of_gaussian_rows():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    axes = ortho_group.rvs(3, random_state=0)
    squares, expected, norms = [], [], []
    for _ in range(400):
        rows = rng.normal(size=(400, 3))
        moments = GroupMoments.from_rows(rows, labels, order=3)
        side = Side(moments, np.full(2, 0.5))
        leading = side._axes @ (side._axes.T @ axes)  # the same axes each time
        blocks = side._raw_blocks(side._axes)
        norms = np.array([np.vdot(b, b) for b in blocks])[:, None]
        expected.append(side.odd_noise(side._axes.T @ axes)[0] * norms)
        means, covariances, third = side._raw_blocks(leading)
        own = 2 * (np.sum(covariances**2, axis=(0, 2)) - np.sum(
            np.diagonal(covariances, axis1=1, axis2=2) ** 2, axis=0))  # fmt: skip
        odd = []
        for v in range(3):
            signs = np.where(np.arange(3) == v, -1, 1)
            even = (third + np.einsum("i,j,k,ijk->ijk", *[signs] * 3, third)) / 2
            odd.append(np.sum((third - even) ** 2))
        squares.append([np.sum(means**2, axis=0), own, odd])
    assert_allclose(np.mean(squares, axis=0), np.mean(expected, axis=0), rtol=0.15)


@pytest.mark.parametrize("whiten", [False, True])
def test_odd_noise_counts_each_entry_with_an_odd_number_of_the_axis(whiten):
    # Groups with diagonal covariances and means along one axis: products of columns
    # are then independent, and those with equal factors count twice or six times.
    rng, shares = np.random.default_rng(0), np.array([0.25, 0.75])
    scales = np.array([[3.0, 1.0, 0.5], [2.0, 1.5, 0.2]])
    groups = []
    for size, scale in zip((30, 60), scales, strict=True):
        rows = rng.normal(size=(size, 3)) ** 3
        U, _, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        groups.append(np.sqrt(size) * U * scale)
    groups[1][:, 0] += 1
    moments = GroupMoments.from_rows(
        np.concatenate(groups), np.repeat([0, 1], [30, 60]), order=3
    )
    side = Side(moments, shares)
    within = scales**2
    between = np.diag([0.25 * 0.75, 0, 0])
    values = np.diag(shares @ within) + between
    assert_allclose(side.values, values.diagonal())
    mean = shares[1] * np.eye(3)[0]
    third = sum(
        share * np.einsum("ni,nj,nk->ijk", *[(rows - mean)] * 3) / len(rows)
        for share, rows in zip(shares, groups, strict=True)
    )
    unit = np.sqrt(values.diagonal()) if whiten else np.ones(3)
    covariances = np.array([np.diag(v / unit**2) for v in within])
    own = covariances - np.trace(covariances, axis1=1, axis2=2)[:, None, None] / 3 * (
        np.eye(3)
    )
    norms = [
        shares @ [0.75**2, 0.25**2] / unit[0] ** 2,
        shares @ np.sum(own**2, axis=(1, 2)),
        np.sum((third / np.einsum("i,j,k->ijk", *[unit] * 3)) ** 2),
    ]
    per_row = shares / [30, 60]
    variances = values.diagonal() / unit**2
    expected = np.zeros((3, 3))
    for axis in range(3):
        expected[0, axis] = per_row * (1 - shares) @ covariances[:, axis, axis]
        for entry in product(range(3), repeat=2):
            if entry.count(axis) == 1:
                a, b = (covariances[:, i, i] for i in entry)
                expected[1, axis] += per_row @ (a * b)
        for entry in product(range(3), repeat=3):
            if entry.count(axis) % 2 == 1:
                ways = np.prod([factorial(entry.count(i)) for i in set(entry)])
                expected[2, axis] += (
                    shares @ per_row * ways * np.prod(variances[list(entry)])
                )
    noise, n_entries = side.odd_noise(np.eye(3), whiten=whiten)
    assert_allclose(noise, expected / np.array(norms)[:, None])
    d = variances.sum() ** 2 / np.sum(variances**2)
    assert_allclose(n_entries.ravel(), [2, 2 * d, d * (d + 1) / 2])


@pytest.mark.parametrize(
    ("differences", "deviations"),
    [([0.0, 0.0, 0.0], 0.0), ([2.0, 2.0], np.inf), ([1.0, 3.0, 5.0], 3.1819805)],
)
def test_rows_that_all_move_alike_are_moved_beyond_chance_or_not_at_all(
    differences, deviations
):
    assert_allclose(_deviations(np.array(differences)), deviations)


def test_agreement_is_the_t_of_coordinates_about_a_known_centre():
    first, second = np.random.default_rng(0).normal(size=(2, 30)) + 1
    slope = first @ second / (first @ first)
    variance = np.sum((second - slope * first) ** 2) / 29
    assert_allclose(
        _agreement(first, second), slope / np.sqrt(variance / (first @ first))
    )
