"""Facts about the embedded pair of latent spaces."""

import pickle
import socket

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error
from sklearn.pipeline import make_pipeline

from skalign import LinearAligner
from skalign.datasets import load_digits_latents


def own_error(digits, rows):
    decoded = digits.target_decoder.predict(digits.target[rows])
    return mean_squared_error(digits.pixels[rows], decoded)


def test_rows_are_those_of_scikit_learn_in_its_order(digits):
    original = load_digits()
    assert digits.data.shape == digits.target.shape == (1797, 24)
    assert_array_equal(digits.labels, original.target)
    assert_array_equal(digits.images * 16, original.images)
    assert_array_equal(digits.pixels.reshape(-1, 8, 8), digits.images)
    assert "1797" in digits.DESCR


def test_a_third_of_every_digit_is_for_testing(digits):
    train, test = digits.train_indices, digits.test_indices
    assert_array_equal(np.sort(np.r_[train, test]), np.arange(1797))
    shares = np.bincount(digits.labels[test]) / np.bincount(digits.labels)
    assert_allclose(shares, 1 / 3, atol=0.01)


def test_encoders_give_the_latents_and_decoders_take_them(digits):
    assert_array_equal(digits.source_encoder.predict(digits.pixels), digits.data)
    assert_array_equal(digits.target_encoder.predict(digits.pixels), digits.target)
    test, mean = digits.test_indices, digits.pixels[digits.train_indices].mean(axis=0)
    pixels = digits.pixels[test]
    mean_error = np.mean((pixels - mean) ** 2)
    for decoder, latents in (
        (digits.source_decoder, digits.data),
        (digits.target_decoder, digits.target),
    ):
        error = mean_squared_error(pixels, decoder.predict(latents[test]))
        assert error < mean_error / 4


def test_the_spaces_differ_but_for_a_linear_map(digits):
    train, test = digits.train_indices, digits.test_indices
    own, pixels = own_error(digits, test), digits.pixels[test]
    unmapped = digits.target_decoder.predict(digits.data[test])
    assert mean_squared_error(pixels, unmapped) > 10 * own
    linear = LinearRegression().fit(digits.data[train], digits.target[train])
    assert linear.score(digits.data[test], digits.target[test]) > 0.88
    mapped = digits.target_decoder.predict(linear.predict(digits.data[test]))
    assert mean_squared_error(pixels, mapped) < 1.2 * own


def test_a_pipeline_ends_in_the_decoder(digits):
    train, test = digits.train_indices, digits.test_indices
    stitched = make_pipeline(LinearAligner(), FrozenEstimator(digits.target_decoder))
    stitched.fit(digits.data[train], digits.target[train])
    error = mean_squared_error(digits.pixels[test], stitched.predict(digits.data[test]))
    assert error < 1.2 * own_error(digits, test)


@pytest.mark.long
def test_shrinkage_pays_where_anchors_are_as_many_as_latents():
    n_anchors = [20, 22, 25, 28, 30]
    errors = {0: np.zeros(5), "gcv": np.zeros(5)}
    for seed in range(3):
        digits = load_digits_latents(seed)
        train, test = digits.train_indices, digits.test_indices
        for source, target, decoder in (
            (digits.data, digits.target, digits.target_decoder),
            (digits.target, digits.data, digits.source_decoder),
        ):
            for draw in range(4):
                order = np.random.default_rng(draw).permutation(train)
                for i, n in enumerate(n_anchors):
                    X, y = source[order[:n]], target[order[:n]]
                    for alpha, total in errors.items():
                        aligner = LinearAligner(alpha=alpha).fit(X, y)
                        decoded = decoder.predict(aligner.transform(source[test]))
                        total[i] += mean_squared_error(digits.pixels[test], decoded)
    assert (errors[0] / errors["gcv"]).min() > 1.4


def test_decoders_can_be_pickled_and_cloned(digits):
    again = pickle.loads(pickle.dumps(digits.target_decoder))
    assert_array_equal(
        again.predict(digits.target), digits.target_decoder.predict(digits.target)
    )
    clone(digits.target_decoder)


def test_latents_have_the_width_that_was_asked_for_and_depend_on_the_seed():
    digits = load_digits_latents(n_latents=1)
    assert digits.data.shape == digits.target.shape == (1797, 1)
    assert digits.source_decoder.predict(digits.data).shape == (1797, 64)
    other, _ = load_digits_latents(1, n_latents=1, return_X_y=True)
    assert np.abs(other - digits.data).mean() > 0.1


def test_a_seed_repeats_the_latents_without_the_network_or_the_global_generator(
    digits, monkeypatch
):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    data, target = load_digits_latents(0, return_X_y=True)
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert_array_equal(data, digits.data)
    assert_array_equal(target, digits.target)


def test_no_latents_are_refused():
    with pytest.raises(ValueError, match="n_latents"):
        load_digits_latents(n_latents=0)
