import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning

from skalign import OptimalTransportAligner

ot = pytest.importorskip("ot")


def clouds(n_samples=40, n_target_samples=30, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    y = 2 * rng.normal(size=(n_target_samples, n_features)) + 4
    return X, y


def centred_cost(X, y):
    cost = cdist(X - X.mean(axis=0), y - y.mean(axis=0), "sqeuclidean")
    return cost / np.median(cost)


def weights(plan):
    return [np.full(n, 1 / n) for n in plan.shape]


@pytest.mark.parametrize("options", [{"reg": 0}, {"reg": 1.0}, {"reg": 0.05}])
def test_the_plan_sends_all_rows_in_equal_shares(options):
    X, y = clouds()
    plan = OptimalTransportAligner(**options).fit(X, y).plan_
    assert (plan >= 0).all()
    assert np.abs(plan.sum(axis=1) - 1 / 40).sum() < 1e-4
    assert np.abs(plan.sum(axis=0) - 1 / 30).sum() < 1e-4


def test_rows_are_found_again_far_from_the_origin():
    X, y = clouds()
    aligner = OptimalTransportAligner(reg=0).fit(X + 1e8, y + 1e8)
    expected = OptimalTransportAligner(reg=0).fit(X, y).transform(X)
    assert_allclose(aligner.transform(X + 1e8) - 1e8, expected, atol=1e-6)


def test_the_exact_plan_is_the_best_assignment_and_that_of_POT():
    X, y = clouds(25, 25)
    aligner = OptimalTransportAligner(reg=0).fit(X, y)
    _, partner = linear_sum_assignment(cdist(X, y, "sqeuclidean"))
    assert_allclose(aligner.transform(X), y[partner])
    assert_allclose(aligner.plan_, ot.da.EMDTransport().fit(Xs=X, Xt=y).coupling_)


@pytest.mark.parametrize("reg", [1.0, 0.05])
def test_the_entropic_plan_is_that_of_POT_on_the_same_cost(reg):
    X, y = clouds()
    plan = OptimalTransportAligner(reg, tol=1e-9).fit(X, y).plan_
    expected = ot.sinkhorn(*weights(plan), centred_cost(X, y), reg, stopThr=1e-12)
    assert_allclose(plan, expected, atol=1e-8)


def test_costs_far_beyond_what_exp_can_hold_are_solved_as_in_the_log_domain():
    X, y = clouds(30, 30, n_features=2)
    X[0] = 30  # far away
    cost = centred_cost(X, y)
    assert np.exp(-cost / 0.1).min() == 0
    plan = OptimalTransportAligner(0.1).fit(X, y).plan_
    expected = ot.bregman.sinkhorn_log(*weights(plan), cost, 0.1, stopThr=1e-4)
    assert np.abs(plan - expected).sum() < 1e-3


def test_a_thousand_rows_converge_though_POT_absorbs_their_scalings_for_ever():
    X, y = clouds(1000, 1000, n_features=2)
    assert OptimalTransportAligner(0.1, max_iter=100).fit(X, y).n_iter_ < 100


def test_a_small_reg_nears_the_exact_plan():
    X, y = clouds(30, 30, n_features=2)
    cost = centred_cost(X, y)
    entropic = OptimalTransportAligner(5e-3).fit(X, y).plan_
    exact = OptimalTransportAligner(reg=0).fit(X, y).plan_
    assert_allclose((entropic * cost).sum(), (exact * cost).sum(), rtol=0.02)


def test_new_rows_are_mapped_as_POT_maps_them():
    X, y = clouds()
    aligner = OptimalTransportAligner().fit(X, y)
    pot = ot.da.EMDTransport().fit(Xs=X, Xt=y)
    pot.coupling_ = aligner.plan_
    assert_allclose(aligner.transform(X), pot.transform(Xs=X))
    new = clouds(seed=1)[0]
    assert_allclose(aligner.transform(new), pot.transform(Xs=new))


def test_reg_means_the_same_at_any_scale_and_place_of_either_side():
    X, y = clouds()
    mapped = OptimalTransportAligner().fit_transform(X, y)
    scaled = OptimalTransportAligner().fit_transform(1e5 * X, 1e5 * y)
    assert_allclose(scaled / 1e5, mapped, atol=1e-8)
    shift = np.array([50.0, -20.0, 10.0])
    moved = OptimalTransportAligner().fit_transform(X, y + shift)
    assert_allclose(moved - shift, mapped, atol=1e-7)


def test_the_order_of_rows_does_not_matter():
    X, y = clouds()
    labels = np.arange(40) % 3
    rng = np.random.default_rng(0)
    order, target_order = rng.permutation(40), rng.permutation(30)
    mapped = OptimalTransportAligner().fit(X, y, labels=labels).transform(X)
    shuffled = OptimalTransportAligner().fit(
        X[order], y[target_order], labels=labels[order]
    )
    assert_allclose(shuffled.transform(X), mapped, atol=1e-7)


def class_clouds(names=("a", "b", "c"), seed=0):
    """Classes side by side, moved by less than half of what parts them."""
    rng = np.random.default_rng(seed)
    labels, target_labels = np.repeat(names, 12), np.repeat(names, 9)
    means = {name: 6.0 * k for k, name in enumerate(names)}
    X, y = (
        rng.normal(size=(len(rows), 2)) + np.c_[[[means[name], 0] for name in rows]]
        for rows in (labels, target_labels)
    )
    return X, y + [2.5, 0], labels, target_labels


def mixed(plan, labels):
    """Mean number of classes that a target row receives from (as perplexity)."""
    share = np.array([plan[labels == name].sum(axis=0) for name in np.unique(labels)])
    share = np.maximum(share / share.sum(axis=0), 1e-300)
    return np.exp(-(share * np.log(share)).sum(axis=0)).mean()


def test_labels_keep_the_classes_that_a_target_row_receives_few():
    X, y, labels, _ = class_clouds()
    blurred = OptimalTransportAligner(0.5).fit(X, y)
    guided = OptimalTransportAligner(0.5, class_reg=0.5).fit(X, y, labels=labels)
    assert mixed(blurred.plan_, labels) > 1.5
    assert mixed(guided.plan_, labels) < 1.1


def test_the_class_plan_is_a_stationary_point_of_its_objective():
    X, y, labels, _ = class_clouds()
    aligner = OptimalTransportAligner(1.0, class_reg=0.3, tol=1e-6)
    plan = aligner.fit(X, y, labels=labels).plan_
    member = (labels[:, None] == np.unique(labels)).astype(float)
    share = member.T @ plan * len(y)
    gradient = centred_cost(X, y) + 0.3 * member @ (0.5 / np.sqrt(share / 1000 + 1e-3))
    expected = ot.sinkhorn(*weights(plan), gradient, 1.0, stopThr=1e-12)
    assert np.abs(plan - expected).sum() < 2e-5


def test_class_reg_means_the_same_for_any_number_of_target_rows():
    X, y, labels, _ = class_clouds()
    once, thrice = (
        OptimalTransportAligner(0.5, tol=1e-7).fit(X, rows, labels=labels).transform(X)
        for rows in (y, np.repeat(y, 3, axis=0))
    )
    assert_allclose(thrice, once, atol=1e-5)


@pytest.mark.parametrize("names", [("a", "b", "c"), (-1, 1, 7), (0.0, 1.0, 2.0)])
def test_labels_may_be_strings_or_any_numbers(names):
    X, y, labels, target_labels = class_clouds(names)
    named = OptimalTransportAligner().fit(
        X, y, labels=labels, target_labels=target_labels
    )
    X, y, labels, target_labels = class_clouds((0, 1, 2))
    numbered = OptimalTransportAligner().fit(
        X, y, labels=labels.tolist(), target_labels=target_labels.tolist()
    )
    assert_allclose(named.plan_, numbered.plan_, atol=1e-8)


@pytest.mark.parametrize("reg", [0, 0.1])
def test_known_target_labels_forbid_other_classes(reg):
    X, y, labels, target_labels = class_clouds()
    target_labels = np.roll(target_labels, 9)  # each class where another was
    wrong = labels[:, None] != target_labels
    assert OptimalTransportAligner(reg).fit(X, y).plan_[wrong].sum() > 0.9
    partly = target_labels.astype(object)
    partly[1::2] = None
    guided = OptimalTransportAligner(reg, class_reg=0).fit(
        X, y, labels=labels, target_labels=partly
    )
    assert guided.plan_[:, ::2][wrong[:, ::2]].sum() < 1e-6


def test_rows_of_other_classes_cost_ten_times_the_largest_cost():
    X, y, labels, target_labels = class_clouds()
    cost = centred_cost(X, y)
    cost[labels[:, None] != target_labels] = 10 * cost.max()
    expected = ot.sinkhorn(*weights(cost), cost, 30.0, stopThr=1e-12)
    aligner = OptimalTransportAligner(30.0, class_reg=0, tol=1e-9)
    aligner.fit(X, y, labels=labels, target_labels=target_labels)
    assert_allclose(aligner.plan_, expected, atol=1e-8)


def test_unknown_target_labels_are_none_or_nan():
    X, y, labels, target_labels = class_clouds((-1.0, 1.0, 2.0))
    as_nan, as_none = target_labels.copy(), target_labels.astype(object)
    as_nan[::3], as_none[::3] = np.nan, None
    plans = [
        OptimalTransportAligner().fit(X, y, labels=labels, target_labels=known).plan_
        for known in (as_nan, as_none)
    ]
    assert_array_equal(*plans)


def test_labels_that_do_not_fit_are_refused():
    X, y, labels, target_labels = class_clouds()
    aligner = OptimalTransportAligner()
    with pytest.raises(ValueError, match=r"classes that labels lacks: \['cat'\]"):
        aligner.fit(X, y, labels=labels, target_labels=["cat"] * len(y))
    with pytest.raises(ValueError, match="labels has 35 entries for 36 samples"):
        aligner.fit(X, y, labels=labels[1:])
    with pytest.raises(ValueError, match="target_labels has 26 entries for 27 samples"):
        aligner.fit(X, y, labels=labels, target_labels=target_labels[1:])
    with pytest.raises(ValueError, match="labels holds None"):
        aligner.fit(X, y, labels=[None, *labels[1:]])
    assert not hasattr(aligner, "plan_")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"reg": 0, "max_iter": 1}, "numItermax"),
        ({"reg": 0.01, "max_iter": 1}, "of the mass is misplaced"),
        ({"reg": 0.01, "class_reg": 1, "max_iter": 1}, "of the mass is misplaced"),
    ],
)
def test_a_plan_that_did_not_converge_raises_or_warns(options, problem):
    X, y = clouds(200, 150)
    labels = np.arange(200) % 3
    aligner = OptimalTransportAligner(**options)
    with pytest.raises(RuntimeError, match=f"did not converge: .*{problem}"):
        aligner.fit(X, y, labels=labels)
    assert not hasattr(aligner, "plan_")
    aligner.set_params(on_nonconvergence="warn")
    with pytest.warns(ConvergenceWarning, match=problem):
        aligner.fit(X, y, labels=labels)
    assert np.isfinite(aligner.transform(X)).all()


def test_rows_that_an_unfinished_plan_leaves_out_move_as_the_means_do():
    X, y = clouds(200, 150)
    aligner = OptimalTransportAligner(0, max_iter=1, on_nonconvergence="warn")
    with pytest.warns(ConvergenceWarning, match="numItermax"):
        mapped = aligner.fit(X, y).transform(X)
    sent = aligner.plan_.sum(axis=1)
    assert 0 < np.sum(sent == 0) < 200
    moved = X + y.mean(axis=0) - X.mean(axis=0)
    assert_allclose(mapped[sent == 0], moved[sent == 0])
    assert_allclose(sent[:, None] * mapped, aligner.plan_ @ y, atol=1e-12)


def test_iterations_are_counted_from_one():
    X, y = clouds()
    aligner = OptimalTransportAligner(0.01, max_iter=7, on_nonconvergence="warn")
    with pytest.warns(ConvergenceWarning):
        assert aligner.fit(X, y).n_iter_ == 7


def test_a_class_penalty_that_still_moves_is_not_convergence(monkeypatch):
    X, y, labels, _ = class_clouds()
    monkeypatch.setattr("skalign.unpaired._optimal_transport._CLASS_STEPS", 1)
    with pytest.raises(RuntimeError, match="still moved in step 1"):
        OptimalTransportAligner(class_reg=0.5).fit(X, y, labels=labels)


def test_equal_rows_leave_reg_without_a_scale():
    with pytest.raises(ValueError, match="median of the squared distances"):
        OptimalTransportAligner().fit(np.ones((4, 2)), np.ones((3, 2)))
    exact = OptimalTransportAligner(reg=0).fit(np.ones((4, 2)), np.zeros((3, 2)))
    assert_allclose(exact.transform(np.ones((1, 2))), [[0, 0]], atol=1e-15)


def test_new_rows_cost_one_search_whatever_the_batch(monkeypatch):
    X, y = clouds()
    aligner = OptimalTransportAligner().fit(X, y)
    whole = aligner.transform(X)
    del aligner.plan_  # not needed any more
    for start in range(0, 40, 7):
        batch = slice(start, start + 7)
        assert_allclose(aligner.transform(X[batch]), whole[batch], rtol=1e-12)


def test_an_exact_plan_is_that_of_rows_of_any_size():
    X, y = clouds(40, 40)
    expected = OptimalTransportAligner(reg=0).fit(X, y).plan_
    plan = OptimalTransportAligner(reg=0).fit(1e-8 * X, 1e-8 * y).plan_
    assert_allclose(plan, expected)


def test_target_labels_alone_change_nothing():
    X, y, _, target_labels = class_clouds()
    expected = OptimalTransportAligner().fit(X, y).plan_
    plan = OptimalTransportAligner().fit(X, y, target_labels=target_labels).plan_
    assert_array_equal(plan, expected)
