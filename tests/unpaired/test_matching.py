import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment

from skalign.unpaired import _matching
from skalign.unpaired._matching import Strays, draw_groups, match


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 3)), rng.normal(size=(50, 3))


@pytest.fixture
def distances(sides):
    X, y = sides
    return ((X[:, None] - y) ** 2).sum(axis=2)


def all_rows(X, y, max_samples=None):
    rng = np.random.RandomState(0)
    return draw_groups(np.zeros(len(X)), np.zeros(len(y)), [0], max_samples, rng)


def pairs_of(matches):
    return sorted(zip(matches.source.tolist(), matches.target.tolist(), strict=True))


def expected_pairs(distances, matching):
    there = {(i, int(j)) for i, j in enumerate(distances.argmin(axis=1))}
    back = {(int(i), j) for j, i in enumerate(distances.argmin(axis=0))}
    if matching == "both":
        return sorted([*there, *back])
    return sorted(there & back if matching == "mutual" else there)


@pytest.mark.parametrize("few", [0, 60 * 50 * 3])
@pytest.mark.parametrize("matching", ["nearest", "mutual", "both"])
def test_neighbours_are_those_of_all_distances(
    sides, distances, matching, few, monkeypatch
):
    monkeypatch.setattr(_matching, "_FEW_PRODUCTS", few)
    matches = match(*sides, all_rows(*sides), matching)
    assert pairs_of(matches) == expected_pairs(distances, matching)
    assert_allclose(matches.distances, distances[matches.source, matches.target])
    assert_array_equal(matches.group_sizes, [len(matches.source)])


@pytest.mark.parametrize("few", [0, 60 * 50 * 3])
def test_rows_that_are_not_finite_are_refused(sides, few, monkeypatch):
    monkeypatch.setattr(_matching, "_FEW_PRODUCTS", few)
    sides[0][3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        match(*sides, all_rows(*sides), "nearest")


def test_assignment_is_that_of_scipy(sides, distances):
    matches = match(*sides, all_rows(*sides), "assignment")
    source, target = linear_sum_assignment(distances)
    assert_array_equal(matches.source, source)
    assert_array_equal(matches.target, target)
    assert_allclose(matches.distances.sum(), distances[source, target].sum())


@pytest.mark.parametrize("matching", ["nearest", "mutual", "both", "assignment"])
def test_rows_are_matched_within_their_group_only(sides, matching):
    X, y = sides
    labels, target_labels = np.arange(60) % 3, np.arange(50) % 3
    groups = draw_groups(labels, target_labels, [0, 2], None, np.random.RandomState(0))
    matches = match(X, y, groups, matching)
    assert_array_equal(labels[matches.source], target_labels[matches.target])
    assert set(labels[matches.source]) == {0, 2}
    assert matches.group_sizes.sum() == len(matches.source)
    assert np.all(labels[matches.source[: matches.group_sizes[0]]] == 0)


def test_rows_that_are_drawn_look_among_all_rows(sides, distances):
    groups = all_rows(*sides, max_samples=7)
    matches = match(*sides, groups, "both")
    assert len(matches.source) == 14
    assert_array_equal(matches.target[:7], distances.argmin(axis=1)[matches.source[:7]])
    assert_array_equal(matches.source[7:], distances.argmin(axis=0)[matches.target[7:]])
    one_to_one = match(*sides, groups, "assignment")
    assert len(one_to_one.source) == 7


def test_rows_are_drawn_at_random_where_there_are_more(sides):
    (group,) = all_rows(*sides, max_samples=7)
    for rows, side in zip((group.source, group.target), sides, strict=True):
        assert_array_equal(np.sort(rows), np.arange(len(side)))
        assert set(rows[:7]) != set(range(7))
    (group,) = all_rows(*sides, max_samples=1000)
    for rows, side in zip((group.source, group.target), sides, strict=True):
        assert_array_equal(rows, np.arange(len(side)))


def test_the_most_distant_matches_are_trimmed(sides):
    groups = draw_groups(np.arange(60) % 2, np.arange(50) % 2, [0, 1], None, None)
    every = match(*sides, groups, "both")
    kept = match(*sides, groups, "both", Strays(trim=0.3))
    limit = np.sort(every.distances)[76]  # of 110 matches, 33 are left out
    left = every.distances <= limit
    assert left.sum() == 77
    for part, of_all in zip(kept[:3], every[:3], strict=True):
        assert_array_equal(part, of_all[left])
    first = every.group_sizes[0]
    assert_array_equal(kept.group_sizes, [left[:first].sum(), left[first:].sum()])


def test_matches_beyond_a_distance_are_left_out(sides, distances):
    matches = match(*sides, all_rows(*sides), "nearest", Strays(max_distance=0.5))
    nearest = np.sqrt(distances.min(axis=1))
    assert_array_equal(matches.source, np.flatnonzero(nearest <= 0.5))
    matches = match(*sides, all_rows(*sides), "nearest", Strays(0.1, 0.5))
    kept = np.argsort(nearest)[:54]
    assert_array_equal(matches.source, np.sort(kept[nearest[kept] <= 0.5]))


def test_groups_of_matches_hold_each_matched_sample_once(sides):
    groups = draw_groups(np.arange(60) % 2, np.arange(50) % 2, [0, 1], None, None)
    matches = match(*sides, groups, "both", Strays(trim=0.3))
    ends = np.cumsum([0, *matches.group_sizes])
    for group, start, end in zip(matches.groups(), ends, ends[1:], strict=False):
        assert_array_equal(group.source, np.unique(matches.source[start:end]))
        assert_array_equal(group.target, np.unique(matches.target[start:end]))
        assert group.n_drawn == (len(group.source), len(group.target))


def test_two_matches_must_be_kept(sides):
    groups = all_rows(*sides)
    with pytest.raises(ValueError, match=r"max_distance=1e-09 leave 0 of 110 matches"):
        match(*sides, groups, "both", Strays(max_distance=1e-9))
    with pytest.raises(ValueError, match=r"trim=0\.99 .* leave 1 of 60 matches"):
        match(*sides, groups, "nearest", Strays(trim=0.99))
