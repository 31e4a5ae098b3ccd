import re
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from skalign import LinearAligner, RigidAligner
from skalign.unpaired import ClassMeanAligner, ICPAligner, MomentAligner


def class_means(rows, labels):
    return np.array([rows[labels == c].mean(axis=0) for c in np.unique(labels)])


@pytest.mark.parametrize(
    "aligner", [None, RigidAligner(scaling=True), LinearAligner(alpha=0)], ids=str
)
def test_the_aligner_is_fitted_to_the_class_means(make_clouds, aligner):
    clouds = make_clouds()
    ours = ClassMeanAligner(aligner).fit(clouds.X, clouds.y, **clouds.classes)
    means = [
        class_means(clouds.X, clouds.labels),
        class_means(clouds.y, clouds.target_labels),
    ]
    expected = clone(aligner or LinearAligner()).fit(*means)
    assert_allclose(ours.transform(clouds.X), expected.transform(clouds.X))
    assert_array_equal(ours.classes_, [0, 1, 2, 3])


def test_enough_classes_fix_a_similarity_whatever_the_rows(make_clouds):
    clouds = make_clouds(same_rows=True)
    aligner = ClassMeanAligner(RigidAligner(scaling=True))
    aligner.fit(clouds.X, clouds.y, **clouds.classes)
    assert_allclose(aligner.transform(clouds.X), clouds.truth(clouds.X))
    assert_allclose(aligner.inverse_transform(clouds.y) @ clouds.coef,
                    clouds.y - clouds.shift)  # fmt: skip


def test_classes_may_count_by_their_size(make_clouds):
    clouds = make_clouds()
    kept = (clouds.labels > 0) | (np.arange(2000) % 10 == 0)
    X, labels = clouds.X[kept], clouds.labels[kept]
    ours = ClassMeanAligner(LinearAligner(alpha=1.0), weight_by_size=True)
    ours.fit(X, clouds.y, labels=labels, target_labels=clouds.target_labels)
    shares = [np.bincount(side) / len(side) for side in (labels, clouds.target_labels)]
    expected = LinearAligner(alpha=1.0).fit(
        class_means(X, labels),
        class_means(clouds.y, clouds.target_labels),
        sample_weight=2 * (shares[0] + shares[1]),
    )
    assert_allclose(ours.aligner_.coef_, expected.coef_)
    with pytest.raises(ValueError, match="sample_weight; that of Unweighted does not"):
        ClassMeanAligner(Unweighted(), weight_by_size=True).fit(
            X, clouds.y, labels=labels, target_labels=clouds.target_labels
        )


class Unweighted(RigidAligner):
    def fit(self, X, y):
        return super().fit(X, y)


def test_batches_and_merged_sides_give_what_fit_gives(make_clouds):
    clouds = make_clouds()
    whole = ClassMeanAligner().fit(clouds.X, clouds.y, **clouds.classes)
    source = ClassMeanAligner()
    for part in np.array_split(np.arange(2000), 3):
        source.partial_fit(clouds.X[part], labels=clouds.labels[part])
    target = ClassMeanAligner().partial_fit(
        y=clouds.y, target_labels=clouds.target_labels
    )
    assert not hasattr(source, "classes_")
    merged = source.merge(target)
    assert_allclose(merged.transform(clouds.X), whole.transform(clouds.X))
    assert target.n_targets_ == 3
    with pytest.raises(AttributeError):
        _ = target.n_features_in_


def test_merging_with_an_aligner_that_saw_nothing_is_refused(make_clouds):
    clouds = make_clouds()
    aligner = ClassMeanAligner().fit(clouds.X, clouds.y, **clouds.classes)
    with pytest.raises(ValueError, match="has no samples yet"):
        aligner.merge(ClassMeanAligner())


def test_one_sided_classes_are_left_out_and_named(make_clouds):
    clouds = make_clouds()
    names = np.array(["a", "b", "c", "d"])[clouds.labels]
    of_three = clouds.target_labels < 3
    target_names = np.array(["a", "b", "c"])[clouds.target_labels[of_three]]
    X, y = clouds.X[:, :2], clouds.y[of_three, :2]  # as many columns as means fix
    aligner = ClassMeanAligner(RigidAligner())
    with pytest.warns(UserWarning, match="only in labels are ignored: 'd'"):
        aligner.fit(X, y, labels=names, target_labels=target_names)
    assert_array_equal(aligner.classes_, ["a", "b", "c"])
    kept = clouds.labels < 3
    without = ClassMeanAligner(RigidAligner()).fit(
        X[kept], y, labels=names[kept], target_labels=target_names
    )
    assert_allclose(aligner.aligner_.coef_, without.aligner_.coef_)


def test_missing_labels_and_too_few_classes_are_refused(make_clouds):
    clouds = make_clouds()
    with pytest.raises(ValueError, match="ClassMeanAligner needs labels; got None"):
        ClassMeanAligner().fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="needs target_labels; got None"):
        ClassMeanAligner().fit(clouds.X, clouds.y, labels=clouds.labels)
    with pytest.raises(ValueError, match="both sides: 1; at least 2 are needed"):
        ClassMeanAligner().fit(
            clouds.X, clouds.y, labels=np.full(2000, 1),
            target_labels=clouds.target_labels,
        )  # fmt: skip


@pytest.mark.parametrize(("n_classes", "rest"), [(10, ""), (11, ", ...")])
def test_ten_classes_are_named_in_an_error(n_classes, rest):
    X, labels = np.eye(n_classes), np.arange(n_classes)
    message = f"labels has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9{rest}; target_labels has 20"
    with pytest.raises(ValueError, match=re.escape(message)):
        ClassMeanAligner().fit(X, X, labels=labels, target_labels=labels + 20)


def test_any_transformer_of_pairs_will_do_and_may_have_no_inverse(make_clouds):
    class Scaled(StandardScaler):  # compares nothing, inverts nothing
        inverse_transform = property()

    clouds = make_clouds()
    aligner = ClassMeanAligner(Scaled()).fit(clouds.X, clouds.y, **clouds.classes)
    assert_array_equal(aligner.transform_target(clouds.y), clouds.y)
    assert not hasattr(aligner, "inverse_transform")
    assert list(aligner.get_feature_names_out()) == [
        f"classmeanaligner{i}" for i in range(3)
    ]


def test_a_failed_fit_leaves_the_aligner_as_it_was(make_clouds):
    clouds = make_clouds()
    aligner = ClassMeanAligner().fit(clouds.X, clouds.y, **clouds.classes)
    before = aligner.transform(clouds.X)
    with pytest.raises(ValueError, match="NaN"):
        aligner.fit(clouds.X * np.nan, clouds.y, **clouds.classes)
    assert_array_equal(aligner.transform(clouds.X), before)


def test_strings_and_numbers_are_no_common_classes():
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(60, 2)), np.arange(60) % 3
    message = "target_labels numbers: no class is the same"
    with pytest.raises(ValueError, match=f"labels holds strings, but {message}"):
        ClassMeanAligner().fit(X, X, labels=labels.astype(str), target_labels=labels)
    names = {"labels": labels.astype(str), "target_labels": labels.astype(str)}
    aligner = ClassMeanAligner()
    aligner.partial_fit(X, X, labels=labels, target_labels=labels)
    with pytest.raises(
        ValueError, match="samples before holds numbers, but labels str"
    ):
        aligner.partial_fit(X, X, **names)
    assert_array_equal(aligner.classes_, [0, 1, 2])


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (np.nan, "labels holds NaN"),
        (None, "labels holds None"),
        (7, "labels mixes strings and other values"),
    ],
)
@pytest.mark.parametrize("kind", [list, lambda names: np.array(names, dtype=object)])
def test_names_that_are_missing_or_mixed_are_refused(make_clouds, first, message, kind):
    clouds = make_clouds()
    names = [f"class {label}" for label in clouds.labels]
    names = kind([first, *names[1:]])
    with pytest.raises(ValueError, match=message):
        ClassMeanAligner().fit(clouds.X, clouds.X, labels=names, target_labels=names)


def test_many_small_classes_have_their_means():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(3000) // 2)
    X = rng.normal(size=(3000, 2))
    y = X @ [[1.0, 2.0], [3.0, -1.0]] + 1
    aligner = ClassMeanAligner(LinearAligner(alpha=0))
    aligner.fit(X, y[::-1], labels=labels, target_labels=labels[::-1])
    assert_allclose(aligner.transform(X), y)


@pytest.mark.parametrize(
    "aligner",
    [None, LinearAligner(alpha=0), RigidAligner(), RigidAligner(scaling=True)],
    ids=str,
)
@pytest.mark.parametrize("widths", [(6, 6), (6, 4), (4, 6)])
def test_directions_without_a_difference_of_means_go_to_the_mean(aligner, widths):
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    centres = 3 * rng.normal(size=(3, 6))
    coef = np.linalg.qr(rng.normal(size=(6, 6)))[0][: widths[0], : widths[1]]
    X = centres[labels, : widths[0]] + rng.normal(size=(600, widths[0]))
    y = X @ coef + rng.normal(size=(600, widths[1])) / 4
    classes = {"labels": labels, "target_labels": labels}
    ours = ClassMeanAligner(aligner)
    with pytest.warns(UserWarning, match="determine 2 of [46] directions.*to the mean"):
        ours.fit(X, y, **classes)
    assert ours.determined_rank_ == 2
    mapped = ours.transform(X)
    means = class_means(y, labels)
    _, _, axes = np.linalg.svd(means - means.mean(axis=0))
    outside = (mapped - means.mean(axis=0)) @ axes[2:].T
    assert_allclose(outside, 0, atol=1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the same directions
        plain = clone(aligner or LinearAligner()).fit(class_means(X, labels), means)
    errors = [np.mean((rows - X @ coef) ** 2) for rows in (mapped, plain.transform(X))]
    assert errors[0] <= errors[1] + 1e-12


def test_single_precision_changes_nothing_with_one_class_more_than_columns():
    labels = np.arange(48) % 4
    for seed in range(20):
        rng = np.random.default_rng(seed)
        X = rng.gamma([1, 2, 4], size=(48, 3)) * [1, 0.6, 0.4]
        X += 3 * rng.normal(size=(4, 3))[labels]
        turn = ortho_group.rvs(3, random_state=seed)
        y = (X @ turn + 0.1 * rng.normal(size=X.shape))[:41]
        answers = [
            ClassMeanAligner()
            .fit(*sides, labels=labels, target_labels=labels[:41])
            .transform(sides[0])
            for sides in ((X, y), (X.astype(np.float32), y.astype(np.float32)))
        ]
        assert_allclose(*answers, rtol=0, atol=1e-4 * np.abs(X).max())


ALIGNERS = [
    ClassMeanAligner(),
    MomentAligner(random_state=0),
    ICPAligner(random_state=0),
]


@pytest.mark.filterwarnings("ignore:.*may have failed")
@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_minus_one_is_a_class_of_one_side_among_strings_too(make_clouds, aligner):
    clouds = make_clouds(200)
    names = np.array(["a", "b", "c", "d", "e", "f", "g", "h"], dtype=object)
    labels, target = names[clouds.labels], names[clouds.target_labels]
    known = np.arange(len(target)) % 3 > 0
    some = np.where(known, target, -1)
    expected = aligner.fit(
        clouds.X, clouds.y[known], labels=labels, target_labels=target[known]
    ).transform(clouds.X)
    with pytest.warns(UserWarning, match="are ignored: .*'-1'"):
        aligner.fit(clouds.X, clouds.y, labels=labels, target_labels=some)
    assert_allclose(aligner.transform(clouds.X), expected)


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_continuous_numbers_are_no_labels(make_clouds, aligner):
    clouds = make_clouds(200)
    with pytest.raises(ValueError, match="target_labels must hold one class"):
        aligner.fit(
            clouds.X, clouds.y, labels=clouds.labels, target_labels=clouds.y[:, 0]
        )


def test_batches_of_target_rows_keep_their_columns():
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(40, 2)), np.arange(40) % 4
    y = pd.DataFrame(rng.normal(size=(40, 2)), columns=["u", "v"])
    passed = {"labels": labels, "target_labels": labels}
    aligner = ClassMeanAligner().partial_fit(X, y, **passed)
    assert list(aligner.target_names_in_) == ["u", "v"]
    with pytest.raises(ValueError, match="must be in the same order"):
        aligner.partial_fit(X, y[["v", "u"]], **passed)
    aligner.partial_fit(X, y, **passed)
    with pytest.raises(ValueError, match="Expected 2D array, got scalar"):
        ClassMeanAligner().partial_fit(X, 3.0, labels=labels)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_may_be_as_large_as_their_squares_allow(make_clouds, method):
    clouds = make_clouds(200)
    aligner = ClassMeanAligner()
    getattr(aligner, method)(2.0**400 * clouds.X, clouds.y, **clouds.classes)
    means = class_means(clouds.X, clouds.labels)
    assert_allclose(aligner.source_moments_.means, 2.0**400 * means)


@pytest.mark.parametrize("n_columns", [2, 4])
def test_batches_of_another_width_are_refused(make_clouds, n_columns):
    clouds = make_clouds(200)
    aligner = ClassMeanAligner().partial_fit(clouds.X, clouds.y, **clouds.classes)
    other = np.ones((20, n_columns))
    with pytest.raises(ValueError, match=f"has {n_columns} columns, .* before have 3"):
        aligner.partial_fit(y=other, target_labels=np.arange(20) % 4)
