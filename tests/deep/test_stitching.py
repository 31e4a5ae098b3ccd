import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group
from sklearn.model_selection import cross_val_score

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402

from skalign import LinearAligner, StitchingRegressor  # noqa: E402
from skalign.deep.trainer import DomainBatches, seeded  # noqa: E402


def _bent(n_samples=2000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 2))
    return X, np.c_[np.abs(X[:, 0]), X.sum(axis=1), X[:, 0] * X[:, 1]]


@pytest.mark.long
def test_a_bent_map_is_learnt_where_no_linear_one_is():
    (X, y), (X_new, y_new) = _bent(), _bent(seed=1)
    aligner = StitchingRegressor(8, random_state=0).fit(X, y)
    assert aligner.score(X_new, y_new) > 0.97
    assert LinearAligner().fit(X, y).score(X_new, y_new) < 0.5


@pytest.mark.long
def test_a_rotation_is_learnt_nearly_exactly():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    y = X @ ortho_group.rvs(4, random_state=0)
    assert StitchingRegressor(8, random_state=0).fit(X, y).score(X, y) > 0.995


def test_training_is_that_of_a_plain_loop():
    X, y = _bent(300)
    aligner = StitchingRegressor(
        max_epochs=5, lr=0.01, device="cpu", random_state=3
    ).fit(X, y)
    seed = np.random.RandomState(3).randint(2**31 - 1)
    with seeded(seed):
        network = nn.Sequential(
            nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)
        )
    centred, goal = X - X.mean(axis=0), y - y.mean(axis=0)
    scales = np.sqrt(np.mean(centred**2)), np.sqrt(np.mean(goal**2))
    rows, targets = (
        torch.from_numpy((part / scale).astype(np.float32))
        for part, scale in zip((centred, goal), scales, strict=True)
    )
    generator = torch.Generator().manual_seed(seed)
    one = np.zeros(300, dtype=int)
    batches = DomainBatches(rows, targets, one, 64, generator=generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(5):
        for batch, (goals, _) in batches:
            optimizer.zero_grad()
            ((network(batch) - goals) ** 2).mean().backward()
            optimizer.step()
    expected = network(rows).detach().numpy() * scales[1] + y.mean(axis=0)
    assert_allclose(aligner.transform(X), expected, rtol=1e-4, atol=1e-4)


def test_widths_follow_the_source_and_the_target():
    X, y = _bent(50)
    aligner = StitchingRegressor(hidden_factor=3, max_epochs=1).fit(X, y)
    widths = [tuple(p.shape) for p in aligner.net_.module_.parameters() if p.ndim == 2]
    assert widths == [(6, 2), (6, 6), (3, 6)]
    assert aligner.transform(X).shape == y.shape
    assert len(aligner.get_feature_names_out()) == aligner.n_targets_ == 3


def test_neither_unit_nor_place_of_a_side_matters():
    X, y = _bent(200)
    expected = StitchingRegressor(max_epochs=3, random_state=0).fit(X, y)
    aligner = StitchingRegressor(max_epochs=3, random_state=0)
    aligner.fit(1024 * X + 7, y / 256 - 1e3)
    assert_allclose(
        aligner.transform(1024 * X + 7),
        expected.transform(X) / 256 - 1e3,
        rtol=0,
        atol=1e-7,
    )


def test_one_column_of_targets_comes_back_as_it_came():
    X, y = _bent(100)
    aligner = StitchingRegressor(max_epochs=2, random_state=0).fit(X, y[:, 0])
    assert aligner.predict(X).shape == (100,)
    assert aligner.transform(X).shape == (100, 1)
    assert_array_equal(aligner.predict(X), aligner.transform(X)[:, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(dtype):
    X, y = (part.astype(dtype) for part in _bent(100))
    aligner = StitchingRegressor(max_epochs=1, random_state=0).fit(X, y)
    assert aligner.transform(X).dtype == aligner.predict(X).dtype == dtype


def test_a_large_place_costs_no_digits():
    X, y = _bent(200)
    near = StitchingRegressor(max_epochs=3, random_state=0).fit(X, y)
    far = StitchingRegressor(max_epochs=3, random_state=0).fit(X + 1e6, y + 1e6)
    assert_allclose(far.transform(X + 1e6) - 1e6, near.transform(X), atol=1e-4)


def test_rows_that_are_all_equal_are_mapped_to_the_mean():
    X, y = np.ones((20, 2)), np.arange(20.0)
    aligner = StitchingRegressor(max_epochs=20, lr=0.01, random_state=0).fit(X, y)
    assert aligner.x_scale_ == 1
    assert_allclose(aligner.predict(X), np.full(20, 9.5), atol=0.5)


def test_cross_validation_takes_it_for_a_regressor():
    X, y = _bent(600)
    aligner = StitchingRegressor(8, lr=0.02, max_epochs=10, random_state=0)
    scores = cross_val_score(aligner, X, y)
    assert scores.min() > 0.5


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (
            np.zeros((4, 2)),
            np.zeros((3, 2)),
            r"inconsistent numbers of samples: \[4, 3\]",
        ),
        (np.zeros((1, 2)), np.zeros((1, 2)), "minimum of 2 is required"),
        (np.full((4, 2), np.inf), np.zeros((4, 2)), "contains infinity"),
        (np.zeros((4, 2)), np.full((4, 2), np.nan), "contains NaN"),
    ],
)
def test_bad_pairs_are_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        StitchingRegressor().fit(X, y)


def test_a_width_that_changed_is_refused():
    X, y = _bent(50)
    aligner = StitchingRegressor(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but StitchingRegressor"):
        aligner.transform(y)
    aligner.set_params(warm_start=True)
    with pytest.raises(ValueError, match="y has 2 columns, but StitchingRegressor"):
        aligner.fit(X, X)


def test_rows_of_any_size_are_learnt_alike():
    X, y = _bent(100)
    settings = {"max_epochs": 3, "random_state": 0}
    expected = StitchingRegressor(**settings).fit(X, y).transform(X)
    large = StitchingRegressor(**settings).fit(np.ldexp(X, 700), np.ldexp(y, -700))
    assert_array_equal(large.transform(np.ldexp(X, 700)), np.ldexp(expected, -700))


def test_rows_far_from_those_of_the_fit_are_refused():
    X, y = _bent(50)
    aligner = StitchingRegressor(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="too large to be scaled in float32"):
        aligner.transform(np.full((1, X.shape[1]), 1e300))
    tiny = StitchingRegressor(max_epochs=1).fit(np.ldexp(X, -1060), y)
    with pytest.raises(ValueError, match="it is inf standard deviations"):
        tiny.transform(X)
