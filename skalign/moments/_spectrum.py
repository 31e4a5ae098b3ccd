"""Principal axes of one side."""

from typing import NamedTuple

import numpy as np

from skalign._arrays import dtype_name, namespace, to_numpy
from skalign.moments._rank import (
    centre,
    rounding_of_columns,
    storage_precision,
    truncated_eigh,
    truncated_svd,
)
from skalign.moments._scale import check_scale


class Spectrum(NamedTuple):
    """Mean of one side, and nonzero eigenvalues of its covariance with eigenvectors.

    The covariance is ``vectors * values @ vectors.T``.
    """

    mean: np.ndarray  # (n_features,)
    precision: np.ndarray  # (n_features,), relative precision of the stored samples
    values: np.ndarray  # (n_known,), largest first
    vectors: np.ndarray  # (n_features, n_known), orthonormal columns

    @classmethod
    def from_moments(cls, moments, ddof=1):
        """Decompose the covariance of sums that hold "xx"."""
        values, vectors = truncated_eigh(
            moments.xx, moments.rounding(), moments.precision
        )
        values = values / (moments.weight - ddof)
        return cls(moments.x_mean, moments.x_precision, values, vectors)

    @classmethod
    def from_rows(cls, rows, name="X"):
        """Decompose the covariance of samples, possibly fewer than the columns."""
        precision, rounding = storage_precision(rows), rounding_of_columns(rows)
        (rows, mean), xp = centre(rows), namespace(rows)
        check_scale(to_numpy(xp.max(xp.abs(rows), axis=0)), dtype_name(rows), name)
        _, s, Vt = truncated_svd(rows, rounding)
        s, Vt = to_numpy(s), to_numpy(Vt)
        return cls(mean, precision, s**2 / (rows.shape[0] - 1), Vt.T)

    def root(self, power):
        """Return the covariance to the power `power / 2`, on its range."""
        return (self.vectors * self.values ** (power / 2)) @ self.vectors.T

    def sample(self):
        """Return the fewest symmetric samples with this mean and this covariance.

        Their covariance divides by their number.

        Returns
        -------
        rows : ndarray of shape (2 * n_known, n_features), at least two
        """
        n_known = max(1, len(self.values))
        steps = self.vectors.T * np.sqrt(self.values * n_known)[:, np.newaxis]
        if len(steps) == 0:
            steps = np.zeros((1, len(self.mean)))
        return self.mean + np.vstack([steps, -steps])
