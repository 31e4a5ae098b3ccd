"""Scatter plots of two spaces before and after alignment."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor
from sklearn.decomposition import PCA
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from skalign._labels import check_labels
from skalign._rescale import largest_about_mean
from skalign._routing import last_step, transform_target
from skalign._validation import FLOATS
from skalign.moments import check_scale
from skalign.paired import (
    AnchoredAligner,
    CommonSpaceMixin,
    RelativeRepresentation,
)
from skalign.plotting._axes import (
    COLORS,
    evenly,
    legend_beside,
    require_matplotlib,
)

_SIDES = {"source": (COLORS[0], "o"), "target": (COLORS[4], "^")}
_OTHER = "0.6"


def _is_paired(estimator):
    """Return whether an aligner is learnt from pairs, as are all regressors."""
    estimator = last_step(estimator)
    kinds = (AnchoredAligner, CommonSpaceMixin, RelativeRepresentation)
    return is_regressor(estimator) or isinstance(estimator, kinds)


class AlignmentDisplay:
    """Scatter plot of source and target samples, before and after a map.

    Create it with `from_estimator` or `from_spaces`. Read more in the
    :ref:`User Guide <plotting>`.

    Parameters
    ----------
    source_before, source_after : ndarray of shape (n_shown, 2)
        Coordinates of source samples in the plane.
    target_before, target_after : ndarray of shape (n_target_shown, 2)
        Coordinates of target samples in the plane.
    paired : bool, default=True
        Whether sample i of both sides is the same item; if so, lines join the pairs.
    same_axes : bool, default=True
        Whether both sides share their axes also before the map.
    labels, target_labels : ndarray of shape (n_shown,) and (n_target_shown,), \
            default=None
        Class labels, shown as colours; source and target differ in their markers.

    Attributes
    ----------
    ax_ : ndarray of shape (2,) of matplotlib Axes
        Axes for before and after the map.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Notes
    -----
    The axes are the first two principal components of all samples together: source,
    mapped source and target, if they have equal numbers of features. If the map leads
    to another space, the panel after the map has its own components. If source and
    target differ in their numbers of features, each is shown along its own components
    before the map, without lines. Each panel has its own scale. A projection can hide
    differences: samples that are apart in the plane are apart, but samples that
    coincide may differ in other directions.

    At most seven classes, the largest of both sides together, have a colour of their
    own; the others are grey.

    Examples
    --------
    >>> from skalign import RigidAligner
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.plotting import AlignmentDisplay
    >>> X, y = make_paired_spaces(50, 4, random_state=0, return_X_y=True)
    >>> display = AlignmentDisplay.from_estimator(RigidAligner().fit(X, y), X, y)
    >>> float(abs(display.source_after - display.target_after).max().round(6))
    0.0
    """

    def __init__(
        self,
        source_before: np.ndarray,
        target_before: np.ndarray,
        source_after: np.ndarray,
        target_after: np.ndarray,
        *,
        paired: bool = True,
        same_axes: bool = True,
        labels: np.ndarray | None = None,
        target_labels: np.ndarray | None = None,
    ) -> None:
        self.source_before = source_before
        self.target_before = target_before
        self.source_after = source_after
        self.target_after = target_after
        self.paired = paired
        self.same_axes = same_axes
        self.labels = labels
        self.target_labels = target_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        paired: bool | None = None,
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
        max_samples: int | None = 200,
        ax: ArrayLike | None = None,
    ) -> Any:
        """Plot two spaces before and after a fitted aligner.

        Parameters
        ----------
        estimator : object
            Fitted aligner, or pipeline with an aligner as its last step.
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Samples in the target space.
        paired : bool, default=None
            Whether sample i of both sides is the same item. None is True for aligners
            that are learnt from pairs.
        labels, target_labels, max_samples, ax
            As in `from_spaces`.

        Returns
        -------
        display : AlignmentDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        return cls.from_spaces(
            X,
            estimator.transform(X),
            y,
            y_mapped=transform_target(estimator, y),
            paired=_is_paired(estimator) if paired is None else paired,
            labels=labels,
            target_labels=target_labels,
            max_samples=max_samples,
            ax=ax,
        )

    @classmethod
    def from_spaces(
        cls,
        X: ArrayLike,
        X_mapped: ArrayLike,
        y: ArrayLike,
        *,
        y_mapped: ArrayLike | None = None,
        paired: bool = True,
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
        max_samples: int | None = 200,
        ax: ArrayLike | None = None,
    ) -> Any:
        """Plot two spaces before and after a map.

        Parameters
        ----------
        X, X_mapped : array-like of shape (n_samples, n_features) and \
                (n_samples, n_features_out)
            Source samples before and after the map.
        y : array-like of shape (n_target_samples, n_targets)
            Samples in the target space.
        y_mapped : array-like of shape (n_target_samples, n_features_out), default=None
            Target samples in the space of `X_mapped`. None uses `y`.
        paired : bool, default=True
            Whether sample i of both sides is the same item.
        labels : array-like of shape (n_samples,), default=None
            Class labels of the source samples, shown as colours.
        target_labels : array-like of shape (n_target_samples,), default=None
            Class labels of the target samples. None uses `labels` if samples are
            paired.
        max_samples : int or None, default=200
            Maximum number of samples shown per side, evenly spaced. None shows all.
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for before and after the map. None creates a new figure.

        Returns
        -------
        display : AlignmentDisplay

        Raises
        ------
        ValueError
            If lengths or numbers of features are inconsistent, labels do not match the
            samples, a space has a single feature, or squares overflow or underflow.
        """
        require_matplotlib(f"{cls.__name__}.from_spaces")
        y_mapped = y if y_mapped is None else y_mapped
        spaces = {"X": X, "X_mapped": X_mapped, "y": y, "y_mapped": y_mapped}
        for name, rows in spaces.items():
            spaces[name] = rows = check_array(
                rows,
                dtype=FLOATS,
                input_name=name,
                ensure_min_features=2,
                ensure_min_samples=2,
            )
            largest = largest_about_mean(rows)
            check_scale(largest, rows.dtype, name, n_terms=rows.size)
        X, X_mapped, y, y_mapped = spaces.values()
        if len(X) != len(X_mapped) or len(y) != len(y_mapped):
            raise ValueError(
                "A map must keep the number of samples; got "
                f"{len(X)} and {len(X_mapped)} source samples, {len(y)} and "
                f"{len(y_mapped)} target samples."
            )
        if paired and len(X) != len(y):
            raise ValueError(
                f"paired=True needs as many target as source samples; got {len(y)} and "
                f"{len(X)}."
            )
        if X_mapped.shape[1] != y_mapped.shape[1]:
            raise ValueError(
                f"X_mapped has {X_mapped.shape[1]} columns, but y_mapped has "
                f"{y_mapped.shape[1]}; expected equal numbers."
            )
        if target_labels is None and paired:
            target_labels = labels
        labels = check_labels(labels, X, "labels")
        target_labels = check_labels(target_labels, y, "target_labels")
        same_axes = X.shape[1] == y.shape[1]
        target_stays = y.shape == y_mapped.shape and np.array_equal(y, y_mapped)
        if same_axes and target_stays:
            after = before = _plane(X, X_mapped, y)
        else:
            after = _plane(X_mapped, y_mapped)
            before = _plane(X, y) if same_axes else _plane(X)
        if same_axes:
            target_before = before.transform(y)
        else:
            target_before = (after if target_stays else _plane(y)).transform(y)
        source, target = evenly(len(X), max_samples), evenly(len(y), max_samples)
        return cls(
            before.transform(X)[source],
            target_before[target],
            after.transform(X_mapped)[source],
            after.transform(y_mapped)[target],
            paired=paired,
            same_axes=same_axes,
            labels=None if labels is None else labels[source],
            target_labels=None if target_labels is None else target_labels[target],
        ).plot(ax=ax)

    def plot(
        self,
        ax: ArrayLike | None = None,
        *,
        scatter_kw: dict[Any, Any] | None = None,
        line_kw: dict[Any, Any] | None = None,
    ) -> Self:
        """Draw both panels.

        Parameters
        ----------
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for before and after the map. None creates a new figure.
        scatter_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter`.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.collections.LineCollection`, for the lines
            between pairs.

        Returns
        -------
        self : AlignmentDisplay

        Raises
        ------
        ValueError
            If `ax` does not contain two axes.
        """
        require_matplotlib("AlignmentDisplay.plot")
        import matplotlib.pyplot as plt
        from matplotlib.collections import LineCollection

        if ax is None:
            _, ax = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
        ax = np.asarray(ax, dtype=object).ravel()
        if len(ax) != 2:
            raise ValueError(f"ax must hold two axes, before and after; got {len(ax)}.")
        colors = _class_colors(self.labels, self.target_labels)
        sides = {"source": self.labels, "target": self.target_labels}
        panels = [
            (self.source_before, self.target_before, "Before", self.same_axes),
            (self.source_after, self.target_after, "After", True),
        ]
        for panel, (source, target, title, same_axes) in zip(ax, panels, strict=True):
            if self.paired and same_axes:
                settings = {"colors": "0.7", "linewidths": 0.5, "zorder": 1}
                pairs = np.stack([source, target], axis=1)
                panel.add_collection(
                    LineCollection(pairs, **settings | (line_kw or {}))
                )
            for rows, name in ((source, "source"), (target, "target")):
                color, marker = _SIDES[name]
                if colors is not None:
                    labels = np.repeat(None, len(rows))
                    labels = labels if sides[name] is None else sides[name]
                    color = [colors.get(label, _OTHER) for label in labels]
                settings = {"color": color, "marker": marker, "s": 16, "label": name}
                settings |= {"alpha": 0.8, "linewidths": 0, "zorder": 2}
                panel.scatter(*rows.T, **settings | (scatter_kw or {}))
            note = "" if same_axes else ", each side along its own axes"
            panel.set_title(title + note)
            panel.set(xticks=[], yticks=[])
            panel.set_aspect("equal", adjustable="datalim")
        if colors is None:
            ax[0].legend(
                loc="upper left", bbox_to_anchor=(0, -0.02), ncols=2, frameon=False
            )
        else:
            legend_beside(ax[1], handles=_class_handles(colors, sides.values()))
        self.ax_, self.figure_ = ax, ax[0].figure
        return self


def _class_colors(*sides):
    """Assign colours to the largest classes, in sorted order; None without labels."""
    sides = [labels for labels in sides if labels is not None]
    if not sides:
        return None
    classes, counts = np.unique(np.concatenate(sides), return_counts=True)
    largest = np.sort(np.argsort(-counts, kind="stable")[: len(COLORS)])
    return dict(zip(classes[largest].tolist(), COLORS, strict=False))


def _class_handles(colors, sides):
    """Return legend handles for the markers of both sides and the class colours."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color="0.5", marker=marker, linestyle="", label=name)
        for name, (_, marker) in _SIDES.items()
    ]
    handles += [
        Line2D([], [], color=color, marker="s", linestyle="", label=str(name))
        for name, color in colors.items()
    ]
    if any(
        labels is None or not set(labels.tolist()) <= set(colors) for labels in sides
    ):
        handles.append(
            Line2D([], [], color=_OTHER, marker="s", linestyle="", label="other")
        )
    return handles


def _plane(*rows):
    """Return the projection onto the first two principal components."""
    return PCA(2).set_output(transform="default").fit(np.concatenate(rows))
