"""Curves of a search over anchors."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skalign.anchors import KMeansAnchors, RandomAnchors
from skalign.datasets import make_paired_spaces
from skalign.model_selection import AnchorSearchCV
from skalign.paired import LinearAligner
from skalign.plotting import AnchorSearchDisplay

X, y = make_paired_spaces(80, 4, noise=0.3, random_state=0, return_X_y=True)


def _search(selectors, n_anchors, **settings):
    return AnchorSearchCV(LinearAligner(), selectors, n_anchors, cv=2, **settings).fit(
        X, y
    )


def test_curves_are_those_of_the_search_with_rising_numbers():
    search = _search({"k": KMeansAnchors(), "r": RandomAnchors()}, [20, 8])
    display = AnchorSearchDisplay.from_estimator(search)
    assert list(display.curves) == ["k", "r"]
    numbers, mean, std = display.curves["k"]
    assert_array_equal(numbers, [8, 20])
    results = search.cv_results_
    for i, number in enumerate(numbers):
        row = [
            params["selector"] == "k" and params["n_anchors"] == number
            for params in results["params"]
        ]
        assert mean[i] == results["mean_test_score"][row]
        assert std[i] == results["std_test_score"][row]
    assert_array_equal(display.lines_["k"].get_ydata(), mean)


def test_rules_without_names_go_by_their_class():
    search = _search([KMeansAnchors(), RandomAnchors(random_state=0)], [8, 20])
    display = AnchorSearchDisplay.from_estimator(search)
    assert list(display.curves) == ["KMeansAnchors", "RandomAnchors"]


def test_rules_of_one_class_go_by_their_parameters():
    rules = [RandomAnchors(random_state=0), RandomAnchors(random_state=1)]
    display = AnchorSearchDisplay.from_estimator(_search(rules, [8, 20]))
    assert len(display.curves) == 2
    assert all("random_state=" in name for name in display.curves)
    assert [len(curve[0]) for curve in display.curves.values()] == [2, 2]


def test_shares_are_called_shares():
    search = _search({"k": KMeansAnchors()}, [0.2, 0.5])
    display = AnchorSearchDisplay.from_estimator(search)
    assert "share" in display.ax_.get_xlabel()
    assert "share" not in (
        AnchorSearchDisplay.from_estimator(
            _search({"k": KMeansAnchors()}, [8, 20])
        ).ax_.get_xlabel()
    )


def test_one_metric_of_several_is_shown():
    scoring = ["r2", "neg_mean_squared_error"]
    search = _search({"k": KMeansAnchors()}, [8, 20], scoring=scoring, refit="r2")
    display = AnchorSearchDisplay.from_cv_results(
        search.cv_results_, scoring="neg_mean_squared_error"
    )
    assert np.all(display.curves["k"][1] < 0)
    assert display.ax_.get_ylabel() == "Neg mean squared error"


def test_results_without_the_metric_are_refused():
    results = _search({"k": KMeansAnchors()}, [8, 20]).cv_results_
    with pytest.raises(ValueError, match="cv_results has no 'mean_test_mmd'"):
        AnchorSearchDisplay.from_cv_results(results, scoring="mmd")


def test_numbers_mixed_with_shares_are_refused():
    search = _search({"k": KMeansAnchors()}, [0.2, 20])
    with pytest.raises(ValueError, match="mixes numbers and shares"):
        AnchorSearchDisplay.from_estimator(search)
