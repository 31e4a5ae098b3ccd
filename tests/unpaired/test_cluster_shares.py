import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign.unpaired._cluster_shares import share_difference


def _rows(shares, n_samples, rng):
    """Rows in clusters that nobody can mistake, in given shares."""
    labels = rng.choice(len(shares), n_samples, p=shares)
    centres = 100 * np.random.default_rng(0).normal(size=(len(shares), 8))
    return centres[labels] + rng.normal(size=(n_samples, 8)), labels


@pytest.mark.parametrize("moved", [0.0, 0.3])
def test_the_difference_is_that_of_the_shares_less_what_chance_makes(moved):
    rng = np.random.default_rng(1)
    shares = np.linspace(1, 3, 20) / 40
    others = (1 - moved) * shares + moved * shares[::-1]
    mapped, labels = _rows(others, 300, rng)
    y, target_labels = _rows(shares, 900, rng)
    counts = [np.bincount(side, minlength=20) for side in (labels, target_labels)]
    distance = np.abs(counts[0] / 300 - counts[1] / 900).sum() / 2
    pooled = sum(counts) / 1200
    draws = [rng.multinomial(n, pooled, size=4000) / n for n in (300, 900)]
    by_chance = np.abs(np.subtract(*draws)).sum(axis=1).mean() / 2
    found = share_difference(mapped, y, np.random.RandomState(0))
    assert_allclose(found, distance - by_chance, atol=0.02 * by_chance)


def test_a_large_target_is_clustered_in_part():
    rng = np.random.default_rng(0)
    shares = np.full(20, 1 / 20)
    (mapped, _), (y, _) = _rows(shares, 500, rng), _rows(shares, 10_500, rng)
    assert abs(share_difference(mapped, y, np.random.RandomState(0))) < 0.05
