"""Facts about coloured digits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom

from skalign.datasets import load_idx, make_colored_mnist


def make_digits(n_samples=6000, side=4, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(1, 256, size=(n_samples, side, side), dtype=np.uint8)
    return images, rng.integers(10, size=n_samples)


def assert_probability(events, p):
    """The share of events is one in a million that is further from p by chance."""
    low, high = binom.interval(1 - 1e-6, len(events), p)
    assert low <= np.sum(events) <= high


def assert_colored(digits, flips, label_noise=0.25):
    agree = digits.color == digits.target
    for e, flip in enumerate(flips):
        assert_probability(agree[digits.sample_domain == e], 1 - flip)
    rule = digits.digit < 5
    for e in range(len(flips)):
        of_e = digits.sample_domain == e
        assert_probability((digits.target != rule)[of_e], label_noise)


def test_environments_colours_and_noise_are_those_of_domainbed():
    digits = make_colored_mnist(*make_digits(6001), random_state=0)
    assert_array_equal(np.bincount(digits.sample_domain), [2001, 2000, 2000])
    assert_colored(digits, [0.1, 0.2, 0.9])
    assert digits.domain_names == ["+90%", "+80%", "-90%"]
    assert digits.data.shape == (6001, 2, 4, 4)


def test_environments_and_pixels_are_those_of_the_irm_repository():
    images, target = make_digits()
    digits = make_colored_mnist(images, target, variant="irm", random_state=0)
    assert_array_equal(np.bincount(digits.sample_domain), [2500, 2500, 1000])
    assert_array_equal(digits.indices[5000:], np.arange(5000, 6000))
    assert_array_equal(np.sort(digits.indices), np.arange(6000))
    assert_colored(digits, [0.2, 0.1, 0.9])
    assert digits.domain_names == ["+80%", "+90%", "-90%"]
    expected = images[digits.indices][:, ::2, ::2] / 255
    assert_allclose(digits.data.sum(axis=1), expected, rtol=1e-6)


def test_the_digit_is_in_the_channel_of_its_colour_and_the_other_is_empty():
    images, target = make_digits(300)
    digits = make_colored_mnist(images, target, random_state=0)
    assert digits.data.dtype == np.float32
    rows = np.arange(300)
    expected = images[digits.indices] / np.float32(255)
    assert_array_equal(digits.data[rows, digits.color], expected)
    assert not digits.data[rows, 1 - digits.color].any()
    assert_array_equal(digits.digit, target[digits.indices])
    assert_array_equal(np.sort(digits.indices), rows)


def test_numbers_from_0_to_1_are_taken_as_they_are():
    images, target = make_digits(30)
    bytes_ = make_colored_mnist(images, target, random_state=0)
    floats = make_colored_mnist(images / 255, target, random_state=0)
    assert_allclose(floats.data, bytes_.data, rtol=1e-6)


def test_noise_and_flips_are_those_that_were_asked_for():
    digits = make_colored_mnist(
        *make_digits(9000),
        flip_probabilities=[0, 0.5, 1, 0.35],
        label_noise=0.1,
        random_state=0,
    )
    assert_colored(digits, [0, 0.5, 1, 0.35], label_noise=0.1)
    assert digits.domain_names == ["+100%", "+50%", "-100%", "+65%"]
    clean = make_colored_mnist(*make_digits(30), label_noise=0, random_state=0)
    assert_array_equal(clean.target, clean.digit < 5)


def test_the_same_seed_gives_the_same_digits_in_both_forms():
    images, target = make_digits(60)
    before = images.copy()
    digits = make_colored_mnist(images, target, random_state=3)
    X, y = make_colored_mnist(images, target, random_state=3, return_X_y=True)
    assert_array_equal(X, digits.data)
    assert_array_equal(y, digits.target)
    assert_array_equal(images, before)
    other = make_colored_mnist(images, target, random_state=4)
    assert not np.array_equal(other.data, X)


def test_the_description_says_what_was_made():
    description = make_colored_mnist(*make_digits(60), random_state=0).DESCR
    assert "60 images of 2 x 4 x 4" in description
    assert "20, 20, 20" in description
    assert "0.1, 0.2, 0.9" in description
    assert "accuracy of at most 0.75" in description
    images, target = make_digits(60)
    wide = make_colored_mnist(np.repeat(images, 2, axis=2), target, random_state=0)
    assert "images of 2 x 4 x 8 pixels" in wide.DESCR


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": None}, "images and target must be given together"),
        ({"target": np.arange(5)}, "inconsistent numbers of samples"),
        ({"target": np.full(30, 10)}, r"digits, 0 to 9; it holds \[10\]"),
        (
            {"images": np.ones((30, 16))},
            r"shape \(30, 16\); expected \(n_samples, height",
        ),
        ({"images": np.full((30, 2, 2), 7)}, "values from 7 to 7; expected"),
        ({"images": np.full((30, 2, 2), np.nan)}, "contains NaN"),
        ({"flip_probabilities": [0.1, 1.2]}, "must be .* at most 1"),
        ({"flip_probabilities": [0.1, True]}, "must be .* at most 1"),
        ({"flip_probabilities": [[0.1]]}, "must be .* at most 1"),
        ({"label_noise": -0.1}, "'label_noise'"),
        ({"variant": "other"}, "'variant'"),
        (
            {"flip_probabilities": np.zeros(31)},
            "30 images are too few for 31 environments",
        ),
        (
            {"flip_probabilities": [0.1] * 30, "variant": "irm"},
            r"too few for 30 environments of variant='irm'",
        ),
    ],
)
def test_what_does_not_suit_is_refused(given, message):
    images, target = make_digits(30)
    with pytest.raises(ValueError, match=message):
        make_colored_mnist(**{"images": images, "target": target, **given})


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no directory .*mnist"):
        make_colored_mnist(data_home=tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("variant", "sizes", "flips", "side"),
    [
        ("domainbed", [23_334, 23_333, 23_333], [0.1, 0.2, 0.9], 28),
        ("irm", [25_000, 25_000, 10_000], [0.2, 0.1, 0.9], 14),
    ],
)
def test_mnist_itself_comes_as_published(data_home, variant, sizes, flips, side):
    if not (data_home / "mnist").is_dir():
        pytest.skip(f"no MNIST in {data_home}")
    digits = make_colored_mnist(variant=variant, data_home=data_home, random_state=0)
    assert digits.data.shape == (sum(sizes), 2, side, side)
    assert_array_equal(np.bincount(digits.sample_domain), sizes)
    assert_colored(digits, flips)
    mnist = load_idx("mnist", subset="all", data_home=data_home)
    step = 28 // side
    row = len(digits.data) - 1
    image = mnist.images[digits.indices[row], ::step, ::step]
    assert_allclose(digits.data[row].sum(axis=0), image / 255, rtol=1e-6)


def test_digits_may_be_strings():
    images, target = make_digits(60)
    made = make_colored_mnist(images, target.astype(str).astype(object), random_state=0)
    assert_array_equal(made.digit, target[made.indices])


def test_one_environment_has_no_rest_to_be_apart_from():
    with pytest.raises(ValueError, match="at least two environments"):
        make_colored_mnist(*make_digits(60), variant="irm", flip_probabilities=[0.1])
