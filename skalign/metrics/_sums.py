"""Metrics of Dask arrays, computed from sums over their chunks."""

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_array

from skalign._dask import map_and_merge, naming, split
from skalign._validation import FLOATS
from skalign.metrics._validation import PAIR_MASS
from skalign.moments import Moments


def mean_and_covariance_of_dask(X, weight, unbiased):
    """Return the weighted mean and covariance of the samples of a Dask array.

    Raises
    ------
    ValueError
        If a chunk is not finite or the weights are invalid, naming the chunk, or if
        `unbiased` and only one sample has positive weight.
    """
    given = {"X": X} if weight is None else {"X": X, "weight": weight}
    sums = map_and_merge(_spread_of_chunk, None, enumerate(split(given)))
    if sums is None:
        raise ValueError("No sample has a positive weight.")
    moments, squares = sums
    pairs = 1 - squares / moments.weight**2
    if unbiased and not pairs >= PAIR_MASS:
        raise ValueError(
            "An unbiased estimate needs at least 2 samples per set; one set has "
            f"{moments.n_samples}."
        )
    covariance = moments.xx / moments.weight
    return moments.x_mean, covariance / pairs if unbiased else covariance


def _spread_of_chunk(_, i, chunk):
    """Return sums over a chunk, and the sum of its squared weights; None if empty."""
    X, weight = chunk["X"], chunk.get("weight")
    if len(X) == 0:
        return None
    with naming(f"Chunk {i}"):
        X = check_array(X, dtype=FLOATS, input_name="X")
        if weight is None:
            return Moments.from_arrays(X), float(len(X))
        if not np.any(weight):
            return None
        weight = _check_sample_weight(
            weight, X, dtype=np.float64, ensure_non_negative=True
        )
        return Moments.from_arrays(X, sample_weight=weight), float(weight @ weight)


def squared_products_of_dask(X, Y):
    """Return squared Frobenius norms of ``X.T @ Y``, ``X.T @ X`` and ``Y.T @ Y``.

    Samples are centred, and both sides are scaled to length one. All are 0 if the
    samples of a side are equal.
    """
    chunks = enumerate(split({"X": X, "Y": Y}))
    moments = map_and_merge(_moments_of_pairs, None, chunks)
    if moments is None:
        raise ValueError("X and Y have no samples.")
    varies, n_x = moments.varies(), X.shape[1]
    gram = moments.xx * np.outer(varies, varies)
    traces = np.trace(gram[:n_x, :n_x]), np.trace(gram[n_x:, n_x:])
    if min(traces) <= 0:
        return 0.0, 0.0, 0.0
    scales = np.repeat(np.sqrt(traces), [n_x, len(gram) - n_x])
    squares = (gram / np.outer(scales, scales)) ** 2
    return (
        squares[:n_x, n_x:].sum(),
        squares[:n_x, :n_x].sum(),
        squares[n_x:, n_x:].sum(),
    )


def _moments_of_pairs(_, i, chunk):
    if len(chunk["X"]) == len(chunk["Y"]) == 0:
        return None
    with naming(f"Chunk {i}"):
        if len(chunk["X"]) != len(chunk["Y"]):
            raise ValueError(
                f"X has {len(chunk['X'])} samples, but Y has {len(chunk['Y'])}: both "
                "must hold the same samples."
            )
        sides = [
            check_array(chunk[name], dtype=np.float64, input_name=name)
            for name in ("X", "Y")
        ]
        return Moments.from_arrays(np.hstack(sides))
