"""What was seen to be wrong in packages that carry one encoder's rows to another's.

isotrieve 0.4.0, embspec 0.1.0, vectormigrate 1.0.1, drift-spark 0.5.0, rebasis 0.1.0
and latentis 0.0.8; each test says where.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces

MAPS = [LinearAligner(), LinearAligner(alpha=0.0), RigidAligner(scaling=True)]
maps = pytest.mark.parametrize("aligner", MAPS, ids=repr)


@maps
@pytest.mark.parametrize("n_targets", [6, 9])
def test_the_inverse_is_one(aligner, n_targets):
    # isotrieve/mapping/linear.py: `inverse_transform` of RidgeMapping is another
    # regression (a round trip loses 97 %), that of ProcrustesDiagMapping stretches the
    # wrong axes.
    spaces = make_paired_spaces(200, 6, n_targets, noise=0.5, offset=20, random_state=0)
    aligner = clone(aligner).fit(spaces.data, spaces.target)
    there_and_back = aligner.inverse_transform(aligner.transform(spaces.data))
    assert_allclose(there_and_back, spaces.data, rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 1e9, "gcv", "loo"])
def test_the_intercept_is_not_penalised(alpha):
    # isotrieve: RidgeMapping adds a column of ones and shrinks its weight as well;
    # embspec/_adapter.py has no intercept.
    spaces = make_paired_spaces(30, 4, noise=0.1, offset=1000, random_state=0)
    X, y = spaces.data, spaces.target
    mapped = LinearAligner(alpha).fit(X, y).transform(X)
    assert_allclose(mapped.mean(axis=0), y.mean(axis=0))


@pytest.mark.parametrize("alpha", ["gcv", "loo"])
def test_the_map_is_of_all_pairs_once_the_strength_is_chosen(alpha):
    # isotrieve: the tenth of the pairs that is held out takes no part in the map.
    spaces = make_paired_spaces(50, 4, noise=0.5, offset=3, random_state=0)
    aligner = LinearAligner(alpha).fit(spaces.data, spaces.target)
    ridge = Ridge(aligner.alpha_).fit(spaces.data, spaces.target)
    assert_allclose(aligner.coef_, ridge.coef_.T)


def test_a_low_rank_is_that_of_the_fitted_values():
    # isotrieve (LowRankAffineMapping and rank=), vectormigrate/compat.py: the singular
    # values of the map are cut (45.5 of error against 11.6), and in vectormigrate the
    # intercept stays that of the whole map.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 20)) * np.logspace(2, -2, 20) + 5
    y = X @ (rng.normal(size=(20, 10)) / np.logspace(2, -2, 20)[:, None] ** 0.5) + 7
    U, s, Vt = np.linalg.svd(LinearAligner(0).fit(X, y).coef_)
    cut = (X - X.mean(axis=0)) @ (U[:, :3] * s[:3]) @ Vt[:3] + y.mean(axis=0)
    aligner = LinearAligner(0, rank=3).fit(X, y)
    assert np.linalg.matrix_rank(aligner.coef_) == 3
    mapped = aligner.transform(X)
    left = np.linalg.svd(y - y.mean(axis=0), compute_uv=False)[3:]  # Eckart and Young
    assert_allclose(np.linalg.norm(mapped - y), np.linalg.norm(left))
    assert np.linalg.norm(mapped - y) < np.linalg.norm(cut - y) / 2
    assert_allclose(mapped.mean(axis=0), y.mean(axis=0))


@maps
def test_fewer_pairs_than_columns_and_other_widths_are_welcome(aligner):
    # embspec refuses fewer pairs than columns; drift-spark, vectormigrate and
    # isotrieve's rotation want equal widths; latentis pads or cuts.
    spaces = make_paired_spaces(20, 30, 12, random_state=0)
    aligner = clone(aligner).fit(spaces.data, spaces.target)
    mapped = aligner.transform(spaces.data)
    assert mapped.shape == spaces.target.shape
    baseline = np.linalg.norm(spaces.target - spaces.target.mean(axis=0))
    assert np.linalg.norm(mapped - spaces.target) < baseline


@maps
def test_nothing_is_padded_in_silence(aligner):
    # latentis/transform/dim_matcher.py
    spaces = make_paired_spaces(50, 5, 3, random_state=0)
    aligner = clone(aligner).fit(spaces.data, spaces.target)
    assert aligner.coef_.shape == (5, 3)
    with pytest.raises(ValueError, match=r"X has 4 features.* 5 features"):
        aligner.transform(spaces.data[:, :4])
    with pytest.raises(ValueError, match=r"y has 2 columns.* has 3"):
        aligner.inverse_transform(spaces.target[:, :2])


@maps
def test_swapped_sides_are_found_out_where_widths_differ(aligner):
    # An index was once rewritten by a map that had been fitted the other way round
    # (drift-spark fits old and new, and maps new to old; embspec fits new and old).
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
    # qc-procrustes 1.1.3 has no way to apply a result to new rows.
    spaces = make_paired_spaces(100, 5, noise=0.3, random_state=0)
    X, y = spaces.data, spaces.target
    aligner = clone(aligner).fit(X[:50], y[:50])
    together = aligner.transform(X[50:])
    one_by_one = np.vstack([aligner.transform(row[None]) for row in X[50:]])
    assert_allclose(one_by_one, together)
    assert_array_equal(aligner.transform(X[50:]), together)


@maps
def test_one_array_comes_back_and_the_mean_is_mapped_too(aligner):
    # latentis: `transform` returns a tuple, and its default preset does not centre
    # (25.8 of error where centring and a rotation leave 19.4).
    spaces = make_paired_spaces(100, 5, offset=50, random_state=0)
    X, y = spaces.data, spaces.target
    mapped = clone(aligner).fit(X[:50], y[:50]).transform(X[50:])
    assert isinstance(mapped, np.ndarray)
    assert np.linalg.norm(mapped - y[50:]) < 1e-3 * np.linalg.norm(y[50:] - y.mean())
