"""Mean similarity of samples to their neighbours, for local scaling."""

import numpy as np
from sklearn import get_config
from sklearn.utils import gen_batches

_MAX_BLOCK_ROWS = 256
_MAX_BLOCK_BYTES = 2**25


def mean_of_largest(A, B, n_neighbors):
    """Return the mean inner product of each row of `A` with its nearest rows of `B`."""
    means = np.empty(len(A), dtype=A.dtype)
    for rows in gen_batches(len(A), block_rows(B)):
        similarity = A[rows] @ B.T
        similarity.partition(len(B) - n_neighbors, axis=1)
        means[rows] = similarity[:, -n_neighbors:].mean(axis=1)
    return means


def block_rows(Y):
    """Return the number of rows to compare with all of `Y` at a time."""
    row_bytes = (Y.itemsize + 1) * len(Y)  # similarities, and which are large
    memory = min(get_config()["working_memory"] * 2**20, _MAX_BLOCK_BYTES)
    return int(np.clip(memory // row_bytes, 1, _MAX_BLOCK_ROWS))
