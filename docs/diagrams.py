"""Draw the diagrams of guides: boxes and arrows, in light and dark."""

from pathlib import Path

import matplotlib as mpl
from example_figure import ThemedFigure
from figures import COLORS, LINES, THEMES
from matplotlib.figure import Figure

FOLDER = "_drawn"
# Boxes by name: column, row and text. Arrows lead from box to box.
DIAGRAMS = {
    "large_data": (
        {
            **{f"batch {i}": (0, 3 - i, f"batch {i}") for i in (1, 2, 3)},
            **{f"sums {i}": (1, 3 - i, "sums") for i in (1, 2, 3)},
            "all": (2, 1, "sums over\nall samples"),
            "map": (3, 1, "map"),
            "mapped": (4, 1, "mapped batches,\none at a time"),
        },
        [
            *((f"batch {i}", f"sums {i}") for i in (1, 2, 3)),
            *((f"sums {i}", "all") for i in (1, 2, 3)),
            ("all", "map"),
            ("map", "mapped"),
        ],
    ),
    "saving": (
        {
            "fit": (0, 1.3, "fitted map\nor pipeline"),
            "file": (1.3, 2.6, "file\nskalign.save"),
            "onnx": (1.3, 1, "ONNX\nto_onnx"),
            "torch": (1.3, 0, "torch module\nto_torch"),
            "load": (2.6, 3.05, "Python\nskalign.load"),
            "apply": (2.6, 2.15, "command line\nskalign apply"),
            "runtime": (2.6, 1, "services\nonnxruntime"),
            "network": (2.6, 0, "networks\non any device"),
        },
        [
            *(("fit", name) for name in ("file", "onnx", "torch")),
            *(("file", name) for name in ("load", "apply")),
            ("onnx", "runtime"),
            ("torch", "network"),
        ],
    ),
    "gpu": (
        {
            "samples": (0, 1, "samples\non the GPU"),
            "fit": (1.4, 1, "fit\nproducts and decompositions"),
            "map": (2.8, 1, "map\ncoef_ on the GPU"),
            "mapped": (4, 1, "mapped samples\non the GPU"),
            "cpu": (1.4, 0, "on the CPU only: optimal transport,\nneighbours, k-means"),
        },
        [("samples", "fit"), ("fit", "map"), ("map", "mapped")],
    ),
    "many_processes": (
        {
            "batch": (0, 1, "batch of\n256 samples"),
            "first": (1.3, 1.7, "process 1\n128 samples"),
            "second": (1.3, 0.3, "process 2\n128 samples"),
            "gradient": (2.6, 1, "gradient of\nall 256 samples"),
            "network": (3.9, 1, "the same network\nin both processes"),
        },
        [
            *(("batch", name) for name in ("first", "second")),
            *((name, "gradient") for name in ("first", "second")),
            ("gradient", "network"),
        ],
    ),
}


def draw(boxes, arrows, ink):
    """Return a figure of boxes and arrows."""
    columns, rows, _ = zip(*boxes.values(), strict=True)
    height = 0.9 + 0.75 * (max(rows) - min(rows))
    figure = Figure(figsize=(8, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(min(columns) - 0.5, max(columns) + 0.6))
    axes.set(ylim=(min(rows) - 0.6, max(rows) + 0.6))
    axes.axis("off")
    leads = {first for first, _ in arrows} | {second for _, second in arrows}
    texts = {
        name: axes.text(
            column,
            row,
            text,
            color=ink,
            fontsize=11,
            ha="center",
            va="center",
            bbox={
                "boxstyle": "round,pad=0.5",
                "facecolor": "none",
                "edgecolor": COLORS[0] if name in leads else LINES,
                "linewidth": 1.5,
                "linestyle": "-" if name in leads else ":",
            },
        )
        for name, (column, row, text) in boxes.items()
    }
    for first, second in arrows:
        axes.annotate(
            "",
            boxes[second][:2],
            boxes[first][:2],
            arrowprops={
                "arrowstyle": "-|>",
                "color": LINES,
                "linewidth": 1.5,
                "patchA": texts[first].get_bbox_patch(),
                "patchB": texts[second].get_bbox_patch(),
                "shrinkA": 3,
                "shrinkB": 3,
            },
        )
    return figure


def write(folder):
    """Write the diagrams in the colours of both themes of the site."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "skalign"}):
        for name, (boxes, arrows) in DIAGRAMS.items():
            for theme, ink in THEMES.items():
                path = Path(folder) / f"{name}_{theme}.svg"
                figure = draw(boxes, arrows, ink)
                figure.savefig(path, transparent=True, metadata={"Date": None})


class Diagram(ThemedFigure):
    """A diagram by its name, and its caption."""

    required_arguments, optional_arguments = 1, 0

    def run(self):
        """Return the figure, with an image for each theme."""
        (name,) = self.arguments
        paths = {theme: f"/{FOLDER}/{name}_{theme}.svg" for theme in THEMES}
        return self.in_both_themes(paths, {"alt": " ".join(self.content)})
