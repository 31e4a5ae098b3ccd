"""Base of the anchor selectors."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import RealNotInt, validate_parameter_constraints

from skalign._arrays import arrive, floats
from skalign._documented import DocumentedMixin
from skalign._labels import check_labels
from skalign._rescale import near_one
from skalign._validation import Interval


class AnchorSelector(DocumentedMixin, BaseEstimator, ABC):
    """Base class of the selectors of anchors, the samples to be paired.

    A subclass defines the method ``_choose(X, counts, labels)``, which returns an array
    of positions in `X` for each of `counts`; one with further parameters has a
    constructor of its own, and one whose choice is random sets ``_draws = True``. `X`
    is a validated array, scaled such that squares neither overflow nor underflow. Read
    more in the :ref:`User Guide <anchors>`.

    See Also
    --------
    RandomAnchors : Select samples at random.
    skalign.AnchoredAligner : Fit an aligner on the pairs of a selection.

    Examples
    --------
    >>> from skalign.anchors import AnchorSelector
    >>> class LargestNorm(AnchorSelector):
    ...     def _choose(self, X, counts, labels):
    ...         order = (X**2).sum(axis=1).argsort()[::-1]
    ...         return [order[:count] for count in counts]
    >>> LargestNorm(2).select([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]])
    array([1, 2])
    """

    _draws = _any_library = False

    _parameter_constraints = {
        "n_anchors": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
        ],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_anchors: int | float = 0.1,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_anchors = n_anchors
        self.random_state = random_state

    def select(self, X: ArrayLike, labels: ArrayLike | None = None) -> np.ndarray:
        """Select anchors among the source samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source samples.
        labels : array-like of shape (n_samples,), default=None
            Classes of the samples, strings or numbers, for selectors that use them.

        Returns
        -------
        indices : ndarray of shape (n_anchors,)
            Positions of the anchors in `X`, without duplicates.

        Raises
        ------
        ValueError
            If `n_anchors` exceeds the number of samples, a value is not finite, or
            `labels` differs in length from `X`.
        """
        return self.select_path(X, [self.n_anchors], labels)[0]

    @_fit_context(prefer_skip_nested_validation=True)
    def select_path(
        self,
        X: ArrayLike,
        n_anchors: Sequence[Any] | float,
        labels: ArrayLike | None = None,
    ) -> list[Any]:
        """Select anchors for several numbers, at about the cost of the largest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source samples.
        n_anchors : sequence of int or float
            Numbers of anchors, or shares of the samples. The parameter `n_anchors` of
            the selector is ignored.
        labels : array-like of shape (n_samples,), default=None
            Classes of the samples, strings or numbers, for selectors that use them.

        Returns
        -------
        path : list of ndarray of shape (n_anchors,)
            Result of `select` for each number, in the order of `n_anchors`.

        Raises
        ------
        ValueError
            As in `select`.
        """
        given = {"n_anchors": n_anchors}
        listed = {"n_anchors": ["array-like"]}
        validate_parameter_constraints(listed, given, "select_path")
        if np.ndim(n_anchors) != 1:
            raise ValueError(f"n_anchors={n_anchors!r} must be a list of numbers.")
        if not len(n_anchors):
            raise ValueError("n_anchors is empty; at least one number is needed.")
        allowed = {"n_anchors": self._parameter_constraints["n_anchors"]}
        for n in n_anchors:
            validate_parameter_constraints(allowed, {"n_anchors": n}, "select_path")
        X = arrive(X, "X", stays=self._any_library)
        X = near_one(check_array(X, dtype=floats(X)))  # squares may overflow
        labels = check_labels(labels, X, "labels")
        counts = [self.count_anchors(n, X.shape[0]) for n in n_anchors]
        return self._choose(X, counts, labels)

    @staticmethod
    def count_anchors(n_anchors: int | float, n_samples: int) -> int:
        """Return the number of anchors for a number or a share of the samples.

        A share is rounded, and gives at least two anchors if there are two samples,
        since no map can be learnt from one.

        Parameters
        ----------
        n_anchors : int or float
            Number of anchors, or a share above 0 and at most 1.
        n_samples : int
            Number of samples.

        Returns
        -------
        n_anchors : int
            Number of anchors.

        Raises
        ------
        ValueError
            If the number is above `n_samples`.
        """
        if not isinstance(n_anchors, Integral):
            return min(n_samples, max(2, round(n_anchors * n_samples)))
        if n_anchors > n_samples:
            raise ValueError(
                f"n_anchors={n_anchors} must be at most n_samples={n_samples}."
            )
        return int(n_anchors)

    @abstractmethod
    def _choose(self, X, counts, labels):
        """Return the selection for each count, a list of arrays of positions."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self._draws and self.random_state is None
        return tags
