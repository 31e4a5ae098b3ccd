"""What was seen to be wrong in HyperTools 1.1.0, hypertools/align/procrustes.py."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import special_ortho_group

from skalign import GeneralizedProcrustes, RigidAligner
from skalign.datasets import make_paired_spaces


@pytest.mark.parametrize("scale", [1, 0.25])
@pytest.mark.parametrize("n_features", [2, 3, 7])
def test_a_rotation_without_reflection_is_not_transposed(n_features, scale):
    # `align(reflection=False)` returns u @ vh of target.T @ source, which turns the
    # other way (an error of 136 % on an exact rotation), and sums singular values that
    # it has set to 1 for the scale.
    rng = np.random.default_rng(0)
    rotation = special_ortho_group.rvs(n_features, random_state=rng)
    X = rng.normal(size=(50, n_features))
    aligner = RigidAligner(scaling=True, allow_reflection=False)
    aligner.fit(X, scale * X @ rotation)
    assert_allclose(aligner.rotation_, rotation, atol=1e-12)
    assert_allclose(aligner.scale_, scale)


def test_the_mean_is_mapped_too():
    # It centres neither side.
    spaces = make_paired_spaces(50, 3, offset=100, random_state=0)
    X, y = spaces.data, spaces.target
    mapped = RigidAligner(scaling=True).fit(X, y).transform(X)
    assert_allclose(mapped.mean(axis=0), y.mean(axis=0))


def test_nothing_is_padded():
    # It fills the narrower side up with columns of zeros.
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    for X, y in ((wide, narrow), (narrow, wide)):
        aligner = RigidAligner().fit(X, y)
        assert aligner.transform(X).shape == y.shape
        assert aligner.coef_.shape == (X.shape[1], y.shape[1])
    several = GeneralizedProcrustes().fit_spaces([wide, narrow])
    assert several.space_sizes_ == [5, 3]
    assert [aligner.n_features_in_ for aligner in several.aligners_] == [5, 3]
