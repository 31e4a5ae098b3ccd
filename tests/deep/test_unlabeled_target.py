"""Labelled source rows, and target rows without a label: domain adaptation."""

from functools import partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch.nn import functional as F  # noqa: E402

from skalign import (  # noqa: E402
    LabeledOnly,
    MultiDomainClassifier,
    NCFALClassifier,
)
from skalign.deep import (  # noqa: E402
    DANN,
    ERM,
    IRM,
    MMD,
    DeepCORAL,
    GroupDRO,
    Mixup,
    VREx,
)


def _with(*kinds):
    return [
        pytest.param(partial(MultiDomainClassifier, kind()), id=kind.__name__)
        for kind in kinds
    ]


TAKE = _with(DANN, DeepCORAL, MMD)
REFUSE = [*_with(ERM, GroupDRO, IRM, Mixup, VREx), NCFALClassifier]
every_taker = pytest.mark.parametrize("kind", TAKE)


def _two_domains(n=300, names=(0, 1), seed=2):
    """Two classes side by side, and the same moved along and across."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    domain = rng.permutation(np.repeat([0, -1], n // 2))
    X = np.c_[4 * y - 2, np.zeros(n)] + 2.0 * (domain < 0)[:, None]
    X += 0.5 * rng.normal(size=(n, 2))
    return X.astype(np.float32), np.array(names)[y], domain


def _hide(y, domain):
    """Replace the labels of the target by what stands for a missing one."""
    hidden = y.copy()
    hidden[domain < 0] = -1  # "-1" among strings
    return hidden


# ------------------------------------------------------------------------ the objective


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(16, 5, generator=generator)
    logits = torch.randn(16, 3, generator=generator)
    return features, logits, torch.arange(16) % 3, [6, 10]


def test_rows_without_a_label_have_no_risk_and_no_gradient(batch, make_batch):
    _, logits, y, sizes = batch
    y[8:] = -1
    logits.requires_grad_()
    seen = make_batch(logits=logits.split(sizes), y=y.split(sizes))
    risks, mean = seen.risks, seen.mean_risk
    expected = [
        F.cross_entropy(logits[:6], y[:6]),
        F.cross_entropy(logits[6:8], y[6:8]),
    ]
    assert_allclose(risks.detach(), [e.item() for e in expected], rtol=1e-6)
    assert_allclose(mean.detach(), np.mean([e.item() for e in expected]), rtol=1e-6)
    mean.backward()
    assert logits.grad[:8].all()
    assert not logits.grad[8:].any()


def test_a_domain_without_labels_does_not_halve_the_risk(batch, make_batch):
    _, logits, y, sizes = batch
    y[6:] = -1
    seen = make_batch(logits=logits.split(sizes), y=y.split(sizes))
    risks, mean = seen.risks, seen.mean_risk
    assert_allclose(mean, F.cross_entropy(logits[:6], y[:6]), rtol=1e-6)
    assert risks[1] == 0


@pytest.mark.parametrize("kind", [DeepCORAL, MMD])
def test_a_penalty_takes_all_rows(batch, kind, make_batch, make_criterion):
    features, logits, y, sizes = batch
    y[6:] = -1
    loss = make_criterion(kind(0.5))(features, logits, y, sizes)
    risk = F.cross_entropy(logits[:6], y[:6])
    penalty = kind().penalty(make_batch(features.split(sizes)))
    assert_allclose(loss, risk + 0.5 * penalty, rtol=1e-5)


def test_a_discriminator_takes_all_rows(batch, make_criterion):
    features, logits, y, sizes = batch
    y[6:] = -1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        criterion = make_criterion(DANN())
    guesses = criterion.learned(features)
    domain = torch.tensor([0] * 6 + [1] * 10)
    expected = F.cross_entropy(logits[:6], y[:6]) + F.cross_entropy(guesses, domain)
    loss = criterion(features, logits, y, sizes)
    assert_allclose(loss.detach(), expected.detach(), rtol=1e-6)


def test_the_weight_of_the_reversed_gradient_grows(batch, make_criterion):
    features, logits, y, sizes = batch
    features.requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        criterion = make_criterion(DANN(2.0, 4))
    gradients = []
    for step in range(6):
        criterion.eval()(features, logits, y, sizes)  # counts as no step
        assert criterion.step == step
        loss = criterion.train()(features, logits, y, sizes)
        gradients.append(torch.autograd.grad(loss, features)[0])
    for step in range(6):
        share = 2 / (1 + np.exp(-10 * step / 4)) - 1 if step < 4 else 1
        assert_allclose(gradients[step], share * gradients[5], rtol=1e-5, atol=1e-9)


# -------------------------------------------------------------------------- the fit


@pytest.mark.long
@every_taker
def test_target_rows_without_labels_help(kind):
    X, y, domain = _two_domains(600)
    target = domain < 0
    settings = {"max_epochs": 30, "random_state": 0}
    plain = MultiDomainClassifier(**settings).fit(X[~target], y[~target])
    adapted = kind(**settings).fit(X, _hide(y, domain), sample_domain=domain)
    assert adapted.classes_.tolist() == [0, 1]
    assert adapted.domains_.tolist() == [-1, 0]
    before, after = (c.score(X[target], y[target]) for c in (plain, adapted))
    assert after > 0.9
    assert after > before + 0.1
    assert adapted.score(X[~target], y[~target]) > 0.95


def test_the_warmup_is_a_share_of_the_steps():
    X, y, domain = _two_domains()
    settings = {"max_epochs": 2, "steps_per_epoch": 5, "random_state": 0}
    shares = []
    for warmup in (0.5, 5, 0.0):
        classifier = MultiDomainClassifier(DANN(warmup=warmup), **settings)
        classifier.fit(X, _hide(y, domain), sample_domain=domain)
        shares.append(classifier.predict_proba(X))
        assert classifier.net_.criterion_.step == 10
    assert_array_equal(shares[0], shares[1])
    assert not np.allclose(shares[0], shares[2])


@every_taker
def test_the_type_of_labels_does_not_matter(kind):
    X, y, domain = _two_domains()
    hidden = _hide(y, domain)
    classifiers = [
        kind(max_epochs=2, random_state=0).fit(X, labels, sample_domain=domain)
        for labels in (hidden, hidden.astype(float), hidden.astype("U2"))
    ]
    shares = [classifier.predict_proba(X) for classifier in classifiers]
    assert_array_equal(shares[0], shares[1])
    assert_array_equal(shares[0], shares[2])


@every_taker
def test_classes_may_be_strings(kind):
    X, y, domain = _two_domains(names=("cat", "dog"))
    classifier = kind(max_epochs=2, random_state=0)
    classifier.fit(X, _hide(y, domain), sample_domain=domain)
    assert classifier.classes_.tolist() == ["cat", "dog"]
    assert set(classifier.predict(X)) <= {"cat", "dog"}


@every_taker
@pytest.mark.parametrize("batch_size", [16, None])
def test_some_labels_of_the_target_may_be_known(kind, batch_size):
    X, y, domain = _two_domains()
    hidden = _hide(y, domain)
    known = np.flatnonzero((domain < 0) & (y == 1))[:5]  # one class of two
    hidden[known] = y[known]
    classifier = kind(max_epochs=2, batch_size=batch_size, random_state=0)
    classifier.fit(X, hidden, sample_domain=domain)
    without = kind(max_epochs=2, batch_size=batch_size, random_state=0)
    without.fit(X, _hide(y, domain), sample_domain=domain)
    assert not np.allclose(classifier.predict_proba(X), without.predict_proba(X))


@every_taker
def test_several_sources_and_targets(kind):
    X, y, domain = _two_domains()
    domain[::2] *= 3
    domain[(domain == 0) & (np.arange(len(y)) % 4 < 2)] = 2
    classifier = kind(max_epochs=1, random_state=0)
    classifier.fit(X, _hide(y, domain), sample_domain=domain)
    assert classifier.domains_.tolist() == [-3, -1, 0, 2]


def test_early_stopping_looks_at_labelled_rows_only():
    X, y, domain = _two_domains()
    held_out = {}
    for name, labels in (("hidden", _hide(y, domain)), ("known", y)):
        classifier = MultiDomainClassifier(
            MMD(), max_epochs=3, early_stopping=True, random_state=0
        )
        classifier.fit(X, labels, sample_domain=domain)
        held_out[name] = classifier.net_.history[-1]["valid_score"]
        assert 0 <= held_out[name] <= 1
    # Source rows are told at once, those of the target are not.
    assert held_out["hidden"] > 0.9


def test_a_warm_start_goes_on_without_labels():
    X, y, domain = _two_domains()
    classifier = MultiDomainClassifier(
        DANN(), max_epochs=1, warm_start=True, random_state=0
    )
    for _ in range(2):
        classifier.fit(X, _hide(y, domain), sample_domain=domain)
    assert classifier.n_iter_ == 2


def test_labels_stay_hidden_through_a_pipeline():
    X, y, domain = _two_domains()
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = MultiDomainClassifier(MMD(), max_epochs=1, random_state=0)
        pipe = make_pipeline(
            StandardScaler(), classifier.set_fit_request(sample_domain=True)
        )
        pipe.fit(X, _hide(y, domain), sample_domain=domain)
    assert pipe.classes_.tolist() == [0, 1]


# ------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("kind", [*TAKE, *REFUSE])
def test_a_class_of_minus_1_is_refused_where_targets_have_no_label(kind):
    X, y, domain = _two_domains(names=(-1, 1))
    n_rows = ((domain >= 0) & (y == -1)).sum()
    message = f"{n_rows} source samples have the label -1, which denotes a missing one"
    with pytest.raises(ValueError, match=message):
        kind().fit(X, y, sample_domain=domain)


@pytest.mark.parametrize("kind", [*TAKE, MultiDomainClassifier])
def test_minus_1_is_a_class_where_there_is_no_target(kind):
    X, y, domain = _two_domains(names=(-1, 1))
    for names in (domain + 1, np.where(domain < 0, "a", "b")):
        classifier = kind(max_epochs=1).fit(X, y, sample_domain=names)
        assert classifier.classes_.tolist() == [-1, 1]


@pytest.mark.parametrize("kind", [*TAKE, *REFUSE])
def test_rows_that_all_have_no_label_are_refused(kind):
    X, y, domain = _two_domains()
    with pytest.raises(ValueError, match="No sample has a label"):
        kind().fit(X, np.full(len(y), -1), sample_domain=domain - 1)


@every_taker
def test_one_class_is_refused(kind):
    X, y, domain = _two_domains()
    with pytest.raises(ValueError, match="y holds one class, 0"):
        kind().fit(X, _hide(np.zeros_like(y), domain), sample_domain=domain)


@every_taker
def test_a_class_must_be_in_each_source(kind):
    X, y, domain = _two_domains()
    domain[(domain == 0) & (y == 0) & (np.arange(len(y)) < 150)] = 4
    with pytest.raises(ValueError, match="Domain 4 has no sample of class 1"):
        kind().fit(X, _hide(y, domain), sample_domain=domain)


@pytest.mark.parametrize("kind", REFUSE)
def test_who_learns_from_labels_alone_refuses_rows_without(kind):
    X, y, domain = _two_domains()
    message = "150 target samples have the label -1.* learns from labelled samples only"
    with pytest.raises(ValueError, match=message):
        kind().fit(X, _hide(y, domain), sample_domain=domain)


def test_labeled_only_leaves_such_rows_out():
    X, y, domain = _two_domains()
    target = domain < 0
    model = LabeledOnly(MultiDomainClassifier(max_epochs=2, random_state=0))
    model.fit(X, _hide(y, domain), sample_domain=domain)
    expected = MultiDomainClassifier(max_epochs=2, random_state=0).fit(
        X[~target], y[~target]
    )
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_minus_one_stands_for_no_label_among_strings_too(make_rows):
    X, y, domain = make_rows(n_domains=3)
    settings = {"max_epochs": 1, "random_state": 0}
    domain = np.unique(domain, return_inverse=True)[1] - 1
    expected = MultiDomainClassifier(DANN(), **settings)
    expected.fit(X, np.where(domain < 0, -1, y), sample_domain=domain)
    named = np.where(domain < 0, -1, np.array(["ant", "bee", "cow"], dtype=object)[y])
    classifier = MultiDomainClassifier(DANN(), **settings).fit(
        X, named, sample_domain=domain
    )
    assert_array_equal(classifier.classes_, ["ant", "bee", "cow"])
    assert_array_equal(classifier.predict_proba(X), expected.predict_proba(X))
