"""Values that scipy 1.17.1 tests its own functions with, met by ours.

Each test names its file and test there.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import RigidAligner
from skalign.metrics import (
    energy_distance,
    feature_wasserstein_distances,
    procrustes_distance,
    sliced_wasserstein_distance,
    wasserstein_distance,
)


def column(values):
    return np.array(values, dtype=float)[:, None]


# linalg/tests/test_procrustes.py


@pytest.mark.parametrize(
    ("X", "y", "expected"),
    [
        # test_orthogonal_procrustes_exact_example
        (
            [[-3, 3], [-2, 3], [-2, 2], [-3, 2]],
            [[3, 2], [1, 0], [3, -2], [5, 0]],
            [[3, 2], [1, 0], [3, -2], [5, 0]],
        ),
        # test_orthogonal_procrustes_stretched_example
        (
            [[-3, 3], [-2, 3], [-2, 2], [-3, 2]],
            [[3, 40], [1, 0], [3, -40], [5, 0]],
            [[3, 21], [-18, 0], [3, -21], [24, 0]],
        ),
        # test_orthogonal_procrustes_skbio_example
        (
            [[4, -2], [4, -4], [4, -6], [2, -6]],
            [[1, 3], [1, 2], [1, 1], [2, 1]],
            [[1, 3], [1, 2], [1, 1], [2, 1]],
        ),
    ],
)
def test_rotation_scale_and_translation(X, y, expected):
    aligner = RigidAligner(scaling=True).fit(X, y)
    assert_allclose(aligner.transform(X), expected, atol=1e-8)


def test_disparity_of_the_stretched_example():
    # test_orthogonal_procrustes_stretched_example: both ways round, after scaling.
    X = [[-3, 3], [-2, 3], [-2, 2], [-3, 2]]
    y = [[3, 40], [1, 0], [3, -40], [5, 0]]
    for one, other in ((X, y), (y, X)):
        mapped = RigidAligner(scaling=True).fit(one, other).transform(one)
        lost = np.sum((mapped - other) ** 2)
        total = np.sum((np.array(other) - np.mean(other, axis=0)) ** 2)
        assert_allclose(lost / total, 0.4501246882793018)
        distance = procrustes_distance(one, other)
        assert_allclose(1 - (1 - distance**2 / 2) ** 2, 0.4501246882793018)


# spatial/tests/test__procrustes.py


def test_a_mirrored_shape_is_the_same_shape():
    # TestProcrustes.test_procrustes
    X, y = [[1, 3], [1, 2], [1, 1], [2, 1]], [[4, -2], [4, -4], [4, -6], [2, -6]]
    assert procrustes_distance(X, y) < 1e-12


def test_disparity_does_not_depend_on_the_order():
    # TestProcrustes.test_procrustes2; 3 * 2 + (1 + 1.5**2) is its distance unaligned.
    X, y = [[1, 3], [1, 2], [1, 1], [2, 1]], [[2, 4], [2, 3], [2, 2], [3, 2.5]]
    assert np.sum((np.array(X) - y) ** 2) == 3 * 2 + 1 + 1.5**2
    distance = procrustes_distance(X, y)
    assert_allclose(procrustes_distance(y, X), distance)
    assert 0 < distance < 1


# stats/tests/test_stats.py

STEPS = np.arange(-10, 30, 0.3)
ONE_DIMENSIONAL = [
    # TestWassersteinDistance.test_simple
    ([0, 1], [0], [1, 1], [1], 0.5),
    ([0, 1], [0], [3, 1], [1], 0.25),
    ([0, 2], [0], [1, 1], [1], 1),
    ([0, 1, 2], [1, 2, 3], None, None, 1),
    # test_same_distribution
    ([1, 2, 3], [2, 1, 3], None, None, 0),
    ([1, 1, 1, 4], [4, 1], [1, 1, 1, 1], [1, 3], 0),
    # test_shift
    ([0], [1], None, None, 1),
    ([-5], [5], None, None, 10),
    ([1, 2, 3, 4, 5], [11, 12, 13, 14, 15], None, None, 10),
    ([4.5, 6.7, 2.1], [4.6, 7, 9.2], [3, 1, 1], [1, 3, 1], 2.5),
    # test_collapse: the mean absolute value
    (STEPS, np.zeros_like(STEPS), None, None, np.mean(np.abs(STEPS))),
    # test_zero_weight
    ([1, 2, 100000], [1, 1], [1, 1, 0], [1, 1], 0.5),
]


@pytest.mark.parametrize(("u", "v", "a", "b", "expected"), ONE_DIMENSIONAL)
def test_wasserstein_distance_in_one_dimension(u, v, a, b, expected):
    X, Y, weights = column(u), column(v), {"X_weight": a, "Y_weight": b}
    values = [
        wasserstein_distance(X, Y, p=1, **weights),
        feature_wasserstein_distances(X, Y, p=1, **weights)[0],
        sliced_wasserstein_distance(X, Y, p=1, random_state=0, **weights),
    ]
    assert_allclose(values, expected, atol=1e-12)


def test_wasserstein_distance_combines_weights():
    # TestWassersteinDistance.test_combine_weights; the value is counted by hand.
    repeated = column([0, 0, 1, 1, 1, 1, 5]), column([0, 3, 3, 3, 3, 4, 4])
    assert_allclose(wasserstein_distance(*repeated, p=1), 13 / 7)
    weights = {"X_weight": [1, 2, 4], "Y_weight": [1, 2, 4]}
    value = wasserstein_distance(column([5, 0, 1]), column([0, 4, 3]), p=1, **weights)
    assert_allclose(value, 13 / 7)


def test_wasserstein_distance_in_the_plane():
    # TestWassersteinDistanceND.test_published_values, of James D. McCaffrey
    u = np.repeat([[1, 1], [4, 2], [6, 1]], [10, 1, 2], axis=0)
    v = np.repeat([[2, 1], [3, 2], [5, 1], [7, 1]], [2, 3, 7, 1], axis=0)
    flows, lengths = [2, 3, 5, 1, 1, 1], [1, 5**0.5, 4, 2**0.5, 1, 1]
    expected = np.dot(flows, lengths) / 13
    assert_allclose(wasserstein_distance(u, v, p=1), expected)


def test_wasserstein_distance_to_a_point_is_a_mean_length():
    # TestWassersteinDistanceND.test_collapse_nD
    rng = np.random.default_rng(38573488467338826109)
    X, a = rng.random((9, 5)), rng.random(9)
    expected = np.average(np.linalg.norm(X, axis=1), weights=a)
    value = wasserstein_distance(X, np.zeros((8, 5)), p=1, X_weight=a)
    assert_allclose(value, expected)


@pytest.mark.parametrize(
    ("u", "v", "a", "b", "expected"),
    [
        # TestEnergyDistance.test_simple
        ([0, 1], [0], [1, 1], [1], 0.5 * 2**0.5),
        ([0, 1], [0], [3, 1], [1], 0.25 * 2**0.5),
        ([0, 2], [0], [1, 1], [1], 1),
        ([0, 1, 2], [1, 2, 3], None, None, (2 / 3) ** 0.5),
        # test_same_distribution
        ([1, 2, 3], [2, 1, 3], None, None, 0),
        ([1, 1, 1, 4], [4, 1], [1, 1, 1, 1], [1, 3], 0),
        # test_shift
        ([0], [1], None, None, 2**0.5),
        ([-5], [5], None, None, 20**0.5),
        # test_zero_weight
        ([1, 2, 100000], [1, 1], [1, 1, 0], [1, 1], 0.5**0.5),
    ],
)
def test_energy_distance(u, v, a, b, expected):
    value = energy_distance(column(u), column(v), X_weight=a, Y_weight=b)
    assert_allclose(value, expected, atol=1e-7)


def test_energy_distance_combines_weights():
    # TestEnergyDistance.test_combine_weights
    repeated = column([0, 0, 1, 1, 1, 1, 5]), column([0, 3, 3, 3, 3, 4, 4])
    weights = {"X_weight": [1, 2, 4], "Y_weight": [1, 2, 4]}
    value = energy_distance(column([5, 0, 1]), column([0, 4, 3]), **weights)
    assert_allclose(value, energy_distance(*repeated))


@pytest.mark.parametrize("distance", [wasserstein_distance, energy_distance])
def test_infinity_is_refused(distance):
    # test_inf_values of both classes: there it is infinite, or NaN with a warning.
    with pytest.raises(ValueError, match="infinity"):
        distance(column([1, 2, np.inf]), column([1, 1]))
