"""Random anchors."""

from sklearn.utils import check_random_state

from skalign.anchors._selector import AnchorSelector


class RandomAnchors(AnchorSelector):
    """Selection of samples uniformly at random.

    The baseline for all other selectors; suits large numbers of anchors. Nested: the
    anchors are the first ones of any larger `n_anchors`, for the same `random_state`.
    Read more in the :ref:`User Guide <anchors>`.

    Parameters
    ----------
    n_anchors : int or float, default=0.1
        Number of anchors; a float above 0 and at most 1 is a share of the samples.
    random_state : int, RandomState instance or None, default=None
        Generator of the selection.

    See Also
    --------
    ClassBalancedAnchors : Random selection with equal shares of the classes.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.anchors import RandomAnchors
    >>> X = np.arange(20.0).reshape(10, 2)
    >>> RandomAnchors(3, random_state=0).select(X)
    array([2, 8, 4])
    >>> RandomAnchors(0.5, random_state=0).select(X)
    array([2, 8, 4, 9, 1])
    """

    _draws = _any_library = True

    def _choose(self, X, counts, labels):
        order = check_random_state(self.random_state).permutation(X.shape[0])
        return [order[:count] for count in counts]
