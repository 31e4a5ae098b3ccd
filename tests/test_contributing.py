"""What CONTRIBUTING.md says of the house."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

import skalign

PAGE = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
if not PAGE.exists():
    pytest.skip("CONTRIBUTING.md is not installed", allow_module_level=True)
(SOURCE,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.S | re.M)
exec(SOURCE)
ALIGNER = MedianAligner()  # noqa: F821


@pytest.mark.filterwarnings("ignore:y holds no target samples:UserWarning")
@pytest.mark.filterwarnings("ignore:There is no y:UserWarning")
@pytest.mark.filterwarnings("ignore:y is one column of .* integers:UserWarning")
@parametrize_with_checks([ALIGNER])
def test_the_aligner_on_the_page_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_aligner_on_the_page_maps_and_is_short():
    X = np.random.default_rng(0).normal(size=(50, 3))
    aligner = ALIGNER.fit(X, 2 * X + 1)
    assert_allclose(aligner.transform(X), 2 * X + 1)
    assert_allclose(aligner.inverse_transform(aligner.transform(X)), X)
    assert len(SOURCE.split("class ")[1].splitlines()) <= 26


def test_the_rooms_on_the_page_are_those_there_are():
    listed = re.findall(r"^- `(\w+)`:", PAGE.read_text(), re.M)
    package = Path(skalign.__file__).parent
    assert sorted(listed) == sorted(
        p.parent.name for p in package.glob("*/__init__.py")
    )
