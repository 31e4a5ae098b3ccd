"""Matrix of distances between domains."""

from collections.abc import Callable
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_is_fitted

from skalign._draws import with_fixed_draws
from skalign._labels import check_domain
from skalign._routing import consumed
from skalign.metrics import sliced_wasserstein_distance
from skalign.plotting._axes import given_or_new_axes, require_matplotlib, write_values


class DomainDistanceDisplay:
    """Matrix of the distances between all pairs of domains.

    Create it with `from_estimator`, for samples mapped by an estimator, or
    `from_spaces`. Read more in the :ref:`User Guide <plotting>`.

    Parameters
    ----------
    distances : ndarray of shape (n_domains, n_domains)
        Distances between domains.
    domains : array-like of shape (n_domains,)
        Names of the domains.
    name : str, default="Distance"
        Label of the colour bar.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        Image of the matrix.
    ax_ : matplotlib Axes
        Axes with the matrix.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    skalign.DomainHarmonizer : Align many domains with a common reference.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.plotting import DomainDistanceDisplay
    >>> X = np.random.default_rng(0).normal(size=(90, 3))
    >>> sample_domain = np.repeat(["a", "b", "c"], 30)
    >>> X[sample_domain == "c"] += 5
    >>> display = DomainDistanceDisplay.from_spaces(X, sample_domain)
    >>> display.distances[0].round()
    array([0., 0., 5.])
    """

    def __init__(
        self, distances: np.ndarray, domains: ArrayLike, *, name: str = "Distance"
    ) -> None:
        self.distances = distances
        self.domains = domains
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        sample_domain: ArrayLike,
        *,
        metric: Callable[..., Any] | None = None,
        ax: Any = None,
    ) -> Any:
        """Plot distances between domains after a transformation.

        Parameters
        ----------
        estimator : object
            Fitted transformer. `sample_domain` is passed to its `transform` if
            accepted, as by :class:`~skalign.DomainHarmonizer`.
        X : array-like of shape (n_samples, n_features)
            Samples of all domains.
        sample_domain : array-like of shape (n_samples,)
            Domain of each sample, as numbers or strings.
        metric : callable, default=None
            Symmetric distance between two sets of samples. None is
            :func:`~skalign.metrics.sliced_wasserstein_distance`.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : DomainDistanceDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        told = consumed(estimator, "transform", sample_domain=sample_domain)
        X = estimator.transform(X, **told)
        return cls.from_spaces(X, sample_domain, metric=metric, ax=ax)

    @classmethod
    @validate_params({"metric": [callable, None]}, prefer_skip_nested_validation=True)
    def from_spaces(
        cls,
        X: ArrayLike,
        sample_domain: ArrayLike,
        *,
        metric: Callable[..., Any] | None = None,
        ax: Any = None,
    ) -> Any:
        """Plot distances between domains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of all domains.
        sample_domain : array-like of shape (n_samples,)
            Domain of each sample, as numbers or strings.
        metric : callable, default=None
            Symmetric distance between two sets of samples. None is
            :func:`~skalign.metrics.sliced_wasserstein_distance`. A metric with a
            `random_state` is called with the same one for all pairs of domains.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : DomainDistanceDisplay

        Raises
        ------
        ValueError
            If there are fewer than two domains.
        """
        require_matplotlib(f"{cls.__name__}.from_spaces")
        X = check_array(X, input_name="X")
        sample_domain = check_domain(sample_domain, X)
        domains = np.unique(sample_domain)
        if len(domains) < 2:
            raise ValueError(f"There must be at least two domains; got {domains}.")
        name = "Sliced Wasserstein distance"
        if metric is not None:
            name = getattr(metric, "__name__", "distance").replace("_", " ")
        metric = with_fixed_draws(metric or sliced_wasserstein_distance)
        distances = np.zeros((len(domains), len(domains)))
        for i, j in combinations(range(len(domains)), 2):
            sides = X[sample_domain == domains[i]], X[sample_domain == domains[j]]
            distances[i, j] = distances[j, i] = metric(*sides)
        return cls(distances, domains, name=name[0].upper() + name[1:]).plot(ax=ax)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "cividis",
        values_format: str | None = ".2g",
        colorbar: bool = True,
        image_kw: dict[Any, Any] | None = None,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        cmap : str or matplotlib Colormap, default="cividis"
            Colour map.
        values_format : str or None, default=".2g"
            Format of the distances in the cells. None writes no numbers.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        image_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.imshow`, such as `vmax` for a
            common scale of two figures.

        Returns
        -------
        self : DomainDistanceDisplay
        """
        ax = given_or_new_axes("DomainDistanceDisplay.plot", ax)
        settings = {"cmap": cmap, "interpolation": "nearest", "vmin": 0}
        self.image_ = ax.imshow(self.distances, **settings | (image_kw or {}))
        if values_format is not None:
            cells = {
                place: format(value, values_format)
                for place, value in np.ndenumerate(self.distances)
                if place[0] != place[1]
            }
            write_values(self.image_, self.distances, cells)
        if colorbar:
            ax.figure.colorbar(self.image_, ax=ax, label=self.name)
        names = [str(domain) for domain in self.domains]
        ax.set_yticks(range(len(names)), names)
        long = max(map(len, names)) * len(names) > 40
        rotation = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(range(len(names)), names, **(rotation if long else {}))
        self.ax_, self.figure_ = ax, ax.figure
        return self
