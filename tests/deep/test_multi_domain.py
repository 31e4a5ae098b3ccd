import copy
import re
import warnings
from functools import cache, partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, minmax_scale, normalize, scale

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402

from skalign import MultiDomainClassifier, NCFALClassifier  # noqa: E402
from skalign.deep import (  # noqa: E402
    DANN,
    IRM,
    MLP,
    MMD,
    DeepCORAL,
    DigitsCNN,
    GroupDRO,
    Mask,
    Mixup,
    Objective,
    Partition,
    Penalty,
    ResNet8,
    SimplexHead,
    VREx,
)

NEED_DOMAINS = [
    pytest.param(partial(MultiDomainClassifier, kind()), id=kind.__name__)
    for kind in (DANN, DeepCORAL, GroupDRO, IRM, MMD, VREx)
]
every_kind = pytest.mark.parametrize(
    "kind", [*NEED_DOMAINS, MultiDomainClassifier, NCFALClassifier]
)
both_classes = pytest.mark.parametrize("kind", [MultiDomainClassifier, NCFALClassifier])


@pytest.fixture(scope="module")
def pictures():
    """Two classes told by a bright half, as 1 x 6 x 4."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = rng.random((60, 1, 6, 4)).astype(np.float32)
    X[y == 1, :, :3] += 1
    return X, y


# ---------------------------------------------------------------------- what comes out


@every_kind
def test_classes_are_learnt_and_come_back_as_they_were_named(kind, make_rows):
    rows = make_rows(n_samples=300, n_domains=3)
    names = np.array(["zebra", "ant", "cow"])[rows.y]
    domain = np.array(["b", "c", "a"])[rows.sample_domain]
    classifier = kind(lr=5e-3, max_epochs=8, random_state=0)
    classifier.fit(rows.X, names, sample_domain=domain)
    assert classifier.classes_.tolist() == ["ant", "cow", "zebra"]
    assert classifier.domains_.tolist() == ["a", "b", "c"]
    assert classifier.score(rows.X, names) > 0.9
    shares = classifier.predict_proba(rows.X)
    assert shares.dtype == np.float64
    assert_allclose(shares.sum(axis=1), np.ones(300))
    assert_array_equal(
        classifier.classes_[shares.argmax(axis=1)], classifier.predict(rows.X)
    )
    features = classifier.transform(rows.X)
    width = 16 if kind is NCFALClassifier else 128
    assert features.shape == (300, width)
    assert features.dtype == np.float32
    assert len(classifier.get_feature_names_out()) == width


@every_kind
def test_three_domains_of_any_size_are_trained_on(kind, make_rows):
    rows = make_rows(n_samples=90)
    domain = np.repeat([7, -3, 5], [60, 20, 10])
    for batch_size in (8, None):
        classifier = kind(max_epochs=1, batch_size=batch_size, random_state=0)
        classifier.fit(rows.X, rows.y, sample_domain=domain)
        assert classifier.domains_.tolist() == [-3, 5, 7]


def test_features_are_what_the_head_is_given(rows):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=2, random_state=0))
    head = classifier.net_.module_.head
    logits = head(torch.from_numpy(classifier.transform(rows.X))).detach().double()
    assert_allclose(
        logits.softmax(dim=1), classifier.predict_proba(rows.X), rtol=1e-5, atol=1e-7
    )


def test_probabilities_are_those_of_the_loss_that_was_trained(rows):
    classifier = NCFALClassifier(max_epochs=2, random_state=0)
    before = rows.fit(classifier).predict_proba(rows.X)
    classifier.set_params(head=SimplexHead(loss="cross_entropy", temperature=0.1))
    assert_array_equal(classifier.predict_proba(rows.X), before)


# ---------------------------------------------------------------- pictures and modules


def test_pictures_may_come_as_rows(pictures):
    X, y = pictures
    settings = {"max_epochs": 2, "random_state": 0}
    expected = MultiDomainClassifier(**settings).fit(X, y)
    rows = X.reshape(len(X), -1)
    classifier = MultiDomainClassifier(image_shape=(1, 6, 4), **settings).fit(rows, y)
    assert_array_equal(classifier.predict_proba(rows), expected.predict_proba(X))
    assert_array_equal(classifier.predict_proba(X), expected.predict_proba(rows))
    assert classifier.shape_ == expected.shape_ == (1, 6, 4)
    assert classifier.n_features_in_ == expected.n_features_in_ == 24


def test_pictures_are_learnt_by_the_network_for_digits(pictures):
    X, y = pictures
    classifier = MultiDomainClassifier(max_epochs=10, random_state=0).fit(X, y)
    assert isinstance(classifier.net_.module_.encoder, DigitsCNN)
    assert classifier.score(X, y) == 1
    assert classifier.transform(X).shape == (60, 128)


def test_large_pictures_get_the_residual_network():
    X = np.zeros((4, 3, 33, 33), dtype=np.float32)
    classifier = MultiDomainClassifier(max_epochs=1, steps_per_epoch=1, batch_size=1)
    classifier.fit(X, [0, 1, 0, 1])
    assert isinstance(classifier.net_.module_.encoder, ResNet8)


def test_a_module_is_copied_and_goes_on_from_where_it_is(rows):
    encoder = MLP(6, (7,))
    before = copy.deepcopy(encoder.state_dict())
    classifier = rows.fit(MultiDomainClassifier(module=encoder, max_epochs=1, lr=1e-12))
    trained = classifier.net_.module_.encoder
    assert trained is not encoder
    for name, weight in encoder.state_dict().items():
        assert_array_equal(weight, before[name])
        assert_allclose(trained.state_dict()[name], before[name], atol=1e-8)


@both_classes
@pytest.mark.parametrize("batch_size", [8, None])
def test_a_module_that_writes_to_what_it_reads_changes_nothing(kind, batch_size):
    class Shifted(nn.Flatten):
        def forward(self, X):
            return super().forward(X.sub_(0.5))

    X = np.random.default_rng(0).random((40, 3, 4, 4), dtype=np.float32)
    y, before = np.arange(40) % 2, X.copy()
    settings = {"max_epochs": 2, "batch_size": batch_size, "random_state": 0}
    classifier = kind(module=Shifted, **settings)
    classifier.fit(X, y, sample_domain=np.arange(40) // 20)
    first, second = classifier.predict_proba(X), classifier.predict_proba(X)
    assert_array_equal(X, before)
    assert_array_equal(first, second)
    shifted = kind(module=nn.Flatten, **settings)
    shifted.fit(X - np.float32(0.5), y, sample_domain=np.arange(40) // 20)
    assert_array_equal(shifted.predict_proba(X - np.float32(0.5)), first)


@both_classes
def test_a_callable_makes_the_module(rows, kind):
    classifier = rows.fit(kind(module=lambda: nn.Linear(6, 9), max_epochs=1))
    encoder = classifier.net_.module_.encoder
    network = encoder if kind is MultiDomainClassifier else encoder.body[0]
    assert isinstance(network, nn.Linear)


@pytest.fixture(scope="module")
def of_pictures(rows):
    """Settings for samples that are pictures, and probabilities after training."""
    settings = {"image_shape": (1, 2, 3), "max_epochs": 1, "random_state": 0}
    fitted = rows.fit(MultiDomainClassifier(**settings))
    return settings, fitted.predict_proba(rows.X)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: X[::-1][::-1],
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X.astype(np.float64),
        lambda X: X.tolist(),
    ],
)
def test_the_memory_of_rows_does_not_matter(rows, of_pictures, change):
    settings, expected = of_pictures
    X = change(rows.X)
    classifier = MultiDomainClassifier(**settings)
    classifier.fit(X, rows.y, sample_domain=rows.sample_domain)
    assert_array_equal(classifier.predict_proba(X), expected)


def test_rows_may_be_read_only(rows):
    X = rows.X.copy()
    X.flags.writeable = False
    classifier = MultiDomainClassifier(max_epochs=1, random_state=0).fit(X, rows.y)
    assert classifier.predict(X).shape == rows.y.shape


# --------------------------------------------------------------- errors before training


class Untouched(nn.Module):
    """Fails where training has begun."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, X):
        assert not self.training, "training has begun"
        return self.linear(X)


def _one_class(rows):
    return rows._replace(y=np.full(len(rows.y), "cat"))


def _no_cat_in_b(rows):
    cats = rows.y == 1
    return rows._replace(
        y=np.array(["ant", "cat", "cow"])[rows.y],
        sample_domain=np.where(cats | (np.arange(len(cats)) < 60), "a", "b"),
    )


def _nan(rows):
    X = rows.X.copy()
    X[3, 2] = np.nan
    return rows._replace(X=X)


def _short_domain(rows):
    return rows._replace(sample_domain=rows.sample_domain[:-1])


def _na_domain(rows):
    return rows._replace(sample_domain=np.full(len(rows.y), np.nan))


def _none_domain(rows):
    return rows._replace(sample_domain=["a", None] * (len(rows.y) // 2))


def _nan_among_names(rows):
    names = np.array(["a", np.nan] * (len(rows.y) // 2), dtype=object)
    return rows._replace(sample_domain=names)


def _nan_in_a_list(rows):
    return rows._replace(sample_domain=["a", float("nan")] * (len(rows.y) // 2))


def _number_in_a_list(rows):
    return rows._replace(sample_domain=["a", 1] * (len(rows.y) // 2))


def _no_date(rows):
    dates = np.array(["2020-01-01", "NaT"] * (len(rows.y) // 2), dtype="datetime64[D]")
    return rows._replace(sample_domain=dates)


def _number_among_names(rows):
    names = np.array(["a", 1] * (len(rows.y) // 2), dtype=object)
    return rows._replace(sample_domain=names)


@both_classes
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_one_class, "needs at least 2 classes; y holds one class, cat"),
        (_no_cat_in_b, "Domain b has no sample of class cat"),
        (_nan, "contains NaN"),
        (_short_domain, r"inconsistent numbers of samples: \[240, 239\]"),
        (_na_domain, "sample_domain holds NaN"),
        (_none_domain, "sample_domain holds None"),
        (_nan_among_names, "sample_domain holds NaN"),
        (_nan_in_a_list, "sample_domain holds NaN"),
        (_no_date, "sample_domain holds NaN"),
        (_number_among_names, "sample_domain mixes strings and other values"),
        (_number_in_a_list, "sample_domain mixes strings and other values"),
    ],
)
def test_bad_rows_are_refused_before_training(kind, rows, spoil, message):
    classifier = kind(module=Untouched())
    with pytest.raises(ValueError, match=message):
        spoil(rows).fit(classifier)
    assert not [name for name in vars(classifier) if name.endswith("_")]


@pytest.mark.parametrize("kind", [*NEED_DOMAINS, NCFALClassifier])
def test_one_domain_is_refused(kind, rows):
    with pytest.raises(
        ValueError, match=r"holds one domain, only; .* needs at least 2"
    ):
        rows._replace(sample_domain=["only"] * len(rows.y)).fit(kind())


@pytest.mark.parametrize("kind", NEED_DOMAINS)
def test_without_domains_the_training_is_that_of_erm_and_says_so(kind, rows):
    settings = {"max_epochs": 1, "random_state": 0}
    classifier = kind(**settings)
    with pytest.warns(UserWarning, match="minimises their mean loss, as ERM") as caught:
        classifier.fit(rows.X, rows.y)
    assert caught[0].filename == __file__
    expected = MultiDomainClassifier(**settings).fit(rows.X, rows.y)
    assert_array_equal(classifier.predict_proba(rows.X), expected.predict_proba(rows.X))


@both_classes
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_is_refused_where_there_is_none(kind, rows):
    with pytest.raises(ValueError, match="device='cuda' cannot be used here"):
        rows.fit(kind(module=Untouched(), device="cuda"))


@both_classes
def test_a_module_that_does_not_take_the_rows_is_refused(kind, rows):
    message = r"module does not accept samples of shape \(6,\): mat1 and mat2 shapes"
    with pytest.raises(ValueError, match=message):
        rows.fit(kind(module=MLP(5, (4,))))


class Pair(nn.Module):
    def forward(self, X):
        return X, X


@both_classes
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: 3, r"module must make a torch.nn.Module; it made int"),
        (Pair, r"module must return features .*; for 2 samples it returned tuple"),
    ],
)
def test_a_module_that_is_none_or_returns_none_is_refused(kind, rows, module, message):
    with pytest.raises(ValueError, match=message):
        rows.fit(kind(module=module))


def test_widths_that_are_no_whole_numbers_are_refused(rows):
    with pytest.raises(ValueError, match="must be a sequence of integers"):
        rows.fit(MultiDomainClassifier(hidden_layer_sizes=(1.5,)))


def test_pictures_with_channels_last_are_warned_of(pictures):
    X, y = pictures
    last = np.repeat(X.transpose(0, 2, 3, 1), 3, axis=3)
    message = r"shape \(60, 6, 4, 3\) is read as pictures of 6 channels and 4 x 3"
    with pytest.warns(UserWarning, match=message) as caught:
        MultiDomainClassifier(max_epochs=1).fit(last, y)
    assert caught[0].filename == __file__


def test_pictures_need_all_axes_and_may_be_lists(pictures):
    X, y = pictures
    with pytest.raises(ValueError, match=r"height, width\); got \(60, 6, 4\)"):
        MultiDomainClassifier().fit(X[:, 0], y)
    classifier = MultiDomainClassifier(max_epochs=1, random_state=0).fit(X.tolist(), y)
    assert classifier.shape_ == (1, 6, 4)


def test_pictures_of_another_shape_are_refused_at_fit_and_at_predict(pictures):
    X, y = pictures
    message = r"pictures of shape \(1, 6, 4\), but image_shape=\(1, 4, 6\)"
    with pytest.raises(ValueError, match=message):
        MultiDomainClassifier(image_shape=(1, 4, 6)).fit(X, y)
    with pytest.raises(ValueError, match=r"24 columns, but image_shape=\(1, 5, 5\)"):
        MultiDomainClassifier(image_shape=(1, 5, 5)).fit(X.reshape(60, -1), y)
    with pytest.raises(ValueError, match=r"image_shape=\(6, 4\) must be"):
        MultiDomainClassifier(image_shape=(6, 4)).fit(X.reshape(60, -1), y)
    with pytest.raises(ValueError, match=r"\(-1, -6, 4\) must be .* at least 1"):
        MultiDomainClassifier(image_shape=(-1, -6, 4)).fit(X.reshape(60, -1), y)
    classifier = MultiDomainClassifier(max_epochs=1, warm_start=True).fit(X, y)
    turned = X.transpose(0, 1, 3, 2)
    message = (
        r"shape \(1, 4, 6\), but MultiDomainClassifier was fitted to .* \(1, 6, 4\)"
    )
    for method in (classifier.predict, classifier.transform):
        with pytest.raises(ValueError, match=message):
            method(turned)
    with pytest.raises(ValueError, match=message):
        classifier.fit(turned, y)
    with pytest.raises(
        ValueError, match="X has 20 features, but MultiDomainClassifier"
    ):
        classifier.predict(X.reshape(60, -1)[:, :20])


@pytest.mark.parametrize(
    "classifier",
    [
        MultiDomainClassifier(DANN()),
        MultiDomainClassifier(GroupDRO()),
        NCFALClassifier(encoder="domain"),
        NCFALClassifier(mask=Mask(scope="domain")),
    ],
    ids=repr,
)
def test_what_is_learnt_of_a_domain_is_not_taken_for_another(rows, classifier):
    classifier = clone(classifier).set_params(max_epochs=1, warm_start=True)
    rows.fit(classifier)
    with pytest.raises(ValueError, match=r"domains of the previous fit, \[0 1\]"):
        classifier.fit(rows.X, rows.y, sample_domain=rows.sample_domain + 1)
    assert_array_equal(classifier.domains_, [0, 1])
    assert rows.fit(classifier).n_iter_ == 2
    shared = rows.fit(MultiDomainClassifier(IRM(), max_epochs=1, warm_start=True))
    shared.fit(rows.X, rows.y, sample_domain=rows.sample_domain + 1)
    assert_array_equal(shared.domains_, [1, 2])


def test_a_warm_start_needs_the_same_classes(rows):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1, warm_start=True))
    with pytest.raises(ValueError, match=r"classes of the previous fit, \[0 1 2\]"):
        classifier.fit(rows.X, rows.y + 1)


def test_a_module_that_returns_no_rows_is_refused(rows):
    with pytest.raises(ValueError, match="module must return features of shape"):
        rows.fit(MultiDomainClassifier(module=nn.Unflatten(1, (2, 3))))


# --------------------------------------------------------------- tools of scikit-learn


def test_domains_go_through_a_pipeline_and_cross_validation(rows):
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = MultiDomainClassifier(VREx(), max_epochs=2, random_state=0)
        classifier.set_fit_request(sample_domain=True)
        pipeline = make_pipeline(StandardScaler(), classifier)
        result = cross_validate(
            pipeline,
            rows.X,
            rows.y,
            cv=2,
            params={"sample_domain": rows.sample_domain},
            return_estimator=True,
            error_score="raise",
        )
    for fitted in result["estimator"]:
        assert fitted[-1].domains_.tolist() == [0, 1]


def test_a_search_tries_weights(rows):
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = MultiDomainClassifier(IRM(), max_epochs=8, random_state=0)
        classifier.set_fit_request(sample_domain=True)
        search = GridSearchCV(
            classifier, {"objective__weight": [0.1, 1.0]}, cv=2, error_score="raise"
        ).fit(rows.X, rows.y, sample_domain=rows.sample_domain)
    assert search.best_estimator_.net_.criterion_.objective.weight in (0.1, 1.0)
    assert classifier.objective.weight == 100
    assert search.score(rows.X, rows.y) > 0.9


def test_a_search_tries_objectives(rows):
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = MultiDomainClassifier(max_epochs=1, random_state=0)
        classifier.set_fit_request(sample_domain=True)
        objectives = [None, IRM(1.0), VREx(1.0), Mixup()]
        search = GridSearchCV(
            classifier, {"objective": objectives}, cv=2, error_score="raise"
        ).fit(rows.X, rows.y, sample_domain=rows.sample_domain)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["objective"] in objectives


class Confidence(Penalty):
    """As a user would write one."""

    def penalty(self, batch):
        return (batch.logits.softmax(dim=1) ** 2).sum(dim=1).mean()


class Watched(Objective):
    """Notes what the trainer gives an objective."""

    takes_unlabeled = True

    def __init__(self, seen=None):
        self.seen = seen

    def start(self, training):
        self.seen_ = []
        self.seen_.append((training.n_features, training.n_domains))
        return nn.Linear(training.n_features, 1)

    def loss(self, batch, learned):
        self.seen_.append((batch.step, batch.n_steps, tuple(batch.sizes)))
        assert batch.is_training
        assert batch.features.shape[0] == batch.logits.shape[0] == len(batch.y)
        return batch.mean_risk + learned(batch.features).square().mean()

    def divisor(self, step, n_steps):
        return 2.0


def test_an_objective_may_be_written_by_a_user(rows):
    plain = rows.fit(MultiDomainClassifier(max_epochs=3, random_state=0))
    unsure = MultiDomainClassifier(Confidence(1.0), max_epochs=3, random_state=0)
    largest = [c.predict_proba(rows.X).max(axis=1) for c in (plain, rows.fit(unsure))]
    assert largest[1].mean() < largest[0].mean()
    with pytest.raises(ValueError, match="'weight' parameter of Confidence must be"):
        rows.fit(MultiDomainClassifier(Confidence(-1.0)))


@pytest.mark.parametrize(("batch_size", "sizes"), [(8, (8, 8)), (None, (120, 120))])
def test_the_trainer_keeps_what_it_promises_to_objectives(rows, batch_size, sizes):
    objective = Watched()
    classifier = MultiDomainClassifier(
        objective, batch_size=batch_size, max_epochs=2, steps_per_epoch=3
    )
    criterion = rows.fit(classifier).net_.criterion_
    first, *steps = objective.seen_
    assert first == (128, 2)
    assert steps == [(step, 6, sizes) for step in range(6)]
    assert criterion.divisor == 2
    assert (criterion.learned.weight.grad != 0).any()


def test_an_objective_without_a_loss_says_so(rows):
    with pytest.raises(NotImplementedError, match="Objective has no method loss"):
        rows.fit(MultiDomainClassifier(Objective(), max_epochs=1))


def test_a_search_with_a_module_and_callbacks_clones_both(rows):
    search = GridSearchCV(
        MultiDomainClassifier(module=MLP(6, (4,)), max_epochs=1, callbacks=[]),
        {"lr": [0.1, 0.01]},
        cv=2,
        error_score="raise",
    )
    assert search.fit(rows.X, rows.y).best_params_["lr"] in (0.1, 0.01)


def test_a_penalty_that_leaves_nothing_to_learn_is_warned_of(make_rows):
    X, y, domain = make_rows(300, n_classes=5)
    settings = {"max_epochs": 15, "batch_size": 16, "random_state": 0}
    crushed = MultiDomainClassifier(IRM(1e6, warmup=0), lr=0.01, **settings)
    with pytest.warns(UserWarning, match="learnt next to nothing. Lower the weight"):
        crushed.fit(X, y, sample_domain=domain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MultiDomainClassifier(IRM(1.0), lr=0.01, **settings).fit(
            X, y, sample_domain=domain
        )


def test_what_is_learnt_is_judged_by_all_classes_in_whatever_order(make_shortcut):
    X, y, _ = make_shortcut(600)
    order = np.argsort(y, kind="stable").reshape(2, -1).T.ravel()  # 0, 1, 0, 1 ...
    domain = np.arange(600) // 2 % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MultiDomainClassifier(max_epochs=5, random_state=0).fit(
            X[order], y[order], sample_domain=domain
        )


@pytest.mark.parametrize(("n", "n_rare"), [(5000, 50), (4, 2)])
def test_rows_that_are_all_right_are_not_warned_of(n, n_rare):
    y = (np.arange(n) % (n // n_rare) == 0).astype(int)
    X = (8.0 * y - 4)[:, None]
    classifier = MultiDomainClassifier(max_epochs=200, steps_per_epoch=1, lr=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier.fit(X, y, sample_domain=np.arange(n) // (n // 2))
    assert classifier.score(X, y) == 1


def test_none_of_no_pictures_is_told_as_of_no_rows(pictures):
    X, y = pictures
    classifier = MultiDomainClassifier(max_epochs=1)
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        classifier.fit(X[:0], y[:0])
    classifier.fit(X, y)
    with pytest.raises(ValueError, match="Found array with 0 sample"):
        classifier.predict(X[:0])


def test_training_is_the_same_whatever_torch_takes_for_numbers(rows):
    expected = rows.fit(NCFALClassifier(max_epochs=1, random_state=0))
    torch.set_default_dtype(torch.float64)
    try:
        classifier = rows.fit(NCFALClassifier(max_epochs=1, random_state=0))
        found = classifier.predict_proba(rows.X)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert_array_equal(found, expected.predict_proba(rows.X))
    with torch.no_grad():
        rows.fit(classifier)
        assert not torch.is_grad_enabled()
    assert_array_equal(classifier.predict_proba(rows.X), expected.predict_proba(rows.X))


@pytest.mark.parametrize("gammas", [[], [-1.0], [[1.0]], [np.nan]])
def test_gammas_that_are_no_numbers_above_0_are_refused(rows, gammas):
    with pytest.raises(ValueError, match=r"gammas must be .* above 0"):
        rows.fit(MultiDomainClassifier(MMD(gammas=gammas)))


# ------------------------------------------------------------------ scales of columns


@cache
def _reasonable():
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(500, 300))
    rare = rng.zipf(1.5, size=500).clip(max=400) - 1
    return {
        "iris": load_iris().data,
        "breast cancer, scaled": scale(load_breast_cancer().data),
        "breast cancer, from 0 to 1": minmax_scale(load_breast_cancer().data),
        "wine, scaled": scale(load_wine().data),
        "digits": load_digits().data,
        "digits, from 0 to 1": load_digits().data / 16,
        "digits, scaled": scale(load_digits().data),
        "diabetes": load_diabetes().data,
        "embeddings of length 1": normalize(rng.normal(size=(500, 4096))),
        "one-hot": np.eye(400)[rare],
        "one-hot beside numbers": np.c_[np.eye(400)[rare], cells[:, :3]],
        "counts of words": rng.poisson(1000 / np.arange(1, 300) ** 1.1, (500, 299)),
        "principal components": 30 * cells / np.arange(1, 301),
        "log-normal": np.exp(cells[:, :20]),
        "constant": np.c_[cells[:, :3], np.full(500, 7.0)],
        "one column": cells[:, :1],
    }


@cache
def _raw():
    table, wine = load_breast_cancer().data, load_wine().data
    years = np.c_[np.arange(1900, 2020), np.arange(120) % 7]
    return {
        "breast cancer": (table, "of size 2e.02"),
        "breast cancer / 1000": (table / 1000, "by up to 3, and half"),
        "wine": (wine, "of size 2e.02"),
        "wine / 100": (wine / 100, "by up to 9, and half"),
        "iris * 1000": (1e3 * load_iris().data, "of size 4e.03"),
        "iris / 1000": (load_iris().data / 1e3, "no value is larger than 0.008"),
        "a large mean": (years, "of size 1e.03"),
    }


def _scale_warnings(classifier, X):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(X, np.arange(len(X)) % 2)
    return [str(w.message) for w in caught if "need scaling" in str(w.message)]


@pytest.mark.parametrize("name", _reasonable())
def test_no_warning_of_scales_that_do_no_harm(name):
    classifier = MultiDomainClassifier(
        hidden_layer_sizes=(2,), max_epochs=1, steps_per_epoch=1
    )
    assert not _scale_warnings(classifier, _reasonable()[name])


@pytest.mark.parametrize("name", _raw())
def test_raw_tables_are_told(name):
    X, line = _raw()[name]
    classifier = MultiDomainClassifier(
        hidden_layer_sizes=(2,), max_epochs=1, steps_per_epoch=1
    )
    (message,) = _scale_warnings(classifier, X)
    assert re.search(line, message)
    assert "use a StandardScaler first" in message


def test_a_network_that_was_given_and_pictures_bring_their_own_scaling(pictures):
    X, _ = _raw()["breast cancer"]
    classifier = MultiDomainClassifier(max_epochs=1, steps_per_epoch=1)
    classifier.set_params(module=lambda: nn.BatchNorm1d(30))
    assert not _scale_warnings(classifier, X)
    assert not _scale_warnings(classifier.set_params(module=None), 255 * pictures[0])


def test_the_warning_of_ncfal_speaks_of_scales_where_they_are_at_fault():
    X, y = load_breast_cancer(return_X_y=True)
    partition = Partition(assign_by="random")
    classifier = NCFALClassifier(partition=partition, max_epochs=10, random_state=0)
    with pytest.warns(UserWarning, match="NCFALClassifier learns little from such"):
        raw = classifier.fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    X = scale(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaled = classifier.fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    assert raw < 0.9 < scaled
