import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from skalign.datasets import make_rendered_digits


@pytest.mark.parametrize("size", [4, 8, 28])
def test_pictures_are_white_on_black(size):
    digits = make_rendered_digits(50, size=size, random_state=0)
    assert digits.data.shape == (50, 1, size, size)
    assert digits.data.dtype == np.float32
    assert digits.data.min() == 0
    assert 0.5 < digits.data.max() <= 1
    assert np.isin(digits.target, range(10)).all()
    assert f"50 images of {size} x {size}" in digits.DESCR


def test_a_seed_repeats_the_pictures():
    first, second = (make_rendered_digits(30, random_state=3) for _ in "ab")
    assert_array_equal(first.data, second.data)
    assert_array_equal(first.target, second.target)
    other = make_rendered_digits(30, random_state=4)
    assert not np.array_equal(first.data, other.data)


def test_without_variation_a_digit_is_one_picture_and_none_is_another():
    X, y = make_rendered_digits(200, variation=0.0, random_state=0, return_X_y=True)
    first = {digit: X[y == digit][0] for digit in range(10)}
    for picture, digit in zip(X, y, strict=True):
        assert_array_equal(picture, first[digit])
    assert len(np.unique(X.reshape(200, -1), axis=0)) == 10


def test_variation_moves_pictures_apart():
    spread = [
        make_rendered_digits(500, variation=v, random_state=0).data.std(axis=0).mean()
        for v in (0.0, 0.5, 1.0)
    ]
    assert spread == sorted(spread)


def test_a_margin_makes_digits_smaller():
    wide, tight = (
        make_rendered_digits(60, size=40, margin=margin, random_state=0).data
        for margin in (0.3, 0.0)
    )
    assert tight.mean() > 4 * wide.mean()  # (1 / 0.4)^2 is 6.25, less what is cut off
    assert not wide[:, :, [0, -1]].any()


def test_strokes_end_within_the_picture():
    X = make_rendered_digits(500, size=28, variation=0.0, random_state=0).data
    border = np.concatenate([X[:, 0, [0, -1]], X[:, 0, :, [0, -1]].swapaxes(0, 1)], 1)
    assert not border.any()


def test_what_is_learnt_of_them_tells_digits_of_people():
    X, y = make_rendered_digits(3000, size=8, random_state=0, return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(X.reshape(3000, -1), y)
    real = load_digits()
    assert model.score(real.data / 16, real.target) > 0.5  # 0.1 is chance
