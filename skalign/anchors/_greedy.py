"""Greedy choice by a score that only falls."""

import numpy as np

_BLOCK_ROWS = 128


def lazy_greedy(score, n_picks, pick, lower):
    """Pick the row of the largest score, again and again; each pick lowers scores.

    A score that is out of date is too large, never too small [1]_. So only a block of
    the rows of the largest scores is brought down with each pick, and all other rows
    at once when the best of the block falls below the best of them: products of
    matrices instead of one pass over all rows per pick, and the same picks.

    Parameters
    ----------
    score : ndarray of shape (n_samples,)
        What a pick of each row is worth now; changed in place.
    n_picks : int
        Number of picks.
    pick : callable
        ``pick(rows, bound, n_picks)`` returns up to `n_picks` rows, best first, from
        `rows`: at least one, and then as long as the best is worth `bound` or more.
        None ends the search.
    lower : callable
        ``lower(picked)`` brings `score` down for rows just picked.

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
