"""Names of the columns of both sides: remembered, compared, and given to outputs."""

import copy
from functools import cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import skalign
from skalign import (
    AlignedRetriever,
    AnchoredAligner,
    AnchorSearchCV,
    CanonicalAligner,
    ClassMeanAligner,
    CORALAligner,
    DomainAdapter,
    DomainHarmonizer,
    GaussianOTAligner,
    GeneralizedProcrustes,
    ICPAligner,
    KernelAligner,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
    RelativeRepresentation,
    RigidAligner,
    RobustAligner,
    StreamingSearchCV,
    SubspaceAligner,
    TransferComponentAligner,
    WassersteinProcrustesAligner,
)
from skalign.anchors import KMeansAnchors

_rng = np.random.default_rng(0)
AGE, MASS = ["age", "mass", "size"], ["u", "v", "w"]
ROWS = _rng.gamma([1, 2, 3], size=(60, 3))
X = pd.DataFrame(ROWS, columns=AGE)
Y = pd.DataFrame(ROWS @ _rng.normal(size=(3, 3)) + 9, columns=MASS)
SAME = Y.set_axis(AGE, axis=1)  # the same features as X
LABELS = _rng.permutation(np.arange(60) % 3)
CLASSES = {"labels": LABELS, "target_labels": LABELS}

SUMMED = [LinearAligner(alpha=1.0), RigidAligner()]
PAIRED = [
    *SUMMED,
    CanonicalAligner(),
    KernelAligner(gamma=1.0),
    RobustAligner(),
    AnchoredAligner(selector=KMeansAnchors(20)),
    AnchorSearchCV(None, [KMeansAnchors()], [10, 20], cv=2),
    StreamingSearchCV(None, {"alpha": [1.0, 10.0]}, cv=2),
    RelativeRepresentation(KMeansAnchors(5)),
]
if find_spec("torch") and find_spec("skorch"):
    short = {"max_epochs": 1, "random_state": 0}
    PAIRED += [skalign.StitchingRegressor(**short), skalign.ContrastiveAligner(**short)]
SAME_FEATURES = [
    CORALAligner(),
    GaussianOTAligner(),
    MeanVarianceAligner(),
    OptimalTransportAligner(),
    SubspaceAligner(),
    TransferComponentAligner(),
    ICPAligner(init="identity", max_iter=1),
    ICPAligner(init=CORALAligner(), max_iter=1),
    ClassMeanAligner(CORALAligner()),
]
ANY_FEATURES = [
    ClassMeanAligner(),
    ICPAligner(max_iter=1, random_state=0),
    MomentAligner(n_restarts=1, random_state=0),
    WassersteinProcrustesAligner("moments", n_restarts=1, max_iter=1, random_state=0),
]
COMMON = (
    CanonicalAligner,
    SubspaceAligner,
    TransferComponentAligner,
    RelativeRepresentation,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*may have failed:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*determine:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def fit(estimator, X, y):
    classes = CLASSES if isinstance(estimator, ClassMeanAligner) else {}
    return clone(estimator).fit(X, y, **classes)


@cache
def once(aligner, named=True):
    """The aligner, fitted once, to a target with names or not; not to be changed."""
    target = SAME if aligner in SAME_FEATURES else Y
    return fit(aligner, X, target if named else target.to_numpy())


def leads_to_target(aligner):
    common = (*COMMON, getattr(skalign, "ContrastiveAligner", ()))
    return not isinstance(aligner, common)


def of(aligners, Y):
    return [pytest.param(a, Y, id=repr(a).replace("\n", "")) for a in aligners]


ALL = [*of(PAIRED, Y), *of(ANY_FEATURES, Y), *of(SAME_FEATURES, SAME)]
every = pytest.mark.parametrize(("aligner", "Y"), ALL)


@every
def test_names_of_both_sides_are_remembered(aligner, Y):
    fitted = once(aligner)
    assert_array_equal(fitted.feature_names_in_, AGE)
    assert_array_equal(fitted.target_names_in_, Y.columns)
    numbered = fit(aligner, X.to_numpy(), Y.set_axis([0, 1, 2], axis=1))
    assert not hasattr(numbered, "feature_names_in_")
    assert not hasattr(numbered, "target_names_in_")
    assert_allclose(
        np.asarray(fitted.transform(X)), np.asarray(numbered.transform(X.to_numpy()))
    )


@every
def test_a_new_fit_forgets_the_names(aligner, Y):
    fitted = copy.deepcopy(once(aligner))
    classes = CLASSES if isinstance(aligner, ClassMeanAligner) else {}
    fitted.fit(X, Y.to_numpy(), **classes)
    assert not hasattr(fitted, "target_names_in_")


@every
def test_names_that_are_strings_in_part_are_refused(aligner, Y):
    with pytest.raises(TypeError, match="only supported if all input features have st"):
        fit(aligner, X, Y.set_axis(["a", "b", 3], axis=1))


@every
def test_target_rows_are_compared_by_name(aligner, Y):
    fitted = once(aligner)
    methods = [fitted.transform_target]
    if leads_to_target(fitted) and hasattr(fitted, "inverse_transform"):
        methods.append(fitted.inverse_transform)
    if hasattr(fitted, "score") and not isinstance(fitted, AnchorSearchCV):
        methods.append(lambda y: fitted.score(X, y))
    for method in methods:
        method(Y)
        with pytest.raises(
            ValueError, match=r"of y should match.*\n.*in the same order"
        ):
            method(Y[Y.columns[::-1]])
        with pytest.raises(
            ValueError, match=f"unseen at.*\n- other\n.*\n- {Y.columns[0]}"
        ):
            method(Y.rename(columns={Y.columns[0]: "other"}))
        with pytest.warns(
            UserWarning, match="y does not have valid feature names, but"
        ):
            method(Y.to_numpy())
    unnamed = once(aligner, named=False)
    with pytest.warns(UserWarning, match="y has feature names, but .* without feature"):
        unnamed.transform_target(Y)


@every
def test_outputs_have_the_names_of_the_target(aligner, Y):
    fitted = clone(aligner).set_output(transform="pandas")
    fitted = fit(fitted, X, Y)
    names = fitted.get_feature_names_out()
    prefix = type(aligner).__name__.lower()
    generated = [f"{prefix}{i}" for i in range(len(names))]
    assert_array_equal(names, Y.columns if leads_to_target(fitted) else generated)
    assert_array_equal(fitted.get_feature_names_out(AGE), names)
    with pytest.raises(ValueError, match="input_features is not equal"):
        fitted.get_feature_names_out(AGE[::-1])
    mapped = fitted.transform(X)
    assert_array_equal(mapped.columns, names)
    if hasattr(fitted, "inverse_transform"):
        fitted.inverse_transform(mapped)
    names[:] = "changed"
    assert "changed" not in fitted.get_feature_names_out()
    unnamed = copy.deepcopy(once(aligner, named=False)).set_output(transform="pandas")
    assert_array_equal(unnamed.get_feature_names_out(), generated)
    if leads_to_target(unnamed) and not isinstance(unnamed, AnchorSearchCV):
        unnamed.transform_target(unnamed.transform(X))  # its own names are no news


@pytest.mark.parametrize(("aligner", "Y"), of(SAME_FEATURES, SAME))
def test_sides_of_the_same_features_have_the_same_columns(aligner, Y):
    """`MeanVarianceAligner().fit(S, T)` must not map age to mass."""
    fit(aligner, X, Y.to_numpy()), fit(aligner, X.to_numpy(), Y)
    with pytest.raises(
        ValueError, match=r"needs the same columns.*\n.*the same order in"
    ):
        fit(aligner, X, Y[AGE[::-1]])
    with pytest.raises(
        ValueError, match=r"of y that X lacks:\n- u\n- v\n- w\n.*of X that"
    ):
        fit(aligner, X, Y.set_axis(MASS, axis=1))


@pytest.mark.parametrize("aligner", SUMMED, ids=repr)
def test_batches_of_pairs_are_compared_by_name(aligner):
    aligner = clone(aligner).partial_fit(X[:30], Y[:30])
    before = aligner.coef_
    with pytest.raises(ValueError, match="of y should match"):
        aligner.partial_fit(X[30:], Y.iloc[30:, [1, 0, 2]])
    assert aligner.coef_ is before
    with pytest.warns(UserWarning, match="y does not have valid feature names"):
        aligner.partial_fit(X[30:], Y[30:].to_numpy())
    assert_array_equal(aligner.target_names_in_, MASS)
    unnamed = clone(aligner).partial_fit(ROWS[:30], Y[:30].to_numpy())
    with pytest.warns(UserWarning, match="y has feature names, but"):
        unnamed.partial_fit(ROWS[30:], Y[30:])
    assert not hasattr(unnamed, "target_names_in_")


@pytest.mark.parametrize("aligner", SUMMED, ids=repr)
def test_merged_pairs_are_compared_by_name(aligner):
    first, second = (fit(aligner, X[s], Y[s]) for s in (slice(30), slice(30, None)))
    assert_allclose(first.merge(second).coef_, fit(aligner, X, Y).coef_)
    for X2, Y2 in ((X, Y[["v", "u", "w"]]), (X[AGE[::-1]], Y)):
        with pytest.raises(ValueError, match="of other should match"):
            first.merge(fit(aligner, X2, Y2))
        assert_array_equal(first.target_names_in_, MASS)
    with pytest.warns(UserWarning, match="other does not have valid feature names"):
        first.merge(fit(aligner, X, Y.to_numpy()))
    assert_array_equal(first.target_names_in_, MASS)
    with pytest.warns(UserWarning, match="other has feature names"):
        unnamed = fit(aligner, X, Y.to_numpy()).merge(first)
    assert not hasattr(unnamed, "target_names_in_")


@pytest.mark.parametrize(
    "aligner", [CORALAligner(), MeanVarianceAligner(), ClassMeanAligner()], ids=repr
)
def test_sides_that_come_one_by_one_are_compared_by_name(aligner):
    classed = isinstance(aligner, ClassMeanAligner)
    source = {"X": X} | ({"labels": LABELS} if classed else {})
    target = {"y": SAME} | ({"target_labels": LABELS} if classed else {})
    fitted = clone(aligner).partial_fit(**target)
    assert_array_equal(fitted.target_names_in_, AGE)
    assert not hasattr(fitted, "feature_names_in_")
    fitted.partial_fit(**source)
    assert_array_equal(fitted.feature_names_in_, AGE)
    with pytest.raises(ValueError, match="of y should match"):
        fitted.partial_fit(**target | {"y": SAME[AGE[::-1]]})
    other = clone(aligner).partial_fit(**target | {"y": SAME[AGE[::-1]]})
    with pytest.raises(ValueError, match="of other should match"):
        fitted.merge(other)
    if not classed:
        with pytest.raises(ValueError, match="needs the same columns"):
            other.partial_fit(**source)
        with pytest.raises(ValueError, match="needs the same columns"):
            clone(aligner).partial_fit(**source).merge(other)
    halves = clone(aligner).partial_fit(**source), clone(aligner).partial_fit(**target)
    merged = halves[0].merge(halves[1])
    assert_array_equal(merged.target_names_in_, AGE)
    assert_allclose(merged.transform(X), fitted.transform(X))


def test_a_named_series_is_one_name():
    y = Y["u"]
    aligner = LinearAligner(alpha=1.0).set_output(transform="pandas").fit(X, y)
    assert_array_equal(aligner.target_names_in_, ["u"])
    assert list(aligner.transform(X).columns) == ["u"]
    aligner.transform_target(Y[["u"]])
    with pytest.raises(ValueError, match="of y should match"):
        aligner.score(X, Y["v"])
    for unnamed in (y.rename(None), y.rename(7)):
        assert not hasattr(LinearAligner().fit(X, unnamed), "target_names_in_")


def test_polars_has_names_too():
    polars = pytest.importorskip("polars")
    source, target = polars.from_pandas(X), polars.from_pandas(Y)
    aligner = LinearAligner(alpha=1.0).fit(source, target)
    assert_array_equal(aligner.target_names_in_, MASS)
    aligner.fit(source, target["v"])
    assert_array_equal(aligner.target_names_in_, ["v"])


@pytest.mark.filterwarnings("ignore:y holds no target samples")
@pytest.mark.parametrize("aligner", SAME_FEATURES[:6], ids=repr)
def test_where_there_is_no_target_columns_stay_what_they_are(aligner):
    fitted = clone(aligner).fit(X, LABELS)
    assert_array_equal(fitted.target_names_in_, AGE)
    relative = RelativeRepresentation(KMeansAnchors(5)).fit(X)
    assert_allclose(relative.transform_target(X), relative.transform(X))
    with pytest.raises(ValueError, match="of y should match"):
        relative.transform_target(X[AGE[::-1]])


def test_an_adapter_compares_the_target():
    adapter = DomainAdapter(MeanVarianceAligner())
    with pytest.raises(ValueError, match="needs the same columns in X and in X_target"):
        adapter.fit(X, X_target=SAME[AGE[::-1]])
    with pytest.raises(ValueError, match="needs the same columns in X and in X_target"):
        adapter.set_params(aligner="passthrough").fit(X, X_target=Y)
    adapter = DomainAdapter(MomentAligner(n_restarts=1, random_state=0))
    adapter.set_output(transform="pandas").fit(X, X_target=(Y,))
    assert_array_equal(adapter.target_names_in_, MASS)
    assert_array_equal(adapter.get_feature_names_out(AGE), MASS)
    adapted = adapter.transform(X, sample_domain=np.ones(60))
    assert_array_equal(adapted.columns, MASS)
    assert_array_equal(adapter.transform(Y), Y)
    for rows, domain in ((X, -1), (Y, 1), (Y[MASS[::-1]], -1)):
        with pytest.raises(ValueError, match="The feature names should match"):
            adapter.transform(rows, sample_domain=np.full(60, domain))
    back = DomainAdapter(MeanVarianceAligner(), direction="target_to_source")
    assert_array_equal(back.fit(X, X_target=SAME).get_feature_names_out(), AGE)
    assert back.fit(ROWS, X_target=SAME).get_feature_names_out()[0] == "domainadapter0"
    common = DomainAdapter(SubspaceAligner()).fit(X, X_target=SAME)
    assert common.get_feature_names_out()[0] == "domainadapter0"


def test_a_harmonizer_keeps_names():
    harmonizer = DomainHarmonizer(CORALAligner()).fit(X, sample_domain=LABELS)
    assert_array_equal(harmonizer.get_feature_names_out(), AGE)
    with pytest.raises(ValueError, match="must be in the same order"):
        harmonizer.transform(X[AGE[::-1]], sample_domain=LABELS)


def test_a_retriever_compares_candidates():
    retriever = AlignedRetriever(LinearAligner(alpha=1.0)).fit(X, Y, candidates=Y[:9])
    assert_array_equal(retriever.target_names_in_, MASS)
    retriever.add(Y)
    before = len(retriever.candidates_)
    with pytest.raises(ValueError, match="of y should match"):
        retriever.add(Y[MASS[::-1]])
    assert len(retriever.candidates_) == before
    with pytest.raises(ValueError, match="of candidates should match"):
        retriever.fit(X, Y, candidates=Y[MASS[::-1]])
    with pytest.warns(UserWarning, match="y does not have valid feature names"):
        retriever.add(Y.to_numpy())
    with pytest.raises(ValueError, match="needs the same columns"):
        AlignedRetriever(CORALAligner()).fit(X, SAME[AGE[::-1]])


def test_each_of_many_spaces_has_its_names():
    spaces = GeneralizedProcrustes().fit_spaces([X, Y])
    assert_array_equal(spaces.feature_names_in_, AGE + MASS)
    joint = GeneralizedProcrustes(space_sizes=[3, 3]).fit(pd.concat([X, Y], axis=1))
    for model in (spaces, joint):
        model.translate(Y, 1, 0)
        with pytest.raises(ValueError, match="The feature names should match"):
            model.to_consensus(Y[MASS[::-1]], 1)
        with pytest.raises(ValueError, match="The feature names should match"):
            model.translate(X, 1, 0)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            model.to_consensus(ROWS, 0)
        model.add_space(SAME)
        with pytest.raises(ValueError, match="in the same order"):
            model.to_consensus(SAME[AGE[::-1]], 2)
    part = GeneralizedProcrustes().fit_spaces([X, Y.to_numpy()])
    assert not hasattr(part, "feature_names_in_")
    with pytest.raises(ValueError, match="in the same order"):
        part.to_consensus(X[AGE[::-1]], 0)
