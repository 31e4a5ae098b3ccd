"""Alignment of the first three moments: no rows are matched."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._determined import undetermined
from skalign._parameters import Interval
from skalign._rescale import near_one
from skalign._validation import check_sides
from skalign.moments import ClassStreamingMixin, GroupMoments, check_group_scale
from skalign.unpaired._classes import shared_classes
from skalign.unpaired._cluster_shares import share_difference
from skalign.unpaired._moment_matching import (
    Agreement,
    Embedding,
    Side,
    climb,
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
    """Number of the shell of each row: groups of equal size by distance to the mean."""
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
    """Both sides by shells of equal norm."""
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


def covariance_rotation(source, target, rotation, weights):
    """Rotation between whitened leading axes with the best agreement.

    `rotation`, of leading axes, is where the climb starts.
    """
    k = len(rotation)
    source_root, target_root = (np.sqrt(s.values[:k]) for s in (source, target))
    agreement = Agreement(
        source.blocks(k, whiten=True), target.blocks(k, whiten=True), weights
    )
    start = polar(source_root[:, None] * rotation / target_root)
    return climb(agreement, start[None])[0][0]


def covariance_coef(source, target, rotation):
    """Map that carries covariance to covariance, by a rotation of whitened axes."""
    k = len(rotation)
    source_root, target_root = (np.sqrt(s.values[:k]) for s in (source, target))
    rotation = rotation / source_root[:, None] * target_root
    return source.axes[:, :k] @ rotation @ target.axes[:, :k].T


def shell_doubts(noise, difference):
    """What makes an alignment without labels doubtful, in words.

    Parameters
    ----------
    noise : float
        The larger `skewness_noise` of the two sides.
    difference : float
        The `share_difference` of the two sides.
    """
    doubts = []
    if noise > _GAUSSIAN_NOISE:
        doubts.append("rows that are about Gaussian fix no rotation")
    elif noise > _SOUND_NOISE:
        doubts.append(f"third moments are {noise:.0%} noise: the rows are too few")
    if difference > _SOUND_SHARES:
        doubts.append(
            f"the sides fill clusters in shares that differ by {difference:.2f} more "
            "than by chance: class shares may differ between them"
        )
    return doubts


def warn_of_doubts(aligner, doubts):
    """Warn once of all that makes a fit doubtful."""
    doubts = list(doubts)
    if aligner.objective_ < _SOUND_OBJECTIVE:
        doubts.append(f"the moments agree only to objective_={aligner.objective_:.2f}")
    if aligner.n_restarts_at_best_ < 2 and aligner.objective_ < _MAP_OBJECTIVE:
        doubts.append("only one start led to the map")
    if doubts:
        warnings.warn(
            f"{type(aligner).__name__} may have failed: {'; '.join(doubts)}.",
            UserWarning,
            stacklevel=5,
        )


class MomentAligner(ClassStreamingMixin, AffineMixin, BaseEstimator):
    """Linear map under which the moments of two sides agree; no rows are matched.

    For two latent spaces that a linear map joins, where no row of one is known to
    belong to any row of the other. With class labels on both sides it compares the
    mean and the covariance of each class; without, those of shells of equal norm. What
    fixes the answer are the third moments of all rows. The rows of the two sides must
    have the same distribution up to the map, or, with labels, the rows of each class.
    Read more in the :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    map : {"auto", "rotation", "covariance"}, default="auto"
        "rotation" is a rotation with one scale, the ratio of the total deviations.
        "covariance" carries the covariance of the source exactly to that of the
        target. "auto" takes the second where both sides have at least 100 rows an
        axis, all directions are determined, and, without labels, `objective_` is at
        least 0.93; else the first.

    n_components : int, default=100
        Leading principal axes of each side to work in, at most; never more than the
        rank of either side. Memory grows with its third power, time of a step with its
        fourth. Directions beyond are mapped to the mean.

    n_restarts : int, default=50
        Random rotations to start from.

    n_shells : int, default=8
        Shells that stand in for classes where there are no labels; at most half the
        rows of a side.

    class_weight : {"balanced"} or None, default="balanced"
        "balanced" counts every class alike, so that class shares may differ between
        the sides. None counts a class by the mean of its shares on both sides.

    random_state : int, RandomState instance or None, default=None
        Determines the starts, and the clusters by which shares are compared.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source rows to centred target rows.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the two sides; of the class means with balanced weights.

    map_ : {"rotation", "covariance"} or None
        The map in force; None without target rows.

    objective_ : float
        Agreement of the moments after the rotation, from -1 to 1; 1 for exact copies.

    next_objective_ : float
        That of the second best rotation found that differs; -inf if there was none. A
        value near `objective_` means that the choice between the two was close.

    n_restarts_at_best_ : int
        Number of starts that led to the rotation returned.

    signal_ : ndarray of shape (3,)
        Share of the squared norm of group means, group covariances and third moments
        that is no sampling noise, from 0 to 1. The blocks count in this proportion.

    skewness_noise_ : float
        Share of the third moments of whitened rows (Mardia's skewness) that as many
        Gaussian rows would show, the larger of the two sides; 1 where rows cannot be
        told from Gaussian ones.

    share_difference_ : float or None
        How differently the two sides fill 20 clusters of the target: total variation
        distance of the shares, less what chance explains. Only without labels.

    classes_ : ndarray of shape (n_classes,) or None
        Classes on both sides; None without labels.

    n_components_ : int
        Leading axes in force.

    determined_rank_ : int
        Number of directions that the data determine, at most `n_components_`. Those
        whose sign the moments leave open, up to sampling noise, are mapped to the mean:
        no answer has a smaller expected error. A warning is given where they are fewer
        than the columns of the narrower side.

    source_moments_, target_moments_ : GroupMoments or None
        Sums of each side, kept where labels were given.

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
    ICPAligner : Matches rows, starting from this.
    WassersteinProcrustesAligner : Without labels, this and a refinement.
    ClassMeanAligner : Class means only.

    Notes
    -----
    In the leading principal axes, with blocks scaled to norm 1 on both sides, the
    rotation maximises

    .. math::

        w_1 \\langle M_x R, M_y \\rangle
        + w_2 \\sum_g \\langle R^\\top C_{x,g} R, C_{y,g} \\rangle
        + w_3 \\langle T_x(R, R, R), T_y \\rangle

    over orthogonal :math:`R`, with group means :math:`M`, group covariances :math:`C`
    less a multiple of the identity, and third moments :math:`T`. A step takes the
    polar factor of the gradient plus :math:`\\mu R`, with :math:`\\mu` raised until the
    objective does not fall; a climb ends when it changes by less than 1e-7 three times
    in a row, or after 500 steps. The covariance-exact map is the same climb between
    the two whitened spaces, without labels by :math:`T` alone.

    Rows whose third moments vanish, such as Gaussian ones, do not fix the rotation
    unless their classes do: a warning says so, as it does for too few rows, for an
    objective that stays low, for shares that differ, and where sampling noise may be
    all that sets the rotation above the next best.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import ortho_group
    >>> from skalign import MomentAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.gamma([1, 2, 3], size=(2000, 3))
    >>> rotation = ortho_group.rvs(3, random_state=0)
    >>> y = rng.permutation(X) @ rotation  # no row is known to belong to another
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
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        map="auto",
        *,
        n_components=100,
        n_restarts=50,
        n_shells=8,
        class_weight="balanced",
        random_state=None,
    ):
        self.map = map
        self.n_components = n_components
        self.n_restarts = n_restarts
        self.n_shells = n_shells
        self.class_weight = class_weight
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, labels=None, target_labels=None):
        """Learn the map from rows of both sides, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space. With a `y` that holds no target rows (None, or
            the class labels that a Pipeline passes on) the aligner is the identity and
            warns.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source rows, strings or numbers. Used where
            `target_labels` are given too.
        target_labels : array-like of shape (n_target_samples,), default=None
            Classes of the target rows. A class on one side only is left out, and a
            warning names it.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If fewer than two classes are on both sides, a side has fewer than two
            rows or all its rows are equal, lengths differ, or a value is not finite.
        """
        X, y, labels, target_labels = check_sides(
            self, X, y, labels=labels, target_labels=target_labels
        )
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            self.objective_ = self.next_objective_ = np.nan
            self.map_ = self.signal_ = self.skewness_noise_ = None
            self.share_difference_ = self.classes_ = None
            return self._be_identity(n_restarts_at_best_=0, n_components_=0)
        if labels is not None and target_labels is not None:
            (source, lift), (target, target_lift) = (
                row_moments(rows, groups, self.n_components, name)
                for rows, groups, name in ((X, labels, "X"), (y, target_labels, "y"))
            )
            self._learn(source, target, (lift, target_lift))
            if lift is None and target_lift is None:
                self.source_moments_, self.target_moments_ = source, target
            return self
        source, target = shell_sides(
            X, y, n_shells=self.n_shells, n_axes=self.n_components
        )
        rng, doubts = self._align(source, target, min(len(X), len(y)))
        self.share_difference_ = share_difference(self._map(X), y, rng)
        doubts += shell_doubts(self.skewness_noise_, self.share_difference_)
        warn_of_doubts(self, doubts + undetermined(self))
        return self

    def _needed(self, n_features, n_targets):
        return 3

    def _sum(self, rows, labels, *, name="X"):
        if rows.shape[1] > self.n_components:
            raise ValueError(
                f"Sums are kept for at most n_components={self.n_components} columns; "
                f"the rows have {rows.shape[1]}. Reduce them first, or use fit."
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
            doubts.append(f"{n_rows} rows are few for {self.n_components_} axes")
        warn_of_doubts(self, doubts + undetermined(self))

    def _align(self, source, target, n_rows, classes=None):
        """Set the map between two sides; return the generator used, and doubts."""
        k = min(source.n_axes, target.n_axes, self.n_components)
        self.signal_, weights = block_weights(source, target)
        self.skewness_noise_ = max(source.skewness_noise, target.skewness_noise)
        rng = check_random_state(self.random_state)
        starts = random_rotations(self.n_restarts, k, rng)
        optima = search(source, target, weights, starts, n_axes=k)
        best = optima[0]
        doubts = []
        if any(
            parting(best.rotation, other.rotation, source.values[:k]) > _APART
            and differ_by_chance(source, target, weights, [best, other])
            for other in optima[1:]
        ):
            doubts = ["another rotation agrees as well but for chance"]
        rotation, self.map_ = best.rotation, self.map
        open_ = open_axes(source, target, weights, rotation)
        if self.map == "auto":
            sure = classes is not None or best.objective >= _MAP_OBJECTIVE
            enough = n_rows >= MAP_ROWS * k
            self.map_ = "covariance" if sure and enough else "rotation"
        if self.map_ == "covariance":
            # Without labels the shells only help to find the basin.
            weights = np.array([0.0, 0.0, 1.0]) if classes is None else weights
            whitened = covariance_rotation(source, target, rotation, weights)
            lost = open_axes(source, target, weights, whitened, whiten=True)
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
