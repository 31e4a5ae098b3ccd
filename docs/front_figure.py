"""Draw the figure of the front page: two spaces before and after alignment."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from figures import COLORS, LINES, THEMES
from matplotlib.figure import Figure
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from skalign import LinearAligner
from skalign.datasets import load_digits_latents

SHOWN = (0, 1, 3, 4, 6)  # digits


def draw(mapped, digits, plane, ink):
    """Return a figure of source latents as they are, and mapped."""
    test = digits.test_indices
    target, labels = digits.target[test], digits.labels[test]
    panels = {"Before": digits.data[test], "After": mapped}
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots(2, 2, height_ratios=[6, 1])
    for (title, source), (above, below) in zip(panels.items(), axes.T, strict=True):
        for digit, color in zip(SHOWN, COLORS, strict=False):
            at = plane.transform(target[labels == digit])[:40].T
            above.scatter(*at, s=26, facecolors="none", edgecolors=color, linewidths=1)
            at = plane.transform(source[labels == digit])[:40].T
            above.scatter(*at, s=14, color=color)
        above.set_title(title, color=ink, fontsize=15)
        first = [np.flatnonzero(labels == digit)[0] for digit in SHOWN]
        images = digits.target_decoder.predict(source[first]).reshape(-1, 8, 8)
        below.imshow(
            np.hstack([np.pad(image, 1) for image in images]),
            cmap="gray_r",
            vmin=0,
            vmax=1,
            interpolation="nearest",
        )
        for axis in (above, below):
            axis.set(xticks=[], yticks=[], facecolor="none")
            axis.spines[:].set_visible(axis is above)
            axis.spines[:].set_color(LINES)
    return figure


def write(folder):
    """Write the figure in the colours of both themes of the site."""
    digits = load_digits_latents()
    train, test = digits.train_indices, digits.test_indices
    aligner = LinearAligner().fit(digits.data[train], digits.target[train])
    mapped = aligner.transform(digits.data[test])
    of_shown = np.isin(digits.labels[train], SHOWN)
    plane = LinearDiscriminantAnalysis(n_components=2).fit(
        digits.target[train][of_shown], digits.labels[train][of_shown]
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "skalign"}):
        for theme, ink in THEMES.items():
            path = Path(folder) / f"front_{theme}.svg"
            figure = draw(mapped, digits, plane, ink)
            figure.savefig(path, transparent=True, metadata={"Date": None})
