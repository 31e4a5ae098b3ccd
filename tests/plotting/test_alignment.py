"""Two spaces before and after."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist
from sklearn import config_context
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    AnchoredAligner,
    AnchorSearchCV,
    CORALAligner,
    LinearAligner,
    RigidAligner,
)
from skalign.anchors import RandomAnchors
from skalign.datasets import make_paired_spaces
from skalign.paired import CanonicalAligner, RelativeRepresentation
from skalign.plotting import AlignmentDisplay


def _pairs(*widths, n_samples=50):
    return make_paired_spaces(
        n_samples, *widths, noise=0.05, random_state=0, return_X_y=True
    )


def _n_lines(ax):
    return sum(
        len(collection.get_segments())
        for collection in ax.collections
        if isinstance(collection, LineCollection)
    )


def test_spaces_of_two_columns_keep_their_distances():
    X, y = _pairs(2)
    display = AlignmentDisplay.from_spaces(X, y, y)
    assert_allclose(pdist(display.source_before), pdist(X))
    assert_allclose(pdist(display.target_after), pdist(y))


def test_target_rows_that_stay_do_so_in_the_figure():
    X, y = _pairs(5)
    display = AlignmentDisplay.from_estimator(RigidAligner().fit(X, y), X, y)
    assert_array_equal(display.target_before, display.target_after)


def test_lines_join_pairs_and_pairs_alone():
    X, y = _pairs(4)
    paired = AlignmentDisplay.from_estimator(LinearAligner().fit(X, y), X, y)
    assert [_n_lines(ax) for ax in paired.ax_] == [50, 50]
    unpaired = AlignmentDisplay.from_estimator(CORALAligner().fit(X, y), X, y[:30])
    assert [_n_lines(ax) for ax in unpaired.ax_] == [0, 0]


def test_without_common_axes_no_lines_are_drawn_before_the_map():
    X, y = _pairs(5, 3)
    display = AlignmentDisplay.from_estimator(LinearAligner().fit(X, y), X, y)
    assert [_n_lines(ax) for ax in display.ax_] == [0, 50]
    assert "its own axes" in display.ax_[0].get_title()


def test_target_rows_are_carried_to_a_common_subspace():
    X, y = _pairs(5)
    aligner = RelativeRepresentation().fit(X, y)
    display = AlignmentDisplay.from_estimator(aligner, X, y, paired=True)
    assert not np.allclose(display.target_before, display.target_after)


def test_pipelines_are_taken():
    X, y = _pairs(4)
    pipeline = make_pipeline(StandardScaler(), LinearAligner()).fit(X, y)
    assert AlignmentDisplay.from_estimator(pipeline, X, y).paired


@pytest.mark.parametrize(
    "aligner",
    [
        make_pipeline(StandardScaler(), CanonicalAligner(2)),
        AnchoredAligner(CanonicalAligner(2), RandomAnchors(30, random_state=0)),
        AnchorSearchCV(LinearAligner(), [RandomAnchors()], [20]),
    ],
    ids=["pipeline", "anchored", "search"],
)
def test_pairs_inside_of_something_are_seen(aligner):
    X, y = _pairs(4)
    assert AlignmentDisplay.from_estimator(aligner.fit(X, y), X, y).paired


def _colors(ax):
    """Return the colours of the points of both sides."""
    points = [c for c in ax.collections if not isinstance(c, LineCollection)]
    return [side.get_facecolors()[:, :3] for side in points]


def _entries(display):
    legend = display.ax_[1].get_legend()
    return [text.get_text() for text in legend.get_texts()]


def test_classes_give_the_colours_and_sides_the_markers():
    X, y = _pairs(4)
    labels = np.array(["b", "a"] * 25)
    display = AlignmentDisplay.from_estimator(
        RigidAligner().fit(X, y), X, y, labels=labels
    )
    for ax in display.ax_:
        for colors in _colors(ax):
            assert len(np.unique(colors[labels == "a"], axis=0)) == 1
            assert not np.array_equal(colors[0], colors[1])
    source, target = _colors(display.ax_[1])
    assert_array_equal(source, target)
    assert _entries(display) == ["source", "target", "a", "b"]


def test_of_many_classes_the_largest_have_a_colour():
    X, y = _pairs(4)
    labels = np.repeat(np.arange(10), 5)
    labels[labels == 3] = 7  # the eight others come after it
    labels[0] = 9
    display = AlignmentDisplay.from_spaces(X, y, y, labels=labels)
    assert _entries(display)[2:] == ["1", "2", "4", "5", "6", "7", "9", "other"]
    source, _ = _colors(display.ax_[0])
    assert len(np.unique(source, axis=0)) == 8
    assert len(np.unique(source[np.isin(labels, [0, 8])], axis=0)) == 1


def test_unpaired_target_rows_have_labels_of_their_own_or_none():
    X, y = _pairs(4)
    aligner = CORALAligner().fit(X, y[:30])
    labels = np.arange(50) % 2
    display = AlignmentDisplay.from_estimator(aligner, X, y[:30], labels=labels)
    assert _entries(display) == ["source", "target", "0", "1", "other"]
    display = AlignmentDisplay.from_estimator(
        aligner, X, y[:30], labels=labels, target_labels=labels[:30] + 1
    )
    assert _entries(display) == ["source", "target", "0", "1", "2"]


def test_labels_of_another_length_are_refused():
    X, y = _pairs(4)
    with pytest.raises(ValueError, match="labels has 3 entries for 50 samples"):
        AlignmentDisplay.from_spaces(X, y, y, labels=[0, 1, 2])
    with pytest.raises(ValueError, match="target_labels has 3 entries for 50 samples"):
        AlignmentDisplay.from_spaces(X, y, y, target_labels=[0, 1, 2])


def test_no_more_than_max_samples_are_shown():
    X, y = _pairs(4)
    display = AlignmentDisplay.from_spaces(X, y, y, max_samples=10)
    assert len(display.source_after) == len(display.target_before) == 10


def test_spaces_that_do_not_go_together_are_refused():
    X, y = _pairs(4)
    with pytest.raises(ValueError, match="must keep the number of samples"):
        AlignmentDisplay.from_spaces(X, y[:10], y)
    with pytest.raises(ValueError, match="as many target as source samples; got 10"):
        AlignmentDisplay.from_spaces(X, y, y[:10])
    with pytest.raises(ValueError, match="X_mapped has 3 columns, but y_mapped has 4"):
        AlignmentDisplay.from_spaces(X, y[:, :3], y)
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        AlignmentDisplay.from_spaces(X, y[:, :1], y)


def test_a_single_pair_of_axes_is_refused(pyplot):
    X, y = _pairs(4)
    with pytest.raises(ValueError, match="two axes, before and after; got 1"):
        AlignmentDisplay.from_spaces(X, y, y, ax=pyplot.gca())


def test_aligners_of_pairs_that_do_not_predict_are_paired_too():
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(60, 4)), np.arange(60) % 3
    y = X + 0.3 * rng.normal(size=(60, 4))
    for aligner in (CanonicalAligner(), RelativeRepresentation()):
        display = AlignmentDisplay.from_estimator(
            aligner.fit(X, y), X, y, labels=labels
        )
        assert display.paired
        assert_array_equal(display.target_labels, labels)


def test_a_display_is_drawn_where_frames_are_asked_for():
    X = np.random.default_rng(0).normal(size=(30, 3))
    with config_context(transform_output="pandas"):
        display = AlignmentDisplay.from_estimator(LinearAligner().fit(X, X), X, X)
    assert len(display.ax_) == 2


def test_rows_that_are_no_floats_or_whose_squares_overflow_are_named():
    X, y = make_paired_spaces(50, 4, random_state=0, return_X_y=True)
    aligner = RigidAligner().fit(X, y)
    AlignmentDisplay.from_estimator(aligner, X, (y * 100).astype("M8[s]"))
    with pytest.raises(ValueError, match="overflow float64: column 0 of y"):
        AlignmentDisplay.from_estimator(aligner, X, y * 1e300)
