"""What holds for every selector."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils import get_tags

from skalign import AnchoredAligner, RelativeRepresentation
from skalign.anchors import (
    ClassBalancedAnchors,
    FarthestPointAnchors,
    KMeansAnchors,
    PivotedQRAnchors,
    RandomAnchors,
)

NESTED = [
    RandomAnchors(random_state=0),
    ClassBalancedAnchors(random_state=0),
    FarthestPointAnchors(),
    PivotedQRAnchors(),
]
SELECTORS = [*NESTED, KMeansAnchors(), KMeansAnchors(member="random", random_state=0)]

every_selector = pytest.mark.parametrize("selector", SELECTORS, ids=repr)


@pytest.fixture(name="rows", scope="module")
def make_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)) + 5
    return X, rng.choice(["a", "b", "c"], size=300)


@every_selector
@pytest.mark.parametrize("n_anchors", [1, 2, 7, 8, 9, 40, 299, 300])
def test_anchors_are_as_many_different_rows_as_asked_for(selector, n_anchors, rows):
    X, labels = rows
    anchors = clone(selector).set_params(n_anchors=n_anchors).select(X, labels)
    assert anchors.dtype.kind == "i"
    assert anchors.shape == (n_anchors,)
    assert len(np.unique(anchors)) == n_anchors
    assert anchors.min() >= 0
    assert anchors.max() < len(X)


@every_selector
@pytest.mark.parametrize(
    ("share", "n_samples", "count"), [(0.1, 300, 30), (1.0, 300, 300), (0.01, 20, 2)]
)
def test_a_share_is_a_number_of_rows_and_at_least_two(
    selector, share, n_samples, count, rows
):
    X, labels = rows
    selector = clone(selector).set_params(n_anchors=share)
    assert len(selector.select(X[:n_samples], labels[:n_samples])) == count


@every_selector
def test_a_path_is_one_choice_per_number(selector, rows):
    X, labels = rows
    counts = [12, 3, 0.5, 12]
    for count, anchors in zip(
        counts, selector.select_path(X, counts, labels), strict=True
    ):
        one = clone(selector).set_params(n_anchors=count).select(X, labels)
        assert_array_equal(anchors, one)


@pytest.mark.parametrize("selector", NESTED, ids=repr)
def test_nested_anchors_are_the_first_of_more(selector, rows):
    X, labels = rows
    fewer, more = selector.select_path(X, [20, 200], labels)
    assert_array_equal(fewer, more[:20])


@every_selector
def test_the_same_rows_give_the_same_anchors_and_stay_as_they_are(selector, rows):
    X, labels = rows
    before = X.copy()
    first, second = selector.select(X, labels), selector.select(X, labels)
    assert_array_equal(first, second)
    assert_array_equal(X, before)


@pytest.mark.parametrize(
    "selector", [FarthestPointAnchors(), KMeansAnchors(), PivotedQRAnchors()], ids=repr
)
def test_anchors_do_not_depend_on_position_and_scale(selector, rows):
    X, _ = rows
    assert_array_equal(selector.select(8 * X - 64), selector.select(X))


@every_selector
def test_equal_rows_can_be_anchors_too(selector):
    X = np.repeat([[0.0, 0.0], [1.0, 2.0]], 10, axis=0)
    labels = np.zeros(20, dtype=int)
    anchors = clone(selector).set_params(n_anchors=15).select(X, labels)
    assert len(np.unique(anchors)) == 15
    constant = np.full((20, 2), 1.1)
    anchors = clone(selector).set_params(n_anchors=15).select(constant, labels)
    assert len(np.unique(anchors)) == 15


@every_selector
def test_single_precision_and_lists_are_taken(selector, rows):
    X, labels = rows
    assert len(selector.select(X.astype(np.float32), labels)) == 30
    assert len(selector.select(X.tolist(), labels.tolist())) == 30


@every_selector
def test_more_anchors_than_rows_are_refused_with_both_numbers(selector, rows):
    X, labels = rows
    selector = clone(selector).set_params(n_anchors=301)
    with pytest.raises(ValueError, match=r"n_anchors=301 .* n_samples=300"):
        selector.select(X, labels)


@every_selector
@pytest.mark.parametrize("n_anchors", [0, -1, 0.0, 1.5, "many", None])
def test_a_number_out_of_range_is_refused(selector, n_anchors, rows):
    X, labels = rows
    selector = clone(selector).set_params(n_anchors=n_anchors)
    with pytest.raises(ValueError, match="'n_anchors' parameter"):
        selector.select(X, labels)


@every_selector
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(selector, bad, rows):
    X, labels = rows[0].copy(), rows[1]
    X[3, 2] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        selector.select(X, labels)


@every_selector
@pytest.mark.parametrize("n_anchors", [0, 1.5, "many"])
def test_a_path_refuses_what_the_parameter_refuses(selector, n_anchors, rows):
    X, labels = rows
    with pytest.raises(ValueError, match="'n_anchors' parameter of select_path"):
        selector.select_path(X, [3, n_anchors], labels)


@every_selector
def test_only_what_draws_without_a_seed_is_tagged_non_deterministic(selector):
    unseeded = clone(selector).set_params(random_state=None)
    draws = isinstance(selector, RandomAnchors | ClassBalancedAnchors) or (
        getattr(selector, "member", None) == "random"
    )
    assert get_tags(unseeded).non_deterministic == draws
    seeded = clone(selector).set_params(random_state=3)
    assert not get_tags(seeded).non_deterministic


@every_selector
def test_empty_rows_and_labels_of_another_length_are_refused(selector, rows):
    X, labels = rows
    with pytest.raises(ValueError, match="0 sample"):
        selector.select(X[:0], labels[:0])
    with pytest.raises(ValueError, match="labels has 299 entries for 300 samples"):
        selector.select(X, labels[1:])
    with pytest.raises(ValueError, match=r"shape=\(1, 0\)"):
        selector.select(X, [[]])


@pytest.mark.parametrize("n_anchors", [3, 0.5, None])
def test_a_path_needs_a_list_of_numbers(n_anchors):
    with pytest.raises(ValueError, match="'n_anchors' parameter of select_path"):
        RandomAnchors().select_path(np.eye(5), n_anchors)
    with pytest.raises(ValueError, match="n_anchors is empty"):
        RandomAnchors().select_path(np.eye(5), [])
    with pytest.raises(ValueError, match=r"n_anchors=\[\[3\]\] must be a list"):
        RandomAnchors().select_path(np.eye(5), [[3]])


@pytest.mark.parametrize("takes_one", [AnchoredAligner, RelativeRepresentation])
@pytest.mark.parametrize(
    ("selector", "draws"),
    [
        (RandomAnchors(), True),
        (RandomAnchors(random_state=0), False),
        (KMeansAnchors(), False),
        (KMeansAnchors(member="random"), True),
    ],
)
def test_what_takes_a_selector_draws_as_that_does(takes_one, selector, draws):
    tags = get_tags(takes_one(selector=selector))
    assert tags.non_deterministic == draws


def test_a_selector_without_tags_is_taken_to_draw_nothing():
    class First:
        def select(self, X, labels=None):
            return np.arange(5)

    assert not get_tags(AnchoredAligner(selector=First())).non_deterministic


@every_selector
@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-500, 2.0**500, 2.0**1018])
def test_anchors_are_the_same_in_any_unit(selector, scale, rows):
    X, labels = rows
    X = X[:60]
    picked = clone(selector).set_params(n_anchors=12).select(X * scale, labels[:60])
    expected = clone(selector).set_params(n_anchors=12).select(X, labels[:60])
    assert_array_equal(picked, expected)


def test_one_number_is_no_path():
    with pytest.raises(ValueError, match=r"n_anchors=array\(3\) must be a list"):
        RandomAnchors().select_path(np.eye(5), np.array(3))
