"""AlignedRetriever: agreement with brute force, CSLS, added rows, backends."""

import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import get_tags

from skalign import AlignedRetriever, CORALAligner, LinearAligner, RigidAligner
from skalign.metrics import retrieval_accuracy


def _spaces(n_samples=60, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 5))
    y = X @ ortho_group.rvs(5, random_state=rng) + 1
    return X, y + noise * rng.normal(size=y.shape)


def _csls(X, Y, k):
    """Cross-domain similarity local scaling, as Conneau et al. write it."""
    cosines = cosine_similarity(X, Y)
    r_x = np.sort(cosines, axis=1)[:, -k:].mean(axis=1)
    r_y = np.sort(cosines, axis=0)[-k:].mean(axis=0)
    return 2 * cosines - r_x[:, None] - r_y


def _has_faiss():
    return pytest.importorskip("faiss", reason="faiss is not installed")


def test_where_the_origin_is_does_not_matter_to_distances():
    X, y = _spaces()
    expected = AlignedRetriever(metric="euclidean").fit(X, y).kneighbors(X, 3)
    moved = AlignedRetriever(metric="euclidean").fit(X + 1e8, y + 1e8)
    for ours, theirs in zip(moved.kneighbors(X + 1e8, 3), expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("backend", ["scikit-learn", "faiss"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbors_are_those_of_all_distances(metric, backend):
    if backend == "faiss":
        _has_faiss()
    X, y = _spaces()
    retriever = AlignedRetriever(RigidAligner(), metric=metric, backend=backend)
    distances, indices = retriever.fit(X, y).kneighbors(X, 3)
    mapped = RigidAligner().fit(X, y).transform(X)
    if metric == "cosine":
        expected = 1 - cosine_similarity(mapped, y)
    else:
        expected = euclidean_distances(mapped, y)
    assert_array_equal(indices, np.argsort(expected, axis=1)[:, :3])
    assert_allclose(distances, np.sort(expected, axis=1)[:, :3], atol=1e-5)


@pytest.mark.parametrize("backend", ["scikit-learn", "faiss"])
def test_csls_is_that_of_all_similarities(backend):
    if backend == "faiss":
        _has_faiss()
    X, y = _spaces(noise=1.0)
    retriever = AlignedRetriever(csls=4, backend=backend).fit(X, y)
    distances, indices = retriever.kneighbors(X, 6)
    expected = -_csls(LinearAligner().fit(X, y).transform(X), y, 4)
    assert_array_equal(indices, np.argsort(expected, axis=1)[:, :6])
    assert_allclose(distances, np.sort(expected, axis=1)[:, :6], atol=1e-5)
    plain = AlignedRetriever().fit(X, y).kneighbors(X, 6, return_distance=False)
    assert not np.array_equal(plain, indices)


@pytest.mark.parametrize("csls", [None, 5])
def test_the_share_of_first_hits_is_retrieval_accuracy(csls):
    X, y = _spaces(200, noise=1.5)
    retriever = AlignedRetriever(csls=csls).fit(X[:50], y[:50], candidates=y, queries=X)
    first = retriever.kneighbors(X, 1, return_distance=False)[:, 0]
    mapped = LinearAligner().fit(X[:50], y[:50]).transform(X)
    expected = retrieval_accuracy(mapped, y, csls=csls)
    assert np.mean(first == np.arange(200)) == expected < 1


def test_an_answer_does_not_depend_on_the_queries_asked_with_it():
    X, y = _spaces(noise=1.0)
    retriever = AlignedRetriever(csls=3).fit(X, y)
    together, alone = retriever.kneighbors(X[:9]), retriever.kneighbors(X[4:5])
    for a, b in zip(together, alone, strict=True):
        assert_allclose(a[4:5], b)


@pytest.mark.parametrize("csls", [None, 4])
def test_rows_added_later_are_found_as_if_they_had_been_there(csls):
    X, y = _spaces(noise=1.0)
    at_once = AlignedRetriever(csls=csls).fit(X[:30], y[:30], candidates=y)
    grown = AlignedRetriever(csls=csls).fit(X[:30], y[:30], candidates=y[:20])
    assert grown.add(y[20:25]).add(y[25:]) is grown
    for a, b in zip(at_once.kneighbors(X), grown.kneighbors(X), strict=True):
        assert_allclose(a, b)


def test_csls_finds_a_hub_less_than_half_as_often():
    rng = np.random.default_rng(0)
    X = 1 + rng.normal(size=(200, 40))
    y = X + 2 * rng.normal(size=X.shape)
    y[0] = 1  # between all of them
    found = []
    for csls in (None, 10):
        retriever = AlignedRetriever(RigidAligner(), csls=csls).fit(X, y)
        first = retriever.kneighbors(X, 1, return_distance=False)
        found.append(np.bincount(first[:, 0], minlength=200)[0])
    assert 100 < found[0] > 2 * found[1]


def test_a_row_of_zeros_has_cosine_zero_to_all():
    X, y = _spaces()
    candidates = np.vstack([y - y.mean(axis=0), np.zeros((1, 5))])
    retriever = AlignedRetriever(RigidAligner()).fit(
        X - X.mean(axis=0), y - y.mean(axis=0), candidates=candidates
    )
    distances, indices = retriever.kneighbors(X[:3], 61)
    assert_allclose(distances[indices == 60], 1)
    assert np.all(np.diff(distances, axis=1) >= -1e-12)


def test_pipelines_and_unpaired_aligners_carry_the_rows():
    X, y = _spaces()
    scaled = AlignedRetriever(
        make_pipeline(StandardScaler(), RigidAligner(scaling=True))
    )
    first = scaled.fit(X, y).kneighbors(X, 1, return_distance=False)
    assert np.mean(first[:, 0] == np.arange(60)) > 0.5
    retriever = AlignedRetriever(CORALAligner(), metric="euclidean").fit(X, y[:40])
    expected = CORALAligner().fit(X, y[:40]).transform(X)
    indices = retriever.kneighbors(X, 1, return_distance=False)[:, 0]
    assert_array_equal(indices, euclidean_distances(expected, y[:40]).argmin(axis=1))


def test_frames_and_output_settings_change_no_number():
    X, y = _spaces()
    expected = AlignedRetriever().fit(X, y).kneighbors(X)
    frame = pd.DataFrame(X).add_prefix("x")
    with sklearn.config_context(transform_output="pandas"):
        answer = AlignedRetriever().fit(frame, y).kneighbors(frame)
    for a, b in zip(answer, expected, strict=True):
        assert_allclose(a, b)


def test_the_given_aligner_stays_unfitted():
    X, y = _spaces()
    aligner = RigidAligner()
    retriever = AlignedRetriever(aligner).fit(X, y)
    assert not hasattr(aligner, "coef_")
    assert retriever.aligner_.coef_.shape == (5, 5)


@pytest.mark.parametrize(
    ("parameters", "arrays", "message"),
    [
        ({"csls": 3, "metric": "euclidean"}, {}, "needs metric='cosine'"),
        ({"csls": 61}, {}, "number of queries=60"),
        ({"csls": 9}, {"candidates": np.ones((8, 5))}, "number of candidates=8"),
        ({}, {"candidates": np.ones((8, 4))}, "y has 4 columns, but the target space"),
        ({"csls": 3}, {"queries": np.ones((8, 4))}, "X has 4 features"),
    ],
)
def test_what_does_not_suit_is_refused(parameters, arrays, message):
    retriever = AlignedRetriever(**parameters)
    with pytest.raises(ValueError, match=message):
        retriever.fit(*_spaces(), **arrays)
    assert not hasattr(retriever, "aligner_")


def test_a_failed_add_leaves_the_rows_as_they_were():
    X, y = _spaces()
    retriever = AlignedRetriever().fit(X, y)
    before = retriever.kneighbors(X)
    with pytest.raises(ValueError, match="y has 2 columns"):
        retriever.add(y[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        retriever.add(np.full((1, 5), np.nan))
    assert_array_equal(retriever.kneighbors(X)[1], before[1])


@pytest.mark.parametrize("n_neighbors", [0, 61])
def test_more_neighbors_than_candidates_are_refused(n_neighbors):
    X, y = _spaces()
    with pytest.raises(ValueError, match=f"n_neighbors={n_neighbors} must be an int "):
        AlignedRetriever().fit(X, y).kneighbors(X, n_neighbors)


def test_without_faiss_the_error_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="pip install faiss-cpu"):
        AlignedRetriever(backend="faiss").fit(*_spaces())


@pytest.mark.long
def test_french_words_are_found_with_csls(data_home):
    words = np.load(data_home / "word_vectors_en_fr" / "en_fr_word_vectors.npz")
    spaces = [
        normalize(words[f"{name}_vectors"].astype(float)) for name in ("en", "fr")
    ]
    english, french = (normalize(rows - rows.mean(axis=0)) for rows in spaces)
    train, test = words["pairs_train"], words["pairs_test"]
    asked, known = np.unique(test[:, 0]), set(map(tuple, test.tolist()))
    right = {}
    for csls in (None, 10):
        retriever = AlignedRetriever(RigidAligner(), csls=csls).fit(
            english[train[:, 0]],
            french[train[:, 1]],
            candidates=french,
            queries=english[:5000],
        )
        found = retriever.kneighbors(english[asked], 1, return_distance=False)[:, 0]
        right[csls] = np.mean([p in known for p in zip(asked, found, strict=True)])
    assert right[10] > 0.63 > right[None] > 0.55


def test_short_rows_are_found_by_their_cosines():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 8))
    y = (X + rng.normal(size=X.shape) / 2) * (rng.gamma(1, size=(100, 1)) + 0.2)
    found = [
        AlignedRetriever(RigidAligner(), n_neighbors=5)
        .fit((scale * X).astype(np.float32), (scale * y).astype(np.float32))
        .kneighbors((scale * X).astype(np.float32), return_distance=False)
        for scale in (1, 2.0**-26)
    ]
    assert_array_equal(*found)


def test_as_many_candidates_as_csls_asks_for_are_enough():
    X, y = _spaces(12)
    AlignedRetriever(csls=12).fit(X, y).kneighbors(X)
    with pytest.raises(ValueError, match="csls=12 must be at most"):
        AlignedRetriever(csls=12).fit(X, y, candidates=y[:11])


def test_a_retriever_takes_many_targets_and_names_anew():
    X, y = _spaces()
    retriever = AlignedRetriever()
    assert get_tags(retriever).target_tags.multi_output
    retriever.fit(X, pd.DataFrame(y[:, :2], columns=["u", "v"]))
    retriever.fit(X, pd.DataFrame(y[:, :2], columns=["w", "v"]))
    assert retriever.target_names_in_.tolist() == ["w", "v"]


def test_a_retriever_takes_other_names_but_where_features_keep_their_meaning():
    X, y = _spaces()
    X, y = (
        pd.DataFrame(X, columns=list("abcde")),
        pd.DataFrame(y, columns=list("fghij")),
    )
    pipeline = make_pipeline(StandardScaler(), LinearAligner())
    for aligner in (None, LinearAligner(), pipeline):
        AlignedRetriever(aligner).fit(X, y)
    with pytest.raises(ValueError, match="same columns in X and in y"):
        AlignedRetriever(CORALAligner()).fit(X, y)


@pytest.mark.parametrize("n_neighbors", [(3,), 1.5, True, "2"])
def test_numbers_of_neighbors_are_whole(n_neighbors):
    X = np.random.default_rng(0).normal(size=(20, 3))
    retriever = AlignedRetriever().fit(X, X)
    with pytest.raises(ValueError, match=r"n_neighbors=.* must be an int from 1 to"):
        retriever.kneighbors(X, n_neighbors=n_neighbors)
