"""Defects seen in other alignment software, each held off by a test."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces

MAPS = [LinearAligner(), LinearAligner(alpha=0.0), RigidAligner(scaling=True)]
maps = pytest.mark.parametrize("aligner", MAPS, ids=repr)


@maps
def test_the_inverse_is_one(aligner):
    spaces = make_paired_spaces(200, 6, 9, noise=0.5, offset=20, random_state=0)
    aligner = clone(aligner).fit(spaces.data, spaces.target)
    there_and_back = aligner.inverse_transform(aligner.transform(spaces.data))
    assert_allclose(there_and_back, spaces.data, rtol=1e-8)


def test_the_intercept_is_not_penalised():
    spaces = make_paired_spaces(30, 4, noise=0.1, offset=1000, random_state=0)
    X, y = spaces.data, spaces.target
    for alpha in (0.0, 1.0, 1e9, "gcv", "loo"):
        mapped = LinearAligner(alpha).fit(X, y).transform(X)
        assert_allclose(mapped.mean(axis=0), y.mean(axis=0))


@maps
def test_nothing_is_padded_in_silence(aligner):
    spaces = make_paired_spaces(50, 5, 3, random_state=0)
    aligner = clone(aligner).fit(spaces.data, spaces.target)
    assert aligner.coef_.shape == (5, 3)
    with pytest.raises(ValueError, match=r"X has 4 features.* 5 features"):
        aligner.transform(spaces.data[:, :4])
    with pytest.raises(ValueError, match=r"y has 2 columns.* has 3"):
        aligner.inverse_transform(spaces.target[:, :2])


@maps
def test_swapped_sides_are_found_out_where_widths_differ(aligner):
    spaces = make_paired_spaces(50, 5, 3, random_state=0)
    aligner = clone(aligner).fit(spaces.target, spaces.data)  # the wrong way round
    with pytest.raises(ValueError, match="X has 5 features"):
        aligner.transform(spaces.data)


@maps
def test_the_direction_is_source_to_target(aligner):
    spaces = make_paired_spaces(50, 5, scale=3, random_state=0)
    X, y = spaces.data, spaces.target
    aligner = clone(aligner).fit(X, y)
    assert np.linalg.norm(aligner.transform(X) - y) < 1e-3 * np.linalg.norm(X - y)


@maps
def test_new_rows_do_not_refit_the_map(aligner):
    spaces = make_paired_spaces(100, 5, noise=0.3, random_state=0)
    X, y = spaces.data, spaces.target
    aligner = clone(aligner).fit(X[:50], y[:50])
    together = aligner.transform(X[50:])
    one_by_one = np.vstack([aligner.transform(row[None]) for row in X[50:]])
    assert_allclose(one_by_one, together)
    assert_array_equal(aligner.transform(X[50:]), together)
