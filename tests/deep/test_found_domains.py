"""Facts about stopping by the worst of found domains."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Callback

from skalign import MultiDomainClassifier, NCFALClassifier, load, save
from skalign.deep import DANN, ERM, IRM, GroupDRO, Partition, VREx
from skalign.domains import partition_domains

# Few samples are held out here, and training is short.
pytestmark = pytest.mark.filterwarnings("ignore:No epoch has an accuracy")
STOPPED = {"early_stopping": "found_domains", "validation_fraction": 0.2}
SHORT = {**STOPPED, "hidden_layer_sizes": (16,), "lr": 0.01, "random_state": 0}
linear = pytest.mark.usefixtures("linear_local_models")


@pytest.fixture
def linear_local_models(monkeypatch):
    """Divide by a logistic regression: the default compares five models."""
    partition = Partition(local_model=LogisticRegression())
    monkeypatch.setattr(MultiDomainClassifier, "_partition", partition)


def _rows(shares, noise=(0.2, 0.2), n=300, seed=0):
    """Domains whose shortcut holds in `shares`; labels are wrong in `noise`."""
    rng = np.random.default_rng(seed)
    given = np.repeat(np.arange(len(shares)), n)
    cause = rng.integers(2, size=len(given))
    y = cause ^ (rng.random(len(given)) < np.take(noise, given))
    shortcut = y ^ (rng.random(len(given)) > np.take(shares, given))
    follows = shortcut == y
    X = np.c_[cause, shortcut] + 0.1 * rng.normal(size=(len(given), 2))
    return X.astype(np.float32), y, given, follows


class Predictions(Callback):
    """Keeps what the network predicts after each epoch."""

    def __init__(self, X):
        self.X, self.kept = X, []

    def on_epoch_end(self, net, **kwargs):
        import torch

        _, logits = net.forward_rows(torch.from_numpy(self.X))
        self.kept.append(logits.argmax(dim=1).numpy())


@linear
@pytest.mark.parametrize(
    "objective", [ERM(), IRM(warmup=0.3), VREx(warmup=0.3), GroupDRO()], ids=repr
)
def test_the_epoch_with_the_best_worst_domain_is_kept(objective, monkeypatch):
    X, y, given, _ = _rows((0.95, 0.85))
    held_out = []
    train = MultiDomainClassifier._train

    def noted(self, *args, **kwargs):
        held_out.append(train(self, *args, **kwargs))
        return held_out[-1]

    monkeypatch.setattr(MultiDomainClassifier, "_train", noted)
    seen = Predictions(X)
    classifier = MultiDomainClassifier(
        objective, **SHORT, max_epochs=6, callbacks=[seen]
    ).fit(X, y, sample_domain=given)
    (out,), found = held_out, classifier.found_domain_
    right = np.array(seen.kept) == y
    worst = [right[:, out & (found == e)].mean(axis=1) for e in (0, 1)]
    worst = np.min(worst, axis=0)
    np.testing.assert_allclose(
        classifier.net_.history[:, "valid_score"], worst, rtol=1e-6
    )
    assert_array_equal(classifier.predict(X), seen.kept[int(worst.argmax())])


@linear
def test_it_waits_for_the_end_of_the_warm_up_but_sees_its_epochs():
    X, y, given, _ = _rows((0.95, 0.85))
    classifier = MultiDomainClassifier(
        IRM(warmup=43), **SHORT, steps_per_epoch=5, max_epochs=40, n_iter_no_change=2
    ).fit(X, y, sample_domain=given)
    best = int(np.argmax(classifier.net_.history[:, "valid_score"]))
    # The ninth epoch begins with step 40, before the end of the warm-up.
    assert classifier.n_iter_ == max(best + 1, 9) + 2


@pytest.mark.long
def test_it_avoids_a_shortcut_that_plain_training_learns():
    X, y, given, follows = _rows((0.95, 0.85), n=600)
    X_test, y_test, _, _ = _rows((0.1,), n=1000, seed=1)
    settings = {"hidden_layer_sizes": (16,), "max_epochs": 20, "random_state": 0}
    plain = NCFALClassifier(ERM(), **settings).fit(X, y, sample_domain=given)
    stopped = NCFALClassifier(ERM(), **settings, **STOPPED).fit(X, y)
    assert stopped.score(X_test, y_test) > 0.7 > plain.score(X_test, y_test) + 0.2
    assert_array_equal(stopped.found_domain_, stopped.domain_)
    assert stopped.found_dependence_ is None
    share = np.mean(stopped.domain_ == follows)
    assert max(share, 1 - share) > 0.95


def test_domains_are_those_of_partition_domains():
    X, y, given, _ = _rows((0.95, 0.85))
    classifier = MultiDomainClassifier(**SHORT, max_epochs=2)
    classifier.fit(X, y, sample_domain=given)
    expected = partition_domains(X, y, random_state=0).domain
    assert_array_equal(classifier.found_domain_, expected)
    assert classifier.found_dependence_ < 0.01


@linear
def test_a_fit_without_found_domains_forgets_those_before():
    X, y, given, _ = _rows((0.95, 0.85))
    classifier = MultiDomainClassifier(**SHORT, max_epochs=1)
    classifier.fit(X, y, sample_domain=given)
    classifier.set_params(early_stopping=False).fit(X, y, sample_domain=given)
    assert not hasattr(classifier, "found_domain_")
    assert not hasattr(classifier, "found_dependence_")


@linear
def test_found_domains_are_stored(tmp_path):
    X, y, given, _ = _rows((0.95, 0.85))
    classifier = MultiDomainClassifier(**SHORT, max_epochs=1)
    classifier.fit(X, y, sample_domain=given)
    save(classifier, tmp_path / "classifier.skops")
    again = load(tmp_path / "classifier.skops")
    assert_array_equal(again.found_domain_, classifier.found_domain_)
    assert again.found_dependence_ == classifier.found_dependence_
    assert_array_equal(again.predict(X), classifier.predict(X))


@linear
def test_domains_that_do_not_depend_on_given_ones_are_doubted():
    X, y, given, _ = _rows((0.7, 0.6), noise=(0.05, 0.05))
    classifier = MultiDomainClassifier(**SHORT, max_epochs=8)
    with pytest.warns(UserWarning, match="do not depend on those given .* the cause"):
        classifier.fit(X, y, sample_domain=given)
    assert classifier.found_dependence_ > 0.01


@linear
def test_domains_of_noise_are_doubted():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 2)).astype(np.float32), np.arange(120) % 2
    classifier = MultiDomainClassifier(**SHORT, max_epochs=1)
    with pytest.warns(UserWarning, match=r"probably noise .* Use early_stopping=True"):
        classifier.fit(X, y)


@linear
def test_chance_within_found_domains_is_told():
    X, y, _, _ = _rows((0.5,), n=600)  # no shortcut: they are divided by the cause
    classifier = MultiDomainClassifier(**SHORT, max_epochs=8)
    with pytest.warns(UserWarning, match="nothing but chance is left"):
        classifier.fit(X, y)


@linear
def test_samples_without_a_label_are_in_no_found_domain():
    X, y, given, _ = _rows((0.95, 0.85))
    X = np.concatenate([X, X[:60]])
    y, given = np.r_[y, [-1] * 60], np.r_[given, [-1] * 60]
    classifier = MultiDomainClassifier(DANN(), **SHORT, max_epochs=2)
    classifier.fit(X, y, sample_domain=given)
    assert_array_equal(classifier.found_domain_ == -1, y == -1)
    assert classifier.found_dependence_ < 0.01


def test_too_few_samples_to_find_domains_are_refused():
    X, y = np.eye(9, dtype=np.float32), np.r_[[0] * 6, [1] * 3]
    with pytest.raises(ValueError, match=r"2 samples for each of 2 domains"):
        MultiDomainClassifier(early_stopping="found_domains").fit(X, y)


def test_a_found_domain_without_a_held_out_sample_is_refused(monkeypatch):
    X, y, given, _ = _rows((0.95, 0.85), n=30)
    found = np.zeros(60, dtype=int)  # one sample of each class and given domain is in 1
    found[np.unique(2 * given + y, return_index=True)[1]] = 1
    monkeypatch.setattr(
        "skalign.deep._multi_domain.find_domains",
        lambda *args, **kwargs: SimpleNamespace(domain=found),
    )
    monkeypatch.setattr(
        "skalign.deep._multi_domain.dependence_on_given", lambda *args: 0.0
    )
    with pytest.raises(ValueError, match="no sample of a found domain"):
        MultiDomainClassifier(**STOPPED).fit(X, y, sample_domain=given)
