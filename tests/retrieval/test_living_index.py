"""AlignedRetriever with converted candidates: their search, order, and scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.stats import norm, ortho_group
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import GridSearchCV

from skalign import (
    AlignedRetriever,
    CanonicalAligner,
    CORALAligner,
    LinearAligner,
    RigidAligner,
    load,
    save,
)
from skalign.metrics import retrieval_accuracy
from skalign.retrieval._two_spaces import (
    expected_gains,
    held_out_scores,
    location_and_scale,
    moments,
)

N_PAIRS, N_QUERIES, K = 200, 60, 5


def _spaces(n_items=600, seed=0):
    """An old space, and a new one in which all cosines are large."""
    rng = np.random.default_rng(seed)
    items = rng.normal(size=(n_items, 12))
    old = items @ ortho_group.rvs(12, random_state=rng)
    old += 0.3 * rng.normal(size=old.shape)
    return items + 3, old


def _living(aligner=None, csls=None, **parameters):
    """Return a retriever, and the new vectors of its candidates and of queries."""
    new, old = _spaces()
    retriever = AlignedRetriever(aligner, csls=csls, n_neighbors=K, **parameters)
    retriever.fit(new[:N_PAIRS], old[:N_PAIRS], candidates=old[N_PAIRS:-N_QUERIES])
    return retriever, new[N_PAIRS:-N_QUERIES], new[-N_QUERIES:]


def _recall(retriever, native, queries):
    wanted = np.argsort(-cosine_similarity(queries, native), axis=1)[:, :K]
    found = retriever.kneighbors(queries, return_distance=False)
    return np.mean([np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)])


@pytest.mark.parametrize("csls", [None, 5])
@pytest.mark.parametrize("backend", ["scikit-learn", "faiss"])
def test_converted_to_the_last_candidate_it_is_a_search_in_the_new_space(backend, csls):
    if backend == "faiss":
        pytest.importorskip("faiss")
    retriever, native, queries = _living(csls=csls, backend=backend)
    assert not retriever.converted_.any()
    order = np.random.default_rng(0).permutation(len(native))
    for batch in np.array_split(order, 3):
        assert retriever.convert(batch, native[batch]) is retriever
    assert retriever.converted_.all()
    distances, indices = retriever.kneighbors(queries)
    expected = 1 - cosine_similarity(queries, native)
    assert_array_equal(indices, np.argsort(expected, axis=1)[:, :K])
    assert_allclose(distances, np.sort(expected, axis=1)[:, :K], atol=1e-6)


@pytest.mark.parametrize("aligner", [None, CanonicalAligner(shrinkage=0.1)])
@pytest.mark.parametrize("csls", [None, 5])
def test_recall_does_not_fall_while_the_index_is_converted(aligner, csls):
    retriever, native, queries = _living(aligner, csls)
    recalls = [_recall(retriever, native, queries)]
    order = np.random.default_rng(1).permutation(len(native))
    for batch in np.array_split(order, 10):
        retriever.convert(batch, native[batch])
        recalls.append(_recall(retriever, native, queries))
    assert 0.3 < recalls[0] < 0.9
    assert min(recalls) == recalls[0]
    assert recalls[5] > recalls[0] + 0.05
    assert recalls[-1] == 1


def test_cosines_as_they_are_would_hide_what_is_not_converted():
    retriever, native, queries = _living()
    mapped = retriever.aligner_.transform(queries)
    cosines = cosine_similarity(mapped, retriever.candidates_)
    cosines[:, ::4] = cosine_similarity(queries, native[::4])
    wanted = np.argsort(-cosine_similarity(queries, native), axis=1)[:, :K]
    found = np.argsort(-cosines, axis=1)[:, :K]
    recall = [np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)]
    assert np.mean(recall) < _recall(retriever, native, queries) - 0.1


@pytest.mark.parametrize("csls", [None, 5])
def test_predicted_distances_are_those_of_a_regression(csls):
    retriever, native, queries = _living(RigidAligner(), csls)
    converted = np.arange(0, len(native), 2)
    retriever.convert(converted, native[converted])
    distances, indices = retriever.kneighbors(queries, len(native))

    new, old = (space[:N_PAIRS] for space in _spaces())

    def scores(fitted, X, y, hub_queries):
        similarity = cosine_similarity(fitted.transform(X), y)
        if csls is None:
            return similarity
        hubs = cosine_similarity(fitted.transform(hub_queries), y)
        return similarity - np.sort(hubs, axis=0)[-csls:].mean(axis=0) / 2

    def about(values, references):
        mean, std = (f(references, axis=1, keepdims=True) for f in (np.mean, np.std))
        return (values - mean) / std

    mapped, true = [], []
    for part in range(5):
        test = np.arange(N_PAIRS) % 5 == part
        fitted = RigidAligner().fit(new[~test], old[~test])
        m = about(
            scores(fitted, new[test], old[test], new[~test]),
            scores(fitted, new[test], old[~test], new[~test]),
        )
        s = about(
            cosine_similarity(new[test]), cosine_similarity(new[test], new[~test])
        )
        for i in range(len(m)):
            others = np.delete(np.arange(len(m)), i)
            nearest = others[np.argsort(-m[i, others])[:5]]
            mapped.extend(m[i, nearest])
            true.extend(s[i, nearest])
    mapped, true = np.array(mapped)[:, None], np.array(true)
    line = LinearRegression().fit(mapped, true)
    spread = np.std(true - line.predict(mapped))

    m = about(
        scores(retriever.aligner_, queries, retriever.candidates_, new),
        scores(retriever.aligner_, queries, old, new),
    )
    references = cosine_similarity(queries, new)
    s = line.coef_[0] * m + line.intercept_ + 0.35 * spread
    cosines = s * references.std(axis=1, keepdims=True)
    cosines += references.mean(axis=1, keepdims=True)
    cosines[:, converted] = cosine_similarity(queries, native[converted])
    at = np.arange(len(queries))[:, None], indices
    assert_allclose(distances, np.maximum(1 - cosines[at], 0), atol=1e-7)
    assert np.all(np.diff(distances, axis=1) >= -1e-12)
    assert_array_equal(np.sort(indices, axis=1)[0], np.arange(len(native)))


def test_location_and_scale_are_those_of_all_products():
    rng = np.random.default_rng(0)
    queries, candidates = rng.normal(size=(7, 4)), rng.normal(size=(30, 4)) + 2
    location, scale = location_and_scale(queries, *moments(candidates))
    products = queries @ candidates.T
    assert_allclose(location[:, 0], products.mean(axis=1))
    assert_allclose(scale[:, 0], products.std(axis=1))


def test_batches_give_what_one_call_gives():
    retriever, native, queries = _living()
    at_once, _, _ = _living()
    at_once.convert(np.arange(100), native[:100])
    for batch in np.split(np.arange(100), 5):
        retriever.convert(batch, native[batch])
    for a, b in zip(
        retriever.kneighbors(queries), at_once.kneighbors(queries), strict=True
    ):
        assert_allclose(a, b)


def test_a_converted_index_is_saved_and_loaded(tmp_path):
    retriever, native, queries = _living(csls=5)
    retriever.convert(np.arange(50), native[:50])
    save(retriever, tmp_path / "index")
    loaded = load(tmp_path / "index")
    for both in (retriever, loaded):
        both.convert(np.arange(40, 90), native[40:90])
    for a, b in zip(
        retriever.kneighbors(queries), loaded.kneighbors(queries), strict=True
    ):
        assert_allclose(a, b)


def test_a_candidate_converted_again_has_the_new_vector():
    retriever, native, queries = _living()
    wrong = np.roll(native[:50], 1, axis=0)
    retriever.convert(np.arange(50), wrong).convert(np.arange(50), native[:50])
    expected, _, _ = _living()
    expected.convert(np.arange(50), native[:50])
    assert retriever.converted_.sum() == 50
    for a, b in zip(
        retriever.kneighbors(queries), expected.kneighbors(queries), strict=True
    ):
        assert_allclose(a, b)


def test_candidates_added_to_a_converted_index_are_found():
    retriever, native, queries = _living()
    retriever.convert(np.arange(300), native[:300])
    more = LinearAligner().fit(*_spaces()).transform(queries)  # as if of the old space
    retriever.add(more)
    assert retriever.converted_.sum() == 300
    assert len(retriever.converted_) == len(native) + len(more)
    found = retriever.kneighbors(queries, return_distance=False)
    own = len(native) + np.arange(len(queries))
    assert np.mean((found == own[:, None]).any(axis=1)) > 0.9


def test_gains_are_those_of_probabilities_that_add_up_to_k():
    rng = np.random.default_rng(0)
    scores, converted = rng.normal(size=(9, 40)), np.arange(40) < 15
    spread = rng.uniform(0.1, 0.5, size=(9, 1))
    gains = expected_gains(scores, spread, 4, converted)
    expected = np.zeros(40)
    for row, sd in zip(scores, spread[:, 0], strict=True):
        sd = np.where(converted, 1e-4, sd)
        kth = brentq(lambda t, r=row, s=sd: norm.sf(t, r, s).sum() - 4, -9, 9)
        p = norm.sf(kth, row, sd)
        expected += np.where(converted, 0, p * (1 - p))
    assert_allclose(gains, expected, atol=0.02)
    assert_array_equal(gains[converted], 0)


def test_the_next_candidates_are_near_the_queries_seen():
    retriever, native, queries = _living()
    few = queries[:3]
    order = retriever.next_to_convert(20, few)
    assert len(set(order)) == 20
    cosines = cosine_similarity(few, native)
    rank = np.argsort(np.argsort(-cosines, axis=1), axis=1).min(axis=0)
    assert np.median(rank[order]) < 20 < np.median(rank) / 2
    assert_array_equal(retriever.next_to_convert(5, few), order[:5])
    retriever.convert(order, native[order])
    assert not np.isin(retriever.next_to_convert(20, few), order).any()


def test_the_next_candidates_are_the_same_with_csls():
    (plain, *_), (corrected, *_) = _living(), _living(csls=5)
    order = plain.next_to_convert(20)
    assert_array_equal(corrected.next_to_convert(20), order)
    assert not np.allclose(
        plain.kneighbors([[3] * 12])[0], corrected.kneighbors([[3] * 12])[0]
    )


def test_the_next_candidates_raise_recall_more_than_random_ones():
    new, old = _spaces(1200)
    seen, asked, index = np.split(np.arange(N_PAIRS, 1200), [200, 400])
    rng, gains = np.random.default_rng(2), []
    weight = np.exp(new[:, 0])  # some topics are asked for more often
    seen, asked = (
        rng.choice(rows, 100, p=weight[rows] / weight[rows].sum())
        for rows in (seen, asked)
    )
    retriever = AlignedRetriever(n_neighbors=K)
    retriever.fit(
        new[:N_PAIRS], old[:N_PAIRS], candidates=old[index], queries=new[seen]
    )
    for batch in (retriever.next_to_convert(120), rng.permutation(600)[:120]):
        retriever.fit(
            new[:N_PAIRS], old[:N_PAIRS], candidates=old[index], queries=new[seen]
        )
        retriever.convert(batch, new[index][batch])
        gains.append(_recall(retriever, new[index], new[asked]))
    assert gains[0] > gains[1] + 0.05


@pytest.mark.parametrize("csls", [None, 5])
def test_the_score_is_the_share_of_first_hits(csls):
    new, old = _spaces()
    retriever = AlignedRetriever(csls=csls).fit(new[:100], old[:100])
    score = retriever.score(new[100:], old[100:])
    among = AlignedRetriever(csls=csls)
    among.fit(new[:100], old[:100], candidates=old[100:])
    first = among.kneighbors(new[100:], 1, return_distance=False)[:, 0]
    assert score == np.mean(first == np.arange(500)) < 1


def test_the_score_of_distances_is_retrieval_accuracy():
    new, old = _spaces()
    retriever = AlignedRetriever(metric="euclidean").fit(new[:100], old[:100])
    mapped = retriever.aligner_.transform(new[100:])
    expected = retrieval_accuracy(mapped, old[100:], metric="euclidean")
    assert retriever.score(new[100:], old[100:]) == expected


def test_ties_are_no_hits():
    X, y = _spaces()
    retriever = AlignedRetriever().fit(X[:100], y[:100])
    assert retriever.score(X[:2], np.repeat(y[:1], 2, axis=0)) == 0


def test_aligner_and_csls_can_be_searched():
    new, old = _spaces()
    old = old + np.random.default_rng(1).normal(size=old.shape)
    grid = {"aligner": [LinearAligner(), CanonicalAligner()], "csls": [None, 5]}
    search = GridSearchCV(AlignedRetriever(), grid, cv=3).fit(new[:200], old[:200])
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) > 1
    assert search.score(new[200:], old[200:]) > 0.3


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 0], r"must not be repeated; got 0 2 times"),
        ([0, 340], "from 0 to 339; got 0 to 340"),
        ([-1, 3], "from 0 to 339; got -1 to 3"),
        ([0.0, 1.0], "1-D array; got the shape .* float64"),
        ([[0, 1]], "1-D array; got the shape"),
        ([1], "inconsistent numbers of samples"),
        ([], "at least one"),
    ],
)
def test_positions_are_those_of_different_candidates(positions, message):
    retriever, native, _ = _living()
    with pytest.raises(ValueError, match=message):
        retriever.convert(positions, native[:2])
    assert not retriever.converted_.any()


@pytest.mark.parametrize("n_candidates", [0, 331, 1.5, True])
def test_no_more_are_selected_than_are_left(n_candidates):
    retriever, native, _ = _living()
    retriever.convert(np.arange(10), native[:10])
    with pytest.raises(ValueError, match=r"from 1 to .* not converted=330"):
        retriever.next_to_convert(n_candidates)


def test_spaces_that_cannot_be_compared_are_refused():
    new, old = _spaces()
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="metric='cosine' only"):
        _living(metric="euclidean")[0].convert([0], new[:1])
    with pytest.raises(ValueError, match=r"At least 20 pairs .* got 19"):
        AlignedRetriever().fit(new[:19], old[:19]).convert([0], new[:1])
    with pytest.raises(ValueError, match="got X and y of different lengths"):
        AlignedRetriever(CORALAligner()).fit(new, old[:99]).convert([0], new[:1])
    for aligner in (RigidAligner(), CORALAligner()):
        retriever = AlignedRetriever(aligner).fit(new, rng.permutation(old))
        with pytest.raises(ValueError, match="same samples in the same order"):
            retriever.next_to_convert(1)


def test_later_changes_of_the_callers_arrays_do_not_matter():
    new, old = _spaces()
    X, y = new[:N_PAIRS].copy(), old[:N_PAIRS].copy()
    retriever = AlignedRetriever(n_neighbors=K).fit(X, y, queries=X)
    expected = AlignedRetriever(n_neighbors=K).fit(X, y, queries=X)
    expected = expected.next_to_convert(10)
    X[:], y[:] = 0, 0
    assert_array_equal(retriever.next_to_convert(10), expected)


def test_held_out_scores_of_few_pairs_are_finite():
    new, old = _spaces()
    scores = held_out_scores(LinearAligner(), new[:20], old[:20], [10, None])
    assert np.shape(scores) == (2, 2, 20 * 3)
    assert np.isfinite(scores).all()


@pytest.mark.long
@pytest.mark.parametrize("n_inside", [0, 600])
def test_recall_of_articles_does_not_fall(news, n_inside):
    old, new, _ = news
    rows = np.random.default_rng(7).permutation(6000)
    pairs, asked, seen, index = np.split(rows, [600, 1000, 1400])
    index = np.concatenate([pairs[:n_inside], index])  # pairs are converted first
    wanted = np.argsort(-cosine_similarity(new[asked], new[index]), axis=1)[:, :10]

    def recall(retriever):
        found = retriever.kneighbors(new[asked], return_distance=False)
        return np.mean(
            [np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)]
        )

    at_random = n_inside + np.random.default_rng(8).permutation(len(index) - n_inside)
    at_random = np.concatenate([np.arange(n_inside), at_random])
    curves = []
    for order in ("random", "next"):
        retriever = AlignedRetriever(n_neighbors=10)
        retriever.fit(new[pairs], old[pairs], candidates=old[index], queries=new[seen])
        curve = [recall(retriever)]
        for batch in np.array_split(at_random, 8)[:5]:
            if order == "next":
                batch = retriever.next_to_convert(len(batch))
            retriever.convert(batch, new[index[batch]])
            curve.append(recall(retriever))
        curves.append(curve)
    random, chosen = np.array(curves)
    assert min(random) == random[0]
    assert min(chosen) == chosen[0]
    assert np.all(chosen[2:] > random[2:] + 0.01)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_stored_index_of_faiss_finds_the_same(metric, tmp_path):
    pytest.importorskip("faiss")
    retriever, native, queries = _living(metric=metric, backend="faiss")
    if metric == "cosine":
        retriever.convert(np.arange(9), native[:9])
    save(retriever, tmp_path / "retriever.skops")
    found = load(tmp_path / "retriever.skops").kneighbors(queries)
    for one, other in zip(found, retriever.kneighbors(queries), strict=True):
        assert_allclose(one, other)
