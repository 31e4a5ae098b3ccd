"""Confidence intervals of metrics, by the jackknife."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_array, check_consistent_length

from skalign._draws import checked_value, with_fixed_draws
from skalign._validation import Interval
from skalign.metrics._bootstrap import ConfidenceInterval
from skalign.metrics._validation import SPACES


@validate_params(
    {
        "metric": [callable],
        **SPACES,
        "paired": ["boolean"],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "n_groups": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def jackknife_interval(
    metric: Callable[..., Any],
    X: ArrayLike,
    Y: ArrayLike,
    *,
    paired: bool = False,
    confidence_level: float = 0.95,
    n_groups: int = 100,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Jackknife confidence interval of a smooth metric.

    Each side :math:`s` is divided into :math:`g_s` groups. With the value :math:`t` of
    the metric, its values :math:`t_{si}` without group :math:`i` of side :math:`s`, and
    their means :math:`\bar t_s`, the interval is [1]_

    .. math::

        t - \sum_s (g_s - 1)(\bar t_s - t) \pm q \, \Bigl( \sum_s
        \frac{g_s - 1}{g_s} \sum_{i=1}^{g_s} (t_{si} - \bar t_s)^2 \Bigr)^{1/2} ,

    where :math:`q` is the quantile of Student's distribution with :math:`\min_s g_s -
    1` degrees of freedom. Pairs count as one side. Unlike in a bootstrap, no sample is
    repeated, which would reduce the distances between samples. Read more in the
    :ref:`User Guide <two_sample_tests>`.

    Parameters
    ----------
    metric : callable
        Metric ``metric(X, Y)`` of two sets of samples, such as those in
        `skalign.metrics`; use `functools.partial` to set its keyword arguments.
        Parameters that are otherwise estimated from the data, such as `gamma`, should
        be set. If the parameter `random_state` of `metric` is None, the same seed is
        used in all calls.
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features_y)
        Source and target samples.
    paired : bool, default=False
        Whether sample i of `X` and of `Y` are a pair: pairs are then left out, instead
        of samples of each side.
    confidence_level : float, default=0.95
        Nominal coverage of the limit of the metric for infinitely many samples.
    n_groups : int, default=100
        Maximum number of random groups of each side; smaller sides use one group per
        sample. `metric` is evaluated without each group.
    random_state : int, RandomState instance or None, default=None
        Generator of the groups, if there are more samples than groups, and of the seed
        of a metric that is random.

    Returns
    -------
    interval : ConfidenceInterval
        Named tuple with the bounds `low` and `high`, which may exceed the range of the
        metric.

    Raises
    ------
    ValueError
        If `X` or `Y` is not finite or has a single sample, a parameter is out of its
        range, the numbers of samples differ and `paired` is True, or the value of
        `metric` changes with its random draws or with the order of the samples, as that
        of `block_mmd` does. Errors of `metric` are propagated.

    See Also
    --------
    bootstrap_interval : Interval from samples drawn with replacement.
    mmd_test : Test of whether a distance is larger than expected by chance, which an
        interval near 0 cannot show.

    Notes
    -----
    Suits metrics that converge as samples are added and are smooth at their limit. It
    does not suit `retrieval_accuracy` and other metrics that decrease with the number
    of candidates, nor equal distributions, between which most distances are not smooth.

    References
    ----------
    .. [1] B. Efron and C. Stein, "The jackknife estimate of variance", Annals of
       Statistics 9(3), 1981, pp. 586-596.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import gaussian_wasserstein_distance, jackknife_interval
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> low, high = jackknife_interval(
    ...     gaussian_wasserstein_distance, X, Y + [3, 0], random_state=0
    ... )
    >>> print(f"{low:.2f} to {high:.2f}")
    2.85 to 3.25
    """
    X, Y = (
        check_array(rows, input_name=name, ensure_min_samples=2)
        for rows, name in ((X, "X"), (Y, "Y"))
    )
    if paired:
        check_consistent_length(X, Y)
    metric = with_fixed_draws(metric, random_state)
    other, same = np.arange(len(X))[::-1], np.arange(len(Y))
    orders = other, other if paired else same
    value = checked_value(metric, X, Y, caller="jackknife_interval", order=orders)
    bias, variance = 0.0, 0.0
    sides = values_without(metric, X, Y, paired, n_groups, random_state)
    for left in sides:
        bias += (len(left) - 1) * (left.mean() - value)
        variance += (len(left) - 1) * left.var()
    freedom = min(map(len, sides)) - 1
    half = stats.t.ppf((1 + confidence_level) / 2, freedom) * np.sqrt(variance)
    return ConfidenceInterval(float(value - bias - half), float(value - bias + half))


def values_without(metric, X, Y, paired, n_groups, random_state):
    """Return the values without each group of pairs, or of samples of either side.

    Returns
    -------
    values : list of ndarray of shape (n_groups_of_side,)
        One array for pairs, otherwise one per side.
    """
    random_state = check_random_state(random_state)
    found = []
    for side in (X,) if paired else (X, Y):
        n_samples = len(side)
        order = np.arange(n_samples)
        if n_samples > n_groups:
            order = random_state.permutation(n_samples)
        values = []
        for group in np.array_split(order, min(n_groups, n_samples)):
            kept = np.ones(n_samples, dtype=bool)
            kept[group] = False
            if paired:
                values.append(metric(X[kept], Y[kept]))
            elif side is X:
                values.append(metric(X[kept], Y))
            else:
                values.append(metric(X, Y[kept]))
        found.append(np.array(values))
    return found
