"""Rows of test pictures, decoded through each map, as in the figures of the paper.

The pictures show the data, so they stay out of the repository.
"""

import warnings
from dataclasses import replace

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from benchmarks.direct_alignment.networks import CACHE, load_images
from benchmarks.direct_alignment.tables import map_codes, runs

FIGURES = CACHE / "figures"
N_PICTURES = 12


def draw(table, size):
    """Draw the last setting of a table, one pair of networks, a row a method."""
    matplotlib.use("agg")
    wanted = [
        run
        for run in runs(table, size)
        if run.source_seed <= run.target_seed and not run.method.startswith("latentis")
    ]
    pair = [run for run in wanted if run.source_seed < run.target_seed][-1]
    shown = {}
    for run in wanted:
        if replace(run, method=pair.method) == pair:
            shown[run.method] = run
    images = load_images(pair.dataset)[2]
    at = np.random.default_rng(0).permutation(len(images))[:N_PICTURES]
    own = pair.network("target")
    rows = {"pictures": images[at], "target's own": own.decode(own.test_latents[at])}
    for name, run in shown.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are in the table
            codes, decoder, _ = map_codes(run, size)
        rows[name] = decoder.decode(codes[at])
    height, width = 0.6 * len(rows), 0.6 * N_PICTURES
    fig, axes = plt.subplots(len(rows), figsize=(width + 2.4, height))
    for ax, (name, pictures) in zip(axes, rows.items(), strict=True):
        # One picture a row, with a white edge around each of its parts.
        parts = np.pad(pictures.clip(0, 1).numpy(), [(0, 0), (0, 0), (1, 1), (1, 1)],
                       constant_values=1)  # fmt: skip
        ax.imshow(np.hstack(parts[:, 0]), cmap="gray", vmin=0, vmax=1)
        ax.set_axis_off()
        ax.text(-0.01, 0.5, name, transform=ax.transAxes, ha="right", va="center")
    fig.subplots_adjust(0.33, 0.01, 0.99, 1 - 0.5 / height, hspace=0.03)
    fig.suptitle(
        f"{pair.dataset}, {pair.source} to {pair.target}, {pair.latents} latents"
        + f", {pair.anchors} anchors" * bool(pair.anchors)
    )
    FIGURES.mkdir(parents=True, exist_ok=True)
    path = FIGURES / f"table_{table}_{pair.dataset}.png"
    fig.savefig(path, dpi=120)
    plt.close(fig)
    return path
