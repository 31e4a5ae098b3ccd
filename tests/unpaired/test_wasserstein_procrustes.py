from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from scipy.stats import ortho_group
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning

from skalign import LinearAligner
from skalign.unpaired import WassersteinProcrustesAligner, _soft_matching
from skalign.unpaired._covariance_map import spread_of
from skalign.unpaired._known_pairs import kept_positions
from skalign.unpaired._moment_start import pair_cost
from skalign.unpaired._soft_matching import Schedule, SoftMatching, transport_plan

doubtful = pytest.mark.filterwarnings(
    "ignore:WassersteinProcrustesAligner may have failed"
)


def on_few_rows(**parameters):
    return WassersteinProcrustesAligner(
        **{"n_restarts": 15, "n_starts": 1, "max_samples": 500, "random_state": 0}
        | parameters
    )


def mean_error(aligner, clouds):
    """Mean squared error as a share of the variance of the target."""
    errors = (aligner.transform(clouds.X) - clouds.truth(clouds.X)) ** 2
    return np.mean(errors) / np.mean(clouds.y.var(axis=0))


@pytest.mark.parametrize("init", ["auto", "moments"])
def test_shuffled_rows_of_a_linear_map_are_all_found(make_clouds, init):
    coef = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.4], [0.2, 0.0, 1.2]])
    clouds = make_clouds(same_rows=True, coef=coef)
    aligner = on_few_rows(init=init)
    aligner.fit(clouds.X, clouds.y)
    assert aligner.map_ == "least_squares"
    assert_allclose(aligner.coef_, coef, atol=1e-5)
    assert 0 <= aligner.matching_cost_ < 1e-5


@pytest.mark.long
def test_shuffled_noisy_rows_are_mapped_as_well_as_pairs_would(make_clouds):
    clouds = make_clouds(3000, 8, same_rows=True)
    rng = np.random.default_rng(0)
    y = clouds.y + 0.1 * rng.normal(size=clouds.y.shape)
    aligner = on_few_rows().fit(clouds.X, y)
    paired = LinearAligner().fit(clouds.X, clouds.truth(clouds.X))
    assert_allclose(aligner.coef_, paired.coef_, atol=0.02)
    assert aligner.map_ == "least_squares"


@pytest.mark.long
def test_rows_that_are_not_the_same_items_are_aligned_without_shrinking(make_clouds):
    clouds = make_clouds(3000, 10)
    aligner = on_few_rows(max_samples=None, n_restarts=50).fit(clouds.X, clouds.y)
    assert aligner.map_ == "covariance"
    assert aligner.matching_cost_ > 0.1
    assert mean_error(aligner, clouds) < 0.02
    mapped = aligner.transform(clouds.X)
    assert_allclose(np.cov(mapped.T, ddof=0), np.cov(clouds.y.T, ddof=0), atol=1e-10)


@doubtful
def test_least_squares_can_be_asked_for_and_refused(make_clouds):
    clouds = make_clouds(500, 6)
    shrunk = on_few_rows(least_squares=True)
    shrunk.fit(clouds.X, clouds.y)
    assert shrunk.map_ == "least_squares"
    variances = shrunk.transform(clouds.X).var(axis=0).sum(), clouds.y.var(axis=0).sum()
    assert variances[0] < 0.95 * variances[1]
    dense = make_clouds(300, same_rows=True)
    kept = on_few_rows(least_squares=False)
    assert kept.fit(dense.X, dense.y).map_ == "covariance"


def test_with_few_rows_the_map_is_a_rotation_with_a_scale(make_clouds):
    clouds = make_clouds(800, 10, seed=2)
    aligner = on_few_rows(n_restarts=50).fit(clouds.X, clouds.y)
    assert aligner.map_ == "rotation"
    square = aligner.coef_.T @ aligner.coef_
    assert_allclose(square, np.eye(10) * square[0, 0], atol=1e-10)
    assert mean_error(aligner, clouds) < 0.1


def test_without_iterations_the_start_is_returned(make_clouds):
    clouds = make_clouds(600, 4)
    aligner = on_few_rows(max_iter=0)
    aligner.fit(clouds.X, clouds.y)
    assert aligner.map_ == "rotation"
    assert aligner.n_iter_ == 0
    refined = on_few_rows().fit(clouds.X, clouds.y)
    assert refined.matching_cost_ < aligner.matching_cost_
    assert refined.n_iter_ > 0


@pytest.mark.long
@doubtful
def test_known_pairs_decide_where_moments_cannot():
    rng = np.random.default_rng(0)
    spreads = np.linspace(2, 1, 4)
    turn = ortho_group.rvs(4, random_state=0)
    X = rng.normal(size=(2000, 4)) * spreads
    y = rng.normal(size=(2000, 4)) * spreads @ turn
    y[:8] = X[100:108] @ turn
    pairs = np.column_stack([np.arange(100, 108), np.arange(8)])
    aligner = on_few_rows(init="moments")
    with_pairs = aligner.fit(X, y, pairs=pairs).transform(X)
    assert np.mean((with_pairs - X @ turn) ** 2) < 0.1 * np.mean(y**2)
    without = aligner.fit(X, y).transform(X)
    assert np.mean((without - X @ turn) ** 2) > 0.5 * np.mean(y**2)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            [[0.5, 1.0]],
            r"integers of shape \(n_pairs, 2\).*got float64 of shape \(1, 2.*0.5, 1",
        ),
        ([[0, 1, 2]], r"got int64 of shape \(1, 3\)"),
        ([[0, 1], [2000, 1]], r"2000 of X, which has 2000 samples.*\(2000, 1\)"),
        ([[0, -1]], r"-1 of y, which has 2100.*\(0, -1\)"),
        ([[5, 1], [0, 7], [5, 3]], r"\(5, 1\) and \(5, 3\) share position 5 of X"),
        ([[5, 1], [6, 1]], r"\(5, 1\) and \(6, 1\) share position 1 of y"),
    ],
)
def test_pairs_are_positions_of_samples_one_to_one(make_clouds, pairs, message):
    clouds = make_clouds()
    with pytest.raises(ValueError, match=message):
        on_few_rows().fit(clouds.X, clouds.y, pairs=pairs)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 1], r"integers of shape \(2000,\).*got int64 of shape \(2,\)"),
        (np.full(2000, 2100), "2100 of y, which has 2100"),
        (np.zeros(2000, int), r"\(0, 0\) and \(1, 0\) share position 0 of y"),
        (np.full(2000, np.nan), "got float64"),
    ],
)
def test_the_index_of_pairs_holds_positions_one_to_one(make_clouds, index, message):
    clouds = make_clouds()
    with pytest.raises(ValueError, match=f"pair_index.*{message}"):
        on_few_rows().fit(clouds.X, clouds.y, pair_index=index)


def test_pairs_are_given_in_one_way_only(make_clouds):
    clouds = make_clouds()
    with pytest.raises(ValueError, match="pairs or pair_index, not both"):
        on_few_rows().fit(
            clouds.X, clouds.y, pairs=[[0, 0]], pair_index=np.full(2000, -1)
        )


@doubtful
@pytest.mark.filterwarnings("ignore:WassersteinProcrustesAligner stopped")
def test_the_index_of_pairs_says_what_pairs_say(make_clouds):
    clouds = make_clouds(300)
    index = np.full(300, -1)
    index[[3, 9]] = 12, 5
    few = {"init": "moments", "max_iter": 2, "n_restarts": 3}
    fits = [
        on_few_rows(**few).fit(clouds.X, clouds.y, **known).coef_
        for known in ({"pairs": [[3, 12], [9, 5]]}, {"pair_index": index}, {})
    ]
    assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])
    empty = on_few_rows(**few).fit(clouds.X, clouds.y, pair_index=index * 0 - 1)
    assert_array_equal(empty.coef_, fits[2])


def test_gaussian_rows_are_found_out():
    rng = np.random.default_rng(0)
    X, y = (rng.normal(size=(3000, 4)) * [3, 2, 1.5, 1] for _ in range(2))
    with pytest.warns(UserWarning, match="about Gaussian determine no rotation"):
        on_few_rows(init="moments").fit(X, y)


@pytest.mark.long
def test_a_gaussian_part_of_skewed_rows_is_found_out():
    rng = np.random.default_rng(0)
    X, y = (
        np.hstack([rng.gamma(1.0, size=(2000, 3)), rng.normal(size=(2000, 2))])
        for _ in range(2)
    )
    aligner = on_few_rows(init="moments", n_restarts=50)
    with pytest.warns(UserWarning, match="another map has a similar agreement"):
        aligner.fit(X, y @ ortho_group.rvs(5, random_state=0))


def test_too_few_rows_are_found_out(make_clouds):
    clouds = make_clouds(200, 12)
    with pytest.warns(UserWarning, match="there are too few samples"):
        on_few_rows().fit(clouds.X, clouds.y)


@pytest.mark.long
def test_shifted_class_shares_are_found_out(make_clouds):
    clouds = make_clouds(4000, 8)
    rare = np.flatnonzero((clouds.target_labels > 1) | (np.arange(4100) % 5 == 0))
    with pytest.warns(UserWarning, match="class proportions may differ"):
        on_few_rows().fit(clouds.X, clouds.y[rare])


def test_stopping_early_warns(make_clouds):
    clouds = make_clouds(1200, 10)
    with pytest.warns(ConvergenceWarning, match="after 1 iterations"):
        on_few_rows(max_iter=1, tol=0).fit(clouds.X, clouds.y)


@pytest.mark.parametrize("widths", [(3, 5), (5, 3)])
def test_widths_may_differ(make_clouds, widths):
    semi = ortho_group.rvs(5, random_state=0)[:3]
    clouds = make_clouds(same_rows=True, coef=semi)
    X, y = (clouds.X, clouds.y) if widths == (3, 5) else (clouds.y, clouds.X)
    aligner = on_few_rows().fit(X, y)
    assert aligner.coef_.shape == widths
    truth = clouds.truth(X) if widths == (3, 5) else (X - clouds.shift) @ semi.T
    assert_allclose(aligner.transform(X), truth, atol=1e-4)


@doubtful
def test_the_seed_determines_the_map(make_clouds):
    clouds = make_clouds(300, 3)
    maps = [
        on_few_rows(max_samples=100, n_restarts=5, random_state=seed)
        .fit(clouds.X, clouds.y)
        .coef_
        for seed in (0, 0, np.random.RandomState(0))
    ]
    assert_array_equal(maps[0], maps[1])
    assert_array_equal(maps[0], maps[2])


def test_the_cost_of_pairs_is_a_share_of_the_variance_of_the_target():
    X, y = np.random.default_rng(0).normal(size=(2, 20, 3)) * 2
    pairs = np.array([[3, 7], [5, 5], [0, 19]])
    fit = SimpleNamespace(aligner=LinearAligner().fit(X, y))
    left = fit.aligner.transform(X)[[3, 5, 0]] - y[[7, 5, 19]]
    expected = np.sum(left**2) / 3 / y.var(axis=0).sum()
    assert_allclose(pair_cost(fit, X, y, pairs), expected)


@pytest.fixture(scope="module")
def topics():
    """Samples of 40 topics in 30 dimensions, half of them seen by each encoder."""
    rng = np.random.default_rng(0)
    spreads = np.linspace(1.5, 0.5, 30)
    topic = rng.choice(40, size=2000, p=rng.dirichlet(np.ones(40)))
    rows = rng.normal(size=(40, 30))[topic] * spreads
    rows += 0.3 * rng.normal(size=rows.shape)
    turn = ortho_group.rvs(30, random_state=0)
    X = rows[:1000] + 0.2 * rng.normal(size=(1000, 30))
    y = (rows[1000:] + 0.2 * rng.normal(size=(1000, 30))) @ turn
    return SimpleNamespace(X=X, y=y, turn=turn, topic=topic, spreads=spreads)


def cosine(aligner, topics):
    mapped = aligner.transform(topics.X) - aligner.y_mean_
    truth = (topics.X - aligner.x_mean_) @ topics.turn
    return np.sum(mapped * truth) / np.linalg.norm(mapped) / np.linalg.norm(truth)


@pytest.mark.long
@doubtful
def test_matched_clusters_start_the_search(topics):
    aligner = on_few_rows(init="clusters", n_starts=4).fit(topics.X, topics.y)
    assert cosine(aligner, topics) > 0.95
    assert aligner.confidence_ > 0.3
    assert aligner.objectives_.keys() == {"clusters"}
    assert aligner.identity_objective_ < aligner.objective_ <= 1
    aligner.fit(topics.X, topics.y @ topics.turn.T)
    assert_allclose(aligner.identity_objective_, aligner.objective_, atol=0.02)


@doubtful
def test_the_identity_needs_equal_widths(topics):
    aligner = on_few_rows(max_iter=0, init="moments", n_restarts=3)
    assert np.isnan(aligner.fit(topics.X, topics.y[:, :29]).identity_objective_)


@pytest.mark.long
@doubtful
def test_distant_matches_are_not_fitted_one_by_one(topics):
    noisy = [
        side + np.random.default_rng(i).normal(size=side.shape)
        for i, side in enumerate((topics.X, topics.y))
    ]
    aligner = on_few_rows(n_starts=2).fit(*noisy)
    assert aligner.matching_cost_ > 0.5
    assert aligner.map_ == "rotation"
    scale = np.linalg.norm(aligner.coef_, 2)
    assert_allclose(aligner.coef_ @ aligner.coef_.T, scale**2 * np.eye(30), atol=1e-6)


@pytest.mark.long
@doubtful
def test_confidence_falls_if_there_is_no_common_map(topics):
    other = np.random.default_rng(1).normal(size=(800, 30)) * topics.spreads
    aligner = on_few_rows(init="clusters", n_starts=2)
    with pytest.warns(UserWarning, match="is below 0.04"):
        aligner.fit(topics.X, other)
    assert aligner.confidence_ < 0.04


@pytest.mark.long
@doubtful
def test_confidence_is_multiplied_by_the_agreement_with_a_second_solve(topics):
    aligner = on_few_rows(init="clusters", n_starts=1, second_solve=True)
    aligner.fit(topics.X, topics.y)
    assert -1 <= aligner.agreement_ <= 1
    once = on_few_rows(init="clusters", n_starts=1).fit(topics.X, topics.y)
    assert_allclose(aligner.coef_, once.coef_)
    assert_allclose(aligner.confidence_, once.confidence_ * max(aligner.agreement_, 0))
    assert np.isnan(once.agreement_)


def test_few_pairs_start_the_search(topics):
    rows = np.random.default_rng(2).normal(size=(20, 30)) * topics.spreads
    X, y = np.vstack([rows, topics.X]), np.vstack([rows @ topics.turn, topics.y])
    pairs = np.column_stack([np.arange(20), np.arange(20)])
    aligner = on_few_rows(init="moments").fit(X, y, pairs=pairs)
    assert cosine(aligner, topics) > 0.9
    assert "pairs" in aligner.objectives_


def test_labels_confine_matches(topics):
    labels, target_labels = topics.topic[:1000] % 6, topics.topic[1000:] % 6
    aligner = on_few_rows(init="moments")
    labelled = aligner.fit(
        topics.X, topics.y, labels=labels, target_labels=target_labels
    )
    assert cosine(labelled, topics) > 0.9


@pytest.mark.long
@doubtful
def test_jobs_do_not_change_the_map(topics):
    maps = [
        on_few_rows(init="clusters", n_starts=2, n_jobs=n_jobs, max_iter=0)
        .fit(topics.X, topics.y)
        .coef_
        for n_jobs in (1, 2)
    ]
    assert_allclose(*maps, atol=1e-8)


@doubtful
@pytest.mark.filterwarnings("ignore:WassersteinProcrustesAligner stopped")
def test_no_plan_exceeds_the_working_memory(topics, monkeypatch):
    sizes = []

    def recorded(similarities):
        sizes.append(similarities.nbytes)
        return transport_plan(similarities)

    monkeypatch.setattr(_soft_matching, "transport_plan", recorded)
    with config_context(working_memory=1):
        on_few_rows(init="moments", n_restarts=2, max_iter=1).fit(topics.X, topics.y)
    assert 2 * max(sizes) <= 2**20


class Stopping:
    """Callback that counts tasks and asks to stop after the first."""

    def __init__(self):
        self.n_tasks = 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **said):
        pass

    def on_fit_task_end(self, estimator, context, **said):
        self.n_tasks += 1
        return True


@doubtful
def test_a_callback_can_stop_the_search(topics):
    watch = Stopping()
    aligner = on_few_rows(init="clusters", n_starts=3, max_iter=0)
    aligner.set_callbacks(watch).fit(topics.X, topics.y)
    assert watch.n_tasks == 4  # one of the rivals, of the starts and their consensus
    assert aligner.objective_ > 0


@doubtful
@pytest.mark.parametrize("labelled", [False, True])
def test_with_strays_on_one_side_the_map_is_that_of_the_others(
    make_clouds, rng, labelled
):
    clouds = make_clouds(350, same_rows=True)
    strays = clouds.X.mean(axis=0) + 15 + rng.normal(size=(150, 3))  # 30 % of all
    X, classes = np.concatenate([strays, clouds.X]), {}
    if labelled:
        labels = np.concatenate([np.arange(150) % 4, clouds.labels])
        classes = {"labels": labels, "target_labels": clouds.target_labels}
    few = {"init": "moments", "max_iter": 50}
    trimmed = on_few_rows(trim=(0.3, 0.0), **few).fit(X, clouds.y, **classes)
    assert mean_error(trimmed, clouds) < 1e-10
    strayed = on_few_rows(**few).fit(X, clouds.y, **classes)
    assert mean_error(strayed, clouds) > 0.1


@doubtful
def test_matches_beyond_a_distance_are_left_out_of_the_refinement(make_clouds):
    clouds = make_clouds(300, same_rows=True)
    X, y = clouds.X, clouds.y.copy()
    y[:30] += 2.0
    errors = []
    for max_distance in (None, 0.3):
        aligner = on_few_rows(init="moments", max_iter=50, max_distance=max_distance)
        errors.append(mean_error(aligner.fit(X, y), clouds))
    assert errors[1] < 0.1 * errors[0]


@doubtful
def test_known_pairs_are_not_trimmed(make_clouds):
    clouds = make_clouds(200, same_rows=True)
    far = clouds.X[:20] + [50, 0, 0]
    X, y = np.vstack([clouds.X, far]), np.vstack([clouds.y, clouds.truth(far)])
    pairs = np.column_stack([np.arange(200, 220)] * 2)
    aligner = on_few_rows(init="moments", n_restarts=5, trim=0.2, max_iter=0)
    aligner.fit(X, y, pairs=pairs)
    assert "pairs" in aligner.objectives_
    assert mean_error(aligner, clouds) < 0.05


def test_positions_of_pairs_among_samples_that_are_kept():
    pairs = np.array([[7, 2], [1, 5], [4, 0]])
    source, target, found = kept_positions(pairs, np.array([0, 1, 9]), np.arange(3))
    assert_array_equal(source, [0, 1, 4, 7, 9])
    assert_array_equal(target, [0, 1, 2, 5])
    assert_array_equal(
        np.column_stack([source[found[:, 0]], target[found[:, 1]]]), pairs
    )
    assert kept_positions(None, source, target)[2] is None


@doubtful
@pytest.mark.filterwarnings("ignore:WassersteinProcrustesAligner stopped")
def test_the_best_proper_rotation_is_found_on_request(make_clouds):
    clouds = make_clouds(190, coef=np.diag([1.0, -1.0]), n_features=2, same_rows=True)
    X, y = clouds.X, clouds.y
    aligner = on_few_rows(init="moments", allow_reflection=False).fit(X, y)
    assert aligner.map_ == "rotation"  # few samples
    assert_allclose(np.linalg.det(aligner.coef_), 1)  # of equal variance
    costs = []
    for angle in np.linspace(0, 2 * np.pi, 360):
        turn = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        squares = cdist((X - X.mean(axis=0)) @ turn, y - y.mean(axis=0), "sqeuclidean")
        costs.append(np.mean([squares.min(axis=0), squares.min(axis=1)]))
    best = np.min(costs) / y.var(axis=0).sum()
    assert aligner.matching_cost_ < 1.01 * best
    mirrored = on_few_rows(init="moments").fit(X, y)
    assert np.linalg.det(mirrored.coef_) < 0
    assert mirrored.matching_cost_ < 1e-10 < best


def test_least_squares_may_reflect(make_clouds):
    aligner = on_few_rows(least_squares=True, allow_reflection=False)
    with pytest.raises(ValueError, match="least_squares=True may fit a reflection"):
        aligner.fit(np.eye(3), np.eye(3))


@pytest.mark.parametrize("sign", [1, -1])
def test_rotations_of_all_axes_are_proper_whatever_the_signs_of_axes(rng, sign):
    X, y = rng.normal(size=(2, 40, 3))
    spreads = [spread_of(X), spread_of(y)]
    spreads[0] = spreads[0]._replace(vectors=spreads[0].vectors * [1, sign, 1])
    matching = SoftMatching.from_rows(
        X, y, spreads, np.random.RandomState(0), allow_reflection=False
    )
    for cross in rng.normal(size=(4, 3, 3)):
        rotation, product = matching.nearest(cross)
        turned = Rotation.align_vectors(cross.T, np.eye(3))[0].as_matrix()
        assert_allclose(rotation, turned, atol=1e-10)
        assert_allclose(product, np.vdot(turned, cross))
        assert np.linalg.det(matching.map_of(rotation).coef_) > 0
        rotation = matching.refine(rotation, Schedule(2, 40, (2, 3)))
        assert_allclose(np.linalg.det(rotation), 1, rtol=1e-5)
    assert_allclose(np.linalg.det(matching.consensus([-np.eye(3), cross])), 1)
