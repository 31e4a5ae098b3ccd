"""Largest similarity that noise in repeated measurements allows."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_array

from skalign._draws import with_fixed_draws
from skalign._validation import FLOATS, Interval


class NoiseCeiling(NamedTuple):
    """Largest similarity that noise allows.

    Attributes
    ----------
    ceiling : float
        Similarity that the means over the repetitions are expected to have if there
        were no differences but noise; from 0 to 1.
    x_reliability, y_reliability : float
        Similarity of the mean over the repetitions to that of as many new ones; 1 for
        a side without repetitions.
    """

    ceiling: float
    x_reliability: float
    y_reliability: float


@validate_params(
    {
        "metric": [callable],
        "X": ["array-like"],
        "Y": ["array-like", None],
        "n_splits": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def noise_ceiling(
    metric: Callable[..., Any],
    X: ArrayLike,
    Y: ArrayLike | None = None,
    *,
    n_splits: int = 100,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Estimate the largest similarity that noisy measurements allow.

    The repetitions of a side are randomly divided into two halves :math:`K` times. With
    the similarity :math:`s_k` of the means of the two halves, the reliability of the
    mean of all repetitions is estimated by the formula of Spearman [1]_ and Brown [2]_,

    .. math::

        r = \frac{2 \bar s}{1 + \bar s}, \qquad
        \bar s = \frac{1}{K} \sum_{k=1}^{K} s_k ,

    and the ceiling by the correction for attenuation [3]_, :math:`\sqrt{r_X r_Y}`. A
    similarity divided by the ceiling estimates that of measurements without noise. Read
    more in the :ref:`User Guide <similarity_tests>`.

    Parameters
    ----------
    metric : callable
        Similarity ``metric(X, Y)`` that is 1 for equal representations, such as
        `rsa_correlation` or debiased `cka`; use `functools.partial` to set its keyword
        arguments.
    X : array-like of shape (n_repetitions, n_samples, n_features_x)
        Repeated measurements of the same samples, in the same order.
    Y : array-like of shape (n_repetitions_y, n_samples, n_features_y), default=None
        Repeated measurements of the other side; None for one without noise, such as the
        latents of a network.
    n_splits : int, default=100
        Number :math:`K` of random divisions. With an odd number of repetitions, one is
        left out of each.
    random_state : int, RandomState instance or None, default=None
        Generator of the divisions, and of the seed of a metric that is random.

    Returns
    -------
    result : NoiseCeiling
        Named tuple with `ceiling`, `x_reliability` and `y_reliability`. A reliability
        that is estimated below 0 counts as 0.

    Raises
    ------
    ValueError
        If a side is not 3-dimensional, not finite or has a single repetition, the
        numbers of samples differ, or `metric` is not 1 for equal representations.

    See Also
    --------
    similarity_test : Test of whether a similarity is larger than by chance.

    Notes
    -----
    The formulas are exact for correlations of quantities with independent noise of
    equal variance in all repetitions. For `rsa_correlation` and debiased `cka` they are
    approximations, up to 0.04 too low in simulations. For biased `cka`,
    `cca_similarity` and `mutual_knn`, whose values for noise alone are not 0, the
    ceiling is too high. It is an estimate that a similarity may exceed by chance. An
    odd number of repetitions lowers it slightly.

    References
    ----------
    .. [1] C. Spearman, "Correlation calculated from faulty data", British Journal of
       Psychology 3(3), 1910, pp. 271-295.
    .. [2] W. Brown, "Some experimental results in the correlation of mental abilities",
       British Journal of Psychology 3(3), 1910, pp. 296-322.
    .. [3] C. Spearman, "The proof and measurement of association between two things",
       American Journal of Psychology 15(1), 1904, pp. 72-101.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import noise_ceiling, rsa_correlation
    >>> rng = np.random.default_rng(0)
    >>> signal, other = rng.normal(size=(2, 200, 5))
    >>> X = signal + rng.normal(size=(6, 200, 5))  # measured six times
    >>> ceiling = noise_ceiling(rsa_correlation, X, random_state=0).ceiling
    >>> for model in (signal, signal + other):
    ...     print(f"{rsa_correlation(X.mean(axis=0), model):.2f} of {ceiling:.2f}")
    0.83 of 0.82
    0.39 of 0.82
    """
    random_state = check_random_state(random_state)
    metric = with_fixed_draws(metric, random_state)
    sides = {"X": _check_repetitions(X, "X")}
    if Y is not None:
        sides["Y"] = _check_repetitions(Y, "Y")
        if sides["X"].shape[1] != sides["Y"].shape[1]:
            raise ValueError(
                f"X has {sides['X'].shape[1]} samples, but Y has "
                f"{sides['Y'].shape[1]}: both must hold the same samples."
            )
    found = []
    for rows in sides.values():
        own = metric(rows[0], rows[0])
        if not abs(own - 1) < 1e-6:
            raise ValueError(
                f"metric must be a similarity that is 1 for equal representations; "
                f"got {own:.3g} for the first repetition with itself."
            )
        found.append(_reliability(metric, rows, n_splits, random_state))
    x_reliability, y_reliability = [*found, 1.0][:2]
    ceiling = float(np.sqrt(x_reliability * y_reliability))
    return NoiseCeiling(ceiling, x_reliability, y_reliability)


def _check_repetitions(rows, name):
    rows = check_array(
        rows, dtype=FLOATS, allow_nd=True, ensure_2d=False, input_name=name
    )
    if rows.ndim != 3 or len(rows) < 2:
        raise ValueError(
            f"{name} has shape {rows.shape}; expected (n_repetitions, n_samples, "
            "n_features) with at least 2 repetitions."
        )
    return rows


def _reliability(metric, rows, n_splits, random_state):
    half, total = len(rows) // 2, 0.0
    for _ in range(n_splits):
        order = random_state.permutation(len(rows))
        one, two = rows[order[:half]], rows[order[half : 2 * half]]
        total += metric(one.mean(axis=0), two.mean(axis=0))
    mean = max(total / n_splits, 0.0)
    return 2 * mean / (1 + mean)
