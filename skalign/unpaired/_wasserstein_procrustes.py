"""Alignment of two sets of samples without pairs or labels."""

import warnings
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._determined import undetermined
from skalign._validation import Interval, check_sides
from skalign.moments import complement
from skalign.paired import LinearAligner
from skalign.unpaired._closest_points import Stage, closest_points
from skalign.unpaired._cluster_shares import share_difference
from skalign.unpaired._covariance_map import fixed_map, spread_of
from skalign.unpaired._matching import draw_groups
from skalign.unpaired._moment import (
    MAP_ROWS,
    block_weights,
    differ_by_chance,
    rotation_coef,
    shell_doubts,
    shell_sides,
    warn_of_doubts,
)
from skalign.unpaired._moment_matching import (
    open_axes,
    polar,
    random_rotations,
    search,
)
from skalign.unpaired._open_axes import unmatched_axes

_LOW_COST = 0.1  # matches at this cost are nearly as good as pairs
# Rotations tried by matching: number, objective margin, samples and iterations.
_TRIED, _TRIED_MARGIN, _TRIED_ROWS, _TRIED_ITER = 4, 0.05, 1000, 2
# Ratio of costs that count as tied; distance from which tied maps count as different.
_TIED, _APART = 1.05, 0.1


def coupling_cross(X, y, n_clusters, rng):
    """Return the cross-covariance under a Gromov-Wasserstein plan of centroids.

    Parameters
    ----------
    X, y : ndarray of shape (n_samples, n_features) and (n_target_samples, n_targets)
        Samples of both sides.
    n_clusters : int
        Maximum number of centroids of each side.
    rng : RandomState
        Random number generator for k-means.

    Returns
    -------
    cross : ndarray of shape (n_features, n_targets)
    """
    import ot  # imports torch if it is installed

    centres, weights, distances = [], [], []
    for rows in (X, y):
        clusters = KMeans(min(n_clusters, len(rows)), random_state=rng).fit(rows)
        sizes = np.bincount(clusters.labels_, minlength=clusters.n_clusters)
        centre = clusters.cluster_centers_.astype(np.float64)
        centres.append(centre - sizes @ centre / sizes.sum())
        weights.append(sizes / sizes.sum())
        between = pairwise_distances(centre, metric="sqeuclidean")
        distances.append(between / between.mean())
    plan = ot.gromov.gromov_wasserstein(*distances, *weights, "square_loss")
    return centres[0].T @ plan @ centres[1]


class WassersteinProcrustesAligner(AffineMixin, BaseEstimator):
    """Linear map between two spaces without pairs or labels.

    First, rotations under which the moments of both sides agree are computed, as in
    :class:`MomentAligner` without labels. The best of them are compared by the mean
    squared distance of matched samples, and the one with the lowest cost is refined by
    alternating between matching samples in both directions and fitting a map to the
    matches. Use it if neither pairs nor labels are known. The two sides must have the
    same distribution up to the map. Read more in the :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    init : {"moments", "gw"}, default="moments"
        Initial rotations of the search: random rotations with "moments", and with "gw"
        also that of a Gromov-Wasserstein plan between k-means centroids [2]_.

    least_squares : {"auto"} or bool, default="auto"
        Whether to finish with least squares on the matches (:class:`LinearAligner`).
        This is useful only if matched samples are as good as pairs, because both sides
        contain the same samples or samples are dense; otherwise least squares shrinks
        the map. "auto" uses it if the matching cost is below 0.1.

    n_restarts : int, default=50
        Number of random initial rotations.

    n_shells : int, default=8
        Number of groups by norm whose moments are compared; at most half the number of
        samples of a side.

    n_components : int, default=100
        Maximum number of leading principal axes of each side in the search for
        rotations.

    n_clusters : int, default=60
        Number of centroids of each side for ``init="gw"``.

    max_iter : int, default=20
        Maximum number of iterations of the refinement, and of least squares. 0 omits
        both.

    tol : float, default=1e-4
        Tolerance of the refinement: it ends when the mean squared change of the mapped
        samples is smaller, relative to the variance of the target.

    max_samples : int, default=5000
        Number of samples drawn from each side, once, that are matched with their
        nearest sample among all of the other side. None uses all samples.

    random_state : int, RandomState instance or None, default=None
        Determines initial rotations, centroids and the samples drawn.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source samples to centred target samples.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the two sides.

    map_ : {"rotation", "covariance", "least_squares"} or None
        Class of map: a rotation with one scale (for fewer than 100 samples per
        feature), the map that matches the covariances, or least squares. None if there
        were no target samples.

    matching_cost_ : float
        Mean squared distance of matched samples, as a fraction of the variance of the
        target. Not negative; smaller is better. It tends to 0 if both sides contain the
        same samples, and to the distance of neighbours otherwise.

    objective_ : float
        Agreement of the moments after the rotation that was refined, from -1 to 1; 1 if
        they are equal.

    next_objective_ : float
        Best agreement of the other rotations; -inf if there was none. It can exceed
        `objective_`, because rotations are selected by the matching cost.

    n_restarts_at_best_ : int
        Number of initial rotations that led to the one that was refined.

    signal_ : ndarray of shape (3,)
        Fraction of the squared norm of group means, group covariances and third moments
        that is not sampling noise, from 0 to 1.

    skewness_noise_ : float
        Expected third moments (Mardia's skewness) of as many whitened Gaussian samples,
        as a fraction of those observed; the larger value of the two sides. 1 if samples
        cannot be distinguished from Gaussian ones.

    share_difference_ : float
        Total variation distance between the proportions of the two sides in 20 clusters
        of the target, minus its expected value for equal proportions.

    determined_rank_ : int
        Number of directions that the data determine, at most ``min(n_features,
        n_targets)``. Directions whose sign is not determined by the moments, and which
        can be reversed without increasing the distance to matches or known pairs, are
        mapped to the mean, which has the smallest expected error. A warning is raised
        if it is less than the maximum.

    n_iter_ : int
        Number of iterations of the refinement, including least squares.

    n_targets_ : int
        Number of target features.

    n_features_in_ : int
        Number of source features.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source features, if `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target features, if `y` had any.

    See Also
    --------
    MomentAligner : The same initial map without refinement; can use labels.
    ICPAligner : The refinement from any initial map; can use labels.

    Notes
    -----
    Wasserstein-Procrustes [1]_ alternates between the optimal one-to-one matching and
    the rotation that minimises the mean squared distance of matches. If the sides do
    not contain the same samples, one-to-one matching makes a good initial map worse in
    50 dimensions. Matching in both directions, and a map that matches the covariances,
    improve it.

    References
    ----------
    .. [1] E. Grave, A. Joulin and Q. Berthet, "Unsupervised alignment of embeddings
       with Wasserstein Procrustes", AISTATS 2019, pp. 1880-1890.

    .. [2] G. Peyré, M. Cuturi and J. Solomon, "Gromov-Wasserstein averaging of kernel
       and distance matrices", ICML 2016, pp. 2664-2672.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import ortho_group
    >>> from skalign import WassersteinProcrustesAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.gamma([1, 2, 3], size=(2000, 3))
    >>> rotation = ortho_group.rvs(3, random_state=0)
    >>> y = rng.permutation(X) @ rotation  # the pairing is not known
    >>> aligner = WassersteinProcrustesAligner(random_state=0).fit(X, y)
    >>> bool(np.allclose(aligner.transform(X), X @ rotation, atol=1e-5))
    True
    """

    _parameter_constraints = {
        "init": [StrOptions({"moments", "gw"})],
        "least_squares": [StrOptions({"auto"}), "boolean"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "n_shells": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        init: Literal["moments", "gw"] = "moments",
        *,
        least_squares: Literal["auto"] | bool = "auto",
        n_restarts: int = 50,
        n_shells: int = 8,
        n_components: int = 100,
        n_clusters: int = 60,
        max_iter: int = 20,
        tol: float = 1e-4,
        max_samples: int = 5000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.init = init
        self.least_squares = least_squares
        self.n_restarts = n_restarts
        self.n_shells = n_shells
        self.n_components = n_components
        self.n_clusters = n_clusters
        self.max_iter = max_iter
        self.tol = tol
        self.max_samples = max_samples
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        pairs: ArrayLike | None = None,
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
        pairs : array-like of shape (n_pairs, 2), default=None
            Indices in `X` and in `y` of samples that are known to correspond; a few
            suffice. In the search for rotations they have the weight of one term of the
            objective, and they are matches at every step of the refinement.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `pairs` are not indices of samples, a side has fewer than two samples or
            all its samples are equal, or a value is not finite.
        """
        X, y = check_sides(self, X, y)
        if y is None:
            self.map_ = self.signal_ = self.skewness_noise_ = None
            self.objective_ = self.next_objective_ = np.nan
            self.share_difference_, self.matching_cost_ = None, 0.0
            return self._be_identity(n_iter_=1, n_restarts_at_best_=0)
        pairs = _check_positions(pairs, len(X), len(y))
        rng = check_random_state(self.random_state)
        spreads = (spread_of(X), spread_of(y, name="y"))

        def refine(aligner, stages, groups):
            return closest_points(
                X,
                y,
                aligner,
                stages,
                groups,
                matching="both",
                tol=self.tol,
                weigh=lambda sizes: None,
                spreads=lambda: spreads,
                progress=None,
                pairs=pairs,
            )

        few = min(len(X) / X.shape[1], len(y) / y.shape[1]) < MAP_ROWS
        kind = "rotation" if few else "covariance"
        starts, sides = self._starts(X, y, pairs, rng)
        doubts = []
        if len(starts) > 1:
            groups = _all_rows(X, y, _TRIED_ROWS, rng)
            stages = [Stage(kind, min(_TRIED_ITER, self.max_iter))]
            tried = [refine(start, stages, groups) for _, start in starts]
            costs = [fit.costs[-1] + _pair_cost(fit, X, y, pairs) for fit in tried]
            first = int(np.argmin(costs))
            rivals = [
                fit.aligner
                for fit, cost, (optimum, _) in zip(tried, costs, starts, strict=True)
                if cost < _TIED * costs[first]
                and differ_by_chance(*sides, [starts[first][0], optimum])
            ]
            if _carry_apart(X, y, tried[first].aligner, rivals):
                doubts = ["another map has a similar agreement and matching cost"]
            starts = [starts.pop(first), *starts]
        (best, aligner), *others = starts
        self.objective_, self.n_restarts_at_best_ = best.objective, best.n_restarts
        self.next_objective_ = max((o.objective for o, _ in others), default=-np.inf)

        groups = _all_rows(X, y, self.max_samples, rng)
        stages = [Stage(kind, self.max_iter)]
        if self.least_squares:
            below = _LOW_COST if self.least_squares == "auto" else np.inf
            stages.append(Stage(LinearAligner(), self.max_iter, below))
        fit = refine(aligner, stages, groups)
        self.n_iter_ = len(fit.costs) - 1
        self.map_ = kind if self.n_iter_ else "rotation"
        if isinstance(fit.aligner, LinearAligner):
            self.map_ = "least_squares"
        found = fit.aligner
        self._set_map(found.coef_, found.x_mean_, found.y_mean_, X.dtype)
        self.matching_cost_ = float(fit.costs[-1])
        self.share_difference_ = share_difference(self._map(X), y, rng)
        doubts += shell_doubts(self.skewness_noise_, self.share_difference_)
        open_ = _open_directions(*sides, best.rotation)
        self._leave_open(X, y, groups, open_, pairs)
        warn_of_doubts(self, doubts + undetermined(self))
        if fit.move >= self.tol and self.max_iter:
            warnings.warn(
                f"WassersteinProcrustesAligner stopped after {self.n_iter_} iterations"
                f", while the mean squared change was {fit.move:.1e} of the variance; "
                f"tol={self.tol}. Raise max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _starts(self, X, y, pairs, rng):
        """Return the best rotations with their maps, and the sides compared."""
        source, target = shell_sides(
            X, y, n_shells=self.n_shells, n_axes=self.n_components
        )
        k = min(source.n_axes, target.n_axes, self.n_components)
        self.signal_, weights = block_weights(source, target)
        self.skewness_noise_ = max(source.skewness_noise, target.skewness_noise)
        starts = random_rotations(self.n_restarts, k, rng)
        if self.init == "gw":
            cross = coupling_cross(X, y, self.n_clusters, rng)
            left, right = (s.axes[:, : starts.shape[1]] for s in (source, target))
            starts = np.concatenate([polar(left.T @ cross @ right)[None], starts])
        known = None
        if pairs is not None:
            known = (
                (X[pairs[:, 0]] - source.mean) @ source.axes,
                (y[pairs[:, 1]] - target.mean) @ target.axes,
            )
        optima = search(source, target, weights, starts, n_axes=k, pairs=known)
        least = optima[0].objective - _TRIED_MARGIN
        means = source.mean.astype(X.dtype), target.mean.astype(X.dtype)
        starts = [
            (
                optimum,
                fixed_map(
                    rotation_coef(source, target, optimum.rotation).astype(X.dtype),
                    *means,
                ),
            )
            for optimum in optima[:_TRIED]
            if optimum.objective > least
        ]
        return starts, (source, target, weights)

    def _leave_open(self, X, y, groups, open_, pairs):
        """Map directions to the mean that neither moments nor matches determine."""
        axes = unmatched_axes(
            self._map(X), y, groups, open_.shape[1], within=open_, pairs=pairs
        )
        self.coef_ -= (self.coef_ @ axes @ axes.T).astype(X.dtype)
        self.determined_rank_ = min(X.shape[1], y.shape[1] - axes.shape[1])


def _all_rows(X, y, max_samples, rng):
    """Return one group of all samples of both sides."""
    return draw_groups(np.zeros(len(X)), np.zeros(len(y)), [0], max_samples, rng)


def _open_directions(source, target, weights, rotation):
    """Return target directions that moments leave open, (n_targets, n_open)."""
    k = len(rotation)
    leading = target.axes[:, :k]
    known = leading @ complement(open_axes(source, target, weights, rotation))
    return complement(known)


def _pair_cost(fit, X, y, pairs):
    """Mean squared distance of known pairs, as a share of the target's variance."""
    if pairs is None:
        return 0.0
    steps = fit.aligner.transform(X[pairs[:, 0]]) - y[pairs[:, 1]]
    return float(np.mean(steps**2) / np.mean(y.var(axis=0)))


def _carry_apart(X, y, aligner, others):
    """Return whether one of the others maps samples far from where `aligner` does."""
    mapped = aligner.transform(X)
    far = _APART * np.mean(y.var(axis=0))
    return any(np.mean((other.transform(X) - mapped) ** 2) > far for other in others)


def _check_positions(pairs, n_source, n_target):
    if pairs is None:
        return None
    pairs = check_array(pairs, dtype=None, input_name="pairs")
    if pairs.dtype.kind not in "iu" or pairs.shape[1] != 2:
        raise ValueError(
            "pairs must be integers of shape (n_pairs, 2), a position in X and one in "
            f"y; got {pairs.dtype} of shape {pairs.shape}."
        )
    for column, n_rows, name in ((0, n_source, "X"), (1, n_target, "y")):
        wrong = pairs[(pairs[:, column] < 0) | (pairs[:, column] >= n_rows), column]
        if len(wrong):
            raise ValueError(
                f"pairs holds position {wrong[0]} of {name}, which has {n_rows} "
                "samples."
            )
    return pairs
