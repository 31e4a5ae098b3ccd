"""Names of classes and domains: large integers, and what stands for a missing one."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from skalign import (
    AnchorSearchCV,
    ClassMeanAligner,
    DomainAdapter,
    DomainHarmonizer,
    ICPAligner,
    LabeledOnly,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    OptimalTransportAligner,
)
from skalign._labels import as_written, check_classes, check_domain, check_labels
from skalign.anchors import ClassBalancedAnchors, RandomAnchors
from skalign.domains import LeaveOneDomainOut, TrainingDomainSplit
from skalign.metrics import (
    CircularValidationScorer,
    MeanDomainScorer,
    SourceScorer,
    WorstDomainScorer,
    class_prototypes,
    etf_distance,
    simplex_etf,
)
from skalign.style import mix_style

# Neighbours that float64 makes one, and integers of no common type of numpy.
IDS = {
    "above 2**53": [2**53, 2**53 + 1, 2**53 + 2],
    "below -2**53": [-(2**53) - 2, -(2**53) - 1, -(2**53)],
    "uint64": [2**53 + 1, 2**53 + 2, 2**63 + 1],
    "uint64 alone": [2**63, 2**63 + 1, 2**63 + 2],
    "mixed": [-1, 2**53 + 1, 2**63],
    "huge": [2**64, 2**64 + 1, 2**64 + 2],
}
FORMS = {
    "list": list,
    "tuple": tuple,
    "objects": lambda ids: np.array(ids, dtype=object),
    "numpy scalars": lambda ids: [
        i if not 0 <= i < 2**64 else np.uint64(i) if i >= 2**63 else np.int64(i)
        for i in ids
    ],
    "Series of objects": lambda ids: pd.Series(ids, dtype=object),
    "category": lambda ids: pd.Series(ids, dtype=object).astype("category"),
    "Int64": lambda ids: pd.Series(ids, dtype="Int64"),
    "UInt64": lambda ids: pd.Series(ids, dtype="UInt64"),
    "int64": lambda ids: np.array(ids, dtype=np.int64),
    "uint64": lambda ids: np.array(ids, dtype=np.uint64),
    "column": lambda ids: pd.DataFrame({"id": pd.Series(ids, dtype=object)}),
}
CODES = np.arange(60) % 3


def _written(ids, form, codes=CODES):
    """Ids of codes in some form; a skip where it cannot hold them."""
    if form == "Int64" and max(ids) >= 2**63:
        pytest.skip("pandas loses digits itself")
    try:
        return FORMS[form]([ids[code] for code in codes])
    except (OverflowError, TypeError, ValueError):
        pytest.skip("a type that does not hold these")


every_id = pytest.mark.parametrize("name", IDS)
every_form = pytest.mark.parametrize("form", FORMS)


@every_id
@every_form
@pytest.mark.parametrize(
    "check",
    [
        lambda names, X: check_domain(names, X),
        lambda names, X: check_labels(names, X, "labels"),
        lambda names, X: check_labels(names, X, "labels", partly=True),
        lambda names, X: check_classes(names, X)[0][check_classes(names, X)[1]],
    ],
    ids=["domain", "labels", "labels, partly", "classes"],
)
def test_integers_come_as_they_were_written(name, form, check):
    names = check(_written(IDS[name], form), np.zeros((60, 1)))
    assert names.tolist() == [IDS[name][code] for code in CODES]
    fits = name in ("above 2**53", "below -2**53")
    assert names.dtype == (np.int64 if fits else object)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5], np.array([1, 2.5])),
        ([2**53 + 1, 2.5], np.array([2**53 + 1, 2.5], dtype=object)),
        ([True, False], np.array([True, False])),
        (["a", "b"], np.array(["a", "b"])),
        (["a", 1], np.array(["a", 1], dtype=object)),
        ([1, None], np.array([1, None], dtype=object)),
        (pd.Series([1, None], dtype="Int64"), np.array([1, pd.NA], dtype=object)),
        (np.array([1, 2], np.uint8), np.array([1, 2], np.uint8)),
        ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]])),
        (pd.Series(["a", "b"], dtype="string"), np.array(["a", "b"])),
        (np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-01"], "M8[D]")),
        ([], np.array([])),
    ],
)
def test_entries_stay_what_they_are(values, expected):
    found = as_written(values)
    assert found.dtype == expected.dtype
    assert [repr(v) for v in found.ravel()] == [repr(v) for v in expected.ravel()]


@every_form
@pytest.mark.parametrize("name", ["above 2**53", "uint64", "mixed"])
def test_large_labels_with_gaps_keep_their_digits(name, form):
    names = _written(IDS[name], form, CODES[:5])
    if form in ("Int64", "UInt64"):
        names = names.copy()
        names[1] = pd.NA
    elif form in ("list", "numpy scalars"):
        names = [*names[:1], float("nan"), *names[2:]]
    else:
        pytest.skip("no place for a gap, or as the others")
    found = check_labels(names, np.zeros((5, 1)), "labels", partly=True)
    ids = IDS[name]
    assert found.tolist() == [ids[0], None, ids[2], ids[0], ids[1]]


# ------------------------------------------------------- where names are taken


def _rows(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3)) + 3 * np.eye(3)[CODES] + CODES[:, None] ** 2
    return X, X @ rng.normal(size=(3, 3)) + 5


def _split(names):
    X, _ = _rows()
    return [test.tolist() for _, test in LeaveOneDomainOut().split(X, None, names)]


def _drawn(names):
    X, _ = _rows()
    splitter = TrainingDomainSplit(test_size=0.25, random_state=0)
    return [test.tolist() for _, test in splitter.split(X, None, names)]


def _harmonized(names):
    X, _ = _rows()
    harmonizer = DomainHarmonizer(MeanVarianceAligner())
    harmonizer.fit(X, sample_domain=names)
    return harmonizer.transform(X, sample_domain=names)


def _scored(scorer):
    def score(names):
        X, _ = _rows()
        y = np.random.default_rng(1).integers(2, size=60)
        model = LogisticRegression().fit(X, y)
        return scorer(model, X, y, sample_domain=names)

    return score


def _mapped(aligner):
    def transform(names):
        X, y = _rows()
        return clone(aligner).fit(X, y, labels=names, target_labels=names).transform(X)

    return transform


def _merged(names):
    X, y = _rows()
    halves = [slice(30), slice(30, None)]
    labels = as_written(names).ravel()
    parts = [
        ClassMeanAligner().partial_fit(
            X[at], y[at], labels=labels[at], target_labels=labels[at]
        )
        for at in halves
    ]
    return parts[0].merge(parts[1]).transform(X)


def _searched(names):
    X, y = _rows()
    search = AnchorSearchCV(
        LinearAligner(),
        [RandomAnchors(random_state=0)],
        [4],
        cv=GroupKFold(3),
    )
    return search.fit(X, y, groups=names).cv_results_["mean_test_score"]


USES = {
    "LeaveOneDomainOut": _split,
    "TrainingDomainSplit": _drawn,
    "DomainHarmonizer": _harmonized,
    "MeanDomainScorer": _scored(MeanDomainScorer()),
    "WorstDomainScorer": _scored(WorstDomainScorer()),
    "class_prototypes": lambda names: class_prototypes(_rows()[0], names),
    "class_prototypes, domains": lambda names: class_prototypes(
        _rows()[0], np.arange(60) // 3 % 2, sample_domain=names
    ),
    "etf_distance": lambda names: etf_distance(
        _rows()[0], names, simplex_etf(3, 3, random_state=0)
    ),
    "ClassMeanAligner": _mapped(ClassMeanAligner()),
    "ClassMeanAligner, merged": _merged,
    "MomentAligner": _mapped(MomentAligner(random_state=0)),
    "ICPAligner": _mapped(ICPAligner(random_state=0)),
    "OptimalTransportAligner": _mapped(OptimalTransportAligner()),
    "ClassBalancedAnchors": lambda names: (
        ClassBalancedAnchors(6, random_state=0).select(_rows()[0], names).tolist()
    ),
    "mix_style": lambda names: mix_style(
        _rows()[0], sample_domain=names, random_state=0
    ),
    "AnchorSearchCV": _searched,
    "LabeledOnly": lambda names: (
        LabeledOnly(LogisticRegression())
        .fit(_rows()[0], names)
        .predict_proba(_rows()[0])
    ),
    "DomainAdapter": lambda names: (
        DomainAdapter(ClassMeanAligner())
        .fit(
            *_rows()[:1], names, X_target=_rows()[1], y_target=as_written(names).ravel()
        )
        .transform(_rows()[1])
    ),
}
LABELS_OF_SCIKIT_LEARN = ("LabeledOnly",)  # which has no classes beyond int64
SOURCES = ("LeaveOneDomainOut", "TrainingDomainSplit", "MeanDomainScorer")
SOURCES += ("WorstDomainScorer",)


@cache
def _with_codes(use):
    return USES[use](CODES)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("above 2**53", "Int64"),
        ("above 2**53", "numpy scalars"),
        ("uint64", "list"),
        ("uint64", "UInt64"),
        ("mixed", "list"),
        ("huge", "objects"),
    ],
)
def test_large_integers_name_as_small_ones_do(use, name, form):
    ids = IDS[name]
    if use in LABELS_OF_SCIKIT_LEARN and max(ids) >= 2**63:
        pytest.skip("scikit-learn has no such classes")
    if use in SOURCES and min(ids) < 0:
        ids = [0, *ids[1:]]  # a domain below 0 is a target
    assert_allclose(USES[use](_written(ids, form)), _with_codes(use), rtol=1e-12)


def test_an_unseen_domain_is_no_neighbour_of_a_seen_one():
    X, _ = _rows()
    harmonizer = DomainHarmonizer(MeanVarianceAligner())
    for ids in (IDS["above 2**53"], IDS["uint64"]):
        seen = np.array(ids, dtype=object)[CODES]
        harmonizer.fit(X, sample_domain=seen)
        for unseen in (2**53 + 3, 2**63 + 2, 2**53 - 1):
            with pytest.raises(
                ValueError, match=rf"has domains \[{unseen}\] that were"
            ):
                harmonizer.transform(X[:1], sample_domain=[unseen])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64])
def test_circular_validation_takes_unsigned_domains(dtype):
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    model = LogisticRegression().fit(X, y)
    scorer, target = CircularValidationScorer(), [[0.2], [1.2], [2.2], [3.2]]
    domain = np.array([0, 1, 0, 1], dtype=dtype)
    assert scorer(model, X, y, X_target=target, sample_domain=domain) == 1


# ---------------------------------------------- what stands for a missing label

GAPS = {
    "None": (None, list),
    "NaN": (np.nan, np.array),
    "NaN, objects": (np.nan, lambda y: np.array(y, dtype=object)),
    "NA": (pd.NA, lambda y: pd.Series(y, dtype="Int64")),
    "NA, objects": (pd.NA, lambda y: np.array(y, dtype=object)),
    "NA, strings": (
        pd.NA,
        lambda y: pd.Series([e if e is pd.NA else f"c{e}" for e in y], dtype="string"),
    ),
}
every_gap = pytest.mark.parametrize(("gap", "form"), GAPS.values(), ids=GAPS)
WANTED = "Input y contains {} in 2 samples: write -1 for target samples without a label"


def _gapped(gap, form):
    """Rows, with labels of source rows and gaps in the place of those of targets."""
    X = np.array([[0.0, 1], [1, 0], [5, 6], [6, 5], [0.5, 0.5], [5.5, 5.5]])
    return X, form([0, 0, 1, 1, gap, gap]), [0, 0, 0, 0, -1, -1]


def _name(gap):
    return "None" if gap is None else "NA" if gap is pd.NA else "NaN"


@every_gap
@pytest.mark.parametrize("domains", [True, False])
def test_gaps_among_labels_are_refused_by_labeled_only(gap, form, domains):
    X, y, domain = _gapped(gap, form)
    domain = domain if domains else None
    model = LabeledOnly(LogisticRegression())
    with pytest.raises(ValueError, match=WANTED.format(_name(gap))):
        model.fit(X, y, sample_domain=domain)
    model.fit(X[:4], [0, 0, 1, 1])
    with pytest.raises(ValueError, match=WANTED.format(_name(gap))):
        model.score(X, y, sample_domain=domain)


@every_gap
def test_another_missing_label_is_named(gap, form):
    X, y, domain = _gapped(gap, form)
    model = LabeledOnly(LogisticRegression(), missing_label=-9)
    with pytest.raises(ValueError, match="write -9 for target samples"):
        model.fit(X, y, sample_domain=domain)


@every_gap
def test_gaps_are_the_missing_labels_of_a_regressor(gap, form):
    from sklearn.linear_model import LinearRegression

    X, y, domain = _gapped(gap, form)
    if form is GAPS["NA, strings"][1]:
        pytest.skip("no numbers")
    model = LabeledOnly(LinearRegression()).fit(X, y, sample_domain=domain)
    assert_allclose(model.predict(X[:4]), [0, 0, 1, 1], atol=0.2)


@every_gap
def test_labels_of_target_rows_are_never_looked_at(gap, form):
    X, y, domain = _gapped(gap, form)
    expected = _adapted(X, [0, 0, 1, 1, -1, -1], domain)
    assert_allclose(_adapted(X, y, domain), expected)


def _adapted(X, y, domain):
    return DomainAdapter(MeanVarianceAligner()).fit_transform(
        X, y, sample_domain=domain
    )


@every_gap
def test_scorers_look_at_labels_of_source_rows_only(gap, form):
    X, y, domain = _gapped(gap, form)
    labels = as_written(y)[:4]
    model = LogisticRegression().fit(X[:4], as_written(labels))
    for scorer in (SourceScorer(), MeanDomainScorer(), WorstDomainScorer()):
        assert scorer(model, X, y, sample_domain=domain) == 1
    if gap is not np.nan or form is not np.array:
        with pytest.raises(ValueError, match=WANTED.format(_name(gap))):
            CircularValidationScorer()(model, X, y, sample_domain=domain)


def test_minus_one_still_stands_for_a_missing_label():
    X, _, domain = _gapped(-1, list)
    for y in ([0, 0, 1, 1, -1, -1], ["a", "a", "b", "b", "-1", "-1"]):
        model = LabeledOnly(LogisticRegression()).fit(X, y, sample_domain=domain)
        assert_array_equal(model.classes_, np.unique(y[:4]))


# ------------------------------------------------------------------ trained classifiers


@pytest.fixture(scope="module")
def deep():
    pytest.importorskip("torch")
    return pytest.importorskip("skalign.deep")


def _trained(kind, **settings):
    return kind(max_epochs=5, batch_size=8, lr=0.01, random_state=0, **settings)


@pytest.mark.parametrize("form", ["list", "Int64", "int64"])
def test_a_classifier_keeps_classes_and_domains_apart(deep, form):
    X = _rows()[0]
    domain = np.arange(60) // 3 % 2
    expected = _trained(deep.MultiDomainClassifier).fit(X, CODES, sample_domain=domain)
    y = _written(IDS["above 2**53"], form)
    classifier = _trained(deep.MultiDomainClassifier)
    classifier.fit(X, y, sample_domain=_written(IDS["above 2**53"], form, domain))
    assert classifier.classes_.tolist() == IDS["above 2**53"]
    assert classifier.domains_.tolist() == IDS["above 2**53"][:2]
    assert_allclose(classifier.predict_proba(X), expected.predict_proba(X))
    assert classifier.score(X, y) == expected.score(X, CODES) > 0.9


def test_classes_of_uint64_are_kept_apart(deep):
    X, ids = _rows()[0], np.array([2**63, 2**63 + 1, 2**63 + 2], dtype=np.uint64)
    classifier = _trained(deep.MultiDomainClassifier).fit(X, ids[CODES])
    assert_array_equal(classifier.classes_, ids)
    assert classifier.score(X, ids[CODES]) > 0.9


@every_gap
@pytest.mark.parametrize("name", ["MultiDomainClassifier", "NCFALClassifier"])
@pytest.mark.parametrize("domains", [True, False])
def test_gaps_among_labels_are_refused_by_classifiers(deep, gap, form, name, domains):
    X, y, domain = _gapped(gap, form)
    classifier = _trained(getattr(deep, name))
    with pytest.raises(ValueError, match=WANTED.format(_name(gap))):
        classifier.fit(X, y, sample_domain=domain if domains else None)
