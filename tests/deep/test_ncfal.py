import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils._param_validation import InvalidParameterError

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skalign import MultiDomainClassifier, NCFALClassifier  # noqa: E402
from skalign.deep import (  # noqa: E402
    DANN,
    ERM,
    IRM,
    MLP,
    MMD,
    DeepCORAL,
    GroupDRO,
    Mask,
    Mixup,
    Partition,
    SimplexHead,
    VREx,
)
from skalign.deep.objectives import (  # noqa: E402
    CrossEntropy,
    DotRegression,
    VertexDistance,
)
from skalign.domains import partition_domains  # noqa: E402
from skalign.metrics import class_prototypes, etf_distance  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:The domains that were found")
# Where any local model does: the default compares five.
LINEAR = {"local_model": LogisticRegression()}


class Watch:
    """A callback of scikit-learn; says stop after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after, self.set_up, self.torn_down, self.ended = stop_after, 0, 0, 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.ended += context.task_name == "iteration"
        return self.ended == self.stop_after


# ------------------------------------------------------------------------- what it does


@pytest.mark.long
def test_a_shortcut_is_given_up_without_domains(make_shortcut):
    X, y, agrees = make_shortcut()
    classifier = NCFALClassifier(max_epochs=10, random_state=0).fit(X, y)
    found = classifier.domain_
    assert abs(agrees[found == 0].mean() - agrees[found == 1].mean()) > 0.99
    X_turned, y_turned, _ = make_shortcut(follows=0.0, seed=1)
    assert classifier.score(X_turned, y_turned) > 0.75
    plain = MultiDomainClassifier(max_epochs=10, random_state=0).fit(X, y)
    assert plain.score(X_turned, y_turned) < 0.2


@pytest.mark.long
def test_a_random_partition_gives_up_nothing(make_shortcut):
    X, y, _ = make_shortcut()
    classifier = NCFALClassifier(
        partition=Partition(assign_by="random"), max_epochs=10, random_state=0
    )
    X_turned, y_turned, _ = make_shortcut(follows=0.0, seed=1)
    assert classifier.fit(X, y).score(X_turned, y_turned) < 0.3
    assert classifier.partition_changed_ is None


@pytest.mark.long
def test_a_shortcut_is_given_up_with_domains(make_shortcut):
    X, y, agrees = make_shortcut()
    classifier = NCFALClassifier(max_epochs=10, random_state=0)
    classifier.fit(X, y, sample_domain=np.where(agrees, "follows", "defies"))
    assert classifier.domains_.tolist() == ["defies", "follows"]
    assert_array_equal(classifier.domain_, agrees)
    X_turned, y_turned, _ = make_shortcut(follows=0.0, seed=1)
    assert classifier.score(X_turned, y_turned) > 0.75


@pytest.mark.long
@pytest.mark.parametrize("normalize", [False, True, "batch"])
def test_ten_classes_collapse_to_a_simplex_in_each_domain(normalize):
    X, y = load_digits(return_X_y=True)
    X, y = X[:1000] / 16, y[:1000]
    classifier = NCFALClassifier(
        ERM(),
        head=SimplexHead(normalize=normalize),
        lr=3e-3,
        max_epochs=15,
        random_state=0,
    )
    classifier.fit(X, y, sample_domain=np.arange(1000) % 2)
    assert classifier.score(X, y) > 0.98
    distances = etf_distance(
        classifier.transform(X),
        y,
        classifier.vertices_,
        sample_domain=classifier.domain_,
    )
    assert np.max(distances) < 0.3


# ----------------------------------------------------------------- what is learnt of it


def test_learnt_attributes(rows):
    classifier = NCFALClassifier(mask=Mask(), max_epochs=3, random_state=0)
    rows.fit(classifier)
    assert_array_equal(classifier.domain_, rows.sample_domain)
    assert classifier.partition_changed_ is None
    assert classifier.vertices_.shape == (16, 3)
    features = classifier.transform(rows.X)
    expected = class_prototypes(
        features.astype(float), rows.y, sample_domain=rows.sample_domain
    )
    assert classifier.prototypes_.shape == (2, 3, 16)
    assert_allclose(classifier.prototypes_, expected, rtol=1e-4, atol=1e-6)
    assert_allclose(np.linalg.norm(features, axis=1), np.ones(len(rows.y)), rtol=1e-5)
    logits = torch.from_numpy(features @ classifier.vertices_).double()
    assert_allclose(
        DotRegression().probabilities(logits),
        classifier.predict_proba(rows.X),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("mask", "shape"),
    [("pixel", (2, 4, 4)), ("feature", (16,)), ("channel", (2, 2))],
)
def test_a_mask_is_learnt_of_its_shape(mask, shape):
    rng = np.random.default_rng(0)
    X = rng.random((40, 2, 4, 4))
    y = np.arange(40) % 2
    X[y == 1, 0] += 1
    classifier = NCFALClassifier(mask=Mask(mask, lr=3), max_epochs=2, random_state=0)
    classifier.fit(X, y, sample_domain=np.arange(40) // 2 % 2)
    start = np.eye(2) if mask == "channel" else np.full(shape, 0.5)
    assert classifier.mask_.shape == shape
    assert (classifier.mask_ != start).any()
    assert_allclose(classifier.mask_, start, atol=0.3)


@pytest.mark.parametrize("mask", ["pixel", "feature"])
@pytest.mark.parametrize("gate", ["clip", "sigmoid", "gumbel"])
@pytest.mark.parametrize(
    "scope", ["shared", pytest.param("domain", marks=pytest.mark.long), "sample"]
)
def test_every_gate_and_scope_learns(rows, mask, gate, scope):
    classifier = NCFALClassifier(
        ERM(),
        mask=Mask(mask, gate=gate, scope=scope, lr=1),
        lr=0.03,
        max_epochs=7,
        random_state=0,
    )
    assert rows.fit(classifier).score(rows.X, rows.y) > 0.9
    assert classifier.mask_.shape == ((6,) if mask == "pixel" else (16,))
    assert (classifier.mask_ != 0.5).any()


def test_pictures_can_have_gates_of_their_own():
    rng = np.random.default_rng(0)
    X, y = rng.random((40, 2, 4, 4)), np.arange(40) % 2
    classifier = NCFALClassifier(
        mask=Mask(scope="sample", lr=1), max_epochs=1, random_state=0
    )
    classifier.fit(X, y, sample_domain=np.arange(40) // 2 % 2)
    X = torch.from_numpy(X).float()
    with torch.no_grad():
        gates = classifier.net_.module_.encoder.mask.eval().gates(X)
    assert_allclose(classifier.mask_, gates.mean(dim=0), atol=1e-6)


@pytest.mark.parametrize(("target", "expected"), [(None, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_open_gates_are_penalised(rows, target, expected):
    classifier = NCFALClassifier(
        ERM(),
        mask=Mask(noise=0.5, penalty=100.0, target=target, lr=3),
        lr=0.01,
        max_epochs=20,
        random_state=0,
    )
    mask = rows.fit(classifier).net_.module_.encoder.mask
    share = mask.mean.mean() if target is None else mask.n_open() / 6
    assert abs(float(share.detach()) - expected) < 0.05


def test_a_mask_that_learns_nothing_stays_where_it_is(rows):
    classifier = NCFALClassifier(mask=Mask(lr=0), max_epochs=2)
    assert_array_equal(rows.fit(classifier).mask_, np.full(6, 0.5))


def test_a_mask_leaves_the_features_of_length_one(rows):
    classifier = rows.fit(NCFALClassifier(mask=Mask("feature"), max_epochs=1))
    features = classifier.transform(rows.X)
    assert_allclose(np.linalg.norm(features, axis=1), np.ones(len(rows.y)), rtol=1e-5)


def test_the_width_of_features_follows_the_classes(make_rows):
    many = make_rows(n_samples=200, n_classes=20)
    assert many.fit(NCFALClassifier(max_epochs=1)).transform(many.X).shape == (200, 20)
    few, rows = NCFALClassifier(head=SimplexHead(5), max_epochs=1), make_rows()
    assert rows.fit(few).transform(rows.X).shape == (240, 5)


@pytest.mark.parametrize(
    ("settings", "given", "objective", "loss"),
    [
        ({}, True, IRM, DotRegression),
        ({}, False, VREx, VertexDistance),
        ({"normalize": False}, True, IRM, VertexDistance),
        ({"normalize": True, "objective": VREx()}, True, VREx, DotRegression),
        ({"normalize": "batch"}, True, IRM, DotRegression),
        ({"objective": ERM()}, True, ERM, DotRegression),
        ({"fixed": False}, True, IRM, VertexDistance),
        ({"loss": "cross_entropy"}, True, IRM, CrossEntropy),
        ({"distance_weight": 0.1}, True, IRM, DotRegression),
    ],
)
def test_what_is_minimised(make_shortcut, settings, given, objective, loss):
    X, y, agrees = make_shortcut(400)
    settings = dict(settings)
    classifier = NCFALClassifier(
        settings.pop("objective", None),
        head=SimplexHead(**settings),
        max_epochs=1,
        random_state=0,
    )
    classifier.fit(X, y, sample_domain=agrees if given else None)
    criterion = classifier.net_.criterion_
    assert type(criterion.objective) is objective
    assert type(criterion.loss) is loss
    assert len(criterion.terms) == ("distance_weight" in settings)
    if classifier.objective is None:
        assert criterion.objective.weight == 100


@pytest.mark.parametrize("loss", ["dot", "cross_entropy"])
@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("normalize", [True, False, "batch"])
def test_every_head_and_loss_learns(rows, fixed, loss, normalize):
    classifier = NCFALClassifier(
        ERM(),
        head=SimplexHead(fixed=fixed, loss=loss, normalize=normalize, temperature=0.1),
        lr=0.02,
        max_epochs=12,
        random_state=0,
    )
    assert rows.fit(classifier).score(rows.X, rows.y) > 0.9
    assert (classifier.vertices_ is None) == (not fixed)


@pytest.mark.parametrize(
    "objective",
    [IRM(1.0), VREx(1.0), ERM(), GroupDRO(), DeepCORAL(), MMD(), DANN(), Mixup()],
    ids=repr,
)
@pytest.mark.parametrize(
    "mask",
    [None, Mask(), pytest.param(Mask("feature"), marks=pytest.mark.long)],
    ids=repr,
)
def test_every_objective_and_mask_learns(rows, objective, mask):
    classifier = NCFALClassifier(
        objective,
        mask=mask,
        head=SimplexHead(distance_weight=0.1 if mask else 0.0),
        lr=0.05,
        max_epochs=5,
        random_state=0,
    )
    assert rows.fit(classifier).score(rows.X, rows.y) > 0.8  # a third by chance


def test_the_distance_from_the_simplex_is_made_small(rows):
    distances = []
    for weight in (0.0, 3.0):
        classifier = NCFALClassifier(
            ERM(),
            head=SimplexHead(loss="cross_entropy", distance_weight=weight),
            lr=0.01,
            max_epochs=5,
            random_state=0,
        )
        features = rows.fit(classifier).transform(rows.X)
        distances.append(etf_distance(features, rows.y, classifier.vertices_))
    assert distances[1] < 0.5 * distances[0]


def test_a_temperature_divides_the_logits(rows):
    classifier = NCFALClassifier(
        head=SimplexHead(loss="cross_entropy", temperature=0.5), max_epochs=1
    )
    logits = rows.fit(classifier).transform(rows.X) @ classifier.vertices_
    expected = torch.from_numpy(logits / 0.5).double().softmax(dim=1)
    assert_allclose(classifier.predict_proba(rows.X), expected, atol=1e-6)


# ------------------------------------------------------------- networks of their own


@pytest.mark.parametrize("batch_size", [32, None])
def test_each_domain_can_have_a_network(rows, batch_size):
    classifier = NCFALClassifier(
        ERM(),
        head=SimplexHead(normalize=False),
        encoder="domain",
        lr=0.01,
        batch_size=batch_size,
        steps_per_epoch=4,
        max_epochs=20,
        random_state=0,
    )
    assert rows.fit(classifier).score(rows.X, rows.y) > 0.9
    parts = classifier.net_.module_.encoder.eval().body.parts
    X = torch.from_numpy(rows.X)
    with torch.no_grad():
        logits = [part(X).numpy() @ classifier.vertices_ for part in parts]
    assert len(parts) == 2
    assert not np.allclose(*logits, atol=0.1)
    expected = classifier.transform(rows.X) @ classifier.vertices_
    assert_allclose(np.mean(logits, axis=0), expected, atol=1e-5)


def test_a_network_sees_its_domain_alone(rows):
    settings = {"objective": ERM(), "encoder": "domain", "batch_size": None}
    settings |= {"steps_per_epoch": 3, "max_epochs": 1, "random_state": 0}
    other = rows.X + 9 * (rows.sample_domain == 1)[:, None]
    first, second = (
        NCFALClassifier(**settings).fit(X, rows.y, sample_domain=rows.sample_domain)
        for X in (rows.X, other)
    )
    (alike, alike_2), (differs, differs_2) = zip(
        *([part[1].weight for part in classifier.net_.module_.encoder.body.parts]
          for classifier in (first, second)), strict=True
    )  # fmt: skip
    assert_array_equal(alike.detach(), alike_2.detach())
    assert (differs != differs_2).any()


# ------------------------------------------------------------------ domains


def test_domains_are_those_of_the_partition_alone(make_shortcut):
    X, y, _ = make_shortcut(500)
    classifier = NCFALClassifier(max_epochs=1, random_state=4).fit(X, y)
    found = partition_domains(X, y, random_state=np.random.RandomState(4))
    assert_array_equal(classifier.domain_, found.domain)
    assert classifier.partition_changed_ == found.changed


def test_more_domains_can_be_found(make_shortcut):
    X, y, _ = make_shortcut(600)
    classifier = NCFALClassifier(
        partition=Partition(3, **LINEAR), max_epochs=1, random_state=0
    ).fit(X, y)
    assert set(classifier.domain_) == {0, 1, 2}
    assert classifier.prototypes_.shape == (3, 2, 16)


@pytest.mark.parametrize("mask", [None, Mask(), Mask("feature")], ids=repr)
def test_domains_can_be_found_again_after_training(make_shortcut, mask):
    X, y, agrees = make_shortcut(600)
    watch = Watch()
    classifier = NCFALClassifier(
        partition=Partition(n_rounds=2, **LINEAR),
        mask=mask,
        max_epochs=2,
        random_state=0,
    )
    classifier.set_callbacks(watch).fit(X, y)
    assert (watch.set_up, watch.torn_down, watch.ended) == (1, 1, 4)
    assert classifier.n_iter_ == 2
    assert set(classifier.domain_) == {0, 1}
    if mask is None or mask.level == "pixel":  # rows as they are, or in halves
        found = classifier.domain_
        assert abs(agrees[found == 0].mean() - agrees[found == 1].mean()) > 0.99


def test_settings_of_the_partition_reach_it(make_shortcut):
    X, y, _ = make_shortcut(500)
    further = {"max_iter": 1, "tol": 0.0, "class_weight": None, "cross_fit": False}
    further |= LINEAR
    classifier = NCFALClassifier(
        partition=Partition(initial="random", **further), max_epochs=1, random_state=4
    )
    classifier.fit(X, y)
    with pytest.warns(ConvergenceWarning):
        found = partition_domains(
            X, y, initial="random", random_state=np.random.RandomState(4), **further
        )
    assert_array_equal(classifier.domain_, found.domain)
    assert classifier.partition_changed_ == found.changed > 0


@pytest.mark.parametrize(
    ("mask", "inputs", "seen"),
    [(True, "rest", "halves"), (True, "all", "rows"), (False, "rest", "rows")],
)
def test_local_models_see_what_the_mask_takes_away_or_rows(
    make_shortcut, monkeypatch, mask, inputs, seen
):
    X, y, _ = make_shortcut(400)
    calls = []

    def partition(X, *args, **kwargs):
        calls.append(X)
        return partition_domains(X, *args, **kwargs)

    monkeypatch.setattr("skalign.deep._found_domains.partition_domains", partition)
    classifier = NCFALClassifier(
        partition=Partition(n_rounds=2, inputs=inputs, **LINEAR),
        mask=Mask(lr=0) if mask else None,
        max_epochs=1,
        random_state=0,
    )
    classifier.fit(X, y)
    assert_array_equal(calls[0], X)
    assert_allclose(calls[1], X / 2 if seen == "halves" else X)


def test_a_callback_ends_all_rounds(make_shortcut):
    X, y, _ = make_shortcut(300)
    watch = Watch(stop_after=2)
    classifier = NCFALClassifier(
        partition=Partition(n_rounds=3, **LINEAR), max_epochs=5
    ).set_callbacks(watch)
    assert classifier.fit(X, y).n_iter_ == 2
    assert watch.ended == 2


def _doubts(X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NCFALClassifier(max_epochs=1, steps_per_epoch=1, random_state=0).fit(X, y)
    for warning in caught:
        assert warning.filename == __file__
    return " ".join(str(warning.message) for warning in caught)


def test_there_is_no_doubt_where_there_is_a_shortcut(make_shortcut):
    X, y, _ = make_shortcut()
    assert _doubts(X, y) == ""


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_doubted(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(1000, 5)), rng.integers(2, size=1000)
    assert "that were found are probably noise" in _doubts(X, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"module": MLP(3, (4,))}, "module does not accept samples"),
        ({"device": "nowhere"}, "device='nowhere' cannot be used"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_domains_are_found(
    make_shortcut, settings, message
):
    class Untouched(Shares):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("a local model was fitted")

    X, y, _ = make_shortcut(500)
    with pytest.raises(ValueError, match=message):
        NCFALClassifier(partition=Partition(local_model=Untouched()), **settings).fit(
            X, y
        )


@pytest.mark.parametrize(
    "params", [{"n_init": 0}, {"max_iter": 0}, {"tol": -1.0}, {"class_weight": "same"}]
)
def test_bad_values_of_a_partition_are_refused(make_shortcut, params):
    X, y, _ = make_shortcut(500)
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        NCFALClassifier(partition=Partition(**params)).fit(X, y)


class Shares(ClassifierMixin, BaseEstimator):
    """Foretells the shares of the classes, without their weights."""

    def fit(self, X, y, sample_weight=None):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / len(y)
        return self

    def predict_proba(self, X):
        return np.tile(self.shares_, (len(X), 1))


def test_domains_that_are_the_classes_are_doubted(make_shortcut):
    X, y, _ = make_shortcut(500)
    classifier = NCFALClassifier(
        partition=Partition(local_model=Shares(), initial="random"),
        max_epochs=1,
        random_state=0,
    )
    message = r"resemble the classes \(mutual information 0\.[5-9]"
    with pytest.warns(UserWarning, match=message):
        classifier.fit(X, y)


def test_too_few_rows_are_one_domain_and_it_is_said(rows):
    X, y = rows.X[:12], np.arange(12) % 4
    classifier = NCFALClassifier(max_epochs=1)
    with pytest.warns(
        UserWarning, match="a class has 3 samples, too few for 2"
    ) as caught:
        classifier.fit(X, y)
    assert caught[0].filename == __file__
    assert_array_equal(classifier.domain_, np.zeros(12))
    assert classifier.prototypes_.shape == (1, 4, 16)


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"head": SimplexHead(2)},
            "n_features=2 of the head must be at least .*classes, 3",
        ),
        (
            {"head": SimplexHead(distance_weight=0.1, fixed=False)},
            "distance_weight needs a head with fixed=True",
        ),
        ({"mask": Mask("channel")}, "level='channel' needs images"),
        (
            {"mask": Mask(scope="sample", penalty=1.0)},
            r"penalty needs gates that samples share.* got Mask\(",
        ),
        (
            {"mask": Mask(noise=0, penalty=1.0, target=0.5)},
            "target needs a mask with noise > 0",
        ),
        ({"mask": Mask(gate="ajar")}, "'gate' parameter of Mask must be"),
        ({"head": SimplexHead(loss="l1")}, "'loss' parameter of SimplexHead must be"),
        ({"objective": IRM(-1)}, "'weight' parameter of IRM must be"),
        ({"partition": "random"}, "'partition' parameter of NCFALClassifier must be"),
    ],
)
def test_settings_that_do_not_suit_are_refused(rows, settings, message):
    classifier = NCFALClassifier(**settings)
    with pytest.raises(ValueError, match=message):
        rows.fit(classifier)
    assert not [name for name in vars(classifier) if name.endswith("_")]


def test_a_mixture_of_channels_is_not_of_a_row():
    X, y = np.zeros((40, 2, 4, 4)), np.arange(40) % 2
    classifier = NCFALClassifier(mask=Mask("channel", scope="sample"))
    with pytest.raises(
        ValueError, match="scope='sample' needs a mask of level 'pixel'"
    ):
        classifier.fit(X, y, sample_domain=np.arange(40) // 2 % 2)


def test_rounds_of_a_first_fit_are_the_same_with_warm_start(make_shortcut):
    X, y, _ = make_shortcut(400)
    parts = {"partition": Partition(n_rounds=2, **LINEAR), "mask": Mask()}
    settings = {"max_epochs": 2, "random_state": 0, **parts}
    once = NCFALClassifier(**settings).fit(X, y)
    warm = NCFALClassifier(**settings, warm_start=True).fit(X, y)
    assert once.n_iter_ == warm.n_iter_ == 2
    assert_array_equal(once.predict_proba(X), warm.predict_proba(X))
    assert warm.fit(X, y).n_iter_ == 4


def test_a_network_of_another_form_is_not_gone_on_with(rows):
    classifier = NCFALClassifier(
        partition=Partition(**LINEAR), max_epochs=1, warm_start=True, random_state=0
    )
    rows.fit(classifier)
    with pytest.raises(
        ValueError, match="warm_start needs features as in the previous fit"
    ):
        classifier.fit(rows.X, rows.y)
    with pytest.raises(ValueError, match="warm_start needs the network of the prev"):
        rows.fit(classifier.set_params(mask=Mask()))


def test_given_and_found_domains_do_not_go_on_from_each_other(rows):
    classifier = NCFALClassifier(
        head=SimplexHead(normalize=True),
        encoder="domain",
        partition=Partition(**LINEAR),
        max_epochs=1,
        warm_start=True,
    )
    rows.fit(classifier)
    with pytest.raises(ValueError, match="which were given, and now are not"):
        classifier.fit(rows.X, rows.y)
    found = NCFALClassifier(
        head=SimplexHead(normalize=True),
        encoder="domain",
        partition=Partition(**LINEAR),
        max_epochs=1,
        warm_start=True,
    ).fit(rows.X, rows.y)
    with pytest.raises(ValueError, match="which were found, and now are not"):
        rows.fit(found)


@pytest.mark.parametrize("mask", ["pixel", "channel"])
def test_attributes_are_not_what_the_network_is_made_of(rows, mask):
    X = rows.X.reshape(-1, 6, 1, 1)
    module = torch.nn.Flatten()
    classifier = NCFALClassifier(mask=Mask(mask), module=module, max_epochs=1)
    classifier.fit(X, rows.y, sample_domain=rows.sample_domain)
    before = classifier.predict_proba(X)
    classifier.vertices_ *= -1
    classifier.mask_[:] = 0
    assert_array_equal(classifier.predict_proba(X), before)


@pytest.mark.long
def test_five_classes_lean_less_on_a_shortcut_than_without_a_penalty():
    rng = np.random.default_rng(0)

    def rows(agreement):
        y = rng.integers(5, size=2000)
        columns = []
        for p, size in ((0.75, 1), (agreement, 3)):  # the cause, and the shortcut
            other = (y + rng.integers(1, 5, size=len(y))) % 5
            columns.append(size * np.eye(5)[np.where(rng.random(len(y)) < p, y, other)])
        X = np.hstack(columns)
        return X + 0.3 * rng.normal(size=X.shape), y

    train, test = [rows(0.9), rows(0.8)], rows(0.1)
    X, y = (np.concatenate(part) for part in zip(*train, strict=True))
    settings = {"lr": 3e-3, "hidden_layer_sizes": (32,), "max_epochs": 15}
    scores = [
        NCFALClassifier(objective, random_state=0, **settings)
        .fit(X, y, sample_domain=np.repeat([0, 1], 2000))
        .score(*test)
        for objective in (ERM(), IRM())
    ]
    assert scores[1] > scores[0] + 0.05


def test_a_penalty_can_come_after_a_fit_without(rows):
    classifier = NCFALClassifier(ERM(), max_epochs=1, warm_start=True)
    rows.fit(classifier)
    assert len(rows.fit(classifier.set_params(objective=IRM())).net_.history) == 2


def test_parts_are_told_of_batches_in_training_only(rows):
    classifier = rows.fit(NCFALClassifier(encoder="domain", max_epochs=1))
    assert classifier.net_.module_.encoder.body.sizes is None
    assert not hasattr(classifier.net_, "told_")
