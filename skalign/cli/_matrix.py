"""Matrices in files, whole or in batches of rows."""

import numpy as np
from sklearn import get_config
from sklearn.utils import gen_batches
from sklearn.utils.random import sample_without_replacement

from skalign.cli._kinds import InputError
from skalign.moments import forget

_BATCH = 2**18  # numbers that are looked at at once
_MOST_PAIRS = 10_000  # that a map is tested on


class Matrix:
    """Matrix of numbers in a file.

    A subclass yields, by `_batches(n_rows)`, the identifiers (an array of pyarrow, or
    None) and the numbers of so many consecutive rows.

    Parameters
    ----------
    name : str
        Name of the file, as it was given.
    shape : tuple of int
    dtype : dtype
    stays : bool
        Whether the file is larger than what is held in memory of it.
    """

    id_name = id_field = None  # of the column of identifiers
    vector_name = None  # of the column of vectors, if there is one

    def __init__(self, name, shape, dtype, stays):
        self.name, self.shape, self.dtype, self.stays = name, shape, dtype, stays
        for length, kind in zip(shape, ("rows", "columns"), strict=True):
            if length == 0:
                raise InputError(f"{name} has no {kind}.")

    def __len__(self):
        return self.shape[0]

    @property
    def nbytes(self):
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def batches(self, n_rows=None):
        """Yield identifiers (or None) and rows, which are finite."""
        start = 0
        for ids, rows in self._batches(n_rows or max(1, _BATCH // self.shape[1])):
            finite = np.isfinite(rows)
            if not finite.all():
                row, column = np.argwhere(~finite)[0]
                raise InputError(
                    f"{self.name} holds {_in_words(rows[row, column])} in row "
                    f"{start + row}, {self.column_name(column)} (counted from 0)."
                )
            yield ids, rows
            start += len(rows)

    def column_name(self, column):
        return f"column {column}"

    def named(self, rows):
        """Return rows with the names of their columns, if the file has them."""
        return rows

    def whole(self):
        """Return all rows."""
        filled, start = np.empty(self.shape, self.dtype), 0
        for _, rows in self.batches():
            filled[start : start + len(rows)] = rows
            start += len(rows)
        return filled


def _in_words(value):
    return "NaN" if np.isnan(value) else "infinity"


class ArrayMatrix(Matrix):
    """Matrix that is an array, possibly mapped from a file."""

    def __init__(self, name, array):
        self._array = array
        super().__init__(
            name, array.shape, array.dtype, stays=isinstance(array, np.memmap)
        )

    def _batches(self, n_rows):
        for batch in gen_batches(len(self), n_rows):
            yield None, np.array(self._array[batch])
            forget(self._array)

    def whole(self):
        for _ in self.batches():  # finds what is not finite
            pass
        return self._array


class StreamMatrix(Matrix):
    """Matrix in .npy format that can be read only once, from a stream."""

    kind = "npy"

    def __init__(self, name, stream, shape, dtype):
        self._stream = stream
        super().__init__(name, shape, dtype, stays=True)

    def _batches(self, n_rows):
        for batch in gen_batches(len(self), n_rows):
            rows = np.empty((batch.stop - batch.start, self.shape[1]), self.dtype)
            if self._stream.readinto(rows) < rows.nbytes:
                raise InputError(
                    f"{self.name} ends within rows {batch.start} to {batch.stop - 1}, "
                    f"but its header declares {len(self)} rows."
                )
            yield None, rows
        if self._stream.read(1):
            raise InputError(
                f"{self.name} holds more than the {len(self)} rows that its header "
                "declares."
            )


class TensorMatrix(Matrix):
    """Matrix that is a tensor of a .safetensors file."""

    def __init__(self, name, tensor, dtype):
        self._tensor = tensor
        super().__init__(name, tuple(tensor.get_shape()), dtype, stays=True)

    def _batches(self, n_rows):
        for batch in gen_batches(len(self), n_rows):
            yield None, self._tensor[batch]


def are_large(*matrices):
    """Return whether files exceed scikit-learn's `working_memory`."""
    n_bytes = sum(matrix.nbytes for matrix in matrices if matrix.stays)
    return n_bytes > get_config()["working_memory"] * 2**20


class Pairs:
    """Two matrices of the same items, row by row."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        if len(source) != len(target):
            raise InputError(
                f"{source.name} and {target.name} have inconsistent numbers of "
                f"samples: {len(source)} and {len(target)}. Rows that are not paired "
                "need skalign report --unpaired, or an aligner learnt without pairs."
            )

    def __len__(self):
        return len(self.source)

    def named_batches(self):
        """Yield rows of both sides with the names of their columns."""
        for X, y in self.batches():
            yield self.source.named(X), self.target.named(y)

    def batches(self):
        """Yield rows of both sides, whose identifiers are equal if both have them."""
        n_rows = max(1, _BATCH // max(self.source.shape[1], self.target.shape[1]))
        sides = (side.batches(n_rows) for side in (self.source, self.target))
        start = 0
        for (ids, X), (target_ids, y) in zip(*sides, strict=True):
            self._check_ids(ids, target_ids, start)
            yield X, y
            start += len(X)

    def whole(self):
        """Return all rows of both sides."""
        if self.source.id_name is None or self.target.id_name is None:
            return self.source.whole(), self.target.whole()
        return self.take(np.arange(len(self)))

    def sample(self, seed):
        """Return sorted positions of random pairs that fit into working memory."""
        bytes_a_pair = (self.source.nbytes + self.target.nbytes) // len(self)
        most = int(get_config()["working_memory"] * 2**20 // bytes_a_pair)
        n_rows = min(_MOST_PAIRS, max(20, most), len(self))
        return np.sort(sample_without_replacement(len(self), n_rows, random_state=seed))

    def take(self, rows):
        """Return the rows of both sides at sorted positions."""
        X, y = (
            np.empty((len(rows), side.shape[1]), side.dtype)
            for side in (self.source, self.target)
        )
        start = 0
        for X_batch, y_batch in self.batches():
            first, last = np.searchsorted(rows, [start, start + len(X_batch)])
            X[first:last] = X_batch[rows[first:last] - start]
            y[first:last] = y_batch[rows[first:last] - start]
            start += len(X_batch)
        return X, y

    def _check_ids(self, ids, target_ids, start):
        if ids is None or target_ids is None or ids.equals(target_ids):
            return
        both = zip(ids.to_pylist(), target_ids.to_pylist(), strict=True)
        for row, (own, other) in enumerate(both, start):
            if own != other:
                raise InputError(
                    f"row {row} (counted from 0) is {own!r} in {self.source.name}, but "
                    f"{other!r} in {self.target.name}: bring both into the same order."
                )
