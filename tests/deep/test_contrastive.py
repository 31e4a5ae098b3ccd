import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from skorch.callbacks import Callback  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from skalign import (  # noqa: E402
    AlignedRetriever,
    CanonicalAligner,
    ContrastiveAligner,
    load,
    save,
)
from skalign.deep.trainer import DomainBatches, seeded  # noqa: E402
from skalign.deep.trainer._trained import hold_out  # noqa: E402
from skalign.metrics import get_scorer  # noqa: E402

RETRIEVAL = get_scorer("retrieval_accuracy")

RANDOM = {"init": "random", "lr": 0.01, "shrinkage": 0.01, "random_state": 0}


def _pairs(n_samples=300, seed=0):
    """Two sides that share five columns, and have louder ones of their own."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n_samples, 5))
    X, y = (
        np.c_[shared, 3 * rng.normal(size=(n_samples, n))]
        @ ortho_group.rvs(5 + n, random_state=rng)
        for n in (3, 4)
    )
    return X, y


def _bent(n_samples=1000, seed=0):
    """The target knows the size of what the source knows with its sign."""
    X = np.random.default_rng(seed).normal(size=(n_samples, 3))
    return X, np.abs(X)


@pytest.mark.long
def test_partners_are_found_from_a_random_start():
    X, y = _pairs(600)
    X, y, X_new, y_new = X[100:], y[100:], X[:100], y[:100]
    aligner = ContrastiveAligner(batch_size=50, max_epochs=40, **RANDOM).fit(X, y)
    assert aligner.score(X_new, y_new) > 0.9
    losses = aligner.net_.history[:, "train_loss"]
    assert losses[-1] < losses[0] / 2


@pytest.mark.long
def test_hidden_layers_meet_where_linear_heads_cannot():
    (X, y), (X_new, y_new) = _bent(), _bent(200, seed=1)
    settings = RANDOM | {"shrinkage": 1e-3, "max_epochs": 60, "batch_size": 250}
    linear = ContrastiveAligner(**settings).fit(X, y)
    bent = ContrastiveAligner(8, hidden_layer_sizes=(64,), **settings).fit(X, y)
    assert linear.score(X_new, y_new) < 0.1
    assert bent.score(X_new, y_new) > 0.3


def test_rows_are_of_unit_length():
    X, y = _pairs(50)
    aligner = ContrastiveAligner(4, max_epochs=1).fit(X, y)
    for rows in (aligner.transform(X), aligner.transform_target(y)):
        assert rows.shape == (50, 4)
        assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    assert len(aligner.get_feature_names_out()) == aligner.n_components_ == 4


@pytest.mark.parametrize("hidden_layer_sizes", [(), (7,)])
def test_training_begins_at_the_canonical_map(hidden_layer_sizes):
    X, y = _pairs(100)
    closed = CanonicalAligner(shrinkage=0.5).fit(X, y)
    aligner = ContrastiveAligner(
        shrinkage=0.5, lr=1e-12, max_epochs=1, hidden_layer_sizes=hidden_layer_sizes
    ).fit(X, y)
    for ours, theirs in (
        (aligner.transform(X), closed.transform(X)),
        (aligner.transform_target(y), closed.transform_target(y)),
    ):
        # The start is that of float32 rows, and axes may point the other way.
        signs = np.sign((ours * theirs).sum(axis=0))
        assert_allclose(ours * signs, normalize(theirs), atol=1e-4)


def test_the_canonical_start_does_not_see_what_is_held_out():
    X, y = _pairs(60)
    rng = np.random.RandomState(3)
    rng.randint(2**31 - 1)
    out = hold_out(np.zeros(60, dtype=int), None, 0.4, rng)
    y[out] = np.random.default_rng(0).permutation(y[out])  # no partners there
    aligner = ContrastiveAligner(
        early_stopping=True, validation_fraction=0.4, lr=1e-12, max_epochs=1,
        random_state=3,
    ).fit(X, y)  # fmt: skip
    closed = CanonicalAligner().fit(X[~out], y[~out])
    products = aligner.transform(X) @ aligner.transform_target(y).T
    expected = normalize(closed.transform(X)) @ normalize(closed.transform_target(y)).T
    # Scales of the sides are those of all rows, which the ridge does not mind.
    assert_allclose(products, expected, atol=1e-4)


def test_columns_beyond_what_few_pairs_span_stay_zero():
    X, y = _pairs(5)
    aligner = ContrastiveAligner(max_epochs=3, lr=0.01).fit(X, y)
    rows = aligner.transform(X)
    assert rows.shape == (5, 8)
    assert_array_equal(rows[:, 4:], 0)
    assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)


def test_training_is_that_of_a_plain_loop():
    X, y = _pairs(100)
    aligner = ContrastiveAligner(
        4, init="random", shrinkage=0.25, temperature=0.1, lr=0.01, weight_decay=0.1,
        batch_size=32, max_epochs=4, device="cpu", random_state=3,
    ).fit(X, y)  # fmt: skip
    seed = np.random.RandomState(3).randint(2**31 - 1)
    sides = [
        torch.from_numpy((centred / np.sqrt(np.mean(centred**2))).astype(np.float32))
        for centred in (X - X.mean(axis=0), y - y.mean(axis=0))
    ]
    one = np.zeros(100, dtype=int)
    batches = DomainBatches(
        torch.cat(sides, dim=1), torch.zeros(100), one, 32,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    with seeded(seed):
        heads = [nn.Linear(8, 4), nn.Linear(9, 4)]
        scale = torch.tensor(np.log(10), dtype=torch.float32, requires_grad=True)
        weights = [p for head in heads for p in head.parameters()]
        optimizer = torch.optim.Adam(
            [{"params": weights, "weight_decay": 0.1}, {"params": [scale]}], lr=0.01
        )
        for _ in range(4):
            for rows, _ in batches:
                optimizer.zero_grad()
                source, target = (
                    F.normalize(head(part + 0.5 * torch.randn_like(part)), dim=1)
                    for head, part in zip(heads, rows.split([8, 9], dim=1), strict=True)
                )
                logits, own = scale.exp() * source @ target.T, torch.arange(len(rows))
                loss = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
                (loss / 2).backward()
                optimizer.step()
    for head, part, found in zip(
        heads, sides, (aligner.transform(X), aligner.transform_target(y)), strict=True
    ):
        assert_allclose(found, F.normalize(head(part)).detach(), atol=1e-4)
    assert_allclose(aligner.temperature_, float((-scale).exp().detach()), rtol=1e-5)
    assert aligner.temperature_ != 0.1


def test_neither_unit_nor_place_of_a_side_matters():
    X, y = _pairs(80)
    expected = ContrastiveAligner(max_epochs=3, random_state=0).fit(X, y)
    aligner = ContrastiveAligner(max_epochs=3, random_state=0)
    aligner.fit(1024 * X + 7, y / 256 - 1e3)
    assert_allclose(aligner.transform(1024 * X + 7), expected.transform(X), atol=1e-4)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_int_seed_repeats_a_fit_bit_by_bit(early_stopping):
    X, y = _pairs(80)
    aligner = ContrastiveAligner(
        hidden_layer_sizes=(5,), max_epochs=3, lr=0.01, batch_size=16,
        early_stopping=early_stopping, random_state=5,
    )  # fmt: skip
    first, second = (clone(aligner).fit(X, y) for _ in range(2))
    assert_array_equal(first.transform(X), second.transform(X))
    assert_array_equal(first.transform_target(y), second.transform_target(y))
    other = clone(aligner).set_params(random_state=6).fit(X, y)
    assert not np.array_equal(first.transform(X), other.transform(X))


def test_early_stopping_goes_back_to_the_best_epoch_and_its_temperature():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 6))  # nothing to learn
    temperatures = []

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            temperatures.append(net.module_.loss.temperature)

    aligner = ContrastiveAligner(
        early_stopping=True, validation_fraction=0.4, n_iter_no_change=3,
        max_epochs=100, callbacks=[Keep()], **RANDOM,
    ).fit(X, y)  # fmt: skip
    history = aligner.net_.history
    best = int(np.argmin(history[:, "valid_loss"]))
    assert history[best, "valid_score"] == -history[best, "valid_loss"]
    assert aligner.n_iter_ == best + 4 < 100
    assert aligner.temperature_ == temperatures[best] != temperatures[-1]


def test_a_warm_start_goes_on_where_the_fit_before_ended():
    X, y = _pairs(80)
    settings = {"batch_size": None, "shrinkage": 0.0, "lr": 0.01, "random_state": 0}
    whole = ContrastiveAligner(max_epochs=5, **settings).fit(X, y)
    parts = ContrastiveAligner(max_epochs=2, warm_start=True, **settings).fit(X, y)
    parts.set_params(max_epochs=3).fit(X, y)
    assert parts.n_iter_ == 5
    assert_allclose(parts.transform(X), whole.transform(X), atol=1e-6)
    assert_allclose(parts.temperature_, whole.temperature_)


def test_a_row_is_mapped_alike_whatever_comes_with_it():
    X, y = _pairs(80)
    aligner = ContrastiveAligner(max_epochs=2, random_state=0).fit(X, y)
    for transform, rows in ((aligner.transform, X), (aligner.transform_target, y)):
        # Sums over 8 columns of unit rows, in another order for another shape.
        atol = 8 * np.finfo(np.float32).eps
        assert_allclose(transform(rows[7:8]), transform(rows)[7:8], rtol=0, atol=atol)


def test_stored_and_pickled_it_is_the_same(tmp_path):
    X, y = _pairs(60)
    aligner = ContrastiveAligner(
        hidden_layer_sizes=(6,), max_epochs=2, lr=0.01, random_state=0
    ).fit(X, y)
    save(aligner, tmp_path / "heads.skops")
    for other in (
        load(tmp_path / "heads.skops"),
        pickle.loads(pickle.dumps(aligner)),
    ):
        assert_array_equal(other.transform(X), aligner.transform(X))
        assert_array_equal(other.transform_target(y), aligner.transform_target(y))
        assert other.temperature_ == aligner.temperature_
        assert other.net_.module_.loss.temperature == aligner.temperature_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    X, y = (rows.astype(dtype) for rows in _pairs(50))
    aligner = ContrastiveAligner(max_epochs=1).fit(X, y)
    assert aligner.transform(X).dtype == aligner.transform_target(y).dtype == dtype


def test_searches_retrievers_and_pipelines_take_it():
    X, y = _pairs(300)
    search = GridSearchCV(
        make_pipeline(
            StandardScaler(), ContrastiveAligner(max_epochs=2, random_state=0)
        ),
        {"contrastivealigner__shrinkage": [0.01, 1000.0]},
        scoring=RETRIEVAL,
        cv=2,
    ).fit(X, y)
    assert search.best_params_["contrastivealigner__shrinkage"] == 0.01
    own = search.best_estimator_.score(X, y)
    assert own == RETRIEVAL(search, X, y) > 0.9
    retriever = AlignedRetriever(search.best_estimator_, csls=5).fit(X[:200], y[:200])
    found = retriever.add(y[200:]).kneighbors(X[200:], 1, return_distance=False)
    assert np.mean(found[:, 0] == np.arange(200, 300)) > 0.8


def test_bad_settings_are_refused():
    X, y = _pairs(50)
    with pytest.raises(ValueError, match=r"n_components=9 must be at most .*=8\."):
        ContrastiveAligner(9).fit(X, y)
    assert (
        ContrastiveAligner(9, init="random", max_epochs=1).fit(X, y).n_components_ == 9
    )
    with pytest.raises(ValueError, match="must be a sequence of integers"):
        ContrastiveAligner(hidden_layer_sizes=(4, 0)).fit(X, y)
    with pytest.raises(ValueError, match="All samples of X are equal"):
        ContrastiveAligner().fit(np.ones((50, 2)), y)
    with pytest.raises(ValueError, match="device='nowhere' cannot be used here"):
        ContrastiveAligner(device="nowhere").fit(X, y)
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[50, 49\]"
    ):
        ContrastiveAligner().fit(X, y[1:])


def test_a_diverging_loss_leaves_the_estimator_unfitted():
    X, y = _pairs(50)
    aligner = ContrastiveAligner(init="random", lr=3e37, max_epochs=5)
    with pytest.raises(FloatingPointError, match=r"became \w+ in epoch"):
        aligner.fit(X, y)
    with pytest.raises(NotFittedError):
        aligner.transform(X)
    assert aligner._start is None


def test_widths_that_changed_are_refused():
    X, y = _pairs(50)
    aligner = ContrastiveAligner(max_epochs=1, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="X has 9 features, but ContrastiveAligner"):
        aligner.transform(y)
    with pytest.raises(ValueError, match="y has 8 columns, but the target space has 9"):
        aligner.transform_target(X)
    with pytest.raises(ValueError, match="y has 8 columns, but ContrastiveAligner"):
        aligner.fit(X, X)
