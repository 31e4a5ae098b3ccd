"""Splits and steps as callers give them: what is right is taken, the rest is named."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import KFold

from skalign import AnchorSearchCV, LinearAligner, RigidAligner
from skalign.anchors import RandomAnchors
from skalign.model_selection import alignability
from skalign.model_selection._splits import check_splits

_rng = np.random.default_rng(0)
X, Y = _rng.normal(size=(24, 3)), _rng.normal(size=(24, 3))
ALIGNERS = {"rigid": RigidAligner()}
FIRST, LAST = np.arange(12), np.arange(12, 24)


def _search(cv):
    selectors = [RandomAnchors(random_state=0)]
    return AnchorSearchCV(RigidAligner(), selectors, [0.5], cv=cv).fit(X, Y)


TAKES_CV = {
    "alignability": lambda cv: alignability(X, Y, aligners=ALIGNERS, cv=cv),
    "AnchorSearchCV": _search,
}
takes_cv = pytest.mark.parametrize("call", TAKES_CV.values(), ids=TAKES_CV)


@takes_cv
@pytest.mark.parametrize(
    ("cv", "said"),
    [
        ([], r"cv=.* yields no split"),
        (np.array([]), r"cv=.* yields no split"),
        ([3], r"Split 0 of cv is 3; expected \(train, test\)"),
        ([(FIRST,)], r"Split 0 of cv is .* expected \(train, test\)"),
        (
            [(FIRST, LAST), (FIRST, LAST + 1)],
            "test samples of split 1 .* lie from 13 to",
        ),
        (
            [(FIRST - 1, LAST)],
            "training samples of split 0 of cv lie from -1 to 10, but",
        ),
        ([(FIRST, [])], "test samples of split 0 of cv must be positions"),
        ([(FIRST, [0.5])], "must be positions, .* got float64"),
        ([(FIRST, ["a"])], "must be positions"),
        (
            [(FIRST, np.ones(5, bool))],
            r"must be positions, .* got bool of shape \(5,\)",
        ),
        ([(FIRST[:, None], LAST)], r"got int64 of shape \(12, 1\)"),
    ],
)
def test_what_are_no_splits_of_the_rows_is_named(call, cv, said):
    with pytest.raises(ValueError, match=said):
        call(cv)


def test_splits_are_positions_also_if_masks_came():
    mask = np.arange(24) < 12
    for cv in ([(FIRST, LAST)], [(mask, ~mask)], KFold(2)):
        for (train, test), expected in zip(
            check_splits(cv, X), [(FIRST, LAST), (LAST, FIRST)], strict=False
        ):
            if isinstance(cv, KFold):
                train, test = test, train
            assert_array_equal(train, expected[0])
            assert_array_equal(test, expected[1])
    masks, places = (
        alignability(X, Y, aligners=ALIGNERS, cv=[split]).errors
        for split in ((mask, ~mask), (FIRST, LAST))
    )
    assert_array_equal(masks, places)


def test_aligners_and_progress_are_named():
    with pytest.raises(ValueError, match="aligners is empty"):
        alignability(X, Y, aligners={})
    for aligners in ([LinearAligner()], LinearAligner(), "linear"):
        with pytest.raises(ValueError, match=r"'aligners' parameter .* 'dict' or"):
            alignability(X, Y, aligners=aligners)
    with pytest.raises(TypeError, match="Cannot clone object '3'"):
        alignability(X, Y, aligners={"a": 3})
    with pytest.raises(ValueError, match=r"'progress' parameter .* Got 3"):
        alignability(X, Y, aligners=ALIGNERS, progress=3)
    with pytest.raises(TypeError, match="returned 24; expected an iterable over"):
        alignability(X, Y, aligners=ALIGNERS, cv=2, progress=lambda steps: 24)
