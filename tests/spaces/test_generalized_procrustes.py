"""GeneralizedProcrustes: exact recovery, invariances, missing rows, added spaces."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigh, svdvals
from scipy.stats import ortho_group
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import GeneralizedProcrustes, LinearAligner, RigidAligner
from skalign.metrics import retrieval_accuracy
from skalign.spaces._consensus import _place_one_by_one

KINDS = ["orthogonal", "similarity", "linear"]


def _copies(n_samples=40, widths=(4, 4, 4), scales=(1, 1, 1), noise=0.0, seed=0):
    """Return turned, stretched and shifted copies of the same rows."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n_samples, min(widths))) * np.arange(1, min(widths) + 1)
    spaces = []
    for width, scale in zip(widths, scales, strict=True):
        turn = ortho_group.rvs(width, random_state=rng)[: min(widths)]
        rows = scale * latent @ turn + rng.normal(size=width)
        spaces.append(rows + noise * rng.normal(size=rows.shape))
    return spaces


def _without(spaces, share, seed=0):
    """Take rows from each space, and none from all."""
    rng = np.random.default_rng(seed)
    missing = rng.random((len(spaces[0]), len(spaces))) < share
    missing[missing.all(axis=1), 0] = False
    return [
        np.where(gone[:, None], np.nan, rows)
        for rows, gone in zip(spaces, missing.T, strict=True)
    ], missing


def _assert_translates(model, spaces, **tolerance):
    for i, source in enumerate(spaces):
        for j, target in enumerate(spaces):
            assert_allclose(model.translate(source, i, j), target, **tolerance)


@pytest.mark.filterwarnings("ignore:The samples shared between")  # few directions
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=2)
@given(
    widths=st.lists(st.integers(2, 5), min_size=2, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_turned_copies_are_recovered_from_any_widths(widths, kind, seed):
    scales = [1.0] * len(widths)
    if kind != "orthogonal":
        scales = np.random.default_rng(seed).uniform(0.1, 10, len(widths))
    spaces = _copies(widths=widths, scales=scales, seed=seed)
    model = GeneralizedProcrustes(kind=kind, shrinkage=0).fit_spaces(spaces)
    _assert_translates(model, spaces, atol=1e-8)
    assert model.objective_[-1] < 64 * np.finfo(float).eps  # it is 1 less a share
    assert_allclose(model.score(np.hstack(spaces)), 1)


@pytest.mark.filterwarnings("ignore:The samples shared between")  # few directions
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1))
def test_copies_with_missing_rows_are_recovered_and_filled_in(kind, seed):
    spaces = _copies(widths=(4, 5, 4), seed=seed)
    holes, missing = _without(spaces, 0.3, seed)
    model = GeneralizedProcrustes(kind=kind, shrinkage=0, tol=0, max_iter=10_000)
    model.fit_spaces(holes)
    _assert_translates(model, spaces, atol=1e-6)
    filled = model.inverse_transform(model.transform(np.hstack(holes)))
    assert_allclose(filled, np.hstack(spaces), atol=1e-6)
    assert missing.any(axis=0).all()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1))
def test_turning_and_shifting_a_space_changes_nothing(kind, seed):
    rng = np.random.default_rng(seed)
    spaces, _ = _without(_copies(noise=0.3, seed=seed), 0.1, seed)
    model = GeneralizedProcrustes(kind=kind, tol=0, max_iter=10_000)
    expected = model.fit_spaces(spaces).consensus_
    spaces[1] = spaces[1] @ ortho_group.rvs(4, random_state=rng) - 7
    assert_allclose(model.fit_spaces(spaces).consensus_, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_common_scale_of_all_spaces_changes_no_loss(kind):
    spaces = _copies(noise=0.3)
    losses = [
        GeneralizedProcrustes(kind=kind).fit_spaces([c * X for X in spaces]).objective_
        for c in (1, 1e6, 1e-6)
    ]
    assert_allclose(losses[1:], [losses[0]] * 2)


def test_a_linear_consensus_stays_under_any_linear_map_of_a_space():
    spaces = _copies(noise=0.3)
    model = GeneralizedProcrustes(kind="linear", shrinkage=0)
    expected = model.fit_spaces(spaces).consensus_
    spaces[2] = 5 * spaces[2] @ np.random.default_rng(0).normal(size=(4, 4))
    assert_allclose(model.fit_spaces(spaces).consensus_, expected, atol=1e-8)


@pytest.mark.parametrize("share", [0, 0.4])
@pytest.mark.parametrize("kind", ["orthogonal", "similarity"])
def test_the_loss_never_rises_and_is_what_the_maps_leave(kind, share):
    rng = np.random.default_rng(0)
    spaces, missing = _without([rng.normal(size=(30, 4)) for _ in range(4)], share)
    model = GeneralizedProcrustes(kind=kind, max_iter=1000).fit_spaces(spaces)
    assert model.n_iter_ == len(model.objective_) > 3
    assert np.all(np.diff(model.objective_) <= 1e-12)
    left = total = 0
    for k, rows in enumerate(spaces):
        seen = ~missing[:, k]
        mapped = model.to_consensus(rows[seen], k)
        left += np.square(mapped - model.consensus_[seen]).sum()
        total += np.square(rows[seen] - rows[seen].mean(axis=0)).sum()
    assert_allclose(model.objective_[-1], left / total, rtol=1e-6)


def test_two_spaces_give_the_rotation_of_orthogonal_procrustes():
    first, second = _copies(widths=(4, 4), scales=(1, 1), noise=0.5)
    model = GeneralizedProcrustes(tol=0, max_iter=1000).fit_spaces([first, second])
    expected = RigidAligner().fit(first, second).transform(first)
    assert_allclose(model.translate(first, 0, 1), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["orthogonal", "similarity"])
def test_the_consensus_of_rows_in_part_of_the_spaces_is_centred(kind):
    spaces, missing = _without(_copies(noise=0.3), 0.3)
    consensus = GeneralizedProcrustes(kind=kind).fit_spaces(spaces).consensus_
    weights = (~missing).sum(axis=1)
    assert_allclose(np.average(consensus, axis=0, weights=weights), 0, atol=1e-12)


def test_turned_copies_are_placed_at_once_whatever_rows_they_miss():
    spaces, _ = _without(_copies(), 0.3)
    model = GeneralizedProcrustes().fit_spaces(spaces)
    assert_allclose(model.objective_, [0, 0], atol=1e-14)


def test_of_equal_widths_the_space_with_most_rows_is_placed_first():
    X, Y, Z = _copies(noise=0.3)
    present = np.ones((40, 3), dtype=bool)
    present[20:, 0] = False
    present[5:15, 2] = False
    placed = _place_one_by_one([X, Y, Z], present, RigidAligner())
    centred = Y - Y.mean(axis=0)
    turned = RigidAligner().fit(Z[present[:, 2]], centred[present[:, 2]]).predict(Z)
    assert_allclose(placed[20:], (centred + turned)[20:] / 2)


def test_scales_are_those_of_ten_berge_up_to_a_common_factor():
    spaces = _copies(scales=(1, 3, 0.2), noise=0.3)
    model = GeneralizedProcrustes(kind="similarity", tol=0, max_iter=1000)
    model.fit_spaces(spaces)
    turned = [
        (X - X.mean(axis=0)) @ aligner.rotation_
        for X, aligner in zip(spaces, model.aligners_, strict=True)
    ]
    lengths = np.array([np.linalg.norm(X) for X in turned])
    congruence = [[np.vdot(X, Y) for Y in turned] for X in turned]
    congruence /= np.outer(lengths, lengths)
    leading = np.abs(eigh(congruence)[1][:, -1]) / lengths
    scales = np.array([aligner.scale_ for aligner in model.aligners_])
    assert_allclose(scales / scales[0], leading / leading[0], rtol=1e-5)


def test_linear_with_two_spaces_is_canonical_correlation():
    first, second = _copies(widths=(3, 5), scales=(1, 1), noise=2.0)
    model = GeneralizedProcrustes(kind="linear", shrinkage=0).fit_spaces(
        [first, second]
    )
    bases = [np.linalg.qr(X - X.mean(axis=0))[0] for X in (first, second)]
    correlations = svdvals(bases[0].T @ bases[1])
    assert_allclose(model.objective_, [np.mean(1 - correlations) / 2])
    assert_allclose(np.cov(model.consensus_.T, ddof=0), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("share", [0, 0.3])
def test_a_linear_consensus_is_what_ridge_regressions_predict_best(share):
    spaces, missing = _without(_copies(noise=0.5), share)
    model = GeneralizedProcrustes(kind="linear", shrinkage=0.3).fit_spaces(spaces)
    smoothers = np.zeros((40, 40))
    for rows, seen in zip(spaces, ~missing.T, strict=True):
        centred = rows[seen] - rows[seen].mean(axis=0)
        gram = centred.T @ centred
        penalty = 0.3 * np.trace(gram) / 4 * np.eye(4)
        smoother = centred @ np.linalg.solve(gram + penalty, centred.T) + 1 / seen.sum()
        smoothers[np.ix_(seen, seen)] += smoother
    # The largest share, 1, is that of a constant.
    shares, rows = eigh(smoothers, np.diag((~missing).sum(axis=1)))
    assert_allclose(model.objective_, [1 - shares[-5:-1].mean()])
    rows = rows[:, -2:-6:-1] * np.sqrt((~missing).sum())
    rows *= np.sign((rows * model.consensus_).sum(axis=0))
    assert_allclose(model.consensus_, rows, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_an_added_space_leaves_the_others_and_meets_them(kind):
    spaces = _copies(widths=(4, 4, 4, 6), scales=(1, 1, 1, 1))
    model = GeneralizedProcrustes(kind=kind, shrinkage=0).fit_spaces(spaces[:2])
    consensus, maps = model.consensus_.copy(), [a.coef_ for a in model.aligners_]
    holed = spaces[2].copy()
    holed[:5] = np.nan
    assert model.add_space(holed) is model
    model.add_space(spaces[3][:30], consensus=model.to_consensus(spaces[0][:30], 0))
    _assert_translates(model, spaces, atol=1e-8)
    assert_allclose(model.consensus_, consensus, rtol=0)
    for aligner, coef in zip(model.aligners_, maps, strict=False):
        assert_allclose(aligner.coef_, coef, rtol=0)
    assert model.space_sizes_ == [4, 4, 4, 6]
    assert_allclose(model.transform(np.hstack(spaces[:2])), consensus, atol=1e-8)


def test_a_space_that_cannot_be_added_leaves_the_estimator_as_it_was():
    spaces = _copies()
    model = GeneralizedProcrustes().fit_spaces(spaces)
    with pytest.raises(ValueError, match="X has 7 samples, but the consensus has 40"):
        model.add_space(spaces[0][:7])
    with pytest.raises(ValueError, match="0 samples that are not NaN; at least 2"):
        model.add_space(np.full((40, 3), np.nan))
    assert len(model.aligners_) == len(model.space_sizes_) == 3
    _assert_translates(model, spaces, atol=1e-8)


def test_a_list_and_one_wide_matrix_give_the_same():
    spaces = _copies(widths=(4, 3, 5), noise=0.1)
    from_list = GeneralizedProcrustes().fit_spaces(spaces)
    wide = GeneralizedProcrustes(space_sizes=[4, 3, 5]).fit(np.hstack(spaces))
    assert_allclose(from_list.consensus_, wide.consensus_, rtol=0)
    assert from_list.space_sizes is None
    assert from_list.n_features_in_ == 12
    assert from_list.fit_spaces(spaces[:2]).n_features_in_ == 7


def test_it_works_in_a_pipeline_and_a_search_and_with_missing_rows():
    spaces, _ = _without(_copies(n_samples=60, noise=0.5), 0.2)
    model = GeneralizedProcrustes(space_sizes=(4, 4, 4))
    pipeline = make_pipeline(StandardScaler(), model)
    grid = {
        "generalizedprocrustes__kind": KINDS,
        "generalizedprocrustes__n_components": [1, 4],
    }
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(np.hstack(spaces))
    assert search.best_params_["generalizedprocrustes__n_components"] == 4
    assert search.best_score_ > 0.5
    assert search.transform(np.hstack(spaces)).shape == (60, 4)


def test_the_score_leaves_the_space_itself_out():
    rng = np.random.default_rng(0)
    same = rng.normal(size=(200, 3))
    X = np.hstack([same, same, rng.normal(size=(200, 3))])  # one tells nothing
    model = GeneralizedProcrustes(space_sizes=[3, 3, 3], kind="linear").fit(X[:100])
    told = model.space_scores(X[100:])
    assert told[:2].min() > 0.7 > 0.2 > told[2]
    assert_allclose(model.score(X[100:]), told.mean())
    others = X[100:].copy()
    others[:, 6:] = np.nan
    expected = model.from_consensus(model.transform(others), 2)
    residual = np.square(X[100:, 6:] - expected).sum()
    total = np.square(X[100:, 6:] - X[100:, 6:].mean(axis=0)).sum()
    assert_allclose(told[2], 1 - residual / total)


def test_a_weight_of_two_scores_as_a_row_that_comes_twice():
    X = np.hstack(_copies(noise=0.5))
    model = GeneralizedProcrustes(space_sizes=[4, 4, 4]).fit(X)
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    expected = model.score(np.repeat(X, weights, axis=0))
    assert_allclose(model.score(X, sample_weight=weights), expected)


def test_one_space_alone_is_turned_to_its_principal_axes():
    (X,) = _copies(widths=(4,), scales=(1,), noise=0.1)
    model = GeneralizedProcrustes().fit(X)
    covariance = np.cov(model.transform(X).T)
    assert_allclose(covariance, np.diag(np.sort(np.diag(covariance))[::-1]), atol=1e-10)
    assert_allclose(model.score(X), 1)
    assert_allclose(model.inverse_transform(model.transform(X)), X)


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_components_are_the_leading_axes(kind):
    spaces = _copies()
    model = GeneralizedProcrustes(kind=kind, n_components=2, shrinkage=0)
    whole = GeneralizedProcrustes(kind=kind, shrinkage=0).fit_spaces(spaces)
    model.set_params(space_sizes=[4, 4, 4])
    cut = model.fit_transform(np.hstack(spaces))
    assert cut.shape == (40, 2)
    assert_allclose(model.consensus_, whole.consensus_[:, :2], atol=1e-8)
    if kind != "linear":  # whose axes all have one variance in noiseless copies
        assert_allclose(cut, model.consensus_, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_gives_the_numbers_of_float64(kind):
    X = np.hstack(_copies(noise=0.2))
    model = GeneralizedProcrustes(space_sizes=[4, 4, 4], kind=kind)
    expected = model.fit(X).transform(X)
    single = model.fit(X.astype(np.float32)).transform(X.astype(np.float32))
    assert single.dtype == np.float32
    assert_allclose(single, expected, atol=1e-3)


def test_output_settings_of_scikit_learn_change_no_number():
    X = np.hstack(_copies(noise=0.2))
    model = GeneralizedProcrustes(space_sizes=[4, 4, 4])
    expected = model.fit(X).transform(X)
    with sklearn.config_context(transform_output="pandas"):
        frame = model.fit(pd.DataFrame(X).add_prefix("x")).transform(
            pd.DataFrame(X).add_prefix("x")
        )
    assert list(frame.columns) == [f"generalizedprocrustes{i}" for i in range(4)]
    assert_allclose(frame.to_numpy(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space_sizes": [4, 4]}, r"sum to 8, but X has 12 columns"),
        ({"space_sizes": [4, 8.0]}, r"positive integers"),
        ({"space_sizes": [12, 0]}, r"positive integers"),
        ({"n_components": 5}, r"n_components=5 must be at most 4, .* widest"),
        ({"n_components": 5, "kind": "linear"}, r"at most 4, .* narrowest"),
        ({"trim": 0.1, "kind": "linear"}, r"'linear' takes neither trim=0\.1 nor"),
        ({"allow_reflection": False, "kind": "linear"}, "nor allow_reflection=False"),
        ({"trim": 0.7}, r"leaves 36 of 120 .* each of the 40 samples must stay"),
    ],
)
def test_parameters_that_do_not_suit_the_rows_are_refused(change, message):
    model = GeneralizedProcrustes(space_sizes=[4, 4, 4]).set_params(**change)
    with pytest.raises(ValueError, match=message):
        model.fit(np.hstack(_copies()))
    assert not hasattr(model, "consensus_")


@pytest.mark.parametrize(
    ("rows", "columns", "value", "message"),
    [
        (
            slice(3, 5),
            slice(0, 1),
            np.nan,
            r"2 samples of space 0 are partly NaN.*sample 3",
        ),
        (slice(7, 8), slice(0, 12), np.nan, r"1 samples are NaN in all.*sample 7"),
        (slice(1, 2), slice(0, 1), np.inf, "infinity"),
        (slice(1, 40), slice(4, 8), np.nan, "Space 1 has 1 samples"),
    ],
)
def test_rows_that_cannot_be_used_are_named(rows, columns, value, message):
    X = np.hstack(_copies())
    X[rows, columns] = value
    with pytest.raises(ValueError, match=message):
        GeneralizedProcrustes(space_sizes=[4, 4, 4]).fit(X)


@pytest.mark.parametrize("n_shared", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_spaces_that_share_no_two_rows_are_refused(kind, n_shared):
    X = np.hstack(_copies())
    X[:20, 8:] = X[20 + n_shared :, :8] = np.nan
    model = GeneralizedProcrustes(space_sizes=[4, 4, 4], kind=kind)
    with pytest.raises(ValueError, match=r"Spaces \[0, 1\] share fewer than 2 samples"):
        model.fit(X)


def test_equal_rows_give_no_nan_and_no_linear_map():
    X = np.ones((5, 4))
    model = GeneralizedProcrustes(space_sizes=[2, 2], kind="similarity", tol=0)
    with pytest.warns(UserWarning, match="0 of 2 in space 0, 0 of 2 in space 1"):
        model.fit(X)
    assert model.n_iter_ == 2  # the loss falls by no more than 0
    assert_allclose(model.objective_, 0)
    assert_allclose(model.transform(X), 0)
    with pytest.raises(ValueError, match="All samples are equal in each space"):
        model.set_params(kind="linear").fit(X)


@pytest.mark.parametrize("kind", ["orthogonal", "similarity"])
def test_few_rows_leave_directions_open(kind):
    spaces = _copies(n_samples=4, widths=(6, 6, 6))
    model = GeneralizedProcrustes(kind=kind)
    with pytest.warns(UserWarning, match="3 of 6 in space 0, .* 3 of 6 in space 2"):
        model.fit_spaces(spaces)
    assert model.determined_rank_ == 3
    _assert_translates(model, spaces, atol=1e-8)


def test_few_shared_rows_leave_directions_of_one_space_open():
    spaces = _copies(widths=(4, 4, 4))
    spaces[2] = spaces[2].copy()
    spaces[2][:37] = np.nan
    model = GeneralizedProcrustes(tol=0, max_iter=10_000)
    with pytest.warns(UserWarning, match=r"directions: 2 of 4 in space 2\."):
        model.fit_spaces(spaces)
    assert model.determined_rank_ == 2
    with pytest.warns(UserWarning, match="determine 2 of 4 directions"):
        GeneralizedProcrustes().fit_spaces(spaces[:2]).add_space(spaces[2])


def test_wrong_widths_and_spaces_are_named():
    spaces = _copies()
    model = GeneralizedProcrustes().fit_spaces(spaces)
    with pytest.raises(ValueError, match="space=3 must be one of 0 to 2"):
        model.translate(spaces[0], 0, 3)
    with pytest.raises(ValueError, match=r"space=1\.0 must be one of 0 to 2"):
        model.to_consensus(spaces[1], 1.0)
    with pytest.raises(ValueError, match="X has 3 columns, but space 1 has 4"):
        model.to_consensus(spaces[0][:, :3], 1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GeneralizedProcrustes().fit_spaces([spaces[0], spaces[1][:5]])
    with pytest.raises(ValueError, match="the spaces have widths"):
        GeneralizedProcrustes(space_sizes=[5]).fit_spaces(spaces)


def test_too_few_iterations_warn():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 12))
    with pytest.warns(ConvergenceWarning, match="did not converge in max_iter=2"):
        GeneralizedProcrustes(space_sizes=[4, 4, 4], max_iter=2, tol=0).fit(X)


def test_the_callers_arrays_stay_as_they_are():
    X = np.hstack(_copies())
    X.flags.writeable = False
    for kind in KINDS:
        GeneralizedProcrustes(space_sizes=[4, 4, 4], kind=kind).fit(X).transform(X)


@pytest.mark.long
def test_the_consensus_of_three_encoders_loses_at_most_two_points(data_home):
    embeddings = np.load(data_home / "text_embeddings" / "multi30k_4000.npz")
    names = ("en_minilm", "en_use", "en_e5")
    train, test = slice(2000), slice(2000, 3000)
    spaces = [
        PCA(96, random_state=0).fit(rows[train]).transform(rows)
        for rows in (embeddings[name].astype(np.float32) for name in names)
    ]
    model = GeneralizedProcrustes(kind="similarity")
    model.fit_spaces([X[train] for X in spaces])
    for i, j in ((0, 1), (1, 2), (2, 0)):
        source, target = spaces[i], spaces[j]
        direct = LinearAligner().fit(source[train], target[train])
        best = retrieval_accuracy(direct.transform(source[test]), target[test])
        through = model.translate(source[test], i, j)
        assert retrieval_accuracy(through, target[test]) >= best - 0.02


def test_one_number_is_no_list_of_widths():
    with pytest.raises(ValueError, match="space_sizes=3, but the spaces have widths"):
        GeneralizedProcrustes(space_sizes=np.array(3)).fit_spaces([np.eye(3)])


def test_spaces_of_a_consensus_are_named_by_their_own_columns():
    spaces = _copies(widths=(3, 2, 2))
    rows = pd.DataFrame(np.hstack(spaces), columns=list("abcdefg"))
    aligner = GeneralizedProcrustes(space_sizes=[3, 2, 2], kind="linear").fit(rows)
    for space, names in enumerate((list("abc"), list("de"), list("fg"))):
        aligner.to_consensus(rows[names], space)
        with pytest.raises(ValueError, match="feature names"):
            aligner.to_consensus(rows[names[::-1]], space)


@pytest.mark.parametrize("spaces", [3, np.array(1), None])
def test_what_is_no_list_of_spaces_is_refused(spaces):
    with pytest.raises(ValueError, match="spaces must be a list of arrays; got"):
        GeneralizedProcrustes().fit_spaces(spaces)


@pytest.mark.parametrize(("kind", "step"), [("orthogonal", 6), ("similarity", 12)])
def test_strays_of_some_spaces_are_found_and_left_out(kind, step):
    scales = (1, 1, 1) if kind == "orthogonal" else (1, 2, 3)
    spaces = _copies(100, (4, 4, 4), scales)
    strayed, stray = [rows.copy() for rows in spaces], np.zeros((100, 3), dtype=bool)
    for k, rows in enumerate(strayed):
        stray[k:60:step, k] = True  # no sample strays in two spaces
        strays = np.random.default_rng(k).normal(size=(60 // step, 4))
        rows[stray[:, k]] = 5 + 6 * scales[k] * strays
    model = GeneralizedProcrustes(
        kind=kind, trim=stray.mean(), tol=1e-12, max_iter=1000
    ).fit_spaces(strayed)
    assert_array_equal(model.inlier_mask_, ~stray)
    _assert_translates(model, spaces, atol=1e-4)
    with pytest.raises(AssertionError):
        _assert_translates(model.set_params(trim=0).fit_spaces(strayed), spaces, atol=1)


def test_left_out_samples_are_as_if_missing():
    spaces = _copies(40, noise=0.5)
    spaces[1][:5] += 30
    trimmed = GeneralizedProcrustes(trim=5 / 120, tol=0, max_iter=2000)
    trimmed.fit_spaces(spaces)
    spaces[1][:5] = np.nan
    missing = GeneralizedProcrustes(tol=0, max_iter=2000).fit_spaces(spaces)
    assert_array_equal(trimmed.inlier_mask_, missing.inlier_mask_)
    assert_allclose(trimmed.consensus_, missing.consensus_, atol=1e-5)


def test_the_loss_of_trimmed_spaces_never_rises():
    rng = np.random.default_rng(0)
    spaces = [rng.normal(size=(30, 4)) for _ in range(4)]
    model = GeneralizedProcrustes(trim=0.2, max_iter=1000).fit_spaces(spaces)
    assert np.all(np.diff(model.objective_) <= 1e-12)
    assert model.inlier_mask_.sum() == 96
    assert model.inlier_mask_.any(axis=1).all()


@pytest.mark.parametrize("seed", range(4))
def test_reflections_are_refused_on_request(seed):
    first = _copies(40, noise=0.1, seed=seed)[0]
    second = first * [1, 1, 1, -1] + 1
    model = GeneralizedProcrustes(allow_reflection=False, tol=0, max_iter=3000)
    model.fit_spaces([first, second])
    for aligner in model.aligners_:
        assert_allclose(np.linalg.det(aligner.coef_), 1)
    expected = RigidAligner(allow_reflection=False).fit(first, second)
    assert_allclose(model.translate(first, 0, 1), expected.transform(first), atol=1e-4)
    model = GeneralizedProcrustes().fit_spaces([first, second])
    assert_allclose(model.translate(first, 0, 1), second)
