"""What holds for every estimator: scikit-learn's contract, and the one of DESIGN 1."""

import inspect
import warnings
from functools import cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.utils._testing import set_random_state
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_get_feature_names_out_error,
    check_param_validation,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)
from sklearn.utils.validation import has_fit_parameter

import skalign
from skalign.anchors import FarthestPointAnchors, KMeansAnchors, RandomAnchors

PAIRED = [
    skalign.LinearAligner(),
    skalign.LinearAligner(alpha="loo"),
    skalign.LinearAligner(alpha=0.0, solver="svd"),
    skalign.LinearAligner(prior=skalign.RigidAligner()),
    skalign.RigidAligner(),
    skalign.RigidAligner(scaling=True),
    skalign.AnchoredAligner(),
    skalign.AnchoredAligner(selector=RandomAnchors(0.5, random_state=0)),
    skalign.AnchoredAligner(skalign.RigidAligner(), KMeansAnchors(0.5)),
    skalign.CanonicalAligner(),
    skalign.KernelAligner(gamma=0.5, alpha="loo", n_landmarks=5, random_state=0),
    skalign.KernelAligner(),
    skalign.RobustAligner(),
    skalign.RobustAligner(skalign.RigidAligner(scaling=True), max_fdr=0.2),
    skalign.AnchorSearchCV(
        skalign.RigidAligner(), [FarthestPointAnchors()], [0.5, 1.0], cv=2
    ),
    skalign.StreamingSearchCV(skalign.LinearAligner(), {"alpha": [0.1, 10.0]}, cv=2),
]
RELATIVE = [
    skalign.RelativeRepresentation(),
    skalign.RelativeRepresentation(RandomAnchors(0.5, random_state=0)),
    skalign.RelativeRepresentation(KMeansAnchors(0.5), similarity="euclidean"),
    skalign.RelativeRepresentation(KMeansAnchors(0.5), similarity="rbf"),
]
UNPAIRED = [
    skalign.ClassMeanAligner(),
    skalign.CORALAligner(),
    skalign.GaussianOTAligner(),
    skalign.ICPAligner(),
    skalign.MeanVarianceAligner(),
    skalign.MomentAligner(),
    skalign.OptimalTransportAligner(),
    skalign.SubspaceAligner(),
    skalign.TransferComponentAligner(),
    skalign.WassersteinProcrustesAligner(),
]
LIFTS = [
    skalign.DomainAdapter(skalign.CORALAligner()),
    skalign.DomainHarmonizer(skalign.CORALAligner()),
    skalign.LabeledOnly(LogisticRegression()),
    skalign.LabeledOnly(Ridge()),
]
TRAINED = []
if find_spec("torch") and find_spec("skorch"):
    from skalign import deep

    fast = {"hidden_layer_sizes": (16,), "max_epochs": 3, "lr": 0.03}
    TRAINED = [
        skalign.MultiDomainClassifier(**fast, random_state=0),
        skalign.MultiDomainClassifier(deep.DANN(), **fast, random_state=0),
        skalign.NCFALClassifier(
            partition=deep.Partition(local_model=GaussianNB(), n_init=1, max_iter=1),
            hidden_layer_sizes=(16,),
            max_epochs=7,
            lr=0.06,
            random_state=0,
        ),
        skalign.StitchingRegressor(max_epochs=4, lr=0.03, random_state=0),
        skalign.ContrastiveAligner(max_epochs=2, random_state=0),
        skalign.ContrastiveAligner(
            hidden_layer_sizes=(8,), init="random", max_epochs=2, random_state=0
        ),
    ]
MANY = [
    skalign.GeneralizedProcrustes(),
    skalign.GeneralizedProcrustes(kind="similarity"),
    skalign.GeneralizedProcrustes(kind="linear"),
    skalign.AlignedRetriever(),
    skalign.AlignedRetriever(csls=2),
]
STYLE = [skalign.StyleContentSplitter()]
ESTIMATORS = [*PAIRED, *RELATIVE, *UNPAIRED, *LIFTS, *MANY, *STYLE, *TRAINED]
# One of each class; tests/unpaired checks unpaired aligners, with target samples.
FIRST = list({type(e): e for e in ESTIMATORS[::-1] if e not in UNPAIRED}.values())
OTHERS = [estimator for estimator in ESTIMATORS if estimator not in FIRST]


# What the checks hand over as y are class labels: no target rows, so unpaired
# aligners and lifts are the identity there, and say so; paired ones say that they map
# to one column. The same checks with real target rows are in tests/unpaired and
# tests/adaptation.
pytestmark = [
    pytest.mark.filterwarnings("ignore:y is one column of .* integers:UserWarning"),
    pytest.mark.filterwarnings("ignore:y holds no target samples:UserWarning"),
    pytest.mark.filterwarnings(
        "ignore:(Neither X_target|sample_domain was not|There is no):UserWarning"
    ),
    pytest.mark.filterwarnings("ignore:The columns of X need scaling:UserWarning"),
    pytest.mark.filterwarnings("ignore:The domains that were found:UserWarning"),
    pytest.mark.filterwarnings("ignore:RobustAligner cannot distinguish:UserWarning"),
    # Two of the ten features of the checks of array libraries repeat others.
    pytest.mark.filterwarnings("ignore:The samples shared between:UserWarning"),
]


@cache
def _id(estimator):
    return repr(estimator).replace("\n", "")


# scikit-learn would write each estimator again for each of its checks.
CHECKS = parametrize_with_checks(FIRST)


@pytest.mark.parametrize(*CHECKS.args, ids=cache(CHECKS.kwargs["ids"]))
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.long
@pytest.mark.parametrize("estimator", OTHERS, ids=_id)
def test_scikit_learn_contract_of_the_others(estimator):
    check_estimator(estimator, on_skip=None)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=_id)
def test_parameters_are_checked(estimator):
    check_param_validation(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize(
    "estimator", [e for e in ESTIMATORS if hasattr(e, "transform")], ids=_id
)
@pytest.mark.parametrize(
    "check",
    [
        check_get_feature_names_out_error,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
)
def test_names_of_output_columns(estimator, check):
    check(type(estimator).__name__, clone(estimator))


@cache
def _fitted(estimator):
    """Return the estimator, fitted as by default, and what it is fitted to."""
    rng = np.random.default_rng(0)
    X = rng.gamma([1, 2, 3], size=(60, 3))
    y = X @ rng.normal(size=(3, 3)) + 0.1 * rng.normal(size=(60, 3))
    classes = {}
    if has_fit_parameter(estimator, "target_labels"):
        classes = dict.fromkeys(("labels", "target_labels"), X[:, 0] > 1)
    estimator = clone(estimator)
    set_random_state(estimator)
    return estimator.fit(X, y, **classes), X, y, classes


@pytest.mark.parametrize("setting", [{"transform_output": "pandas"},
                                     {"enable_metadata_routing": True}])  # fmt: skip
@pytest.mark.parametrize("estimator", [*PAIRED, *RELATIVE, *UNPAIRED], ids=_id)
@pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning")  # 60 rows
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_setting_of_scikit_learn_changes_no_number(estimator, setting):
    expected, X, y, classes = _fitted(estimator)
    with sklearn.config_context(**setting):
        aligner = clone(expected).fit(X, y, **classes)
        mapped = aligner.transform(X)
        assert isinstance(mapped, pd.DataFrame) == ("transform_output" in setting)
        assert_allclose(np.asarray(mapped), expected.transform(X))
        assert_allclose(aligner.transform_target(y), expected.transform_target(y))


@pytest.mark.parametrize("estimator", [*LIFTS, *MANY, *STYLE, *TRAINED], ids=_id)
def test_metadata_routing_changes_no_number(estimator):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.gamma([1, 2, 3], size=(60, 3)) + y[:, None]

    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)

    def output():
        fitted = clone(estimator).fit(X, y)
        names = ("transform", "predict", "kneighbors")
        return next(getattr(fitted, name) for name in names if hasattr(fitted, name))(X)

    expected = output()
    with sklearn.config_context(enable_metadata_routing=True):
        assert_allclose(output(), expected)


HOLDERS = [
    estimator
    for estimator in [*PAIRED, *RELATIVE, *LIFTS]
    if any(hasattr(held, "fit") for held in estimator.get_params(deep=False).values())
]


@pytest.mark.long
@pytest.mark.parametrize("estimator", HOLDERS, ids=_id)
def test_scikit_learn_contract_with_metadata_routing(estimator):
    with (
        sklearn.config_context(enable_metadata_routing=True),
        warnings.catch_warnings(),
    ):
        # Halves of few samples determine few directions.
        warnings.filterwarnings("ignore", "RigidAligner may have failed")
        check_estimator(clone(estimator), on_skip=None)


def test_every_public_estimator_is_checked_here():
    public = {
        getattr(skalign, name)
        for name in skalign.__all__
        if inspect.isclass(getattr(skalign, name))
        and issubclass(getattr(skalign, name), BaseEstimator)
    }
    assert public <= {type(estimator) for estimator in ESTIMATORS}
