import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skalign.moments import GroupMoments

PARTS = ["counts", "means", "second", "third"]


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, size=(300, 4)) + 5, rng.choice(["a", "b", "c"], size=300)


def test_the_sums_of_a_group_are_its_central_moments(rows):
    X, labels = rows
    moments = GroupMoments.from_rows(X, labels, order=3)
    assert_array_equal(moments.groups, ["a", "b", "c"])
    centred = X[labels == "b"] - X[labels == "b"].mean(axis=0)
    assert_allclose(moments.means[1], X[labels == "b"].mean(axis=0))
    assert_allclose(moments.second[1], centred.T @ centred)
    third = np.einsum("ni,nj,nk->ijk", centred, centred, centred)
    assert_allclose(moments.third[1], third, atol=1e-9)


@pytest.mark.parametrize("cut", [1, 2, 150, 299])
def test_merged_halves_are_the_whole(rows, cut):
    X, labels = rows
    whole = GroupMoments.from_rows(X, labels, order=3)
    halves = [
        GroupMoments.from_rows(X[part], labels[part], order=3)
        for part in (slice(cut), slice(cut, None))
    ]
    for merged in (halves[0].merge(halves[1]), halves[1].merge(halves[0])):
        for part in PARTS:
            assert_allclose(
                getattr(merged, part), getattr(whole, part), rtol=1e-9, atol=1e-9
            )


def test_groups_of_one_half_only_come_through_a_merge(rows):
    X, labels = rows
    of_a = labels == "a"
    merged = GroupMoments.from_rows(X[of_a], labels[of_a], order=3).merge(
        GroupMoments.from_rows(X[~of_a], labels[~of_a], order=3)
    )
    whole = GroupMoments.from_rows(X, labels, order=3)
    for part in PARTS:
        assert_allclose(getattr(merged, part), getattr(whole, part), atol=1e-12)
    assert_array_equal(merged.take(["a", "c"]).counts, whole.counts[[0, 2]])


def test_a_merge_leaves_both_as_they_were(rows):
    X, labels = rows
    one, other = (
        GroupMoments.from_rows(X[i::2], labels[i::2], order=3) for i in (0, 1)
    )
    before = [getattr(one, part).copy() for part in PARTS]
    one.merge(other)
    for part, old in zip(PARTS, before, strict=True):
        assert_array_equal(getattr(one, part), old)


@pytest.mark.parametrize("order", [2, True, None, np.array([1, 3])])
def test_orders_other_than_one_and_three_are_refused(order):
    with pytest.raises(ValueError, match="must be 1 or 3"):
        GroupMoments.from_rows(np.eye(4), [0, 0, 1, 1], order=order)
