"""Learning curves of the classes of maps."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignability
from skalign.plotting import AlignabilityDisplay

MAPS = {"rigid": RigidAligner(), "linear": LinearAligner()}
X, y = make_paired_spaces(
    80, 4, condition_number=5, noise=0.1, random_state=0, return_X_y=True
)


@pytest.fixture(scope="module")
def result():
    return alignability(X, y, aligners=MAPS, cv=2)


def test_lines_are_the_learning_curves_and_the_named_class_is_marked(result):
    display = AlignabilityDisplay.from_result(result)
    for name, curve in zip(result.names, result.learning_curves, strict=True):
        assert_array_equal(display.lines_[name].get_xdata(), result.train_sizes)
        assert_array_equal(display.lines_[name].get_ydata(), curve)
    labels = [line.get_label() for line in display.lines_.values()]
    assert labels == ["rigid", "linear (supported)"]
    widths = {name: line.get_linewidth() for name, line in display.lines_.items()}
    assert widths["linear"] > widths["rigid"]


def _cells(display):
    return {
        tuple(int(i) for i in text.get_position()[::-1]): text.get_text()
        for text in display.ax_.texts
    }


def test_cells_hold_the_mean_scores_and_the_best_have_a_star(result):
    cells = _cells(AlignabilityDisplay(result).plot_scores())
    assert len(cells) == len(result.names) * len(result.scores)
    errors = result.scores["relative_error"].mean(axis=1)
    assert cells[0, 0] == f"{errors[0]:.3g}"
    assert cells[1, 0] == f"{errors[1]:.3g}*"
    stars = [place for place, text in cells.items() if text.endswith("*")]
    assert sorted(column for _, column in stars) == list(range(len(result.scores)))


def test_colours_rank_the_maps_by_what_is_better(result):
    display = AlignabilityDisplay(result).plot_scores()
    ranks = np.asarray(display.image_.get_array())
    metrics = list(result.scores)
    assert_allclose(ranks[:, metrics.index("relative_error")], [0, 1])
    assert_allclose(ranks[:, metrics.index("r2")], [0, 1])


def test_from_spaces_is_the_result_of_the_spaces(result):
    display = AlignabilityDisplay.from_spaces(X, y, aligners=MAPS, cv=2)
    assert np.array_equal(display.result.errors, result.errors)
    labels = np.arange(80) % 2
    display = AlignabilityDisplay.from_spaces(X, y, labels=labels, aligners=MAPS, cv=2)
    expected = alignability(X, y, labels=labels, aligners=MAPS, cv=2).scores
    assert_allclose(display.result.scores["accuracy"], expected["accuracy"])
