"""What was missed in packages that take batches out of tables.

harmonypy 2.1.0 has no transform for new rows; combatlearn 2.3.0 takes the batches in
its constructor, by the index of a frame, and neurocombat 0.2.12 and inmoose 0.9.1 map
the rows that they were fitted on.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skalign import CORALAligner, DomainHarmonizer, MeanVarianceAligner

BATCHES = np.repeat(["a", "b", "c"], [40, 30, 50])


def table():
    rng = np.random.default_rng(0)
    scale = np.repeat([[1.0], [3.0], [0.2]], [40, 30, 50], axis=0)
    return rng.normal(size=(120, 4)) * scale + 7 * scale


@pytest.mark.parametrize("aligner", [MeanVarianceAligner(), CORALAligner(reg=0)])
def test_new_rows_of_a_known_batch_are_mapped_as_its_training_rows(aligner):
    X = table()
    harmonizer = DomainHarmonizer(aligner, reference="a")
    mapped = harmonizer.fit_transform(X, sample_domain=BATCHES)
    order = np.random.default_rng(1).permutation(120)[:17]
    new = harmonizer.transform(X[order], sample_domain=BATCHES[order])
    assert_allclose(new, mapped[order])
    for batch in "bc":
        rows = mapped[batch == BATCHES]
        assert_allclose(rows.mean(axis=0), X[:40].mean(axis=0))
        assert_allclose(rows.std(axis=0, ddof=1), X[:40].std(axis=0, ddof=1))


def test_a_batch_that_fit_did_not_see_is_named():
    harmonizer = DomainHarmonizer(MeanVarianceAligner()).fit(
        table(), sample_domain=BATCHES
    )
    with pytest.raises(ValueError, match=r"has domains \['d'\] that were not seen"):
        harmonizer.transform(table()[:2], sample_domain=["a", "d"])
