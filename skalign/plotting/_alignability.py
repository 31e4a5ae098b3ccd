"""Learning curves of the classes of maps."""

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skalign.model_selection import alignability
from skalign.plotting._axes import (
    COLORS,
    MARKERS,
    given_or_new_axes,
    legend_beside,
    require_matplotlib,
)


class AlignabilityDisplay:
    """Error of each class of maps against the number of pairs.

    With confidence intervals at all the pairs, and a dotted line to what is forecast
    for twice as many. The class that the pairs support is drawn thick. Make it by
    `from_result` or `from_spaces`. Read more in the :ref:`User Guide <plotting>`.

    Parameters
    ----------
    result : :class:`~sklearn.utils.Bunch`
        What :func:`~skalign.model_selection.alignability` returns.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The line of each class.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    skalign.model_selection.alignability : The figures.

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
    """

    def __init__(self, result):
        self.result = result

    @classmethod
    @validate_params({"result": [Bunch]}, prefer_skip_nested_validation=True)
    def from_result(cls, result, *, ax=None):
        """Plot a result.

        Parameters
        ----------
        result : :class:`~sklearn.utils.Bunch`
            What :func:`~skalign.model_selection.alignability` returns.
        ax : matplotlib Axes, default=None
            Axes to draw on; those of a new figure by default.

        Returns
        -------
        display : AlignabilityDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_result")
        return cls(result).plot(ax=ax)

    @classmethod
    def from_spaces(cls, X, y, *, aligners=None, cv=5, random_state=0, ax=None):
        """Compare classes of maps between two paired spaces, and plot the result.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples, n_targets)
            The same items, row by row, in the target space.
        aligners, cv, random_state
            As in :func:`~skalign.model_selection.alignability`.
        ax : matplotlib Axes, default=None
            Axes to draw on; those of a new figure by default.

        Returns
        -------
        display : AlignabilityDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_spaces")
        result = alignability(X, y, aligners=aligners, cv=cv, random_state=random_state)
        return cls.from_result(result, ax=ax)

    def plot(self, ax=None, *, line_kw=None):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; those of a new figure by default.
        line_kw : dict, default=None
            Passed on to `matplotlib.axes.Axes.plot`.

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
