"""Learning curves of the classes of maps."""

import numpy as np
from numpy.testing import assert_array_equal

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignability
from skalign.plotting import AlignabilityDisplay

MAPS = {"rigid": RigidAligner(), "linear": LinearAligner()}
X, y = make_paired_spaces(
    80, 4, condition_number=5, noise=0.1, random_state=0, return_X_y=True
)


def test_lines_are_the_learning_curves_and_the_named_class_is_marked():
    result = alignability(X, y, aligners=MAPS, cv=2)
    display = AlignabilityDisplay.from_result(result)
    for name, curve in zip(result.names, result.learning_curves, strict=True):
        assert_array_equal(display.lines_[name].get_xdata(), result.train_sizes)
        assert_array_equal(display.lines_[name].get_ydata(), curve)
    labels = [line.get_label() for line in display.lines_.values()]
    assert labels == ["rigid", "linear (supported)"]
    widths = {name: line.get_linewidth() for name, line in display.lines_.items()}
    assert widths["linear"] > widths["rigid"]


def test_from_spaces_is_the_result_of_the_spaces():
    display = AlignabilityDisplay.from_spaces(X, y, aligners=MAPS, cv=2)
    expected = alignability(X, y, aligners=MAPS, cv=2)
    assert np.array_equal(display.result.errors, expected.errors)
