"""Retrieval against loops, with ties, several answers and hubs."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group
from sklearn import config_context

from skalign._hubness import block_rows
from skalign.metrics import (
    mean_reciprocal_rank,
    retrieval_accuracy,
    retrieval_ranks,
)


def ranks_by_definition(X, Y, relevant, metric="cosine", csls=None):
    similarity = -cdist(X, Y, metric)
    if csls is not None:
        cosine = 1 + similarity
        x_near = np.sort(cosine, axis=1)[:, -csls:].mean(axis=1)
        y_near = np.sort(cosine, axis=0)[-csls:].mean(axis=0)
        similarity = 2 * cosine - x_near[:, None] - y_near
    ranks = []
    for query in sorted({query for query, _ in relevant}):
        right = {candidate for other, candidate in relevant if other == query}
        best = max(similarity[query, candidate] for candidate in right)
        before = [
            candidate
            for candidate in range(len(Y))
            if candidate not in right and similarity[query, candidate] >= best
        ]
        ranks.append(1 + len(before))
    return np.array(ranks)


def draw(n, m, n_features=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_features))
    Y = rng.normal(size=(m, n_features))
    Y[: min(n, m)] = X[: min(n, m)] + rng.normal(size=(min(n, m), n_features))
    return X, Y


def pairs(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return np.unique(
        np.column_stack([rng.integers(0, n, 2 * n), rng.integers(0, m, 2 * n)]), axis=0
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"metric": "euclidean"}, {"csls": 3}, {"csls": 1}],
    ids=["cosine", "euclidean", "csls", "csls of one"],
)
@pytest.mark.parametrize("sizes", [(30, 30), (300, 40), (20, 90)])
def test_equals_loops_with_several_right_answers(sizes, options):
    X, Y = draw(*sizes)
    relevant = pairs(*sizes)
    shuffled = np.random.default_rng(1).permutation(relevant)
    ranks = ranks_by_definition(X, Y, relevant.tolist(), **options)
    for k in (1, 5):
        value = retrieval_accuracy(X, Y, k=k, relevant=shuffled, **options)
        assert value == np.mean(ranks <= k)
    value = mean_reciprocal_rank(X, Y, relevant=shuffled, **options)
    assert_allclose(value, np.mean(1 / ranks), rtol=1e-12)


def test_without_relevant_rows_pair_by_place():
    X, Y = draw(40, 40)
    pair = np.column_stack([np.arange(40), np.arange(40)])
    for metric in (retrieval_accuracy, mean_reciprocal_rank):
        assert metric(X, Y) == metric(X, Y, relevant=pair)
        assert 0.1 < metric(X, Y) < 1


@given(seed=st.integers(0, 2**32 - 1))
def test_equal_sets_are_found_and_a_shuffle_is_not(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 8))
    assert retrieval_accuracy(X, X) == 1
    assert mean_reciprocal_rank(X, X) == 1
    assert retrieval_accuracy(X, np.roll(X, 1, axis=0)) == 0


@given(seed=st.integers(0, 2**32 - 1))
def test_a_rotation_of_both_changes_nothing(seed):
    X, Y = draw(30, 30, seed=seed)
    rotation = ortho_group.rvs(6, random_state=np.random.default_rng(seed))
    for options in ({}, {"csls": 5}, {"metric": "euclidean"}):
        value = mean_reciprocal_rank(X, Y, **options)
        moved = mean_reciprocal_rank(X @ rotation, Y @ rotation, **options)
        assert_allclose(moved, value, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_lengths_of_rows_do_not_change_cosines(seed):
    X, Y = draw(30, 30, seed=seed)
    lengths = np.random.default_rng(seed).uniform(0.1, 10, (30, 1))
    assert retrieval_accuracy(lengths * X, Y) == retrieval_accuracy(X, Y)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_shift_of_both_does_not_change_euclidean_places(seed):
    X, Y = draw(30, 30, seed=seed)
    value = retrieval_accuracy(X, Y, metric="euclidean")
    assert retrieval_accuracy(X + 1e4, Y + 1e4, metric="euclidean") == value


@given(
    n=st.integers(2, 300),
    n_features=st.sampled_from([1, 3, 64, 301]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_map_that_sends_all_rows_to_one_finds_nothing(n, n_features, dtype, seed):
    rng = np.random.default_rng(seed)
    row = rng.normal(size=n_features).astype(dtype)
    X, Y = np.tile(row, (n, 1)), rng.normal(size=(n, n_features)).astype(dtype)
    for options in ({}, {"metric": "euclidean"}, {"csls": 1}):
        assert retrieval_accuracy(X, X, **options) == 0
        assert_allclose(mean_reciprocal_rank(X, X, **options), 1 / n)
    # Against true targets one row is nearest to the one query that there is.
    assert retrieval_accuracy(X, Y, metric="euclidean") <= 1 / n


def test_one_far_candidate_does_not_make_the_others_alike():
    X, Y = (rows.astype(np.float32) for rows in draw(50, 50))
    relevant = np.column_stack([np.arange(50), np.arange(50)])
    value = retrieval_accuracy(X, Y, relevant=relevant, metric="euclidean")
    far = np.vstack([Y, np.full((1, 6), 1e4, dtype=np.float32)])
    with_far = retrieval_accuracy(X, far, relevant=relevant, metric="euclidean")
    assert with_far == value > 0.1


def test_zero_rows_find_nothing():
    X, Y = np.zeros((5, 3)), np.ones((5, 3))
    assert retrieval_accuracy(X, Y) == 0
    assert_allclose(mean_reciprocal_rank(X, Y), 1 / 5)


def test_a_wrong_duplicate_of_the_right_candidate_is_a_tie_and_a_miss():
    X, _ = draw(20, 1)
    Y = np.vstack([X, X[:5]])
    pair = np.column_stack([np.arange(20), np.arange(20)])
    assert retrieval_accuracy(X, Y, relevant=pair) == 15 / 20
    assert retrieval_accuracy(X, Y, k=2, relevant=pair) == 1
    # Where both count as right there is no tie.
    both = np.vstack([pair, np.column_stack([np.arange(5), np.arange(20, 25)])])
    assert retrieval_accuracy(X, Y, relevant=both) == 1


def test_k_is_as_generous_as_it_is_large():
    X, Y = draw(50, 50)
    values = [retrieval_accuracy(X, Y, k=k) for k in (1, 2, 5, 20, 50)]
    assert values == sorted(values)
    assert values[-1] == 1


def test_csls_takes_away_the_advantage_of_a_hub():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 30))
    X += 10 * np.eye(30)[0]  # the queries share a direction, which the hub points to
    Y = X + 2 * rng.normal(size=X.shape)
    Y[0] = 10 * np.eye(30)[0]
    plain, corrected = retrieval_accuracy(X, Y), retrieval_accuracy(X, Y, csls=10)
    assert corrected > plain + 0.1


def test_queries_without_an_answer_are_not_scored_but_are_neighbours():
    X, Y = draw(60, 60)
    relevant = np.column_stack([np.arange(10), np.arange(10)])
    assert retrieval_accuracy(X, Y, relevant=relevant) == retrieval_accuracy(
        X[:10], Y, relevant=relevant
    )
    ranks = ranks_by_definition(X, Y, relevant.tolist(), csls=4)
    value = mean_reciprocal_rank(X, Y, relevant=relevant, csls=4)
    assert_allclose(value, np.mean(1 / ranks))


def test_blocks_follow_the_working_memory():
    X, Y = draw(300, 500)
    relevant = pairs(300, 500)
    value = mean_reciprocal_rank(X, Y, relevant=relevant, csls=7)
    with config_context(working_memory=0.01):
        assert mean_reciprocal_rank(X, Y, relevant=relevant, csls=7) == value


def test_a_block_fills_the_working_memory():
    Y = np.ones((5000, 1), dtype=np.float32)
    with config_context(working_memory=1):
        n_rows = block_rows(Y)
    assert 5 * 5000 * n_rows <= 2**20 < 5 * 5000 * (n_rows + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "'k' parameter"),
        ({"k": 11}, "k=11 must be at most the number of candidates=10"),
        ({"metric": "manhattan"}, "'metric' parameter"),
        ({"csls": 0}, "'csls' parameter"),
        ({"csls": 11}, "csls=11 must be at most the number of queries=10"),
        ({"csls": 2, "metric": "euclidean"}, "csls=2 needs metric='cosine'"),
        ({"relevant": [[0, 10]]}, "indices 10 to 10 for Y, which has 10"),
        ({"relevant": [[-1, 0]]}, "indices -1 to -1 for X, which has 10"),
        ({"relevant": [[0.5, 0.0]]}, "must hold pairs of sample indices"),
        ({"relevant": [[0, 1, 2]]}, r"shape \(1, 3\)"),
        ({"relevant": [[0], [1]]}, r"shape \(2, 1\)"),
        ({"relevant": np.empty((0, 2), dtype=int)}, "0 sample"),
    ],
)
def test_a_parameter_out_of_range_is_refused(options, message):
    X, Y = draw(10, 10)
    with pytest.raises(ValueError, match=message):
        retrieval_accuracy(X, Y, **options)


def test_unequal_lengths_need_pairs():
    X, Y = draw(10, 12)
    with pytest.raises(ValueError, match="X has 10 samples, but Y has 12"):
        retrieval_accuracy(X, Y)


@pytest.mark.long
def test_words_are_translated_as_well_as_published(data_home):
    path = data_home / "word_vectors_en_fr" / "en_fr_word_vectors.npz"
    if not path.is_file():
        pytest.skip(f"no word vectors at {path}")
    with np.load(path) as archive:
        spaces = [
            archive[f"{name}_vectors"].astype(np.float32) for name in ("en", "fr")
        ]
        train, test = archive["pairs_train"], archive["pairs_test"]
    for i in range(2):
        space = spaces[i] / np.linalg.norm(spaces[i], axis=1, keepdims=True).clip(1e-9)
        space -= space.mean(axis=0)
        spaces[i] = space / np.linalg.norm(space, axis=1, keepdims=True).clip(1e-9)
    english, french = spaces
    U, _, Vt = np.linalg.svd(
        english[train[:, 0]].T @ french[train[:, 1]], full_matrices=False
    )
    mapped = english @ U @ Vt
    assert retrieval_accuracy(mapped, french, relevant=test) >= 0.57
    assert retrieval_accuracy(mapped, french, relevant=test, csls=10) >= 0.65


@pytest.mark.parametrize("keywords", [{}, {"metric": "euclidean"}, {"csls": 5}])
def test_ranks_are_the_places_that_the_scores_count(keywords):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    Y = X + 0.5 * rng.normal(size=X.shape)
    ranks = retrieval_ranks(X, Y, **keywords)
    assert ranks.shape == (60,)
    assert ranks.min() == 1
    for k in (1, 3, 10):
        value = retrieval_accuracy(X, Y, k=k, **keywords)
        assert value == np.mean(ranks <= k)
    value = mean_reciprocal_rank(X, Y, **keywords)
    assert_allclose(value, np.mean(1 / ranks))


def test_ranks_are_of_the_queries_that_have_an_answer():
    X, Y = [[1, 0], [0, 1], [1, 1]], [[2, 0], [3, 2], [1, 1]]
    ranks = retrieval_ranks(X, Y, relevant=[[2, 1], [0, 2], [2, 0]])
    assert ranks.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1e20, np.float32), (1e-24, np.float32), (1e155, float), (1e-170, float)],
)
def test_cosines_see_no_scale(scale, dtype):
    X = (np.random.default_rng(0).normal(size=(20, 3)) * scale).astype(dtype)
    assert retrieval_accuracy(X, X) == 1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [2.0**-700, 2.0**700])
def test_ranks_are_the_same_at_any_scale(metric, scale):
    X, noise = np.random.default_rng(0).normal(size=(2, 40, 4))
    expected = retrieval_ranks(X, X + noise, metric=metric)
    ranks = retrieval_ranks(scale * X, scale * (X + noise), metric=metric)
    assert_array_equal(ranks, expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_candidates_closer_than_single_precision_are_told_apart(metric):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8))
    away = rng.normal(size=(40, 8))
    away -= np.sum(away * X, axis=1, keepdims=True) / np.sum(X**2, axis=1)[:, None] * X
    # The cosines of both with the query differ by about 1e-9.
    Y = np.vstack([X + 0.3 * away, X + (0.3 + 1e-8) * away, X + (0.3 - 1e-8) * away])
    expected = ranks_by_definition(X, Y, [(i, i) for i in range(40)], metric)
    relevant = np.arange(40)[:, None].repeat(2, axis=1)
    ranks = retrieval_ranks(X, Y, relevant=relevant, metric=metric)
    assert_array_equal(ranks, expected)
    single = (rows.astype(np.float32) for rows in (X, Y))
    short = retrieval_ranks(*single, relevant=relevant, metric=metric)
    assert (short > ranks).any()  # they tie


def test_precise_ranks_do_not_depend_on_how_many_candidates_are_close():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(300, 6)), rng.normal(size=(300, 6))
    few, many = X.copy(), X.copy()
    Y[:150] = Y[0] + 1e-9 * rng.normal(size=(150, 6))  # most of one block are close
    many[:] = Y[0] + 1e-3 * rng.normal(size=(300, 6))
    for queries in (few, many):
        found = retrieval_ranks(queries, Y, metric="euclidean")
        relevant = [(i, i) for i in range(300)]
        expected = ranks_by_definition(queries, Y, relevant, "euclidean")
        assert_array_equal(found[150:], expected[150:])
        # Within the cluster differences are those of rounding.
        assert np.median(np.abs(found[:150] - expected[:150])) <= 1
