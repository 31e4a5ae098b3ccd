"""How sure is a measure? Intervals from rows left out."""

from numbers import Integral, Real

import numpy as np
from scipy import stats
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params
from sklearn.utils.validation import check_array, check_consistent_length

from skalign._draws import checked_value, with_fixed_draws
from skalign._parameters import Interval
from skalign.metrics._bootstrap import ConfidenceInterval


@validate_params(
    {
        "metric": [callable],
        "X": ["array-like"],
        "Y": ["array-like"],
        "paired": ["boolean"],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "n_groups": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def jackknife_interval(
    metric,
    X,
    Y,
    *,
    paired=False,
    confidence_level=0.95,
    n_groups=100,
    random_state=None,
):
    """Confidence interval of a smooth metric, by leaving rows out.

    Its middle is the value less the jackknife's estimate of its bias, its width is made
    of the jackknife's standard error and Student's quantile [1]_. No row is there
    twice, as in a bootstrap, which puts rows nearer to one another than they are. Read
    more in the :ref:`User Guide <two_sample_tests>`.

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
        Whether row i of both is one item: pairs are left out, rather than rows.
    confidence_level : float, default=0.95
        Share of repetitions in which the interval is to hold the true value, that of
        infinitely many rows.
    n_groups : int, default=100
        Each set is dealt at random into so many groups, or into its rows if it has no
        more of them, and `metric` is computed without each group.
    random_state : int, RandomState instance or None, default=None
        Deals the rows, if there are more than groups, and seeds a metric that draws at
        random.

    Returns
    -------
    interval : ConfidenceInterval
        With `low` and `high`; may pass the range of the metric.

    Raises
    ------
    ValueError
        If a set is not finite or has a single row, a parameter is out of its range,
        the lengths differ where `paired`, or the value of `metric` changes with its
        draws or with the order of the rows, as that of `block_mmd` does; and what
        `metric` raises.

    See Also
    --------
    bootstrap_interval : From rows drawn anew.
    mmd_test : Whether a distance is more than chance, which an interval near 0 cannot
        say.

    Notes
    -----
    For measures that settle as rows are added, and are smooth where they do. Not for
    `retrieval_accuracy` and others that fall with the number of candidates, and not
    between equal distributions, where most distances are not smooth.

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
    """Return the values without each group of pairs, or of either side.

    Returns
    -------
    values : list of ndarray of shape (n_groups_of_side,)
        One array for pairs, else one for each side.
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
