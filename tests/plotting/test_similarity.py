"""Similarity of the rows of two spaces."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel

from skalign import RigidAligner
from skalign.plotting import SimilarityDisplay

rng = np.random.default_rng(0)
X, y = rng.normal(size=(20, 3)), rng.normal(size=(15, 3))


def test_values_are_those_of_scikit_learn():
    display = SimilarityDisplay.from_spaces(X, y)
    assert_allclose(display.similarities, cosine_similarity(X, y))
    assert_array_equal(display.image_.get_array(), display.similarities)
    display = SimilarityDisplay.from_spaces(X, y, metric="rbf")
    assert_allclose(display.similarities, rbf_kernel(X, y))


def test_source_rows_are_mapped_first():
    aligner = RigidAligner().fit(X[:15], y)
    display = SimilarityDisplay.from_estimator(aligner, X, y)
    assert_allclose(display.similarities, cosine_similarity(aligner.transform(X), y))


def test_rows_are_sorted_by_class_and_the_axes_say_so():
    labels, target_labels = np.arange(20) % 3, np.array(["b", "a", "c"] * 5)
    display = SimilarityDisplay.from_spaces(
        X, y, labels=labels, target_labels=target_labels
    )
    rows = np.argsort(labels, kind="stable")
    columns = np.argsort(target_labels, kind="stable")
    assert_allclose(display.similarities, cosine_similarity(X[rows], y[columns]))
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == ["a", "b", "c"]
    assert display.ax_.get_ylabel() == "Source sample, mapped, by class"


def test_labels_serve_both_sides_of_equal_length():
    display = SimilarityDisplay.from_spaces(X, X, labels=np.arange(20)[::-1])
    assert_allclose(display.similarities.diagonal(), 1)
    assert_array_equal(display.target_labels, np.arange(20))


def test_no_more_than_max_samples_are_shown():
    assert SimilarityDisplay.from_spaces(X, y, max_samples=5).similarities.shape == (
        5,
        5,
    )


def test_spaces_of_different_widths_are_refused():
    with pytest.raises(ValueError, match="X has 3 columns, but y has 2"):
        SimilarityDisplay.from_spaces(X, y[:, :2])


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SimilarityDisplay.from_spaces(X, y, labels=[0, 1])


def test_a_partial_function_is_a_metric():
    X = np.random.default_rng(0).normal(size=(5, 3))
    display = SimilarityDisplay.from_spaces(X, X, metric=partial(np.inner))
    assert display.name == "Similarity (partial)"
