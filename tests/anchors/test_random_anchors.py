import numpy as np
import pytest

from skalign.anchors import RandomAnchors


@pytest.mark.long
def test_every_row_is_as_likely_as_any_other():
    X, drawn = np.zeros((10, 1)), np.zeros(10)
    for seed in range(2000):
        drawn[RandomAnchors(3, random_state=seed).select(X)] += 1
    # 600 expected; six standard deviations of a count are 123.
    assert np.abs(drawn - 600).max() < 123


def test_the_seed_decides():
    X = np.zeros((100, 1))
    drawn = [RandomAnchors(10, random_state=seed).select(X) for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
