"""Shared parts of the displays: import of matplotlib, colours, axes and legends."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import validate_parameter_constraints

from skalign._validation import Interval

# Okabe and Ito's colour-blind safe palette, darkest colours first.
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def require_matplotlib(caller):
    """Raise an ImportError with instructions if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib: pip install "skalign[plot]"'
        ) from error


def given_or_new_axes(caller, ax, *, figsize=None):
    """Return the given axes, or those of a new figure."""
    require_matplotlib(caller)
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def legend_beside(ax, **keywords):
    """Put the legend to the right of the axes."""
    place = {"loc": "upper left", "bbox_to_anchor": (1.02, 1), "borderaxespad": 0}
    return ax.legend(**place, **keywords)


def write_values(image, values, texts):
    """Write a text into each cell of an image, black on light and white on dark."""
    colours = image.cmap(image.norm(values))
    for (row, column), text in texts.items():
        red, green, blue, _ = colours[row, column]
        light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        color = "black" if light else "white"
        image.axes.text(column, row, text, ha="center", va="center", color=color)


def evenly(n_samples, max_samples):
    """Return at most `max_samples` evenly spaced indices."""
    allowed = {"max_samples": [Interval(Integral, 1, None, closed="left"), None]}
    validate_parameter_constraints(allowed, {"max_samples": max_samples}, "The display")
    if max_samples is None or n_samples <= max_samples:
        return np.arange(n_samples)
    return np.linspace(0, n_samples - 1, max_samples).round().astype(int)
