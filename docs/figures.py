"""Style of the figures of the site, in light and dark."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, is_color_like, same_color

from skalign.plotting._axes import COLORS

LINES = "#8a8f98"
WIDTH = 10  # inches that fill the width of a page, so that all fonts have one size
# Blue, green, orange: as light as needed on a dark page, as dark as needed on a light.
ORDER = LinearSegmentedColormap.from_list("order", [COLORS[i] for i in (0, 2, 4)])
THEMES = {"light": "#222832", "dark": "#ced6dd"}  # text of the theme
STYLE = {
    "axes.edgecolor": LINES,
    "axes.labelcolor": THEMES["light"],
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "axes.xmargin": 0.02,
    "axes.ymargin": 0.02,
    "figure.constrained_layout.use": True,
    "figure.titlesize": "large",
    "font.size": 11,
    "image.cmap": ORDER.name,
    "legend.fontsize": "small",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.dpi": 150,
    "text.color": THEMES["light"],
    "xtick.color": LINES,
    "xtick.labelcolor": THEMES["light"],
    "xtick.labelsize": "small",
    "ytick.color": LINES,
    "ytick.labelcolor": THEMES["light"],
    "ytick.labelsize": "small",
}


def set_style(gallery_conf, fname):
    """Set the style before an example is run."""
    if ORDER.name not in mpl.colormaps:
        mpl.colormaps.register(ORDER)
    mpl.rcParams.update(STYLE)


def frame(figure):
    """Draw all four sides of panels without ticks, and none around images."""
    for axes in figure.axes:
        if axes.images:
            axes.spines[:].set_visible(False)
        elif not len(axes.get_xticks()) and not len(axes.get_yticks()):
            axes.spines[:].set_visible(True)


def darken(figure):
    """Draw text and black lines in the colour of text on a dark page."""
    for artist in figure.findobj():
        inks = [THEMES["light"]]
        if not isinstance(artist, mpl.text.Text):  # black text is on a light cell
            inks.append("black")
        for name in ("color", "edgecolor", "facecolor"):
            get, put = (getattr(artist, f"{do}_{name}", None) for do in ("get", "set"))
            if get is None or put is None or not is_color_like(color := get()):
                continue
            if any(same_color(color, ink) for ink in inks):
                put(THEMES["dark"])


def both(path):
    """Return the path of a figure for each theme."""
    return {"light": path, "dark": path.with_stem(f"{path.stem}_dark")}


def scrape(block, block_vars, gallery_conf):
    """Save the figures of a block for both themes, and return the reST of them."""
    shown = []
    for number, path in zip(
        plt.get_fignums(), block_vars["image_path_iterator"], strict=False
    ):
        figure = plt.figure(number)
        frame(figure)
        width = min(100, 100 * figure.get_figwidth() / WIDTH)
        title = block_vars["example_globals"]["__doc__"].strip("=\n").partition("\n")[0]
        for theme, place in both(Path(path)).items():
            if theme == "dark":
                darken(figure)
            figure.savefig(place, transparent=theme == "dark")
            place = place.relative_to(gallery_conf["src_dir"]).as_posix()
            shown += [
                f".. image:: /{place}",
                f"   :alt: {title}",
                f"   :width: {width:.0f} %",
                f"   :class: sphx-glr-single-img only-{theme}",
                "",
            ]
    plt.close("all")
    return "\n".join(shown)
