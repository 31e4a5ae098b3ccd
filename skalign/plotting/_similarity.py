"""Matrix of similarities between the samples of two spaces."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skalign._labels import check_labels
from skalign._routing import transform_target
from skalign.plotting._axes import evenly, given_or_new_axes, require_matplotlib


class SimilarityDisplay:
    """Matrix of the similarities between the samples of two spaces.

    For well aligned pairs the diagonal stands out; with labels, the diagonal blocks of
    the classes. Create it with `from_estimator` or `from_spaces`. Read more in the
    :ref:`User Guide <plotting>`.

    Parameters
    ----------
    similarities : ndarray of shape (n_samples, n_target_samples)
        Similarity of each source sample to each target sample.
    labels, target_labels : ndarray of shape (n_samples,) and (n_target_samples,), \
            default=None
        Class labels; samples must be sorted by class.
    name : str, default="Similarity"
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
    skalign.metrics.retrieval_accuracy : Accuracy of nearest neighbours.

    Examples
    --------
    >>> from skalign import RigidAligner
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.plotting import SimilarityDisplay
    >>> X, y = make_paired_spaces(30, 4, random_state=0, return_X_y=True)
    >>> display = SimilarityDisplay.from_estimator(RigidAligner().fit(X, y), X, y)
    >>> display.similarities.diagonal().round(4).min()
    np.float64(1.0)
    """

    def __init__(
        self,
        similarities: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        target_labels: np.ndarray | None = None,
        name: str = "Similarity",
    ) -> None:
        self.similarities = similarities
        self.labels = labels
        self.target_labels = target_labels
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        metric: str | Callable[..., Any] = "cosine",
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
        max_samples: int | None = 200,
        ax: Any = None,
    ) -> Any:
        """Plot the similarity of mapped source samples to target samples.

        Parameters
        ----------
        estimator : object
            Fitted aligner, or pipeline with an aligner as its last step.
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Samples in the target space.
        metric : str or callable, default="cosine"
            Kernel, as in :func:`~sklearn.metrics.pairwise.pairwise_kernels`.
        labels : array-like of shape (n_samples,), default=None
            Class labels of the source samples; if given, samples are sorted by class.
        target_labels : array-like of shape (n_target_samples,), default=None
            Class labels of the target samples. None uses `labels` if lengths are equal.
        max_samples : int or None, default=200
            Maximum number of samples shown per side, evenly spaced. None shows all.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : SimilarityDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        return cls.from_spaces(
            estimator.transform(X),
            transform_target(estimator, y),
            metric=metric,
            labels=labels,
            target_labels=target_labels,
            max_samples=max_samples,
            ax=ax,
        )

    @classmethod
    def from_spaces(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        *,
        metric: str | Callable[..., Any] = "cosine",
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
        max_samples: int | None = 200,
        ax: Any = None,
    ) -> Any:
        """Plot the similarity between the samples of two spaces.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Mapped source samples.
        y : array-like of shape (n_target_samples, n_features)
            Target samples, with as many features.
        metric : str or callable, default="cosine"
            Kernel, as in :func:`~sklearn.metrics.pairwise.pairwise_kernels`.
        labels : array-like of shape (n_samples,), default=None
            Class labels of the source samples; if given, samples are sorted by class.
        target_labels : array-like of shape (n_target_samples,), default=None
            Class labels of the target samples. None uses `labels` if lengths are equal.
        max_samples : int or None, default=200
            Maximum number of samples shown per side, evenly spaced. None shows all.
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.

        Returns
        -------
        display : SimilarityDisplay

        Raises
        ------
        ValueError
            If the numbers of features differ, or labels do not match the samples.
        """
        require_matplotlib(f"{cls.__name__}.from_spaces")
        X, y = check_array(X, input_name="X"), check_array(y, input_name="y")
        if X.shape[1] != y.shape[1]:
            raise ValueError(
                f"X has {X.shape[1]} columns, but y has {y.shape[1]}: map X first."
            )
        if target_labels is None and len(X) == len(y):
            target_labels = labels
        X, labels = _sorted(X, labels, max_samples)
        y, target_labels = _sorted(y, target_labels, max_samples)
        name = metric
        if callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
        return cls(
            pairwise_kernels(X, y, metric=metric),
            labels=labels,
            target_labels=target_labels,
            name=f"Similarity ({name})",
        ).plot(ax=ax)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "viridis",
        colorbar: bool = True,
        image_kw: dict[Any, Any] | None = None,
    ) -> Self:
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates a new figure.
        cmap : str or matplotlib Colormap, default="viridis"
            Colour map.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        image_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        self : SimilarityDisplay
        """
        ax = given_or_new_axes("SimilarityDisplay.plot", ax)
        settings = {"cmap": cmap, "interpolation": "nearest", "aspect": "equal"}
        self.image_ = ax.imshow(self.similarities, **settings | (image_kw or {}))
        if colorbar:
            ax.figure.colorbar(self.image_, ax=ax, label=self.name)
        ax.set(xlabel="Target sample", ylabel="Source sample, mapped")
        _mark_classes(ax, ax.yaxis, self.labels, ax.axhline)
        _mark_classes(ax, ax.xaxis, self.target_labels, ax.axvline)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _sorted(rows, labels, max_samples):
    if labels is None:
        return rows[evenly(len(rows), max_samples)], None
    check_consistent_length(rows, labels)
    labels = check_labels(labels, rows, "labels")
    order = np.argsort(labels, kind="stable")[evenly(len(rows), max_samples)]
    return rows[order], labels[order]


def _mark_classes(ax, axis, labels, draw_line):
    if labels is None:
        return
    classes, starts, counts = np.unique(labels, return_index=True, return_counts=True)
    for start in starts[1:]:
        draw_line(start - 0.5, color="white", linewidth=0.8)
    axis.set_ticks(starts + (counts - 1) / 2, [str(label) for label in classes])
    axis.set_tick_params(length=0)
    axis.set_label_text(f"{axis.get_label_text()}, by class")
