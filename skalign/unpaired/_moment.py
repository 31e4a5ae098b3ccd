"""Alignment of the first three moments, without matching samples."""

import warnings
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._arrays import settle, to_numpy
from skalign._determined import undetermined
from skalign._labels import check_labels_of_sides
from skalign._rescale import near_one
from skalign._validation import Interval, check_sides
from skalign._warnings import user_level
from skalign.moments import (
    ClassStreamingMixin,
    GroupMoments,
    SamplesNeeded,
    check_group_scale,
)
from skalign.unpaired._central_samples import central_samples, check_trim
from skalign.unpaired._classes import shared_classes
from skalign.unpaired._cluster_shares import share_difference
from skalign.unpaired._moment_matching import (
    Agreement,
    Embedding,
    Side,
    climb,
    only_determinant,
    open_axes,
    parting,
    polar,
    random_rotations,
    search,
)

# Where the covariance-exact map is the better one, and what a sound fit looks like:
# measured on latents of autoencoders, see the user guide.
MAP_ROWS, _MAP_OBJECTIVE = 100, 0.93
_SOUND_ROWS, _SOUND_OBJECTIVE, _SOUND_SHARES = 20, 0.85, 0.05
_SOUND_NOISE, _GAUSSIAN_NOISE = 0.2, 0.5
_EQUAL = 1e-6  # objectives to which climbs end
_APART = 0.05  # rotations that are not the same to whoever uses the rows


def norm_shells(rows, n_shells):
    """Assign samples to groups of equal size by their distance to the mean."""
    centred = near_one(rows)  # squares may overflow
    centred -= centred.mean(axis=0)
    order = np.argsort(np.einsum("ij,ij->i", centred, centred), kind="stable")
    shells = np.empty(len(rows), dtype=int)
    shells[order] = np.arange(len(rows)) * n_shells // len(rows)
    return shells


def row_moments(rows, groups, n_axes, name):
    """Group moments of rows, in their `n_axes` leading axes where they have more."""
    if rows.shape[1] <= n_axes:
        return GroupMoments.from_rows(rows, groups, order=3, name=name), None
    check_group_scale(rows, 3, name)
    embedding = Embedding.from_rows(rows, n_axes)
    return GroupMoments.from_rows(embedding.reduce(rows), groups, order=3), embedding


def shell_sides(X, y, *, n_shells, n_axes):
    """Return the group moments of both sides, with groups of similar norm (shells)."""
    n_shells = min(n_shells, len(X) // 2, len(y) // 2)
    sides = []
    for name, rows in (("X", X), ("y", y)):
        shells = norm_shells(rows, n_shells)
        moments, embedding = row_moments(rows, shells, n_axes, name)
        sides.append(Side(moments, moments.counts / len(rows), embedding))
    return sides


def block_weights(source, target):
    """Weights of the blocks: the share of each that is no sampling noise."""
    signal = np.sqrt(source.signal * target.signal)
    total = signal.sum()
    return signal, signal / total if total > 0 else np.full(3, 1 / 3)


def differ_by_chance(source, target, weights, optima):
    """Whether two optima differ by no more than sampling noise may explain.

    One standard deviation of it; two where rows are Gaussian as far as one can tell, so
    that a rotation which nothing fixes is to be expected.

    The noise of a block, a share `n` of its squared norm, is spread over `m` entries: a
    difference `d` of its agreement has a variance of about ``4 d n / m``.
    """
    rotations = np.array([optimum.rotation for optimum in optima])
    k = rotations.shape[1]
    blocks = source.blocks(k), target.blocks(k)
    each = [Agreement(*blocks, alone)(rotations)[0] for alone in np.eye(3)]
    noise = np.mean([1 - side.signal for side in (source, target)], axis=0)
    noise /= np.minimum(source.n_entries(k), target.n_entries(k))
    variance = 4 * np.sum(weights**2 * noise * np.abs(np.subtract(*np.transpose(each))))
    difference = abs(optima[0].objective - optima[1].objective)
    n_deviations = 2 if max(source.skewness_noise, target.skewness_noise) == 1 else 1
    return difference < n_deviations * np.sqrt(variance) + _EQUAL


def rotation_coef(source, target, rotation):
    """Map that turns leading axes by `rotation`, with the scale of the variances."""
    k = len(rotation)
    scale = np.sqrt(target.values[:k].sum() / source.values[:k].sum())
    return scale * (source.axes[:, :k] @ rotation @ target.axes[:, :k].T)


def covariance_rotation(source, target, rotation, weights, determinant=0):
    """Rotation between whitened leading axes with the best agreement.

    `rotation`, of leading axes, is where the climb starts. The determinant is as in
    `search`.
    """
    k = len(rotation)
    source_root, target_root = (np.sqrt(s.values[:k]) for s in (source, target))
    agreement = Agreement(
        source.blocks(k, whiten=True), target.blocks(k, whiten=True), weights
    )
    start = polar(source_root[:, None] * rotation / target_root)
    return climb(agreement, start[None], determinant)[0][0]


def covariance_coef(source, target, rotation):
    """Map that carries covariance to covariance, by a rotation of whitened axes."""
    k = len(rotation)
    source_root, target_root = (np.sqrt(s.values[:k]) for s in (source, target))
    rotation = rotation / source_root[:, None] * target_root
    return source.axes[:, :k] @ rotation @ target.axes[:, :k].T


def shell_doubts(noise, difference):
    """Return reasons why an alignment without labels may have failed.

    Parameters
    ----------
    noise : float
        The larger `skewness_noise` of the two sides.
    difference : float
        The `share_difference` of the two sides.
    """
    doubts = []
    if noise > _GAUSSIAN_NOISE:
        doubts.append("samples that are about Gaussian determine no rotation")
    elif noise > _SOUND_NOISE:
        doubts.append(f"third moments are {noise:.0%} noise: there are too few samples")
    if difference > _SOUND_SHARES:
        doubts.append(
            "the proportions of both sides in clusters differ by "
            f"{difference:.2f} more than expected by chance: class proportions may "
            "differ"
        )
    return doubts


def warn_of_doubts(aligner, doubts):
    """Raise one warning with all reasons why a fit may have failed."""
    doubts = list(doubts)
    if aligner.objective_ < _SOUND_OBJECTIVE:
        doubts.append(f"the moments agree only to objective_={aligner.objective_:.2f}")
    if aligner.n_restarts_at_best_ < 2 and aligner.objective_ < _MAP_OBJECTIVE:
        doubts.append("only one initial rotation led to the map")
    if doubts:
        warnings.warn(
            f"{type(aligner).__name__} may have failed: {'; '.join(doubts)}.",
            UserWarning,
            stacklevel=user_level(),
        )


class MomentAligner(ClassStreamingMixin, AffineMixin, BaseEstimator):
    """Linear map that matches the first three moments of two unpaired spaces.

    With class labels on both sides, the means and covariances of the classes are
    compared; without labels, those of groups of samples of similar norm (shells). The
    third moments of all samples are compared in both cases. The notes give the
    objective. Use it if the two spaces are related by a linear map but no pairs are
    known. The two sides, or with labels each class, must have the same distribution up
    to the map. Read more in the :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    map : {"auto", "rotation", "covariance"}, default="auto"
        Class of map. "rotation" is a rotation with one scale, the ratio of the total
        standard deviations. "covariance" maps the covariance of the source exactly to
        that of the target. "auto" is "covariance" if both sides have at least 100
        samples per axis, all directions are determined, and, without labels,
        `objective_` is at least 0.93; else "rotation".

    n_components : int, default=100
        Maximum number of leading principal axes of each side that are used, limited by
        the rank of either side. Memory grows with its third power, and time of a step
        with its fourth. Other directions are mapped to the mean.

    n_restarts : int, default=50
        Number of random initial rotations.

    n_shells : int, default=8
        Number of groups by norm that replace classes if there are no labels; at most
        half the number of samples of a side.

    class_weight : {"balanced"} or None, default="balanced"
        Weights of classes. "balanced" gives all classes equal weight, so that class
        proportions may differ between the sides. None weights a class by its
        proportion, averaged over both sides.

    trim : float or tuple of two floats, default=0.0
        Share of the samples of each side, or of the source and of the target, that is
        left out of the moments as strays: those farthest from the centre of their side
        or, with labels, of their class. At least 0 and below 1. The centre is the mean
        of the samples that are kept, found by iteration [1]_. Since the tails of a side
        without strays are cut off as well, use a pair if only one side has strays.

    allow_reflection : bool, default=True
        Whether the map may be a reflection. If False, the determinant of `coef_` is not
        negative. This concerns only spaces with equal numbers of features, all of which
        are used, because otherwise each reflection equals a rotation of all features.

    random_state : int, RandomState instance or None, default=None
        Determines the initial rotations, and the clusters of `share_difference_`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source samples to centred target samples.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the two sides; with balanced weights, means of the class means.

    map_ : {"rotation", "covariance"} or None
        Class of map used. None if there were no target samples.

    objective_ : float
        Agreement of the moments after the rotation, from -1 to 1; 1 if they are equal.

    next_objective_ : float
        Agreement of the second best rotation found; -inf if there was none. If it is
        close to `objective_`, the rotation is not determined reliably.

    n_restarts_at_best_ : int
        Number of initial rotations that led to the result.

    signal_ : ndarray of shape (3,)
        Fraction of the squared norm of group means, group covariances and third moments
        that is not sampling noise, from 0 to 1. The three terms of the objective are
        weighted by it.

    skewness_noise_ : float
        Expected third moments (Mardia's skewness) of as many whitened Gaussian samples,
        as a fraction of those observed; the larger value of the two sides. 1 if samples
        cannot be distinguished from Gaussian ones.

    share_difference_ : float or None
        Total variation distance between the proportions of the two sides in 20 clusters
        of the target, minus its expected value for equal proportions. None with labels.

    classes_ : ndarray of shape (n_classes,) or None
        Classes on both sides; None without labels.

    n_components_ : int
        Number of leading axes used.

    determined_rank_ : int
        Number of directions that the data determine, at most `n_components_`.
        Directions whose sign is not determined by the moments, up to sampling noise,
        are mapped to the mean, which has the smallest expected error. A warning is
        raised if it is less than ``min(n_features, n_targets)``.

    source_moments_, target_moments_ : GroupMoments or None
        Sums of each side, if labels were given.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    ICPAligner : Starts from this map and refines it by matching samples.
    WassersteinProcrustesAligner : The same without labels, with several starts.
    ClassMeanAligner : Map learnt from class means only.

    Notes
    -----
    In the leading principal axes, with blocks scaled to norm 1 on both sides, the
    rotation maximises

    .. math::

        w_1 \\langle M_x R, M_y \\rangle
        + w_2 \\sum_g \\langle R^\\top C_{x,g} R, C_{y,g} \\rangle
        + w_3 \\langle T_x(R, R, R), T_y \\rangle

    over orthogonal :math:`R`, with group means :math:`M`, group covariances :math:`C`
    minus a multiple of the identity, and third moments :math:`T`. Each step computes
    the polar factor of the gradient plus :math:`\\mu R`, with :math:`\\mu` increased
    until the objective does not decrease. The iteration ends when the objective changes
    by less than 1e-7 three times in a row, or after 500 steps. The map "covariance" is
    found by the same iteration between the two whitened spaces, without labels with
    :math:`T` only.

    Samples with vanishing third moments, such as Gaussian samples, do not determine the
    rotation unless their classes do. A warning is raised in this case, and also for too
    few samples, for a low objective, for proportions that differ, and if the difference
    between the best two rotations may be sampling noise.

    References
    ----------
    .. [1] J. A. Cuesta-Albertos, A. Gordaliza and C. Matrán, "Trimmed k-means: an
       attempt to robustify quantizers", Annals of Statistics 25(2), 1997, pp. 553-576.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import ortho_group
    >>> from skalign import MomentAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.gamma([1, 2, 3], size=(2000, 3))
    >>> rotation = ortho_group.rvs(3, random_state=0)
    >>> y = rng.permutation(X) @ rotation  # the pairing is not known
    >>> aligner = MomentAligner(random_state=0).fit(X, y)
    >>> bool(np.allclose(aligner.coef_, rotation))
    True
    """

    _parameter_constraints = {
        "map": [StrOptions({"auto", "rotation", "covariance"})],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "n_shells": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [StrOptions({"balanced"}), None],
        "trim": [Interval(Real, 0, 1, closed="left"), tuple],
        "allow_reflection": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        map: Literal["auto", "rotation", "covariance"] = "auto",
        *,
        n_components: int = 100,
        n_restarts: int = 50,
        n_shells: int = 8,
        class_weight: Literal["balanced"] | None = "balanced",
        trim: float | tuple[float, float] = 0.0,
        allow_reflection: bool = True,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.map = map
        self.n_components = n_components
        self.n_restarts = n_restarts
        self.n_shells = n_shells
        self.class_weight = class_weight
        self.trim = trim
        self.allow_reflection = allow_reflection
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
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
            If fewer than two classes occur on both sides, a side has fewer than two
            samples (also after trimming) or all its samples are equal, lengths differ,
            or a value is not finite.
        """
        trims = check_trim(self.trim)
        X, y = check_sides(self, X, y)
        labels, target_labels = check_labels_of_sides(labels, target_labels, X, y)
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            self.objective_ = self.next_objective_ = np.nan
            self.map_ = self.signal_ = self.skewness_noise_ = None
            self.share_difference_ = self.classes_ = None
            self._be_identity(n_restarts_at_best_=0, n_components_=0)
            return settle(self, X)
        if labels is None or target_labels is None:
            labels = target_labels = None
        given, wide = X, max(X.shape[1], y.shape[1]) > self.n_components
        if labels is None or wide or any(trims):  # all but sums, on the CPU
            X, y = to_numpy(X), to_numpy(y)
        i = central_samples(X, trims[0], labels, name="X")
        j = central_samples(y, trims[1], target_labels, name="y")
        if any(trims):
            X, y = X[i], y[j]
        if labels is not None:
            labels, target_labels = labels[i], target_labels[j]
            (source, lift), (target, target_lift) = (
                row_moments(rows, groups, self.n_components, name)
                for rows, groups, name in ((X, labels, "X"), (y, target_labels, "y"))
            )
            self._learn(source, target, (lift, target_lift))
            if lift is None and target_lift is None:
                self.source_moments_, self.target_moments_ = source, target
            return settle(self, given)
        source, target = shell_sides(
            X, y, n_shells=self.n_shells, n_axes=self.n_components
        )
        rng, doubts = self._align(source, target, min(len(X), len(y)))
        self.share_difference_ = share_difference(self._map(X), y, rng)
        doubts += shell_doubts(self.skewness_noise_, self.share_difference_)
        warn_of_doubts(self, doubts + undetermined(self))
        return settle(self, given)

    def _needed(self, n_features, n_targets):
        return 3

    def _sum(self, rows, labels, *, name="X"):
        if any(check_trim(self.trim)):
            raise SamplesNeeded(
                f"trim={self.trim} needs all samples at once: use fit, or set trim=0."
            )
        if rows.shape[1] > self.n_components:
            raise SamplesNeeded(
                f"Sums are kept for at most n_components={self.n_components} features; "
                f"got {rows.shape[1]}. Reduce them first, or use fit."
            )
        return super()._sum(rows, labels, name=name)

    def _learn(self, source, target, embeddings=(None, None)):
        classes = shared_classes(source.groups, target.groups, minimum=2)
        source, target = source.take(classes), target.take(classes)
        weights = np.full(len(classes), 1 / len(classes))
        if self.class_weight is None:
            shares = [side.counts / side.counts.sum() for side in (source, target)]
            weights = np.mean(shares, axis=0)
        n_rows = int(min(source.counts.sum(), target.counts.sum()))
        sides = [
            Side(side, weights, embedding)
            for side, embedding in zip((source, target), embeddings, strict=True)
        ]
        _, doubts = self._align(*sides, n_rows, classes)
        if n_rows < _SOUND_ROWS * self.n_components_:
            doubts.append(f"{n_rows} samples are few for {self.n_components_} axes")
        warn_of_doubts(self, doubts + undetermined(self))

    def _align(self, source, target, n_rows, classes=None):
        """Set the map between two sides; return the generator used, and warnings."""
        k = min(source.n_axes, target.n_axes, self.n_components)
        self.signal_, weights = block_weights(source, target)
        self.skewness_noise_ = max(source.skewness_noise, target.skewness_noise)
        rng = check_random_state(self.random_state)
        starts = random_rotations(self.n_restarts, k, rng)
        determinant = only_determinant(source, target, self.allow_reflection)
        optima = search(
            source, target, weights, starts, n_axes=k, determinant=determinant
        )
        best = optima[0]
        doubts = []
        if any(
            parting(best.rotation, other.rotation, source.values[:k]) > _APART
            and differ_by_chance(source, target, weights, [best, other])
            for other in optima[1:]
        ):
            doubts = ["another rotation agrees equally well up to sampling noise"]
        rotation, self.map_ = best.rotation, self.map
        open_ = open_axes(source, target, weights, rotation, determinant=determinant)
        if self.map == "auto":
            sure = classes is not None or best.objective >= _MAP_OBJECTIVE
            enough = n_rows >= MAP_ROWS * k
            self.map_ = "covariance" if sure and enough else "rotation"
        if self.map_ == "covariance":
            # Without labels the shells only help to find the basin.
            weights = np.array([0.0, 0.0, 1.0]) if classes is None else weights
            whitened = covariance_rotation(
                source, target, rotation, weights, determinant
            )
            lost = open_axes(
                source,
                target,
                weights,
                whitened,
                whiten=True,
                determinant=determinant,
            )
            if self.map == "auto" and open_.shape[1] + lost.shape[1] > 0:
                self.map_ = "rotation"
            else:
                rotation, open_ = whitened, lost
        make = rotation_coef if self.map_ == "rotation" else covariance_coef
        coef = make(source, target, rotation - rotation @ open_ @ open_.T)
        self.determined_rank_ = k - open_.shape[1]
        self.objective_, self.n_restarts_at_best_ = best.objective, best.n_restarts
        self.next_objective_ = optima[1].objective if len(optima) > 1 else -np.inf
        self.classes_, self.n_components_ = classes, k
        self.share_difference_ = None
        self._set_map(coef, source.mean, target.mean, self._dtype)
        return rng, doubts
