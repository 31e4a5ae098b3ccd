"""What was seen to be wrong in skada 0.6.0, and in ADAPT 0.4.5.

That importing changes no setting (skada switches metadata routing on) and loads no
torch (ADAPT loads TensorFlow) is tested in `tests/adaptation` and `tests/metrics`, the
common checks of scikit-learn, which abort on skada, in `tests/test_common.py`.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    CORALAligner,
    DomainAdapter,
    LabeledOnly,
    MeanVarianceAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferComponentAligner,
)

ALIGNERS = [
    CORALAligner(),
    MeanVarianceAligner(),
    OptimalTransportAligner(),
    SubspaceAligner(2),
    TransferComponentAligner(2),
]
aligners = pytest.mark.parametrize("aligner", ALIGNERS, ids=lambda a: type(a).__name__)


def two_domains(names=(0, 1), missing=-1):
    """80 rows of two classes; every other one is of a shifted target, unlabelled."""
    rng = np.random.default_rng(0)
    classes, domain = rng.integers(0, 2, 80), np.tile([1, -1], 40)
    X = rng.normal(size=(80, 3)) + np.c_[6 * classes, np.zeros((80, 2))]
    X[domain < 0] += [20, 0, -5]
    labels = np.array(names)[classes]
    y = labels.copy()
    y[domain < 0] = missing
    return X, y, domain, labels


@aligners
def test_rows_of_interleaved_domains_stay_in_their_order(aligner):
    # skada/_subspace.py: TransferComponentAnalysisAdapter and its like return all
    # source rows first (39.4 % right became 9.9 % on Office-Caltech).
    X, _, domain, _ = two_domains()
    mixed = DomainAdapter(aligner).fit_transform(X, sample_domain=domain)
    order = np.argsort(-domain, kind="stable")
    apart = DomainAdapter(aligner).fit_transform(X[order], sample_domain=domain[order])
    assert_allclose(mixed[order], apart, atol=1e-8)
    for sign in (1, -1):
        rows = DomainAdapter(aligner).fit(X, sample_domain=domain).aligner_
        side = X[domain == sign]
        side = rows.transform(side) if sign > 0 else rows.transform_target(side)
        assert_allclose(mixed[domain == sign], side, atol=1e-8)


@aligners
@pytest.mark.parametrize("names", [(0, 1), (-1, 1), ("no", "yes")])
def test_any_labels_are_learnt_from_and_stay_as_they_are(aligner, names):
    # skada: `fit` overwrites the labels of the caller; -1 becomes a class in a plain
    # Pipeline; strings, and classes -1 and +1, break.
    missing = {str: "?", int: -7}[type(names[0])]
    X, y, domain, labels = two_domains(names, missing)
    before = X.copy(), y.copy(), domain.copy()
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(
            DomainAdapter(aligner),
            LabeledOnly(LogisticRegression(), missing_label=missing),
        ).fit(X, y, sample_domain=domain)
        predicted = model.predict(X, sample_domain=domain)
    for array, copy in zip((X, y, domain), before, strict=True):
        assert_array_equal(array, copy)
    assert_array_equal(model.classes_, names)
    mapped = DomainAdapter(aligner).fit_transform(X, sample_domain=domain)
    alone = LogisticRegression().fit(mapped[domain > 0], labels[domain > 0])
    assert np.mean(predicted == alone.predict(mapped)) > 0.98


@aligners
def test_frames_come_back_where_they_are_asked_for(aligner):
    # skada: `set_output` raises.
    X, _, domain, _ = two_domains()
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=np.arange(80) + 5)
    adapter = DomainAdapter(aligner).set_output(transform="pandas")
    mapped = adapter.fit_transform(frame, sample_domain=domain)
    assert_array_equal(mapped.index, frame.index)
    assert_array_equal(mapped.columns, adapter.get_feature_names_out())
    expected = DomainAdapter(aligner).fit_transform(X, sample_domain=domain)
    assert_allclose(mapped, expected)


def test_it_is_a_step_of_a_pipeline_that_is_searched():
    # ADAPT's estimators are no steps of a Pipeline.
    X, y, domain, _ = two_domains()
    with config_context(enable_metadata_routing=True):
        model = make_pipeline(
            StandardScaler(), DomainAdapter(CORALAligner()),
            LabeledOnly(LogisticRegression()),
        )  # fmt: skip
        grid = {"domainadapter__aligner__reg": [1e-3, 1.0]}
        search = GridSearchCV(model, grid, cv=2, error_score="raise")
        search.fit(X, y, sample_domain=domain)
    assert search.best_params_["domainadapter__aligner__reg"] in (1e-3, 1.0)
