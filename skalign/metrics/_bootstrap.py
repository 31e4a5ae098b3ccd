"""How sure is a measure? Intervals from resampled rows."""

from functools import partial
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_array, check_consistent_length

from skalign._draws import checked_value, with_fixed_draws
from skalign._parameters import Interval


class ConfidenceInterval(NamedTuple):
    """Both ends of an interval.

    Attributes
    ----------
    low, high : float
        The ends.
    """

    low: float
    high: float


@validate_params(
    {
        "metric": [callable],
        "X": ["array-like"],
        "Y": ["array-like"],
        "paired": ["boolean"],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "n_resamples": [Interval(Integral, 2, None, closed="left")],
        "method": [StrOptions({"normal", "basic", "percentile"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def bootstrap_interval(
    metric,
    X,
    Y,
    *,
    paired=False,
    confidence_level=0.95,
    n_resamples=999,
    method="normal",
    random_state=None,
):
    """Confidence interval of any metric, by drawing rows anew.

    Read more in the :ref:`User Guide <two_sample_tests>`.

    Parameters
    ----------
    metric : callable
        Measure ``metric(X, Y)`` of two sets of rows, such as those of
        `skalign.metrics`; `functools.partial` fixes its keywords. What is estimated
        within, such as a `gamma`, should be fixed. A parameter `random_state` that is
        None is given one seed for all calls.
    X : array-like of shape (n_samples_x, n_features)
        Source rows.
    Y : array-like of shape (n_samples_y, n_features_y)
        Target rows.
    paired : bool, default=False
        Whether row i of both is one item: pairs are drawn, rather than rows.
    confidence_level : float, default=0.95
        Share of repetitions in which the interval is to hold the true value.
    n_resamples : int, default=999
        How often rows are drawn, each time as many as there are, with replacement.
    method : {"normal", "basic", "percentile"}, default="normal"
        "percentile" takes quantiles of the values; "basic" mirrors them at the given
        rows' own value; "normal" takes their standard deviation, about that value less
        their bias. Drawn rows repeat, so that a distance comes out too large between
        them, as it does between the given rows: "normal" and "basic" correct for that,
        and may pass the range of the metric.
    random_state : int, RandomState instance or None, default=None
        Draws the rows, and seeds a metric that draws at random.

    Returns
    -------
    interval : ConfidenceInterval
        With `low` and `high`.

    Raises
    ------
    ValueError
        If a set is not finite, a parameter is out of its range, the lengths differ
        where `paired`, `metric` gives two values for the same rows, or it compares row
        i of both sets, as `mutual_knn` does, and not `paired`; and what `metric`
        raises.

    See Also
    --------
    jackknife_interval : From rows left out: nearer to its level, and faster.
    mmd_test : Whether a distance is more than chance, which an interval near 0 cannot
        say.
    scipy.stats.bootstrap : What draws the rows.

    Notes
    -----
    What holds the true value less often than it should: an unbiased measure, such as
    `mmd` or `cka` debiased, is biased between drawn rows only, since they repeat.

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
    """Refuse a measure of pairs: the rows of both sets were drawn independently.

    Those that only divide the rows, as `proxy_a_distance` does, change by chance.
    """
    order = check_random_state(random_state).permutation(len(Y))
    change = abs(metric(X, Y[order]) - value)
    if change > max(6 * error, 1e-6 * abs(value)):
        name = getattr(metric, "__name__", repr(metric))
        raise ValueError(
            f"{name} depends on which rows are at the same place in X and Y: it "
            f"changed by {change:.3g} when the rows of Y were shuffled, its standard "
            f"error is {error:.3g}. Pass paired=True if row i of both sets is one item."
        )


def _metric_of_rows(metric, X, Y, rows, others):
    return metric(X[rows], Y[others])
