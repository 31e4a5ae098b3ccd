import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import ortho_group

from skalign.unpaired._central_samples import central_samples, check_trim, n_kept


def test_strays_are_left_out(rng):
    X = rng.normal(size=(100, 3))
    X[::4] += [20, 0, 0]
    kept = central_samples(X, 0.25)
    assert_array_equal(kept, np.delete(np.arange(100), np.s_[::4]))
    assert central_samples(X, 0) == slice(None)


def test_no_sample_kept_is_farther_from_their_mean_than_one_left_out(rng):
    X = rng.gamma(1, size=(101, 2))
    kept = X[central_samples(X, 0.3)]
    assert len(kept) == 101 - 30
    squares = np.sum((X - kept.mean(axis=0)) ** 2, axis=1)
    assert_array_equal(kept, X[np.sort(np.argsort(squares)[:71])])


def test_classes_are_trimmed_one_by_one(rng):
    X, labels = rng.normal(size=(90, 2)), np.repeat(list("abc"), [20, 30, 40])
    X[labels == "c"] += 100
    kept = central_samples(X, 0.1, labels)
    assert_array_equal(np.unique_counts(labels[kept]).counts, [18, 27, 36])
    for c in "abc":
        members = X[labels == c]
        alone = members[central_samples(members, 0.1)]
        assert_array_equal(X[kept][labels[kept] == c], alone)


@pytest.mark.parametrize("scale", [1, 1e200, 1e-200])
def test_the_same_samples_are_kept_in_other_coordinates(rng, scale):
    X = rng.gamma(1, size=(200, 3))
    turned = scale * (X @ ortho_group.rvs(3, random_state=0) + 5)
    assert_array_equal(central_samples(turned, 0.2), central_samples(X, 0.2))


def test_the_share_is_rounded_down():
    assert [n_kept(10, share) for share in (0, 0.09, 0.1, 0.99)] == [10, 10, 9, 1]


@pytest.mark.parametrize("trim", [(0.1,), (0.1, 1.0), (-0.1, 0), ("a", 0), (True, 0)])
def test_a_tuple_must_hold_two_shares(trim):
    with pytest.raises(ValueError, match="must hold two numbers"):
        check_trim(trim)
    assert check_trim(0.1) == (0.1, 0.1)
    assert check_trim((0.1, 0)) == (0.1, 0)


def test_two_samples_must_be_left():
    with pytest.raises(ValueError, match="leaves 1 of 3 samples of y; at least 2"):
        central_samples(np.eye(3), 0.9, name="y")
