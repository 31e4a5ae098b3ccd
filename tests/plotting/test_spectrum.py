"""Singular values of a map."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.paired import RelativeRepresentation
from skalign.plotting import SpectrumDisplay


def test_a_similarity_is_flat():
    X, y = make_paired_spaces(50, 4, scale=3.0, random_state=0, return_X_y=True)
    display = SpectrumDisplay.from_estimator(RigidAligner(scaling=True).fit(X, y))
    assert_allclose(display.singular_values, 3)
    assert_allclose(display.line_.get_ydata(), 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_rank_is_counted_and_zeros_are_left_out(dtype):
    X, y = make_paired_spaces(60, 6, noise=0.1, random_state=0, return_X_y=True)
    aligner = LinearAligner(rank=2).fit(X.astype(dtype), y.astype(dtype))
    display = SpectrumDisplay.from_estimator(aligner)
    assert display.rank_ == len(display.line_.get_ydata()) == 2
    assert display.line_.get_label() == "LinearAligner, rank 2 of 6"


def test_the_last_step_of_a_pipeline_is_shown():
    X, y = make_paired_spaces(60, 6, random_state=0, return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LinearAligner()).fit(X, y)
    display = SpectrumDisplay.from_estimator(pipeline)
    values = np.linalg.svd(pipeline[-1].coef_, compute_uv=False)
    assert_allclose(display.singular_values, values)


def test_maps_drawn_on_the_same_axes_differ_in_colour():
    first = SpectrumDisplay.from_map(np.eye(3), name="one")
    second = SpectrumDisplay.from_map(2 * np.eye(3), name="two", ax=first.ax_)
    assert first.line_.get_color() != second.line_.get_color()
    labels = [text.get_text() for text in first.ax_.get_legend().get_texts()]
    assert labels == ["one, rank 3 of 3", "two, rank 3 of 3"]


def test_a_flat_spectrum_looks_flat_until_a_steep_one_joins_it():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    display = SpectrumDisplay.from_map(rotation)
    low, high = display.ax_.get_ylim()
    assert_allclose([low, high], [10**-0.5, 10**0.5])
    SpectrumDisplay.from_map(np.diag([100.0, 0.01]), ax=display.ax_)
    low, high = display.ax_.get_ylim()
    assert low < 0.01 < 100 < high


def test_the_map_of_a_constant_target_has_rank_zero():
    display = SpectrumDisplay.from_map(np.zeros((3, 2)))
    assert display.rank_ == 0
    display.figure_.canvas.draw()


def test_what_has_no_linear_map_is_refused():
    X, y = make_paired_spaces(60, 6, random_state=0, return_X_y=True)
    with pytest.raises(ValueError, match="RelativeRepresentation has no coef_"):
        SpectrumDisplay.from_estimator(RelativeRepresentation().fit(X, y))
    with pytest.raises(NotFittedError):
        SpectrumDisplay.from_estimator(LinearAligner())
    with pytest.raises(ValueError, match="coef contains NaN"):
        SpectrumDisplay.from_map([[np.nan]])
