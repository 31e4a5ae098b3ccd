"""Positions of samples that are known to correspond."""

import numpy as np
from sklearn.utils import check_array, column_or_1d


def check_positions(pairs, pair_index, n_source, n_target):
    """Validate known pairs, and return them as positions in both sides.

    Parameters
    ----------
    pairs : array-like of int of shape (n_pairs, 2) or None
        Positions in the source and in the target, one to one.
    pair_index : array-like of int of shape (n_source,) or None
        The same as the position in the target of each source sample, or -1.
    n_source, n_target : int
        Numbers of samples.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2) or None
        None if there are no pairs.

    Raises
    ------
    ValueError
        If both are given, or a pair is no pair of positions or repeats a position.
    """
    if pairs is None and pair_index is None:
        return None
    if pairs is not None and pair_index is not None:
        raise ValueError("Give pairs or pair_index, not both.")
    name = "pairs" if pair_index is None else "pair_index"
    if pair_index is None:
        pairs = check_array(pairs, dtype=None, input_name=name, ensure_min_samples=0)
        expected = "integers of shape (n_pairs, 2), a position in X and one in y"
        well_shaped = pairs.shape[1] == 2
    else:
        pairs = column_or_1d(pair_index)
        expected = (
            f"integers of shape ({n_source},), for each sample of X a position in y or "
            "-1"
        )
        well_shaped = len(pairs) == n_source
    if pairs.dtype.kind not in "iu" or not well_shaped:
        first = f" {name}[0] is {pairs[0].tolist()}." if len(pairs) else ""
        raise ValueError(
            f"{name} must be {expected}; got {pairs.dtype} of shape {pairs.shape}."
            + first
        )
    if pair_index is not None:
        kept = np.flatnonzero(pairs != -1)
        pairs = np.column_stack([kept, pairs[kept]])
    for column, n_rows, side in ((0, n_source, "X"), (1, n_target, "y")):
        positions = pairs[:, column]
        wrong = np.flatnonzero((positions < 0) | (positions >= n_rows))
        if len(wrong):
            raise ValueError(
                f"{name} holds position {positions[wrong[0]]} of {side}, which has "
                f"{n_rows} samples, in the pair {tuple(pairs[wrong[0]].tolist())}."
            )
        first, inverse = np.unique(positions, return_index=True, return_inverse=True)[
            1:
        ]
        again = np.flatnonzero(first[inverse] != np.arange(len(pairs)))
        if len(again):
            pair, earlier = pairs[again[0]], pairs[first[inverse[again[0]]]]
            raise ValueError(
                f"{name} must be one to one, but the pairs {tuple(earlier.tolist())} "
                f"and {tuple(pair.tolist())} share position {pair[column]} of {side}."
            )
    return pairs.astype(np.intp) if len(pairs) else None


def kept_positions(pairs, source, target):
    """Add known pairs to the samples that are kept, and find them there.

    Parameters
    ----------
    pairs : ndarray of int of shape (n_pairs, 2) or None
        Positions in both sides.
    source, target : ndarray of int of shape (n_kept,)
        Positions that are kept of each side, in ascending order.

    Returns
    -------
    source, target : ndarray of int
        The same with those of the pairs.
    pairs : ndarray of int of shape (n_pairs, 2) or None
        Pairs as positions in these.
    """
    if pairs is None:
        return source, target, None
    kept = [
        np.union1d(side, positions)
        for side, positions in zip((source, target), pairs.T, strict=True)
    ]
    found = [np.searchsorted(*both) for both in zip(kept, pairs.T, strict=True)]
    return *kept, np.column_stack(found)
