"""Alignment of two sets of samples without pairs or labels."""

import warnings
from functools import partial
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AffineMixin
from skalign._determined import undetermined
from skalign._labels import check_labels_of_sides
from skalign._progress import Progress
from skalign._validation import Interval, check_sides
from skalign._warnings import user_level
from skalign.paired import LinearAligner
from skalign.unpaired._central_samples import central_samples, check_trim
from skalign.unpaired._classes import shared_classes
from skalign.unpaired._closest_points import Stage, closest_points
from skalign.unpaired._cluster_shares import share_difference
from skalign.unpaired._covariance_map import spread_of
from skalign.unpaired._known_pairs import check_positions, kept_positions
from skalign.unpaired._matching import NO_STRAYS, Strays, draw_groups
from skalign.unpaired._moment import MAP_ROWS, shell_doubts
from skalign.unpaired._moment_start import moment_start
from skalign.unpaired._open_axes import unmatched_axes
from skalign.unpaired._rotation_search import RotationSearch
from skalign.unpaired._soft_matching import SoftMatching

_LOW_COST = 0.1  # matches at this cost are nearly as good as pairs
_HIGH_COST = 0.5  # matches at this cost are too distant to be fitted one by one
_N_TRIES = 3  # of rotations by clusters, while the best is not trusted
# Confidence below which a warning is raised, and that at which moments are not doubted.
_TRUSTED, _CERTAIN = 0.04, 0.2


def _spreads(X, y, groups):
    """Return the mean and principal axes of each side, over the samples of groups."""
    i, j = (np.concatenate(side) for side in list(zip(*groups, strict=True))[:2])
    return spread_of(X[i]), spread_of(y[j], name="y")


class WassersteinProcrustesAligner(CallbackSupportMixin, AffineMixin, BaseEstimator):
    """Linear map between two spaces without pairs or labels.

    Candidate rotations are found in several ways and compared by one objective, the
    agreement of samples that are softly matched by an entropic transport plan. The best
    is refined. Use it if few pairs are known, or none. The two sides must have the same
    distribution up to the map. Read more in the :ref:`User Guide <unpaired>`.

    Parameters
    ----------
    init : {"auto", "moments", "clusters"}, default="auto"
        Initial rotations. "moments" are those under which the first three moments of
        both sides agree, as in :class:`MomentAligner`; suited to many samples of few
        features, such as latents of autoencoders. "clusters" are those that match
        centroids of k-means clusters; suited to text embeddings. "auto" tries moments
        first, and clusters if the confidence is then below 0.04.

    least_squares : {"auto"} or bool, default="auto"
        Whether to finish with least squares on the matches (:class:`LinearAligner`).
        This is useful only if matched samples are as good as pairs, because both sides
        contain the same samples or samples are dense; otherwise least squares shrinks
        the map. "auto" uses it if the matching cost is below 0.1.

    n_restarts : int, default=50
        Number of random initial rotations of the search by moments.

    n_shells : int, default=8
        Number of groups by norm whose moments are compared; at most half the number of
        samples of a side. Not used with labels.

    n_components : int, default=50
        Maximum number of leading principal axes of each side whose moments are
        compared.

    n_starts : int, default=16
        Number of initial rotations by clusters, of which the best are averaged. As many
        are added, twice at most, if the confidence is then below 0.04.

    second_solve : bool, default=False
        Whether to solve the problem again, with other random draws, and to multiply the
        confidence by the agreement of the two maps.

    max_iter : int, default=20
        Maximum number of iterations of the refinement by nearest samples, and of least
        squares. 0 omits the last refinement of either kind.

    tol : float, default=1e-4
        Tolerance of this refinement: it ends when the mean squared change of the mapped
        samples is smaller, relative to the variance of the target.

    max_samples : int, default=5000
        Number of samples drawn from each side (with labels, from each class), once,
        that are matched with their nearest sample among all of the other side. None
        uses all samples.

    trim : float or tuple of two floats, default=0.0
        Share of strays of each side, or of the source and of the target: samples
        without a counterpart on the other side. At least 0 and below 1. The search uses
        the samples without so many of those farthest from the centre of their side or
        class, as in :class:`MomentAligner`. The refinement by nearest samples uses all,
        without so many of the matches with the largest distances at every iteration, as
        in :class:`ICPAligner`. Known pairs are always used.

    max_distance : float, default=None
        Largest distance of a match in the refinement by nearest samples, in units of
        the target, above 0. Matches beyond it are left out. None allows any distance.

    allow_reflection : bool, default=True
        Whether the map may be a reflection. If False, the determinant of `coef_` is not
        negative, and least squares is not used. This concerns only spaces with equal
        numbers of features, all of which have variance, because otherwise each
        reflection equals a rotation of the larger space.

    n_jobs : int, default=None
        Number of initial rotations by clusters that are computed in parallel. None is
        1, or the value of a :obj:`joblib.parallel_backend` context.

    random_state : int, RandomState instance or None, default=None
        Determines initial rotations, clusters and the samples drawn.

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

    objective_ : float
        Objective of the best candidate before its last refinement, from 0 to 1; see the
        notes. NaN if there were no target samples.

    objectives_ : dict
        Objective of the best candidate of each kind that was tried: "pairs", "moments"
        and "clusters".

    rival_objective_ : float
        Largest objective of three random rotations that were refined in the same way,
        without those that led to the same map (a cosine of at least 0.5 between mapped
        samples); NaN if all did.

    confidence_ : float
        Gain of `objective_` over `rival_objective_`, as a share of the largest possible
        gain, from 0 to 1; 1 if there was no rival. A warning is raised below 0.04, the
        threshold that the user guide derives from runs with known success.

    agreement_ : float
        Cosine, over all mapped samples, between this map and that of an independent
        solve; NaN unless `second_solve`.

    identity_objective_ : float
        Objective of the identity; NaN if the numbers of features differ. If it is the
        larger one, the two spaces may be aligned already.

    matching_cost_ : float
        Mean squared distance of matched samples, as a fraction of the variance of the
        target. Not negative; smaller is better. It tends to 0 if both sides contain the
        same samples, and to the distance of neighbours otherwise.

    share_difference_ : float
        Total variation distance between the proportions of the two sides in 20 clusters
        of the target, minus its expected value for equal proportions.

    determined_rank_ : int
        Number of directions that the data determine, at most ``min(n_features,
        n_targets)``. Directions without variance, and those that can be reversed
        without increasing the distance to matches or known pairs (for a rotation found
        by moments, only if the moments do not determine their sign either), are mapped
        to the mean, which has the smallest expected error. A warning is raised for the
        latter. They are not sought if matches are distant, or there are more than
        `n_components` directions and the moments did not find the rotation.

    n_iter_ : int
        Number of iterations of the last refinement, including least squares.

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
    MomentAligner : Map by moments alone; can be learnt from streams.
    ICPAligner : Refinement of any initial map by nearest samples.

    Notes
    -----
    Centred samples of both sides, scaled to mean squared norm 1, are written in their
    principal axes. A rotation :math:`R` of the leading axes is refined by rounds of two
    steps [1]_: the entropic transport plan [2]_ :math:`P` between random samples
    :math:`x_i R` and :math:`y_j`, with temperature 0.05, and the rotation nearest to
    the cross-covariance :math:`C = \\sum_{ij} P_{ij} x_i^\\top y_j`. The objective is
    the nuclear norm of :math:`C` for up to 1,000 fixed samples of each side, divided by
    the root mean squared norms. It does not depend on how :math:`R` was found.

    Initial rotations by clusters match the similarity matrices of centroids of both
    sides as a quadratic assignment problem, by exchanges of two centroids from random
    orders [3]_. All matched centroids serve as anchors of a relative representation, in
    which nearest samples are paired. The rotations nearest to the sums of the best 1/8,
    1/4, 1/2, 3/4 and all of them are refined.

    If matches are nearer than half the variance of the target, the last refinement
    alternates between nearest samples in both directions and a map that cannot shrink
    (:class:`ICPAligner`); if not, it continues with transport plans.

    Transport plans and coordinates are limited by scikit-learn's ``working_memory``;
    the principal axes of a side need a centred copy of its samples.
    Progress is reported to scikit-learn's callbacks (`set_callbacks`), with one task
    for each initial rotation and iteration; a callback that requests to stop ends the
    search early.

    References
    ----------
    .. [1] E. Grave, A. Joulin and Q. Berthet, "Unsupervised alignment of embeddings
       with Wasserstein Procrustes", AISTATS 2019, pp. 1880-1890.

    .. [2] M. Cuturi, "Sinkhorn distances: lightspeed computation of optimal transport",
       NeurIPS 2013, pp. 2292-2300.

    .. [3] E. D. Taillard, "Robust taboo search for the quadratic assignment problem",
       Parallel Computing 17(4-5), 1991, pp. 443-455.

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
    >>> aligner.confidence_ > 0.04
    True
    """

    _parameter_constraints = {
        "init": [StrOptions({"auto", "moments", "clusters"})],
        "least_squares": [StrOptions({"auto"}), "boolean"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "n_shells": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "second_solve": ["boolean"],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_samples": [Interval(Integral, 1, None, closed="left"), None],
        "trim": [Interval(Real, 0, 1, closed="left"), tuple],
        "max_distance": [Interval(Real, 0, None, closed="neither"), None],
        "allow_reflection": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        init: Literal["auto", "moments", "clusters"] = "auto",
        *,
        least_squares: Literal["auto"] | bool = "auto",
        n_restarts: int = 50,
        n_shells: int = 8,
        n_components: int = 50,
        n_starts: int = 16,
        second_solve: bool = False,
        max_iter: int = 20,
        tol: float = 1e-4,
        max_samples: int | None = 5000,
        trim: float | tuple[float, float] = 0.0,
        max_distance: float | None = None,
        allow_reflection: bool = True,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.init = init
        self.least_squares = least_squares
        self.n_restarts = n_restarts
        self.n_shells = n_shells
        self.n_components = n_components
        self.n_starts = n_starts
        self.second_solve = second_solve
        self.max_iter = max_iter
        self.tol = tol
        self.max_samples = max_samples
        self.trim = trim
        self.max_distance = max_distance
        self.allow_reflection = allow_reflection
        self.n_jobs = n_jobs
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        pairs: ArrayLike | None = None,
        pair_index: ArrayLike | None = None,
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
        pairs : array-like of int of shape (n_pairs, 2), default=None
            Positions in `X` and in `y` of samples that are known to correspond, one to
            one; a few suffice. They start the search, contribute to every refinement,
            and are matches at every iteration. If matches are distant, cross-validation
            on the pairs decides whether the other samples are used at all.
        pair_index : array-like of int of shape (n_samples,), default=None
            The same for each sample of `X`: position of the corresponding sample in
            `y`, or -1. Unlike `pairs`, it is split with the samples in searches.
        labels : array-like of shape (n_samples,), default=None
            Classes of the source samples, strings or numbers. Used if `target_labels`
            are given too: samples are then matched within classes. The proportions of
            the classes must be alike on both sides.
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
            If `pairs` or `pair_index` are not positions of samples, one to one, or both
            are given; fewer than two classes are on both sides; a side has fewer than
            two samples or all its samples are equal; fewer than two samples or matches
            are left by `trim` and `max_distance`; `least_squares` is True but
            reflections are not allowed; lengths differ, or a value is not finite.
        """
        trims = check_trim(self.trim)
        if self.least_squares is True and not self.allow_reflection:
            raise ValueError(
                "least_squares=True may fit a reflection, but allow_reflection=False; "
                "set least_squares='auto' or False."
            )
        X, y = check_sides(self, X, y)
        labels, target_labels = check_labels_of_sides(labels, target_labels, X, y)
        self.agreement_ = np.nan
        if y is None:
            self.map_ = self.share_difference_ = None
            self.objective_ = self.rival_objective_ = self.identity_objective_ = np.nan
            self.objectives_, self.matching_cost_, self.confidence_ = {}, 0.0, 1.0
            return self._be_identity(n_iter_=1)
        pairs = check_positions(pairs, pair_index, len(X), len(y))
        by_class = labels is not None and target_labels is not None
        groups_of = np.zeros(len(X), int), np.zeros(len(y), int), [0]
        if by_class:
            shared = shared_classes(labels, target_labels, minimum=2)
            groups_of = labels, target_labels, shared
        whole = X, y, pairs, groups_of
        X, y, pairs, groups_of = _central(trims, *whole)
        classes = groups_of if by_class else None
        rng = check_random_state(self.random_state)
        spreads = spread_of(X), spread_of(y, name="y")
        few = min(len(X) / X.shape[1], len(y) / y.shape[1]) < MAP_ROWS
        kind = "rotation" if few else "covariance"
        refine = partial(
            closest_points, matching="both", tol=self.tol, weigh=lambda sizes: None
        )
        start = None
        if self.init != "clusters":
            start = moment_start(
                X,
                y,
                classes,
                partial(draw_groups, *groups_of),
                partial(refine, X, y, spreads=lambda groups: spreads, pairs=pairs),
                rng,
                n_restarts=self.n_restarts,
                n_shells=self.n_shells,
                n_axes=self.n_components,
                kind=kind,
                max_iter=self.max_iter,
                pairs=pairs,
                allow_reflection=self.allow_reflection,
            )
        groups = draw_groups(*whole[-1], self.max_samples, rng)
        progress = Progress(self, None, X, y)
        matching = SoftMatching.from_rows(
            X,
            y,
            spreads,
            rng,
            classes=classes,
            pairs=pairs,
            allow_reflection=self.allow_reflection,
        )
        found = RotationSearch(matching, rng, progress)
        by_moments = self._search(found, start)
        self._set_objectives(found)

        X, y, pairs, _ = whole
        strays = self._strays(trims, groups)
        if strays != NO_STRAYS:
            spreads = None
        refine = partial(
            refine,
            X,
            y,
            pairs=pairs,
            spreads=lambda groups: spreads or _spreads(X, y, groups),
            strays=strays,
            progress=progress,
        )
        aligner = start.maps[0] if by_moments else matching.map_of(found.best)
        fit = self._refine_last(aligner, found, partial(refine, groups=groups), kind)
        progress.end()
        learnt = fit.aligner
        self._set_map(learnt.coef_, learnt.x_mean_, learnt.y_mean_, X.dtype)
        self.matching_cost_ = float(fit.costs[-1])
        self.share_difference_ = share_difference(self._map(X), y, rng)
        self.determined_rank_ = matching.width
        near = fit.costs[-1] < _HIGH_COST
        by_moments = by_moments and near
        if near and (by_moments or matching.width <= self.n_components):
            open_ = start.open_ if by_moments else np.eye(y.shape[1])
            self._leave_open(X, y, fit.groups, open_, pairs)
        if self.second_solve:
            self._solve_again(X, y, pairs, labels, target_labels, rng)
        self._warn(start, by_moments, fit.move, matching.width)
        return self

    def _search(self, found, start):
        """Try initial rotations until one is trusted; say whether moments' own is best.

        Its moments are compared in as many axes as those of the others, or not at all.
        """
        matching, first = found.matching, None
        if start is not None:
            rotations = [matching.rotation_of(fit.coef_) for fit in start.maps]
            if start.n_axes == matching.width:
                found.add("moments", first := rotations[0])
        if matching.pairs is not None:
            found.add_refined("pairs", [found.pair_start()])
        if start is not None and found.confidence < _TRUSTED:
            found.add_refined("moments", rotations)
        if self.init != "moments":
            for _ in range(_N_TRIES):
                if found.best is None or found.confidence < _TRUSTED:
                    found.add_clusters(self.n_starts, self.n_jobs)
        return found.best is first

    def _refine_last(self, aligner, found, refine, kind):
        """Refine the best map by nearest samples, or if these are distant, by plans."""
        still = -np.inf
        fit = refine(aligner, [])._replace(move=still)
        self.n_iter_, self.map_ = 0, "rotation"
        if fit.costs[-1] >= _HIGH_COST:
            if not self.max_iter:
                return fit
            self.n_iter_ = found.n_last_rounds
            last = found.matching.map_of(found.finish())
            return refine(last, [])._replace(move=still)
        stages = [Stage(kind, self.max_iter, allow_reflection=self.allow_reflection)]
        if self.least_squares and self.allow_reflection:
            below = _LOW_COST if self.least_squares == "auto" else np.inf
            stages.append(Stage(LinearAligner(), self.max_iter, below))
        fit = refine(aligner, stages)
        self.n_iter_ = len(fit.costs) - 1
        if isinstance(fit.aligner, LinearAligner):
            self.map_ = "least_squares"
        elif self.n_iter_:
            self.map_ = kind
        return fit

    def _strays(self, trims, groups):
        n_drawn = np.sum([group.n_drawn for group in groups], axis=0)
        return Strays(float(np.average(trims, weights=n_drawn)), self.max_distance)

    def _solve_again(self, X, y, pairs, labels, target_labels, rng):
        """Multiply the confidence by the agreement with an independent solve."""
        other = clone(self).set_params(
            second_solve=False, random_state=rng.randint(np.iinfo(np.int32).max)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other.fit(X, y, pairs=pairs, labels=labels, target_labels=target_labels)
        first, second = (solved._map(X) - solved.y_mean_ for solved in (self, other))
        norms = np.linalg.norm(first) * np.linalg.norm(second)
        self.agreement_ = float(np.vdot(first, second) / norms) if norms else 0.0
        self.confidence_ *= max(self.agreement_, 0.0)

    def _set_objectives(self, found):
        self.objectives_, self.objective_ = found.objectives, found.objective
        self.rival_objective_ = found.rival_objective
        self.confidence_, self.identity_objective_ = found.confidence, np.nan
        if self.n_features_in_ == self.n_targets_:
            identity = found.matching.rotation_of(np.eye(self.n_targets_))
            self.identity_objective_ = found.matching.objective(identity)

    def _leave_open(self, X, y, groups, open_, pairs):
        """Map directions to the mean that neither moments nor matches determine."""
        axes = unmatched_axes(
            self._map(X), y, groups, open_.shape[1], within=open_, pairs=pairs
        )
        self.coef_ -= (self.coef_ @ axes @ axes.T).astype(X.dtype)
        self.determined_rank_ = min(X.shape[1], y.shape[1] - axes.shape[1])

    def _warn(self, start, by_moments, move, width):
        doubts = shell_doubts(0.0, self.share_difference_)
        doubts += undetermined(self, width=width)
        doubted = self.confidence_ < _TRUSTED
        if start is not None and (
            doubted or (by_moments and self.confidence_ < _CERTAIN)
        ):
            doubts += start.doubts
        if doubted:
            doubts.append(
                f"confidence_={self.confidence_:.3f} is below {_TRUSTED}: refined "
                "random rotations match the samples almost as well"
            )
        if doubts:
            warnings.warn(
                f"{type(self).__name__} may have failed: {'; '.join(doubts)}.",
                UserWarning,
                stacklevel=user_level(),
            )
        if move >= self.tol:
            warnings.warn(
                f"WassersteinProcrustesAligner stopped after {self.n_iter_} iterations"
                f", while the mean squared change was {move:.1e} of the variance; "
                f"tol={self.tol}. Raise max_iter.",
                ConvergenceWarning,
                stacklevel=user_level(),
            )


def _central(trims, X, y, pairs, groups_of):
    """Return both sides, known pairs and labels without the outermost samples."""
    if not any(trims):
        return X, y, pairs, groups_of
    i, j = (
        np.arange(len(rows))[central_samples(rows, share, of, name=name)]
        for rows, share, of, name in zip(
            (X, y), trims, groups_of[:2], "Xy", strict=True
        )
    )
    i, j, pairs = kept_positions(pairs, i, j)
    labels, target_labels, classes = groups_of
    return X[i], y[j], pairs, (labels[i], target_labels[j], classes)
