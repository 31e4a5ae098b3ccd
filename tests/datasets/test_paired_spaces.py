"""Facts about made pairs of spaces."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import orthogonal_procrustes
from scipy.stats import skew
from sklearn.linear_model import LinearRegression

from skalign.datasets import make_paired_spaces


@pytest.mark.parametrize("n_targets", [None, 3, 9])
@pytest.mark.parametrize("offset", [0, 1, 1e6])
def test_target_is_data_under_the_map(n_targets, offset):
    spaces = make_paired_spaces(50, 6, n_targets, offset=offset, random_state=0)
    assert spaces.data.shape == (50, 6)
    assert spaces.target.shape == (50, 6 if n_targets is None else n_targets)
    assert_array_equal(spaces.data @ spaces.coef + spaces.intercept, spaces.target)


def test_without_more_the_map_is_a_proper_rotation():
    for seed in range(20):
        coef = make_paired_spaces(5, 4, random_state=seed).coef
        assert_allclose(coef.T @ coef, np.eye(4), atol=1e-12)
        assert_allclose(np.linalg.det(coef), 1)


def test_maps_between_widths_have_orthonormal_rows_or_columns():
    wider = make_paired_spaces(5, 3, 7, scale=2, random_state=0).coef
    assert_allclose(wider @ wider.T, 4 * np.eye(3), atol=1e-12)
    narrower = make_paired_spaces(5, 7, 3, scale=2, random_state=0).coef
    assert_allclose(narrower.T @ narrower, 4 * np.eye(3), atol=1e-12)


def test_singular_values_follow_scale_rank_and_condition_number():
    spaces = make_paired_spaces(
        5, 6, 5, scale=3, rank=3, condition_number=100, random_state=0
    )
    values = np.linalg.svd(spaces.coef, compute_uv=False)
    assert_allclose(values, [3, 0.3, 0.03, 0, 0], atol=1e-12)


def test_least_squares_and_procrustes_find_the_map():
    spaces = make_paired_spaces(40, 5, condition_number=10, random_state=0)
    linear = LinearRegression().fit(spaces.data, spaces.target)
    assert_allclose(linear.coef_.T, spaces.coef, atol=1e-10)
    assert_allclose(linear.intercept_, spaces.intercept, atol=1e-10)
    spaces = make_paired_spaces(40, 5, random_state=0)
    X, y = (rows - rows.mean(axis=0) for rows in (spaces.data, spaces.target))
    assert_allclose(orthogonal_procrustes(X, y)[0], spaces.coef, atol=1e-10)


def test_noise_has_the_standard_deviation_that_was_asked_for():
    spaces = make_paired_spaces(20_000, 4, noise=0.3, random_state=0)
    residual = spaces.target - spaces.data @ spaces.coef - spaces.intercept
    assert_allclose(residual.std(axis=0), 0.3, rtol=0.03)
    assert np.abs(np.corrcoef(residual.T) - np.eye(4)).max() < 0.03


def test_columns_have_the_spread_and_the_skewness_that_were_asked_for():
    spaces = make_paired_spaces(50_000, 3, spread=4, skewness=1.5, random_state=0)
    assert_allclose(spaces.data.std(axis=0), [1, 0.5, 0.25], rtol=0.03)
    assert_allclose(skew(spaces.data), 1.5, atol=0.1)
    normal = make_paired_spaces(50_000, 3, random_state=0)
    assert_allclose(skew(normal.data), 0, atol=0.05)


def test_classes_are_balanced_and_as_far_apart_as_asked():
    spaces = make_paired_spaces(
        10_000, 50, n_classes=20, class_sep=3, offset=0, spread=2, random_state=0
    )
    assert_array_equal(np.bincount(spaces.labels), 500)
    means = np.array([spaces.data[spaces.labels == k].mean(axis=0) for k in range(20)])
    within = (spaces.data - means[spaces.labels]).std(axis=0)
    assert_allclose(np.sqrt(np.mean((means / within) ** 2)), 3, rtol=0.1)
    assert_array_equal(spaces.labels, spaces.target_labels)


def test_offset_moves_the_source_and_the_target():
    spaces = make_paired_spaces(100, 400, offset=50, random_state=0)
    assert_allclose(spaces.data.mean(axis=0).std(), 50, rtol=0.2)
    assert_allclose(spaces.intercept.std(), 50, rtol=0.2)


def test_unpaired_rows_are_others_of_the_same_distribution():
    spaces = make_paired_spaces(
        9000, 3, n_target_samples=6000, n_classes=3, skewness=1, random_state=0
    )
    assert spaces.target.shape == (6000, 3)
    assert spaces.target_labels.shape == (6000,)
    # Rows that are not the same do not correlate ...
    back = (spaces.target - spaces.intercept) @ spaces.coef.T
    assert abs(np.corrcoef(back[:, 0], spaces.data[:6000, 0])[0, 1]) < 0.05
    # ... but have the same moments.
    assert_allclose(back.mean(axis=0), spaces.data.mean(axis=0), atol=0.1)
    assert_allclose(np.cov(back.T), np.cov(spaces.data.T), atol=0.1)
    assert_allclose(skew(back), skew(spaces.data), atol=0.1)


def test_the_map_does_not_depend_on_the_numbers_of_rows_or_the_noise():
    first = make_paired_spaces(10, 5, n_classes=2, random_state=3)
    for other in (
        make_paired_spaces(99, 5, n_classes=2, random_state=3),
        make_paired_spaces(10, 5, n_classes=2, noise=1, random_state=3),
        make_paired_spaces(10, 5, n_classes=2, n_target_samples=7, random_state=3),
    ):
        assert_array_equal(first.coef, other.coef)
        assert_array_equal(first.intercept, other.intercept)


def test_the_same_seed_gives_the_same_rows_in_both_forms():
    spaces = make_paired_spaces(30, 4, noise=1, n_classes=3, random_state=5)
    data, target = make_paired_spaces(
        30, 4, noise=1, n_classes=3, random_state=5, return_X_y=True
    )
    assert_array_equal(data, spaces.data)
    assert_array_equal(target, spaces.target)
    other = make_paired_spaces(30, 4, noise=1, n_classes=3, random_state=6)
    assert not np.array_equal(other.data, data)


def test_the_description_says_what_was_made():
    paired = make_paired_spaces(30, 4, random_state=0).DESCR
    assert "30 source samples" in paired
    assert "paired one by one" in paired
    unpaired = make_paired_spaces(30, 4, n_target_samples=20, random_state=0).DESCR
    assert "20 target samples" in unpaired
    assert "independently" in unpaired


def test_one_row_and_one_column_are_enough():
    spaces = make_paired_spaces(1, 1, n_classes=2, spread=3, random_state=0)
    assert_allclose(spaces.coef, [[1]])
    assert spaces.target.shape == (1, 1)


def test_a_rank_above_the_width_is_refused():
    with pytest.raises(ValueError, match=r"rank=5 must be at most .*=4\."):
        make_paired_spaces(10, 6, 4, rank=5)


@pytest.mark.parametrize(
    "parameter",
    [
        {"n_samples": 0},
        {"n_targets": 0},
        {"n_target_samples": 0},
        {"scale": 0},
        {"rank": 0},
        {"condition_number": 0.5},
        {"noise": -1},
        {"offset": -1},
        {"n_classes": 0},
        {"class_sep": -1},
        {"spread": 0.5},
        {"skewness": -1},
    ],
)
def test_parameters_out_of_range_are_refused(parameter):
    with pytest.raises(ValueError, match=f"'{next(iter(parameter))}'"):
        make_paired_spaces(**parameter)


@pytest.mark.parametrize("skewness", [5e-324, 1e-300, 1e-12, 1e-5, 1e6])
def test_any_skewness_has_rows(skewness):
    X, y = make_paired_spaces(
        500, 3, skewness=skewness, random_state=0, return_X_y=True
    )
    assert np.isfinite(y).all()
    if skewness < 1:
        assert_allclose(X.std(axis=0), 1, atol=0.1)


def test_more_skewness_than_a_million_is_refused():
    with pytest.raises(ValueError, match="'skewness' parameter"):
        make_paired_spaces(skewness=1e300)
