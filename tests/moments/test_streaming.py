"""Sums that are merged, subtracted, written down and read back."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from skalign import (
    ClassMeanAligner,
    CORALAligner,
    GaussianOTAligner,
    LinearAligner,
    MeanVarianceAligner,
    MomentAligner,
    RigidAligner,
)
from skalign.moments import GroupMoments, Moments, Sums

PAIRS = [LinearAligner(alpha=1.0), LinearAligner(rank=2), RigidAligner(scaling=True)]
SIDES = [CORALAligner(), GaussianOTAligner(), MeanVarianceAligner()]
CLASSES = [
    ClassMeanAligner(RigidAligner()),
    MomentAligner(n_restarts=1, random_state=0),
]
ALL = [*PAIRS, *SIDES, *CLASSES]
each = pytest.mark.parametrize("aligner", ALL, ids=repr)
pytestmark = pytest.mark.filterwarnings("ignore:.* may have failed:UserWarning")
PRODUCTS = ("xx", "xy", "x2", "y2")
GROUP_PARTS = ("counts", "means", "second", "third")


def samples(aligner, rows=slice(None), n=120, d=4, mean=3.0):
    """Keywords of `fit`: pairs, two sides, or two sides with classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 5
    X = rng.gamma(1.0, size=(n, d)) + rng.normal(size=(5, d))[labels] + mean
    y = X @ rng.normal(size=(d, d)) + 0.1 * rng.normal(size=(n, d))
    given = {"X": X[rows], "y": y[rows]}
    if type(aligner) in map(type, CLASSES):
        given |= {"labels": labels[rows], "target_labels": labels[rows]}
    return given


def through_a_file(sums):
    file = io.BytesIO()
    np.savez(file, **sums.to_dict())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return Sums.from_dict(dict(arrays))


@each
def test_sums_of_folds_give_the_map_of_the_whole(aligner):
    given = samples(aligner)
    fitted = clone(aligner).fit(**given)
    folds = [samples(aligner, slice(i, None, 3)) for i in range(3)]
    first, *others = (through_a_file(aligner.collect(**fold)) for fold in folds)
    for other in others:
        first = first.merge(other)
    assert not hasattr(aligner, "n_features_in_")
    from_sums = clone(aligner).fit_sums(first)
    mapped = fitted.transform(given["X"])
    assert_allclose(from_sums.transform(given["X"]), mapped, rtol=0, atol=1e-9)
    assert from_sums.n_targets_ == fitted.n_targets_


@each
def test_leaving_a_fold_out_of_the_sums_is_leaving_it_out_of_the_fit(aligner):
    fold, rest = samples(aligner, slice(40)), samples(aligner, slice(40, None))
    whole = clone(aligner).collect(**samples(aligner))
    kept = whole.subtract(aligner.collect(**fold))
    without = clone(aligner).fit_sums(kept).transform(fold["X"])
    expected = clone(aligner).fit(**rest).transform(fold["X"])
    assert_allclose(without, expected, rtol=0, atol=1e-9)


@each
def test_a_batch_goes_on_from_sums_alone(aligner):
    streamed = clone(aligner).fit_sums(aligner.collect(**samples(aligner, slice(60))))
    streamed.partial_fit(**samples(aligner, slice(60, None)))
    given = samples(aligner)
    expected = clone(aligner).fit(**given).transform(given["X"])
    assert_allclose(streamed.transform(given["X"]), expected, rtol=0, atol=1e-9)


@each
def test_what_does_not_fit_is_refused_with_the_reason(aligner):
    given = samples(aligner)
    fitted, sums = clone(aligner).fit(**given), aligner.collect(**given)
    with pytest.raises(TypeError, match="cannot be merged with Ridge"):
        fitted.merge(Ridge())
    with pytest.raises(NotFittedError, match="has no samples yet"):
        fitted.merge(clone(aligner))
    narrow = aligner.collect(**samples(aligner, d=3))
    with pytest.raises(ValueError, match="must be the same in both; got 4 and 3"):
        sums.merge(narrow)
    with pytest.raises(ValueError, match="leaves none"):
        sums.subtract(sums)
    with pytest.raises(ValueError, match=r"hold 0 .* samples; at least 2"):
        clone(aligner).fit_sums(sums.with_parts({}))
    with pytest.raises(ValueError, match="There are no sums of"):
        sums.with_parts({}).subtract(sums)
    other = CORALAligner() if aligner in PAIRS else RigidAligner()
    with pytest.raises(ValueError, match=r"needs Moments of .*; got"):
        other.fit_sums(sums)


def test_the_sums_of_another_map_are_refused_if_something_lacks():
    rotation = RigidAligner().collect(**samples(RigidAligner()))
    with pytest.raises(ValueError, match="lack 'xx', which is needed"):
        LinearAligner().fit_sums(rotation)
    linear = LinearAligner().collect(**samples(LinearAligner()))
    selected = RigidAligner().select_sums(linear)
    assert_allclose(selected.parts["pairs"].x2, rotation.parts["pairs"].x2)
    assert selected.parts["pairs"].xx is None
    means = ClassMeanAligner().collect(**samples(CLASSES[0]))
    with pytest.raises(ValueError, match="third moments are needed"):
        MomentAligner().fit_sums(means)
    moments = MomentAligner().collect(**samples(CLASSES[1]))
    fitted = ClassMeanAligner().fit_sums(moments)
    assert fitted.source_moments_.third is None


def test_nothing_to_add_up_is_refused():
    with pytest.raises(ValueError, match="nothing to add up"):
        CORALAligner().collect()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mean", [0.0, 1e6])
def test_subtracting_pairs_leaves_the_sums_of_the_others(weighted, mean):
    given = samples(PAIRS[0], mean=mean)
    weight = np.random.default_rng(1).uniform(0.5, 2, 120) if weighted else None
    cut = slice(30)

    def sums(rows):
        return Moments.from_arrays(
            given["X"][rows],
            given["y"][rows],
            sample_weight=None if weight is None else weight[rows],
            products=PRODUCTS,
        )

    whole = sums(slice(None))
    before = whole.to_dict()
    rest, expected = whole.subtract(sums(cut)), sums(slice(30, None))
    assert rest.n_samples == 90
    for name in (*PRODUCTS, "x_mean", "y_mean", "weight"):
        assert_allclose(getattr(rest, name), getattr(expected, name), rtol=1e-9)
    for name, value in whole.to_dict().items():
        assert_array_equal(value, before[name])


@pytest.mark.parametrize("exponent", [2, 4, 6])
def test_the_digits_that_a_subtraction_costs_are_those_it_says(exponent):
    # What is left has 1 / 10**exponent of the variance of what is taken out.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    X[:200] *= 10 ** (exponent / 2)
    whole, part = Moments.from_arrays(X), Moments.from_arrays(X[:200])
    rest, exact = whole.subtract(part), Moments.from_arrays(X[200:])
    error = np.abs(rest.xx - exact.xx).max() / np.diag(exact.xx).min()
    assert error < 50 * rest.precision
    ratio = np.max(np.diag(whole.xx) / np.diag(exact.xx))
    assert_allclose(rest.precision, whole.precision * ratio, rtol=0.01)


def test_a_column_that_varied_only_in_the_part_taken_out_is_constant():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2, 100, 3))
    X[50:, 1], y[50:, 2] = 0.3, 0.7
    sums = [
        Moments.from_arrays(X[rows], y[rows], products=PRODUCTS)
        for rows in (slice(None), slice(50))
    ]
    rest = sums[0].subtract(sums[1])
    assert_array_equal([rest.x2[1], rest.y2[2]], 0)
    assert_array_equal(np.r_[rest.xx[1], rest.xx[:, 1], rest.xy[1], rest.xy[:, 2]], 0)
    assert_array_equal(rest.varies(), [True, False, True])
    assert rest.precision < 1e-14


@pytest.mark.parametrize("order", [1, 3])
def test_subtracting_groups_leaves_the_sums_of_the_others(order):
    given = samples(CLASSES[0])
    rows, labels = given["X"], given["labels"].astype(str)
    out = (np.arange(120) < 30) | (labels == "2")

    def sums(kept):
        return GroupMoments.from_rows(rows[kept], labels[kept], order=order)

    rest, expected = sums(rows[:, 0] > -9).subtract(sums(out)), sums(~out)
    assert_array_equal(rest.groups, ["0", "1", "3", "4"])
    for name in GROUP_PARTS[: 2 if order == 1 else 4]:
        assert_allclose(getattr(rest, name), getattr(expected, name), atol=1e-9)
    with pytest.raises(ValueError, match="or less than none of some group"):
        sums(out).subtract(sums(~out))


def test_groups_that_do_not_vary_any_more_have_no_sums_of_rounding():
    rows = np.random.default_rng(0).normal(size=(60, 2))
    rows[30:, 0] = 0.1
    whole, part = (
        GroupMoments.from_rows(some, np.zeros(len(some)), order=3)
        for some in (rows, rows[:30])
    )
    rest = whole.subtract(part)
    assert_array_equal(np.r_[rest.second[0, 0], rest.third[0, 0].ravel()], 0)
    exact = GroupMoments.from_rows(rows[30:], np.zeros(30), order=3)
    assert_allclose(rest.second, exact.second, atol=1e-12)


def test_groups_of_other_orders_or_widths_are_not_added():
    rows, labels = np.eye(4), [0, 0, 1, 1]
    means = GroupMoments.from_rows(rows, labels, order=1)
    with pytest.raises(ValueError, match="New samples have 3 as the order"):
        means.merge(GroupMoments.from_rows(rows, labels, order=3))
    with pytest.raises(ValueError, match="New samples have 3 as columns"):
        means.subtract(GroupMoments.from_rows(rows[:, :3], labels, order=1))


def _groups(**changes):
    given = samples(CLASSES[0])
    moments = GroupMoments.from_rows(given["X"], given["labels"], order=3)
    return moments.to_dict() | changes


SOUND = _groups()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"groups": [1, 0, 2, 3, 4]}, "not distinct strings or numbers, in order"),
        ({"groups": [[0]]}, "not distinct strings or numbers"),
        ({"groups": []}, "not distinct strings or numbers"),
        ({"counts": np.full(5, 2.5)}, "counts are not positive whole"),
        ({"counts": np.arange(5)}, "counts are not positive whole"),
        ({"means": np.zeros(5)}, r"means is of shape \(5,\)"),
        ({"means": np.full((5, 4), np.nan)}, "means is not finite"),
        ({"precision": 2.0}, "precision is not from 0 to 1"),
        ({"third": None}, r"third is of shape \(\)"),
        ({"second": -SOUND["second"]}, "second has negative eigenvalues"),
        ({"second": SOUND["second"] + np.eye(4, k=1)}, "second is not symmetric"),
        ({"third": 1e3 * SOUND["third"]}, "third is larger than the squares allow"),
    ],
)
def test_malformed_groups_are_not_read(changes, match):
    with pytest.raises(ValueError, match=match):
        GroupMoments.from_dict(_groups(**changes))


def test_classes_that_no_dtype_holds_are_not_written():
    labels = np.array([2**70, 2**70 + 1] * 2, dtype=object)
    moments = GroupMoments.from_rows(np.eye(4), labels, order=1)
    with pytest.raises(ValueError, match="must be strings or numbers that numpy holds"):
        moments.to_dict()


def test_widths_of_the_header_and_of_the_sums_must_agree():
    arrays = CORALAligner().collect(**samples(SIDES[0])).to_dict()
    with pytest.raises(ValueError, match=r"source has the widths \(4,\), with n_feat"):
        Sums.from_dict(arrays | {"n_features": np.array(5)})
    with pytest.raises(ValueError, match="dtype=int8 is neither"):
        Sums.from_dict(arrays | {"dtype": np.array("int8")})
    with pytest.raises(ValueError, match="must be a dict"):
        Sums.from_dict([arrays])
    with pytest.raises(ValueError, match="xy comes without the mean of y"):
        Sums.from_dict(arrays | {"source.xy": np.eye(4)})
