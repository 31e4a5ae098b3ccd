import copy
import os
import pickle
import signal
import sys
import threading
import warnings
from functools import partial

import numpy as np
import pytest
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch.callbacks import (  # noqa: E402
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)
from torch import nn  # noqa: E402
from torch.optim.lr_scheduler import StepLR  # noqa: E402

from skalign import (  # noqa: E402
    ContrastiveAligner,
    MultiDomainClassifier,
    NCFALClassifier,
    StitchingRegressor,
)
from skalign.deep import (  # noqa: E402
    DANN,
    IRM,
    MLP,
    Mask,
    Partition,
    SimplexHead,
    VREx,
)
from skalign.deep.trainer import seeded  # noqa: E402
from skalign.deep.trainer._trained import hold_out  # noqa: E402


def _weights(estimator):
    return [p.detach().numpy() for p in estimator.net_.module_.parameters()]


def _same(ours, theirs):
    return all(
        np.array_equal(a, b)
        for a, b in zip(_weights(ours), _weights(theirs), strict=True)
    )


class Witness(Callback):
    """Writes down what a net tells it; does `action` at the end of epoch `at`."""

    def __init__(self, at=None, action=None):
        self.at, self.action, self.told = at, action, []

    def on_train_begin(self, net, **kwargs):
        self.told.append("train")

    def on_epoch_end(self, net, **kwargs):
        self.told.append("epoch")
        if self.told.count("epoch") == self.at:
            self.action(net)

    def on_batch_end(self, net, batch=None, loss=None, **kwargs):
        assert np.isfinite(float(loss.detach()))
        self.told.append("batch")

    def on_grad_computed(self, net, named_parameters, **kwargs):
        assert all(p.grad is not None for _, p in named_parameters)
        self.told.append("gradient")

    def on_train_end(self, net, **kwargs):
        self.told.append("end")


def _interrupt(net):
    raise KeyboardInterrupt


class Watch:
    """A callback of scikit-learn; says stop after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after, self.begun, self.ended = stop_after, 0, 0

    def setup(self, estimator, context):
        self.open = True

    def teardown(self, estimator, context):
        self.open = False

    def on_fit_task_begin(self, estimator, context):
        self.begun += 1

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.ended += context.task_name == "iteration"
        return self.ended == self.stop_after


# ---------------------------------------------------------------- what is held out


def test_a_share_of_each_domain_and_class_is_held_out():
    domain = np.repeat([0, 1], [100, 40])
    labels = np.arange(140) % 2
    out = hold_out(domain, labels, 0.1, np.random.RandomState(0))
    for e, n_rows in ((0, 10), (1, 4)):
        assert_array_equal(np.bincount(labels[out & (domain == e)]), [n_rows / 2] * 2)


def test_no_domain_is_held_out_whole():
    domain = np.array([0, 0, 1, 1, 1, 2])
    out = hold_out(domain, None, 0.99, np.random.RandomState(0))
    assert_array_equal(np.bincount(domain[out], minlength=3), [1, 2, 0])


def test_the_last_row_of_a_class_in_a_domain_is_not_held_out():
    domain, labels = (
        np.repeat([0, 1], [10, 4]),
        np.r_[[0] * 7, 1, 2, 2, [0, 1, 2, 2]],
    )
    for seed in range(20):
        out = hold_out(domain, labels, 0.5, np.random.RandomState(seed))
        for e in (0, 1):
            assert_array_equal(np.unique(labels[~out & (domain == e)]), [0, 1, 2])
        assert_array_equal(np.bincount(domain[out]), [5, 1])


def test_early_stopping_without_a_second_row_of_any_class_is_refused():
    classifier = MultiDomainClassifier(early_stopping=True)
    with pytest.raises(ValueError, match="early_stopping=True has nothing to hold out"):
        classifier.fit(np.eye(4), [0, 1, 0, 1], sample_domain=[0, 0, 1, 1])
    y, domain = [0, 1, *[-1] * 8], [0, 0, *[-1] * 8]  # the others are unlabelled
    with pytest.raises(ValueError, match="early_stopping=True has nothing to hold out"):
        MultiDomainClassifier(DANN(), early_stopping=True).fit(
            np.eye(10), y, sample_domain=domain
        )


@pytest.mark.parametrize("kind", [ContrastiveAligner, StitchingRegressor])
@pytest.mark.parametrize(("n_pairs", "n_held_out"), [(12, 1), (24, 2), (44, 4)])
def test_an_epoch_is_not_chosen_by_a_few_pairs(kind, n_pairs, n_held_out):
    X = np.random.default_rng(0).normal(size=(n_pairs, 3))
    wanted = rf"hold out {n_held_out} of {n_pairs} samples .*: at least 5 are needed"
    with pytest.raises(ValueError, match=wanted):
        kind(early_stopping=True).fit(X, X)
    enough = {"early_stopping": True, "validation_fraction": 6 / n_pairs}
    fitted = kind(max_epochs=2, **enough).fit(X, X)
    assert min(fitted.net_.history[:, "valid_loss"]) > 0


@pytest.mark.parametrize("kind", [MultiDomainClassifier, NCFALClassifier])
@pytest.mark.parametrize(("n_classes", "n_wanted"), [(2, 5), (8, 8)])
def test_an_epoch_is_not_chosen_by_a_few_rows(kind, n_classes, n_wanted, make_rows):
    rows = make_rows(n_samples=64, n_classes=n_classes)
    share = (n_wanted - 2) / 64
    classifier = kind(early_stopping=True, validation_fraction=share, max_epochs=1)
    wanted = rf"hold out \d of 64 samples .*: at least {n_wanted} are needed"
    with pytest.raises(ValueError, match=wanted):
        rows.fit(classifier)
    rows.fit(classifier.set_params(validation_fraction=0.3))


# ---------------------------------------------------------------- the course of a fit


def test_history_has_a_row_an_epoch(rows):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=4, random_state=0))
    history = classifier.net_.history
    assert len(history) == classifier.n_iter_ == 4
    assert history[:, "epoch"] == [1, 2, 3, 4]
    losses = history[:, "train_loss"]
    assert losses[-1] < losses[0]


def test_skorch_callbacks_are_called(rows):
    witness = Witness()
    rows.fit(
        MultiDomainClassifier(max_epochs=2, steps_per_epoch=3, callbacks=[witness])
    )
    epoch = ["gradient", "batch"] * 3 + ["epoch"]
    assert witness.told == ["train", *epoch, *epoch, "end"]


def test_the_history_says_which_epochs_are_the_best_so_far(rows, tmp_path):
    kept = Checkpoint(monitor="valid_score_best", dirname=tmp_path)
    classifier = rows.fit(
        MultiDomainClassifier(max_epochs=4, early_stopping=True, callbacks=[kept])
    )
    history = classifier.net_.history
    for name, sign in (("train_loss", 1), ("valid_loss", 1), ("valid_score", -1)):
        values = sign * np.array(history[:, name])
        least = [v < values[:i].min(initial=np.inf) for i, v in enumerate(values)]
        assert history[:, f"{name}_best"] == least
    assert history[:, "event_cp"] == history[:, "valid_score_best"]


@pytest.mark.parametrize(
    "callback",
    [EpochScoring("accuracy"), ("named", EpochScoring("accuracy")), EpochScoring],
    ids=["object", "pair", "class"],
)
def test_a_callback_that_scores_a_data_set_is_refused(rows, callback):
    with pytest.raises(ValueError, match="EpochScoring cannot score batches"):
        rows.fit(MultiDomainClassifier(callbacks=[callback]))


def test_the_best_epoch_is_not_loaded_in_one_process_alone(rows, monkeypatch, tmp_path):
    kept = Checkpoint(monitor="valid_score_best", dirname=tmp_path, load_best=True)
    classifier = MultiDomainClassifier(early_stopping=True, callbacks=[("best", kept)])
    monkeypatch.setattr("skalign.deep.trainer._trained.n_processes", lambda: 2)
    with pytest.raises(ValueError, match="in one of 2 processes only"):
        rows.fit(classifier)


def test_a_callback_may_evaluate_amid_an_epoch(rows):
    class Evaluate(Callback):
        def on_batch_end(self, net, **kwargs):
            net.forward_rows(torch.from_numpy(rows.X))

    network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5))
    settings = {"module": network, "max_epochs": 2, "random_state": 0}
    plain = rows.fit(MultiDomainClassifier(**settings))
    assert _same(
        rows.fit(MultiDomainClassifier(callbacks=[Evaluate()], **settings)), plain
    )


@pytest.mark.parametrize("callback", [3, (EarlyStopping,), ("name", 3)])
def test_what_is_no_callback_is_refused(rows, callback):
    with pytest.raises(ValueError, match="callbacks must be callbacks of skorch"):
        rows.fit(MultiDomainClassifier(callbacks=[callback]))


def test_a_callback_may_be_named_as_that_of_early_stopping(rows):
    own = EarlyStopping("train_loss", patience=1, threshold=1e9, threshold_mode="abs")
    classifier = MultiDomainClassifier(
        early_stopping=True, callbacks=[("EarlyStopping", own)]
    )
    assert rows.fit(classifier).n_iter_ == 2


def test_scikit_learn_callbacks_are_told_of_each_epoch(rows):
    watch = Watch()
    rows.fit(MultiDomainClassifier(max_epochs=3).set_callbacks(watch))
    assert (watch.begun, watch.ended) == (4, 3)  # the whole fit is a task too
    assert not watch.open


def test_a_scikit_learn_callback_can_stop_the_fit(rows):
    witness, watch = Witness(), Watch(stop_after=2)
    classifier = MultiDomainClassifier(max_epochs=9, callbacks=[witness]).set_callbacks(
        watch
    )
    rows.fit(classifier)
    assert classifier.n_iter_ == len(classifier.net_.history) == 2
    assert witness.told.count("epoch") == 2  # told of the last epoch too
    assert witness.told[-1] == "end"
    assert not watch.open


def test_a_skorch_callback_can_stop_the_fit(rows):
    witness = Witness(at=2, action=_interrupt)
    classifier = rows.fit(MultiDomainClassifier(max_epochs=9, callbacks=[witness]))
    assert classifier.n_iter_ == 2
    assert witness.told[-1] == "end"


def test_an_interrupted_fit_is_none(rows):
    class Impatient(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    classifier = MultiDomainClassifier(callbacks=[Impatient()])
    with pytest.raises(KeyboardInterrupt):
        rows.fit(classifier)
    with pytest.raises(NotFittedError):
        classifier.predict(rows.X)


class At(Callback):
    """Calls `action` at one of a net's notices."""

    def __init__(self, notice, action):
        self.notice, self.action = notice, action

    def __getattribute__(self, name):
        if name == super().__getattribute__("notice"):
            super().__getattribute__("action")(None)
        return super().__getattribute__(name)


def _by_signal(net):
    signal.raise_signal(signal.SIGINT)


class Interrupted(nn.Linear):
    """Raises an interrupt where it is called for the third time."""

    n_calls = 0

    def forward(self, X):
        self.n_calls += 1
        if self.n_calls == 3:
            raise KeyboardInterrupt
        return super().forward(X)


NOTICES = ["train_begin", "epoch_begin", "batch_begin", "grad_computed", "batch_end"]
KINDS = [MultiDomainClassifier, NCFALClassifier, StitchingRegressor, ContrastiveAligner]


def _fit(estimator, rows):
    if isinstance(estimator, StitchingRegressor | ContrastiveAligner):
        return estimator.fit(rows.X, rows.X)
    return rows.fit(estimator)


def _interrupted(estimator, rows):
    """Interrupt another fit of an estimator, and compare; the first runs through."""
    callbacks = estimator.callbacks
    estimator.set_params(callbacks=None)
    if not hasattr(estimator, "net_"):
        _fit(estimator, rows)
    before, net, weights = vars(estimator).copy(), estimator.net_, _weights(estimator)
    kept = [weight.copy() for weight in weights]
    optimizer = copy.deepcopy(net.optimizer_.state_dict())
    n_epochs = len(net.history)
    estimator.set_params(callbacks=callbacks)
    with pytest.raises(KeyboardInterrupt):
        _fit(estimator, rows)
    after = vars(estimator) | {"callbacks": None}
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())
    for weight, expected in zip(_weights(estimator), kept, strict=True):
        assert_array_equal(weight, expected)
    for number, state in net.optimizer_.state_dict()["state"].items():
        assert_array_equal(state["exp_avg"], optimizer["state"][number]["exp_avg"])
    assert len(net.history) == n_epochs


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_reaches_the_caller_and_changes_nothing(kind, rows, warm_start):
    estimator = kind(max_epochs=2, early_stopping=True, warm_start=warm_start)
    for notice in NOTICES:
        callbacks = [At(f"on_{notice}", _interrupt)]
        _interrupted(estimator.set_params(callbacks=callbacks), rows)


@pytest.fixture
def heeded():
    """The signal of an interrupt raises one, in processes of the background as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.skipif(sys.platform == "win32", reason="signals arrive otherwise")
@pytest.mark.parametrize("kind", [MultiDomainClassifier, ContrastiveAligner])
def test_a_signal_that_arrives_in_a_callback_reaches_the_caller(kind, rows):
    for callback in (Witness(1, _by_signal), At("on_batch_end", _by_signal)):
        _interrupted(kind(max_epochs=2, callbacks=[callback]), rows)


def test_a_callback_of_scikit_learn_that_is_interrupted_ends_no_training(rows):
    class Interrupting(Watch):
        def on_fit_task_end(self, estimator, context, **kwargs):
            raise KeyboardInterrupt

    classifier = MultiDomainClassifier(max_epochs=2).set_callbacks(Interrupting())
    with pytest.raises(KeyboardInterrupt):
        rows.fit(classifier)
    assert not hasattr(classifier, "net_")


def test_an_interrupt_of_a_module_reaches_the_caller(rows):
    classifier = MultiDomainClassifier(module=lambda: Interrupted(6, 4), max_epochs=1)
    with pytest.raises(KeyboardInterrupt):
        rows.fit(classifier)
    assert not hasattr(classifier, "net_")


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupt_of_a_local_model_reaches_the_caller(rows, solver, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(MLPClassifier, "_backprop", interrupt)
    local_model = MLPClassifier(4, solver=solver, max_iter=1)
    classifier = NCFALClassifier(
        partition=Partition(local_model=local_model), max_epochs=1
    )
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(rows.X, rows.y)
    assert not hasattr(classifier, "classes_")


def test_a_diverging_loss_names_the_epoch_and_leaves_the_estimator_unfitted(rows):
    watch = Watch()
    classifier = MultiDomainClassifier(lr=1e30, max_epochs=5, random_state=0)
    with pytest.raises(FloatingPointError, match=r"became \w+ in epoch [12]. Lower lr"):
        rows.fit(classifier.set_callbacks(watch))
    assert not watch.open
    assert not [name for name in vars(classifier) if name.endswith("_")]


@pytest.mark.parametrize(
    "kind", [MultiDomainClassifier, NCFALClassifier, StitchingRegressor]
)
def test_a_last_step_that_diverges_is_noticed(kind, rows):
    settings = {"batch_size": None, "steps_per_epoch": 1, "max_epochs": 1}
    estimator = kind(lr=1e30, random_state=0, **settings)
    domain = {"sample_domain": rows.sample_domain}
    y = rows.y
    if kind is StitchingRegressor:
        y, domain = rows.X, {}
    with pytest.raises(FloatingPointError, match="returns became infinite in epoch 1"):
        estimator.fit(rows.X, y, **domain)
    assert not [name for name in vars(estimator) if name.endswith("_")]


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_diverging_loss_leaves_a_fitted_estimator_as_it_was(rows, warm_start):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=2, random_state=0))
    before, net = classifier.predict_proba(rows.X), classifier.net_
    classifier.set_params(lr=1e30, warm_start=warm_start)
    with pytest.raises(FloatingPointError):
        rows.fit(classifier)
    assert classifier.net_ is net
    assert len(net.history) == classifier.n_iter_ == 2
    assert_array_equal(classifier.predict_proba(rows.X), before)


# ------------------------------------------------------------------------- randomness


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_int_seed_repeats_a_fit_bit_by_bit(rows, early_stopping):
    classifier = MultiDomainClassifier(
        VREx(), max_epochs=3, random_state=5, early_stopping=early_stopping
    )
    first, second = rows.fit(clone(classifier)), rows.fit(clone(classifier))
    assert _same(first, second)
    assert first.net_.history[:, "train_loss"] == second.net_.history[:, "train_loss"]
    other = rows.fit(clone(classifier).set_params(random_state=6))
    assert not _same(first, other)


def test_generators_and_rows_of_the_caller_are_left_alone(rows):
    network = nn.Sequential(nn.Dropout(0.1), MLP(6, (4,)))
    classifier = MultiDomainClassifier(
        module=network, max_epochs=2, early_stopping=True, random_state=0
    )
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    X, y = rows.X.copy(), rows.y.copy()
    rows.fit(classifier).predict(rows.X)
    assert_array_equal(torch.random.get_rng_state(), before[0])
    assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert_array_equal(rows.X, X)
    assert_array_equal(rows.y, y)


# --------------------------------------------------------------------- early stopping


def test_early_stopping_goes_back_to_the_best_epoch(make_rows):
    rows = make_rows(n_samples=80)
    kept = []

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            kept.append([p.detach().numpy().copy() for p in net.module_.parameters()])

    classifier = MultiDomainClassifier(
        lr=0.05,
        max_epochs=60,
        early_stopping=True,
        validation_fraction=0.3,
        n_iter_no_change=5,
        callbacks=[Keep()],
        random_state=0,
    )
    scores = rows.fit(classifier).net_.history[:, "valid_score"]
    best = int(np.argmax(scores))
    assert classifier.n_iter_ == best + 6 < 60
    for weight, expected in zip(_weights(classifier), kept[best], strict=True):
        assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    "classifier",
    [
        MultiDomainClassifier(IRM(warmup=43)),
        MultiDomainClassifier(VREx(1000.0, warmup=43)),
        NCFALClassifier(
            IRM(warmup=43),
            mask=Mask("feature", penalty=0.1),
            head=SimplexHead(distance_weight=0.1),
        ),
    ],
    ids=repr,
)
def test_early_stopping_counts_from_the_end_of_the_warm_up(classifier, make_rows):
    classifier = clone(classifier).set_params(
        steps_per_epoch=5, early_stopping=True, validation_fraction=0.3,
        n_iter_no_change=2, max_epochs=40, random_state=0,
    )  # fmt: skip
    history = make_rows().fit(classifier).net_.history
    # The ninth epoch begins with step 40, the tenth is the first with all its weight.
    counted = history[9:, "valid_score"]
    assert classifier.n_iter_ == 9 + np.argmax(counted) + 3 < 40


@pytest.mark.long
def test_early_stopping_does_not_undo_a_penalty(make_shortcut):
    parts = [
        make_shortcut(follows=share, seed=i) for i, share in enumerate((0.95, 0.7))
    ]
    X, y = (np.concatenate(of) for of in list(zip(*parts, strict=True))[:2])
    classifier = MultiDomainClassifier(
        IRM(), max_epochs=20, early_stopping=True, random_state=0
    )
    classifier.fit(X / [1, 9], y, sample_domain=np.repeat([0, 1], 2000))
    X, y, _ = make_shortcut(follows=0.1, seed=2)
    assert classifier.score(X / [1, 9], y) > 0.75


def test_no_epoch_counts_while_training_warms_up_to_its_end(rows):
    classifier = MultiDomainClassifier(
        VREx(warmup=10**6),
        early_stopping=True,
        n_iter_no_change=1,
        max_epochs=9,
        lr=0.1,
    )
    with pytest.warns(
        UserWarning, match=r"during the warm-up of VREx\(warmup=1000000\)"
    ):
        rows.fit(classifier)
    assert classifier.n_iter_ == 9
    with warnings.catch_warnings():  # 1 is in force from the first step on
        warnings.simplefilter("error")
        rows.fit(classifier.set_params(objective__weight=1.0))
    assert classifier.n_iter_ < 9


def test_early_stopping_of_a_regression_takes_the_smallest_error():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))  # nothing to learn
    aligner = StitchingRegressor(
        8,
        lr=0.01,
        early_stopping=True,
        validation_fraction=0.4,
        max_epochs=200,
        n_iter_no_change=7,
        random_state=0,
    ).fit(X, y)
    history = aligner.net_.history
    best = int(np.argmin(history[:, "valid_loss"]))
    assert history[best, "valid_score"] == -history[best, "valid_loss"]
    assert aligner.n_iter_ == best + 8 < 200


def test_held_out_rows_are_scored_by_domain(make_rows):
    rows = make_rows(n_samples=120)
    # Domain 0 has nine rows of ten; the mean is over domains all the same.
    domain = (np.arange(120) % 10 == 0).astype(int)
    classifier = MultiDomainClassifier(
        max_epochs=1, early_stopping=True, random_state=0
    )
    classifier.set_params(validation_fraction=0.5)
    parts = {}

    class Recompute(Callback):
        def on_epoch_end(self, net, dataset_valid, **kwargs):
            for e, (X, y) in enumerate(dataset_valid.parts):
                logits = net.forward_rows(X)[1]
                parts[e] = float((logits.argmax(dim=1) == y).float().mean()), len(y)

    classifier.set_params(callbacks=[Recompute()])
    classifier.fit(rows.X, rows.y, sample_domain=domain)
    assert [n for _, n in parts.values()] == [54, 6]
    expected = np.mean([score for score, _ in parts.values()])
    assert_allclose(classifier.net_.history[-1, "valid_score"], expected)


# ------------------------------------------------------------------------- warm start


@pytest.mark.parametrize("objective", [None, VREx(7.0, 6)])
def test_a_warm_start_goes_on_where_the_fit_before_ended(rows, objective):
    settings = {"batch_size": None, "steps_per_epoch": 3, "random_state": 0}
    if objective is not None:
        settings["weight_decay"] = 0.1
    kind = partial(MultiDomainClassifier, objective)
    whole = rows.fit(kind(max_epochs=5, **settings))
    parts = rows.fit(kind(max_epochs=2, warm_start=True, **settings))
    rows.fit(parts.set_params(max_epochs=3))
    assert parts.n_iter_ == whole.n_iter_ == 5
    assert parts.net_.history[:, "train_loss"] == whole.net_.history[:, "train_loss"]
    assert _same(parts, whole)


@pytest.mark.parametrize("kind", [MultiDomainClassifier, StitchingRegressor])
def test_a_warm_start_goes_on_after_one_that_failed(rows, kind):
    def fit(estimator):
        if kind is StitchingRegressor:
            return estimator.fit(rows.X, rows.X)
        return rows.fit(estimator)

    settings = {"max_epochs": 1, "warm_start": True, "random_state": 0}
    undisturbed, disturbed = fit(kind(**settings)), fit(kind(**settings))
    with pytest.raises(FloatingPointError):
        fit(disturbed.set_params(lr=1e18, max_epochs=9))
    fit(disturbed.set_params(lr=1e-3, max_epochs=1))
    assert _same(fit(undisturbed), disturbed)


def test_a_warm_start_goes_on_with_a_scheduled_learning_rate(rows):
    # skorch's LRScheduler takes a step where it begins again, here the third.
    schedule = LRScheduler(StepLR, step_size=1)
    classifier = MultiDomainClassifier(
        max_epochs=2, warm_start=True, callbacks=[schedule]
    )
    rows.fit(rows.fit(classifier))
    rates = classifier.net_.history[:, "event_lr"]
    assert_allclose(rates, [1e-3, 1e-4, 1e-6, 1e-7])
    rows.fit(classifier.set_params(lr=1.0, callbacks=None))
    assert classifier.net_.optimizer_.param_groups[0]["lr"] == 1.0


def test_without_a_warm_start_a_fit_begins_anew(rows):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1, random_state=0))
    expected = _weights(classifier)
    rows.fit(classifier)
    for weight, other in zip(_weights(classifier), expected, strict=True):
        assert_array_equal(weight, other)


def test_a_warm_start_takes_new_settings(rows):
    witness = Witness()
    classifier = rows.fit(
        MultiDomainClassifier(max_epochs=1, warm_start=True, random_state=0)
    )
    expected = _weights(classifier)
    rows.fit(classifier.set_params(lr=1e-12, callbacks=[witness]))
    for weight, other in zip(_weights(classifier), expected, strict=True):
        assert_allclose(weight, other, atol=1e-8)
    assert "epoch" in witness.told


def test_a_warm_start_needs_the_same_network(rows):
    classifier = rows.fit(MultiDomainClassifier(max_epochs=1, warm_start=True))
    with pytest.raises(ValueError, match="warm_start needs the network of"):
        rows.fit(classifier.set_params(hidden_layer_sizes=(5,)))


# --------------------------------------------------------------------------- a fitted


def test_a_trained_estimator_does_not_keep_its_rows(make_rows):
    settings = {"max_epochs": 1, "steps_per_epoch": 1, "early_stopping": True}
    classifier = MultiDomainClassifier(hidden_layer_sizes=(4,), **settings)
    small, large = (
        len(pickle.dumps(make_rows(n_samples=n).fit(clone(classifier))))
        for n in (100, 10_000)
    )
    assert abs(large - small) < 500


def test_a_trained_estimator_survives_pickle(rows):
    classifier = rows.fit(
        MultiDomainClassifier(max_epochs=2, warm_start=True, random_state=0)
    )
    loaded = pickle.loads(pickle.dumps(classifier))
    assert_array_equal(loaded.predict_proba(rows.X), classifier.predict_proba(rows.X))
    assert _same(rows.fit(loaded), rows.fit(classifier))  # the optimizer as well


class DoubleDecay(Callback):
    """Doubles the weight decay after each epoch, and notes what is in force."""

    def on_train_begin(self, net, **kwargs):
        self.in_force = []
        net.optimizer_.register_step_pre_hook(
            lambda optimizer, *_: self.in_force.append(
                optimizer.param_groups[0]["weight_decay"]
            )
        )

    def on_epoch_end(self, net, **kwargs):
        for group in net.optimizer_.param_groups:
            group["weight_decay"] *= 2


def test_a_callback_sets_the_weight_decay(rows):
    callback = DoubleDecay()
    classifier = MultiDomainClassifier(
        VREx(10.0, warmup=0.5),
        weight_decay=1.0,
        max_epochs=4,
        steps_per_epoch=1,
        callbacks=[callback],
    )
    rows.fit(classifier)
    # Divided by the weight of the penalty once that is in force, as the risk is.
    assert_allclose(callback.in_force, [1, 2, 0.4, 0.8])


def test_threads_take_turns(rows):
    def module():
        return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5))

    def fit(seed):
        classifier = MultiDomainClassifier(
            module=module, max_epochs=3, random_state=seed
        )
        return classifier.fit(rows.X, rows.y)

    before = torch.random.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        tasks = [delayed(fit)(seed) for seed in range(8)]
        together = Parallel(4, backend="threading")(tasks)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert_array_equal(torch.random.get_rng_state(), before)
    for seed, classifier in enumerate(together):
        weights = zip(_weights(fit(seed)), _weights(classifier), strict=True)
        for alone, beside in weights:
            assert_allclose(beside, alone, rtol=0, atol=1e-5)


def test_training_under_inference_mode(rows):
    with torch.inference_mode():
        inside = rows.fit(MultiDomainClassifier(max_epochs=1, random_state=0))
    assert _same(inside, rows.fit(MultiDomainClassifier(max_epochs=1, random_state=0)))


def test_a_device_that_holds_no_data_is_refused(rows):
    with pytest.raises(ValueError, match="device='meta' cannot be used here"):
        rows.fit(MultiDomainClassifier(device="meta"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_child_does_not_wait_for_a_thread_it_has_not():
    inside, go_on = threading.Event(), threading.Event()

    def train():
        with seeded(0):
            inside.set()
            go_on.wait()

    thread = threading.Thread(target=train)
    thread.start()
    inside.wait()
    child = os.fork()
    if not child:
        signal.alarm(60)  # ends a child that waits
        with seeded(0):
            os._exit(7)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        go_on.set()
        thread.join()
