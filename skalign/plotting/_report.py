"""The report as a figure."""

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skalign.model_selection import alignment_report
from skalign.model_selection._report import REPORT_METRICS
from skalign.plotting._axes import given_or_new_axes, require_matplotlib, write_values


class ReportDisplay:
    """Table of maps and metrics, each column coloured from worst to best.

    Make it by `from_report` or `from_spaces`. Read more in the
    :ref:`User Guide <plotting>`.

    Parameters
    ----------
    report : :class:`~sklearn.utils.Bunch`
        What :func:`~skalign.model_selection.alignment_report` returns.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The cells.
    ax_ : matplotlib Axes
        Axes with the table.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    skalign.model_selection.alignment_report : The figures.

    Examples
    --------
    >>> from skalign.datasets import make_paired_spaces
    >>> from skalign.plotting import ReportDisplay
    >>> X, y = make_paired_spaces(100, 4, noise=0.1, random_state=0, return_X_y=True)
    >>> display = ReportDisplay.from_spaces(X, y)
    >>> display.ax_.get_yticklabels()[0].get_text()
    'mean of the target'
    """

    def __init__(self, report):
        self.report = report

    @classmethod
    @validate_params({"report": [Bunch]}, prefer_skip_nested_validation=True)
    def from_report(cls, report, *, ax=None):
        """Plot a report.

        Parameters
        ----------
        report : :class:`~sklearn.utils.Bunch`
            What :func:`~skalign.model_selection.alignment_report` returns.
        ax : matplotlib Axes, default=None
            Axes to draw on; those of a new figure by default.

        Returns
        -------
        display : ReportDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_report")
        return cls(report).plot(ax=ax)

    @classmethod
    def from_spaces(
        cls, X, y, *, labels=None, aligners=None, cv=5, random_state=0, ax=None
    ):
        """Compare maps between two paired spaces, and plot the report.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples, n_targets)
            The same items, row by row, in the target space.
        labels, aligners, cv, random_state
            As in :func:`~skalign.model_selection.alignment_report`.
        ax : matplotlib Axes, default=None
            Axes to draw on; those of a new figure by default.

        Returns
        -------
        display : ReportDisplay
        """
        require_matplotlib(f"{cls.__name__}.from_spaces")
        report = alignment_report(
            X, y, labels=labels, aligners=aligners, cv=cv, random_state=random_state
        )
        return cls.from_report(report, ax=ax)

    def plot(self, ax=None, *, cmap="cividis", values_format=".3g"):
        """Draw the table: means over the folds, the best of each column with a star.

        Colours rank the maps within a column, so that a map that is far off does not
        make the others look alike.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; those of a new figure by default.
        cmap : str or matplotlib Colormap, default="cividis"
            Colours, from the worst to the best.
        values_format : str, default=".3g"
            Format of the means.

        Returns
        -------
        self : ReportDisplay
        """
        names, scores = self.report.names, self.report.scores
        figsize = (2.5 + 1.4 * len(scores), 1.2 + 0.38 * len(names))
        ax = given_or_new_axes("ReportDisplay.plot", ax, figsize=figsize)
        means = np.column_stack([folds.mean(axis=1) for folds in scores.values()])
        signs = np.array([1 if REPORT_METRICS[metric] else -1 for metric in scores])
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
