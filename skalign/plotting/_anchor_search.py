"""Plot of scores against the number of anchors."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_is_fitted

from skalign.plotting._axes import (
    COLORS,
    MARKERS,
    given_or_new_axes,
    legend_beside,
    require_matplotlib,
)


class AnchorSearchDisplay:
    """Plot of the scores of an anchor search against the number of anchors.

    Shows one line per selector, with a band of one standard deviation over the folds.
    Create it with `from_estimator` or `from_cv_results`. Read more in the
    :ref:`User Guide <plotting>`.

    Parameters
    ----------
    curves : dict of str to tuple
        Increasing numbers of anchors, mean scores and standard deviations of each
        selector, by name; each an ndarray of shape (n_numbers,).
    score_name : str, default="Score"
        Label of the scores.
    in_shares : bool, default=False
        Whether numbers are shares of the training samples.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        Line of each selector.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    skalign.AnchorSearchCV : Search over selectors and anchors.

    Examples
    --------
    >>> from skalign import LinearAligner
    >>> from skalign.anchors import KMeansAnchors, RandomAnchors
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.model_selection import AnchorSearchCV
    >>> from skalign.plotting import AnchorSearchDisplay
    >>> X, y = make_paired_spaces(200, 5, noise=0.5, random_state=0, return_X_y=True)
    >>> rules = {"random": RandomAnchors(random_state=0), "k-means": KMeansAnchors()}
    >>> search = AnchorSearchCV(LinearAligner(), rules, [10, 20, 40]).fit(X, y)
    >>> display = AnchorSearchDisplay.from_estimator(search)
    >>> list(display.lines_)
    ['random', 'k-means']
    """

    def __init__(
        self,
        curves: dict[Any, Any],
        *,
        score_name: str = "Score",
        in_shares: bool = False,
    ) -> None:
        self.curves = curves
        self.score_name = score_name
        self.in_shares = in_shares

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        scoring: str = "score",
        score_name: str | None = None,
        ax: Any = None,
    ) -> Any:
        """Plot a fitted search.

        Parameters
        ----------
        estimator : AnchorSearchCV
            Fitted search.
        scoring : str, default="score"
            Name of the metric to show if the search has several.
        score_name : str, default=None
            Label of the scores. None uses the name of the metric.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : AnchorSearchDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator, "cv_results_")
        return cls.from_cv_results(
            estimator.cv_results_, scoring=scoring, score_name=score_name, ax=ax
        )

    @classmethod
    @validate_params({"cv_results": [Mapping]}, prefer_skip_nested_validation=True)
    def from_cv_results(
        cls,
        cv_results: dict[Any, Any],
        *,
        scoring: str = "score",
        score_name: str | None = None,
        ax: Any = None,
    ) -> Any:
        """Plot the results of a search.

        Parameters
        ----------
        cv_results : dict
            `cv_results_` of an :class:`~skalign.AnchorSearchCV`.
        scoring : str, default="score"
            Name of the metric to show if the search has several.
        score_name : str, default=None
            Label of the scores. None uses the name of the metric.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : AnchorSearchDisplay

        Raises
        ------
        ValueError
            If an entry is missing, or numbers of anchors are mixed with shares.
        """
        require_matplotlib(f"{cls.__name__}.from_cv_results")
        mean, std = f"mean_test_{scoring}", f"std_test_{scoring}"
        for key in ("param_selector", "param_n_anchors", mean, std):
            if key not in cv_results:
                raise ValueError(f"cv_results has no {key!r}: {sorted(cv_results)}.")
        numbers = list(cv_results["param_n_anchors"])
        shares = [isinstance(number, float | np.floating) for number in numbers]
        if any(shares) and not all(shares):
            raise ValueError(
                f"n_anchors mixes numbers and shares of the samples: {numbers}."
            )
        names = _names(cv_results["param_selector"])
        curves = {}
        for name in dict.fromkeys(names):
            rows = np.array([i for i, other in enumerate(names) if other == name])
            rows = rows[np.argsort([numbers[i] for i in rows], kind="stable")]
            curves[name] = (
                np.array([numbers[i] for i in rows]),
                np.asarray(cv_results[mean])[rows],
                np.asarray(cv_results[std])[rows],
            )
        if score_name is None:
            score_name = scoring.replace("_", " ").capitalize()
        display = cls(curves, score_name=score_name, in_shares=all(shares))
        return display.plot(ax=ax)

    def plot(
        self,
        ax: Any = None,
        *,
        line_kw: dict[Any, Any] | None = None,
        band_kw: dict[Any, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot`.
        band_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.fill_between`.

        Returns
        -------
        self : AnchorSearchDisplay
        """
        ax = given_or_new_axes("AnchorSearchDisplay.plot", ax, figsize=(7, 4.5))
        self.lines_ = {}
        for i, (name, (numbers, mean, std)) in enumerate(self.curves.items()):
            color = COLORS[i % len(COLORS)]
            settings = {"color": color, "marker": MARKERS[i % len(MARKERS)]}
            (self.lines_[name],) = ax.plot(
                numbers, mean, **settings | {"label": name} | (line_kw or {})
            )
            settings = {"color": color, "alpha": 0.15, "linewidth": 0}
            ax.fill_between(
                numbers, mean - std, mean + std, **settings | (band_kw or {})
            )
        ax.set(
            xscale="log",
            xlabel="Anchors" + (", share of the training samples" * self.in_shares),
            ylabel=self.score_name,
        )
        shown = np.unique(np.concatenate([curve[0] for curve in self.curves.values()]))
        ax.set_xticks(shown, [f"{number:g}" for number in shown])
        ax.set_xticks([], minor=True)
        legend_beside(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _names(selectors):
    """Name selectors by their class, or by their repr if that is ambiguous."""
    names = [s if isinstance(s, str) else type(s).__name__ for s in selectors]
    meant = {
        name: {repr(s) for s, n in zip(selectors, names, strict=True) if n == name}
        for name in names
    }
    return [
        name if len(meant[name]) == 1 else repr(s)
        for s, name in zip(selectors, names, strict=True)
    ]
