"""Classes of maps compared: learning curves, or a table of scores."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skalign.model_selection import alignability
from skalign.plotting._axes import (
    COLORS,
    MARKERS,
    given_or_new_axes,
    legend_beside,
    require_matplotlib,
    write_values,
)


class AlignabilityDisplay:
    """Comparison of classes of maps: learning curves, or a table of scores.

    `plot` draws the relative error of each class against the number of pairs, with
    confidence intervals at all the pairs, and a dotted line to the forecast for twice
    as many; the recommended class has a thick line. `plot_scores` draws a table of the
    scores. Create it with `from_result` or `from_spaces`, which call `plot`. Read more
    in the :ref:`User Guide <plotting>`.

    Parameters
    ----------
    result : :class:`~sklearn.utils.Bunch`
        Result of :func:`~skalign.model_selection.alignability`.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Line of each class, after `plot`.
    image_ : matplotlib AxesImage
        Cells of the table, after `plot_scores`.
    ax_ : matplotlib Axes
        Axes that were drawn on last.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    skalign.model_selection.alignability : Compute the comparison.

    Examples
    --------
    >>> from skalign import LinearAligner, RigidAligner
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.plotting import AlignabilityDisplay
    >>> X, y = make_paired_spaces(100, 4, noise=0.1, random_state=0, return_X_y=True)
    >>> classes = {"rigid": RigidAligner(), "linear": LinearAligner()}
    >>> display = AlignabilityDisplay.from_spaces(X, y, aligners=classes)
    >>> display.result.name
    'rigid'
    >>> display.plot_scores().ax_.get_yticklabels()[0].get_text()
    'rigid'
    """

    def __init__(self, result: Any) -> None:
        self.result = result

    @classmethod
    @validate_params({"result": [Bunch]}, prefer_skip_nested_validation=True)
    def from_result(cls, result: Any, *, ax: Any = None) -> Any:
        """Plot a result.

        Parameters
        ----------
        result : :class:`~sklearn.utils.Bunch`
            Result of :func:`~skalign.model_selection.alignability`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : AlignabilityDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_result")
        return cls(result).plot(ax=ax)

    @classmethod
    def from_spaces(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        aligners: dict[Any, Any] | None = None,
        cv: Any = 5,
        random_state: int | np.random.RandomState | None = 0,
        ax: Any = None,
    ) -> Any:
        """Compare classes of maps between two paired spaces, and plot the result.

        Parameters
        ----------
        X, y : array-like of shape (n_samples, n_features) and (n_samples, n_targets)
            The same samples, row by row, in the source and in the target space.
        labels, aligners, cv, random_state
            As in :func:`~skalign.model_selection.alignability`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : AlignabilityDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_spaces")
        result = alignability(
            X, y, labels=labels, aligners=aligners, cv=cv, random_state=random_state
        )
        return cls.from_result(result, ax=ax)

    def plot(self, ax: Any = None, *, line_kw: dict[Any, Any] | None = None) -> Self:
        """Draw the learning curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot`.

        Returns
        -------
        self : AlignabilityDisplay
        """
        ax = given_or_new_axes("AlignabilityDisplay.plot", ax, figsize=(7, 4.5))
        result, sizes = self.result, self.result.train_sizes
        self.lines_ = {}
        for i, name in enumerate(result.names):
            color = COLORS[i % len(COLORS)]
            settings = {
                "color": color,
                "marker": MARKERS[i % len(MARKERS)],
                "markersize": 5,
                "linewidth": 3 if name == result.name else 1.2,
                "label": f"{name} (supported)" if name == result.name else name,
            }
            curve = result.learning_curves[i]
            (self.lines_[name],) = ax.plot(sizes, curve, **settings | (line_kw or {}))
            ahead = [sizes[-1], 2 * sizes[-1]]
            ax.plot(ahead, [curve[-1], result.doubled_errors[i]], ":", color=color)
            half_width = np.ptp(result.intervals[i]) / 2
            ax.errorbar(sizes[-1], curve[-1], half_width, color=color, capsize=3)
        shown = [*sizes, 2 * sizes[-1]]
        ax.set(
            xscale="log",
            yscale="log",
            xlabel="Pairs to fit (dotted: forecast)",
            ylabel="Relative error",
        )
        ax.set_xticks(shown, [f"{size:,}" for size in shown])
        ax.set_xticks([], minor=True)
        legend_beside(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def plot_scores(
        self, ax: Any = None, *, cmap: Any = "cividis", values_format: str = ".3g"
    ) -> Self:
        """Draw a table of the mean scores, with a star at the best of each column.

        Colours show ranks within a column, so that a single extreme score does not hide
        differences between the others.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        cmap : str or matplotlib Colormap, default="cividis"
            Colours, from the worst to the best.
        values_format : str, default=".3g"
            Format of the means.

        Returns
        -------
        self : AlignabilityDisplay
        """
        names, scores = self.result.names, self.result.scores
        figsize = (2.5 + 1.4 * len(scores), 1.2 + 0.38 * len(names))
        ax = given_or_new_axes("AlignabilityDisplay.plot_scores", ax, figsize=figsize)
        means = np.column_stack([folds.mean(axis=1) for folds in scores.values()])
        better = self.result.greater_is_better
        signs = np.array([1 if better[metric] else -1 for metric in scores])
        merits = means * signs
        beaten = (merits[:, None, :] > merits[None, :, :]).sum(axis=1)
        ranks = beaten / max(1, len(names) - 1)
        self.image_ = ax.imshow(ranks, cmap=cmap, vmin=0, vmax=1, aspect="auto")
        best = merits.argmax(axis=0)
        texts = {
            (i, j): format(mean, values_format) + ("*" if best[j] == i else "")
            for (i, j), mean in np.ndenumerate(means)
        }
        write_values(self.image_, ranks, texts)
        ax.set_yticks(range(len(names)), names)
        headings = [
            f"{metric.replace('_', ' ')}\n{'higher' if sign > 0 else 'lower'} is better"
            for metric, sign in zip(scores, signs, strict=True)
        ]
        ax.set_xticks(range(len(scores)), headings)
        ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        ax.tick_params(length=0)
        ax.set_xlabel("* best of its column; colours rank the maps within a column")
        ax.spines[:].set_visible(False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
