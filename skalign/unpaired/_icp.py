"""Iterative closest points between spaces of any dimension."""

import warnings
from functools import partial
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
    is_regressor,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skalign._aligner import InnerAlignerMixin
from skalign._determined import without_warning
from skalign._labels import check_labels_of_sides
from skalign._progress import Progress
from skalign._rescale import largest_about_mean
from skalign._validation import Interval, check_sides
from skalign._warnings import user_level
from skalign.moments import check_scale
from skalign.unpaired._class_means import ClassMeanAligner
from skalign.unpaired._classes import shared_classes
from skalign.unpaired._closest_points import Stage, check_stages, closest_points
from skalign.unpaired._covariance_map import identity_map, spread_of
from skalign.unpaired._matching import MATCHINGS, Strays, draw_groups
from skalign.unpaired._moment import MAP_ROWS, MomentAligner
from skalign.unpaired._open_axes import at_the_mean, unmatched_axes

_COLLAPSED = 0.7
# Stray rows change a spread by a factor, or lie far from what they are matched with.
_STRAY, _FAR = 2.0, 0.1


def _left_open(X, y, start):
    """Number of directions that an initial map by moments does not determine."""
    if not isinstance(start, MomentAligner):
        return 0
    return min(X.shape[1], y.shape[1]) - start.determined_rank_


def _of_classes(classes, rows, labels):
    """Return the samples of given classes, and their labels."""
    kept = np.isin(labels, classes)
    return (rows, labels) if kept.all() else (rows[kept], labels[kept])


class ICPAligner(
    CallbackSupportMixin, InnerAlignerMixin, MetaEstimatorMixin, BaseEstimator
):
    """Iterative closest points: alternate between matching samples and fitting a map.

    The aim is a small mean squared distance between mapped source samples and their
    matches in the target. With labels on both sides, samples are matched only within
    their class. The two sides need not contain the same samples: by default, only the
    rotation is learnt from the matches, and the scale of each direction is estimated
    from all samples of both sides, so that wrong matches cannot shrink the map. Use it
    if there are labels but no pairs, and the classes have the same distribution up to
    a linear map. Read more in the :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    aligner : {"rotation", "covariance"}, object, list of (stage, n_iter) or None, \
            default=None
        Map that is fitted to the matches: "rotation", a rotation with the ratio of the
        total standard deviations as its scale; "covariance", a map of the covariance of
        the source exactly to that of the target; or any paired aligner. A list is a
        schedule of such stages, each with its maximum number of iterations. None is
        "covariance" if `init` is "moments", and "rotation" followed by "covariance"
        otherwise. With fewer than 100 samples per feature on either side, or if the
        moments do not determine all directions, it is "rotation". If both sides contain
        the same samples in unknown order, end the schedule with ``(LinearAligner(),
        5)``; otherwise least squares shrinks the map.

    init : {"moments", "means", "identity"} or object, default="moments"
        Initial map: that of :class:`MomentAligner` (with labels, if given), that of
        :class:`ClassMeanAligner` (requires labels), the identity (for equal numbers of
        features only), or an aligner. A fitted aligner is used as it is; otherwise a
        clone is fitted, with labels if its `fit` accepts them. Since searches and
        pipelines clone their steps, wrap an aligner that was fitted, for example to a
        few pairs, in :class:`~sklearn.frozen.FrozenEstimator`.

    matching : {"nearest", "mutual", "both", "assignment"}, default="both"
        Matching rule. "nearest" matches each source sample with the nearest target
        sample. "mutual" keeps only those matches that are mutual nearest neighbours.
        "both" also matches each target sample with the nearest source sample.
        "assignment" matches samples one to one with the smallest sum of squared
        distances, which needs a cost matrix of all samples of a class.

    max_iter : int, default=10
        Maximum number of iterations of a stage. 0 returns the initial map. The stages
        of a schedule have their own.

    tol : float, default=1e-4
        Tolerance: a stage ends when the mean squared change of the mapped samples is
        smaller, relative to the variance of the target.

    class_weight : {"balanced"} or None, default="balanced"
        Weights of classes. "balanced" gives all classes equal weight, in the matches
        and in the variances of the sides, so that class proportions may differ between
        them. The weights are passed to an aligner whose `fit` accepts `sample_weight`.

    max_samples : int, default=None
        Number of samples drawn from each class of each side (without labels, from each
        side), once. Only these are matched, with any samples of the other side; with
        ``matching="assignment"``, only with drawn samples. None uses all samples.

    trim : float, default=0.0
        Share of the matches that is left out at every iteration, those with the largest
        distances [3]_, at least 0 and below 1. Use it if there are strays, samples
        without a counterpart on the other side. With ``matching="both"``, strays that
        are 30 % of one side are about 15 % of the matches. The means and variances of
        the sides are then those of the samples in the matches that are kept. The same
        share of each side is left out of an initial map by moments; for strays on one
        side only, pass ``init=MomentAligner(trim=(0.3, 0))``.

    max_distance : float, default=None
        Largest distance of a match, in units of the target, above 0. Matches beyond it
        are left out at every iteration, as by `trim`. None allows any distance.

    allow_reflection : bool, default=True
        Whether the maps may be reflections. If False, the determinant of the maps
        "rotation" and "covariance", and of an initial map by moments, is not negative,
        and a paired aligner must refuse reflections itself, such as
        ``RigidAligner(allow_reflection=False)``. This concerns only spaces with equal
        numbers of features, because otherwise each reflection equals a rotation of the
        larger space. Initial maps of other kinds are used as they are.

    random_state : int, RandomState instance or None, default=None
        Determines the initial map by moments and the samples drawn.

    Attributes
    ----------
    aligner_ : object
        Last map. It is a pipeline with a projection if the map does not determine all
        directions.

    n_iter_ : int
        Number of iterations, over all stages.

    objective_ : ndarray of shape (`n_iter_` + 1,)
        Mean squared distance of matches relative to the variance of the target, for the
        initial map and after each iteration; without the matches that are left out.

    matching_cost_ : float
        Last value of `objective_`. Not negative; smaller is better. It tends to 0 if
        both sides contain the same samples, and to the distance of neighbours
        otherwise.

    variance_ratio_ : float
        Total variance of the mapped training samples, relative to that of the target
        (only of matched samples, if matches are left out). A
        warning is raised below 0.7 if the map learns its scale from the matches. If a
        few outliers are the reason, another warning is raised.

    determined_rank_ : int
        Number of directions that the data determine, at most ``min(n_features,
        n_targets)``. Directions that an initial map by moments does not determine, and
        which can be reversed without increasing the distance to matches, are mapped to
        the mean; the initial map raises a warning. Other initial maps are assumed to
        determine all directions.

    classes_ : ndarray of shape (n_classes,) or None
        Classes on both sides. None if matches were not restricted to classes.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    MomentAligner : Initial map, which is often sufficient.
    WassersteinProcrustesAligner : Without labels, with several initial maps.

    Notes
    -----
    If the sides do not contain the same samples, least squares on nearest neighbours,
    as in [2]_, regresses to the mean: the mapped samples shrink, their neighbours are
    then closer to the mean, and the map collapses. Matching in both directions and a
    map that cannot shrink prevent this.

    Progress is reported to scikit-learn's callbacks (`set_callbacks`), with one task
    per iteration; a callback that requests to stop ends the fit.

    References
    ----------
    .. [1] P. J. Besl and N. D. McKay, "A method for registration of 3-D shapes", IEEE
       Transactions on Pattern Analysis and Machine Intelligence 14(2), 1992,
       pp. 239-256.

    .. [2] Z. Lähner and M. Moeller, "On the direct alignment of latent spaces",
       UniReps workshop, NeurIPS 2023.

    .. [3] D. Chetverikov, D. Stepanov and P. Krsek, "Robust Euclidean alignment of 3D
       point sets: the trimmed iterative closest point algorithm", Image and Vision
       Computing 23(3), 2005, pp. 299-309.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import ortho_group
    >>> from skalign import ICPAligner
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.gamma([1, 2, 3], size=(2000, 3))
    >>> rotation = ortho_group.rvs(3, random_state=0)
    >>> X, y = rows[:1000], rows[1000:] @ rotation  # no common samples
    >>> aligner = ICPAligner(random_state=0).fit(X, y)
    >>> bool(np.abs(aligner.transform(X) - X @ rotation).mean() < 0.1)
    True
    """

    _parameter_constraints = {
        "aligner": [
            StrOptions({"rotation", "covariance"}),
            HasMethods(["fit", "transform"]),
            list,
            None,
        ],
        "init": [
            StrOptions({"moments", "means", "identity"}),
            HasMethods(["fit", "transform"]),
        ],
        "matching": [StrOptions(set(MATCHINGS))],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), None],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "trim": [Interval(Real, 0, 1, closed="left")],
        "max_distance": [Interval(Real, 0, None, closed="neither"), None],
        "allow_reflection": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        aligner: Any = None,
        *,
        init: Any = "moments",
        matching: Literal["nearest", "mutual", "both", "assignment"] = "both",
        max_iter: int = 10,
        tol: float = 1e-4,
        class_weight: Literal["balanced"] | None = "balanced",
        max_samples: int | None = None,
        trim: float = 0.0,
        max_distance: float | None = None,
        allow_reflection: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.aligner = aligner
        self.init = init
        self.matching = matching
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.max_samples = max_samples
        self.trim = trim
        self.max_distance = max_distance
        self.allow_reflection = allow_reflection
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        target_labels: ArrayLike | None = None,
    ) -> Self:
        """Learn the map from samples of both spaces, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Samples in the target space. If `y` has no target samples (None, or the
            class labels that a Pipeline passes on), the aligner is the identity and a
            warning is raised.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source samples, strings or numbers. Used if
            `target_labels` are given too.
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target samples. A class on one side only is ignored, and a
            warning names it.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If no class is on both sides, the initial map does not fit the numbers of
            features or requires labels, fewer than two samples match or are left by
            `trim` and `max_distance`, `aligner` may fit a reflection although none is
            allowed, a cost matrix would exceed scikit-learn's working memory, lengths
            differ, a value is not finite, or squares overflow or underflow.
        """
        X, y = check_sides(self, X, y)
        labels, target_labels = check_labels_of_sides(labels, target_labels, X, y)
        self.classes_ = None
        if y is None:
            self.objective_, self.variance_ratio_ = np.zeros(1), 1.0
            self.matching_cost_, self.n_iter_ = 0.0, 1
            return self._be_identity(
                aligner_=identity_map(X), determined_rank_=X.shape[1]
            )
        for name, rows in (("X", X), ("y", y)):
            largest = largest_about_mean(rows)  # and twice that between rows
            check_scale(largest, rows.dtype, name, n_terms=4 * rows.size)
        rng = check_random_state(self.random_state)
        if labels is None or target_labels is None:
            start = self._start(X, y, labels, target_labels, rng)
            labels, target_labels = np.zeros(len(X), int), np.zeros(len(y), int)
            groups = draw_groups(labels, target_labels, [0], self.max_samples, rng)
        else:
            self.classes_ = shared_classes(labels, target_labels, minimum=1)
            X, labels = _of_classes(self.classes_, X, labels)
            y, target_labels = _of_classes(self.classes_, y, target_labels)
            start = self._start(X, y, labels, target_labels, rng)
            groups = draw_groups(
                labels, target_labels, self.classes_, self.max_samples, rng
            )
        stages = self._stages(X, y, start)
        progress = Progress(self, sum(stage.n_iter for stage in stages), X, y)
        fit = closest_points(
            X,
            y,
            start,
            stages,
            groups,
            matching=self.matching,
            tol=self.tol,
            weigh=self._weights,
            spreads=lambda groups: self._spreads(X, y, groups),
            progress=progress,
            strays=Strays(self.trim, self.max_distance),
        )
        progress.end()
        self.n_iter_ = len(fit.costs) - 1
        self._leave_open(fit, start, X, y)
        self.objective_, self.matching_cost_ = fit.costs, float(fit.costs[-1])
        self.variance_ratio_ = fit.variance_ratio
        self._warn(fit)
        return self

    @property
    def _same_features(self):
        if isinstance(self.init, str):
            return self.init == "identity"
        return getattr(self.init, "_same_features", False)

    def _leave_open(self, fit, start, X, y):
        """Map undetermined directions to the mean."""
        n_open = _left_open(X, y, start) if fit.target is y else 0  # no common space
        axes = unmatched_axes(fit.mapped, fit.target, fit.groups, n_open)
        self.determined_rank_ = min(X.shape[1], y.shape[1]) - axes.shape[1]
        self.aligner_ = at_the_mean(fit.aligner, axes, fit.mapped.mean(axis=0))

    def _warn(self, fit):
        if fit.move >= self.tol and self.n_iter_:
            warnings.warn(
                f"ICPAligner stopped after {self.n_iter_} iterations, while the mean "
                f"squared change was {fit.move:.1e} of the variance, above "
                f"tol={self.tol}. Increase max_iter.",
                ConvergenceWarning,
                stacklevel=user_level(),
            )
        cores, everything = fit.core_ratios, fit.variance_ratio
        off = max(cores) < _COLLAPSED or min(cores) > _STRAY
        changes = cores / everything
        strayed = min(changes) > _STRAY or max(changes) < 1 / _STRAY
        if strayed and (off or self.matching_cost_ > _FAR):
            warnings.warn(
                f"The mapped samples have {everything:.2g} times the variance of the "
                f"target samples, but {cores[1]:.2g} times without the farthest tenth "
                "of both: a few outliers distort the map. Set trim or max_distance, or "
                "use matching='mutual' with an aligner that learns its scale from "
                "matches.",
                UserWarning,
                stacklevel=user_level(),
            )
        elif max(everything, *cores) < _COLLAPSED and fit.learns_scale():
            warnings.warn(
                f"The mapped samples have only {everything:.0%} of the variance "
                "of the target: wrong matches have shrunk the map. Use aligner=None, "
                "whose scale does not depend on the matches, and matching='both'.",
                UserWarning,
                stacklevel=user_level(),
            )

    def _start(self, X, y, labels, target_labels, rng):
        """Return the fitted initial aligner."""
        passed = {"labels": labels, "target_labels": target_labels}
        if isinstance(self.init, str):
            if self.init == "identity":
                return identity_map(X)
            if self.init == "means":
                with without_warning():
                    return ClassMeanAligner().fit(X, y, **passed)
            return MomentAligner(
                class_weight=self.class_weight,
                trim=self.trim,
                allow_reflection=self.allow_reflection,
                random_state=rng,
            ).fit(X, y, **passed)
        try:
            check_is_fitted(self.init)
        except NotFittedError:
            if is_regressor(self.init):
                raise ValueError(
                    f"init={self.init!r} is learnt from pairs, which these samples "
                    "are not, and is not fitted; fit it to pairs first, and wrap it in "
                    "FrozenEstimator, which clones leave fitted."
                ) from None
            passed = {
                k: v for k, v in passed.items() if has_fit_parameter(self.init, k)
            }
            with without_warning():
                return clone(self.init).fit(X, y, **passed)
        return self.init

    def _stages(self, X, y, start):
        """Return the stages used."""
        if self.aligner is not None:
            return check_stages(self.aligner, self.max_iter, self.allow_reflection)
        stage = partial(Stage, allow_reflection=self.allow_reflection)
        few = min(len(X) / X.shape[1], len(y) / y.shape[1]) < MAP_ROWS
        if few or _left_open(X, y, start):
            return [stage("rotation", self.max_iter)]
        last = stage("covariance", self.max_iter)
        if isinstance(self.init, str) and self.init == "moments":
            return [last]
        return [stage("rotation", self.max_iter), last]

    def _weights(self, sizes):
        """Return weights that give groups equal weight, or None for unweighted."""
        if self.class_weight is None or self.classes_ is None:
            return None
        sizes = np.asarray(sizes)
        kept = np.maximum(sizes, 1)
        return np.repeat(sizes.sum() / (len(sizes) * kept), sizes)

    def _spreads(self, X, y, groups):
        """Return the mean and covariance of each side, over the classes used."""
        spreads = []
        for rows, side in ((X, "source"), (y, "target")):
            members = [getattr(group, side) for group in groups]
            weights = self._weights([len(rows) for rows in members])
            spreads.append(spread_of(rows[np.concatenate(members)], weights))
        return spreads
