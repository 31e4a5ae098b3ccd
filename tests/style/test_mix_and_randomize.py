from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from skalign import StyleContentSplitter
from skalign.style import mix_style, randomize_style

mix = partial(mix_style, n_channels=3, p=1.0, alpha=1.0, random_state=0)
randomize = partial(randomize_style, n_channels=3, random_state=0)
both = pytest.mark.parametrize("change", [mix, randomize], ids=["mix", "randomize"])


def _maps(n=60, seed=0):
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.5, 4, (2, n, 3, 1))
    return (rng.normal(size=(n, 3, 20)) * scale + shift).reshape(n, 60)


def _style(X):
    return StyleContentSplitter(3, output="style", eps=1e-12).fit_transform(X)


def _content(X):
    return StyleContentSplitter(3, output="content", eps=1e-12).fit_transform(X)


@both
def test_samples_are_changed_and_the_input_is_not(change):
    X = _maps()
    before = X.copy()
    changed = change(X)
    assert changed.shape == X.shape
    assert np.isclose(changed, X).all(axis=1).mean() < 0.1  # its own partner
    assert_array_equal(X, before)
    assert not np.shares_memory(change(X, p=0.0), X)


@both
def test_a_seed_repeats_and_the_precision_is_kept(change):
    X = _maps().astype(np.float32)
    first = change(X)
    assert first.dtype == np.float32
    assert_array_equal(change(X), first)
    assert not np.allclose(change(X, random_state=1), first)


@both
def test_probability_0_changes_nothing_and_a_half_changes_half(change):
    X = _maps(2000)
    assert_array_equal(change(X, p=0.0), X)
    changed = (change(X, p=0.5) != X).any(axis=1)
    assert 0.46 < changed.mean() < 0.54


@pytest.mark.parametrize(
    "change",
    [partial(mix, alpha=0.1), partial(randomize, noise=0.0)],
    ids=["mix", "randomize"],
)
def test_the_content_stays(change):
    X = _maps()
    changed = change(X)
    assert_allclose(_content(changed), _content(X), atol=1e-6)
    assert not np.allclose(_style(changed), _style(X))


def test_mixed_styles_lie_between_those_of_two_rows():
    X = _maps(20)
    mixed = mix(X)
    style = _style(X)
    for row, found in zip(style, _style(mixed), strict=True):
        ways = style - row
        squared = np.maximum((ways**2).sum(axis=1), 1e-300)
        shares = ways @ (found - row) / squared
        off = np.linalg.norm(row + shares[:, None] * ways - found, axis=1)
        assert off.min() < 1e-5
        assert -1e-5 <= shares[off.argmin()] <= 1 + 1e-5


def test_styles_come_from_every_other_domain():
    domain = np.random.default_rng(0).choice(["a", "b", "c"], 300)
    light = {"a": 0.0, "b": 100.0, "c": 10000.0}
    X = _maps(300) + np.array([light[name] for name in domain])[:, None]
    # A share of nearly 0 or 1 takes one of both styles.
    mixed = mix(X, alpha=1e-3, sample_domain=domain)
    place = np.argmin(np.abs(mixed.mean(axis=1)[:, None] - [*light.values()]), axis=1)
    now = np.array([*light])[place]
    counts = {(a, b): np.sum((domain == a) & (now == b)) for a in light for b in light}
    for name in light:
        n_rows = np.sum(domain == name)
        assert 0.35 < counts[name, name] / n_rows < 0.65  # a share of nearly 0
    assert all(counts.values())


def test_random_styles_have_the_spread_that_was_asked_for():
    X = _maps(3000)
    X_new = randomize(X, contrast=0.3, brightness=0.7, noise=0.0)
    (mean, std), (new_mean, new_std) = (
        np.hsplit(_style(rows), 2) for rows in (X, X_new)
    )
    gain, shift = np.log(new_std / std), (new_mean - mean) / std
    assert_allclose([gain.mean(), gain.std()], [0, 0.3], atol=0.02)
    assert_allclose([shift.mean(), shift.std()], [0, 0.7], atol=0.03)


def test_noise_is_in_units_of_the_channel():
    X = _maps(3000)
    noise = randomize(X, contrast=0.0, brightness=0.0, noise=0.2) - X
    size = noise.reshape(3000, 3, 20).std(axis=2) / np.hsplit(_style(X), 2)[1]
    assert_allclose(size.mean(axis=0), [0.1] * 3, atol=0.01)


def test_a_classifier_learns_content_where_style_misleads():
    rng = np.random.default_rng(0)

    def rows(light_of_one):
        y = np.arange(400) % 2
        shape = np.where(y[:, None] == 1, *np.eye(2).repeat(10, axis=1))
        light = np.where(y == 1, light_of_one, -light_of_one)
        return shape + 0.1 * rng.normal(size=(400, 20)) + light[:, None], y

    (X, y), (X_test, y_test) = rows(5.0), rows(-5.0)
    plain = LogisticRegression().fit(X, y)
    X_random = randomize_style(X, brightness=30.0, random_state=0)
    model = LogisticRegression().fit(X_random, y)
    assert plain.score(X_test, y_test) < 0.1
    assert model.score(X_test, y_test) > 0.9


def test_arguments_that_do_not_fit_are_refused():
    X = _maps()
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 3\]"):
        mix(X, sample_domain=[0, 0, 1])
    with pytest.raises(ValueError, match="one domain, 7; at least 2 are needed"):
        mix(X, sample_domain=[7] * 60)
    for change in (mix, randomize):
        with pytest.raises(ValueError, match="not a multiple of n_channels=7"):
            change(X, n_channels=7)
        with pytest.raises(ValueError, match=r"'p' parameter .* must be a float"):
            change(X, p=1.5)
        with pytest.raises(ValueError, match="X contains NaN"):
            change(np.where(X > 2, np.nan, X))
