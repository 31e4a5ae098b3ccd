"""Anchors in equal numbers from every class."""

import numpy as np
from sklearn.utils import check_random_state

from skalign.anchors._selector import AnchorSelector


class ClassBalancedAnchors(AnchorSelector):
    """Rows at random, as many of each class as of any other.

    Suits classes of very unequal size, of which each is to be carried well. Numbers
    differ by one where `n_anchors` cannot be divided; a class that runs out of rows
    leaves its share to the others. Nested: the anchors are the first of those of a
    larger `n_anchors`, for the same `random_state`. Read more in the
    :ref:`User Guide <anchors>`.

    Parameters
    ----------
    n_anchors : int or float, default=0.1
        Number of anchors; a float above 0 and at most 1 is a share of the rows.

    random_state : int, RandomState instance or None, default=None
        Generator of the draw.

    See Also
    --------
    RandomAnchors : Classes in proportion to their size; needs no labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.anchors import ClassBalancedAnchors
    >>> X, labels = np.zeros((100, 2)), np.repeat(["common", "rare"], [95, 5])
    >>> anchors = ClassBalancedAnchors(6, random_state=0).select(X, labels)
    >>> labels[anchors]
    array(['common', 'rare', 'common', 'rare', 'common', 'rare'], dtype='<U6')
    """

    _draws = True

    def __init__(self, n_anchors=0.1, *, random_state=None):
        self.n_anchors = n_anchors
        self.random_state = random_state

    def _choose(self, X, counts, labels):
        if labels is None:
            raise ValueError(
                "ClassBalancedAnchors needs labels, the class of each row of X."
            )
        order = check_random_state(self.random_state).permutation(len(X))
        # Rounds of one row per class: sort by the row's place within its class.
        _, codes, counts_of = np.unique(
            labels[order], return_inverse=True, return_counts=True
        )
        round_ = np.empty(len(X), dtype=np.intp)
        starts = np.repeat(counts_of.cumsum() - counts_of, counts_of)
        round_[np.argsort(codes, kind="stable")] = np.arange(len(X)) - starts
        order = order[np.argsort(round_, kind="stable")]
        return [order[:count] for count in counts]
