"""Lazy greedy selection for scores that only decrease."""

import numpy as np

_BLOCK_ROWS = 128


def lazy_greedy(score, n_picks, pick, lower):
    """Repeatedly select the sample with the largest score, as selections lower scores.

    An outdated score is an upper bound [1]_. Each selection therefore updates only a
    block of the samples with the largest scores; all others are updated when the best
    of the block falls below the largest of their bounds. This replaces a pass over all
    samples for each selection by matrix products, and the selection is the same.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        Gain of selecting each sample; modified in place.
    n_picks : int
        Number of samples to select.
    pick : callable
        ``pick(rows, bound, n_picks)`` returns up to `n_picks` indices from `rows`, best
        first: at least one, and further ones while their gain is at least `bound`. An
        empty result ends the selection.
    lower : callable
        ``lower(picked)`` updates `score` for the samples just selected.

    Returns
    -------
    picked : list of int

    References
    ----------
    .. [1] M. Minoux, "Accelerated greedy algorithms for maximizing submodular set
       functions", Optimization Techniques, 1978, pp. 234-243.
    """
    picked = []
    n_rows = min(_BLOCK_ROWS, len(score))
    while len(picked) < n_picks:
        order = np.argpartition(score, -n_rows)
        rows, rest = order[-n_rows:], order[:-n_rows]
        bound = score[rest].max(initial=-np.inf)
        new = pick(rows, bound, n_picks - len(picked))
        if not new:
            break
        lower(new)
        score[new] = -np.inf
        picked += new
    return picked
