"""Optimal transport of source samples onto target samples."""

import warnings
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AlignerMixin
from skalign._labels import check_labels_of_sides, find_missing
from skalign._rescale import largest_about_mean, near_one
from skalign._validation import Interval, check_sides
from skalign._warnings import user_level
from skalign.moments import check_scale

_CLASS_STEPS = 100
_CLASS_SMOOTHING, _CLASS_ROWS = 1e-3, 1000  # penalty of [1] for this sample size


def exact_plan(cost, *, max_iter):
    """Return the plan of least cost between samples of equal weight.

    Returns
    -------
    plan : ndarray of shape (n_samples, n_target_samples)
    n_iter : int
        1; the solver does not return the number of pivots.
    problem : str
        Why the plan is not optimal; empty if it is.
    """
    import ot

    weights = [np.full(n, 1 / n) for n in cost.shape]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reported as `problem`
        plan, log = ot.emd(
            *weights, near_one(cost), numItermax=max_iter * sum(cost.shape), log=True
        )
    return plan, 1, log["warning"] or ""


def entropic_plan(cost, reg, *, max_iter, tol):
    """Return the plan of least cost plus `reg` times its negative entropy.

    Returns
    -------
    plan : ndarray of shape (n_samples, n_target_samples)
    n_iter : int
        Number of Sinkhorn iterations.
    problem : str
        Message with the amount of misplaced mass; empty if it is at most `tol`.
    """
    import ot

    weights = [np.full(n, 1 / n) for n in cost.shape]
    # Subtracting a constant from a row or a column does not change the plan, and with a
    # zero in each the stabilised scalings start without division by zero.
    cost = cost - cost.min(axis=1, keepdims=True)
    cost -= cost.min(axis=0)
    plan, log = ot.sinkhorn(
        *weights,
        cost,
        reg,
        method="sinkhorn_stabilized",
        tau=1e30,  # 1,000 samples exceed POT's default of 1e3 in every iteration
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
        problem = f"{misplaced:.1e} of the mass is misplaced (tol={tol:.1e})"
    return plan, log["n_iter"] + 1, problem


def class_plan(cost, classes, reg, class_reg, *, max_iter, tol):
    """Return the entropic plan with a penalty on target samples with many classes.

    The concave penalty is replaced by its tangent repeatedly (majorisation).

    Parameters
    ----------
    cost : ndarray of shape (n_samples, n_target_samples)
    classes : ndarray of shape (n_samples,)
        Class of each source sample, numbered from 0.
    reg, class_reg : float
        Weights of the entropy and of the class penalty.

    Returns
    -------
    plan, n_iter, problem
        As in `entropic_plan`; the iterations are those of the last step.
    """
    member = np.eye(classes.max() + 1)[classes]
    plan, *_ = entropic_plan(cost, reg, max_iter=max_iter, tol=tol)
    for _ in range(_CLASS_STEPS):
        # Share of each class in the mass that a target sample receives.
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
        Class numbers from 0.
    target_classes : ndarray of shape (n_target_samples,) or None
        Class numbers of the target; -1 if the label is None or NaN.
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
    """Map source samples onto target samples by optimal transport.

    Each source sample is mapped to the mean of the target samples to which the plan
    transports it, and a new sample is shifted like its nearest source sample [1]_. The
    map is nonlinear. Use it if a linear map is not sufficient, there are many samples
    relative to the complexity of the distributions, and class proportions are equal on
    both sides; if they differ, samples are mapped to wrong classes. The notes give the
    objective. Read more in the :ref:`User Guide <optimal_transport>`.

    Parameters
    ----------
    reg : float, default=0.1
        Weight of the entropy relative to the median of the cost, so that it does not
        depend on the scale of the features. The cost is the squared distance between
        centred source and target samples. Larger values are faster, and shrink the
        mapped samples towards the mean of the target. With 0 the plan is exact. Not
        negative.

    class_reg : float, default=0.3
        Weight of the class penalty relative to the median of the cost. Used if `fit` is
        given `labels` and `reg` is positive. Not negative.

    max_iter : int, default=10_000
        Maximum number of Sinkhorn iterations; for an exact plan, of pivots per sample
        of both sides.

    tol : float, default=1e-4
        Tolerance of Sinkhorn iterations: the misplaced mass at which they stop, as a
        fraction of the total mass. Steps of the class penalty stop when they move at
        most ten times this mass.

    on_nonconvergence : {"raise", "warn"}, default="raise"
        Action if the plan has not converged within the limits: raise a RuntimeError or
        issue a ConvergenceWarning.

    Attributes
    ----------
    plan_ : ndarray of shape (n_samples, n_target_samples) or None
        Fraction of the total mass that is transported from each source sample to each
        target sample. None if there were no target samples.

    source_ : ndarray of shape (n_samples, n_features)
        Training samples of the source.

    shift_ : ndarray of shape (n_samples, n_features)
        Displacement of each source sample.

    n_iter_ : int
        Number of Sinkhorn iterations; with a class penalty, of the last step. 1 if none
        were needed.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Number of features, equal on both sides, and arrays of their names if all are
        strings.

    See Also
    --------
    GaussianOTAligner : Linear optimal transport, from means and covariances.

    Notes
    -----
    With uniform weights on the samples of both sides, the plan :math:`P` minimises

    .. math::
        \\langle P, C \\rangle + \\mathrm{reg} \\sum_{ij} P_{ij} \\log P_{ij} +
        \\mathrm{class\\_reg} \\sum_j n w_j \\sum_c
        \\Big(\\tfrac{1}{n w_j} \\sum_{i \\in c} P_{ij} + 10^{-3}\\Big)^{1/2}

    where :math:`w_j` is the weight of target sample j and :math:`n = 1000`. The last
    term is large if a target sample receives mass from many classes. It equals that of
    [1]_ for 1,000 target samples, and is normalised for other numbers of them. Centring
    both sides does not change the plan for given weights, but the median of the cost
    then does not grow with the distance of the means.

    Memory and time grow with ``n_samples * n_target_samples``. The map is piecewise a
    shift and not injective, so there is no inverse.

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
        reg: float = 0.1,
        *,
        class_reg: float = 0.3,
        max_iter: int = 10_000,
        tol: float = 1e-4,
        on_nonconvergence: Literal["raise", "warn"] = "raise",
    ) -> None:
        self.reg = reg
        self.class_reg = class_reg
        self.max_iter = max_iter
        self.tol = tol
        self.on_nonconvergence = on_nonconvergence

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
    ) -> Self:
        """Compute the plan between samples of both spaces, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_features)
            Samples in the target space, with the same features. If `y` has no target
            samples (None, or the class labels that a Pipeline passes on), the aligner
            is the identity and a warning is raised.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source samples, numbers or strings. If given, plans in which
            a target sample receives mass from several classes are penalised
            (`class_reg`).
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target samples, None or NaN if unknown. Used if `labels` are
            given too: the cost between samples of different known classes is ten times
            the largest cost.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If numbers or names of features differ, a side has fewer than two samples, a
            value is not finite, lengths differ, a source sample has no class,
            `target_labels` has a class that is not in `labels`, squared distances
            overflow or underflow, or `reg` > 0 and the median of the cost is 0.
        RuntimeError
            If the plan has not converged and ``on_nonconvergence="raise"``.
        """
        X, y = check_sides(self, X, y)
        labels, target_labels = check_labels_of_sides(
            labels, target_labels, X, y, partly=True
        )
        self.source_ = X
        if y is None:
            return self._be_identity(plan_=None, shift_=None, n_iter_=1)
        classes, target_classes = number_classes(labels, target_labels)
        for name, rows in (("X", X), ("y", y)):
            largest = largest_about_mean(rows)  # distances are up to twice as large
            check_scale(largest, np.float64, name, n_terms=4 * rows.size)
        centred = (rows - rows.mean(axis=0, dtype=np.float64) for rows in (X, y))
        cost = euclidean_distances(*centred, squared=True)
        if self.reg > 0:
            if (median := np.median(cost)) == 0:
                raise ValueError(
                    "The median of the squared distances between the sides is 0: at "
                    "least half of their samples are equal, and reg has no scale."
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
                f"The plan did not converge: {problem}. Raise reg={self.reg} or "
                f"max_iter={self.max_iter}."
            )
            if self.on_nonconvergence == "raise":
                raise RuntimeError(message)
            warnings.warn(message, ConvergenceWarning, stacklevel=user_level())
        return plan, n_iter

    def _shift(self, X, y):
        sent = self.plan_.sum(axis=1, keepdims=True)
        if (sent > 0).all():
            return (self.plan_ / sent) @ y - X
        # Samples left out by a plan that did not converge move as the means do.
        mean = np.broadcast_to(y.mean(axis=0) + X - X.mean(axis=0), X.shape)
        return np.divide(self.plan_ @ y, sent, out=mean.copy(), where=sent > 0) - X

    def _map(self, X):
        # Each sample moves as the nearest sample of `source_` does.
        centre = self.source_.mean(axis=0)  # far from 0, products lose precision
        sides = ((rows - centre).astype(X.dtype) for rows in (X, self.source_))
        nearest = pairwise_distances_argmin(*sides)
        return X + self.shift_.astype(X.dtype, copy=False)[nearest]
