"""Confidence intervals of metrics, by the bootstrap."""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_array, check_consistent_length

from skalign._draws import checked_value, with_fixed_draws
from skalign._validation import Interval
from skalign.metrics._validation import SPACES


class ConfidenceInterval(NamedTuple):
    """Confidence interval.

    Attributes
    ----------
    low, high : float
        Bounds of the interval.
    """

    low: float
    high: float


@validate_params(
    {
        "metric": [callable],
        **SPACES,
        "paired": ["boolean"],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "n_resamples": [Interval(Integral, 2, None, closed="left")],
        "method": [StrOptions({"normal", "basic", "percentile"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def bootstrap_interval(
    metric: Callable[..., Any],
    X: ArrayLike,
    Y: ArrayLike,
    *,
    paired: bool = False,
    confidence_level: float = 0.95,
    n_resamples: int = 999,
    method: Literal["normal", "basic", "percentile"] = "normal",
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Bootstrap confidence interval of a metric.

    Samples are drawn with replacement, as many as given, and the metric of each draw
    gives a distribution of values :math:`t^*` about the value :math:`t` of the given
    samples. With their mean :math:`\bar t^*`, standard deviation :math:`s^*` and
    quantiles :math:`t^*_q`, the standard normal quantile :math:`z` and the level
    :math:`1 - \alpha`, the intervals are [1]_

    .. math::

        \text{normal: } 2 t - \bar t^* \pm z_{1 - \alpha / 2} \, s^*, \qquad
        \text{basic: } \bigl[ 2 t - t^*_{1 - \alpha / 2}, \,
        2 t - t^*_{\alpha / 2} \bigr], \qquad
        \text{percentile: } \bigl[ t^*_{\alpha / 2}, \,
        t^*_{1 - \alpha / 2} \bigr] .

    Read more in the :ref:`User Guide <two_sample_tests>`.

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
        Whether sample i of `X` and of `Y` are a pair: pairs are then drawn, instead of
        samples of each side.
    confidence_level : float, default=0.95
        Nominal coverage of the interval.
    n_resamples : int, default=999
        Number of draws.
    method : {"normal", "basic", "percentile"}, default="normal"
        Type of the interval. Drawn samples contain duplicates, so distances between
        them are too large, as distances between finite samples are: "normal" and
        "basic" correct this bias, and may exceed the range of the metric.
    random_state : int, RandomState instance or None, default=None
        Generator of the draws, and of the seed of a metric that is random.

    Returns
    -------
    interval : ConfidenceInterval
        Named tuple with the bounds `low` and `high`.

    Raises
    ------
    ValueError
        If `X` or `Y` is not finite, a parameter is out of its range, the numbers of
        samples differ and `paired` is True, `metric` gives different values for the
        same samples, or it compares sample i of both sets, as `mutual_knn` does, and
        `paired` is False. Errors of `metric` are propagated.

    See Also
    --------
    jackknife_interval : Interval from samples left out, with better coverage and at a
        lower cost.
    mmd_test : Test of whether a distance is larger than expected by chance, which an
        interval near 0 cannot show.
    scipy.stats.bootstrap : Implementation of the draws.

    Notes
    -----
    Coverage is below the nominal level for unbiased metrics, such as `mmd` or debiased
    `cka`: between drawn samples, which contain duplicates, they are biased.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application",
       Cambridge University Press, 1997: sections 5.2 and 5.3.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import bootstrap_interval, gaussian_wasserstein_distance
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 200, 2))
    >>> low, high = bootstrap_interval(
    ...     gaussian_wasserstein_distance, X, Y + [3, 0], random_state=0
    ... )
    >>> print(f"{low:.2f} to {high:.2f}")
    2.85 to 3.25
    """
    X, Y = check_array(X, input_name="X"), check_array(Y, input_name="Y")
    if paired:
        check_consistent_length(X, Y)
    metric = with_fixed_draws(metric, random_state)
    value = checked_value(metric, X, Y, caller="bootstrap_interval")
    found = stats.bootstrap(
        (np.arange(len(X)), np.arange(len(Y))),
        partial(_metric_of_rows, metric, X, Y),
        n_resamples=n_resamples,
        batch=1,
        vectorized=False,
        paired=paired,
        confidence_level=confidence_level,
        method="basic" if method == "normal" else method,
        random_state=check_random_state(random_state),
    )
    if not paired:
        _check_order(metric, X, Y, value, found.standard_error, random_state)
    low, high = found.confidence_interval
    if method == "normal":
        middle = 2 * value - found.bootstrap_distribution.mean()
        half = stats.norm.ppf((1 + confidence_level) / 2) * found.standard_error
        low, high = middle - half, middle + half
    return ConfidenceInterval(float(low), float(high))


def _check_order(metric, X, Y, value, error, random_state):
    """Raise if a metric compares pairs, since both sets were drawn independently.

    Metrics that only split the samples, as `proxy_a_distance` does, vary by chance.
    """
    order = check_random_state(random_state).permutation(len(Y))
    change = abs(metric(X, Y[order]) - value)
    if change > max(6 * error, 1e-6 * abs(value)):
        name = getattr(metric, "__name__", repr(metric))
        raise ValueError(
            f"{name} depends on the order of the samples: it changed by {change:.3g} "
            f"when Y was shuffled, with a standard error of {error:.3g}. Pass "
            "paired=True if sample i of X and of Y are a pair."
        )


def _metric_of_rows(metric, X, Y, rows, others):
    return metric(X[rows], Y[others])
