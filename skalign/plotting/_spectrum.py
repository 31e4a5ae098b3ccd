"""Plot of the singular values of linear maps."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skalign._routing import last_step
from skalign._validation import FLOATS
from skalign.moments import svd_of_map
from skalign.plotting._axes import COLORS, given_or_new_axes, require_matplotlib


class SpectrumDisplay:
    """Plot of the singular values of a linear map.

    A flat spectrum indicates a rotation, possibly with a scale; a sudden drop shows the
    rank of the map; a slope shows that some directions are stretched more than others.
    Create it with `from_estimator` or `from_map`. Read more in the
    :ref:`User Guide <plotting>`.

    Parameters
    ----------
    singular_values : ndarray of shape (n_values,)
        Singular values in decreasing order.
    name : str, default=None
        Name of the map, for the legend.

    Attributes
    ----------
    rank_ : int
        Number of singular values above the rounding error of the largest.
    line_ : matplotlib Line2D
        Line of the spectrum.
    ax_ : matplotlib Axes
        Axes with the spectrum.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    skalign.model_selection.alignability : Test whether the pairs support a low rank.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.plotting import SpectrumDisplay
    >>> display = SpectrumDisplay.from_map(np.diag([4.0, 2.0, 0.0]))
    >>> display.singular_values, display.rank_
    (array([4., 2., 0.]), 2)
    """

    def __init__(self, singular_values: np.ndarray, *, name: str | None = None) -> None:
        self.singular_values = singular_values
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, name: str | None = None, ax: Any = None
    ) -> Any:
        """Plot the spectrum of a fitted aligner.

        Parameters
        ----------
        estimator : object
            Fitted aligner with `coef_`, or pipeline with such an aligner as its last
            step. Only the last step of a pipeline is shown.
        name : str, default=None
            Name of the map. None uses the class name of the aligner.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : SpectrumDisplay

        Raises
        ------
        ValueError
            If the estimator has no `coef_`.
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        estimator = last_step(estimator)
        if not hasattr(estimator, "coef_"):
            raise ValueError(
                f"{type(estimator).__name__} has no coef_; a fitted linear aligner is "
                "expected."
            )
        name = type(estimator).__name__ if name is None else name
        return cls.from_map(estimator.coef_, name=name, ax=ax)

    @classmethod
    def from_map(
        cls, coef: ArrayLike, *, name: str | None = None, ax: Any = None
    ) -> Any:
        """Plot the spectrum of a matrix.

        Parameters
        ----------
        coef : array-like of shape (n_features, n_targets)
            Linear map.
        name : str, default=None
            Name of the map, for the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : SpectrumDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_map")
        coef = check_array(coef, dtype=FLOATS, input_name="coef")
        values = np.zeros(min(coef.shape))
        _, found, _ = svd_of_map(coef)
        values[: len(found)] = found
        return cls(values, name=name).plot(ax=ax)

    def plot(self, ax: Any = None, *, line_kw: dict[Any, Any] | None = None) -> Self:
        """Draw the spectrum; call it again on the same axes to compare maps.

        Zero singular values are not shown.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot`.

        Returns
        -------
        self : SpectrumDisplay
        """
        ax = given_or_new_axes("SpectrumDisplay.plot", ax)
        values = np.asarray(self.singular_values)
        self.rank_ = int(np.sum(values > 0))
        shown = values[: self.rank_]
        seen = len(ax.lines)
        label = f"rank {self.rank_} of {len(values)}"
        settings = {
            "color": COLORS[seen % len(COLORS)],
            "marker": "o" if len(shown) <= 100 else None,
            "markersize": 4,
            "label": label if self.name is None else f"{self.name}, {label}",
        }
        (self.line_,) = ax.plot(
            np.arange(1, len(shown) + 1), shown, **settings | (line_kw or {})
        )
        ax.set(xlabel="Direction", ylabel="Singular value", yscale="log")
        low, high = ax.dataLim.intervaly
        if 0 < high < 10 * low:  # a flat spectrum looks flat, whatever the rounding
            middle = np.sqrt(low) * np.sqrt(high)  # their product may overflow
            ax.set_ylim(middle / 10**0.5, middle * 10**0.5)
        else:
            ax.autoscale(axis="y")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
