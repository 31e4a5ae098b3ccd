"""What methods do on coloured digits, rung by rung, on digits of 8 x 8 pixels.

That data are as published is tested with the makers, and the simplex and its losses
with these. The same rungs at full size are those of
`benchmarks/out_of_distribution/ladder.py`.
"""

from functools import cache, partial

import numpy as np
import pytest
from sklearn.datasets import load_digits

pytest.importorskip("torch")
pytest.importorskip("skorch")

from skalign import MultiDomainClassifier, NCFALClassifier
from skalign.datasets import make_colored_mnist
from skalign.deep import ERM, IRM, SimplexHead, VREx
from skalign.domains import partition_domains
from skalign.metrics import etf_distance

pytestmark = pytest.mark.long

OBJECTIVES = {"ERM": ERM(), "IRM": IRM(1e4), "VREx": VREx(1e4), "NCFAL": IRM(1e4)}


@cache
def digits():
    """Rows, classes, domains, and whether colour agrees; the last is the test."""
    images, digit = load_digits(return_X_y=True)
    drawn = np.random.default_rng(0).integers(len(images), size=4500)
    images = images[drawn].reshape(-1, 8, 8) / 16
    made = make_colored_mnist(
        images, digit[drawn], flip_probabilities=(0.2, 0.1, 0.9), random_state=0
    )
    rows = made.data.reshape(len(made.data), -1)
    return rows, made.target, made.sample_domain, made.color == made.target


@cache
def domains(kind):
    X, y, domain, _ = digits()
    train = domain < 2
    if kind == "given":
        return domain[train]
    if kind == "random":
        return np.random.default_rng(0).integers(2, size=train.sum())
    return partition_domains(X[train], y[train], random_state=0).domain


@cache
def fitted(name, kind, penalized=True):
    X, y, domain, _ = digits()
    train = domain < 2
    objective = OBJECTIVES[name] if penalized else ERM()
    method = MultiDomainClassifier
    if name == "NCFAL":
        method = NCFALClassifier
        if kind != "given":  # as NCFALClassifier does if it finds them
            objective = VREx(1e4) if penalized else ERM()
            method = partial(NCFALClassifier, head=SimplexHead(normalize=False))
    classifier = method(
        objective, hidden_layer_sizes=(64,), lr=2e-3, weight_decay=2e-3,
        batch_size=None, steps_per_epoch=10, max_epochs=20, random_state=0,
    )  # fmt: skip
    return classifier.fit(X[train], y[train], sample_domain=domains(kind))


def accuracy(name, kind="given", penalized=True):
    """On the domains that were trained on, and where colour is turned round."""
    X, y, domain, _ = digits()
    classifier = fitted(name, kind, penalized)
    return [classifier.score(X[of], y[of]) for of in (domain < 2, domain == 2)]


def test_empirical_risk_minimisation_takes_the_colour():
    train, test = accuracy("ERM")
    assert 0.83 < train < 0.9
    assert test < 0.25


@pytest.mark.parametrize("name", ["IRM", "VREx", "NCFAL"])
def test_penalties_give_the_colour_up_where_domains_are_given(name):
    train, test = accuracy(name)
    assert test > accuracy("ERM")[1] + 0.25
    assert train < 0.8


def test_domains_that_are_found_are_divided_by_colour_and_random_ones_not():
    agrees = digits()[3][digits()[2] < 2]
    gaps = [
        abs(agrees[of == 0].mean() - agrees[of == 1].mean())
        for of in (domains("inferred"), domains("random"))
    ]
    assert gaps[0] > 0.98
    assert gaps[1] < 0.03


@pytest.mark.parametrize("name", ["IRM", "VREx", "NCFAL"])
def test_every_penalty_gains_from_domains_that_are_found(name):
    found = accuracy(name, "inferred")[1]
    assert found > 0.64
    assert found > accuracy(name)[1]
    assert accuracy(name, "random")[1] < 0.3


def test_the_simplex_alone_makes_nothing_invariant():
    assert accuracy("NCFAL", penalized=False)[1] < 0.35


def test_class_means_are_nearest_to_the_simplex_where_colour_is_given_up():
    X, y, domain, _ = digits()
    test = domain == 2
    distances = []
    for kind, penalized in (("inferred", True), ("given", False)):
        classifier = fitted("NCFAL", kind, penalized)
        features = classifier.transform(X[test])
        distances.append(etf_distance(features, y[test], classifier.vertices_))
    # At the square root of 2 they are as near to the exchanged vertices as to theirs.
    assert distances[0] < 1 < np.sqrt(2) < distances[1]
