"""Sinkhorn divergence: entropic transport cost without its entropic bias."""

from numbers import Integral, Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import norm
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.utils._param_validation import Options, validate_params

from skalign._validation import Interval
from skalign.metrics._kernels import median_distance
from skalign.metrics._validation import (
    WEIGHTED_SPACES,
    check_mass,
    check_no_overflow,
    check_pairs_fit,
    check_spaces,
)

_DEFAULT_SHARE = 0.1


@validate_params(
    {
        **WEIGHTED_SPACES,
        "reg": [Interval(Real, 0, None, closed="neither"), None],
        "p": [Options(Real, {1, 2})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def sinkhorn_divergence(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    reg: float | None = None,
    p: Literal[1, 2] = 2,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    max_iter: int = 10_000,
    tol: float = 1e-5,
) -> float:
    r"""Sinkhorn divergence, an entropic transport cost that is 0 for equal sets.

    With weights :math:`a_i` and :math:`b_j` that sum to one and :math:`\varepsilon` =
    `reg`, the divergence is [1]_

    .. math::

        S_\varepsilon(X, Y) = T_\varepsilon(X, Y)
        - \tfrac{1}{2} T_\varepsilon(X, X) - \tfrac{1}{2} T_\varepsilon(Y, Y) ,
        \qquad
        T_\varepsilon(X, Y) = \min_{\pi} \sum_{i, j} \pi_{ij} \lVert x_i - y_j \rVert^p
        + \varepsilon \sum_{i, j} \pi_{ij} \log \frac{\pi_{ij}}{a_i b_j} ,

    over the plans :math:`\pi \ge 0` with the marginals :math:`a` and :math:`b`. For a
    small `reg` it approaches :math:`W_p^p`, and for a large one half the squared MMD
    with the kernel :math:`-\lVert x - y \rVert^p`. Read more in the
    :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    reg : float, default=None
        Strength of the entropic regularisation, in the unit of ``|x - y| ** p``;
        positive. None uses a tenth of the median of these costs over pairs of unequal
        samples, as in `mmd`. Set a number to compare several `X`.
    p : {1, 2}, default=2
        Power of the Euclidean distances.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.
    max_iter : int, default=10_000
        Maximum number of iterations for each of the three problems.
    tol : float, default=1e-5
        Tolerance on the Euclidean norm of the error of the marginals. The error of the
        divergence decreases with its square.

    Returns
    -------
    divergence : float
        In the unit of the features to the power of `p`; at least 0, and 0 for equal
        sets only. It is not a metric: the triangle inequality need not hold.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of features differ, a weight
        is negative or all weights are zero, a parameter is out of its range, or a
        matrix of all pairs exceeds scikit-learn's `working_memory`.
    RuntimeError
        If the iterations did not converge.

    See Also
    --------
    wasserstein_distance : Distance without regularisation.
    ot.bregman.empirical_sinkhorn_divergence : Difference of the transport costs without
        the entropy, which can be negative.

    Notes
    -----
    Solved by POT in the logarithmic domain, with several matrices of shape
    (n_samples_x, n_samples_y). The number of iterations grows with the inverse of
    `reg`.

    References
    ----------
    .. [1] J. Feydy, T. Séjourné, F.-X. Vialard, S. Amari, A. Trouvé and G. Peyré,
       "Interpolating between optimal transport and MMD using Sinkhorn divergences",
       AISTATS 2019: Eq. 3 and theorem 1.

    Examples
    --------
    >>> from skalign.metrics import sinkhorn_divergence
    >>> X, Y = [[0.0, 0.0], [1.0, 0.0]], [[1.0, 2.0], [0.0, 2.0]]  # shifted by 2
    >>> print(f"{sinkhorn_divergence(X, Y, reg=0.5):.3f}")
    4.000
    """
    X, Y = check_spaces(X, Y)
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    metric = "sqeuclidean" if p == 2 else "euclidean"
    if reg is None:
        reg = _DEFAULT_SHARE * median_distance(X, Y, metric=metric)

    solve = {"metric": metric, "reg": reg, "max_iter": max_iter, "tol": tol}
    value = _cost_between(X, Y, a, b, **solve)
    value -= (_cost_within(X, a, **solve) + _cost_within(Y, b, **solve)) / 2
    return max(value, 0.0)  # rounding may fall below 0


def _cost_between(X, Y, a, b, metric, reg, max_iter, tol):
    """Return the value of entropic transport, from its dual."""
    from ot.bregman import sinkhorn_log  # imports torch if it is installed

    costs = _costs(X, Y, metric)
    with np.errstate(over="ignore"):  # exponentials returned by POT, not used here
        _, log = sinkhorn_log(
            a, b, costs, reg, numItermax=max_iter, stopThr=tol, log=True, warn=False
        )
    _check_converged(log["err"][-1], reg, max_iter, tol)
    # The marginals are met, so the dual is a mean of the potentials.
    return reg * float(a @ (log["log_u"] - np.log(a)) + b @ (log["log_v"] - np.log(b)))


def _cost_within(X, a, metric, reg, max_iter, tol):
    """Return the value of entropic transport of a set to itself.

    Both potentials are equal, and averaging two iterates converges in a few steps,
    whereas Sinkhorn's iterations take thousands: section 3.1 of [1]_.
    """
    scaled_costs = _costs(X, X, metric) / reg
    potential, log_a = np.zeros(len(X)), np.log(a)
    for _ in range(max_iter):
        step = -logsumexp(potential + log_a - scaled_costs, axis=1)
        marginal = a * np.exp(potential - step)
        if (error := norm(marginal - a)) < tol:
            break
        potential = (potential + step) / 2
    _check_converged(error, reg, max_iter, tol)
    return reg * float(2 * a @ potential - (marginal.sum() - 1))


def _costs(X, Y, metric):
    check_pairs_fit(len(X), len(Y))
    with np.errstate(over="ignore"):
        costs = cdist(X, Y, metric)
    check_no_overflow(costs.max(), costs.dtype)
    return costs


def _check_converged(error, reg, max_iter, tol):
    if not error < tol:
        raise RuntimeError(
            f"Sinkhorn iterations did not reach tol={tol} in max_iter={max_iter} with "
            f"reg={reg:.3g}: marginals are off by {error:.1e}. Raise reg or max_iter."
        )
