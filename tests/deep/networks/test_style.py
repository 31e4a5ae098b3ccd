import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("skorch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from skalign import MultiDomainClassifier, NCFALClassifier  # noqa: E402
from skalign.deep import (  # noqa: E402
    DomainRandomization,
    MixStyle,
    Mixup,
    PermutedAdaIN,
    adain,
    split_style,
)
from skalign.deep.objectives._mixup import MixupLayer  # noqa: E402
from skalign.deep.trainer import seeded  # noqa: E402

LAYERS = [
    MixStyle(p=1.0),
    MixStyle(p=1.0, n_domains=2),
    PermutedAdaIN(p=1.0),
    DomainRandomization(),
    MixupLayer(0.2),
]
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=repr)


def _maps(seed=0, shape=(6, 3, 8, 8), dtype=torch.float64):
    """Feature maps whose channels differ in mean and scale."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(shape, generator=generator, dtype=dtype)
    styles = torch.randn(2, *shape[:2], 1, 1, generator=generator, dtype=dtype)
    return X * styles[0].exp() + 3 * styles[1]


def _statistics(X):
    return X.mean(dim=(2, 3)), X.std(dim=(2, 3), correction=0)


# ------------------------------------------------------------------ split and exchange


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 3, 5, 7), (4, 3, 2, 3, 4)])
def test_content_and_style_make_the_map_again(shape):
    X = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    X[1, 2] = 5.0  # a constant channel has no content
    content, mean, std = split_style(X)
    assert mean.shape == std.shape == (*shape[:2], *[1] * (len(shape) - 2))
    assert_allclose(content * std + mean, X, rtol=1e-14, atol=1e-14)
    assert not content[1, 2].any()


def test_content_has_mean_0_and_deviation_1():
    mean, std = _statistics(split_style(_maps(), eps=0.0)[0])
    assert_allclose(mean, np.zeros((6, 3)), atol=1e-12)
    assert_allclose(std, np.ones((6, 3)))


def test_adain_gives_the_statistics_of_the_style_and_keeps_the_content():
    X, style = _maps(0), _maps(1, (6, 3, 5, 9))
    moved = adain(X, style, eps=0.0)
    assert_allclose(_statistics(moved), _statistics(style))
    assert_allclose(split_style(moved, 0.0)[0], split_style(X, 0.0)[0], atol=1e-12)


def test_adain_to_its_own_style_changes_nothing():
    assert_allclose(adain(_maps(), _maps()), _maps())


def test_one_style_serves_all_rows():
    style = _maps(1, (1, 3, 4, 4))
    assert_allclose(
        _statistics(adain(_maps(), style, eps=0.0)),
        [part.expand(6, 3) for part in _statistics(style)],
    )


def test_a_constant_channel_has_a_gradient():
    X = torch.ones(2, 1, 3, 3, requires_grad=True)
    adain(X, _maps(1, (2, 1, 3, 3), torch.float32)).sum().backward()
    assert torch.isfinite(X.grad).all()


# ---------------------------------------------------------------------------- layers


@every_layer
def test_evaluation_changes_nothing(layer):
    assert torch.equal(layer.eval()(_maps()), _maps())


@pytest.mark.parametrize(
    "layer", [MixStyle(p=0.0), PermutedAdaIN(p=0.0), DomainRandomization(p=0.0)]
)
def test_probability_0_changes_nothing(layer):
    assert torch.equal(layer.train()(_maps()), _maps())


@every_layer
def test_a_seed_repeats_a_layer_and_the_input_stays(layer):
    X, results = _maps(dtype=torch.float32), []
    for seed in (0, 0, 1):
        with seeded(seed):
            results.append(layer.train()(X))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert results[0].shape == X.shape
    assert results[0].dtype == X.dtype
    assert torch.equal(X, _maps(dtype=torch.float32))


def test_mixed_styles_lie_between_those_of_two_rows():
    X = _maps()
    with seeded(0):
        mixed = MixStyle(p=1.0, alpha=1.0, eps=0.0).train()(X)
    assert_allclose(split_style(mixed, 0.0)[0], split_style(X, 0.0)[0], atol=1e-12)
    style = torch.cat(_statistics(X), dim=1)
    for row, found in zip(style, torch.cat(_statistics(mixed), dim=1), strict=True):
        ways = style - row
        shares = (ways @ (found - row)) / (ways**2).sum(dim=1).clamp(min=1e-300)
        off = (row + shares[:, None] * ways - found).norm(dim=1)
        best = off.argmin()
        assert off[best] < 1e-10
        assert -1e-12 <= shares[best] <= 1


@pytest.mark.parametrize("n_domains", [2, 3])
@pytest.mark.parametrize("layer", [MixStyle, PermutedAdaIN])
def test_domains_take_the_style_of_another_domain(layer, n_domains):
    domain = torch.arange(n_domains).repeat_interleave(6 // n_domains)
    X = _maps() * 0.01 + 10.0 ** domain.double().reshape(-1, 1, 1, 1)
    settings = {"alpha": 1e-3} if layer is MixStyle else {}
    taken = set()
    for seed in range(20):
        with seeded(seed):
            out = layer(p=1.0, n_domains=n_domains, **settings).train()(X)
        now = out.mean(dim=(1, 2, 3)).log10().round().long()
        if layer is PermutedAdaIN:
            assert not (now == domain).any()
        taken |= set(zip(domain.tolist(), now.tolist(), strict=True))
    others = {(a, b) for a in range(n_domains) for b in range(n_domains) if a != b}
    assert taken >= others


def test_a_batch_that_is_not_so_many_domains_is_refused():
    with pytest.raises(ValueError, match="got a batch of 6 samples"):
        MixStyle(p=1.0, n_domains=4).train()(_maps())


def test_mixed_statistics_get_no_gradient():
    X = _maps().requires_grad_()
    with seeded(0):
        mixed = MixStyle(p=1.0, alpha=1.0).train()(X)
    # Without a gradient through statistics each value depends on itself alone.
    (of_one,) = torch.autograd.grad(mixed[0, 0, 0, 0], X)
    assert of_one[0, 0, 0, 0] > 0
    assert (of_one != 0).sum() == 1


def test_the_style_that_is_taken_gets_no_gradient():
    X = _maps().requires_grad_()
    with seeded(0):
        permuted = PermutedAdaIN(p=1.0).train()(X)
    (of_one,) = torch.autograd.grad(permuted[0].square().sum(), X)
    assert of_one[0].any()
    assert not of_one[1:].any()


def test_random_styles_have_the_spread_that_was_asked_for():
    X = _maps(shape=(4000, 1, 6, 6))
    with seeded(0):
        out = DomainRandomization(0.3, 0.7, blur=0.0, noise=0.0).train()(X)
    (mean, std), (new_mean, new_std) = _statistics(X), _statistics(out)
    gain = (new_std / std).log()
    assert_allclose([gain.mean(), gain.std()], [0, 0.3], atol=0.02)
    shift = (new_mean - mean) / std
    assert_allclose([shift.mean(), shift.std()], [0, 0.7], atol=0.04)


def test_blur_spreads_a_point_and_keeps_a_plane():
    layer = DomainRandomization(0.0, 0.0, blur=1.0, noise=0.0).train()
    X = torch.zeros(200, 2, 7, 7, dtype=torch.float64)
    X[:, 0, 3, 3] = 16
    with seeded(0):
        out = layer(X)
    share = (out[:, 0, 2, 2]).mean()  # 1 where all is replaced
    assert_allclose(share, 0.5, atol=0.06)
    assert_allclose(out.sum(dim=(2, 3)), X.sum(dim=(2, 3)), atol=1e-10)
    assert not out[:, 1].any()


def test_noise_is_in_units_of_the_channel():
    X = _maps(shape=(2000, 2, 9, 9))
    with seeded(0):
        out = DomainRandomization(0.0, 0.0, blur=0.0, noise=0.2).train()(X)
    size = (out - X).std(dim=(2, 3)) / X.std(dim=(2, 3))
    assert_allclose(size.mean(dim=0), [0.1, 0.1], atol=0.005)
    assert size.max() < 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MixStyle(p=1.5), r"p=1.5 must be from 0 to 1"),
        (lambda: PermutedAdaIN(p=-1), r"p=-1 must be from 0 to 1"),
        (lambda: MixStyle(alpha=0), r"alpha=0 must be above 0"),
        (lambda: MixStyle(n_domains=1), r"n_domains=1 must be at least 2, or None"),
        (lambda: DomainRandomization(noise=-1), r"noise=-1 must not be negative"),
        (lambda: DomainRandomization(blur=2), r"blur=2 must be at most 1"),
        (lambda: split_style(torch.zeros(3, 4)), r"axis of positions; got \(3, 4\)"),
        (lambda: adain(_maps(), _maps()[:, :2]), r"\(6, 3, 8, 8\) and \(6, 2, 8, 8\)"),
        (
            lambda: adain(_maps(), _maps().flatten(2)),
            r"same numbers of axes and channels",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------ in the classifiers


def _pictures(style, n=240, seed=0):
    """A bright upper or lower half, in light and contrast that `style` draws."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = 0.3 * rng.normal(size=(n, 1, 8, 8))
    X[y == 1, :, :4] += 1
    X[y == 0, :, 4:] += 1
    light, contrast = style(rng, n)
    X = X * contrast[:, None, None, None] + light[:, None, None, None]
    return X.astype(np.float32), y


def _network(layer):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        layer,
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
    )


@pytest.mark.parametrize(
    "layer", [MixStyle(p=1.0), PermutedAdaIN(p=1.0), DomainRandomization()], ids=repr
)
def test_a_layer_works_inside_a_network_and_only_in_training(layer):
    X, y = _pictures(lambda rng, n: (rng.normal(size=n), np.ones(n)), n=60)
    with seeded(0):
        module = _network(layer)
    settings = {"max_epochs": 2, "random_state": 0}
    classifiers = [
        MultiDomainClassifier(module=module, **settings).fit(X, y) for _ in "ab"
    ]
    shares = [classifier.predict_proba(X) for classifier in classifiers]
    assert_array_equal(shares[0], shares[1])
    trained = classifiers[0].net_.module_.encoder
    assert type(trained[1]) is type(layer)
    with seeded(0):
        module = _network(nn.Identity())
    plain = MultiDomainClassifier(module=module, **settings).fit(X, y)
    assert not np.allclose(plain.predict_proba(X), shares[0])


def test_a_network_whose_styles_are_exchanged_learns_shapes():
    # Light says the class, and turns round in the test.
    def light(rng, n):
        return np.where(np.arange(n) % 2, 3.0, -3.0), np.ones(n)

    X, y = _pictures(light)
    X_test, y_test = _pictures(lambda rng, n: (-light(rng, n)[0], np.ones(n)))
    scores = []
    for layer in (PermutedAdaIN(p=1.0), nn.Identity()):
        with seeded(0):
            module = _network(layer)
        classifier = MultiDomainClassifier(module=module, max_epochs=10, random_state=0)
        scores.append(classifier.fit(X, y).score(X_test, y_test))
    assert scores[0] > 0.9
    assert scores[1] < 0.1


# ------------------------------------------------------------------------------ mixup


def test_rows_and_classes_are_mixed_alike(make_criterion):
    criterion = make_criterion(WithoutNetwork(1.0))
    X, y = torch.eye(4), torch.tensor([0, 1, 2, 3])
    with seeded(0):
        mixed = criterion.learned(X)
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    # The rows are one-hot: what was mixed is the target of the cross-entropy.
    expected = F.cross_entropy(logits, mixed)
    assert_allclose(criterion(None, logits, y, [4]), expected, rtol=1e-6)
    assert_allclose(criterion.eval()(None, logits, y, [4]), F.cross_entropy(logits, y))


class WithoutNetwork(Mixup):
    def start(self, training):
        return MixupLayer(self.alpha)


def test_what_is_mixed_must_be_one_network(rows):
    classifier = NCFALClassifier(Mixup(), encoder="domain", max_epochs=1)
    with pytest.raises(ValueError, match="one network for all domains; got 2"):
        rows.fit(classifier)
    rows.fit(classifier.set_params(encoder="shared"))
    with pytest.raises(ValueError, match="'alpha' parameter of Mixup must be"):
        rows.fit(MultiDomainClassifier(Mixup(-1)))


@pytest.fixture(scope="module")
def unmixed(rows):
    """Mean probability of the predicted class after training without mixtures."""
    erm = rows.fit(MultiDomainClassifier(max_epochs=30, random_state=0))
    return erm.predict_proba(rows.X).max(axis=1).mean()


@pytest.mark.parametrize("level", ["input", "features"])
def test_mixtures_are_made_where_they_were_asked_for(level, rows, unmixed):
    classifier = MultiDomainClassifier(
        Mixup(level=level), max_epochs=30, random_state=0
    )
    rows.fit(classifier)
    assert classifier.score(rows.X, rows.y) > 0.9
    encoder = classifier.net_.module_.encoder
    assert isinstance(encoder[0 if level == "input" else 1], MixupLayer)
    assert classifier.predict_proba(rows.X).max(axis=1).mean() < unmixed


def test_a_warm_start_goes_on_with_mixtures(rows):
    classifier = MultiDomainClassifier(
        Mixup(), max_epochs=2, warm_start=True, random_state=0
    )
    rows.fit(rows.fit(classifier))
    assert classifier.n_iter_ == 4
    net = classifier.net_
    assert net.criterion_.learned is net.module_.encoder[0]


def test_domains_of_different_sizes_are_refused(rows):
    layer = nn.Sequential(nn.Unflatten(1, (6, 1)), MixStyle(1.0, n_domains=2))
    module = nn.Sequential(*layer, nn.Flatten())
    classifier = MultiDomainClassifier(module=module, batch_size=None, max_epochs=1)
    rows.fit(classifier)
    two_of_one = np.flatnonzero(rows.sample_domain == 0)[:2]
    X, y, domain = (np.delete(part, two_of_one, axis=0) for part in rows)
    with pytest.raises(ValueError, match=r"got a batch of 118 \+ 120 samples"):
        classifier.fit(X, y, sample_domain=domain)


def test_maps_may_come_by_keyword():
    X, style = _maps(), _maps(seed=1)
    for by_keyword, by_position in zip(split_style(X=X), split_style(X), strict=True):
        assert_array_equal(by_keyword, by_position)
    assert_array_equal(adain(content=X, style=style), adain(X, style))
    layer = MixStyle().eval()
    assert_array_equal(layer(X=X), X)


def test_a_number_may_be_an_array_of_one():
    maps = torch.arange(8.0).reshape(1, 2, 4)
    for found, expected in zip(
        split_style(maps, np.array(0.5)), split_style(maps, 0.5), strict=True
    ):
        assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
    with pytest.raises(TypeError, match="eps must be an instance of"):
        split_style(maps, np.ones(2))
    with pytest.raises(ValueError, match="eps == -1"):
        adain(maps, maps, -1)
