"""Class means as anchors."""

import numpy as np
from scipy.linalg import svd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import has_fit_parameter

from skalign._aligner import InnerAlignerMixin
from skalign._determined import warn_undetermined, without_warning
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
    """Directions of the target in which class means do not differ.

    Parameters
    ----------
    source, target : GroupMoments
        Sums of each side, over the same classes.

    Returns
    -------
    axes : ndarray of shape (n_targets, n_open)
        Orthonormal columns.
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
    """Class means as pairs for any paired aligner.

    Where labels are all that two sides share, the mean of a class on one side belongs
    to its mean on the other. That fixes one direction less than there are classes: with
    wider spaces the rest is a guess, and :class:`MomentAligner`, which also compares
    the spread of each class, is far better. Read more in the
    :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    aligner : object, default=None
        Paired aligner to fit on the means. None is ``LinearAligner()``, whose ridge
        is what the few means need: on latents of autoencoders it beats rotations at
        every width, see the user guide.

    weight_by_size : bool, default=False
        Whether a class counts by its number of rows, the mean of its shares on both
        sides, as `sample_weight` of the aligner; else all classes count alike.

    Attributes
    ----------
    aligner_ : object
        The aligner, fitted on the means; in a pipeline with a projection if it does
        not map all other directions to the mean by itself.

    classes_ : ndarray of shape (n_classes,) or None
        Classes on both sides, sorted; None without target rows.

    determined_rank_ : int
        Number of directions in which the class means differ, at most one less than
        there are classes. All others are mapped to the mean, whatever the aligner: no
        answer has a smaller expected error. A warning is given where they are fewer
        than the columns of the narrower side.

    source_moments_, target_moments_ : GroupMoments or None
        Counts and means of all classes seen on each side.

    n_targets_ : int
        Width of the target space.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source columns, where `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target columns, where `y` had any.

    See Also
    --------
    MomentAligner : Class means, class covariances and third moments.
    ICPAligner : Matches rows of the same class, from such a start.

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

    def __init__(self, aligner=None, *, weight_by_size=False):
        self.aligner = aligner
        self.weight_by_size = weight_by_size

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, labels=None, target_labels=None):
        """Learn the map from the means of the classes that both sides have.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space. With a `y` that holds no target rows (None, or
            the class labels that a Pipeline passes on) the aligner is the identity and
            warns.
        labels : array-like of shape (n_samples,)
            Classes of the source rows, strings or numbers.
        target_labels : array-like of shape (n_target_samples,)
            Classes of the target rows. A class on one side only is left out, and a
            warning names it.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If labels are missing on a side, fewer than two classes are on both sides,
            all class means of a side are equal, lengths differ, a value is not finite,
            or `weight_by_size` is set for an aligner whose `fit` takes no
            `sample_weight`.
        """
        X, y, labels, target_labels = check_sides(
            self, X, y, labels=labels, target_labels=target_labels
        )
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            return self._be_identity(
                aligner_=identity_map(X), classes_=None, determined_rank_=X.shape[1]
            )
        for name, values in (("labels", labels), ("target_labels", target_labels)):
            if values is None:
                raise ValueError(f"ClassMeanAligner needs {name}; got None.")
        self.source_moments_ = self._sum(X, labels)
        self.target_moments_ = self._sum(y, target_labels, name="y")
        self._learn(self.source_moments_, self.target_moments_)
        return self

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
