"""Exact search for the nearest candidates, or those with the largest products."""

import numpy as np
from sklearn.neighbors import NearestNeighbors


class FaissIndex:
    """Exact search by faiss, with the interface of NearestNeighbors."""

    def fit(self, rows):
        try:
            import faiss
        except ImportError as error:
            raise ImportError(
                "backend='faiss' needs faiss: pip install faiss-cpu"
            ) from error
        self._index = faiss.IndexFlatL2(rows.shape[1])
        self._index.add(np.ascontiguousarray(rows, dtype=np.float32))
        return self

    def __getstate__(self):
        return {"rows": self._index.reconstruct_n(0, self._index.ntotal)}

    def __setstate__(self, state):
        self.fit(state["rows"])

    def kneighbors(self, rows, n_neighbors):
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        squares, indices = self._index.search(rows, n_neighbors)
        return np.sqrt(np.maximum(squares, 0)), indices


def padded(rows):
    """Return queries for candidates that are `lengthened`."""
    return np.column_stack([rows, np.zeros(len(rows), rows.dtype)])


def lengthened(rows):
    """Bring candidates to one length by another column, and return its square too.

    The candidate with the largest product is then the nearest [1]_.

    References
    ----------
    .. [1] Y. Bachrach et al., "Speeding up the Xbox recommender system using a
       Euclidean transformation for inner-product spaces", RecSys 2014.
    """
    squares = np.einsum("ij,ij->i", rows, rows)
    square = squares.max()
    return np.column_stack([rows, np.sqrt(square - squares)]), square


def search_index(rows, backend):
    """Index candidates for a search of the nearest."""
    if backend == "faiss":
        return FaissIndex().fit(rows)
    return NearestNeighbors(algorithm="brute").fit(rows)


def product_index(rows, backend):
    """Index candidates, at least one, for `largest`."""
    rows, square = lengthened(rows)
    return search_index(rows, backend), square


def largest(index, rows, k):
    """Return the `k` largest products of queries with candidates, and their indices."""
    neighbors, square = index
    rows = padded(rows)
    distances, indices = neighbors.kneighbors(rows, k)
    squares = np.einsum("ij,ij->i", rows, rows)[:, None] + square
    return (squares - distances**2) / 2, indices
