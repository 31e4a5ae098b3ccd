"""Directives that show a figure in both themes: one of an example, in a guide."""

from pathlib import Path

import figures
from docutils import nodes
from docutils.parsers.rst.directives.images import Figure
from matplotlib.image import imread

HERE = Path(__file__).parent


class ThemedFigure(Figure):
    """A figure with an image for each theme of the site."""

    def in_both_themes(self, paths, options):
        """Return a figure for each theme; the theme of the page hides the other one."""
        shown = []
        for theme, path in paths.items():
            self.arguments, self.options = [path], dict(options)
            (figure,) = super().run()
            for node in (figure, *figure.findall(nodes.image)):
                node["classes"] += [f"only-{theme}"]
            shown.append(figure)
        return shown


class ExampleFigure(ThemedFigure):
    """A figure of an example, which leads to it: its script, and its number.

    Nothing is shown if examples are not run.
    """

    required_arguments, optional_arguments = 1, 1
    final_argument_whitespace = False

    def run(self):
        """Return the figure, with an image for each theme."""
        settings = self.state.document.settings.env.config.sphinx_gallery_conf
        if not settings["plot_gallery"]:
            return []
        script, number = [*self.arguments, "1"][:2]
        image = Path(f"/auto_examples/images/sphx_glr_{script}_{int(number):03}.png")
        width = imread(HERE / image.relative_to("/")).shape[1]
        width = min(100, 100 * width / figures.WIDTH / figures.STYLE["savefig.dpi"])
        options = {
            "alt": " ".join(self.content),
            "target": f"../auto_examples/{script}.html",
            "width": f"{width:.0f}%",
        }
        paths = {k: path.as_posix() for k, path in figures.both(image).items()}
        return self.in_both_themes(paths, options)
