"""Synthetic images of digits, drawn with straight strokes."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval

_DESCR = """\
Rendered digits
---------------

{n_samples} images of {size} x {size} pixels of the digits 0 to 9, drawn along fixed
lines with random shifts, rotations, shears and widths (variation={variation}).
"""


def _arc(x, y, width, height, start, stop):
    """Return points of an ellipse; angles in degrees, clockwise from the right."""
    angle = np.deg2rad(np.linspace(start, stop, 13))
    return np.c_[x + width * np.cos(angle), y + height * np.sin(angle)]


# Lines of each digit, from the upper left, (0, 0), to the lower right, (1, 1).
_LINES = [
    [_arc(0.5, 0.5, 0.3, 0.45, 0, 360)],
    [[(0.35, 0.25), (0.55, 0.05), (0.55, 0.95)]],
    [[*_arc(0.5, 0.3, 0.27, 0.25, 180, 390), (0.22, 0.95), (0.8, 0.95)]],
    [
        _arc(0.47, 0.28, 0.26, 0.23, 200, 450),
        _arc(0.47, 0.73, 0.29, 0.23, 270, 520),
    ],
    [[(0.6, 0.05), (0.2, 0.62), (0.82, 0.62)], [(0.62, 0.35), (0.62, 0.95)]],
    [[(0.75, 0.06), (0.32, 0.06), *_arc(0.48, 0.66, 0.28, 0.28, 225, 500)]],
    [[(0.68, 0.05), (0.45, 0.2), (0.28, 0.5), *_arc(0.5, 0.7, 0.26, 0.25, 180, 540)]],
    [[(0.2, 0.06), (0.78, 0.06), (0.42, 0.95)]],
    [
        _arc(0.5, 0.28, 0.22, 0.22, 90, 450),
        _arc(0.5, 0.73, 0.27, 0.23, -90, 270),
    ],
    [[*_arc(0.5, 0.32, 0.26, 0.26, -360, 0), (0.72, 0.6), (0.58, 0.95)]],
]


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "size": [Interval(Integral, 4, None, closed="left")],
        "margin": [Interval(Real, 0, 0.5, closed="left")],
        "variation": [Interval(Real, 0, 100, closed="both")],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_rendered_digits(
    n_samples: int = 1000,
    *,
    size: int = 16,
    margin: float = 0.15,
    variation: float = 1.0,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Any:
    """Generate images of digits, as a synthetic source domain.

    Suitable target domains are MNIST, USPS and :func:`sklearn.datasets.load_digits`.
    Read more in the :ref:`User Guide <deep_adaptation>`.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of images; classes are drawn at random.
    size : int, default=16
        Height and width of the images in pixels.
    margin : float, default=0.15
        Share of the image left empty on each side of an undistorted digit. Below 0.5.
    variation : float, default=1.0
        Strength of the distortions, from 0 to 100. At 1, corners are moved by 0.03 of
        the height (standard deviation), digits are rotated by up to 15 degrees, sheared
        by up to 0.3 and stretched by up to 0.2, and lines are 0.06 to 0.24 wide. At 0
        all images of a class are equal.
    random_state : int, RandomState instance or None, default=None
        Seed of the images.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    digits : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 1, size, size), float32
            Pixel values, from 0 for the background to 1.
        target : ndarray of shape (n_samples,)
            Digits.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Images and digits.

    Examples
    --------
    >>> from skalign.datasets import make_rendered_digits
    >>> digits = make_rendered_digits(20, size=8, random_state=0)
    >>> digits.data.shape, digits.target[:5]
    ((20, 1, 8, 8), array([5, 0, 3, 3, 7]))
    """
    rng = check_random_state(random_state)
    target = rng.randint(10, size=n_samples)
    data = np.empty((n_samples, 1, size, size), dtype=np.float32)
    for digit, lines in enumerate(_LINES):
        rows = np.flatnonzero(target == digit)
        for part in np.array_split(rows, len(rows) // 200 + 1):
            data[part, 0] = _draw(lines, len(part), size, margin, variation, rng)
    if return_X_y:
        return data, target
    descr = _DESCR.format(n_samples=n_samples, size=size, variation=variation)
    return Bunch(data=data, target=target, DESCR=descr)


def _draw(lines, n_pictures, size, margin, variation, rng):
    """Draw one digit many times; returns an array of shape (n_pictures, size, size)."""

    def spread(scale):
        return variation * rng.uniform(-scale, scale, (n_pictures, 1))

    turn, shear, pen = np.deg2rad(spread(15)), spread(0.3), 0.075 + spread(0.045)
    widen, heighten = 1 + spread(0.2), 1 + spread(0.2)
    frame = 1 - 2 * margin
    centres = (np.arange(size) + 0.5) / size
    x, y = (axis.ravel() for axis in np.meshgrid(centres, centres))
    nearest = np.full((n_pictures, size * size), np.inf)
    for line in lines:
        points = np.asarray(line) - 0.5
        noise = 0.03 * variation * rng.normal(size=(n_pictures, *points.shape))
        across, down = np.moveaxis(frame * (points + noise), 2, 0)
        across, down = widen * (across - shear * down), heighten * down
        across, down = (
            0.5 + np.cos(turn) * across - np.sin(turn) * down,
            0.5 + np.sin(turn) * across + np.cos(turn) * down,
        )
        for k in range(len(points) - 1):
            start = across[:, k, None], down[:, k, None]
            way = across[:, k + 1, None] - start[0], down[:, k + 1, None] - start[1]
            share = (x - start[0]) * way[0] + (y - start[1]) * way[1]
            share = np.clip(share / (way[0] ** 2 + way[1] ** 2 + 1e-12), 0, 1)
            away = np.hypot(
                x - start[0] - share * way[0], y - start[1] - share * way[1]
            )
            np.minimum(nearest, away, out=nearest)
    # A pixel is as bright as the share of it that the pen covers, about.
    ink = np.clip(0.5 + size * (frame * np.maximum(pen, 0.01) - nearest), 0, 1)
    return ink.reshape(-1, size, size)
