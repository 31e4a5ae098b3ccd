import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group

from skalign.unpaired import MomentAligner
from skalign.unpaired._moment import (
    block_weights,
    differ_by_chance,
    shell_doubts,
    shell_sides,
    warn_of_doubts,
)
from skalign.unpaired._moment_matching import Agreement, Blocks, Optimum

# Few rows: what is tested is not how sure the aligner is.
doubtful = pytest.mark.filterwarnings("ignore:MomentAligner may have failed")


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("kind", ["auto", "rotation"])
def test_a_similarity_of_shuffled_rows_is_recovered(make_clouds, labelled, kind):
    clouds = make_clouds(same_rows=True)
    aligner = MomentAligner(kind, random_state=0)
    aligner.fit(clouds.X, clouds.y, **(clouds.classes if labelled else {}))
    assert_allclose(aligner.transform(clouds.X), clouds.truth(clouds.X), atol=1e-4)
    assert_allclose(aligner.inverse_transform(clouds.y), _back(clouds), atol=1e-4)
    assert_allclose(aligner.objective_, 1, atol=1e-6)
    assert aligner.next_objective_ < aligner.objective_
    assert aligner.n_restarts_at_best_ > 1


def _back(clouds):
    return (clouds.y - clouds.shift) @ np.linalg.inv(clouds.coef)


@pytest.mark.parametrize("labelled", [False, True])
def test_the_covariance_exact_map_recovers_any_linear_map(make_clouds, labelled):
    coef = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.4], [0.2, 0.0, 1.2]])
    clouds = make_clouds(same_rows=True, coef=coef)
    aligner = MomentAligner("covariance", random_state=0)
    aligner.fit(clouds.X, clouds.y, **(clouds.classes if labelled else {}))
    assert_allclose(aligner.coef_, coef, atol=1e-4)


@pytest.mark.parametrize("labelled", [False, True])
def test_rows_that_are_not_the_same_items_are_aligned(make_clouds, labelled):
    clouds = make_clouds(10_000, 4)
    aligner = MomentAligner(random_state=0)
    aligner.fit(clouds.X, clouds.y, **(clouds.classes if labelled else {}))
    error = np.mean((aligner.transform(clouds.X) - clouds.truth(clouds.X)) ** 2)
    assert error < 0.01 * np.mean(clouds.y.var(axis=0))


def test_the_covariance_of_the_target_is_matched_exactly(make_clouds):
    clouds = make_clouds(5000, 4)
    mapped = MomentAligner("covariance", random_state=0).fit_transform(
        clouds.X, clouds.y
    )
    assert_allclose(np.cov(mapped.T, ddof=0), np.cov(clouds.y.T, ddof=0), atol=1e-10)
    assert_allclose(mapped.mean(axis=0), clouds.y.mean(axis=0))


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_widths_may_differ(make_clouds, widths):
    semi = ortho_group.rvs(5, random_state=0)[:3]
    clouds = make_clouds(same_rows=True, coef=semi)
    X, y = clouds.X, clouds.y
    if widths == (5, 3):
        X, y = y, X
    aligner = MomentAligner(random_state=0).fit(X, y)
    assert aligner.coef_.shape == widths
    assert aligner.n_components_ == 3
    truth = clouds.truth(X) if widths == (3, 5) else (X - clouds.shift) @ semi.T
    assert_allclose(aligner.transform(X), truth, atol=1e-4)


def test_turning_the_source_turns_the_map(make_clouds):
    clouds = make_clouds(3000)
    turn = ortho_group.rvs(3, random_state=5)
    coef = MomentAligner(random_state=0).fit(clouds.X, clouds.y).coef_
    turned = MomentAligner(random_state=0).fit(clouds.X @ turn, clouds.y).coef_
    assert_allclose(turn @ turned, coef, atol=1e-3)


@doubtful
def test_with_many_columns_the_leading_axes_are_aligned(make_clouds):
    coef = np.eye(12) * np.r_[3, 3, 3, np.full(9, 0.01)]
    wide = make_clouds(3000, 12, same_rows=True)
    X = wide.X @ coef
    y = wide.truth(wide.X) @ np.linalg.inv(wide.coef) @ coef
    y = y @ ortho_group.rvs(12, random_state=3)
    aligner = MomentAligner(n_components=3, random_state=0).fit(X, y)
    assert np.linalg.matrix_rank(aligner.coef_) == aligner.n_components_ == 3
    classes = {"labels": wide.labels, "target_labels": wide.target_labels}
    labelled = MomentAligner(n_components=3, random_state=0).fit(X, y, **classes)
    assert np.linalg.matrix_rank(labelled.coef_) == 3
    assert labelled.source_moments_ is None  # sums of reduced rows do not add up
    with pytest.raises(ValueError, match="n_components=3 features; got 12"):
        MomentAligner(n_components=3).partial_fit(X, labels=wide.labels)


def test_batches_and_merged_sides_give_what_fit_gives(make_clouds):
    clouds = make_clouds()
    whole = MomentAligner(random_state=0).fit(clouds.X, clouds.y, **clouds.classes)
    batches = MomentAligner(random_state=0)
    for part in np.array_split(np.arange(len(clouds.X)), 3):
        batches.partial_fit(clouds.X[part], labels=clouds.labels[part])
    batches.partial_fit(y=clouds.y, target_labels=clouds.target_labels)
    assert_allclose(batches.coef_, whole.coef_, atol=1e-5)

    source = MomentAligner(random_state=0).partial_fit(clouds.X, labels=clouds.labels)
    target = MomentAligner().partial_fit(y=clouds.y, target_labels=clouds.target_labels)
    assert_allclose(source.merge(target).coef_, whole.coef_, atol=1e-5)
    assert_array_equal(source.transform(clouds.X), source.transform(clouds.X))


def test_a_refused_batch_changes_nothing(make_clouds):
    clouds = make_clouds()
    aligner = MomentAligner(random_state=0).fit(clouds.X, clouds.y, **clouds.classes)
    before = aligner.coef_.copy()
    with pytest.raises(ValueError, match=r"2 columns, .* seen before have 3"):
        aligner.partial_fit(
            clouds.X, clouds.y[:, :2], labels=clouds.labels,
            target_labels=clouds.target_labels,
        )  # fmt: skip
    with pytest.raises(ValueError, match="pass labels"):
        aligner.partial_fit(clouds.X)
    assert_array_equal(aligner.coef_, before)
    assert aligner.source_moments_.counts.sum() == len(clouds.X)
    free = MomentAligner(random_state=0).fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="kept no sums"):
        free.partial_fit(clouds.X, labels=clouds.labels)
    with pytest.raises(TypeError, match="cannot be merged with str"):
        free.merge("sums")


def test_class_shares_may_differ_when_classes_are_balanced(make_clouds):
    clouds = make_clouds()
    plain = MomentAligner(random_state=0).fit(clouds.X, clouds.y, **clouds.classes)
    rare = np.flatnonzero(clouds.target_labels < 2)
    often = np.concatenate([np.arange(len(clouds.y)), *[rare] * 4])
    shifted = clouds.y[often], clouds.target_labels[often]
    aligner = MomentAligner(random_state=0)
    aligner.fit(clouds.X, shifted[0], labels=clouds.labels, target_labels=shifted[1])
    # Not equal: how noisy each block is, is judged from the number of rows.
    assert_allclose(aligner.coef_, plain.coef_, atol=1e-3)
    assert_allclose(aligner.x_mean_, plain.x_mean_)
    by_size = MomentAligner(class_weight=None, random_state=0)
    by_size.fit(clouds.X, shifted[0], labels=clouds.labels, target_labels=shifted[1])
    assert np.abs(by_size.x_mean_ - plain.x_mean_).max() > 0.1


def test_labels_may_be_strings_and_one_sided_classes_are_left_out_by_name(make_clouds):
    clouds = make_clouds()
    names = np.array(["a", "b", "c", "d"])
    aligner = MomentAligner(random_state=0)
    plain = aligner.fit(clouds.X, clouds.y, **clouds.classes).coef_
    named = {name: names[values] for name, values in clouds.classes.items()}
    assert_array_equal(aligner.fit(clouds.X, clouds.y, **named).coef_, plain)

    rows, more = np.zeros((3, 3)), np.array(["z"] * 3)
    with pytest.warns(UserWarning, match="only in labels are ignored: 'z'"):
        aligner.fit(
            np.vstack([clouds.X, rows]),
            clouds.y,
            labels=np.concatenate([named["labels"], more]),
            target_labels=named["target_labels"],
        )
    assert_array_equal(aligner.coef_, plain)
    assert_array_equal(aligner.classes_, names)


def test_less_than_two_shared_classes_are_refused(make_clouds):
    clouds = make_clouds()
    with pytest.raises(ValueError, match=r"Classes on both sides: 0.*has 0, 1, 2, 3"):
        MomentAligner().fit(
            clouds.X, clouds.y, labels=clouds.labels,
            target_labels=clouds.target_labels + 10,
        )  # fmt: skip
    with pytest.raises(ValueError, match="labels has 2 entries for 2000 samples"):
        MomentAligner().fit(clouds.X, clouds.y, labels=[0, 1], target_labels=[0])


def test_labels_of_one_side_alone_are_not_used(make_clouds):
    clouds = make_clouds()
    aligner = MomentAligner(random_state=0)
    expected = aligner.fit(clouds.X, clouds.y).coef_
    assert_array_equal(
        aligner.fit(clouds.X, clouds.y, labels=clouds.labels).coef_, expected
    )
    assert aligner.classes_ is None


@pytest.mark.parametrize("same_rows", [True, False])
def test_gaussian_rows_are_found_out(same_rows):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 4)) * [3, 2, 1.5, 1]
    y = rng.normal(size=(5000, 4)) * [3, 2, 1.5, 1]
    with pytest.warns(UserWarning, match="about Gaussian determine no rotation"):
        MomentAligner(random_state=0).fit(X, rng.permutation(X) if same_rows else y)


@pytest.mark.parametrize("n_columns_moved", [1, 5])
def test_gaussian_classes_that_fix_no_rotation_are_found_out(n_columns_moved):
    rng = np.random.default_rng(0)
    turn = ortho_group.rvs(5, random_state=0)
    sides, labels = [], []
    for _ in range(2):
        labels.append(rng.integers(2, size=4000))
        step = 2.0 * (np.arange(5) < n_columns_moved)
        rows = rng.normal(size=(4000, 5)) * [3, 2, 1.5, 1, 0.7]
        sides.append(rows + labels[-1][:, None] * step)
    with pytest.warns(UserWarning, match="another rotation agrees equally well"):
        MomentAligner(random_state=0).fit(
            sides[0], sides[1] @ turn, labels=labels[0], target_labels=labels[1]
        )


def test_classes_in_all_directions_fix_the_rotation_of_gaussian_rows():
    rng = np.random.default_rng(0)
    turn = ortho_group.rvs(5, random_state=0)
    centres = 2 * rng.normal(size=(10, 5))
    labels, target_labels = rng.integers(10, size=(2, 4000))
    X, y = (rng.normal(size=(4000, 5)) + centres[c] for c in (labels, target_labels))
    aligner = MomentAligner(random_state=0)  # no warning
    aligner.fit(X, y @ turn, labels=labels, target_labels=target_labels)
    error = np.mean((aligner.transform(X) - X @ turn) ** 2)
    assert error < 0.01 * np.mean(y.var(axis=0))


def test_a_gaussian_part_of_skewed_rows_is_found_out():
    rng = np.random.default_rng(0)
    X, y = (
        np.hstack([rng.gamma(1.0, size=(3000, 3)), rng.normal(size=(3000, 2))])
        for _ in range(2)
    )
    with pytest.warns(UserWarning, match="another rotation agrees equally well"):
        MomentAligner(random_state=0).fit(X, y @ ortho_group.rvs(5, random_state=0))


def test_too_few_rows_are_found_out(make_clouds):
    clouds = make_clouds(240, 12)
    with pytest.warns(UserWarning, match="there are too few samples"):
        aligner = MomentAligner(random_state=0).fit(clouds.X, clouds.y)
    assert aligner.map_ == "rotation"
    few = make_clouds(60, 12)
    with pytest.warns(UserWarning, match="60 samples are few for 12 axes"):
        MomentAligner(random_state=0).fit(few.X, few.y, **few.classes)


def test_shifted_class_shares_are_found_out_without_labels(make_clouds):
    clouds = make_clouds(4000, 8)
    rare = np.flatnonzero((clouds.target_labels > 1) | (np.arange(4100) % 5 == 0))
    with pytest.warns(UserWarning, match="class proportions may differ"):
        aligner = MomentAligner(random_state=0).fit(clouds.X, clouds.y[rare])
    assert aligner.share_difference_ > 0.05
    fair = MomentAligner(random_state=0).fit(clouds.X, clouds.y)  # no warning
    assert fair.share_difference_ < 0.05


def test_shapes_that_do_not_agree_are_found_out():
    rng = np.random.default_rng(0)
    X = rng.gamma(1.0, size=(5000, 4))
    y = rng.gamma(1.0, size=(5000, 4)) ** 2 @ rng.normal(size=(4, 4)) - X[:, ::-1]
    with pytest.warns(UserWarning, match=r"may have failed"):
        MomentAligner(random_state=0).fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [1, 0.1, 1e6 + 0.1])  # the mean of 0.1 is rounded
def test_rows_that_are_all_equal_are_refused(make_clouds, value, dtype):
    clouds = make_clouds()
    with pytest.raises(ValueError, match="All samples of a side are equal"):
        MomentAligner().fit(np.full((50, 3), value, dtype=dtype), clouds.y)


@doubtful
def test_a_constant_column_is_mapped_to_nothing(make_clouds):
    clouds = make_clouds(same_rows=True)
    X = np.column_stack([clouds.X, np.full(len(clouds.X), 7.0)])
    aligner = MomentAligner(random_state=0).fit(X, clouds.y)
    assert_allclose(aligner.transform(X), clouds.truth(clouds.X), atol=1e-4)
    assert_allclose(aligner.coef_[3], 0, atol=1e-12)


def test_single_precision_gives_the_same_map(make_clouds):
    clouds = make_clouds()
    aligner = MomentAligner(random_state=0)
    double = aligner.fit(clouds.X, clouds.y).coef_
    single = aligner.fit(clouds.X.astype("f"), clouds.y.astype("f")).coef_
    assert single.dtype == np.float32
    assert_allclose(single, double, atol=1e-3)


@doubtful
def test_the_seed_determines_the_map(make_clouds):
    clouds = make_clouds(500, 12)
    maps = [
        MomentAligner(n_restarts=5, random_state=seed).fit(clouds.X, clouds.y).coef_
        for seed in (0, 0, np.random.RandomState(0))
    ]
    assert_array_equal(maps[0], maps[1])
    assert_array_equal(maps[0], maps[2])


@pytest.mark.parametrize(
    ("noise", "difference", "doubts"),
    [
        (0.2, 0.05, []),
        (0.21, 0.05, ["third moments are 21% noise: there are too few samples"]),
        (0.5, 0.0, ["third moments are 50% noise: there are too few samples"]),
        (0.51, -0.1, ["samples that are about Gaussian determine no rotation"]),
        (0.1, 0.06, ["the proportions of both sides in clusters differ by 0.06 more"]),
        (1.0, 0.3, ["samples that are about Gaussian", "differ by 0.30 more"]),
    ],
)
def test_doubts_without_labels(noise, difference, doubts):
    found = shell_doubts(noise, difference)
    assert len(found) == len(doubts)
    assert all(part in text for part, text in zip(doubts, found, strict=True))


def test_blocks_count_by_what_is_no_noise_of_either_side():
    first, second = (
        SimpleNamespace(signal=np.array(signal))
        for signal in ([0.9, 0.4, 0.0], [0.4, 0.4, 1.0])
    )
    signal, weights = block_weights(first, second)
    assert_allclose(signal, [0.6, 0.4, 0])
    assert_allclose(weights, [0.6, 0.4, 0])
    nothing = SimpleNamespace(signal=np.zeros(3))
    assert_allclose(block_weights(first, nothing), [[0, 0, 0], [1 / 3] * 3])


@pytest.mark.parametrize("gaussian", [False, True])
def test_a_difference_within_the_noise_of_its_entries_is_chance(gaussian):
    # In one dimension, means and third moments agree or are opposite: by 1 or -1.
    blocks = Blocks(np.ones((1, 1)), np.ones((1, 1, 1)), np.ones((1, 1, 1)))

    def side(signal, n_entries, skewness_noise):
        return SimpleNamespace(
            blocks=lambda k: blocks,
            n_entries=lambda k: np.array(n_entries),
            signal=np.array(signal),
            skewness_noise=skewness_noise,
        )

    source = side([0.9, 0.5, 0.8], [10, 20, 30], 0.1)
    target = side([0.7, 0.5, 0.6], [20, 10, 25], 1.0 if gaussian else 0.2)
    weights = np.array([0.5, 0.3, 0.2])
    # 4 times the squared weight, the difference, and the noise of the fewer entries.
    variance = 4 * 2 * (0.5**2 * 0.2 / 10 + 0.2**2 * 0.3 / 25)
    limit = (1 + gaussian) * np.sqrt(variance)
    for factor, by_chance in ((0.99, True), (1.01, False)):
        for sides in ((source, target), (target, source)):
            optima = [
                Optimum(np.eye(1), 0.9, 1),
                Optimum(-np.eye(1), 0.9 - factor * limit, 1),
            ]
            assert differ_by_chance(*sides, weights, optima) == by_chance


@pytest.mark.parametrize(
    ("n_restarts", "objective", "doubtful"),
    [(1, 0.9, True), (2, 0.9, False), (1, 0.95, False)],
)
def test_one_start_alone_is_doubtful_unless_moments_agree(
    n_restarts, objective, doubtful
):
    aligner = SimpleNamespace(objective_=objective, n_restarts_at_best_=n_restarts)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warn_of_doubts(aligner, [])
    found = ["only one initial rotation" in str(w.message) for w in said]
    assert found == [True] * doubtful


@pytest.mark.parametrize("sizes", [(7, 90), (90, 7)])
def test_shells_have_two_rows_of_either_side(sizes):
    X, y = (np.random.default_rng(0).gamma(1.0, size=(n, 2)) for n in sizes)
    sides = shell_sides(X, y, n_shells=8, n_axes=2)
    assert [len(side.blocks(2).means) for side in sides] == [3, 3]


def _strayed(rows, share, rng):
    """Add strays far away, so that they are a share of all samples."""
    n = round(len(rows) * share / (1 - share))
    strays = rows.mean(axis=0) + 15 + rng.normal(size=(n, rows.shape[1]))
    return np.concatenate([rows, strays])


@doubtful
def test_strays_on_one_side_are_left_out(make_clouds, rng):
    clouds = make_clouds(same_rows=True)
    X = _strayed(clouds.X, 0.3, rng)
    coef = MomentAligner(trim=(0.3, 0), random_state=0).fit(X, clouds.y).coef_
    clean = MomentAligner(random_state=0).fit(clouds.X, clouds.y).coef_
    assert_allclose(coef, clean, atol=1e-10)
    assert_allclose(clean, clouds.coef, atol=1e-4)
    strayed = MomentAligner(random_state=0).fit(X, clouds.y).coef_
    assert np.abs(strayed - clouds.coef).max() > 0.5


@doubtful
def test_both_sides_are_trimmed_alike(make_clouds, rng):
    clouds = make_clouds(same_rows=True)
    X, y = _strayed(clouds.X, 0.2, rng), _strayed(clouds.y, 0.2, rng)
    coef = MomentAligner(trim=0.3, random_state=0).fit(X, y).coef_
    assert_allclose(coef, clouds.coef, atol=1e-4)


@doubtful
def test_strays_of_a_class_are_those_far_from_its_centre(make_clouds, rng):
    clouds = make_clouds(same_rows=True)
    X, labels = clouds.X.copy(), clouds.labels
    for c in np.unique(labels):
        members = np.flatnonzero(labels == c)
        X[members[: len(members) // 10]] += 30
    far = np.flatnonzero(np.abs(X - clouds.X).sum(axis=1))
    aligner = MomentAligner(trim=(0.1, 0), random_state=0)
    aligner.fit(X, clouds.y, **clouds.classes)
    clean = MomentAligner(random_state=0).fit(
        np.delete(X, far, axis=0),
        clouds.y,
        labels=np.delete(labels, far),
        target_labels=clouds.target_labels,
    )
    assert_allclose(aligner.coef_, clean.coef_, atol=1e-10)


@doubtful
def test_reflections_are_refused_in_streams(make_clouds):
    clouds = make_clouds(same_rows=True, coef=np.diag([1.0, 1.0, -1.0]))
    aligner = MomentAligner(allow_reflection=False, random_state=0)
    fitted = aligner.fit(clouds.X, clouds.y, **clouds.classes).coef_
    aligner = MomentAligner(allow_reflection=False, random_state=0)
    streamed = aligner.partial_fit(clouds.X, clouds.y, **clouds.classes).coef_
    assert_allclose(streamed, fitted, atol=1e-6)


def test_trimming_needs_all_samples(make_clouds):
    clouds = make_clouds(same_rows=True)
    with pytest.raises(ValueError, match=r"trim=0\.1 needs all samples at once"):
        MomentAligner(trim=0.1).partial_fit(clouds.X, clouds.y, **clouds.classes)


@doubtful
@pytest.mark.parametrize("kind", ["rotation", "covariance"])
@pytest.mark.parametrize("labelled", [False, True])
def test_reflections_are_refused_on_request(make_clouds, kind, labelled):
    clouds = make_clouds(same_rows=True, coef=np.diag([1.0, 1.0, -1.0]))
    classes = clouds.classes if labelled else {}
    for allowed, sign in ((True, -1), (False, 1)):
        aligner = MomentAligner(kind, allow_reflection=allowed, random_state=0)
        coef = aligner.fit(clouds.X, clouds.y, **classes).coef_
        assert aligner.determined_rank_ == 3  # reversed alone, none is a rotation
        assert np.sign(np.linalg.det(coef)) == sign


@doubtful
def test_the_best_proper_rotation_is_found(make_clouds):
    clouds = make_clouds(same_rows=True, coef=np.diag([1.0, -1.0]), n_features=2)
    aligner = MomentAligner("rotation", allow_reflection=False, random_state=0)
    aligner.fit(clouds.X, clouds.y)
    sides = shell_sides(clouds.X, clouds.y, n_shells=8, n_axes=100)
    agreement = Agreement(
        sides[0].blocks(2), sides[1].blocks(2), block_weights(*sides)[1]
    )
    angles = np.linspace(-np.pi, np.pi, 5000)
    turns = np.array([[[c, s], [-s, c]] for c, s in zip(
        np.cos(angles), np.sin(angles), strict=True
    )])  # fmt: skip
    values = agreement(sides[0].axes.T @ turns @ sides[1].axes)[0]
    assert_allclose(aligner.objective_, values.max(), atol=1e-5)
    assert aligner.objective_ < 0.99
    assert_allclose(aligner.coef_, turns[values.argmax()], atol=2e-3)


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_between_different_widths_each_reflection_is_a_rotation(make_clouds, widths):
    clouds = make_clouds(same_rows=True, coef=ortho_group.rvs(5, random_state=0)[:3])
    X, y = (clouds.X, clouds.y) if widths == (3, 5) else (clouds.y, clouds.X)
    coefs = [
        MomentAligner(allow_reflection=allowed, random_state=0).fit(X, y).coef_
        for allowed in (True, False)
    ]
    assert_array_equal(*coefs)
