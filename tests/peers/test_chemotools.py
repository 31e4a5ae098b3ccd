"""What was seen to be wrong in chemotools 0.5.0, `DirectStandardization`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import LinearAligner


def test_the_example_of_its_documentation():
    # Rows of an instrument that reads the double, with a noise that leaves .01.
    rng = np.random.default_rng(17)
    y = rng.normal(size=(100, 20))
    X = y * 2 - rng.normal(size=(100, 20)) * 0.02
    aligner = LinearAligner().fit(X[:80], y[:80])
    error = aligner.transform(X[80:]) - y[80:]
    assert np.sqrt(np.mean(error**2)) < 0.0125
    assert_allclose(aligner.coef_, np.eye(20) / 2, atol=0.01)


@pytest.mark.parametrize("alpha", [0, "gcv", "loo"])
def test_exactly_affine_rows_are_mapped_exactly(alpha):
    # It learns no intercept: 29 % of error on such rows.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 10))
    y = X @ rng.normal(size=(10, 10)) + 5 * rng.normal(size=10)
    mapped = LinearAligner(alpha).fit(X[:40], y[:40]).transform(X[40:])
    assert np.linalg.norm(mapped - y[40:]) < 1e-6 * np.linalg.norm(y[40:])


def test_widths_may_differ_and_the_strength_is_a_choice():
    # It takes equal widths only, and least squares only.
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(40, 30)), rng.normal(size=(2, 40, 4))
    truth = X @ rng.normal(size=(30, 4))
    y, new = truth + 5 * noise
    errors = [
        np.mean((LinearAligner(alpha).fit(X, y).predict(X) - new) ** 2)
        for alpha in (0, "gcv")
    ]
    assert errors[1] < 0.9 * errors[0]
