import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skalign import DomainRandomizer, MixStyleAugmenter, StyleContentSplitter

BOTH = [
    MixStyleAugmenter(3, p=1.0, alpha=1.0, random_state=0),
    DomainRandomizer(3, random_state=0),
]
both = pytest.mark.parametrize("augmenter", BOTH, ids=lambda a: type(a).__name__)


def _maps(n=60, seed=0):
    rng = np.random.default_rng(seed)
    scale, shift = rng.uniform(0.5, 4, (2, n, 3, 1))
    return (rng.normal(size=(n, 3, 20)) * scale + shift).reshape(n, 60)


def _style(X):
    return StyleContentSplitter(3, output="style", eps=1e-12).fit_transform(X)


def _content(X):
    return StyleContentSplitter(3, output="content", eps=1e-12).fit_transform(X)


@both
def test_rows_change_while_fitting_and_new_rows_do_not(augmenter):
    X = _maps()
    before, augmenter = X.copy(), clone(augmenter)
    changed = augmenter.fit_transform(X)
    assert changed.shape == X.shape
    assert np.isclose(changed, X).all(axis=1).mean() < 0.1  # its own partner
    assert_array_equal(augmenter.transform(X), X)
    assert augmenter.transform(X) is not X
    assert_array_equal(X, before)


@both
def test_transform_after_fit_returns_what_fit_transform_does(augmenter):
    X = _maps()
    X[7] = X[3]  # equal rows are changed alike
    X[:, 0] = 0.0
    changed = clone(augmenter).fit_transform(X)
    fitted = clone(augmenter).fit(X)
    assert_array_equal(fitted.transform(X), changed)
    assert_array_equal(changed[7], changed[3])
    X[:, 0] = -0.0
    order = np.random.default_rng(0).permutation(60)[:40]
    assert_array_equal(fitted.transform(X[order]), changed[order])
    new = np.where(np.arange(60)[:, None] % 2, X, X + 1)
    expected = np.where(np.arange(60)[:, None] % 2, changed, X + 1)
    assert_array_equal(fitted.transform(new), expected)
    assert_array_equal(fitted.transform(_maps(seed=1)), _maps(seed=1))
    fitted.fit_transform(X)
    assert_array_equal(fitted.transform(X), X)


@both
def test_a_seed_repeats_and_the_precision_is_kept(augmenter):
    X = _maps().astype(np.float32)
    first = clone(augmenter).fit_transform(X)
    assert first.dtype == np.float32
    assert_array_equal(clone(augmenter).fit_transform(X), first)
    other = clone(augmenter).set_params(random_state=1).fit_transform(X)
    assert not np.allclose(other, first)


@both
def test_probability_0_changes_nothing_and_a_half_changes_half(augmenter):
    X = _maps(2000)
    never = clone(augmenter).set_params(p=0.0).fit_transform(X)
    assert_array_equal(never, X)
    sometimes = clone(augmenter).set_params(p=0.5)
    if isinstance(augmenter, MixStyleAugmenter):
        sometimes.set_params(alpha=1.0)
    changed = (sometimes.fit_transform(X) != X).any(axis=1)
    assert 0.46 < changed.mean() < 0.54


@pytest.mark.parametrize(
    "augmenter",
    [MixStyleAugmenter(3, p=1.0), DomainRandomizer(3, noise=0.0)],
    ids=lambda a: type(a).__name__,
)
def test_the_content_stays(augmenter):
    X = _maps()
    changed = augmenter.fit_transform(X)
    assert_allclose(_content(changed), _content(X), atol=1e-6)
    assert not np.allclose(_style(changed), _style(X))


def test_mixed_styles_lie_between_those_of_two_rows():
    X = _maps(20)
    mixed = MixStyleAugmenter(3, p=1.0, alpha=1.0, random_state=0).fit_transform(X)
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
    augmenter = MixStyleAugmenter(3, p=1.0, alpha=1e-3, random_state=0)
    mixed = augmenter.fit_transform(X, sample_domain=domain)
    place = np.argmin(np.abs(mixed.mean(axis=1)[:, None] - [*light.values()]), axis=1)
    now = np.array([*light])[place]
    counts = {(a, b): np.sum((domain == a) & (now == b)) for a in light for b in light}
    for name in light:
        n_rows = np.sum(domain == name)
        assert 0.35 < counts[name, name] / n_rows < 0.65  # a share of nearly 0
    assert all(counts.values())


def test_random_styles_have_the_spread_that_was_asked_for():
    X = _maps(3000)
    randomizer = DomainRandomizer(3, contrast=0.3, brightness=0.7, noise=0.0,
                                  random_state=0)  # fmt: skip
    (mean, std), (new_mean, new_std) = (
        np.hsplit(_style(rows), 2) for rows in (X, randomizer.fit_transform(X))
    )
    gain, shift = np.log(new_std / std), (new_mean - mean) / std
    assert_allclose([gain.mean(), gain.std()], [0, 0.3], atol=0.02)
    assert_allclose([shift.mean(), shift.std()], [0, 0.7], atol=0.03)


def test_noise_is_in_units_of_the_channel():
    X = _maps(3000)
    settings = {"contrast": 0.0, "brightness": 0.0, "noise": 0.2, "random_state": 0}
    noise = DomainRandomizer(3, **settings).fit_transform(X) - X
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
    model = make_pipeline(
        DomainRandomizer(brightness=30.0, random_state=0), LogisticRegression()
    ).fit(X, y)
    assert plain.score(X_test, y_test) < 0.1
    assert model.score(X_test, y_test) > 0.9


def test_domains_arrive_through_a_pipeline():
    X, domain = _maps(), np.arange(60) % 2
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(clone(BOTH[0]), LogisticRegression())
        pipe.fit(X, np.arange(60) // 30, sample_domain=domain)
        with pytest.raises(ValueError, match="one domain, 7; at least 2 are needed"):
            pipe.fit(X, np.arange(60) // 30, sample_domain=[7] * 60)


def test_lengths_and_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 3\]"):
        MixStyleAugmenter().fit(_maps(), sample_domain=[0, 0, 1])
    for kind in (MixStyleAugmenter, DomainRandomizer):
        with pytest.raises(ValueError, match="not a multiple of n_channels=7"):
            kind(7).fit(_maps())
