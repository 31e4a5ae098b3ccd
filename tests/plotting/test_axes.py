"""What all displays promise."""

import sys
from functools import cache

import numpy as np
import pytest
from sklearn.utils import Bunch

import skalign.plotting
from skalign import LinearAligner, RigidAligner
from skalign.anchors import KMeansAnchors, RandomAnchors
from skalign.datasets import make_paired_spaces
from skalign.model_selection import AnchorSearchCV, alignability
from skalign.plotting import (
    AlignabilityDisplay,
    AlignmentDisplay,
    AnchorSearchDisplay,
    DomainDistanceDisplay,
    SimilarityDisplay,
    SpectrumDisplay,
)
from skalign.plotting._axes import evenly

X, y = make_paired_spaces(60, 4, noise=0.1, random_state=0, return_X_y=True)
MAPS = {"rigid": RigidAligner(), "linear": LinearAligner()}


@cache
def _search():
    rules = {"random": RandomAnchors(random_state=0), "k-means": KMeansAnchors()}
    return AnchorSearchCV(LinearAligner(), rules, [8, 16], cv=2).fit(X, y)


@cache
def _result():
    return alignability(X, y, aligners=MAPS, cv=2)


DRAW = {
    AlignabilityDisplay: lambda: AlignabilityDisplay.from_result(_result()),
    AlignmentDisplay: lambda: AlignmentDisplay.from_spaces(X, y, y),
    AnchorSearchDisplay: lambda: AnchorSearchDisplay.from_estimator(_search()),
    DomainDistanceDisplay: lambda: DomainDistanceDisplay.from_spaces(
        X, np.repeat([0, 1, 2], 20)
    ),
    SimilarityDisplay: lambda: SimilarityDisplay.from_spaces(X, y),
    SpectrumDisplay: lambda: SpectrumDisplay.from_map(np.diag([3.0, 2.0])),
}


@pytest.fixture(
    params=[*DRAW, "classes", "scores"], ids=lambda d: getattr(d, "__name__", d)
)
def display(request):
    if request.param == "classes":
        return AlignmentDisplay.from_spaces(X, y, y, labels=np.arange(60) % 9)
    if request.param == "scores":
        table = AlignabilityDisplay(_result())
        table.plot = table.plot_scores
        return table.plot()
    return DRAW[request.param]()


def test_every_display_is_here():
    assert {display.__name__ for display in DRAW} == set(skalign.plotting.__all__)


def test_plot_returns_the_display_with_its_axes_and_figure(display):
    assert display.plot() is display
    assert all(ax.figure is display.figure_ for ax in np.atleast_1d(display.ax_))


def test_plot_draws_on_the_axes_given(display, pyplot):
    shape = np.shape(display.ax_)
    figure, ax = pyplot.subplots(1, shape[0] if shape else 1)
    pyplot.close(display.figure_)
    assert display.plot(ax=ax).figure_ is figure
    assert np.all(display.ax_ == ax)
    assert pyplot.get_fignums() == [figure.number]


def test_no_legend_covers_the_data(display):
    display.figure_.canvas.draw()
    for ax in np.atleast_1d(display.ax_):
        if (legend := ax.get_legend()) is None:
            continue
        inside, box = ax.get_window_extent(), legend.get_window_extent()
        overlap = (
            min(inside.x1, box.x1) - max(inside.x0, box.x0),
            (min(inside.y1, box.y1) - max(inside.y0, box.y0)),
        )
        assert min(overlap) <= 0
        page = display.figure_.bbox
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1


@pytest.mark.parametrize(
    "call",
    [
        lambda: SpectrumDisplay.from_map(np.eye(2)),
        lambda: SpectrumDisplay(np.ones(2)).plot(),
        lambda: AlignmentDisplay.from_spaces(X, y, y),
        lambda: AnchorSearchDisplay.from_cv_results({}),
        lambda: DomainDistanceDisplay.from_spaces(X, np.zeros(60)),
        lambda: AlignabilityDisplay(Bunch(names=[], scores={})).plot_scores(),
        lambda: SimilarityDisplay.from_spaces(X, y),
        lambda: AlignabilityDisplay.from_spaces(X, y),
    ],
)
def test_without_matplotlib_the_error_names_the_command(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "skalign\[plot\]"'):
        call()


@pytest.mark.parametrize(("n_samples", "n_shown"), [(5, 5), (1000, 100), (101, 100)])
def test_rows_shown_are_spread_over_all(n_samples, n_shown):
    rows = evenly(n_samples, 100)
    assert len(set(rows)) == n_shown
    assert (rows[0], rows[-1]) == (0, n_samples - 1)


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (lambda: AlignabilityDisplay.from_result(3), "result"),
        (lambda: AnchorSearchDisplay.from_cv_results(1.5), "cv_results"),
        (lambda: DomainDistanceDisplay.from_spaces(X, X[:, 0] > 0, metric=1), "metric"),
        (lambda: AlignmentDisplay.from_spaces(X, X, y, max_samples="a"), "max_samples"),
        (lambda: SimilarityDisplay.from_spaces(X, y, max_samples=0), "max_samples"),
    ],
)
def test_what_cannot_be_drawn_is_named(make, parameter):
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of"):
        make()


def test_a_spectrum_of_large_values_is_drawn():
    display = SpectrumDisplay.from_map(np.eye(3) * 1e200)
    assert display.rank_ == 3
