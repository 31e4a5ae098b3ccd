import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    CORALAligner,
    ICPAligner,
    LinearAligner,
    MomentAligner,
    RigidAligner,
    WassersteinProcrustesAligner,
)

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((2, 40, 5))


@pytest.mark.parametrize(
    "call",
    [
        lambda: RigidAligner().fit(X[:3], Y[:3]),
        lambda: RigidAligner().fit_transform(X[:3], Y[:3]),
        lambda: LinearAligner().partial_fit(X[:4], Y[:4]),
        lambda: CORALAligner().fit(X),
        lambda: MomentAligner().fit(X, Y),
        lambda: ICPAligner().fit(X, Y),
        lambda: WassersteinProcrustesAligner(random_state=0).fit(X, Y),
        lambda: make_pipeline(StandardScaler(), RigidAligner()).fit(X[:3], Y[:3]),
    ],
)
def test_a_warning_shows_the_line_of_the_user(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert {warning.filename for warning in caught} == {__file__}
