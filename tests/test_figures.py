"""Figures of the site: one style, and a second image for dark pages."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "docs").exists():
    pytest.skip("the docs are not in this distribution", allow_module_level=True)
mpl = pytest.importorskip("matplotlib")

INK, PALE, CELL = "#222832", "#ced6dd", "black"


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("figures")


@pytest.fixture
def axes(figures):
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        mpl.use("agg")
        figures.set_style({}, "plot_a.py")
        yield plt.subplots(1, 2)[1]
        plt.close("all")


def test_text_and_black_lines_are_pale_on_a_dark_page_and_text_of_cells_is_not(
    figures, axes
):
    title = axes[0].set_title("Two spaces")
    (black,), (blue,) = axes[0].plot([0, 1], "k"), axes[0].plot([1, 0], "C0")
    cell = axes[1].text(0, 0, "0.5", color=CELL)
    assert title.get_color() == INK
    figures.darken(axes[0].figure)
    assert title.get_color() == black.get_color() == PALE
    assert mpl.colors.same_color(blue.get_color(), "C0")
    assert cell.get_color() == CELL


def test_panels_without_ticks_have_four_sides_and_images_none(figures, axes):
    axes[0].set(xticks=[], yticks=[])
    axes[1].imshow([[0, 1]])
    figures.frame(axes[0].figure)
    assert all(spine.get_visible() for spine in axes[0].spines.values())
    assert not any(spine.get_visible() for spine in axes[1].spines.values())


def test_a_block_shows_each_figure_once_in_each_theme(figures, axes, tmp_path):
    places = iter([tmp_path / "a_001.png"])
    variables = {
        "image_path_iterator": places,
        "example_globals": {"__doc__": "==\nHi\n==\n"},
    }
    text = figures.scrape(None, variables, {"src_dir": tmp_path})
    for theme, name in (("light", "a_001.png"), ("dark", "a_001_dark.png")):
        assert (tmp_path / name).exists()
        assert text.count(f".. image:: /{name}\n") == text.count(f"only-{theme}") == 1
    assert ":alt: Hi\n" in text
    assert text.count(":width: 64 %") == 2
