"""The report as a figure."""

import numpy as np
from numpy.testing import assert_allclose

from skalign import LinearAligner, RigidAligner
from skalign.datasets import make_paired_spaces
from skalign.model_selection import alignment_report
from skalign.plotting import ReportDisplay

MAPS = {"rigid": RigidAligner(), "linear": LinearAligner()}
SPACES = make_paired_spaces(
    80, 4, condition_number=5, noise=0.1, n_classes=2, random_state=0
)


def _cells(display):
    return {
        tuple(int(i) for i in text.get_position()[::-1]): text.get_text()
        for text in display.ax_.texts
    }


def test_cells_hold_the_means_and_the_best_have_a_star():
    report = alignment_report(SPACES.data, SPACES.target, aligners=MAPS, cv=2)
    cells = _cells(ReportDisplay.from_report(report))
    assert len(cells) == len(report.names) * len(report.scores)
    errors = report.scores["relative_error"].mean(axis=1)
    assert cells[0, 0] == f"{errors[0]:.3g}"
    assert cells[1, 0] == f"{errors[1]:.3g}*"
    stars = [place for place, text in cells.items() if text.endswith("*")]
    assert sorted(column for _, column in stars) == list(range(len(report.scores)))


def test_colours_rank_the_maps_by_what_is_better():
    report = alignment_report(SPACES.data, SPACES.target, aligners=MAPS, cv=2)
    ranks = np.asarray(ReportDisplay.from_report(report).image_.get_array())
    metrics = list(report.scores)
    assert_allclose(ranks[:, metrics.index("relative_error")], [0, 1])
    assert_allclose(ranks[:, metrics.index("r2")], [0, 1])


def test_from_spaces_is_the_report_of_the_spaces():
    display = ReportDisplay.from_spaces(
        SPACES.data, SPACES.target, labels=SPACES.labels, aligners=MAPS, cv=2
    )
    report = alignment_report(
        SPACES.data, SPACES.target, labels=SPACES.labels, aligners=MAPS, cv=2
    )
    assert list(display.report.scores) == list(report.scores)
    assert_allclose(display.report.scores["accuracy"], report.scores["accuracy"])
