"""Pipelines for a labelled source and an unlabelled target."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import (
    CORALAligner,
    DomainAdapter,
    LinearAligner,
    MeanVarianceAligner,
    load,
    make_adaptation_pipeline,
    save,
)
from skalign.metrics import CircularValidationScorer

RNG = np.random.default_rng(0)
LABELS, TARGET_LABELS = np.arange(90) % 2, np.arange(60) % 2
X = RNG.normal(size=(90, 3)) + 4 * LABELS[:, None]
X_TARGET = (RNG.normal(size=(60, 3)) + 4 * TARGET_LABELS[:, None]) * [3, 0.5, 1] + 9
STEPS = StandardScaler(), CORALAligner(), LogisticRegression()


@pytest.fixture(autouse=True)
def _routing():
    with config_context(enable_metadata_routing=True):
        yield


def test_it_is_the_pipeline_written_by_hand():
    made = make_adaptation_pipeline(*STEPS).fit(X, LABELS, X_target=X_TARGET)
    hand = make_pipeline(
        StandardScaler(),
        DomainAdapter(CORALAligner()),
        LogisticRegression(),
        transform_input=["X_target"],
    ).fit(X, LABELS, X_target=X_TARGET)
    assert type(made) is Pipeline
    assert repr(made) == repr(hand)
    assert_array_equal(made.predict_proba(X_TARGET), hand.predict_proba(X_TARGET))
    assert made.score(X_TARGET, TARGET_LABELS) > 0.95


def test_an_adapter_is_a_step():
    step = DomainAdapter(MeanVarianceAligner(), direction="target_to_source")
    made = make_adaptation_pipeline(StandardScaler(), step, LogisticRegression())
    assert made[1] is step
    made.fit(X, LABELS, X_target=X_TARGET)
    assert made.score(X_TARGET, TARGET_LABELS) > 0.95


def test_it_can_be_searched_and_stored(tmp_path):
    made = make_adaptation_pipeline(*STEPS, memory=None, verbose=False)
    search = GridSearchCV(
        made,
        {"domainadapter__aligner": ["passthrough", CORALAligner()]},
        scoring=CircularValidationScorer(),
        cv=2,
    ).fit(X, LABELS, X_target=(X_TARGET,))
    assert repr(search.best_params_["domainadapter__aligner"]) == "CORALAligner()"
    save(made.fit(X, LABELS, X_target=X_TARGET), tmp_path / "pipe.skops")
    assert_array_equal(
        load(tmp_path / "pipe.skops").predict(X_TARGET), made.predict(X_TARGET)
    )


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ((), "0 are. The steps are: none"),
        ((StandardScaler(), LogisticRegression()), "0 are. The steps are: StandardS"),
        ((LinearAligner(), LogisticRegression()), "0 are.* LinearAligner, Logistic"),
        ((CORALAligner(), CORALAligner()), "2 are.* CORALAligner, CORALAligner"),
    ],
)
def test_one_of_the_steps_is_an_unpaired_aligner(steps, found):
    with pytest.raises(ValueError, match=f"must be an unpaired aligner; {found}"):
        make_adaptation_pipeline(*steps)


def test_it_needs_metadata_routing():
    with (
        config_context(enable_metadata_routing=False),
        pytest.raises(RuntimeError, match=r"set_config\(enable_metadata_routing=True"),
    ):
        make_adaptation_pipeline(*STEPS)
