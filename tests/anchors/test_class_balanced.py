import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skalign.anchors import ClassBalancedAnchors


@pytest.mark.parametrize("names", [["x", "y", "z"], [-1, 7, 100]])
def test_classes_have_equal_shares_however_unequal_they_are(names):
    labels = np.repeat(names, [200, 60, 40])
    for n_anchors in (1, 2, 3, 30, 32, 120):
        selector = ClassBalancedAnchors(n_anchors, random_state=0)
        anchors = selector.select(np.zeros((300, 1)), labels)
        counts = [np.sum(labels[anchors] == name) for name in names]
        assert max(counts) - min(counts) <= 1


def test_a_class_that_runs_out_leaves_its_share_to_the_others():
    labels = np.repeat([0, 1, 2], [50, 50, 3])
    anchors = ClassBalancedAnchors(43, random_state=0).select(
        np.zeros((103, 1)), labels
    )
    assert_array_equal(np.bincount(labels[anchors]), [20, 20, 3])


def test_no_labels_are_refused():
    with pytest.raises(ValueError, match="needs labels"):
        ClassBalancedAnchors(2).select(np.zeros((5, 1)))


def test_many_small_classes_take_turns():
    labels = np.random.default_rng(0).permutation(np.arange(2000) // 2)
    anchors = ClassBalancedAnchors(1000, random_state=0).select(
        np.zeros((2000, 1)), labels
    )
    assert_array_equal(np.sort(labels[anchors]), np.arange(1000))
