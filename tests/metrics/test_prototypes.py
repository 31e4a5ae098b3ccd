"""Facts about class means and how far those of domains are apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neighbors import NearestCentroid

from skalign.metrics import class_prototypes, prototype_distance


def _features():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 4
    return rng.normal(size=(4, 6))[y] + 0.3 * rng.normal(size=(60, 6)), y


def test_prototypes_are_class_means_in_sorted_order():
    X, y = _features()
    names = np.array(["d", "c", "b", "a"])[y]
    expected = NearestCentroid().fit(X, names).centroids_
    assert_allclose(class_prototypes(X, names), expected)
    domain = np.where(np.arange(len(X)) < 30, "web", "lab")
    prototypes = class_prototypes(X, names, sample_domain=domain)
    assert_allclose(prototypes[0], class_prototypes(X[30:], names[30:]))
    assert_allclose(prototypes[1], class_prototypes(X[:30], names[:30]))


def test_prototype_distance_averages_over_classes_and_pairs_of_domains():
    X, y = _features()
    domain = np.arange(60) // 20
    means = class_prototypes(X, y, sample_domain=domain)
    means /= np.linalg.norm(means, axis=2, keepdims=True)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([np.linalg.norm(means[a] - means[b], axis=1) for a, b in pairs])
    assert_allclose(prototype_distance(X, y, domain), expected)
    lengths = 1 + domain[:, np.newaxis]
    assert_allclose(prototype_distance(lengths * X, y, domain), expected)
    frame = pytest.importorskip("pandas").DataFrame(X)
    assert_allclose(prototype_distance(frame, y, domain), expected)


def test_prototypes_without_a_direction_or_a_partner_are_refused():
    X, y = [[1.0], [-1.0], [2.0], [3.0]], [0, 0, 1, 1]
    with pytest.raises(ValueError, match="must hold at least 2 domains"):
        prototype_distance(X, y, [0, 0, 0, 0])
    X = np.array([0.1, 0.2, -0.3, 1, 2, 2])[:, np.newaxis]
    with pytest.raises(ValueError, match="mean of class 'a' in domain 4 is zero"):
        prototype_distance(
            np.concatenate([X + 1, X]), list("aaabbb") * 2, np.repeat([1, 4], 6)
        )
