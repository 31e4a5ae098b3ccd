"""Maps learnt from class means."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import svd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import has_fit_parameter

from skalign._aligner import InnerAlignerMixin
from skalign._arrays import settle
from skalign._determined import warn_undetermined, without_warning
from skalign._labels import check_labels_of_sides
from skalign._routing import transform_target
from skalign._validation import check_sides
from skalign.moments import (
    ClassStreamingMixin,
    centre,
    rounding_from_norms,
    truncated_svd,
)
from skalign.paired import LinearAligner
from skalign.unpaired._classes import shared_classes
from skalign.unpaired._covariance_map import identity_map
from skalign.unpaired._open_axes import at_the_mean


def open_beyond_means(source, target):
    """Return the directions of the target in which class means do not differ.

    Parameters
    ----------
    source, target : GroupMoments
        Sums of each side, over the same classes.

    Returns
    -------
    axes : ndarray of shape (n_targets, n_open)
        Orthonormal basis of these directions.
    """
    ranks = []
    for side in (source, target):
        norm = np.linalg.norm(side.means, axis=0)
        rounding = rounding_from_norms(side.x_precision, norm, len(norm))
        steps, _ = centre(side.means)
        ranks.append(len(truncated_svd(steps, rounding)[1]))
    _, _, axes = svd(steps)
    return axes[min(ranks) :].T


class ClassMeanAligner(
    ClassStreamingMixin, InnerAlignerMixin, MetaEstimatorMixin, BaseEstimator
):
    """Aligner fitted on the means of classes.

    The mean of a class in the source space and its mean in the target space are a pair
    for any paired aligner. Use it if there are class labels on both sides but no pairs,
    and more classes than features. Class means determine at most one
    direction fewer than there are classes; in spaces with more features,
    :class:`MomentAligner`, which also compares the covariance of each class, is far
    more accurate. Read more in the :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    aligner : object, default=None
        Paired aligner to fit on the means. None is ``LinearAligner()``, whose penalty
        is needed for few means: on latents of autoencoders it is more accurate than
        rotations for every number of features, see the user guide.

    weight_by_size : bool, default=False
        Whether to weight classes by their proportion, averaged over both sides, which
        is passed to the aligner as `sample_weight`. If False, all classes have equal
        weight.

    Attributes
    ----------
    aligner_ : object
        Aligner fitted on the means. It is a pipeline with a projection if the aligner
        does not map undetermined directions to the mean itself.

    classes_ : ndarray of shape (n_classes,) or None
        Classes on both sides, sorted. None if there were no target samples.

    determined_rank_ : int
        Number of directions in which the class means differ, at most the number of
        classes minus one. All other directions are mapped to the mean, which has the
        smallest expected error, whatever the aligner. A warning is raised if it is less
        than ``min(n_features, n_targets)``.

    source_moments_, target_moments_ : GroupMoments or None
        Counts and means of all classes seen on each side.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    MomentAligner : Class means, class covariances and third moments.
    ICPAligner : Matches samples of the same class.

    References
    ----------
    .. [1] Z. Lähner and M. Moeller, "On the direct alignment of latent spaces",
       UniReps workshop, NeurIPS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import ClassMeanAligner, RigidAligner
    >>> X, y = [[0, 0], [2, 0], [0, 3], [0, 1]], [[7, 5], [5, 5], [5, 7]]
    >>> labels, target_labels = ["a", "b", "c", "c"], ["c", "a", "b"]
    >>> aligner = ClassMeanAligner(RigidAligner())
    >>> aligner = aligner.fit(X, y, labels=labels, target_labels=target_labels)
    >>> aligner.transform([[1, 1]]).round(3) + 0.0
    array([[6., 6.]])
    """

    _parameter_constraints = {
        "aligner": [HasMethods(["fit", "transform"]), None],
        "weight_by_size": ["boolean"],
    }

    def __init__(self, aligner: Any = None, *, weight_by_size: bool = False) -> None:
        self.aligner = aligner
        self.weight_by_size = weight_by_size

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
    ) -> Self:
        """Learn the map from the means of the classes that occur on both sides.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Samples in the target space. If `y` has no target samples (None, or the
            class labels that a Pipeline passes on), the aligner is the identity and a
            warning is raised.
        labels : array-like of shape (n_samples,)
            Classes of the source samples, strings or numbers.
        target_labels : array-like of shape (n_target_samples,)
            Classes of the target samples. A class on one side only is ignored, and a
            warning names it.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If labels of a side are missing, fewer than two classes occur on both sides,
            all class means of a side are equal, lengths differ, a value is not finite,
            or `weight_by_size` is True and `fit` of the aligner has no parameter
            `sample_weight`.
        """
        X, y = check_sides(self, X, y)
        labels, target_labels = check_labels_of_sides(labels, target_labels, X, y)
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            self._be_identity(
                aligner_=identity_map(X), classes_=None, determined_rank_=X.shape[1]
            )
            return settle(self, X)
        for name, values in (("labels", labels), ("target_labels", target_labels)):
            if values is None:
                raise ValueError(f"ClassMeanAligner needs {name}; got None.")
        self.source_moments_ = self._sum(X, labels)
        self.target_moments_ = self._sum(y, target_labels, name="y")
        self._learn(self.source_moments_, self.target_moments_)
        return settle(self, X)

    @property
    def _any_library(self):
        return self.aligner is None or getattr(self.aligner, "_any_library", False)

    @property
    def _placed(self):
        steps = getattr(self.aligner_, "steps", [("aligner", self.aligner_)])
        return steps[0][1]._placed

    @property
    def _same_features(self):
        return getattr(self.aligner, "_same_features", False)

    def _needed(self, n_features, n_targets):
        return 1

    def _learn(self, source, target):
        classes = shared_classes(source.groups, target.groups, minimum=2)
        source, target = source.take(classes), target.take(classes)
        aligner = LinearAligner() if self.aligner is None else clone(self.aligner)
        weights = {}
        if self.weight_by_size:
            if not has_fit_parameter(aligner, "sample_weight"):
                raise ValueError(
                    "weight_by_size=True needs an aligner whose fit takes "
                    f"sample_weight; that of {type(aligner).__name__} does not."
                )
            shares = [side.counts / side.counts.sum() for side in (source, target)]
            weights = {"sample_weight": sum(shares) * len(classes) / 2}
        axes = open_beyond_means(source, target)
        if axes.shape[1] == len(axes):
            raise ValueError(
                "The class means of a side are all equal: they determine no direction. "
                "MomentAligner and ICPAligner compare more than means."
            )
        means = [side.means.astype(self._dtype) for side in (source, target)]
        with without_warning():  # means of few classes; what they leave is said below
            aligner.fit(*means, **weights)
        same_space = transform_target(aligner, means[1]) is means[1]
        if not isinstance(aligner, LinearAligner) and same_space:
            aligner = at_the_mean(aligner, axes, means[1].mean(axis=0))
        self.aligner_, self.classes_ = aligner, classes
        self.determined_rank_ = min(len(axes) - axes.shape[1], means[0].shape[1])
        warn_undetermined(self)
