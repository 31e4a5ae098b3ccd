"""Aligner fitted in spite of wrong pairs, which it finds."""

import warnings
from inspect import Parameter, signature
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import process_routing

from skalign._determined import without_warning
from skalign._routing import last_step, predicted, take_rows, transform_target
from skalign._validation import Interval, check_pairs
from skalign._warnings import user_level
from skalign.paired._mismatch import (
    are_informative,
    centred,
    mismatch_probabilities,
    mismatch_pvalues,
)
from skalign.paired._wrapper import WrapperMixin

_FEWEST = 8
# Half by half in turn: the last two maps, one of each half, rate all pairs.
_N_HALF_FITS = 3


class RobustAligner(WrapperMixin, BaseEstimator):
    r"""Aligner fitted in spite of wrong pairs, which it finds.

    Use it if some rows of `X` and `y` may not belong to the same item: after a faulty
    join, for pairs from an automatic matching, or if some samples are corrupted. Each
    pair is given the probability :math:`q_i` that it is wrong, and the aligner is
    fitted with weights :math:`w_i (1 - q_i)`. Read more in the
    :ref:`User Guide <wrong_pairs>`.

    Parameters
    ----------
    aligner : object, default=None
        Paired aligner or regressor whose `fit` takes `sample_weight`, or a pipeline
        that ends in one. None is ``LinearAligner()``.

    max_fdr : float, default=0.05
        Maximum estimated false discovery rate among the pairs that `inlier_mask_`
        marks as wrong, at least 0 and below 1: the share of these pairs that are in
        fact right. The larger it is, the more pairs are marked. It does not affect the
        fitted map.

    random_state : int, RandomState instance or None, default=None
        Determines the two halves of the pairs. Each half is rated by a map that was
        fitted on the other one. Pass an int for reproducible results.

    Attributes
    ----------
    aligner_ : object
        Aligner fitted on all pairs, with their weights.

    weights_ : ndarray of shape (n_samples,)
        Probability of each training pair to be right, in [0, 1], by which its
        `sample_weight` was multiplied.

    inlier_mask_ : ndarray of shape (n_samples,), of bool
        False for the training pairs that are named wrong: as many of those with the
        largest p-values as `max_fdr` allows, if they are more likely wrong than right.

    fdr_ : float
        Estimated false discovery rate: the mean of `weights_` over the pairs that are
        named wrong, at most `max_fdr`; 0 if there are none.

    wrong_share_ : float
        Estimated share of wrong pairs among all training pairs, in [0, 1]. A wrong pair
        that happens to fit cannot be named, but counts here. NaN if right pairs cannot
        be distinguished from wrong ones, for which a warning is raised; then all
        weights are 1.

    pvalues_ : ndarray of shape (n_samples,)
        P-value of each training pair under the hypothesis that it is wrong, in (0, 1]:
        the share of random pairs that fit at least as well.

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
    LinearAligner : Linear map, fitted to all pairs alike.

    Notes
    -----
    A map fitted on one half of the pairs is applied to the other half. The fit of a
    pair :math:`(x, y)` is measured by

    .. math::
        2 \lVert f(x) - y \rVert - r(f(x)) - r(y) ,

    where :math:`r` is the mean distance to the nearest samples of other pairs (CSLS
    [1]_): the distance of a pair is compared with that of its surroundings on both
    sides. Before, :math:`f(x)` is rescaled to the spread of the targets. The p-value is
    the rank of this value among those of random pairs, formed from other samples of the
    same half. P-values of wrong pairs are uniform; those of right pairs are small. The
    probability to be wrong follows from their common distribution, the local false
    discovery rate [2]_. Three such fits are made, half by half in turn, each with the
    weights found before; a fit on all pairs follows. In all, they cost five to six
    fits of the aligner, and more of a fit of few milliseconds.

    The estimate of the false discovery rate assumes that wrong pairs were matched at
    random, or are at least as far apart as random pairs. Wrong pairs of similar items
    (another item of the same class) fit better than random ones, and fewer are found.
    Nothing is assumed about the right pairs, except that most of them fit better
    than random pairs. The rate is an estimate from a finite sample, not a guarantee:
    it varies between samples. If no pair is wrong, few or none are named; each of these
    is then a false discovery, however small `fdr_` is.

    References
    ----------
    .. [1] A. Conneau, G. Lample, M. Ranzato, L. Denoyer and H. Jégou, "Word
       translation without parallel data", ICLR 2018.

    .. [2] B. Efron, R. Tibshirani, J. D. Storey and V. Tusher, "Empirical Bayes
       analysis of a microarray experiment", Journal of the American Statistical
       Association 96(456), 2001, pp. 1151-1160.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import RigidAligner, RobustAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> y = X[:, ::-1] + 0.1 * rng.normal(size=(200, 4))
    >>> y[:50] = rng.permutation(y[:50])  # wrong pairs
    >>> robust = RobustAligner(RigidAligner(), random_state=0).fit(X, y)
    >>> bool(robust.inlier_mask_[50:].mean() > 0.95)  # right pairs are kept
    True
    """

    _parameter_constraints = {
        "aligner": [HasMethods(["fit"]), None],
        "max_fdr": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        aligner: Any = None,
        *,
        max_fdr: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.aligner = aligner
        self.max_fdr = max_fdr
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Rate the pairs, and fit the aligner on all of them with their weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space; some may be wrong.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative.
        **fit_params : dict
            Other parameters of `fit` of the aligner. Of those with one value per sample
            of `X`, the values of the pairs in use are passed. With metadata routing
            enabled, only those are passed that the aligner requests.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, there are fewer than 8 pairs, a value is
            not finite, the aligner takes no `sample_weight`, or raises an error.
        """
        _check_takes_weights(self._unfitted)
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params).aligner.fit
        X, y, sample_weight = check_pairs(self, X, y, sample_weight=sample_weight)
        if len(X) < _FEWEST:
            raise ValueError(
                f"RobustAligner needs at least {_FEWEST} pairs to rate them; got "
                f"{len(X)}. Fit the aligner itself."
            )
        if sample_weight is None:
            sample_weight = np.ones(len(X))
        self._rate(X, y, sample_weight, fit_params)
        self.aligner_ = self._fit_inner(X, y, sample_weight * self.weights_, fit_params)
        return self

    def _rate(self, X, y, sample_weight, fit_params):
        """Set the p-values of all pairs, and what follows from them."""
        rows = check_random_state(self.random_state).permutation(len(X))
        fitted, rated = rows[: len(X) // 2], rows[len(X) // 2 :]
        weights, pvalues = _centrality(X) * _centrality(y), np.ones(len(X))
        for _ in range(_N_HALF_FITS):
            with without_warning():
                aligner = self._fit_inner(
                    X[fitted],
                    y[fitted],
                    (sample_weight * weights)[fitted],
                    take_rows(fit_params, fitted, len(X)),
                )
            pvalues[rated] = mismatch_pvalues(
                predicted(aligner, X[rated]), transform_target(aligner, y[rated])
            )
            if are_informative(pvalues[rated], sample_weight[rated]):
                wrong, _ = mismatch_probabilities(pvalues[rated], sample_weight[rated])
                weights[rated] = 1 - wrong
            fitted, rated = rated, fitted
        self.pvalues_ = pvalues
        if are_informative(pvalues, sample_weight):
            wrong, self.wrong_share_ = mismatch_probabilities(pvalues, sample_weight)
        else:
            warnings.warn(
                "RobustAligner cannot distinguish right pairs from wrong ones: samples "
                "are mapped no nearer to their own targets than to those of others. "
                "All pairs are used. Add pairs, or check that most rows of X and y "
                "belong to the same items.",
                UserWarning,
                stacklevel=user_level(),
            )
            wrong, self.wrong_share_ = np.zeros(len(X)), np.nan
        self.weights_ = 1 - wrong
        named, self.fdr_ = _named(pvalues, self.weights_, sample_weight, self.max_fdr)
        self.inlier_mask_ = ~named

    def _fit_inner(self, X, y, sample_weight, fit_params):
        y = y.ravel() if self._y_ndim == 1 else y
        aligner, name = clone(self._unfitted), "sample_weight"
        if (
            isinstance(aligner, Pipeline)
            and not get_config()["enable_metadata_routing"]
        ):
            name = f"{aligner.steps[-1][0]}__{name}"
        return aligner.fit(X, y, **{name: sample_weight}, **fit_params)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


def _check_takes_weights(aligner):
    parameters = signature(last_step(aligner).fit).parameters
    if "sample_weight" not in parameters and not any(
        parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()
    ):
        raise ValueError(
            f"{type(last_step(aligner)).__name__}.fit takes no sample_weight, by which "
            "RobustAligner excludes wrong pairs. Use an aligner that does, such as "
            "LinearAligner or RigidAligner."
        )


def _centrality(rows):
    """Weights in (0, 1] that bound the influence of far samples on the first map."""
    _, distance = centred(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.fmin(1, (np.median(distance) / distance) ** 2)


def _named(pvalues, right, sample_weight, max_fdr):
    """Pairs to name wrong, and their mean probability to be right.

    The largest p-values are named first, as many as are allowed.
    """
    order = np.lexsort((-right, pvalues))[::-1]
    weight = sample_weight[order]
    with np.errstate(invalid="ignore"):
        rate = np.cumsum(weight * right[order]) / np.cumsum(weight)
    allowed = np.flatnonzero((rate <= max_fdr) & (right[order] < 0.5))
    named = np.zeros(len(right), dtype=bool)
    if len(allowed) == 0:
        return named, 0.0
    named[order[: allowed[-1] + 1]] = True
    return named, float(rate[allowed[-1]])
