"""What the paired half reaches on real spaces, and in scikit-learn's own tools."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skalign import AnchoredAligner, LinearAligner, RigidAligner
from skalign.anchors import KMeansAnchors, PivotedQRAnchors, RandomAnchors
from skalign.metrics import get_scorer, retrieval_accuracy
from skalign.model_selection import alignability

SLICED = get_scorer("neg_sliced_wasserstein_distance")
MMD = get_scorer("neg_mmd")

pytestmark = pytest.mark.long


def test_a_head_reads_the_latents_of_another_encoder(digits):
    train, test = digits.train_indices, digits.test_indices
    head = LogisticRegression(max_iter=1000)
    head.fit(digits.target[train], digits.labels[train])
    own = head.score(digits.target[test], digits.labels[test])
    stitched = make_pipeline(StandardScaler(), LinearAligner(), FrozenEstimator(head))
    stitched.fit(digits.data[train], digits.target[train])
    assert stitched.score(digits.data[test], digits.labels[test]) > own - 0.03
    unaligned = head.score(digits.data[test], digits.labels[test])
    assert unaligned < 0.5


@pytest.mark.parametrize("scorer", [MMD, SLICED], ids=repr)
def test_a_grid_search_chooses_strength_rule_and_number_of_anchors(digits, scorer):
    train = digits.train_indices[:600]
    search = GridSearchCV(
        make_pipeline(
            StandardScaler(), AnchoredAligner(LinearAligner(), KMeansAnchors())
        ),
        {
            "anchoredaligner__aligner__alpha": ["gcv", 0.0],
            "anchoredaligner__selector": [
                RandomAnchors(random_state=0),
                KMeansAnchors(random_state=0),
                PivotedQRAnchors(),
            ],
            "anchoredaligner__selector__n_anchors": [26, 120],
        },
        scoring=scorer,
        cv=3,
        error_score="raise",
    ).fit(digits.data[train], digits.target[train])
    best = search.best_params_
    assert best["anchoredaligner__selector__n_anchors"] == 120
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    X, y = digits.data[digits.test_indices], digits.target[digits.test_indices]
    identity = FunctionTransformer().fit(X)
    assert search.score(X, y) > scorer(identity, X, y) / 10  # both are negative


def test_near_as_many_anchors_as_columns_the_ridge_pays(digits):
    # Pooled over draws, since one draw of 24 anchors can be lucky.
    train, test = digits.train_indices, digits.test_indices
    for n_anchors in (20, 24, 30):
        errors = {"gcv": 0.0, 0.0: 0.0}
        for seed in range(20):
            drawn = np.random.default_rng(seed).choice(train, n_anchors, replace=False)
            for alpha in errors:
                aligner = LinearAligner(alpha)
                aligner.fit(digits.data[drawn], digits.target[drawn])
                mapped = aligner.transform(digits.data[test])
                decoded = digits.target_decoder.predict(mapped)
                errors[alpha] += np.mean((decoded - digits.pixels[test]) ** 2)
        assert errors[0.0] > 1.4 * errors["gcv"]


def test_sentences_find_their_own_embedding_and_topic(news):
    X, y, topics = (of.astype(np.float32) for of in news)
    split = [(np.arange(3000), np.arange(3000, 6000))]
    maps = {"rigid": RigidAligner(), "linear": LinearAligner()}
    settings = {"aligners": maps, "cv": split, "learning_curves": False}
    report = alignability(X, y, labels=topics, **settings)
    assert report.scores["hits@1"].max() >= 0.935
    assert report.scores["accuracy"].max() >= 0.865
    assert report.head_accuracy[0] > 0.87


def test_400_anchors_for_384_columns_are_enough_with_a_ridge(news):
    X, y, _ = (of.astype(np.float32) for of in news)
    train, test = slice(0, 3000), slice(3000, 6000)

    def hits(aligner):
        mapped = aligner.fit(X[train], y[train]).transform(X[test])
        return retrieval_accuracy(mapped, y[test])

    random = AnchoredAligner(LinearAligner(0.0), RandomAnchors(400, random_state=0))
    assert hits(random) < 0.1  # where least squares is at its worst
    assert hits(AnchoredAligner(LinearAligner(), KMeansAnchors(400))) >= 0.55


def test_words_find_their_translation(data_home):
    with np.load(data_home / "word_vectors_en_fr" / "en_fr_word_vectors.npz") as file:
        english, french = (
            file[f"{language}_vectors"].astype(np.float64) for language in ("en", "fr")
        )
        train, test = file["pairs_train"], file["pairs_test"]
    for rows in (english, french):  # normalise, centre, normalise
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows -= rows.mean(axis=0)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    aligner = RigidAligner().fit(english[train[:, 0]], french[train[:, 1]])
    mapped = aligner.transform(english)
    assert retrieval_accuracy(mapped, french, relevant=test) >= 0.57
    assert retrieval_accuracy(mapped, french, relevant=test, csls=10) >= 0.65
