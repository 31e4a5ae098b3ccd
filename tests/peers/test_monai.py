"""The bias of CKA, as MONAI's pull request 9129 (2026-09-22) has it in a table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign.metrics import cka


@pytest.mark.long
@pytest.mark.parametrize(
    ("n_samples", "biased", "unbiased"),
    [(32, 0.198, 0.017), (64, 0.114, 0.009), (128, 0.056, 0.003), (256, 0.029, 0.001)],
)
def test_independent_normal_rows(n_samples, biased, unbiased):
    # Means over 20 seeds, so a fifth of the roots of their variances apart from ours of
    # 100. The width is not said; with 8 columns a side the biased value is 8 / (n + 8)
    # to first order, which is theirs at all four sizes.
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, n_samples, 8)) for _ in range(100)]
    for debiased, theirs in ((False, biased), (True, unbiased)):
        ours = [cka(X, Y, debiased=debiased) for X, Y in pairs]
        error = np.std(ours) * np.hypot(1 / np.sqrt(20), 1 / np.sqrt(100))
        assert_allclose(np.mean(ours), theirs, atol=3 * error)
        expected = 0 if debiased else 8 / (n_samples + 8)
        assert_allclose(np.mean(ours), expected, atol=3 * np.std(ours) / 10)
