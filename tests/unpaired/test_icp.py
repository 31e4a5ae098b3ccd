import tracemalloc

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skalign import LinearAligner, RigidAligner
from skalign.unpaired import ClassMeanAligner, ICPAligner, MomentAligner
from skalign.unpaired._covariance_map import VarianceMap

MATCHINGS = ["nearest", "mutual", "both", "assignment"]


@pytest.mark.parametrize("matching", MATCHINGS)
@pytest.mark.parametrize(
    "aligner", ["rotation", "covariance", RigidAligner(), LinearAligner(alpha=0)],
    ids=str,
)  # fmt: skip
def test_rows_that_are_near_their_own_are_brought_to_it(turned, matching, aligner):
    X, y = turned
    y = np.random.default_rng(1).permutation(y)
    icp = ICPAligner(aligner, init="identity", matching=matching, max_iter=50)
    icp.fit(X, y)
    assert_allclose(icp.transform(X), turned[1], atol=1e-8)
    assert_allclose(icp.inverse_transform(icp.transform(X)), X, atol=1e-8)
    assert icp.matching_cost_ < 1e-12
    assert_allclose(icp.variance_ratio_, 1)
    assert len(icp.objective_) == icp.n_iter_ + 1
    assert icp.objective_[-1] == icp.matching_cost_


def test_with_nearest_rows_and_a_rigid_map_the_cost_never_rises(make_clouds):
    clouds = make_clouds(300, coef=ortho_group.rvs(3, random_state=0))
    with pytest.warns(ConvergenceWarning, match="after 30 iterations"):
        icp = ICPAligner(
            RigidAligner(), init="identity", matching="nearest", max_iter=30, tol=0
        ).fit(clouds.X, clouds.y)
    assert icp.objective_[0] > icp.objective_[-1]
    assert np.all(np.diff(icp.objective_) <= 1e-12)


@pytest.mark.parametrize("labelled", [True, False])
def test_rows_that_are_not_the_same_items_are_aligned(make_clouds, labelled):
    clouds = make_clouds(3000, 4)
    classes = clouds.classes if labelled else {}
    icp = ICPAligner(random_state=0).fit(clouds.X, clouds.y, **classes)
    error = np.mean((icp.transform(clouds.X) - clouds.truth(clouds.X)) ** 2)
    assert error < 0.01 * np.mean(clouds.y.var(axis=0))
    assert_allclose(icp.variance_ratio_, 1)


def test_least_squares_shrinks_where_rows_are_not_the_same_items(make_clouds):
    clouds = make_clouds(300, 10)
    collapsing = ICPAligner(
        LinearAligner(alpha=0), init="means", matching="nearest", max_iter=40
    )
    with pytest.warns(UserWarning, match="of the variance of the target"):
        collapsing.fit(clouds.X, clouds.y, **clouds.classes)
    assert collapsing.variance_ratio_ < 0.7
    firm = ICPAligner("covariance", init="means", max_iter=40)
    firm.fit(clouds.X, clouds.y, **clouds.classes)
    assert_allclose(firm.variance_ratio_, 1)
    errors = [
        np.mean((icp.transform(clouds.X) - clouds.truth(clouds.X)) ** 2)
        for icp in (firm, collapsing)
    ]
    assert errors[0] < errors[1]


def relative_error(mapped, truth):
    """Mean squared error of mapped rows, as a share of the variance of the truth."""
    return np.mean((mapped - truth) ** 2) / np.mean(truth.var(axis=0))


@pytest.fixture
def strayed():
    """Rows a little turned, and their images among stray rows (one in twenty)."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(400, 5))
    step = 0.05 * rng.normal(size=(5, 5))
    truth = X @ expm(step - step.T) + 0.01
    y = np.vstack([truth, 10 * rng.normal(size=(20, 5))])
    order = rng.permutation(420)
    return X, y[order], truth, order < 400


@pytest.mark.parametrize(
    "aligner",
    [
        RigidAligner(),
        RigidAligner(scaling=True),
        LinearAligner(alpha=0),
        make_pipeline(StandardScaler(), LinearAligner(alpha=0)),
    ],
    ids=str,
)
def test_stray_rows_that_match_no_row_are_not_taken_for_shrinkage(strayed, aligner):
    X, y, truth, _ = strayed
    for source, target, expected in [
        (X, y, truth),
        (y, X, None),  # the stray rows are on the side of the source
    ]:
        icp = ICPAligner(aligner, init="identity", matching="mutual", max_iter=50)
        icp.fit(source, target)  # no warning
        if expected is not None:
            assert relative_error(icp.transform(source), expected) < 1e-20
            assert icp.variance_ratio_ < 0.1


@pytest.mark.parametrize(
    "aligner",
    [None, "rotation", "covariance", LinearAligner(alpha=0), RigidAligner()],
    ids=str,
)  # fmt: skip
def test_stray_rows_that_mislead_the_map_are_found_out(strayed, aligner):
    X, y, truth, kept = strayed
    icp = ICPAligner(aligner, init="identity", max_iter=50)
    with pytest.warns(UserWarning, match="a few outliers distort.* Set trim or max_d"):
        icp.fit(X, y)
    assert relative_error(icp.transform(X), truth) > 1e-3
    for kept_matches in ({"trim": 0.05}, {"max_distance": 1.0}):
        advised = clone(icp).set_params(**kept_matches).fit(X, y)  # no warning
        assert relative_error(advised.transform(X), truth) < 1e-20
    icp.fit(X, y[kept])  # no warning
    assert relative_error(icp.transform(X), truth) < 1e-20


def test_matches_with_one_target_determine_no_map():
    X = np.random.default_rng(0).normal(size=(24, 3))
    y = np.vstack([np.zeros((1, 3)), 100 + 1e-3 * X])
    icp = ICPAligner(init="identity", max_distance=20.0)
    with pytest.raises(ValueError, match="matches that are no strays have equal"):
        icp.fit(X, y)


@pytest.mark.parametrize("shape", [(300, 10), (1000, 4)])
@pytest.mark.parametrize(
    "aligner", [RigidAligner(scaling=True), LinearAligner(alpha=0)], ids=str
)
def test_the_advice_against_shrinkage_helps(make_clouds, aligner, shape):
    clouds = make_clouds(*shape)
    options = {"init": "means", "max_iter": 50}
    shrunk = ICPAligner(aligner, matching="nearest", **options)
    with pytest.warns(UserWarning, match=r"shrunk.*aligner=None.*matching='both'"):
        shrunk.fit(clouds.X, clouds.y, **clouds.classes)
    advised = ICPAligner(None, matching="both", **options)
    advised.fit(clouds.X, clouds.y, **clouds.classes)
    errors = [
        relative_error(icp.transform(clouds.X), clouds.truth(clouds.X))
        for icp in (advised, shrunk)
    ]
    assert errors[0] < 0.5 * errors[1]


def test_a_rotation_is_not_said_to_shrink(make_clouds):
    clouds = make_clouds()
    icp = ICPAligner(RigidAligner(), init="means", matching="nearest", max_iter=50)
    icp.fit(clouds.X, clouds.y, **clouds.classes)  # no warning
    assert icp.variance_ratio_ < 0.7  # the target is 1.5 times as wide


def test_labels_keep_matches_within_a_class():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [1.0, 0.0]])
    labels = np.arange(200) % 2
    X = 0.01 * rng.normal(size=(200, 2)) + centres[labels]
    y = X + [0.9, 0.0]  # either class comes to lie by the other
    names = np.array(["near", "far"])[labels]
    options = {"init": "identity", "max_iter": 1, "tol": 10.0}
    with_labels = ICPAligner(RigidAligner(), **options)
    with_labels.fit(X, y, labels=names, target_labels=names)
    without = ICPAligner(RigidAligner(), **options).fit(X, y)
    assert np.abs(with_labels.transform(X) - y).max() < 0.1
    assert np.abs(without.transform(X) - y).max() > 0.3
    assert_array_equal(with_labels.classes_, ["far", "near"])
    assert without.classes_ is None


def test_no_iteration_returns_the_start(make_clouds):
    clouds = make_clouds()
    icp = ICPAligner(max_iter=0, random_state=0)
    icp.fit(clouds.X, clouds.y, **clouds.classes)
    start = MomentAligner(random_state=0).fit(clouds.X, clouds.y, **clouds.classes)
    assert_array_equal(icp.transform(clouds.X), start.transform(clouds.X))
    assert icp.n_iter_ == 0
    assert len(icp.objective_) == 1


def test_a_fitted_start_is_used_and_another_is_cloned(make_clouds):
    clouds = make_clouds()
    fitted = RigidAligner(scaling=True).fit(clouds.X, clouds.truth(clouds.X))
    icp = ICPAligner(init=fitted, max_iter=0).fit(clouds.X, clouds.y)
    assert_array_equal(icp.transform(clouds.X), fitted.transform(clouds.X))

    means = ClassMeanAligner(RigidAligner(scaling=True))
    icp = ICPAligner(init=means, max_iter=0)
    icp.fit(clouds.X, clouds.y, **clouds.classes)
    assert not hasattr(means, "aligner_")
    expected = means.fit(clouds.X, clouds.y, **clouds.classes)
    assert_array_equal(icp.transform(clouds.X), expected.transform(clouds.X))

    by_name = ICPAligner(init="means", max_iter=0)
    by_name.fit(clouds.X, clouds.y, **clouds.classes)
    expected = ClassMeanAligner().fit(clouds.X, clouds.y, **clouds.classes)
    assert_array_equal(by_name.transform(clouds.X), expected.transform(clouds.X))


def test_the_default_map_depends_on_the_start_and_on_the_rows(make_clouds):
    clouds = make_clouds()
    fits = {
        init: ICPAligner(init=init, random_state=0).fit(
            clouds.X, clouds.y, **clouds.classes
        )
        for init in ("moments", "means")
    }
    assert fits["moments"].aligner_.whiten
    assert fits["means"].aligner_.whiten
    assert fits["means"].n_iter_ > fits["moments"].n_iter_
    few = ICPAligner(init="means", max_iter=50)
    few.fit(clouds.X[:200], clouds.y[:200], labels=clouds.labels[:200],
            target_labels=clouds.target_labels[:200])  # fmt: skip
    assert not few.aligner_.whiten


@pytest.mark.parametrize("n_rows", [99, 100])
def test_a_hundred_rows_a_column_determine_how_they_stretch(n_rows):
    coef = np.array([[1.0, 0.5, 0.0], [0.0, 0.6, 0.2], [0.3, 0.0, 1.4]])
    X = np.random.default_rng(0).gamma(1.0, size=(3 * n_rows, 3))
    icp = ICPAligner(init=FrozenEstimator(LinearAligner().fit(X, X @ coef)))
    mapped = icp.fit(X, X @ coef).transform(X)
    covariances = np.cov(mapped.T), np.cov((X @ coef).T)
    assert np.allclose(*covariances) == (n_rows == 100)


@pytest.mark.parametrize(
    ("init", "stages"),
    [
        ("moments", ["covariance"]),
        ("means", ["rotation", "covariance"]),
        ("identity", ["rotation", "covariance"]),
    ],
)
def test_stages_by_default_are_those_that_the_docstring_names(
    make_clouds, init, stages
):
    clouds = make_clouds(500, coef=ortho_group.rvs(3, random_state=0))
    options = {"init": init, "random_state": 0, "max_iter": 3, "tol": 1e-12}
    schedule = [(stage, 3) for stage in stages]
    icps = [ICPAligner(**options), ICPAligner(schedule, **options)]
    for icp in icps:
        with pytest.warns(ConvergenceWarning):
            icp.fit(clouds.X, clouds.y, **clouds.classes)
    assert_allclose(icps[0].objective_, icps[1].objective_)
    assert icps[0].n_iter_ == 3 * len(stages)


def test_classes_count_alike_when_balanced(make_clouds):
    clouds = make_clouds()
    first = np.flatnonzero(clouds.target_labels == 0)
    often = np.concatenate([np.arange(2100), *[first] * 5])
    classes = {"labels": clouds.labels, "target_labels": clouds.target_labels[often]}
    once = ICPAligner(init="means", matching="nearest")
    once.fit(clouds.X, clouds.y, **clouds.classes)
    # Equal rows, more often: the same neighbours, and the same variance of a class.
    more = ICPAligner(init="means", matching="nearest")
    more.fit(clouds.X, clouds.y[often], **classes)
    assert_allclose(more.transform(clouds.X), once.transform(clouds.X), atol=1e-8)
    uneven = ICPAligner(init="means", matching="nearest", class_weight=None)
    uneven.fit(clouds.X, clouds.y[often], **classes)
    assert np.abs(uneven.transform(clouds.X) - once.transform(clouds.X)).max() > 0.05


@pytest.fixture
def uneven():
    """Three classes of 60, 12 and 4 rows, and of 50, 20 and 5."""
    rng = np.random.default_rng(0)
    labels, target_labels = np.repeat([0, 1, 2], [60, 12, 4]), np.repeat(
        [0, 1, 2], [50, 20, 5]
    )  # fmt: skip
    centres = np.array([[0.0, 0.0], [4.0, 1.0], [1.0, 5.0]])
    X = rng.normal(size=(76, 2)) + centres[labels]
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    y = 2 * (rng.normal(size=(75, 2)) + centres[target_labels]) @ turn + 3
    return X, y, labels, target_labels, 1.8 * turn


def matches_of(mapped, y, labels, target_labels, matching):
    """Matches and their weights, from all distances within each class."""
    rows, columns, weights = [], [], []
    for c in range(3):
        i, j = np.flatnonzero(labels == c), np.flatnonzero(target_labels == c)
        distances = cdist(mapped[i], y[j])
        pairs = [(k, distances[k].argmin()) for k in range(len(i))]
        if matching == "both":
            pairs += [(distances[:, k].argmin(), k) for k in range(len(j))]
        rows.extend(i[k] for k, _ in pairs)
        columns.extend(j[k] for _, k in pairs)
        weights.extend([1 / len(pairs)] * len(pairs))
    return rows, columns, np.array(weights)


@pytest.mark.parametrize("matching", ["nearest", "both"])
@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_matches_of_each_class_count_alike_when_balanced(
    uneven, matching, class_weight
):
    X, y, labels, target_labels, coef = uneven
    start = LinearAligner(alpha=0).fit(X, X @ coef + 3)
    classes = {"labels": labels, "target_labels": target_labels}
    options = {"init": start, "max_iter": 1, "tol": 1e6, "matching": matching}
    icp = ICPAligner(LinearAligner(alpha=0), class_weight=class_weight, **options)
    icp.fit(X, y, **classes)
    rows, columns, weights = matches_of(
        X @ coef + 3, y, labels, target_labels, matching
    )
    root = np.sqrt(weights if class_weight else np.ones(len(rows)))[:, None]
    design = np.column_stack([np.ones(len(rows)), X[rows]])
    solution, *_ = np.linalg.lstsq(root * design, root * y[columns])
    assert_allclose(icp.transform(X), X @ solution[1:] + solution[0])


@pytest.mark.parametrize("kind", ["rotation", "covariance"])
def test_variances_of_the_sides_count_classes_alike_when_balanced(uneven, kind):
    X, y, labels, target_labels, coef = uneven
    start = LinearAligner(alpha=0).fit(X, X @ coef + 3)
    classes = {"labels": labels, "target_labels": target_labels}
    icp = ICPAligner(kind, init=start, max_iter=1, tol=1e6).fit(X, y, **classes)
    covariances = []
    for side, of in ((icp.transform(X), labels), (y, target_labels)):
        weights = 1 / np.bincount(of)[of]
        covariances.append(np.cov(side.T, aweights=weights, ddof=0))
    if kind == "rotation":
        covariances = [np.trace(covariance) for covariance in covariances]
    assert_allclose(*covariances)


def test_a_cost_matrix_beyond_the_working_memory_is_refused(make_clouds):
    clouds = make_clouds()
    icp = ICPAligner(init="means", matching="assignment")
    with sklearn.config_context(working_memory=1):
        with pytest.raises(ValueError, match=r"500 to 525 samples .* 2 MiB.*max_sam"):
            icp.fit(clouds.X, clouds.y, **clouds.classes)
        icp.set_params(max_samples=100, random_state=0)
        icp.fit(clouds.X, clouds.y, **clouds.classes)
    assert icp.matching_cost_ < 0.2


@pytest.mark.parametrize(("limit", "refused"), [(0.9, True), (1, False)])
def test_a_cost_matrix_takes_eight_bytes_an_entry(limit, refused):
    X = np.random.default_rng(0).normal(size=(256, 2))
    y = np.vstack([X, X + 100])  # 256 x 512 entries are a MiB
    icp = ICPAligner("rotation", init="identity", matching="assignment", tol=1)
    with sklearn.config_context(working_memory=limit):
        if refused:
            with pytest.raises(ValueError, match=r"256 to 512 samples needs .* 1 MiB"):
                icp.fit(X, y)
        else:
            icp.fit(X, y)


def test_neighbours_are_found_in_little_memory():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3)).astype("f")
    icp = ICPAligner("rotation", init="identity", max_iter=1, tol=1.0)
    tracemalloc.start()
    icp.fit(X, X[::-1] + np.float32(0.001))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 / 4  # a matrix of distances has 4 bytes an entry


def test_drawn_rows_give_about_the_same_map(make_clouds):
    clouds = make_clouds(3000, 4)
    icp = ICPAligner(max_samples=200, random_state=0)
    icp.fit(clouds.X, clouds.y, **clouds.classes)
    error = np.mean((icp.transform(clouds.X) - clouds.truth(clouds.X)) ** 2)
    assert error < 0.01 * np.mean(clouds.y.var(axis=0))
    again = ICPAligner(max_samples=200, random_state=0)
    again.fit(clouds.X, clouds.y, **clouds.classes)
    assert_array_equal(icp.transform(clouds.X), again.transform(clouds.X))


def test_stopping_early_warns(turned):
    with pytest.warns(ConvergenceWarning, match="1 iterations.*Increase max_iter"):
        ICPAligner("rotation", init="identity", max_iter=1, tol=1e-9).fit(*turned)


@pytest.mark.long
def test_a_start_by_moments_that_is_doubtful_is_passed_on(make_clouds):
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(3000, 4)) * [3, 2, 1.5, 1] for _ in range(2))
    with pytest.warns(UserWarning, match="about Gaussian determine no rotation"):
        ICPAligner(random_state=0, max_iter=100).fit(X, y)
    labels, target_labels = np.arange(3000) % 2, np.arange(3000) % 2
    with pytest.warns(UserWarning, match="another rotation agrees equally well"):
        ICPAligner(random_state=0, max_iter=100).fit(
            X, y, labels=labels, target_labels=target_labels
        )
    few = make_clouds(60, 12)
    with pytest.warns(UserWarning, match="60 samples are few for 12 axes"):
        ICPAligner(random_state=0, max_iter=100).fit(few.X, few.y, **few.classes)
    clouds = make_clouds(4000, 8)
    rare = np.flatnonzero((clouds.target_labels > 1) | (np.arange(4100) % 5 == 0))
    with pytest.warns(UserWarning, match="class proportions may differ"):
        ICPAligner(random_state=0, max_iter=100).fit(clouds.X, clouds.y[rare])


def test_starts_that_do_not_suit_are_refused(make_clouds):
    clouds = make_clouds(coef=np.eye(3)[:, :2])
    with pytest.raises(ValueError, match="equal widths: X has 3 columns, y has 2"):
        ICPAligner(init="identity").fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="ClassMeanAligner needs labels"):
        ICPAligner(init="means").fit(clouds.X, clouds.y)
    with pytest.raises(ValueError, match="Classes on both sides: 0"):
        ICPAligner(init=RigidAligner().fit(clouds.X, clouds.y[:2000])).fit(
            clouds.X, clouds.y, labels=np.zeros(2000), target_labels=np.ones(2100)
        )


def test_one_sided_classes_are_left_out_and_named(make_clouds):
    clouds = make_clouds()
    start = RigidAligner(scaling=True).fit(clouds.X, clouds.truth(clouds.X))
    kept = clouds.target_labels < 3
    icp = ICPAligner("covariance", init=start)
    with pytest.warns(UserWarning, match="only in labels are ignored: 3"):
        icp.fit(clouds.X, clouds.y[kept], labels=clouds.labels,
                target_labels=clouds.target_labels[kept])  # fmt: skip
    assert_array_equal(icp.classes_, [0, 1, 2])
    error = np.mean((icp.transform(clouds.X) - clouds.truth(clouds.X)) ** 2)
    assert error < 0.01 * np.mean(clouds.y.var(axis=0))
    with pytest.warns(UserWarning, match="are ignored") as caught:
        ICPAligner(init="means").fit(
            clouds.X, clouds.y[kept], labels=clouds.labels,
            target_labels=clouds.target_labels[kept],
        )  # fmt: skip
    assert len(caught) == 1  # and not once more by the start


class Watch:
    """A callback that keeps what it is told."""

    def __init__(self, stop_after=None):
        self.stop_after, self.ended, self.begun = stop_after, [], 0

    def setup(self, estimator, context):
        self.open = True

    def teardown(self, estimator, context):
        self.open = False

    def on_fit_task_begin(self, estimator, context):
        self.begun += 1

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "iteration":
            self.ended.append(fitted_estimator.transform(X))
        return len(self.ended) == self.stop_after


def test_callbacks_are_told_of_each_iteration(make_clouds):
    clouds = make_clouds()
    watch = Watch()
    icp = ICPAligner(init="means", random_state=0).set_callbacks(watch)
    icp.fit(clouds.X, clouds.y, **clouds.classes)
    assert len(watch.ended) == icp.n_iter_
    assert watch.begun == icp.n_iter_ + 1  # the whole fit is a task too
    assert_allclose(watch.ended[-1], icp.transform(clouds.X))
    assert not watch.open


def test_a_callback_can_stop_the_fit(make_clouds):
    clouds = make_clouds()
    watch = Watch(stop_after=2)
    icp = ICPAligner(init="means").set_callbacks(watch)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations"):
        icp.fit(clouds.X, clouds.y, **clouds.classes)
    assert icp.n_iter_ == 2


def test_a_failed_fit_tears_callbacks_down_and_leaves_the_aligner_as_it_was(turned):
    X, y = turned
    watch = Watch()
    icp = ICPAligner("rotation", init="identity").set_callbacks(watch).fit(X, y)
    before = icp.transform(X)
    icp.set_params(matching="assignment")
    with (
        sklearn.config_context(working_memory=0.01),
        pytest.raises(ValueError, match="cost matrix"),
    ):
        icp.fit(X, y)
    assert_array_equal(icp.transform(X), before)
    assert not watch.open


def test_pandas_output_changes_no_number(turned):
    pytest.importorskip("pandas")
    X, y = turned
    expected = ICPAligner(RigidAligner(), init="identity").fit(X, y).transform(X)
    with sklearn.config_context(transform_output="pandas"):
        ours = ICPAligner(RigidAligner(), init="identity").fit(X, y).transform(X)
    assert_array_equal(ours.to_numpy(), expected)
    assert list(ours.columns) == ["icpaligner0", "icpaligner1"]


def test_a_map_learnt_from_a_few_pairs_is_a_start_if_it_stays_fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)) + 3 * rng.integers(3, size=(60, 1))
    y = X @ ortho_group.rvs(4, random_state=0)
    few, order = RigidAligner().fit(X[:10], y[:10]), rng.permutation(60)
    aligner = ICPAligner("rotation", init=FrozenEstimator(few), random_state=0)
    assert_allclose(clone(aligner).fit(X, y[order]).transform(X), y, atol=1e-10)
    with pytest.raises(ValueError, match=r"is learnt from pairs, .* not fitted"):
        clone(aligner.set_params(init=few)).fit(X, y[order])


def test_equal_target_rows_are_refused_from_the_identity_too():
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="All samples of a side are equal"):
        ICPAligner(init="identity").fit(X, np.full((20, 3), 0.1))


def test_a_target_whose_first_row_is_the_least_is_aligned(turned):
    X, y = turned
    y = np.vstack([y.min(axis=0), y])
    icp = ICPAligner("rotation", init="identity", max_iter=50).fit(X, y)
    assert_allclose(icp.transform(X), turned[1], atol=0.05)


@pytest.mark.filterwarnings("ignore:(ICP|Moment)Aligner")
@pytest.mark.filterwarnings("ignore:The mapped samples have")
@pytest.mark.parametrize("labelled", [False, True])
def test_with_strays_on_one_side_the_map_is_that_of_the_others(
    make_clouds, rng, labelled
):
    clouds = make_clouds(1000, same_rows=True)
    strays = clouds.X.mean(axis=0) + 15 + rng.normal(size=(428, 3))  # 30 % of all
    X = np.concatenate([clouds.X, strays])
    classes = {}
    if labelled:
        labels = np.concatenate([clouds.labels, rng.integers(4, size=428)])
        classes = {"labels": labels, "target_labels": clouds.target_labels}
    clean = ICPAligner(random_state=0).fit(
        clouds.X, clouds.y, **(clouds.classes if labelled else {})
    )
    trimmed = ICPAligner(
        init=MomentAligner(trim=(0.3, 0), random_state=0), trim=0.2, random_state=0
    )
    trimmed.fit(X, clouds.y, **classes)
    truth = clouds.truth(clouds.X)
    assert relative_error(clean.transform(clouds.X), truth) < 1e-4
    assert relative_error(trimmed.transform(clouds.X), truth) < 1e-4
    assert_allclose(trimmed.variance_ratio_, 1, rtol=0.02)
    strayed = ICPAligner(random_state=0).fit(X, clouds.y, **classes)
    assert relative_error(strayed.transform(clouds.X), truth) > 0.1


@pytest.mark.filterwarnings("ignore:MomentAligner may have failed")
def test_the_initial_map_by_moments_is_trimmed_too(make_clouds, rng):
    clouds = make_clouds(1000, same_rows=True)
    X, y = (
        np.concatenate([rows, rows.mean(axis=0) + 15 + rng.normal(size=(250, 3))])
        for rows in (clouds.X, clouds.y)
    )
    icp = ICPAligner(trim=0.2, max_iter=0, random_state=0).fit(X, y)
    expected = MomentAligner(trim=0.2, random_state=np.random.RandomState(0)).fit(X, y)
    assert_allclose(icp.transform(X), expected.transform(X))


def test_trimmed_costs_never_rise(turned, rng):
    X = np.concatenate([turned[0], rng.uniform(2, 9, size=(30, 2))])
    with pytest.warns(ConvergenceWarning):
        icp = ICPAligner(
            RigidAligner(), init="identity", matching="nearest", trim=0.3, max_iter=9,
            tol=0,
        ).fit(X, turned[1] + 0.1)  # fmt: skip
    costs = icp.objective_
    assert np.all(np.diff(costs) <= 1e-9)


@pytest.mark.parametrize("aligner", ["rotation", "covariance"])
def test_a_mirrored_cloud_is_turned_but_not_mirrored_on_request(turned, aligner):
    X, y = turned
    y = y * [1, -1]
    maps = [
        ICPAligner(
            aligner, init=init, allow_reflection=allowed, max_iter=50, random_state=0
        ).fit(X, y)
        for init, allowed in ((VarianceMap(False).fit(X, y), True), ("identity", False))
    ]
    coefs = [icp.aligner_.coef_ for icp in maps]
    assert [np.sign(np.linalg.det(coef)) for coef in coefs] == [-1, 1]
    assert maps[0].matching_cost_ < 1e-20 < maps[1].matching_cost_
