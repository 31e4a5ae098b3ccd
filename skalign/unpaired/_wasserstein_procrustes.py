"""Alignment of two clouds: no pairs, no labels."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._determined import undetermined
from skalign._parameters import Interval
from skalign._validation import check_sides
from skalign.moments import complement
from skalign.paired import LinearAligner
from skalign.unpaired._cluster_shares import share_difference
from skalign.unpaired._covariance_map import fixed_map, spread_of
from skalign.unpaired._icp import Stage, closest_points
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

_LOW_COST = 0.1  # matches so near are nearly as good as pairs
# Rotations whose objective is this near the best are tried on so many rows.
_TRIED, _TRIED_MARGIN, _TRIED_ROWS, _TRIED_ITER = 4, 0.05, 1000, 2
# Costs of maps that matching does not tell apart, and how far they carry rows apart.
_TIED, _APART = 1.05, 0.1


def coupling_cross(X, y, n_clusters, rng):
    """Cross-covariance of both sides under a Gromov-Wasserstein plan of centroids.

    Parameters
    ----------
    X, y : ndarray of shape (n_samples, n_features) and (n_target_samples, n_targets)
        Rows of both sides.
    n_clusters : int
        Centroids of each side, at most.
    rng : RandomState
        Determines the centroids.

    Returns
    -------
    cross : ndarray of shape (n_features, n_targets)
    """
    import ot  # imports torch where it is installed

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
    """Linear map between two clouds of rows: no pairs, no labels.

    Rotations under which the moments of both sides agree are found first, as in
    :class:`MomentAligner` without labels; those that agree best are tried by matching
    rows, and the one of least cost is refined by matching rows in both directions. The
    two sides must have the same distribution up to the map. Read more in the
    :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    init : {"moments", "gw"}, default="moments"
        Where the search for rotations begins: "moments" at random rotations, "gw" also
        at the one of a Gromov-Wasserstein plan between k-means centroids [2]_.

    least_squares : {"auto"} or bool, default="auto"
        Whether to finish with least squares on the matches (:class:`LinearAligner`).
        Only where matched rows are as good as pairs: both sides hold the same rows, or
        rows are so dense that neighbours are. "auto" does where the matching cost is
        below 0.1; elsewhere least squares would shrink the map.

    n_restarts : int, default=50
        Random rotations to start from.

    n_shells : int, default=8
        Shells of equal norm whose moments are compared; at most half the rows of a
        side.

    n_components : int, default=100
        Leading principal axes of each side by which rotations are found, at most.

    n_clusters : int, default=60
        Centroids of each side for ``init="gw"``.

    max_iter : int, default=20
        Largest number of iterations of the refinement, and again of least squares. 0
        leaves both out.

    tol : float, default=1e-4
        The refinement ends when mapped rows move by less: mean squared distance, as a
        share of the variance of the target.

    max_samples : int, default=5000
        Rows drawn from each side, once, that look for their nearest row among all of
        the other side. None is every row.

    random_state : int, RandomState instance or None, default=None
        Determines starts, centroids and the rows drawn.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source rows to centred target rows.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the two sides.

    map_ : {"rotation", "covariance", "least_squares"} or None
        What the map is: a rotation with the scale of the variances (with fewer than
        100 rows a column), the map that carries covariance to covariance, or least
        squares. None without target rows.

    matching_cost_ : float
        Mean squared distance of matched rows, as a share of the variance of the
        target. Not negative; smaller is better. It tends to 0 where both sides hold
        the same rows, and to the distance of neighbours where they do not.

    objective_ : float
        Agreement of the moments after the rotation that was refined, from -1 to 1; 1
        for exact copies.

    next_objective_ : float
        The best of the other rotations; -inf if there was none. It can be above
        `objective_` where matching rows preferred the other.

    n_restarts_at_best_ : int
        Number of starts that led to the rotation that was refined.

    signal_ : ndarray of shape (3,)
        Share of the squared norm of shell means, shell covariances and third moments
        that is no sampling noise, from 0 to 1.

    skewness_noise_ : float
        Share of the third moments of whitened rows (Mardia's skewness) that as many
        Gaussian rows would show, the larger of the two sides; 1 where rows cannot be
        told from Gaussian ones.

    share_difference_ : float
        How differently the two sides fill 20 clusters of the target: total variation
        distance of the shares, less what chance explains.

    determined_rank_ : int
        Number of directions that the data determine, at most the smaller width. Those
        whose sign the moments leave open, and which can be reversed without rows being
        farther from their matches or from known pairs, are mapped to the mean: no
        answer has a smaller expected error. A warning is given below the smaller width.

    n_iter_ : int
        Number of iterations of the refinement, least squares included.

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
    MomentAligner : The same start, without matching rows; takes labels.
    ICPAligner : The refinement alone, from any start; takes labels.

    Notes
    -----
    Wasserstein-Procrustes [1]_ alternates between an optimal one-to-one matching and
    the rotation that fits it. One-to-one matching of a sample of rows that are not the
    same items destroys a good start at 50 columns; matching in both directions, and a
    map that carries the covariance, improve it.

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
    >>> y = rng.permutation(X) @ rotation  # no row is known to belong to another
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
        init="moments",
        *,
        least_squares="auto",
        n_restarts=50,
        n_shells=8,
        n_components=100,
        n_clusters=60,
        max_iter=20,
        tol=1e-4,
        max_samples=5000,
        random_state=None,
    ):
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
    def fit(self, X, y=None, *, pairs=None):
        """Learn the map from rows of both sides, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_targets)
            Rows of the target space. With a `y` that holds no target rows (None, or
            the class labels that a Pipeline passes on) the aligner is the identity and
            warns.
        pairs : array-like of shape (n_pairs, 2), default=None
            Positions in `X` and in `y` of rows known to correspond, be they few. They
            count in the search for rotations as much as a block of moments, and are
            matches at every step of the refinement.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `pairs` are not positions of rows, a side has fewer than two rows or all
            its rows are equal, or a value is not finite.
        """
        X, y, *_ = check_sides(self, X, y)
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
                doubts = ["another map agrees, and matches rows, about as well"]
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
                f", while rows still moved by {fit.move:.1e} of the variance; "
                f"tol={self.tol}. Raise max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _starts(self, X, y, pairs, rng):
        """Return the best rotations, each with its map, and what they compare."""
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
        """Map to the mean what neither moments nor matches determine."""
        axes = unmatched_axes(
            self._map(X), y, groups, open_.shape[1], within=open_, pairs=pairs
        )
        self.coef_ -= (self.coef_ @ axes @ axes.T).astype(X.dtype)
        self.determined_rank_ = min(X.shape[1], y.shape[1] - axes.shape[1])


def _all_rows(X, y, max_samples, rng):
    """One group of all rows of both sides."""
    return draw_groups(np.zeros(len(X)), np.zeros(len(y)), [0], max_samples, rng)


def _open_directions(source, target, weights, rotation):
    """Directions of the target that moments leave open; (n_targets, n_open)"""
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
    """Whether one of the others carries rows far from where an aligner does."""
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
            raise ValueError(f"pairs names row {wrong[0]} of {name}, with {n_rows}.")
    return pairs
