"""Two spaces before and after alignment."""

import numpy as np
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
    """Whether it is learnt from pairs: all regressors are, and some more."""
    estimator = last_step(estimator)
    kinds = (AnchoredAligner, CommonSpaceMixin, RelativeRepresentation)
    return is_regressor(estimator) or isinstance(estimator, kinds)


class AlignmentDisplay:
    """Source and target rows in the plane, before and after a map.

    Make it by `from_estimator` or `from_spaces`. Read more in the
    :ref:`User Guide <plotting>`.

    Parameters
    ----------
    source_before, source_after : ndarray of shape (n_shown, 2)
        Source rows in the plane.
    target_before, target_after : ndarray of shape (n_target_shown, 2)
        Target rows in the plane.
    paired : bool, default=True
        Whether row i of both sides is the same item; lines join them then.
    same_axes : bool, default=True
        Whether both sides share their axes before the map too.
    labels, target_labels : ndarray of shape (n_shown,) and (n_target_shown,), \
            default=None
        Classes of the rows, which then give the colours; the sides differ in their
        markers.

    Attributes
    ----------
    ax_ : ndarray of shape (2,) of matplotlib Axes
        Before and after.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    Notes
    -----
    The plane is that of the two main directions (PCA) of all rows together: source,
    mapped source and target, if their widths are equal. If the map leads elsewhere, the
    panel after it has a plane of its own; source rows of another width than the target
    are shown before the map along their own main directions, where lines would mean
    nothing and are left out. Each panel has its own scale. A plane shows the largest
    differences and hides the rest: rows that lie apart in it are apart, rows that
    coincide need not be near.

    Seven colours can be told apart by all readers: of more classes, the largest seven
    of both sides together have one, and the others are grey.

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
        source_before,
        target_before,
        source_after,
        target_after,
        *,
        paired=True,
        same_axes=True,
        labels=None,
        target_labels=None,
    ):
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
        estimator,
        X,
        y,
        *,
        paired=None,
        labels=None,
        target_labels=None,
        max_samples=200,
        ax=None,
    ):
        """Plot two spaces before and after a fitted aligner.

        Parameters
        ----------
        estimator : object
            Fitted aligner, or pipeline that ends in one.
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space.
        paired : bool, default=None
            Whether row i of both sides is the same item; by default, whether the
            aligner is learnt from pairs.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source rows, shown as colours.
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target rows; `labels` by default, if rows are paired.
        max_samples : int or None, default=200
            Of more rows on a side, so many are shown, evenly spread; all of them count
            for the plane.
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for before and after; those of a new figure by default.

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
        X,
        X_mapped,
        y,
        *,
        y_mapped=None,
        paired=True,
        labels=None,
        target_labels=None,
        max_samples=200,
        ax=None,
    ):
        """Plot two spaces before and after a map.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        X_mapped : array-like of shape (n_samples, n_features_out)
            The same rows after the map.
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space.
        y_mapped : array-like of shape (n_target_samples, n_features_out), default=None
            The same rows where mapped source rows are compared with them; `y` by
            default.
        paired : bool, default=True
            Whether row i of both sides is the same item.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source rows, shown as colours.
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target rows; `labels` by default, if rows are paired.
        max_samples : int or None, default=200
            Of more rows on a side, so many are shown, evenly spread.
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for before and after; those of a new figure by default.

        Returns
        -------
        display : AlignmentDisplay

        Raises
        ------
        ValueError
            If lengths or widths do not go together, labels are not one for each row, a
            space has a single column, or squares overflow or underflow.
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
                "A map keeps the number of rows; got "
                f"{len(X)} and {len(X_mapped)}, {len(y)} and {len(y_mapped)}."
            )
        if paired and len(X) != len(y):
            raise ValueError(
                f"paired=True needs as many target rows as source rows; got {len(y)} "
                f"and {len(X)}."
            )
        if X_mapped.shape[1] != y_mapped.shape[1]:
            raise ValueError(
                f"X_mapped has {X_mapped.shape[1]} columns, but y_mapped has "
                f"{y_mapped.shape[1]}: they share no space."
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

    def plot(self, ax=None, *, scatter_kw=None, line_kw=None):
        """Draw both panels.

        Parameters
        ----------
        ax : array-like of 2 matplotlib Axes, default=None
            Axes for before and after; those of a new figure by default.
        scatter_kw : dict, default=None
            Passed on to `matplotlib.axes.Axes.scatter`.
        line_kw : dict, default=None
            Passed on to `matplotlib.collections.LineCollection`, the lines that join
            pairs.

        Returns
        -------
        self : AlignmentDisplay

        Raises
        ------
        ValueError
            If `ax` does not hold two axes.
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
    """Give the largest classes a colour each, in sorted order; None without labels."""
    sides = [labels for labels in sides if labels is not None]
    if not sides:
        return None
    classes, counts = np.unique(np.concatenate(sides), return_counts=True)
    largest = np.sort(np.argsort(-counts, kind="stable")[: len(COLORS)])
    return dict(zip(classes[largest].tolist(), COLORS, strict=False))


def _class_handles(colors, sides):
    """Return what a legend shows: the markers of the sides, the colours of classes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color="0.3", marker=marker, linestyle="", label=name)
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
    """The two directions in which rows differ most."""
    return PCA(2).set_output(transform="default").fit(np.concatenate(rows))
