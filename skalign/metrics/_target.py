"""Retrieval and maximum mean discrepancy to the same targets, from one product."""

import numpy as np

from skalign._rescale import unit_rows
from skalign.metrics._kernels import check_gamma, make_kernel, mean_within
from skalign.metrics._retrieval import Candidates
from skalign.metrics._validation import check_no_overflow, check_spaces


class Target:
    """Target samples to which several sets of mapped samples are compared.

    Parameters
    ----------
    Y : ndarray of shape (n_samples, n_features), float64
        Target samples, about the origin.
    dtype : {float32, float64}
        Precision of their kernel.
    """

    def __init__(self, Y, dtype):
        self._Y, self._dtype = Y, np.dtype(dtype)
        self._directions, self._lengths = unit_rows(Y), np.linalg.norm(Y, axis=1)
        short = Y.astype(dtype, copy=False)
        (self._gamma,) = check_gamma("target", short, short)
        self._within = self._mean_within(short)

    def compare(self, X, dtype):
        """Return the retrieval accuracy of `X` and its MMD to the target.

        As ``retrieval_accuracy(X, Y)`` and, in `dtype` or that of the target if it has
        more digits, ``mmd(X, Y, gamma="target", unbiased=False)``.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float64
            Mapped samples, in the order of the targets.
        dtype : {float32, float64}
            Precision of the kernel.

        Returns
        -------
        accuracy : float
        mmd : float

        Raises
        ------
        ValueError
            If `X` has another shape than the target or is not finite.
        """
        X, _ = check_spaces(X, self._Y)
        if len(X) != len(self._Y):
            raise ValueError(
                f"X has {len(X)} samples, but the target has {len(self._Y)}."
            )
        dtype = np.promote_types(dtype, self._dtype)
        sums, lengths = np.empty(len(X)), np.linalg.norm(X, axis=1)
        # exp(-gamma |x - y|^2) of the cosine of x and y
        y_factors = (2 * self._gamma * self._lengths).astype(dtype)
        x_factors = lengths.astype(dtype)[:, None]
        y_terms = (self._gamma * self._lengths**2).astype(dtype)
        x_terms = (self._gamma * lengths**2).astype(dtype)[:, None]
        ones = np.ones(len(X), dtype)

        def add_up(rows, cosines):
            kernel = cosines * x_factors[rows]
            kernel *= y_factors
            kernel -= y_terms
            kernel -= x_terms[rows]
            sums[rows] = np.exp(kernel, out=kernel) @ ones

        candidates = Candidates(
            self._directions, np.zeros(len(X)), short=dtype == np.float32
        )
        own = np.arange(len(X))[:, None].repeat(2, axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            ranks = candidates.ranks(unit_rows(X), own, add_up)
            within = self._mean_within(X.astype(dtype, copy=False))
            discrepancy = within + self._within - 2 * sums.mean() / len(X)
        value = check_no_overflow(discrepancy, dtype)
        return float(np.mean(ranks == 1)), max(value, 0.0)

    def _mean_within(self, rows):
        kernel = make_kernel("rbf", rows, rows, gamma=self._gamma)
        return mean_within(kernel, rows, np.full(len(rows), 1 / len(rows)), False)
