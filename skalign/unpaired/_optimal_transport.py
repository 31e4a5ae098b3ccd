"""Optimal transport of source rows onto target rows."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AlignerMixin
from skalign._labels import find_missing
from skalign._parameters import Interval
from skalign._rescale import largest_about_mean, near_one
from skalign._validation import check_sides
from skalign.moments import check_scale

_CLASS_STEPS = 100
_CLASS_SMOOTHING, _CLASS_ROWS = 1e-3, 1000  # the penalty of [1] for so many rows


def exact_plan(cost, *, max_iter):
    """Plan of least cost between rows of equal weight.

    Returns
    -------
    plan : ndarray of shape (n_samples, n_target_samples)
    n_iter : int
        1; the solver does not say how many pivots it took.
    problem : str
        Why the plan is not the best one; empty where it is.
    """
    import ot

    weights = [np.full(n, 1 / n) for n in cost.shape]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said by `problem`
        plan, log = ot.emd(
            *weights, near_one(cost), numItermax=max_iter * sum(cost.shape), log=True
        )
    return plan, 1, log["warning"] or ""


def entropic_plan(cost, reg, *, max_iter, tol):
    """Plan of least cost plus `reg` times the negative entropy of the plan.

    Returns
    -------
    plan : ndarray of shape (n_samples, n_target_samples)
    n_iter : int
        Sinkhorn iterations.
    problem : str
        How much mass is out of place; empty if at most `tol`.
    """
    import ot

    weights = [np.full(n, 1 / n) for n in cost.shape]
    # A number taken off a row or a column does not change the plan, and with a zero in
    # each the stabilised scalings start without division by zero.
    cost = cost - cost.min(axis=1, keepdims=True)
    cost -= cost.min(axis=0)
    plan, log = ot.sinkhorn(
        *weights,
        cost,
        reg,
        method="sinkhorn_stabilized",
        tau=1e30,  # POT's 1e3 is passed by the first scaling of 1,000 rows, for ever
        numItermax=max_iter,
        stopThr=tol / np.sqrt(cost.shape[1]),
        warn=False,
        log=True,
    )
    misplaced = sum(
        np.abs(plan.sum(axis=axis) - weight).sum()
        for axis, weight in zip((1, 0), weights, strict=True)
    )
    problem = ""
    if not misplaced <= tol:  # or NaN
        problem = f"{misplaced:.1e} of the mass is out of place (tol={tol:.1e})"
    return plan, log["n_iter"] + 1, problem


def class_plan(cost, classes, reg, class_reg, *, max_iter, tol):
    """Entropic plan that sends to a target row source rows of few classes.

    The concave penalty is replaced by its tangent again and again (majorisation).

    Parameters
    ----------
    cost : ndarray of shape (n_samples, n_target_samples)
    classes : ndarray of shape (n_samples,)
        Class of each source row, from 0.
    reg, class_reg : float
        Strengths of the entropy and of the class penalty.

    Returns
    -------
    plan, n_iter, problem
        As of `entropic_plan`; the iterations are those of the last step.
    """
    member = np.eye(classes.max() + 1)[classes]
    plan, *_ = entropic_plan(cost, reg, max_iter=max_iter, tol=tol)
    for _ in range(_CLASS_STEPS):
        # Share of each class in what a target row receives.
        share = member.T @ plan * cost.shape[1]
        tangent = member @ (0.5 / np.sqrt(share / _CLASS_ROWS + _CLASS_SMOOTHING))
        previous = plan
        plan, n_iter, problem = entropic_plan(
            cost + class_reg * tangent, reg, max_iter=max_iter, tol=tol
        )
        moved = np.abs(plan - previous).sum()
        if moved <= 10 * tol:
            return plan, n_iter, problem
    return (
        plan,
        n_iter,
        problem
        or (
            f"{moved:.1e} of the mass still moved in step {_CLASS_STEPS} of the class "
            f"penalty (10 * tol={10 * tol:.1e})"
        ),
    )


def number_classes(labels, target_labels):
    """Number the classes of both sides.

    Returns
    -------
    classes : ndarray of shape (n_samples,) or None
        From 0.
    target_classes : ndarray of shape (n_target_samples,) or None
        The same numbers; -1 where the label is None or NaN.
    """
    if labels is None:
        return None, None
    names, classes = np.unique(labels, return_inverse=True)
    if target_labels is None:
        return classes, None
    numbers = {name: number for number, name in enumerate(names.tolist())}
    known = ~find_missing(target_labels, np.nan)
    if unknown := set(target_labels[known].tolist()) - numbers.keys():
        raise ValueError(
            f"target_labels holds classes that labels lacks: {sorted(unknown)}; labels "
            f"holds {names.tolist()}."
        )
    return classes, np.array([numbers.get(label, -1) for label in target_labels])


class OptimalTransportAligner(AlignerMixin, BaseEstimator):
    """Carry source rows onto target rows by an optimal-transport plan.

    Each source row goes to the mean of the target rows that the plan sends it to; a
    new row moves as its nearest source row does [1]_. The plan can bend and tear
    space where a linear map cannot, and needs about as many rows as the shapes it is
    to follow have detail; with class shares that differ between the sides it sends
    rows to the wrong class. Read more in the :ref:`User Guide <optimal_transport>`.

    Parameters
    ----------
    reg : float, default=0.1
        Strength of the entropy, in medians of the cost, the squared distance of a
        source row to a target row about their means: it means the same at any scale
        of the features. Larger is faster, and draws all rows toward the mean of the
        target. With 0 the plan is exact. Not negative.

    class_reg : float, default=0.3
        Strength of the class penalty, in medians of the cost. Used where `fit` is
        given `labels` and `reg` is positive. Not negative.

    max_iter : int, default=10_000
        Limit of Sinkhorn iterations; for an exact plan, of pivots for each row of
        both sides.

    tol : float, default=1e-4
        Mass that may be out of place where Sinkhorn iterations stop; all is 1. Steps
        of the class penalty stop when they move no more than ten times that.

    on_nonconvergence : {"raise", "warn"}, default="raise"
        What to do about a plan that the limits left unfinished: raise a RuntimeError
        or issue a ConvergenceWarning.

    Attributes
    ----------
    plan_ : ndarray of shape (n_samples, n_target_samples) or None
        Share of all mass that goes from each source to each target row; None if there
        were no target rows.

    source_ : ndarray of shape (n_samples, n_features)
        The source rows.

    shift_ : ndarray of shape (n_samples, n_features)
        How far each source row moves.

    n_iter_ : int
        Sinkhorn iterations, of the last step where there is a class penalty; 1 where
        none were needed.

    n_targets_ : int
        Width of the target space, equal to `n_features_in_`.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source columns, where `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target columns, where `y` had any.

    See Also
    --------
    GaussianOTAligner : The linear map of least cost, from means and covariances.

    Notes
    -----
    With uniform weights on the rows of both sides the plan minimises

    .. math::
        \\langle P, C \\rangle + \\mathrm{reg} \\sum_{ij} P_{ij} \\log P_{ij} +
        \\mathrm{class\\_reg} \\sum_j n w_j \\sum_c
        \\Big(\\tfrac{1}{n w_j} \\sum_{i \\in c} P_{ij} + 10^{-3}\\Big)^{1/2}

    where :math:`w_j` is the weight of target row j and :math:`n = 1000`. The last term,
    large where a target row receives from many classes, is that of [1]_ for 1,000
    target rows; here it means the same for any number of them. A cost between rows
    about their own means gives the same plans as one between the rows as they are, but
    its median does not grow with the distance of the means.

    Memory and time grow with ``n_samples * n_target_samples``. The map is piecewise a
    shift and not one-to-one, so there is no inverse.

    References
    ----------
    .. [1] N. Courty, R. Flamary, D. Tuia and A. Rakotomamonjy, "Optimal transport for
       domain adaptation", IEEE Transactions on Pattern Analysis and Machine
       Intelligence 39(9), 2017, pp. 1853-1865.

    Examples
    --------
    >>> from skalign import OptimalTransportAligner
    >>> X, y = [[0, 0], [1, 0], [5, 0]], [[5, 9], [0, 8], [1, 7]]
    >>> aligner = OptimalTransportAligner(reg=0).fit(X, y)
    >>> aligner.transform([[5, 0], [4, 0], [0, 1]])
    array([[5., 9.],
           [4., 9.],
           [0., 9.]])
    """

    _same_features = True
    _parameter_constraints = {
        "reg": [Interval(Real, 0, None, closed="left")],
        "class_reg": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "on_nonconvergence": [StrOptions({"raise", "warn"})],
    }

    def __init__(
        self,
        reg=0.1,
        *,
        class_reg=0.3,
        max_iter=10_000,
        tol=1e-4,
        on_nonconvergence="raise",
    ):
        self.reg = reg
        self.class_reg = class_reg
        self.max_iter = max_iter
        self.tol = tol
        self.on_nonconvergence = on_nonconvergence

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, labels=None, target_labels=None):
        """Find the plan between rows of both sides, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_features)
            Rows of the target space, of the same width. With a `y` that holds no
            target rows (None, or the class labels that a Pipeline passes on) the
            aligner is the identity and warns.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source rows, numbers or strings. With them, target rows are
            made to receive source rows of few classes (`class_reg`).
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target rows, None or NaN where not known. Used where `labels`
            are given too: between rows of two known classes the cost is ten times the
            largest.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If widths or names of columns differ, a side has fewer than two rows, a
            value is not finite, lengths differ, a source row has no class,
            `target_labels` holds a class that `labels` lacks, squared distances
            overflow or underflow, or `reg` > 0 and the median of the cost is 0.
        RuntimeError
            If a limit was met and ``on_nonconvergence="raise"``.
        """
        X, y, labels, target_labels = check_sides(
            self,
            X,
            y,
            labels=labels,
            target_labels=target_labels,
            partly_labeled=True,
        )
        self.source_ = X
        if y is None:
            return self._be_identity(plan_=None, shift_=None, n_iter_=1)
        classes, target_classes = number_classes(labels, target_labels)
        for name, rows in (("X", X), ("y", y)):
            largest = largest_about_mean(rows)  # and twice that between rows
            check_scale(largest, np.float64, name, n_terms=4 * rows.size)
        centred = (rows - rows.mean(axis=0, dtype=np.float64) for rows in (X, y))
        cost = euclidean_distances(*centred, squared=True)
        if self.reg > 0:
            if (median := np.median(cost)) == 0:
                raise ValueError(
                    "The median of the squared distances between the sides is 0: at "
                    "least half of their rows are equal, and reg has no scale."
                )
            cost /= median
        if target_classes is not None:
            differ = (target_classes >= 0) & (classes[:, None] != target_classes)
            cost[differ] = 10 * cost.max()
        self.plan_, self.n_iter_ = self._plan(cost, classes)
        self.shift_ = self._shift(X, y).astype(X.dtype, copy=False)
        return self

    def _plan(self, cost, classes):
        limits = {"max_iter": self.max_iter, "tol": self.tol}
        if self.reg == 0:
            plan, n_iter, problem = exact_plan(cost, max_iter=self.max_iter)
        elif classes is None or self.class_reg == 0:
            plan, n_iter, problem = entropic_plan(cost, self.reg, **limits)
        else:
            plan, n_iter, problem = class_plan(
                cost, classes, self.reg, self.class_reg, **limits
            )
        if problem:
            message = (
                f"The plan did not converge: {problem}. A larger reg ({self.reg}) or "
                f"max_iter ({self.max_iter}) helps."
            )
            if self.on_nonconvergence == "raise":
                raise RuntimeError(message)
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        return plan, n_iter

    def _shift(self, X, y):
        sent = self.plan_.sum(axis=1, keepdims=True)
        if (sent > 0).all():
            return (self.plan_ / sent) @ y - X
        # An unfinished plan can leave rows out: they move as the means do.
        mean = np.broadcast_to(y.mean(axis=0) + X - X.mean(axis=0), X.shape)
        return np.divide(self.plan_ @ y, sent, out=mean.copy(), where=sent > 0) - X

    def _map(self, X):
        # Each sample moves as the nearest sample of `source_` does.
        centre = self.source_.mean(axis=0)  # far from it, products are all rounding
        sides = ((rows - centre).astype(X.dtype) for rows in (X, self.source_))
        nearest = pairwise_distances_argmin(*sides)
        return X + self.shift_.astype(X.dtype, copy=False)[nearest]
