import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.stats import kstest, ortho_group

from skalign.paired._mismatch import (
    are_informative,
    centred,
    mismatch_probabilities,
    mismatch_pvalues,
)


def rows(n_samples, n_features=6, seed=0):
    return np.random.default_rng(seed).normal(size=(2, n_samples, n_features))


def directly(mapped, target):
    """P-values by loops over pairs, for at most 64 of them."""
    n = len(mapped)
    (mapped, own), (target, others) = centred(mapped), centred(target)
    distances = cdist(mapped * np.median(others) / np.median(own), target)

    def near(values, own):
        return np.sort(np.delete(values, own))[:5].mean()

    r = [near(distances[i], i) for i in range(n)]
    s = [near(distances[:, j], j) for j in range(n)]
    value = 2 * distances - np.array(r)[:, None] - np.array(s)
    others = value[~np.eye(n, dtype=bool)]
    return [(1 + np.sum(others <= own)) / (1 + len(others)) for own in np.diag(value)]


def test_pvalues_are_ranks_among_all_other_pairs():
    mapped, target = rows(40)
    target[::2] = mapped[::2] + 0.3 * target[::2]
    assert_allclose(mismatch_pvalues(mapped, target), directly(mapped, target))


def test_pvalues_of_few_pairs():
    mapped, target = rows(4)
    assert_allclose(mismatch_pvalues(mapped, target), directly(mapped, target))


def test_pvalues_of_random_pairs_are_uniform():
    pvalues = mismatch_pvalues(*rows(1500))
    assert kstest(pvalues, "uniform").pvalue > 0.01
    assert not are_informative(pvalues, np.ones(1500))


def test_pvalues_do_not_depend_on_unit_place_or_direction():
    mapped, target = rows(100)
    target[:60] = mapped[:60] + 0.5 * target[:60]
    expected = mismatch_pvalues(mapped, target)
    turn = ortho_group.rvs(6, random_state=0)
    for scale in (1e-200, 1.0, 1e200):
        moved = ((rows @ turn + 3) * scale for rows in (mapped, target))
        assert_allclose(mismatch_pvalues(*moved), expected, atol=1e-3)


def test_a_map_that_shrinks_changes_nothing():
    mapped, target = rows(100)
    target[:60] = mapped[:60] + 0.5 * target[:60]
    shrunk = 5 + 0.01 * (mapped - 3)
    assert_allclose(mismatch_pvalues(shrunk, target), mismatch_pvalues(mapped, target))


def test_the_centre_is_that_of_most_rows():
    cloud, _ = rows(200)
    cloud = (cloud + 7) / 1024
    cloud[:40] += 0.99 - cloud[0]
    centre = cloud - centred(cloud)[0]
    assert_allclose(centre, 7 / 1024, atol=1 / 1024)


def test_a_gross_error_is_as_far_as_it_gets():
    mapped, target = rows(100)
    target = mapped + 0.1 * target
    target[7] += 1e9
    pvalues = mismatch_pvalues(mapped.astype(np.float32), target.astype(np.float32))
    assert pvalues[7] > 0.9
    assert np.delete(pvalues, 7).max() < 0.01


def mixture(n_samples, share, seed=0):
    """P-values of right and of wrong pairs, and which are wrong."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(n_samples) < share
    right = rng.beta(0.1, 10, size=n_samples)
    return np.where(wrong, rng.random(n_samples), np.maximum(right, 1e-5)), wrong


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.6])
def test_probabilities_are_calibrated(share):
    pvalues, wrong = mixture(4000, share)
    probability, found = mismatch_probabilities(pvalues, np.ones(4000))
    assert found == pytest.approx(share, abs=0.02)
    assert probability.sum() == pytest.approx(wrong.sum(), rel=0.1, abs=40)
    named = probability > 0.5
    if share:
        expected = 1 - probability[named].mean()
        assert np.mean(~wrong[named]) == pytest.approx(expected, abs=0.07)


def test_probabilities_rise_with_the_pvalue():
    pvalues, _ = mixture(500, 0.3)
    probability, _ = mismatch_probabilities(pvalues, np.ones(500))
    assert np.diff(probability[np.argsort(pvalues)]).min() >= 0
    assert probability.min() >= 0
    assert probability.max() == 1


def test_pairs_without_weight_do_not_count():
    pvalues, _ = mixture(300, 0.3)
    used = np.arange(300) % 3 > 0
    probability, share = mismatch_probabilities(pvalues, used + 0.0)
    expected, expected_share = mismatch_probabilities(pvalues[used], np.ones(200))
    assert share == pytest.approx(expected_share)
    assert_allclose(probability[used], expected)
    assert np.diff(probability[np.argsort(pvalues)]).min() >= 0


def test_equal_pvalues_have_equal_probabilities():
    pvalues = np.repeat([1e-4, 1e-3, 0.3, 0.9], [50, 20, 10, 10])
    probability, _ = mismatch_probabilities(pvalues, np.ones(90))
    assert_array_equal(probability[:50], probability[0])
    assert_array_equal(probability[-20:], 1)


def test_right_pairs_alone_are_all_right():
    probability, share = mismatch_probabilities(np.full(50, 1e-4), np.ones(50))
    assert share == 0
    assert not probability.any()
