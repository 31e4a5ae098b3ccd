"""Equal numbers of random anchors from all classes."""

import numpy as np
from sklearn.utils import check_random_state

from skalign.anchors._selector import AnchorSelector


class ClassBalancedAnchors(AnchorSelector):
    """Random selection with the same number of anchors from every class.

    Suits classes of very unequal sizes that should all be mapped accurately. Numbers
    differ by one if `n_anchors` is not a multiple of the number of classes; if a class
    has too few samples, its share is distributed to the others. Nested: the anchors are
    the first ones of any larger `n_anchors`, for the same `random_state`. Read more in
    the :ref:`User Guide <anchors>`.

    Parameters
    ----------
    n_anchors : int or float, default=0.1
        Number of anchors; a float above 0 and at most 1 is a share of the samples.
    random_state : int, RandomState instance or None, default=None
        Generator of the selection.

    See Also
    --------
    RandomAnchors : Random selection from all samples, without labels.

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

    def _choose(self, X, counts, labels):
        if labels is None:
            raise ValueError(
                "ClassBalancedAnchors needs labels, the class of each sample of X."
            )
        order = check_random_state(self.random_state).permutation(len(X))
        # Rounds of one sample per class: sort by the rank within the class.
        _, codes, counts_of = np.unique(
            labels[order], return_inverse=True, return_counts=True
        )
        round_ = np.empty(len(X), dtype=np.intp)
        starts = np.repeat(counts_of.cumsum() - counts_of, counts_of)
        round_[np.argsort(codes, kind="stable")] = np.arange(len(X)) - starts
        order = order[np.argsort(round_, kind="stable")]
        return [order[:count] for count in counts]
