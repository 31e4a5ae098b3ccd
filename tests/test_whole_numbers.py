"""True is no number where a parameter is one."""

import ast
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError, validate_params

import skalign
from skalign import LinearAligner, RigidAligner
from skalign._validation import Interval, is_whole
from skalign.anchors import RandomAnchors
from skalign.domains import OracleDomainSplit
from skalign.metrics import jackknife_interval, mmd, retrieval_accuracy

PACKAGE = Path(skalign.__file__).parent


@pytest.mark.parametrize("kind", [Integral, Real])
@pytest.mark.parametrize("value", [True, False, np.True_])
def test_an_interval_holds_no_boolean(kind, value):
    interval = Interval(kind, 0, None, closed="left")
    assert not interval.is_satisfied_by(value)
    assert interval.is_satisfied_by(1)
    assert interval.is_satisfied_by(np.int64(0))


def test_whole_numbers():
    assert all(map(is_whole, (0, -3, np.int8(2))))
    assert not any(map(is_whole, (True, np.True_, 2.0, "2", None)))


def test_every_range_in_the_package_is_such_an_interval():
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    for path in [path for path, text in texts.items() if "Interval" in text]:
        for node in ast.walk(ast.parse(texts[path])):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("sklearn"):
                assert "Interval" not in {name.name for name in node.names}, path


@pytest.mark.parametrize("flag", [True, np.True_])
def test_parameters_that_count_refuse_true(flag):
    X = np.random.default_rng(0).normal(size=(20, 3))
    calls = [
        lambda: LinearAligner(rank=flag).fit(X, X),
        lambda: LinearAligner(alpha=flag).fit(X, X),
        lambda: RandomAnchors(flag).select(X),
        lambda: retrieval_accuracy(X, X, k=flag),
        lambda: jackknife_interval(mmd, X, X, n_groups=flag),
    ]
    for call in calls:
        with pytest.raises(InvalidParameterError, match=r"Got (np\.)?True"):
            call()
    with pytest.raises(ValueError, match=r"n_splits=(np\.)?True"):
        OracleDomainSplit(2, n_splits=flag)
    RigidAligner(scaling=flag).fit(X, X)


def test_messages_are_those_of_scikit_learn():
    @validate_params(
        {"n": [Interval(Integral, 1, None, closed="left")]},
        prefer_skip_nested_validation=True,
    )
    def count(n):
        return n

    assert count(3) == 3
    with pytest.raises(InvalidParameterError, match=r"an int in the range \[1, inf\)"):
        count(True)
