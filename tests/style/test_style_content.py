import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline

from skalign import MeanVarianceAligner, StyleContentSplitter


@pytest.fixture
def maps():
    """Rows of 3 channels of 20 positions, in a style of their own each."""
    rng = np.random.default_rng(0)
    scale, shift = rng.uniform(0.5, 4, (2, 50, 3, 1))
    return (rng.normal(size=(50, 3, 20)) * scale + shift).reshape(50, 60)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_channels", [1, 3, 60])
def test_content_and_style_make_the_row_again(maps, n_channels, dtype):
    X = maps.astype(dtype)
    X[0, :20] = 7  # constant
    splitter = StyleContentSplitter(n_channels).fit(X)
    parts = splitter.transform(X)
    assert parts.dtype == dtype
    assert parts.shape == (50, 60 + 2 * n_channels)
    back = splitter.inverse_transform(parts)
    rounding = 4 * np.finfo(dtype).eps * np.abs(X).max()
    assert_allclose(back, X, rtol=0, atol=rounding)


def test_style_is_mean_and_deviation_and_content_has_neither(maps):
    style = StyleContentSplitter(3, output="style").fit_transform(maps)
    channels = maps.reshape(50, 3, 20)
    assert_allclose(style[:, :3], channels.mean(axis=2))
    assert_allclose(style[:, 3:], channels.std(axis=2), rtol=1e-4)
    splitter = StyleContentSplitter(3, output="content", eps=1e-12)
    content = splitter.fit_transform(maps).reshape(50, 3, 20)
    assert_allclose(content.mean(axis=2), np.zeros((50, 3)), atol=1e-12)
    assert_allclose(content.std(axis=2), np.ones((50, 3)))


def test_content_is_the_same_in_any_style(maps):
    other = (maps.reshape(50, 3, 20) * [[[2], [3], [0.5]]] + 9).reshape(50, 60)
    splitter = StyleContentSplitter(3, output="content", eps=1e-12).fit(maps)
    assert_allclose(splitter.transform(other), splitter.transform(maps), atol=1e-9)


def test_parts_side_by_side_are_both(maps):
    parts = [
        StyleContentSplitter(3, output=output).fit_transform(maps)
        for output in ("content", "style", "both")
    ]
    assert_allclose(np.hstack(parts[:2]), parts[2])


def test_the_style_of_a_domain_is_aligned_and_the_content_kept(maps):
    target = (maps.reshape(50, 3, 20) * [[[2], [3], [0.5]]] + 9).reshape(50, 60)
    splitter = StyleContentSplitter(3, eps=1e-12).fit(maps)
    source_parts, target_parts = splitter.transform(maps), splitter.transform(target)
    aligner = MeanVarianceAligner().fit(source_parts[:, 60:], target_parts[:, 60:])
    source_parts[:, 60:] = aligner.transform(source_parts[:, 60:])
    # The target's style is an affine function of the source's, so rows come back.
    assert_allclose(splitter.inverse_transform(source_parts), target, rtol=1e-6)


def test_both_parts_go_through_the_tools_of_scikit_learn(maps):
    columns = ColumnTransformer(
        [("content", "passthrough", slice(60)), ("style", "drop", slice(60, None))]
    )
    both = make_pipeline(StyleContentSplitter(3), columns).fit_transform(maps)
    content = StyleContentSplitter(3, output="content").fit_transform(maps)
    assert_allclose(both, content)


@pytest.mark.parametrize("output", ["content", "style"])
def test_one_part_has_no_inverse(maps, output):
    splitter = StyleContentSplitter(3, output=output).fit(maps)
    assert not hasattr(splitter, "inverse_transform")


def test_widths_that_do_not_fit_are_refused(maps):
    with pytest.raises(
        ValueError, match=r"60 features, .* not a multiple of n_channels=7"
    ):
        StyleContentSplitter(7).fit(maps)
    splitter = StyleContentSplitter(3).fit(maps)
    with pytest.raises(ValueError, match="60 columns; content and style have 66"):
        splitter.inverse_transform(maps)


@pytest.mark.parametrize(("dtype", "scale"), [("f4", 2.0**80), ("f8", 2.0**1000)])
def test_rows_whose_squares_overflow_have_a_style(maps, dtype, scale):
    splitter = StyleContentSplitter(3, eps=1e-12).fit(maps)
    expected = splitter.transform(maps.astype(dtype))
    parts = splitter.transform(maps.astype(dtype) * np.dtype(dtype).type(scale))
    assert_allclose(parts[:, :60], expected[:, :60], rtol=1e-4, atol=1e-5)
    assert_allclose(parts[:, 60:] / scale, expected[:, 60:], rtol=1e-5)
